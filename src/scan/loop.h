// What the transmit-and-receive loops share: the clock that calls tick, and the reason to stop.
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "scan/scan.h"

#define LOOP_TICK_NS (25 * NS_PER_MS)

struct loop {
	const struct scan_hooks *hooks;
	int64_t next_tick_ns;
	bool stopped;
};

// Calls tick when its time has come or when `now_please` (the stop descriptor is readable). True: go on.
static inline bool loop_tick(struct loop *l, const struct scan_counters *c, int64_t now_ns, bool now_please)
{
	if (!now_please && now_ns < l->next_tick_ns)
		return true;
	l->next_tick_ns = now_ns + LOOP_TICK_NS;
	if (l->hooks->tick && l->hooks->tick(l->hooks->ctx, c, now_ns))
		l->stopped = true;
	return !l->stopped;
}

// Waits for one of the descriptors (and the stop descriptor) at most wait_ns. Returns which are readable, a
// bit each; bit `n` is the stop descriptor.
unsigned loop_wait(const struct loop *l, const int *fds, unsigned n, int64_t wait_ns);
