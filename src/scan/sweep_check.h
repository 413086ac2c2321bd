// Before the end: hosts that answered, and of which something stayed silent, are asked once more what they
// have answered before. Who does not answer that any more went away in the meantime, and its silence says
// nothing. Private to the sweep's files.
#pragma once

#include "scan/sweep_state.h"

struct sweep_check {
	struct sweep_host *host;
	uint64_t position; // it was answered
	int64_t sent_ns;
	uint8_t sent;
	bool open, over;
};

void sweep_checks_free(struct sweep *s);
// All positions are done: probes of these checks that are due, at most `max` into shots.
unsigned sweep_check_next(struct sweep *s, int64_t now_ns, struct sweep_shot *shots, unsigned max);
// Are there any whose answer is still awaited? False before the first call of sweep_check_next.
bool sweep_check_pending(const struct sweep *s);
// Is it still to be called?
bool sweep_check_wanted(const struct sweep *s);
// One more answer of a position. A router that speaks for an open one only says that it is gone.
void sweep_check_answered(struct sweep *s, uint64_t position, const struct sweep_reply *r);
