// What an answer means.
#include <string.h>

#include "base/clock.h"
#include "scan/sweep_state.h"

#define EARLY_ANSWERS 64

static bool position_of(const struct sweep *s, const struct sweep_reply *r, uint64_t *k)
{
	uint64_t index;
	if (!space_index(s->space, &r->target, r->technique, r->port, &index))
		return false;
	uint64_t p = order_position(s->order, index);
	if (p < s->slice.first || (p - s->slice.first) % s->slice.step)
		return false;
	*k = (p - s->slice.first) / s->slice.step;
	return *k < s->slice.count;
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

static void tell(struct sweep *s, const struct sweep_reply *r, const struct space_item *item, uint32_t rtt_us,
		 bool late)
{
	struct record rec = {
		.addr = r->target,
		.from = r->from,
		.wall_ns = clock_wall_ns(),
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
		s->events.record(s->events.ctx, &rec, item->addr_index);
}

// A position that had been given up.
static void tell_late(struct sweep *s, const struct sweep_reply *r, uint64_t k)
{
	struct space_item item;
	sweep_item(s, k, &item);
	s->c.late++;
	if (s->c.silent) {
		s->c.silent--;
		s->c.answered++;
	}
	tell(s, r, &item, 0, true);
}

// After its window has closed: news only when it is open and was not reported.
static void late_answer(struct sweep *s, const struct sweep_reply *r, uint64_t k)
{
	if (r->state != STATE_OPEN)
		s->c.late++;
	else if (seen_add(&s->seen, k))
		tell_late(s, r, k);
	else
		s->c.duplicates++;
}

// The send time that belongs to the answer, in nanoseconds before now; -1 when it cannot be told.
static int64_t age_of(const struct sweep *s, const struct chunk *c, uint64_t k, uint64_t bit, unsigned try_no,
		      int64_t now_ns)
{
	unsigned last = c->tries - ((c->todo & bit) ? 1u : 0u); // the newest try that has left
	uint32_t at = 0, stamp = window_stamp(&s->window, k);
	if (try_no == 0)
		try_no = last == 1 ? 1 : 0;
	if (try_no && try_no == last)
		at = atomic_load_explicit(&s->window.stamps[stamp], memory_order_relaxed);
	else if (try_no && try_no + 1 == last)
		at = s->window.earlier[stamp];
	if (!at)
		return -1;
	return (int64_t)(uint32_t)((uint32_t)(now_ns / 1000) - at) * 1000;
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

static void pace_answer(struct sweep *s, struct sweep_host *h, const struct space_item *item, uint64_t k,
			uint32_t rtt_us, int64_t now_ns)
{
	bool was_limited = h->flow.limited;
	uint32_t lag_us = (uint32_t)(now_ns / NS_PER_US) - s->window.handed[window_stamp(&s->window, k)];
	int64_t handed = now_ns - (int64_t)lag_us * NS_PER_US;
	flow_answered(&h->flow, &s->host_policy, handed, rtt_us, now_ns);
	learn_timeout(s, h);
	if (!flow_apart(&h->flow)) {
		flow_answered(&s->all, &s->all_policy, handed, rtt_us, now_ns);
		flow_answered(sweep_net(s, &item->addr), &s->net_policy, handed, rtt_us, now_ns);
	} else if (h->flow.limited && !was_limited) {
		flow_forgive(&s->all, now_ns);
		flow_forgive(sweep_net(s, &item->addr), now_ns);
	}
	s->blocked_until_ns = 0;
	if (s->host_slots == 1 || h->flow.answers <= EARLY_ANSWERS)
		s->deferred_until_ns = 0; // its rate may have grown by much
}

// An answer to a later try tells the RTT, and that the host lives.
static void pace_late_try(struct sweep *s, struct sweep_host *h, uint32_t rtt_us)
{
	if (rtt_us)
		pace_rtt_sample(&h->flow.rtt, rtt_us);
	if (h->flow.answers < UINT32_MAX)
		h->flow.answers++;
	learn_timeout(s, h);
}

// A position within the window.
struct place {
	struct chunk *chunk;
	uint64_t k, bit;
};

static void accept(struct sweep *s, const struct place *at, const struct sweep_reply *r, int64_t age_ns,
		   int64_t now_ns)
{
	struct chunk *c = at->chunk;
	uint64_t k = at->k, bit = at->bit;
	struct space_item item;
	sweep_item(s, k, &item);
	struct sweep_host *h = sweep_host(s, item.addr_index);
	unsigned try_no = r->try_no;
	if (try_no == 0 && c->tries - ((c->todo & bit) ? 1u : 0u) == 1)
		try_no = 1;
	if (try_no == 1)
		c->first |= bit;
	else if (try_no == 2)
		c->second |= bit;
	c->done |= bit;
	c->todo &= ~bit;
	uint32_t rtt_us = age_ns < 0 ? 0 : (uint32_t)(age_ns / NS_PER_US) + 1;
	if (try_no == 1 && c->tries == 1)
		pace_answer(s, h, &item, k, rtt_us, now_ns);
	else
		pace_late_try(s, h, rtt_us);
	if (r->state == STATE_OPEN) {
		seen_add(&s->seen, k);
		h->open++;
		if (try_no > 1)
			h->open_second++;
	}
	s->c.answered++;
	s->c.records++;
	tell(s, r, &item, rtt_us, false);
	sweep_finish(s, &item);
}

// A position that was given up, in a chunk that is still open, has its answer now, and that tells how late
// answers are.
static void take_back(struct sweep *s, const struct place *at, const struct sweep_reply *r, int64_t age_ns)
{
	struct space_item item;
	sweep_item(s, at->k, &item);
	struct sweep_host *h = sweep_host(s, item.addr_index);
	at->chunk->given &= ~at->bit;
	pace_late_try(s, h, age_ns < 0 ? 0 : (uint32_t)(age_ns / NS_PER_US) + 1);
	if (r->state == STATE_OPEN) {
		seen_add(&s->seen, at->k);
		h->open++;
	}
	tell_late(s, r, at->k);
}

// A position that has an answer already: open after closed is news, the rest is a duplicate.
static void again(struct sweep *s, const struct sweep_reply *r, uint64_t k)
{
	if (r->state != STATE_OPEN || !seen_add(&s->seen, k)) {
		s->c.duplicates++;
		return;
	}
	struct space_item item;
	sweep_item(s, k, &item);
	sweep_host(s, item.addr_index)->open++;
	s->c.records++;
	tell(s, r, &item, 0, false);
}

void sweep_answer(struct sweep *s, const struct sweep_reply *r, int64_t now_ns)
{
	uint64_t k, bit;
	s->now_ns = now_ns;
	s->c.answers++;
	if (!position_of(s, r, &k) || k / CHUNK_BITS >= s->window.tail) {
		s->c.rejected++;
		return;
	}
	struct chunk *c = window_chunk(&s->window, k, &bit);
	if (!c) {
		late_answer(s, r, k);
		return;
	}
	struct place at = {c, k, bit};
	if (c->given & bit)
		take_back(s, &at, r, age_of(s, c, k, bit, r->try_no, now_ns));
	else if (c->done & bit)
		again(s, r, k);
	else
		accept(s, &at, r, age_of(s, c, k, bit, r->try_no, now_ns), now_ns);
}

void sweep_stream_result(struct sweep *s, uint64_t position, const struct sweep_reply *r, bool answered,
			 uint32_t rtt_us, int64_t now_ns)
{
	uint64_t bit;
	s->now_ns = now_ns;
	struct chunk *c = window_chunk(&s->window, position, &bit);
	if (!c || !(c->pending & bit))
		return;
	c->pending &= ~bit;
	if (answered) {
		s->c.answers++;
		if (!(c->done & bit))
			accept(s, &(struct place){c, position, bit}, r, rtt_us ? (int64_t)rtt_us * 1000 : -1,
			       now_ns);
	}
	if (!c->pending && !c->todo && c->state == CHUNK_WAITING)
		sweep_settle(s, c, now_ns, true);
}
