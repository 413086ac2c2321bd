// Private to the sweep's files.
#pragma once

#include "pace/bucket.h"
#include "pace/loss.h"
#include "scan/seen.h"
#include "scan/sweep.h"
#include "scan/window.h"

#define HOST_SLOTS  65536u
#define NET_SLOTS   16384u
#define WAIT_QUEUES (WINDOW_TRIES_MAX + 1)

// What is known of a host (or of the few that share a slot when there are more hosts than slots: that only
// slows them).
struct sweep_host {
	struct flow flow;
	struct pace_loss loss;
	int64_t first_ns; // first frame
	uint32_t open, open_second;
	uint32_t given_up, tries_spent; // silent positions, and the tries that they got together
	uint32_t left;                  // positions not finished (dense sweeps)
	uint32_t resting_next;          // in the queue of the resting, slot + 1
	int64_t finished_ns;
	bool timed_out;
};

struct sweep {
	const struct space *space;
	const struct order *order;
	struct order_slice slice;
	struct sweep_policy policy;
	struct sweep_events events;

	struct window window;
	struct chunk_queue resend, deferred;
	struct chunk_queue waiting[WAIT_QUEUES]; // by try: all sent, until the timeout
	struct chunk_queue unsure[WAIT_QUEUES];  // … hosts that never answered get longer
	struct chunk *current;                   // partly sent, first in line

	struct sweep_host *hosts;
	struct flow *nets;
	struct flow all;
	struct flow_policy host_policy, net_policy, all_policy;
	uint32_t host_slots;
	bool dense; // host slot = address index

	struct pace_bucket stated;        // --rate
	struct pace_bucket ceiling;       // --max-rate
	struct pace_loss loss;            // of all
	uint32_t ripe_first, fresh_first; // answers of chunks complete at once, not yet old enough to count
	int64_t ripened_ns;
	struct pace_rtt_limits rtt;
	int64_t slow_rto_ns; // largest timeout among answering hosts, decaying
	int64_t slow_checked_ns;

	// Hosts whose positions are finished, some in silence: a late answer may still come, and a host is
	// told once.
	uint32_t resting_head, resting_tail; // slot + 1; 0: empty
	int64_t now_ns;                      // of the call in progress

	struct seen seen;
	int64_t last_sent_ns;
	int64_t blocked_until_ns;
	int64_t deferred_until_ns; // no host of a deferred position may be sent to before
	uint64_t silent_by_try[WINDOW_TRIES_MAX + 1];
	unsigned most_tries; // of any position
	bool one_try;        // some positions got a single try: loss is known from the sample
	uint32_t sample;     // where one try would do, one silent position in so many is sent again
	struct scan_counters c;
};

static inline uint64_t sweep_order_position(const struct sweep *s, uint64_t k)
{
	return s->slice.first + k * s->slice.step;
}

// Are positions of this address not wanted any more?
static inline bool sweep_unwanted(const struct sweep *s, const struct space_item *item)
{
	return s->events.skip && s->events.skip(s->events.ctx, item->addr_index);
}

static inline void sweep_item(const struct sweep *s, uint64_t k, struct space_item *item)
{
	space_at(s->space, order_at(s->order, sweep_order_position(s, k)), item);
}

struct sweep_host *sweep_host(struct sweep *s, uint64_t addr_index);
struct flow *sweep_net(struct sweep *s, const struct addr *a);

// Timeout of a try now; of hosts that never answered, a longer one.
int64_t sweep_timeout_ns(const struct sweep *s);
int64_t sweep_unsure_timeout_ns(const struct sweep *s);
// How many tries a silent position of this host deserves now, by the loss measured.
unsigned sweep_tries(const struct sweep *s, const struct sweep_host *h);

// How long after the last frame answers are still waited for.
int64_t sweep_cool_down_ns(const struct sweep *s);

// A position is finished: bookkeeping of its host.
void sweep_finish(struct sweep *s, const struct space_item *item);
// Moves chunks whose time has come on: sent again, or given up.
void sweep_expire(struct sweep *s, int64_t now_ns);
// All of a chunk's tries are answered or over: re-send, give up or release.
void sweep_settle(struct sweep *s, struct chunk *c, int64_t now_ns, bool unsure_done);
