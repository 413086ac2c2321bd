// Between the scan's events and the reports: per-host aggregation, names, progress, reasons to stop.
#pragma once

#include <stdbool.h>

#include "app/outputs.h"
#include "app/plan.h"
#include "app/reverse.h"
#include "base/log.h"
#include "result/hosts.h"
#include "scan/scan.h"

struct signals;
struct progress;

struct report {
	const struct settings *settings;
	const struct plan *plan;
	struct outputs *out;
	const struct log *log;
	struct signals *signals;   // may be NULL
	struct progress *progress; // may be NULL
	struct reverse *names;     // may be NULL
	struct hosts *hosts;       // NULL: no report wants whole hosts
	int64_t start_ns, flushed_ns;
	int write_error;      // of an output
	int signal;           // that stopped the scan, or 0
	uint64_t unreachable; // hosts without a route
	uint64_t vanished;    // hosts that answered, and at the end no more
	bool terminal;        // standard output is one: the progress line must make way
	bool keep_hosts;      // names are still being looked up: hosts are told at the end
};

// Fills the hooks with this module's functions.
void report_hooks(struct report *r, struct scan_hooks *hooks);
// Tells every host that was not told yet.
int report_finish(struct report *r, bool interrupted);
