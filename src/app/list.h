// -sL: the targets told as hosts, without asking any of them.
#pragma once

#include <stdint.h>

#include "app/report.h"

// Tells each target to the reports, in ascending order, with its names; in blocks, so that any number costs
// no memory. Counts them in hosts_total. ERR_INTERRUPTED when a stop was asked for or an output failed.
int list_targets(struct report *r, const struct scan_hooks *hooks, struct scan_counters *c) MUST_CHECK;
