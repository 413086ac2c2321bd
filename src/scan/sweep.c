// What leaves next.
#include "scan/sweep.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "scan/sweep_check.h"
#include "scan/sweep_doubt.h"

#define BLOCKED_STREAK 128   // positions in a row whose hosts are over their budget: stop looking
#define SAMPLE_WANTED  5000u // positions that are always sent again, if there are so many …
#define SAMPLE_MOST    100u  // … and at least one in so many
#define CHANCE_SCANS   10.0  // scans of which at most one sees a swallowed chunk where there is none
#define SEEN_MAX       (64u << 20)
#define AHEAD          32u // positions looked up together
#define AHEAD_ALONE    8u  // … of one host, which is often over its budget

#define LONGER_TRIES        2 // doublings of a connection's time-out
#define LEFT_MAX            ((1u << 30) - 1)
#define CALM_FLOOR_PPS      1
#define CALM_BURST          3
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
	s->calm_policy = (struct flow_policy){
		.level = FLOW_HOST,
		.start_pps = 1,
		.silent_pps = INFINITY,
		.floor_pps = CALM_FLOOR_PPS,
		.burst = CALM_BURST,
		.judge = true,
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
	int r = sweep_hosts_init(s, slots ? space_count(space) / slots : 0);
	if (!r)
		r = window_init(&s->window, slice->count, policy->window_max);
	if (r) {
		sweep_free(s);
		return r;
	}
	bool whole = slice->step == 1 && slice->count == space_count(space);
	for (uint32_t i = 0; s->dense && whole && i < s->host_slots; i++)
		s->hosts[i].left = (uint32_t)slots & LEFT_MAX;
	seen_init(&s->seen, SEEN_MAX);
	uint64_t sample = slice->count / SAMPLE_WANTED;
	s->sample = recip_of(sample < 1 ? 1 : sample > SAMPLE_MOST ? SAMPLE_MOST : sample);
	s->lacking_nats = log(CHANCE_SCANS * ((double)slice->count / CHUNK_BITS + 1));
	for (unsigned n = 1; n < policy->max_tries && n <= WINDOW_TRIES_MAX; n++)
		s->tries_loss[n] = pace_loss_limit(n, policy->confidence);
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
	sweep_hosts_free(s);
	free(s);
}

_Atomic uint32_t *sweep_stamps(struct sweep *s)
{
	return s->window.stamps;
}

enum gate { GATE_OPEN, GATE_HOST, GATE_ALL };

// May a frame to this host leave now, by the evidence?
static enum gate evidence(struct sweep *s, struct sweep_host *h, struct flow *net, int64_t now_ns,
			  int64_t *wait_ns)
{
	int64_t wait = INT64_MAX;
	enum gate g = GATE_OPEN;
	const struct flow_policy *hp = sweep_host_policy(s, h);
	if (!flow_apart(&h->flow) && !flow_may_send(&s->all, &s->all_policy, now_ns)) {
		wait = flow_wait_ns(&s->all, &s->all_policy, now_ns);
		g = GATE_ALL;
	} else if (!flow_may_send(&h->flow, hp, now_ns)) {
		wait = flow_wait_ns(&h->flow, hp, now_ns);
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
	if (s->policy.host_timeout_ns <= 0)
		return false;
	if (h->timed_out)
		return true;
	uint32_t now_ms = (uint32_t)(now_ns / NS_PER_MS) | 1;
	if (h->first_ms == 0)
		h->first_ms = now_ms;
	if ((now_ms - h->first_ms) * NS_PER_MS < s->policy.host_timeout_ns)
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

// A position that is looked at: its item, and what its host and net have in hand.
struct sight {
	uint64_t k, bit;
	const struct space_item *item;
	struct sweep_host *host;
	struct flow *net;
};

static void shoot(struct sweep *s, const struct chunk *c, const struct sight *at, struct filler *f)
{
	uint32_t stamp = window_stamp(&s->window, at->k);
	uint32_t left = atomic_load_explicit(&s->window.stamps[stamp], memory_order_relaxed);
	s->window.before[stamp] = c->tries == 1 ? (uint32_t)(f->now_ns / NS_PER_US) : left;
	atomic_store_explicit(&s->window.stamps[stamp], 0, memory_order_relaxed);
	f->shots[f->n++] = (struct sweep_shot){
		.item = *at->item,
		.position = at->k,
		.stamp = stamp,
		.try_no = c->tries,
		.timeout_ns = s->policy.stream ? try_timeout_ns(s, at->host, c->tries) : 0,
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
static void visit(struct sweep *s, struct chunk *c, const struct sight *at, struct filler *f)
{
	struct sweep_host *h = at->host;
	if (sweep_unwanted(s, at->item) || host_over_time(s, h, at->item, f->now_ns)) {
		c->todo &= ~at->bit;
		c->done |= at->bit;
		s->c.unsent++;
		sweep_finish(s, h, &at->item->addr, at->item->addr_index);
		return;
	}
	bool stated = s->policy.rate_pps > 0;
	if (!stated || s->policy.scan_delay_ns > 0) {
		enum gate g = evidence(s, h, at->net, f->now_ns, &f->wait_ns);
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
	c->todo &= ~at->bit;
	bool judged = c->tries == 1, apart = flow_apart(&h->flow);
	if (!stated || s->policy.scan_delay_ns > 0)
		flow_sent(&h->flow, sweep_host_policy(s, h), f->now_ns, judged || sweep_slow_first(h, c));
	if (apart)
		sweep_doubt_sent(s, h, sweep_slow_first(h, c), f->now_ns);
	s->asked_since += judged && !apart && s->asked_since < UINT32_MAX;
	if (!stated && !apart) {
		flow_sent(&s->all, &s->all_policy, f->now_ns, judged);
		flow_sent(at->net, &s->net_policy, f->now_ns, judged);
	}
	if (s->policy.stream)
		c->pending |= at->bit;
	shoot(s, c, at, f);
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

static bool may_go_on(const struct filler *f)
{
	return f->n < f->max && !f->stop && f->streak < BLOCKED_STREAK;
}

static uint64_t lowest_bits(uint64_t mask, unsigned n)
{
	uint64_t above = mask;
	while (above && n--)
		above &= above - 1;
	return mask ^ above;
}

// Visits the positions of a chunk that `some` has bits of.
static void visit_some(struct sweep *s, struct chunk *c, uint64_t some, struct filler *f)
{
	uint64_t base = window_number(&s->window, c) * CHUNK_BITS;
	struct space_item items[AHEAD];
	struct sweep_host *hosts[AHEAD];
	struct flow *nets[AHEAD];
	unsigned n = sweep_items(s, base, some, items);
	for (unsigned i = 0; i < n; i++) {
		hosts[i] = sweep_host(s, items[i].addr_index);
		nets[i] = sweep_net(s, &items[i].addr);
		__builtin_prefetch(&hosts[i]->flow, 1);
		__builtin_prefetch(nets[i], 1);
	}
	for (unsigned i = 0; i < n && may_go_on(f); i++, some &= some - 1) {
		struct sight at = {base + (unsigned)__builtin_ctzll(some), some & -some, &items[i], hosts[i],
				   nets[i]};
		visit(s, c, &at, f);
	}
}

// Is what holds for one position now true of them all?
static bool all_alike(const struct sweep *s)
{
	return s->host_slots == 1 && !s->events.skip && s->policy.host_timeout_ns <= 0;
}

// Works through a chunk until it is sent, or as far as budgets and blocked hosts let it.
static void work(struct sweep *s, struct chunk *c, struct filler *f)
{
	unsigned ahead = s->host_slots == 1 ? AHEAD_ALONE : AHEAD;
	for (uint64_t left = c->todo; left && may_go_on(f);) {
		if (f->streak && all_alike(s)) { // blocked as the one before
			f->streak += (unsigned)__builtin_popcountll(left);
			break;
		}
		uint64_t some = lowest_bits(left, f->max - f->n < ahead ? f->max - f->n : ahead);
		visit_some(s, c, some, f);
		left ^= some;
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

// Is all that there is to do up to what is held?
static bool nothing_else(const struct sweep *s)
{
	return !s->current && !s->resend.head && !s->deferred.head && !s->waiting[1].head &&
	       !s->waiting[2].head && !s->unsure[1].head && !s->unsure[2].head &&
	       (window_exhausted(&s->window) || s->window.tail - s->window.head >= s->window.slots);
}

unsigned sweep_next(struct sweep *s, int64_t now_ns, struct sweep_shot *shots, unsigned max)
{
	if (s->slow_checked_ns == 0)
		start_clock(s, now_ns);
	s->now_ns = now_ns;
	sweep_expire(s, now_ns);
	sweep_wake_hosts(s);
	if (s->doubt_count)
		sweep_doubt_look(s, now_ns);
	if (s->held_due)
		sweep_settle_held(s, now_ns);
	if (now_ns < s->blocked_until_ns)
		return 0;
	max = stated_limit(s, max, now_ns);
	struct filler f = {.shots = shots, .max = max, .wait_ns = INT64_MAX, .now_ns = now_ns};
	if (s->doubt_count && max > 1)
		f.max--; // for a control
	if (!s->current)
		send_deferred(s, &f);
	while (may_go_on(&f)) {
		struct chunk *c = next_chunk(s);
		if (!c)
			break;
		work(s, c, &f);
	}
	// Last: the first frames after a pause pass where later ones are dropped.
	if (s->doubt_count && f.n && f.n < max && sweep_doubt_control(s, now_ns, &shots[f.n]))
		f.n++;
	if (f.n == 0 && s->window.head == s->window.tail && window_finished(&s->window))
		f.n = sweep_check_next(s, now_ns, shots, max);
	if (f.n) {
		s->last_sent_ns = now_ns;
		pace_bucket_take(&s->stated, f.n);
		pace_bucket_take(&s->ceiling, f.n);
	} else {
		nothing_due(s, &f);
		if (s->held.head && nothing_else(s) && sweep_doubt_idle(s, now_ns))
			sweep_settle_held(s, now_ns);
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

void sweep_count_rejected(struct sweep *s, uint64_t n)
{
	s->c.answers += n;
	s->c.rejected += n;
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
	s->host_policy.late_us = s->calm_policy.late_us = s->net_policy.late_us = s->all_policy.late_us =
		late_us;
}

void sweep_seen(struct sweep *s, int64_t now_ns)
{
	s->host_policy.seen_ns = s->calm_policy.seen_ns = s->net_policy.seen_ns = s->all_policy.seen_ns =
		now_ns;
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
	if (!s->dense || !s->hosts[addr_index].flow.limited)
		return false;
	const struct sweep_doubt *d = sweep_doubt_of(s, &s->hosts[addr_index]);
	return !d || d->verdict != DOUBT_PROBES;
}

void sweep_item_at(const struct sweep *s, uint64_t position, struct space_item *item)
{
	sweep_item(s, position, item);
}
