#include "pace/flow.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"

#define EPOCH_MIN_US   500u
#define EPOCH_MAX_US   50000u
#define EPOCH_MIN_SENT 32u
#define WEAK_EVIDENCE  4u   // answers in an epoch that make a share to go by when there is none
#define EVIDENCE       16.0 // answers an epoch should hold before it is judged by their share
#define RATE_MAX       1e8
#define TOKENS_NS      (10 * NS_PER_MS) // what may pile up while the sender was busy elsewhere
#define LIMIT_PPS      2000.0 // a flat answer rate above this is a path's capacity, not a host's limit
#define LIMIT_EPOCHS   3u
#define LIMIT_SHARE    0.3
#define LIMIT_US       20000
#define GRACE_MIN_US   10000u
#define LONG_RTT_US    80000u
#define FAR_US         5000u
#define ARRIVAL_US     10000
#define ARRIVAL_MIN    8u
#define CALM_SENT      128u
#define CALM_US        1000000u
#define CALM_SLACK     4.0
#define CALM_CUT       0.9

static double ceiling(const struct flow *f, const struct flow_policy *p)
{
	double rate = f->rate_pps;
	if (f->answers == 0 && rate > p->silent_pps)
		rate = p->silent_pps;
	return rate < p->floor_pps ? p->floor_pps : rate;
}

static uint32_t micros(int64_t ns)
{
	return (uint32_t)(ns / NS_PER_US);
}

// How much later `a` is than `b`.
static int32_t later(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b);
}

static void epoch_start(struct flow_epoch *e, uint32_t now_us)
{
	*e = (struct flow_epoch){.start_us = now_us};
}

static void first_use(struct flow *f, const struct flow_policy *p, int64_t now_ns)
{
	f->refill_ns = now_ns;
	f->rate_pps = p->start_pps;
	f->tokens = p->burst;
	f->slow_start = true;
	epoch_start(&f->now, micros(now_ns));
	f->arriving_since_us = micros(now_ns);
	f->cut_us = micros(now_ns);
}

// How long after its end an epoch's answers may still come.
static uint32_t grace_us(const struct flow *f)
{
	if (f->lag.samples == 0)
		return 200000;
	uint32_t spread = 4 * f->lag.rttvar_us;
	if (spread < f->lag.srtt_us / 2)
		spread = f->lag.srtt_us / 2;
	if (spread < GRACE_MIN_US)
		spread = GRACE_MIN_US;
	return f->lag.srtt_us + spread;
}

static void grow(struct flow *f, double achieved_pps, double factor)
{
	double to = achieved_pps * factor;
	if (to > f->rate_pps)
		f->rate_pps = to > RATE_MAX ? RATE_MAX : to;
}

static void cut(struct flow *f, const struct flow_policy *p, double delivered_pps, double achieved_pps)
{
	double to = 0.85 * delivered_pps, least = achieved_pps / 4;
	if (least < (double)f->good_pps / 16) // what went well once is no flood
		least = (double)f->good_pps / 16;
	if (to < least)
		to = least;
	f->undo_pps = (float)f->rate_pps;
	if (to < f->rate_pps)
		f->rate_pps = to;
	if (f->rate_pps < p->floor_pps)
		f->rate_pps = p->floor_pps;
	f->slow_start = false;
	f->bad_epochs = 0;
}

static void learn_share(struct flow *f, double share)
{
	if (share > 1)
		share = 1;
	if (f->share <= 0)
		f->share = (float)share;
	else
		f->share += (float)((share - f->share) * (share > f->share ? 0.5 : 0.1));
}

// The path's queue is filling: no faster. Well filled: slower. (A few milliseconds may be our own lateness.)
// Only of one host's path: hosts together differ in RTT.
static bool queue_grew(const struct flow *f, const struct flow_policy *p, uint32_t rtt_us)
{
	return p->level == FLOW_HOST && f->base_rtt_us >= FAR_US &&
	       rtt_us > f->base_rtt_us + f->base_rtt_us / 4 + 5000;
}
static bool queue_long(const struct flow *f, const struct flow_policy *p, uint32_t rtt_us)
{
	return p->level == FLOW_HOST && f->base_rtt_us >= FAR_US && rtt_us > 2 * f->base_rtt_us + 30000;
}

// Answers a second now, over ten milliseconds or more: a limiter's burst must not look like a rate.
static double arrival_pps(const struct flow *f, uint32_t now_us)
{
	int32_t us = later(now_us, f->arriving_since_us);
	if (us < ARRIVAL_US)
		return f->arriving_pps > 0 ? (double)f->arriving_pps : f->arrived * 1e6 / ARRIVAL_US;
	return f->arrived * 1e6 / us;
}

// Fewer answers than the sending rate should have brought.
static void judge_bad(struct flow *f, const struct flow_policy *p, const struct flow_epoch *e, double seconds,
		      uint32_t now_us)
{
	double answer_pps = e->answered / seconds, achieved = e->sent / seconds;
	double delivered = f->share > 0 ? answer_pps / (double)f->share : answer_pps;
	if (f->bad_epochs == 0)
		f->bad_since_us = e->start_us;
	if (f->bad_epochs < UINT8_MAX)
		f->bad_epochs++;
	// Whoever has answered much of what was asked is cut off or held up, not limiting.
	bool sparing = (double)f->answers < LIMIT_SHARE * f->asked;
	if (p->level == FLOW_HOST && sparing && arrival_pps(f, now_us) <= LIMIT_PPS &&
	    !queue_grew(f, p, e->min_rtt_us)) {
		if (f->bad_epochs >= LIMIT_EPOCHS && later(e->end_us, f->bad_since_us) >= LIMIT_US)
			f->limited = FLOW_LIMITED;
		return;
	}
	if (p->level == FLOW_HOST || f->bad_epochs >= 2)
		cut(f, p, delivered, achieved);
}

// Of a host that limits its answers only their absence is expected.
static void judge_limited(struct flow *f, const struct flow_epoch *e, double seconds, uint32_t now_us)
{
	double achieved = e->sent / seconds;
	if (arrival_pps(f, now_us) > 2 * LIMIT_PPS && e->answered >= EVIDENCE) { // no limit after all
		f->limited = FLOW_UNLIMITED;
		f->slow_start = false;
		f->bad_epochs = 0;
		f->share = 0;
		f->rate_pps = achieved / 2;
		return;
	}
	grow(f, achieved, 2);
}

// Of a flow that is kept below its limit the usual share of answers is expected: what grows by small steps is
// cut as soon as they are too few.
static void judge_calm(struct flow *f, const struct flow_epoch *e, double seconds)
{
	if (later(e->start_us, f->cut_us) < 0)
		return;
	double share = fmin(e->answered / (double)e->sent, 1),
	       usual = f->share > 0 ? (double)f->share : share;
	double expect = usual * e->sent;
	double least = expect - 3 * sqrt(expect * (1 - usual) + 1) - CALM_SLACK;
	if (e->answered == 0 && least > 0) // a limit lets some through: the path is cut off
		return;
	if (e->answered < least) {
		f->rate_pps *= fmax(CALM_CUT * share / usual, 0.5);
		f->slow_start = false;
		f->cut_us = f->now.start_us;
		return;
	}
	f->share = (float)(usual + (share - usual) * (share > usual ? 0.5 : 0.02));
	if (least > 0 && e->sent / seconds > f->rate_pps / 2)
		f->rate_pps *= f->slow_start ? 1.1 : 1.02;
}

static void learn(struct flow *f, const struct flow_epoch *e)
{
	if (e->min_rtt_us && (f->base_rtt_us == 0 || e->min_rtt_us < f->base_rtt_us))
		f->base_rtt_us = e->min_rtt_us;
	else if (e->min_rtt_us) // paths change
		f->base_rtt_us += (e->min_rtt_us - f->base_rtt_us) / 64;
	if (e->answered >= 10 || (e->answered >= WEAK_EVIDENCE && f->share <= 0))
		learn_share(f, e->answered / (double)e->sent);
}

// By how much a good epoch lets the rate grow. Where every step costs a long round trip, steps are larger;
// after a cut it is quick up to what went well before.
static double growth(const struct flow *f, double achieved)
{
	if (f->slow_start)
		return f->rtt.srtt_us > LONG_RTT_US ? 12 : 4;
	double known = (double)f->good_pps / achieved;
	return known < 1.25 ? 1.25 : known > 4 ? 4 : known;
}

static void grow_by(struct flow *f, const struct flow_policy *p, const struct flow_epoch *e, double achieved,
		    bool telling)
{
	if (queue_grew(f, p, e->min_rtt_us))
		return;
	if (p->judge && (telling || e->answered >= 10))
		grow(f, achieved, growth(f, achieved));
	else if (!p->judge)
		grow(f, achieved, f->slow_start ? 2 : 1.25);
	else // too little was answered to tell: a host grows slowly
		grow(f, achieved, p->level == FLOW_HOST ? 1.25 : 2);
}

static void judge(struct flow *f, const struct flow_policy *p, const struct flow_epoch *e, uint32_t now_us)
{
	double seconds = (e->end_us - e->start_us) / 1e6;
	if (seconds < 1e-4)
		seconds = 1e-4;
	double achieved = e->sent / seconds, expect = (double)f->share * e->sent;
	f->judged = *e;
	f->undo_pps = 0;
	if (f->limited) {
		if (f->limited == FLOW_CALM)
			judge_calm(f, e, seconds);
		else
			judge_limited(f, e, seconds, now_us);
		return;
	}
	bool telling = p->judge && f->share > 0 && expect >= 10;
	if (telling && e->answered < 0.8 * expect && e->answered < expect - 3 * sqrt(expect)) {
		judge_bad(f, p, e, seconds, now_us);
		return;
	}
	if (telling)
		f->bad_epochs = 0;
	if (telling && (double)f->good_pps < achieved)
		f->good_pps = (float)achieved;
	learn(f, e);
	grow_by(f, p, e, achieved, telling);
}

static bool plenty(const struct flow *f, const struct flow_epoch *e)
{
	double want = f->share > 0 && f->share < 1 ? (double)f->share * e->sent : e->sent;
	return e->answered >= 10 && e->answered >= 0.95 * want;
}

// An epoch is over when it holds enough to be judged by, or has lasted long enough.
static bool epoch_over(const struct flow *f, uint32_t now_us)
{
	// An answer may have come before what was sent last: its time ends no epoch that holds that.
	if (later(now_us, f->now.start_us) < 0 || (f->now.sent && later(now_us, f->now.end_us) < 0))
		return false;
	uint32_t lasted = now_us - f->now.start_us;
	uint32_t least = f->lag.srtt_us / 4 > EPOCH_MIN_US ? f->lag.srtt_us / 4 : EPOCH_MIN_US;
	if (f->now.sent < EPOCH_MIN_SENT || lasted < least)
		return false;
	if (f->limited == FLOW_CALM)
		return f->now.sent >= CALM_SENT || lasted >= CALM_US;
	if (lasted >= EPOCH_MAX_US)
		return true;
	bool enough = f->limited || f->share <= 0 || (double)f->share * f->now.sent >= EVIDENCE;
	return enough && f->answers > 0;
}

// Judges the epochs whose time has come.
static void judge_closed(struct flow *f, const struct flow_policy *p, uint32_t now_us)
{
	uint32_t seen_us = micros(p->seen_ns);
	while (f->pending &&
	       (plenty(f, &f->closed[0]) || later(seen_us, f->closed[0].end_us + grace_us(f)) >= 0)) {
		struct flow_epoch e = f->closed[0];
		f->pending--;
		memmove(&f->closed[0], &f->closed[1], f->pending * sizeof(e));
		judge(f, p, &e, now_us);
	}
}

static void close_epoch(struct flow *f, uint32_t now_us)
{
	if (f->now.sent < EPOCH_MIN_SENT || f->pending == FLOW_PENDING || !epoch_over(f, now_us))
		return;
	f->looked_ns = 0;
	f->now.end_us = now_us;
	f->closed[f->pending++] = f->now;
	epoch_start(&f->now, now_us);
}

bool flow_may_send(struct flow *f, const struct flow_policy *p, int64_t now_ns)
{
	if (f->refill_ns == now_ns && p->scan_delay_ns <= 0)
		return f->tokens >= 1;
	if (f->refill_ns == 0)
		first_use(f, p, now_ns);
	int64_t passed = now_ns - f->refill_ns;
	if (p->scan_delay_ns > 0)
		return f->tokens == p->burst || passed >= p->scan_delay_ns;
	if (passed > 0) {
		double rate = ceiling(f, p);
		f->tokens += rate * (double)passed / 1e9;
		if (f->tokens > p->burst) {
			double most = rate * TOKENS_NS / 1e9;
			if (most < p->burst)
				most = p->burst;
			if (f->tokens > most)
				f->tokens = most;
		}
		f->refill_ns = now_ns;
	}
	return f->tokens >= 1;
}

int64_t flow_wait_ns(const struct flow *f, const struct flow_policy *p, int64_t now_ns)
{
	if (p->scan_delay_ns > 0)
		return f->refill_ns + p->scan_delay_ns - now_ns;
	double rate = ceiling(f, p);
	// About a millisecond's worth at a time, so that the sender does not wake for every frame.
	double want = rate / 1000;
	want = want < 1 ? 1 : want > 32 ? 32 : want;
	int64_t wait = (int64_t)((want - f->tokens) / rate * 1e9);
	return wait < 10 * NS_PER_US ? 10 * NS_PER_US : wait;
}

void flow_sent(struct flow *f, const struct flow_policy *p, int64_t now_ns, bool judged)
{
	f->tokens -= 1;
	if (p->scan_delay_ns > 0) {
		f->refill_ns = now_ns;
		return;
	}
	// First: frames of one instant stay in one epoch.
	if (f->pending && f->looked_ns != now_ns) {
		judge_closed(f, p, micros(now_ns));
		f->looked_ns = now_ns;
	}
	close_epoch(f, micros(now_ns));
	if (f->now.sent == 0)
		epoch_start(&f->now, micros(now_ns));
	if (judged) {
		f->now.sent++;
		f->now.end_us = micros(now_ns);
		f->asked += f->asked < UINT32_MAX;
	}
}

static void epoch_answer(struct flow_epoch *e, uint32_t rtt_us)
{
	e->answered++;
	if (rtt_us && (e->min_rtt_us == 0 || rtt_us < e->min_rtt_us))
		e->min_rtt_us = rtt_us;
}

// An answer came after its epoch was judged: it corrects the usual share, and the verdict if that was wrong.
static void reconsider(struct flow *f)
{
	struct flow_epoch *e = &f->judged;
	e->answered++;
	float share = (float)e->answered / (float)e->sent;
	if (share > f->share && share <= 1)
		f->share = share;
	if (f->undo_pps > 0 && share >= 0.8f * f->share) {
		if ((double)f->undo_pps > f->rate_pps)
			f->rate_pps = (double)f->undo_pps;
		f->undo_pps = 0;
	}
}

// Puts an answer into the epoch of its probe. One that comes after its epoch was judged corrects the usual
// share.
static void attribute(struct flow *f, uint32_t sent_us, uint32_t rtt_us)
{
	if (later(sent_us, f->now.start_us) >= 0) {
		epoch_answer(&f->now, rtt_us);
		return;
	}
	for (unsigned i = f->pending; i-- > 0;) {
		if (later(sent_us, f->closed[i].start_us) >= 0) {
			epoch_answer(&f->closed[i], rtt_us);
			return;
		}
	}
	if (f->judged.sent && later(sent_us, f->judged.start_us) >= 0)
		reconsider(f);
}

// A long queue is answered at once, not when the epoch is judged: by then it would be longer still.
static void mind_queue(struct flow *f, const struct flow_policy *p, uint32_t now_us)
{
	if (!queue_long(f, p, f->arriving_min_us) || now_us - f->cut_us < f->arriving_min_us)
		return;
	f->cut_us = now_us;
	double share = f->share > 0 ? (double)f->share : 1;
	cut(f, p, (double)f->arriving_pps / share, 0);
}

// The rate at which answers come in now, over ten milliseconds or more, and their least RTT.
static void count_arrival(struct flow *f, const struct flow_policy *p, uint32_t rtt_us, uint32_t now_us)
{
	f->arrived++;
	if (rtt_us && (f->arriving_min_us == 0 || rtt_us < f->arriving_min_us))
		f->arriving_min_us = rtt_us;
	int32_t us = later(now_us, f->arriving_since_us);
	if (us < ARRIVAL_US || f->arrived < ARRIVAL_MIN)
		return;
	f->arriving_pps = (float)(f->arrived / (us / 1e6));
	mind_queue(f, p, now_us);
	f->arrived = 0;
	f->arriving_min_us = 0;
	f->arriving_since_us = now_us;
}

void flow_answered(struct flow *f, const struct flow_policy *p, int64_t sent_ns, uint32_t rtt_us,
		   int64_t now_ns)
{
	if (f->refill_ns == 0)
		first_use(f, p, now_ns);
	if (f->answers < UINT32_MAX)
		f->answers++;
	if (rtt_us)
		pace_rtt_sample(&f->rtt, rtt_us);
	if (sent_ns <= now_ns)
		pace_rtt_sample(&f->lag, micros(now_ns - sent_ns));
	if (p->scan_delay_ns > 0)
		return;
	// What was looked at late tells nothing of the path's delay.
	uint32_t path_us = p->late_us < rtt_us / 16 ? rtt_us : 0;
	attribute(f, micros(sent_ns), path_us);
	count_arrival(f, p, path_us, micros(now_ns));
	if (f->answers == 1 && p->level == FLOW_HOST) // it lives: the gentle start is over
		grow(f, p->start_pps, rtt_us > LONG_RTT_US ? 12 : 4);
	f->looked_ns = 0;
	judge_closed(f, p, micros(now_ns));
	close_epoch(f, micros(now_ns));
}

void flow_overrun(struct flow *f, const struct flow_policy *p, int64_t now_ns)
{
	if (f->refill_ns == 0)
		return;
	double seconds = (micros(now_ns) - f->now.start_us) / 1e6;
	double achieved = seconds > 1e-3 ? f->now.sent / seconds : f->rate_pps;
	if (achieved > f->rate_pps)
		achieved = f->rate_pps;
	f->rate_pps = 0.7 * achieved;
	if (f->rate_pps < p->floor_pps)
		f->rate_pps = p->floor_pps;
	f->slow_start = false;
	f->pending = 0;
	epoch_start(&f->now, micros(now_ns));
}

void flow_forgive(struct flow *f, int64_t now_ns)
{
	f->share = 0;
	f->bad_epochs = 0;
	f->pending = 0;
	f->slow_start = true;
	epoch_start(&f->now, micros(now_ns));
}

static void limit(struct flow *f, enum flow_limit limited, double pps, int64_t now_ns)
{
	f->limited = (uint8_t)limited;
	f->rate_pps = pps;
	f->slow_start = true;
	f->bad_epochs = 0;
	f->pending = 0;
	f->judged.sent = 0;
	f->undo_pps = 0;
	if (f->tokens > 1)
		f->tokens = 1;
	epoch_start(&f->now, micros(now_ns));
}

void flow_calm(struct flow *f, double pps, int64_t now_ns)
{
	limit(f, FLOW_CALM, pps, now_ns);
}

void flow_flood(struct flow *f, double pps, int64_t now_ns)
{
	limit(f, FLOW_LIMITED, pps, now_ns);
}
