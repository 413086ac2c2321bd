// Private to the sweep's files.
#pragma once

#include <assert.h>
#include <stddef.h>

#include "pace/bucket.h"
#include "pace/loss.h"
#include "scan/seen.h"
#include "scan/sweep.h"
#include "scan/window.h"

#define HOST_SLOTS  65536u
#define NET_SLOTS   16384u
#define WAIT_QUEUES (WINDOW_TRIES_MAX + 1)
#define CACHE_LINE  64
#define SWEEP_SURE  0.99 // confidence from which on one try is never enough

// What is known of a host (or of the few that share a slot when there are more hosts than slots: that only
// slows them).
struct sweep_host {
	struct flow flow;
	struct pace_loss loss;
	uint32_t open, open_second;
	uint32_t given_up, tries_spent; // silent positions, and the tries that they got together
	uint32_t left : 30;             // positions not finished (dense sweeps)
	uint32_t vanished : 1;          // it answered, and at the end no more
	uint32_t timed_out : 1;
	uint32_t resting_next; // in the queue of the resting, slot + 1
	uint32_t finished_ms;
	uint32_t first_ms; // first frame, where hosts have a time-out; 0: none
};
// A frame needs the first of its cache lines, an answer the second and the last, a position that is given up
// the first and the last.
static_assert(sizeof(struct sweep_host) == 4 * CACHE_LINE &&
		      offsetof(struct sweep_host, flow.rtt) == CACHE_LINE &&
		      offsetof(struct sweep_host, loss) >= 3 * CACHE_LINE,
	      "hosts are met in random order");

struct sweep {
	const struct space *space;
	const struct order *order;
	struct order_slice slice;
	struct sweep_policy policy;
	struct sweep_events events;

	struct window window;
	struct chunk_queue resend, deferred;
	struct chunk_queue held;                 // silent at hosts of which too little is known yet
	struct chunk_queue waiting[WAIT_QUEUES]; // by try: all sent, until the timeout
	struct chunk_queue unsure[WAIT_QUEUES];  // … hosts that never answered get longer
	struct chunk *current;                   // partly sent, first in line

	struct sweep_host *hosts;
	struct flow *nets;
	void *hosts_memory; // what they lie in
	struct flow all;
	struct flow_policy host_policy, calm_policy, net_policy, all_policy;
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
	int64_t deferred_until_ns;  // no host of a deferred position may be sent to before
	struct sweep_doubt *doubts; // hosts whose answers stay flat (scan/sweep_doubt.h)
	uint16_t *doubt_of;         // of a host's slot: index + 1
	uint32_t doubt_count, doubt_next;
	struct sweep_check *checks; // at the end (scan/sweep_check.h)
	uint32_t check_count;
	bool checking;
	int64_t cool_from_ns; // the last frame before these
	bool held_due;        // what is held can be judged
	uint64_t silent_by_try[WINDOW_TRIES_MAX + 1];
	uint64_t open_by_try[WINDOW_TRIES_MAX + 1]; // open ports, by the try that they answered
	unsigned most_tries;                        // of any position
	bool one_try; // some positions got a single try: loss is known from the sample
	// Outages: first tries since an answer to one came, when that was, and when the last outage ended.
	uint32_t asked_since;
	int64_t answered_ns, outage_until_ns;
	double lacking_nats; // how unlikely few answers of a chunk must be to mean that they were swallowed
	struct recip sample; // where one try would do, one silent position in so many is sent again
	// The largest loss for which so many tries are enough.
	double tries_loss[WINDOW_TRIES_MAX + 1];
	int64_t wall_ahead_ns,
		wall_checked_ns; // the wall clock less the monotonic one, and when that was read
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

// The items of those positions base … base + 63 whose bits are set, in this order, looked up together so that
// their misses of the cache overlap. Returns how many.
unsigned sweep_items(const struct sweep *s, uint64_t base, uint64_t mask, struct space_item *items);

int sweep_hosts_init(struct sweep *s, uint64_t addresses) MUST_CHECK;
void sweep_hosts_free(struct sweep *s);

static inline struct sweep_host *sweep_host(const struct sweep *s, uint64_t addr_index)
{
	return &s->hosts[s->dense ? addr_index : hash_mix64(addr_index) & (HOST_SLOTS - 1)];
}

static inline struct flow *sweep_net(const struct sweep *s, const struct addr *a)
{
	uint64_t net = addr_is_v4(a) ? a->lo >> 8 : a->hi;
	return &s->nets[hash_mix64(net) & (NET_SLOTS - 1)];
}

static inline const struct flow_policy *sweep_host_policy(const struct sweep *s, const struct sweep_host *h)
{
	return h->flow.limited == FLOW_CALM ? &s->calm_policy : &s->host_policy;
}

// Of a host that is kept below its limit, the first try at that rate counts.
static inline bool sweep_slow_first(const struct sweep_host *h, const struct chunk *c)
{
	return h->flow.limited == FLOW_CALM && c->tries == c->futile + 1;
}

// Are `n` tries too few to decide, whatever the loss? One lost frame in a burst of our own making must not.
static inline bool sweep_undecided(const struct sweep *s, unsigned n)
{
	return n == 0 || (n < 2 && s->policy.confidence >= SWEEP_SURE);
}

// Have answers stayed away for so long, although so many were due, that the way was cut off?
bool sweep_outage(const struct sweep *s, int64_t now_ns);

// Timeout of a try now; of hosts that never answered, a longer one.
int64_t sweep_timeout_ns(const struct sweep *s);
int64_t sweep_unsure_timeout_ns(const struct sweep *s);
// How long after the last frame answers are still waited for.
int64_t sweep_cool_down_ns(const struct sweep *s);

// What is held is judged anew.
void sweep_settle_held(struct sweep *s, int64_t now_ns);
// A position is finished: bookkeeping of its host.
void sweep_finish(struct sweep *s, struct sweep_host *h, const struct addr *a, uint64_t addr_index);
// Tells of hosts that were finished long enough ago.
void sweep_wake_hosts(struct sweep *s);
// Moves chunks whose time has come on: sent again, or given up.
void sweep_expire(struct sweep *s, int64_t now_ns);
// All of a chunk's tries are answered or over: re-send, give up or release.
void sweep_settle(struct sweep *s, struct chunk *c, int64_t now_ns, bool unsure_done);
