#include "scan/sweep_doubt.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"

#define DOUBTS_MAX      4096u
#define LOOK_AT_ONCE    16u
#define SEEN_SEARCHED   4096u // open ports among which one of the host is looked for
#define CONTROLS        10u
#define CONTROLS_LONG   20u // where the first ten left it open
#define CONTROLS_SURE   5u  // answers that the probes are not limited
#define CONTROLS_FEW    1u  // … and that they are
#define CONTROL_NS      (2 * NS_PER_MS)
#define CONTROL_WAIT_NS (20 * NS_PER_MS)
#define CONTROL_FLOOD   8.0 // frames that must have been sent for each that the host lets through
#define CALM_SHARE      0.85
#define ENOUGH_ANSWERS  5
#define ENOUGH_SECONDS  0.05
#define GUESSED_PPS     500.0
#define FLOOD_LEAST     2000u // positions that make a flood
#define UNHEARD_MOST    300.0 // answers that were due since the last one
#define UNHEARD_NS      (5 * NS_PER_S)
#define SEARCH_NS       (60 * NS_PER_S)
#define SEARCH_SHORT_NS (15 * NS_PER_S)
#define FLOOD_TRIES     2u
#define OPENS_TELL      5u
#define PRIOR_WEIGHT    20.0

int sweep_doubts_init(struct sweep *s)
{
	s->doubts = calloc(s->host_slots < DOUBTS_MAX ? s->host_slots : DOUBTS_MAX, sizeof(*s->doubts));
	s->doubt_of = calloc(s->host_slots, sizeof(*s->doubt_of));
	return s->doubts && s->doubt_of ? 0 : -ENOMEM;
}

void sweep_doubts_free(struct sweep *s)
{
	free(s->doubts);
	free(s->doubt_of);
}

uint64_t sweep_doubt_find_open(const struct sweep *s, const struct sweep_host *h)
{
	if (s->seen.count > SEEN_SEARCHED)
		return 0;
	for (size_t i = 0; i < s->seen.size; i++) {
		struct space_item item;
		if (!s->seen.slots[i])
			continue;
		sweep_item(s, s->seen.slots[i] - 1, &item);
		if (sweep_host(s, item.addr_index) == h)
			return s->seen.slots[i];
	}
	return 0;
}

// What its closed ports seemed to lose before the limit was seen is no loss of packets.
static void forget_loss(struct sweep *s, struct sweep_host *h)
{
	s->loss.first -= h->loss.first;
	s->loss.second -= h->loss.second;
	h->loss = (struct pace_loss){0};
	if (s->host_slots == 1)
		s->ripe_first = s->fresh_first = 0;
}

bool sweep_doubt_answer(struct sweep *s, struct sweep_host *h, int64_t now_ns)
{
	struct sweep_doubt *d = sweep_doubt_of(s, h);
	if (d && !d->calm_ns)
		d->last_answer_ns = now_ns;
	if (d || s->policy.stream || !s->doubts || s->doubt_count == DOUBTS_MAX)
		return false;
	d = &s->doubts[s->doubt_count++];
	s->doubt_of[h - s->hosts] = (uint16_t)s->doubt_count;
	*d = (struct sweep_doubt){
		.host = h,
		.control = sweep_doubt_find_open(s, h),
		.since_ns = now_ns,
		.last_answer_ns = now_ns,
		.last_frame_ns = now_ns,
		.itself = h->open > 0,
		.answers_before = h->flow.answers,
		.controls = CONTROLS,
	};
	forget_loss(s, h);
	return true;
}

// Answers a second in the flood.
static double limit_pps(const struct sweep_doubt *d)
{
	double seconds = (double)(d->last_answer_ns - d->since_ns) / 1e9;
	double flooded = (double)(d->last_frame_ns - d->since_ns) / 1e9;
	double answers = d->host->flow.answers - d->answers_before;
	if (answers >= ENOUGH_ANSWERS && seconds > ENOUGH_SECONDS)
		return answers / seconds;
	// Too high is soon found out, too low is not.
	return flooded > ENOUGH_SECONDS ? (answers + 1) / flooded : GUESSED_PPS;
}

static void send_again(struct sweep *s)
{
	s->held_due = true;
	s->blocked_until_ns = s->deferred_until_ns = 0;
}

// Of a try that is under way some frames left in the flood.
static void begun_in_vain(struct chunk *c)
{
	if (c->todo != ~c->done)
		c->futile = c->tries;
}

static void calm(struct sweep *s, struct sweep_doubt *d, int64_t now_ns)
{
	if (d->limit_pps <= 0)
		d->limit_pps = limit_pps(d);
	d->flood_pps = d->host->flow.rate_pps;
	d->calm_ns = d->heard_ns = now_ns;
	d->unheard = 0;
	flow_calm(&d->host->flow, CALM_SHARE * d->limit_pps, now_ns);
	if (s->current)
		begun_in_vain(s->current);
	for (struct chunk *c = chunk_peek(&s->window, &s->deferred); c; c = chunk_after(&s->window, c))
		begun_in_vain(c);
	send_again(s);
}

static void flood(struct sweep *s, struct sweep_doubt *d, int64_t now_ns)
{
	d->calm_ns = 0;
	flow_flood(&d->host->flow, d->flood_pps, now_ns);
	send_again(s);
}

static void decide(struct sweep *s, struct sweep_doubt *d, enum doubt_verdict v, int64_t now_ns)
{
	d->verdict = (uint8_t)v;
	if (v == DOUBT_PROBES && !d->calm_ns)
		calm(s, d, now_ns);
	else if (v != DOUBT_PROBES && d->calm_ns)
		flood(s, d, now_ns);
	send_again(s);
}

void sweep_doubt_open(struct sweep *s, struct sweep_host *h, uint64_t position, int64_t now_ns)
{
	struct sweep_doubt *d = sweep_doubt_of(s, h);
	if (!d || d->control || d->verdict != DOUBT_OPEN)
		return;
	d->control = position + 1;
	if (d->calm_ns && h->left >= FLOOD_LEAST)
		flood(s, d, now_ns);
}

void sweep_doubt_heard(struct sweep *s, struct sweep_host *h, bool itself, int64_t now_ns)
{
	struct sweep_doubt *d = sweep_doubt_of(s, h);
	if (!d || (d->itself && !itself))
		return;
	d->itself |= itself;
	d->unheard = 0;
	d->heard_ns = now_ns;
}

void sweep_doubt_repeated(struct sweep *s, struct sweep_host *h, uint64_t position)
{
	struct sweep_doubt *d = sweep_doubt_of(s, h);
	if (d && d->control == position + 1 && d->answered < d->sent)
		d->answered++;
}

void sweep_doubt_sent(struct sweep *s, struct sweep_host *h, bool telling, int64_t now_ns)
{
	struct sweep_doubt *d = sweep_doubt_of(s, h);
	if (!d)
		return;
	d->frames++;
	d->unheard += telling;
	if (!d->calm_ns)
		d->last_frame_ns = now_ns;
}

static int64_t control_wait_ns(const struct sweep_doubt *d)
{
	const struct pace_rtt *r = &d->host->flow.rtt;
	return ((int64_t)r->srtt_us + 4 * (int64_t)r->rttvar_us) * NS_PER_US + CONTROL_WAIT_NS;
}

static void judge_controls(struct sweep *s, struct sweep_doubt *d, int64_t now_ns)
{
	unsigned sure = d->controls == CONTROLS ? CONTROLS_SURE : CONTROLS_SURE + 2;
	if (d->answered >= sure)
		decide(s, d, DOUBT_ANSWERS, now_ns);
	else if (d->sent < d->controls || s->all_policy.seen_ns < d->control_ns + control_wait_ns(d))
		return;
	else if (d->last_answer_ns < d->first_control_ns) // nothing at all came through
		d->sent = d->answered = 0;
	else if (d->answered > CONTROLS_FEW && d->controls == CONTROLS)
		d->controls = CONTROLS_LONG;
	else
		decide(s, d, DOUBT_PROBES, now_ns);
}

void sweep_doubt_look(struct sweep *s, int64_t now_ns)
{
	for (unsigned i = 0; i < s->doubt_count && i < LOOK_AT_ONCE; i++) {
		struct sweep_doubt *d = &s->doubts[s->doubt_next++ % s->doubt_count];
		if (d->calm_ns && now_ns > d->heard_ns + UNHEARD_NS &&
		    d->unheard * (double)d->host->flow.share > UNHEARD_MOST)
			decide(s, d, DOUBT_GIVEN_UP, now_ns);
		if (d->verdict != DOUBT_OPEN)
			continue;
		if (d->sent && !d->calm_ns)
			judge_controls(s, d, now_ns);
		else if (d->calm_ns && !d->control && now_ns > d->search_until_ns)
			decide(s, d, DOUBT_GIVEN_UP, now_ns);
	}
}

static bool control_due(const struct sweep_doubt *d, int64_t now_ns)
{
	if (d->verdict != DOUBT_OPEN || !d->control || d->calm_ns || d->sent >= d->controls ||
	    d->host->flow.limited != FLOW_LIMITED || now_ns < d->control_ns + CONTROL_NS)
		return false;
	int64_t then = d->control_ns ? d->control_ns : d->since_ns;
	double through = limit_pps(d) * (double)(now_ns - then) / 1e9;
	return d->frames - d->frames_then >= CONTROL_FLOOD * through + CONTROL_FLOOD;
}

void sweep_ask_again(struct sweep *s, uint64_t position, unsigned asked, struct sweep_shot *shot)
{
	*shot = (struct sweep_shot){
		.position = position,
		.stamp = window_spare_stamp(&s->window),
		.try_no = 1 + (asked + 1) % s->policy.max_tries,
	};
	sweep_item(s, position, &shot->item);
	s->c.resends++;
	s->c.frames++;
}

bool sweep_doubt_control(struct sweep *s, int64_t now_ns, struct sweep_shot *shot)
{
	for (unsigned i = 0; i < s->doubt_count && i < LOOK_AT_ONCE; i++) {
		struct sweep_doubt *d = &s->doubts[(s->doubt_next + i) % s->doubt_count];
		if (!control_due(d, now_ns))
			continue;
		sweep_ask_again(s, d->control - 1, d->sent, shot);
		if (d->sent++ == 0)
			d->first_control_ns = now_ns;
		d->control_ns = now_ns;
		d->frames_then = d->frames;
		return true;
	}
	return false;
}

bool sweep_doubt_idle(struct sweep *s, int64_t now_ns)
{
	bool waits = false, any = s->held.head != 0;
	for (unsigned i = 0; any && i < s->doubt_count; i++) {
		struct sweep_doubt *d = &s->doubts[i];
		if (d->verdict != DOUBT_OPEN || d->calm_ns || d->host->flow.limited != FLOW_LIMITED)
			continue;
		if (d->sent && d->sent == d->controls) {
			waits = true;
			continue;
		}
		calm(s, d, now_ns);
		double left = d->host->left; // 0: not counted, in a shard
		bool short_enough = left > 0 && left / d->limit_pps * 1e9 <= SEARCH_NS;
		d->search_until_ns = short_enough ? INT64_MAX : now_ns + SEARCH_SHORT_NS;
	}
	s->held_due = any && !waits;
	return s->held_due;
}

enum silence sweep_doubt_silence(struct sweep *s, const struct sweep_doubt *d, struct chunk *c)
{
	bool slow = d->calm_ns != 0;
	if (!slow || c->sent_ns <= d->calm_ns)
		c->futile = c->tries;
	unsigned n = c->tries - c->futile;
	if (c->tries >= s->policy.max_tries)
		return SILENCE_OVER;
	if (c->tries < FLOOD_TRIES)
		return SILENCE_AGAIN;
	if (!slow)
		return d->verdict == DOUBT_GIVEN_UP || !s->dense ? SILENCE_OVER : SILENCE_HELD;
	if (sweep_undecided(s, n))
		return SILENCE_AGAIN;
	double p = pace_loss_careful(&d->host->loss, PACE_LOSS_PRIOR, PRIOR_WEIGHT);
	return p > s->tries_loss[n] ? SILENCE_AGAIN : SILENCE_OVER;
}

unsigned sweep_doubt_given_up(struct sweep_doubt *d, const struct chunk *c)
{
	if (d->verdict == DOUBT_ANSWERS)
		return c->tries;
	d->unsure += c->tries == c->futile;
	return c->tries - c->futile;
}

void sweep_doubt_loss(struct sweep_host *h, const struct chunk *c, unsigned try_no)
{
	if (try_no == c->futile + 1u)
		h->loss.first++;
	else if (try_no == c->futile + 2u)
		h->loss.second++;
}

// Where no control was possible, open ports tell: had probes been dropped, the second try would have found
// about as many as the first.
uint32_t sweep_doubt_unsure(const struct sweep *s, const struct sweep_host *h)
{
	const struct sweep_doubt *d = sweep_doubt_of(s, h);
	if (!h->flow.limited || (d && d->verdict == DOUBT_ANSWERS))
		return 0;
	if (d && d->verdict == DOUBT_PROBES)
		return d->unsure;
	if (h->open >= OPENS_TELL && h->open_second == 0)
		return 0;
	return d ? d->unsure : h->given_up;
}
