// One scan from settings to exit status.
#pragma once

#include "app/options.h"

enum exit_status {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_INCOMPLETE = 3,
};

int run_scan(const struct settings *s, int argc, char *const argv[]);
