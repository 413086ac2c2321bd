// The border between the program and the parts that it loads when an option first needs them
// (libprtip-NAME.so): one exported function that returns a constant description.
#pragma once

#include "base/err.h"

// Raised whenever a struct behind `ops` or this one changes; program and module must agree.
#define MODULE_ABI 3

struct module_info {
	int abi;          // MODULE_ABI at the time the module was built
	const char *name; // "names", "xml": the NAME of libprtip-NAME.so
	const void *ops;  // the module's own struct of functions: struct names_ops, struct sink_ops …
};

#define MODULE_EXPORT __attribute__((visibility("default")))

// What every module defines, and the only symbol that it exports.
MODULE_EXPORT const struct module_info *prtip_module(void);

// Name of that function for dlsym.
#define MODULE_SYMBOL "prtip_module"
