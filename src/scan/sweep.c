// What leaves next.
#include "scan/sweep.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "scan/sweep_state.h"

#define BLOCKED_STREAK 128   // positions in a row whose hosts are over their budget: stop looking
#define SAMPLE_WANTED  5000u // positions that are always sent again, if there are so many …
#define SAMPLE_MOST    100u  // … and at least one in so many
#define SEEN_MAX       (64u << 20)

#define LONGER_TRIES        2 // doublings of a connection's time-out
#define CATCH_UP_NS         (10 * NS_PER_MS)
#define CEILING_SHARE       0.99
#define CEILING_CATCH_UP_NS (4 * NS_PER_MS)

static void policies(struct sweep *s)
{
	const struct sweep_policy *p = &s->policy;
	double silent = p->host_silent_pps > 0 ? p->host_silent_pps : INFINITY;
	double floor_pps = p->min_pps > 0 ? p->min_pps : 0;
	s->host_policy = (struct flow_policy){
		.level = FLOW_HOST,
		.start_pps = silent < INFINITY ? silent : p->start_pps, // -T5 knows no gentle start
		.silent_pps = silent > floor_pps ? silent : floor_pps,
		.floor_pps = floor_pps > 2000 ? floor_pps : 2000,
		.burst = 64,
		.judge = !p->sequential,
		.scan_delay_ns = p->scan_delay_ns,
	};
	s->net_policy = (struct flow_policy){
		.level = FLOW_NET,
		.start_pps = p->start_pps,
		.silent_pps = INFINITY,
		.floor_pps = floor_pps > 5000 ? floor_pps : 5000,
		.burst = 128,
		.judge = !p->sequential,
	};
	s->all_policy = s->net_policy;
	s->all_policy.level = FLOW_ALL;
}

static int allocate(struct sweep *s, uint64_t addresses)
{
	s->dense = addresses <= HOST_SLOTS;
	s->host_slots = s->dense ? (addresses ? (uint32_t)addresses : 1) : HOST_SLOTS;
	s->hosts = calloc(s->host_slots, sizeof(*s->hosts));
	s->nets = calloc(NET_SLOTS, sizeof(*s->nets));
	if (!s->hosts || !s->nets)
		return -ENOMEM;
	return window_init(&s->window, s->slice.count, s->policy.window_max);
}

int sweep_new(struct sweep **out, const struct space *space, const struct order *order,
	      const struct order_slice *slice, const struct sweep_policy *policy,
	      const struct sweep_events *events)
{
	struct sweep *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->space = space;
	s->order = order;
	s->slice = *slice;
	s->policy = *policy;
	s->events = *events;
	s->rtt = policy->rtt;
	policies(s);
	uint64_t slots = space_slot_count(space);
	int r = allocate(s, slots ? space_count(space) / slots : 0);
	if (r) {
		sweep_free(s);
		return r;
	}
	bool whole = slice->step == 1 && slice->count == space_count(space);
	for (uint32_t i = 0; s->dense && whole && i < s->host_slots; i++)
		s->hosts[i].left = (uint32_t)slots;
	seen_init(&s->seen, SEEN_MAX);
	uint64_t sample = slice->count / SAMPLE_WANTED;
	s->sample = sample < 1 ? 1 : sample > SAMPLE_MOST ? SAMPLE_MOST : (uint32_t)sample;
	s->c.positions = slice->count;
	*out = s;
	return 0;
}

void sweep_free(struct sweep *s)
{
	if (!s)
		return;
	window_free(&s->window);
	seen_free(&s->seen);
	free(s->hosts);
	free(s->nets);
	free(s);
}

_Atomic uint32_t *sweep_stamps(struct sweep *s)
{
	return s->window.stamps;
}

struct sweep_host *sweep_host(struct sweep *s, uint64_t addr_index)
{
	uint64_t i = s->dense ? addr_index : hash_mix64(addr_index) & (HOST_SLOTS - 1);
	return &s->hosts[i];
}

struct flow *sweep_net(struct sweep *s, const struct addr *a)
{
	uint64_t net = addr_is_v4(a) ? a->lo >> 8 : a->hi;
	return &s->nets[hash_mix64(net) & (NET_SLOTS - 1)];
}

// In a dense sweep a host's slot is its address.
static void host_rests(struct sweep *s, struct sweep_host *h)
{
	uint32_t place = (uint32_t)(h - s->hosts) + 1;
	h->finished_ns = s->now_ns;
	if (s->resting_tail)
		s->hosts[s->resting_tail - 1].resting_next = place;
	else
		s->resting_head = place;
	s->resting_tail = place;
}

static void wake_first(struct sweep *s)
{
	uint32_t slot = s->resting_head - 1;
	struct space_item item;
	s->resting_head = s->hosts[slot].resting_next;
	if (!s->resting_head)
		s->resting_tail = 0;
	space_at(s->space, (uint64_t)slot * space_slot_count(s->space), &item);
	s->events.host_done(s->events.ctx, &item.addr, slot);
}

void sweep_rest_over(struct sweep *s)
{
	while (s->resting_head)
		wake_first(s);
}

static void wake_hosts(struct sweep *s)
{
	int64_t rest = s->resting_head ? sweep_cool_down_ns(s) : 0;
	while (s->resting_head && s->now_ns >= s->hosts[s->resting_head - 1].finished_ns + rest)
		wake_first(s);
}

void sweep_finish(struct sweep *s, const struct space_item *item)
{
	s->c.positions_done++;
	if (!s->dense || !s->events.host_done)
		return;
	struct sweep_host *h = sweep_host(s, item->addr_index);
	if (!h->left || --h->left)
		return;
	if (h->given_up && !s->policy.stream)
		host_rests(s, h);
	else
		s->events.host_done(s->events.ctx, &item->addr, item->addr_index);
}

enum gate { GATE_OPEN, GATE_HOST, GATE_ALL };

// May a frame to this host leave now, by the evidence?
static enum gate evidence(struct sweep *s, struct sweep_host *h, struct flow *net, int64_t now_ns,
			  int64_t *wait_ns)
{
	int64_t wait = INT64_MAX;
	enum gate g = GATE_OPEN;
	if (!flow_apart(&h->flow) && !flow_may_send(&s->all, &s->all_policy, now_ns)) {
		wait = flow_wait_ns(&s->all, &s->all_policy, now_ns);
		g = GATE_ALL;
	} else if (!flow_may_send(&h->flow, &s->host_policy, now_ns)) {
		wait = flow_wait_ns(&h->flow, &s->host_policy, now_ns);
		g = GATE_HOST;
	} else if (!flow_apart(&h->flow) && !flow_may_send(net, &s->net_policy, now_ns)) {
		wait = flow_wait_ns(net, &s->net_policy, now_ns);
		g = GATE_HOST;
	}
	if (wait < *wait_ns)
		*wait_ns = wait;
	return g;
}

static bool host_over_time(struct sweep *s, struct sweep_host *h, const struct space_item *item,
			   int64_t now_ns)
{
	if (h->first_ns == 0)
		h->first_ns = now_ns;
	if (s->policy.host_timeout_ns <= 0 || h->timed_out)
		return h->timed_out;
	if (now_ns - h->first_ns < s->policy.host_timeout_ns)
		return false;
	h->timed_out = true;
	s->c.hosts_timed_out++;
	if (s->events.host_timed_out)
		s->events.host_timed_out(s->events.ctx, &item->addr, item->addr_index);
	return true;
}

struct filler {
	struct sweep_shot *shots;
	unsigned n, max;
	unsigned streak; // blocked positions in a row
	int64_t wait_ns;
	int64_t now_ns;
	bool stop;
};

// A connection that is given up cannot be answered late, so its time-out hides how late answers are: a later
// try waits longer (RFC 6298, 5.5), and its answer tells.
static int64_t try_timeout_ns(const struct sweep *s, const struct sweep_host *h, unsigned try_no)
{
	int64_t t = h->flow.answers > 0 ? sweep_timeout_ns(s) : sweep_unsure_timeout_ns(s);
	unsigned doublings = try_no - 1 < LONGER_TRIES ? try_no - 1 : LONGER_TRIES;
	if (!s->policy.stream || t >= s->rtt.max_ns)
		return t;
	t <<= doublings;
	return t < s->rtt.max_ns ? t : s->rtt.max_ns;
}

static void shoot(struct sweep *s, const struct chunk *c, uint64_t k, const struct space_item *item,
		  struct filler *f)
{
	uint32_t stamp = window_stamp(&s->window, k);
	s->window.earlier[stamp] = atomic_load_explicit(&s->window.stamps[stamp], memory_order_relaxed);
	atomic_store_explicit(&s->window.stamps[stamp], 0, memory_order_relaxed);
	s->window.handed[stamp] = (uint32_t)(f->now_ns / NS_PER_US);
	f->shots[f->n++] = (struct sweep_shot){
		.item = *item,
		.position = k,
		.stamp = stamp,
		.try_no = c->tries,
		.timeout_ns = try_timeout_ns(s, sweep_host(s, item->addr_index), c->tries),
	};
	if (c->tries > s->most_tries)
		s->most_tries = c->tries;
	if (c->tries == 1)
		s->c.first_tries++;
	else
		s->c.resends++;
	s->c.frames++;
}

// One position of a chunk: sent, skipped, or left for later.
static void visit(struct sweep *s, struct chunk *c, uint64_t k, uint64_t bit, struct filler *f)
{
	struct space_item item;
	sweep_item(s, k, &item);
	struct sweep_host *h = sweep_host(s, item.addr_index);
	if (sweep_unwanted(s, &item) || host_over_time(s, h, &item, f->now_ns)) {
		c->todo &= ~bit;
		c->done |= bit;
		s->c.unsent++;
		sweep_finish(s, &item);
		return;
	}
	struct flow *net = sweep_net(s, &item.addr);
	bool stated = s->policy.rate_pps > 0;
	if (!stated || s->policy.scan_delay_ns > 0) {
		enum gate g = evidence(s, h, net, f->now_ns, &f->wait_ns);
		if (g == GATE_ALL || (g == GATE_HOST && s->policy.sequential)) { // in order: nobody overtakes
			f->stop = true;
			return;
		}
		if (g == GATE_HOST) {
			f->streak++;
			return;
		}
	}
	f->streak = 0;
	c->todo &= ~bit;
	bool judged = c->tries == 1, apart = flow_apart(&h->flow);
	if (!stated || s->policy.scan_delay_ns > 0)
		flow_sent(&h->flow, &s->host_policy, f->now_ns, judged);
	if (!stated && !apart) {
		flow_sent(&s->all, &s->all_policy, f->now_ns, judged);
		flow_sent(net, &s->net_policy, f->now_ns, judged);
	}
	if (s->policy.stream)
		c->pending |= bit;
	shoot(s, c, k, &item, f);
}

static void sent_all(struct sweep *s, struct chunk *c, int64_t now_ns)
{
	c->sent_ns = now_ns;
	c->state = CHUNK_WAITING;
	if (s->policy.stream) {
		if (!c->pending)
			sweep_settle(s, c, now_ns, true);
		return;
	}
	chunk_push(&s->window, &s->waiting[c->tries], c);
}

// Works through a chunk until it is sent, or as far as budgets and blocked hosts let it.
static void work(struct sweep *s, struct chunk *c, struct filler *f)
{
	uint64_t base = window_number(&s->window, c) * CHUNK_BITS;
	for (uint64_t left = c->todo; left && f->n < f->max && !f->stop && f->streak < BLOCKED_STREAK;
	     left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctzll(left);
		visit(s, c, base + i, 1ULL << i, f);
	}
	if (c->todo == 0) {
		sent_all(s, c, f->now_ns);
	} else if (f->streak == 0 && (f->n >= f->max || f->stop)) {
		s->current = c;
	} else { // its rest is blocked: others overtake
		c->state = CHUNK_DEFERRED;
		chunk_push(&s->window, &s->deferred, c);
	}
}

static struct chunk *next_chunk(struct sweep *s)
{
	struct chunk *c = s->current;
	s->current = NULL;
	if (!c)
		c = chunk_pop(&s->window, &s->resend);
	return c ? c : window_open(&s->window);
}

static bool may_go_on(const struct filler *f)
{
	return f->n < f->max && !f->stop && f->streak < BLOCKED_STREAK;
}

// What hosts over their budget held up goes first once they may be sent to again. They are looked at seldom,
// and never keep the others waiting.
static void send_deferred(struct sweep *s, struct filler *f)
{
	if (f->now_ns < s->deferred_until_ns)
		return;
	for (unsigned n = s->deferred.count; n && may_go_on(f); n--)
		work(s, chunk_pop(&s->window, &s->deferred), f);
	if (f->streak && f->wait_ns != INT64_MAX)
		s->deferred_until_ns = f->now_ns + f->wait_ns;
	f->streak = 0;
}

static void nothing_due(struct sweep *s, const struct filler *f)
{
	int64_t until = f->wait_ns != INT64_MAX ? f->now_ns + f->wait_ns : INT64_MAX;
	if (s->deferred.head && s->deferred_until_ns > f->now_ns && s->deferred_until_ns < until)
		until = s->deferred_until_ns;
	if (until != INT64_MAX)
		s->blocked_until_ns = until;
}

// How many frames the stated rates let out now.
static unsigned stated_limit(struct sweep *s, unsigned max, int64_t now_ns)
{
	if (s->policy.rate_pps > 0)
		max = pace_bucket_ready(&s->stated, now_ns, max);
	if (s->policy.max_pps > 0)
		max = pace_bucket_ready(&s->ceiling, now_ns, max);
	return max;
}

static void start_clock(struct sweep *s, int64_t now_ns)
{
	int64_t since = s->policy.sent_before_ns ? s->policy.sent_before_ns : now_ns;
	pace_bucket_init(&s->stated, s->policy.rate_pps, CATCH_UP_NS, since);
	// No second may carry more than the ceiling, also when a batch was held up on its way out: so a
	// little under it, and what is caught up after a stall fits into the rest.
	pace_bucket_init(&s->ceiling, s->policy.max_pps * CEILING_SHARE, CEILING_CATCH_UP_NS, since);
	if (s->policy.sent_before_ns) { // the frame before was another sweep's
		s->stated.tokens = s->ceiling.tokens = 0;
		s->blocked_until_ns = since + s->policy.scan_delay_ns;
	}
	s->slow_checked_ns = now_ns;
}

unsigned sweep_next(struct sweep *s, int64_t now_ns, struct sweep_shot *shots, unsigned max)
{
	if (s->slow_checked_ns == 0)
		start_clock(s, now_ns);
	s->now_ns = now_ns;
	sweep_expire(s, now_ns);
	wake_hosts(s);
	if (now_ns < s->blocked_until_ns)
		return 0;
	max = stated_limit(s, max, now_ns);
	struct filler f = {.shots = shots, .max = max, .wait_ns = INT64_MAX, .now_ns = now_ns};
	if (!s->current)
		send_deferred(s, &f);
	while (may_go_on(&f)) {
		struct chunk *c = next_chunk(s);
		if (!c)
			break;
		work(s, c, &f);
	}
	if (f.n) {
		s->last_sent_ns = now_ns;
		pace_bucket_take(&s->stated, f.n);
		pace_bucket_take(&s->ceiling, f.n);
	} else {
		nothing_due(s, &f);
	}
	window_advance(&s->window);
	return f.n;
}

void sweep_left(struct sweep *s, const struct sweep_shot *shots, unsigned n, int64_t now_ns)
{
	s->last_sent_ns = now_ns;
	for (unsigned i = 0; s->policy.scan_delay_ns > 0 && i < n; i++)
		sweep_host(s, shots[i].item.addr_index)->flow.refill_ns = now_ns;
}

int64_t sweep_last_sent_ns(const struct sweep *s)
{
	return s->last_sent_ns;
}

const struct scan_counters *sweep_counters(const struct sweep *s)
{
	return &s->c;
}

void sweep_count_rejected(struct sweep *s)
{
	s->c.answers++;
	s->c.rejected++;
}

void sweep_overrun(struct sweep *s, uint64_t dropped, int64_t now_ns)
{
	s->c.ring_drops += dropped;
	flow_overrun(&s->all, &s->all_policy, now_ns);
}

void sweep_look(struct sweep *s, int64_t now_ns)
{
	int64_t gap = s->all_policy.seen_ns ? now_ns - s->all_policy.seen_ns : 0;
	uint32_t late_us = gap > NS_PER_S ? 1000000 : (uint32_t)(gap / NS_PER_US);
	s->host_policy.late_us = s->net_policy.late_us = s->all_policy.late_us = late_us;
}

void sweep_seen(struct sweep *s, int64_t now_ns)
{
	s->host_policy.seen_ns = s->net_policy.seen_ns = s->all_policy.seen_ns = now_ns;
}

void sweep_seed_rtt(struct sweep *s, uint64_t addr_index, uint32_t rtt_us)
{
	if (!rtt_us)
		return;
	pace_rtt_sample(&sweep_host(s, addr_index)->flow.rtt, rtt_us);
	pace_rtt_sample(&s->all.rtt, rtt_us);
}

bool sweep_host_limited(const struct sweep *s, uint64_t addr_index)
{
	return s->dense && s->hosts[addr_index].flow.limited;
}

void sweep_item_at(const struct sweep *s, uint64_t position, struct space_item *item)
{
	sweep_item(s, position, item);
}
