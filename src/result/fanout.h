// Hands records and hosts to several outputs: at once, or through a queue to a thread that owns them. One
// thread calls (the producer).
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "result/host.h"
#include "result/record.h"

// An output, as `sink/` has it. Functions may be NULL except close; each returns 0 or an error of its write.
struct fanout_target {
	const char *name; // for messages: the file's name
	void *ctx;
	int (*record)(void *ctx, const struct record *r);
	int (*host)(void *ctx, const struct host_result *h);
	int (*flush)(void *ctx);
	int (*close)(void *ctx, const struct scan_summary *sum);
};

#define FANOUT_TARGETS_MAX 16

struct fanout_config {
	const struct fanout_target *targets; // copied
	size_t count;
	bool threaded; // a thread of its own writes, flushing at least every 0.1 s; a full queue makes the
		       // producer wait, nothing is lost
	size_t queue_slots; // 0: 16,384
};

struct fanout;

// On failure the targets still belong to the caller, and none was closed.
int fanout_new(struct fanout **out, const struct fanout_config *cfg, struct err_text *e) MUST_CHECK;

// Each returns 0 or the first error of any target so far (with a queue: as far as the thread has come). A
// target that failed gets nothing more until its close.
int fanout_record(struct fanout *f, const struct record *r);
int fanout_host(struct fanout *f, const struct host_result *h);
// Flushes the targets (with a queue: wakes the thread). Without a queue, call it at least every 0.1 s.
int fanout_flush(struct fanout *f);

// Without a queue: will the next flush write something? The progress line must be off the screen then. With a
// queue nobody can tell; do not draw on the terminal that the thread writes to.
bool fanout_pending(const struct fanout *f);

// Waits for the queue to drain, closes every target, frees. Returns the first error of any target; `failed`
// (may be NULL) is then the target's index.
int fanout_close(struct fanout *f, const struct scan_summary *sum, size_t *failed);
