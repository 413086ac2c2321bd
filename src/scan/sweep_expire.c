// Silence: what is sent again, what is given up.
#include <math.h>

#include "base/clock.h"
#include "scan/sweep_check.h"
#include "scan/sweep_doubt.h"

#define SLOW_CHECK_NS     (500 * NS_PER_MS)
#define SLOW_SCAN_MAX     4096u
#define HOST_PRIOR_WEIGHT 20.0
#define LIMITED_TRIES     2u
#define FEW_SILENT        16
#define EXTRA_TRIES       2 // where few are silent: a closed port is not called filtered for lost frames
#define FLOOD_NS          (2 * NS_PER_S)
#define LACKING_LEAST     5
#define OUTAGE_NATS       50.0 // answers that were due
#define OUTAGE_NS         (20 * NS_PER_MS)
#define USUAL_MOST        0.999
#define HELD_LOOK_NS      (2 * NS_PER_MS)
#define CHECK_LOOK_NS     (5 * NS_PER_MS)

int64_t sweep_timeout_ns(const struct sweep *s)
{
	int64_t t = pace_rtt_timeout_ns(&s->all.rtt, &s->rtt);
	if (s->all.rtt.samples && s->slow_rto_ns > t)
		t = s->slow_rto_ns;
	return t;
}

int64_t sweep_unsure_timeout_ns(const struct sweep *s)
{
	int64_t t = sweep_timeout_ns(s), floor_ns = s->rtt.initial_ns / 4;
	return t < floor_ns ? floor_ns : t;
}

// The largest timeout ages: it is looked up again among few hosts, and fades among many.
static void refresh_slow(struct sweep *s, int64_t now_ns)
{
	if (now_ns - s->slow_checked_ns < SLOW_CHECK_NS)
		return;
	s->slow_checked_ns = now_ns;
	if (s->host_slots > SLOW_SCAN_MAX) {
		s->slow_rto_ns -= s->slow_rto_ns / 16;
		return;
	}
	s->slow_rto_ns = 0;
	for (uint32_t i = 0; i < s->host_slots; i++) {
		const struct pace_rtt *r = &s->hosts[i].flow.rtt;
		int64_t t = r->samples ? pace_rtt_timeout_ns(r, &s->rtt) : 0;
		if (t > s->slow_rto_ns)
			s->slow_rto_ns = t;
	}
}

// Are `n` tries too few for a silent position of this host, by the loss measured? `all` is that of all.
static bool too_few(const struct sweep *s, const struct sweep_host *h, unsigned n, double all)
{
	double p = all;
	if (h->flow.limited) {
		if (h->open_second == 0)
			return n < LIMITED_TRIES;
		struct pace_loss opens = {.first = h->open - h->open_second, .second = h->open_second};
		p = pace_loss_estimate(&opens, all, 10);
	} else if (all <= s->tries_loss[n] && h->loss.first + h->loss.second) {
		double host = pace_loss_careful(&h->loss, all, HOST_PRIOR_WEIGHT);
		p = host > all ? host : all;
	}
	return p > s->tries_loss[n];
}

static void credit(struct sweep *s, struct sweep_host *h, uint32_t first, uint32_t second)
{
	h->loss.first += first;
	h->loss.second += second;
	s->loss.first += first;
	s->loss.second += second;
}

static bool in_sample(const struct sweep *s, uint64_t k)
{
	uint64_t rest;
	recip_div(&s->sample, hash_mix64(k), &rest);
	return rest == 0;
}

// Which of a chunk's positions tell about loss: all, or those of the sample where only that was sent again.
static uint64_t telling(const struct sweep *s, const struct chunk *c)
{
	if (!c->sampled)
		return ~0ULL;
	uint64_t base = window_number(&s->window, c) * CHUNK_BITS, mask = 0;
	for (unsigned i = 0; i < CHUNK_BITS; i++)
		mask |= (uint64_t)in_sample(s, base + i) << i;
	return mask;
}

// The positions of a chunk that is settled, all 64 looked up at once.
struct settled {
	uint64_t base, full; // first position; those that exist
	bool looked_up;
	struct space_item items[CHUNK_BITS];
	struct sweep_host *hosts[CHUNK_BITS];
};

static void look_up(const struct sweep *s, struct settled *t)
{
	if (t->looked_up)
		return;
	t->looked_up = true;
	unsigned n = sweep_items(s, t->base, t->full, t->items);
	for (unsigned i = 0; i < n; i++) {
		t->hosts[i] = sweep_host(s, t->items[i].addr_index);
		__builtin_prefetch(&t->hosts[i]->flow, 1);
		__builtin_prefetch(&t->hosts[i]->loss, 1);
	}
}

// A chunk's second try is over: its answers tell the loss.
static void count_loss(struct sweep *s, struct chunk *c, struct settled *t)
{
	c->counted = true;
	uint64_t mask = telling(s, c);
	uint64_t all_first = c->first & mask, all_second = c->second & mask;
	if (s->host_slots == 1) {
		if (!s->hosts[0].flow.limited)
			credit(s, &s->hosts[0], (uint32_t)__builtin_popcountll(all_first),
			       (uint32_t)__builtin_popcountll(all_second));
		return;
	}
	look_up(s, t);
	for (uint64_t told = all_first | all_second; told; told &= told - 1) {
		unsigned i = (unsigned)__builtin_ctzll(told);
		bool first = all_first >> i & 1;
		if (!t->hosts[i]->flow.limited)
			credit(s, t->hosts[i], first, !first);
	}
}

// A chunk that was complete after one try counts as well, but not before the others of its time have had
// theirs, or the loss would look too small at first.
static void count_complete(struct sweep *s, struct chunk *c)
{
	c->counted = true;
	s->fresh_first += (uint32_t)__builtin_popcountll(c->first & telling(s, c));
}

static void ripen(struct sweep *s, int64_t now_ns)
{
	if (now_ns - s->ripened_ns < 2 * sweep_timeout_ns(s))
		return;
	s->ripened_ns = now_ns;
	s->loss.first += s->ripe_first;
	if (s->host_slots == 1)
		s->hosts[0].loss.first += s->ripe_first;
	s->ripe_first = s->fresh_first;
	s->fresh_first = 0;
}

static void give_up(struct sweep *s, struct chunk *c, uint64_t bit, struct sweep_host *h,
		    const struct space_item *item)
{
	c->done |= bit;
	c->given |= bit;
	s->c.silent++;
	struct sweep_doubt *d = h->flow.limited ? sweep_doubt_of(s, h) : NULL;
	unsigned tries = d ? sweep_doubt_given_up(d, c) : c->tries;
	s->silent_by_try[tries]++;
	h->given_up++;
	h->tries_spent += tries;
	if (s->events.silent)
		s->events.silent(s->events.ctx, item);
	sweep_finish(s, h, &item->addr, item->addr_index);
}

// A sample of the silent positions is always sent again: without re-sends loss cannot be seen.
static bool sampled(const struct sweep *s, const struct chunk *c, uint64_t k)
{
	return c->tries == 1 && s->policy.max_tries > 1 && in_sample(s, k);
}

static void release(struct sweep *s, struct chunk *c, struct settled *t)
{
	if (!c->counted && c->tries == 1) {
		c->sampled |= s->one_try;
		count_complete(s, c);
	} else if (!c->counted) {
		count_loss(s, c, t);
	}
	c->state = CHUNK_FREE;
	window_advance(&s->window);
}

static void next_try(struct sweep *s, struct chunk *c, uint64_t todo)
{
	c->todo = todo;
	c->tries++;
	c->state = CHUNK_SENDING;
	chunk_push(&s->window, &s->resend, c);
}

// A bound for the chance that so few of n positions answer when a share of `usual` does: at most e to the
// power of minus this (Chernoff's; Hoeffding 1956 for shares that differ).
static double chance_nats(unsigned got, unsigned n, double usual)
{
	double p = usual > USUAL_MOST ? USUAL_MOST : usual, q = (double)got / n;
	double few = q > 0 ? q * log(q / p) : 0;
	return n * (few + (1 - q) * log((1 - q) / (1 - p)));
}

bool sweep_outage(const struct sweep *s, int64_t now_ns)
{
	return s->asked_since * (double)s->all.share > OUTAGE_NATS && now_ns - s->answered_ns > OUTAGE_NS;
}

// Has this chunk far fewer answers than its hosts usually give? Then something swallowed them all at once (a
// burst of loss, a stall), the loss measured elsewhere says nothing about it, and it is tried as often as is
// allowed. Of many chunks some lack answers by chance, and everybody would wait for their tries: so there was
// an outage, or it is no chance, not in one scan of ten.
static bool lacks_answers(const struct sweep *s, const struct chunk *c, struct settled *t, int64_t now_ns)
{
	double expected = 0, variance = 1;
	if (!s->dense || s->policy.sequential || __builtin_popcountll(~c->done) < LACKING_LEAST)
		return false;
	look_up(s, t);
	unsigned n = (unsigned)__builtin_popcountll(t->full),
		 got = (unsigned)__builtin_popcountll(c->done & t->full);
	for (unsigned i = 0; i < n; i++) {
		const struct flow *f = &t->hosts[i]->flow;
		double share = f->limited ? 0 : (double)f->share;
		expected += share;
		variance += share * (1 - share);
	}
	if (got >= expected - 2.5 * sqrt(variance))
		return false;
	return c->sent_ns <= s->outage_until_ns || sweep_outage(s, now_ns) ||
	       chance_nats(got, n, expected / n) > s->lacking_nats;
}

// Has every silent position of this chunk another try before it, whatever the loss?
static bool more_in_any_case(const struct sweep *s, const struct chunk *c)
{
	return c->tries < s->policy.max_tries && sweep_undecided(s, c->tries);
}

static enum silence wants_more(struct sweep *s, const struct sweep_host *h, struct chunk *c, unsigned extra,
			       double all)
{
	const struct sweep_doubt *d = h->flow.limited ? sweep_doubt_of(s, h) : NULL;
	if (d && d->verdict != DOUBT_ANSWERS)
		return sweep_doubt_silence(s, d, c);
	if (c->tries >= s->policy.max_tries)
		return SILENCE_OVER;
	unsigned n = c->tries; // tries that count
	if (!h->flow.limited)
		n = n > extra ? n - extra : 0;
	if (sweep_undecided(s, n))
		return SILENCE_AGAIN;
	return too_few(s, h, n, all) ? SILENCE_AGAIN : SILENCE_OVER;
}

// Does a silent position belong to a host that has never answered?
static bool any_unsure(const struct settled *t, uint64_t silent)
{
	for (uint64_t left = silent; left; left &= left - 1)
		if (t->hosts[__builtin_ctzll(left)]->flow.answers == 0)
			return true;
	return false;
}

// Gives up those of the silent positions that had enough tries, and returns the others. *held gets those
// that can only be judged later.
static uint64_t sort_silent(struct sweep *s, struct chunk *c, const struct settled *t, uint64_t silent,
			    unsigned extra, uint64_t *held)
{
	double all = pace_loss_estimate(&s->loss, PACE_LOSS_PRIOR, PACE_LOSS_PRIOR_WEIGHT);
	uint64_t again = 0;
	for (uint64_t left = silent; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctzll(left);
		uint64_t bit = left & -left;
		struct sweep_host *h = t->hosts[i];
		if (h->timed_out || sweep_unwanted(s, &t->items[i])) {
			c->done |= bit;
			s->c.unsent++;
			sweep_finish(s, h, &t->items[i].addr, t->items[i].addr_index);
			continue;
		}
		enum silence what = wants_more(s, h, c, extra, all);
		if (what == SILENCE_AGAIN) {
			again |= bit;
		} else if (what == SILENCE_HELD) {
			*held |= bit;
		} else if (sampled(s, c, t->base + i)) {
			again |= bit;
			c->sampled = true;
			s->one_try = true;
		} else {
			give_up(s, c, bit, h, &t->items[i]);
		}
	}
	return again;
}

void sweep_settle(struct sweep *s, struct chunk *c, int64_t now_ns, bool unsure_done)
{
	uint64_t number = window_number(&s->window, c), silent = ~c->done;
	struct settled t;
	t.base = number * CHUNK_BITS;
	t.full = window_full_mask(&s->window, number);
	t.looked_up = false;
	if (c->tries == 2 && !c->counted)
		count_loss(s, c, &t);
	unsigned extra = __builtin_popcountll(silent) <= FEW_SILENT ? EXTRA_TRIES : 0;
	if (lacks_answers(s, c, &t, now_ns))
		extra = s->policy.max_tries;
	if (silent)
		look_up(s, &t);
	// A host of which nothing is known may be far away: so nothing is given up before its longer timeout.
	bool unsure =
		!unsure_done && !more_in_any_case(s, c) && now_ns < c->sent_ns + sweep_unsure_timeout_ns(s);
	if (unsure && any_unsure(&t, silent)) {
		chunk_push(&s->window, &s->unsure[c->tries], c);
		return;
	}
	uint64_t held = 0, again = silent ? sort_silent(s, c, &t, silent, extra, &held) : 0;
	if (again)
		next_try(s, c, again);
	else if (held)
		chunk_push(&s->window, &s->held, c);
	else
		release(s, c, &t);
}

static void expire_queue(struct sweep *s, struct chunk_queue *q, int64_t timeout_ns, int64_t now_ns,
			 bool unsure_done)
{
	struct chunk *c;
	while ((c = chunk_peek(&s->window, q)) && (c->done == ~0ULL || now_ns >= c->sent_ns + timeout_ns)) {
		chunk_pop(&s->window, q);
		sweep_settle(s, c, now_ns, unsure_done);
	}
}

void sweep_settle_held(struct sweep *s, int64_t now_ns)
{
	s->held_due = false;
	for (unsigned n = s->held.count; n; n--)
		sweep_settle(s, chunk_pop(&s->window, &s->held), now_ns, true);
}

// Until when silence is known: an answer that waits to be looked at is no silence. (A flood that never lets
// us catch up must not keep the scan from ending.)
static int64_t known_ns(const struct sweep *s, int64_t now_ns)
{
	int64_t seen = s->all_policy.seen_ns;
	if (!seen || seen > now_ns)
		return now_ns;
	return seen > now_ns - FLOOD_NS ? seen : now_ns - FLOOD_NS;
}

void sweep_expire(struct sweep *s, int64_t now_ns)
{
	now_ns = known_ns(s, now_ns);
	refresh_slow(s, now_ns);
	ripen(s, now_ns);
	int64_t timeout = sweep_timeout_ns(s), longer = sweep_unsure_timeout_ns(s);
	for (unsigned t = 1; t <= s->policy.max_tries; t++) {
		if (s->waiting[t].head)
			expire_queue(s, &s->waiting[t], timeout, now_ns, false);
		if (s->unsure[t].head)
			expire_queue(s, &s->unsure[t], longer, now_ns, true);
	}
}

static int64_t queue_wait(const struct sweep *s, const struct chunk_queue *q, int64_t timeout_ns,
			  int64_t now_ns)
{
	const struct chunk *c = chunk_peek(&s->window, q);
	return c ? c->sent_ns + timeout_ns - now_ns : INT64_MAX;
}

int64_t sweep_cool_down_ns(const struct sweep *s)
{
	if (s->policy.wait_ns >= 0)
		return s->policy.wait_ns;
	// Twice the bare timeout: its floor is already generous where the RTT is small.
	const struct pace_rtt *r = &s->all.rtt;
	int64_t bare = r->samples ? ((int64_t)r->srtt_us + 4 * (int64_t)r->rttvar_us) * NS_PER_US
				  : s->rtt.initial_ns / 2;
	int64_t least = sweep_timeout_ns(s);
	int64_t wait = 2 * bare > least ? 2 * bare : least;
	return wait < s->rtt.max_ns ? wait : s->rtt.max_ns;
}

static int64_t cool_down_end(const struct sweep *s)
{
	if (s->policy.stream || s->c.silent == 0 || s->last_sent_ns == 0)
		return 0;
	return (s->checking ? s->cool_from_ns : s->last_sent_ns) + sweep_cool_down_ns(s);
}

bool sweep_done(const struct sweep *s, int64_t now_ns)
{
	if (s->events.finished && s->events.finished(s->events.ctx))
		return true;
	return window_finished(&s->window) && !sweep_check_wanted(s) && !sweep_check_pending(s) &&
	       known_ns(s, now_ns) >= cool_down_end(s);
}

static int64_t min64(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t sweep_wait_ns(const struct sweep *s, int64_t now_ns)
{
	if (window_finished(&s->window)) {
		if (sweep_check_wanted(s))
			return 0;
		int64_t left = sweep_check_pending(s) ? CHECK_LOOK_NS : cool_down_end(s) - now_ns;
		return left < 0 ? 0 : left;
	}
	int64_t wait = INT64_MAX, timeout = sweep_timeout_ns(s), longer = sweep_unsure_timeout_ns(s);
	for (unsigned t = 1; t <= s->policy.max_tries && !s->policy.stream; t++) {
		wait = min64(wait, queue_wait(s, &s->waiting[t], timeout, now_ns));
		wait = min64(wait, queue_wait(s, &s->unsure[t], longer, now_ns));
	}
	bool more = s->current || s->resend.head || s->deferred.head ||
		    (!window_exhausted(&s->window) && s->window.tail - s->window.head < s->window.slots);
	if (more) {
		int64_t due = s->blocked_until_ns - now_ns;
		if (s->policy.rate_pps > 0)
			due = due > pace_bucket_wait_ns(&s->stated) ? due : pace_bucket_wait_ns(&s->stated);
		if (s->policy.max_pps > 0)
			due = due > pace_bucket_wait_ns(&s->ceiling) ? due : pace_bucket_wait_ns(&s->ceiling);
		wait = min64(wait, due);
	}
	if (s->held.head)
		wait = min64(wait, HELD_LOOK_NS);
	return wait < 0 ? 0 : wait;
}
