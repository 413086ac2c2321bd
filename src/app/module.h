// Loads the parts of the program that only some options need: libprtip-NAME.so, from the folder of the
// program itself or the library folder given at build time (PRTIP_MODULE_DIR).
#pragma once

#include "base/err.h"

// Sets *ops to the module's struct of functions (base/module.h). The module stays loaded until the process
// ends. ERR_MODULE with a text when it is missing, broken, or made for another version.
//
// A process that has more rights than its user (AT_SECURE, capabilities, root) loads a module only if the
// file and every folder above it can be written by root alone; for root the owner of the program counts too,
// as long as nobody else can write there.
int module_load(const char *name, const void **ops, struct err_text *e) MUST_CHECK;
