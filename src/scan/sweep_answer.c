// What an answer means.
#include <string.h>

#include "base/clock.h"
#include "scan/sweep_check.h"
#include "scan/sweep_doubt.h"

#define EARLY_ANSWERS 64
#define AT_ONCE       16u // answers whose places are found together
#define WALL_CHECK_NS (10 * NS_PER_MS)

// An answer's position: named by the answer itself, so that nothing need be looked up again.
struct place {
	struct chunk *chunk; // NULL: its window has closed
	uint64_t k, bit;
	uint64_t addr_index;
	struct sweep_host *host;
	struct flow *net;
	bool ours;
};

static bool position_of(const struct sweep *s, const struct sweep_reply *r, struct place *at)
{
	uint64_t index;
	struct space_slot slot = {r->port, r->technique};
	if (!space_locate(s->space, &r->target, &slot, &index, &at->addr_index))
		return false;
	uint64_t p = order_position(s->order, index);
	if (p < s->slice.first)
		return false;
	at->k = p - s->slice.first;
	if (s->slice.step > 1) {
		if (at->k % s->slice.step)
			return false;
		at->k /= s->slice.step;
	}
	return at->k < s->slice.count && at->k / CHUNK_BITS < s->window.tail;
}

// Finds an answer's place and asks for the memory that it will need.
static void locate(const struct sweep *s, const struct sweep_reply *r, struct place *at)
{
	at->ours = position_of(s, r, at);
	if (!at->ours)
		return;
	at->chunk = window_chunk(&s->window, at->k, &at->bit);
	at->host = sweep_host(s, at->addr_index);
	at->net = sweep_net(s, &r->target);
	uint32_t stamp = window_stamp(&s->window, at->k);
	__builtin_prefetch(&at->host->flow, 1);
	__builtin_prefetch(&at->host->flow.rtt, 1);
	__builtin_prefetch(&at->host->loss, 1);
	__builtin_prefetch(at->net, 1);
	__builtin_prefetch(&at->net->rtt, 1);
	__builtin_prefetch(at->chunk, 1);
	__builtin_prefetch(&s->window.stamps[stamp]);
	__builtin_prefetch(&s->window.before[stamp]);
	if (s->events.expect)
		s->events.expect(s->events.ctx, &r->target);
}

static void count_state(struct scan_counters *c, unsigned state)
{
	switch (state) {
	case STATE_OPEN:
		c->open++;
		break;
	case STATE_CLOSED:
		c->closed++;
		break;
	case STATE_FILTERED:
		c->filtered++;
		break;
	case STATE_UNFILTERED:
		c->unfiltered++;
		break;
	case STATE_OPEN_FILTERED:
		c->open_filtered++;
		break;
	default:
		break;
	}
}

// The wall clock of the answer in hand, from the monotonic one: reading it costs more than all of tell.
static int64_t wall_ns(struct sweep *s)
{
	if (!s->wall_checked_ns || s->now_ns - s->wall_checked_ns > WALL_CHECK_NS) {
		s->wall_checked_ns = s->now_ns;
		s->wall_ahead_ns = clock_wall_ns() - clock_mono_ns();
	}
	return s->now_ns + s->wall_ahead_ns;
}

static void tell(struct sweep *s, const struct sweep_reply *r, const struct place *at, uint32_t rtt_us,
		 bool late)
{
	struct record rec = {
		.addr = r->target,
		.from = r->from,
		.wall_ns = wall_ns(s),
		.rtt_us = rtt_us,
		.port = r->port,
		.window = r->window,
		.proto = r->proto,
		.state = r->state,
		.reason = r->reason,
		.ttl = r->ttl,
		.tries = r->try_no,
		.late = late,
		.options_len =
			r->options_len > RECORD_TCP_OPTIONS_MAX ? RECORD_TCP_OPTIONS_MAX : r->options_len,
	};
	if (rec.options_len)
		memcpy(rec.options, r->options, rec.options_len);
	count_state(&s->c, r->state);
	if (s->events.record)
		s->events.record(s->events.ctx, &rec, at->addr_index);
}

// A position that had been given up.
static void tell_late(struct sweep *s, const struct sweep_reply *r, const struct place *at)
{
	s->c.late++;
	if (s->c.silent) {
		s->c.silent--;
		s->c.answered++;
	}
	tell(s, r, at, 0, true);
}

static void duplicate(struct sweep *s, const struct place *at)
{
	s->c.duplicates++;
	if (s->doubt_count)
		sweep_doubt_repeated(s, at->host, at->k);
}

// After its window has closed: news only when it is open and was not reported.
static void late_answer(struct sweep *s, const struct sweep_reply *r, const struct place *at)
{
	if (r->state != STATE_OPEN)
		s->c.late++;
	else if (seen_add(&s->seen, at->k))
		tell_late(s, r, at);
	else
		duplicate(s, at);
}

// The newest try of a position that has left.
static unsigned newest_try(const struct place *at)
{
	return at->chunk->tries - ((at->chunk->todo & at->bit) ? 1u : 0u);
}

// The send time that belongs to the answer, in nanoseconds before now; -1 when it cannot be told.
static int64_t age_of(const struct sweep *s, const struct place *place, unsigned try_no, int64_t now_ns)
{
	unsigned last = newest_try(place);
	uint32_t at = 0, stamp = window_stamp(&s->window, place->k);
	if (try_no == 0)
		try_no = last == 1 ? 1 : 0;
	if (try_no && try_no == last)
		at = atomic_load_explicit(&s->window.stamps[stamp], memory_order_relaxed);
	else if (try_no && try_no + 1 == last)
		at = s->window.before[stamp];
	if (!at)
		return -1;
	// Two clocks may have told the times: an answer before its probe says nothing.
	int32_t age_us = (int32_t)((uint32_t)(now_ns / NS_PER_US) - at);
	return age_us < 0 ? -1 : age_us * NS_PER_US;
}

// The slowest answering host rules the timeout: its positions are everywhere in a random order.
static void learn_timeout(struct sweep *s, const struct sweep_host *h)
{
	int64_t t = pace_rtt_timeout_ns(&h->flow.rtt, &s->rtt);
	if (h->flow.rtt.samples < 4) {
		t = (int64_t)h->flow.rtt.srtt_us * 1500;
		t = t < s->rtt.min_ns ? s->rtt.min_ns : t > s->rtt.max_ns ? s->rtt.max_ns : t;
	}
	if (t > s->slow_rto_ns)
		s->slow_rto_ns = t;
}

// Of an answer to the only try so far.
static void pace_answer(struct sweep *s, const struct place *at, uint32_t rtt_us, int64_t now_ns)
{
	struct sweep_host *h = at->host;
	int32_t lag_us =
		(int32_t)((uint32_t)(now_ns / NS_PER_US) - s->window.before[window_stamp(&s->window, at->k)]);
	int64_t handed = now_ns - (lag_us < 0 ? 0 : lag_us) * NS_PER_US;
	flow_answered(&h->flow, sweep_host_policy(s, h), handed, rtt_us, now_ns);
	learn_timeout(s, h);
	if (!flow_apart(&h->flow)) {
		if (sweep_outage(s, now_ns))
			s->outage_until_ns = now_ns;
		s->asked_since = 0;
		s->answered_ns = now_ns;
		flow_answered(&s->all, &s->all_policy, handed, rtt_us, now_ns);
		flow_answered(at->net, &s->net_policy, handed, rtt_us, now_ns);
	} else if (h->flow.limited && sweep_doubt_answer(s, h, now_ns)) {
		flow_forgive(&s->all, now_ns);
		flow_forgive(at->net, now_ns);
	}
	s->blocked_until_ns = 0;
	if (s->host_slots == 1 || h->flow.answers <= EARLY_ANSWERS)
		s->deferred_until_ns = 0; // its rate may have grown by much
}

// An answer to a later try tells the RTT, and that the host lives. `slow`: it was the first at a slow rate.
static void pace_late_try(struct sweep *s, struct sweep_host *h, uint32_t rtt_us, bool slow, int64_t now_ns)
{
	if (h->flow.limited)
		sweep_doubt_answer(s, h, now_ns);
	if (slow && rtt_us) {
		flow_answered(&h->flow, &s->calm_policy, now_ns - rtt_us * NS_PER_US, rtt_us, now_ns);
		s->blocked_until_ns = 0;
		return;
	}
	if (rtt_us)
		pace_rtt_sample(&h->flow.rtt, rtt_us);
	if (h->flow.answers < UINT32_MAX)
		h->flow.answers++;
	learn_timeout(s, h);
}

static void accept(struct sweep *s, const struct place *at, const struct sweep_reply *r, int64_t age_ns,
		   int64_t now_ns)
{
	struct chunk *c = at->chunk;
	uint64_t bit = at->bit;
	struct sweep_host *h = at->host;
	unsigned try_no = r->try_no;
	if (try_no == 0 && newest_try(at) == 1)
		try_no = 1;
	if (try_no == 1)
		c->first |= bit;
	else if (try_no == 2)
		c->second |= bit;
	c->done |= bit;
	c->todo &= ~bit;
	uint32_t rtt_us = age_ns < 0 ? 0 : (uint32_t)(age_ns / NS_PER_US) + 1;
	if (try_no == 1 && c->tries == 1)
		pace_answer(s, at, rtt_us, now_ns);
	else
		pace_late_try(s, h, rtt_us, sweep_slow_first(h, c) && try_no == c->tries, now_ns);
	if (h->flow.limited == FLOW_CALM)
		sweep_doubt_loss(h, c, try_no);
	if (h->flow.limited)
		sweep_doubt_heard(s, h, addr_is_none(&r->from), now_ns);
	if (r->state == STATE_OPEN) {
		seen_add(&s->seen, at->k);
		h->open++;
		s->open_by_try[try_no]++;
		if (try_no > 1)
			h->open_second++;
		if (h->flow.limited)
			sweep_doubt_open(s, h, at->k, now_ns);
	}
	s->c.answered++;
	s->c.records++;
	tell(s, r, at, rtt_us, false);
	sweep_finish(s, h, &r->target, at->addr_index);
}

// A position that was given up, in a chunk that is still open, has its answer now, and that tells how late
// answers are.
static void take_back(struct sweep *s, const struct place *at, const struct sweep_reply *r, int64_t age_ns)
{
	struct sweep_host *h = at->host;
	at->chunk->given &= ~at->bit;
	pace_late_try(s, h, age_ns < 0 ? 0 : (uint32_t)(age_ns / NS_PER_US) + 1, false, s->now_ns);
	if (r->state == STATE_OPEN) {
		seen_add(&s->seen, at->k);
		h->open++;
	}
	tell_late(s, r, at);
}

// A position that has an answer already: open after closed is news, the rest is a duplicate.
static void again(struct sweep *s, const struct sweep_reply *r, const struct place *at)
{
	if (r->state != STATE_OPEN || !seen_add(&s->seen, at->k)) {
		duplicate(s, at);
		return;
	}
	at->host->open++;
	s->c.records++;
	tell(s, r, at, 0, false);
}

static void answer(struct sweep *s, const struct sweep_reply *r, const struct place *at, int64_t now_ns)
{
	s->now_ns = now_ns;
	s->c.answers++;
	if (at->ours && s->check_count)
		sweep_check_answered(s, at->k, r);
	if (!at->ours)
		s->c.rejected++;
	else if (!at->chunk)
		late_answer(s, r, at);
	else if (at->chunk->given & at->bit)
		take_back(s, at, r, age_of(s, at, r->try_no, now_ns));
	else if (at->chunk->done & at->bit)
		again(s, r, at);
	else
		accept(s, at, r, age_of(s, at, r->try_no, now_ns), now_ns);
}

void sweep_answer(struct sweep *s, const struct sweep_reply *r, int64_t now_ns)
{
	struct place at;
	locate(s, r, &at);
	answer(s, r, &at, now_ns);
}

void sweep_answers(struct sweep *s, const struct sweep_reply *r, const int64_t *times_ns, unsigned n)
{
	struct place at[AT_ONCE];
	for (unsigned from = 0; from < n; from += AT_ONCE) {
		unsigned some = n - from < AT_ONCE ? n - from : AT_ONCE;
		for (unsigned step = 0; step < 2; step++)
			for (unsigned i = 0; i < some; i++)
				space_expect(s->space, &r[from + i].target, step);
		for (unsigned i = 0; i < some; i++)
			locate(s, &r[from + i], &at[i]);
		for (unsigned i = 0; i < some; i++)
			answer(s, &r[from + i], &at[i], times_ns[from + i]);
	}
}

void sweep_stream_result(struct sweep *s, uint64_t position, const struct sweep_reply *r, bool answered,
			 uint32_t rtt_us, int64_t now_ns)
{
	struct place at = {.k = position, .ours = true};
	s->now_ns = now_ns;
	struct chunk *c = at.chunk = window_chunk(&s->window, position, &at.bit);
	if (!c || !(c->pending & at.bit))
		return;
	c->pending &= ~at.bit;
	if (answered) {
		struct space_item item;
		sweep_item(s, position, &item);
		at.addr_index = item.addr_index;
		at.host = sweep_host(s, item.addr_index);
		at.net = sweep_net(s, &item.addr);
		s->c.answers++;
		if (!(c->done & at.bit))
			accept(s, &at, r, rtt_us ? (int64_t)rtt_us * 1000 : -1, now_ns);
	}
	if (!c->pending && !c->todo && c->state == CHUNK_WAITING)
		sweep_settle(s, c, now_ns, true);
}
