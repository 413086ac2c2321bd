// What the responder's tool does: each takes what was read from its command line and returns the exit status.
#pragma once

#include <stdint.h>

#include "responder/options.h"

int command_run(const struct options *o);
// Both ask a running responder in this network namespace, by the interface it is on.
int command_set(const struct options *o);
int command_stats(const struct options *o);
int command_truth(const struct options *o);

// Says what went wrong and returns 2 for what the caller got wrong, else 1.
int command_fault(const struct err_text *e, int code);
