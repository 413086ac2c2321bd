#include "scan/sweep_check.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "scan/sweep_doubt.h"

#define CHECKS_MAX      256u
#define FEW_HOSTS       16u // all are asked; of more only those that lack answers
#define SILENT_LEAST    8u
#define LACKING         0.9
#define CHECK_TRIES     5u
#define CHECK_CONFIDENT 0.9999
#define CHUNKS_SEARCHED 512u

void sweep_checks_free(struct sweep *s)
{
	free(s->checks);
}

// A position of this host that was answered while it was in the window; UINT64_MAX: none is found there.
static uint64_t find_answered(const struct sweep *s, const struct sweep_host *h)
{
	const struct window *w = &s->window;
	uint64_t oldest = w->tail > w->slots ? w->tail - w->slots : 0;
	if (s->host_slots > 1 && w->tail - oldest > CHUNKS_SEARCHED)
		oldest = w->tail - CHUNKS_SEARCHED;
	for (uint64_t n = oldest; n < w->tail; n++) {
		const struct chunk *c = &w->chunks[n & (w->slots - 1)];
		for (uint64_t left = c->first | c->second; left; left &= left - 1) {
			uint64_t k = n * CHUNK_BITS + (unsigned)__builtin_ctzll(left);
			struct space_item item;
			sweep_item(s, k, &item);
			if (sweep_host(s, item.addr_index) == h)
				return k;
		}
	}
	return UINT64_MAX;
}

// Did much of what was asked stay silent that its earlier answers had promised?
static bool lacks_answers(const struct sweep_host *h)
{
	double expected = (double)h->flow.share * h->flow.asked;
	return h->flow.limited || h->flow.answers + SILENT_LEAST < LACKING * expected;
}

static void check_host(struct sweep *s, struct sweep_host *h)
{
	bool all = s->host_slots <= FEW_HOSTS && s->policy.max_tries > 1;
	if (h->given_up < SILENT_LEAST || h->flow.answers == 0 || h->timed_out || (!all && !lacks_answers(h)))
		return;
	uint64_t open = sweep_doubt_find_open(s, h);
	// Who limits its resets may keep back what it gave before.
	uint64_t k = open ? open - 1 : sweep_doubt_of(s, h) ? UINT64_MAX : find_answered(s, h);
	if (k != UINT64_MAX)
		s->checks[s->check_count++] =
			(struct sweep_check){.host = h, .position = k, .open = open != 0};
}

static void start(struct sweep *s)
{
	s->checking = true;
	s->cool_from_ns = s->last_sent_ns;
	if (s->policy.stream || !s->dense || s->c.silent == 0)
		return;
	s->checks = calloc(CHECKS_MAX, sizeof(*s->checks));
	for (uint32_t i = 0; s->checks && i < s->host_slots && s->check_count < CHECKS_MAX; i++)
		check_host(s, &s->hosts[i]);
}

// Tries that leave no doubt, by the loss to this host.
static unsigned tries(const struct sweep *s, const struct sweep_check *c)
{
	double all = pace_loss_estimate(&s->loss, PACE_LOSS_PRIOR, PACE_LOSS_PRIOR_WEIGHT);
	double p = pace_loss_careful(&c->host->loss, all, PACE_LOSS_PRIOR_WEIGHT);
	unsigned n = pace_loss_tries(p, CHECK_CONFIDENT, WINDOW_TRIES_MAX);
	return n < CHECK_TRIES ? CHECK_TRIES : n;
}

static void vanished(struct sweep *s, const struct sweep_check *c)
{
	struct space_item item;
	c->host->vanished = true;
	sweep_item(s, c->position, &item);
	if (s->events.host_vanished)
		s->events.host_vanished(s->events.ctx, &item.addr, item.addr_index);
}

static bool due(struct sweep *s, struct sweep_check *c, int64_t now_ns)
{
	if (c->over || (c->sent && now_ns < c->sent_ns + sweep_unsure_timeout_ns(s)))
		return false;
	if (c->sent < tries(s, c))
		return true;
	c->over = true;
	vanished(s, c);
	return false;
}

unsigned sweep_check_next(struct sweep *s, int64_t now_ns, struct sweep_shot *shots, unsigned max)
{
	unsigned n = 0;
	if (!s->checking)
		start(s);
	for (unsigned i = 0; i < s->check_count && n < max; i++) {
		struct sweep_check *c = &s->checks[i];
		if (!due(s, c, now_ns))
			continue;
		sweep_ask_again(s, c->position, c->sent, &shots[n++]);
		c->sent++;
		c->sent_ns = now_ns;
	}
	return n;
}

bool sweep_check_wanted(const struct sweep *s)
{
	return !s->checking && !s->policy.stream && s->dense && s->c.silent > 0 && s->last_sent_ns != 0;
}

bool sweep_check_pending(const struct sweep *s)
{
	for (unsigned i = 0; i < s->check_count; i++)
		if (!s->checks[i].over)
			return true;
	return false;
}

void sweep_check_answered(struct sweep *s, uint64_t position, const struct sweep_reply *r)
{
	for (unsigned i = 0; i < s->check_count; i++) {
		struct sweep_check *c = &s->checks[i];
		if (c->position == position && c->sent && (!c->open || r->state == STATE_OPEN))
			c->over = true;
	}
}
