#include "pace/flow.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"

#define EPOCH_MIN_NS   (NS_PER_MS / 2)
#define EPOCH_MAX_NS   (50 * NS_PER_MS)
#define EPOCH_MIN_SENT 32
#define EVIDENCE       16.0 // answers an epoch should hold before it is judged by their share
#define RATE_MAX       1e8
#define TOKENS_NS      (10 * NS_PER_MS) // what may pile up while the sender was busy elsewhere
#define LIMIT_PPS      2000.0 // a flat answer rate above this is a path's capacity, not a host's limit
#define LIMIT_EPOCHS   3
#define LONG_RTT_US    20000u

static double ceiling(const struct flow *f, const struct flow_policy *p)
{
	double rate = f->rate_pps;
	if (f->answers == 0 && rate > p->silent_pps)
		rate = p->silent_pps;
	return rate < p->floor_pps ? p->floor_pps : rate;
}

static void epoch_start(struct flow_epoch *e, int64_t now_ns)
{
	*e = (struct flow_epoch){.start_ns = now_ns};
}

static void first_use(struct flow *f, const struct flow_policy *p, int64_t now_ns)
{
	f->refill_ns = now_ns;
	f->rate_pps = p->start_pps;
	f->tokens = p->burst;
	f->slow_start = true;
	epoch_start(&f->now, now_ns);
}

// How long after its end an epoch's answers may still come.
static int64_t grace_ns(const struct flow *f)
{
	if (f->rtt.samples == 0)
		return 100 * NS_PER_MS;
	int64_t spread = 4 * (int64_t)f->rtt.rttvar_us * NS_PER_US;
	if (spread < 2 * NS_PER_MS)
		spread = 2 * NS_PER_MS;
	return (int64_t)f->rtt.srtt_us * NS_PER_US + spread;
}

static void grow(struct flow *f, double achieved_pps, double factor)
{
	double to = achieved_pps * factor;
	if (to > f->rate_pps)
		f->rate_pps = to > RATE_MAX ? RATE_MAX : to;
}

static void cut(struct flow *f, const struct flow_policy *p, double delivered_pps, double achieved_pps)
{
	double to = 0.85 * delivered_pps;
	if (to < achieved_pps / 4)
		to = achieved_pps / 4;
	if (to < f->rate_pps)
		f->rate_pps = to;
	if (f->rate_pps < p->floor_pps)
		f->rate_pps = p->floor_pps;
	f->slow_start = false;
	f->bad_epochs = 0;
}

static void learn_share(struct flow *f, double share)
{
	if (f->share <= 0)
		f->share = (float)share;
	else
		f->share += (float)((share - f->share) * (share > f->share ? 0.5 : 0.1));
}

// Fewer answers than the sending rate should have brought.
static void judge_bad(struct flow *f, const struct flow_policy *p, const struct flow_epoch *e, double seconds)
{
	double answer_pps = e->answered / seconds, achieved = e->sent / seconds;
	double delivered = f->share > 0 ? answer_pps / f->share : answer_pps;
	if (f->bad_epochs < UINT8_MAX)
		f->bad_epochs++;
	if (p->level == FLOW_HOST && answer_pps <= LIMIT_PPS) {
		if (f->bad_epochs >= LIMIT_EPOCHS)
			f->limited = true;
		return;
	}
	if (p->level == FLOW_HOST || f->bad_epochs >= 2)
		cut(f, p, delivered, achieved);
}

static void judge(struct flow *f, const struct flow_policy *p)
{
	const struct flow_epoch *e = &f->closed;
	double seconds = (double)(e->end_ns - e->start_ns) / 1e9;
	if (seconds < 1e-4)
		seconds = 1e-4;
	double achieved = e->sent / seconds, expect = (double)f->share * e->sent;
	f->has_closed = false;

	bool queue = f->base_rtt_us && e->answered >= 4 &&
		     e->min_rtt_us > f->base_rtt_us + f->base_rtt_us / 2 + 2000;
	if (queue && achieved > 1000) {
		cut(f, p, f->share > 0 ? e->answered / seconds / f->share : achieved / 2, achieved);
		return;
	}
	if (e->min_rtt_us && (f->base_rtt_us == 0 || e->min_rtt_us < f->base_rtt_us))
		f->base_rtt_us = e->min_rtt_us;
	if (f->limited && p->level == FLOW_HOST && f->answers) {
		if (expect >= EVIDENCE && e->answered > 0.8 * expect) {
			f->limited = false;
			f->bad_epochs = 0;
		}
		grow(f, achieved, 2);
		return;
	}
	// Where every step costs a long round trip, steps are larger.
	double factor = !f->slow_start ? 1.25 : f->rtt.srtt_us > LONG_RTT_US ? 12 : 4;
	if (!p->judge) {
		grow(f, achieved, f->slow_start ? 2 : 1.25);
	} else if (f->share > 0 && expect >= 10) {
		if (e->answered < 0.8 * expect - 3 * sqrt(expect)) {
			judge_bad(f, p, e, seconds);
			return;
		}
		f->bad_epochs = 0;
		learn_share(f, e->answered / (double)e->sent);
		grow(f, achieved, factor);
	} else if (e->answered >= 10) {
		learn_share(f, e->answered / (double)e->sent);
		grow(f, achieved, factor);
	} else {
		// Too little was answered to tell. A host grows slowly, and only once it has answered at all.
		if (e->answered && f->share <= 0)
			f->share = (float)e->answered / (float)e->sent;
		grow(f, achieved, p->level == FLOW_HOST ? 1.25 : 2);
	}
}

static void epochs_advance(struct flow *f, const struct flow_policy *p, int64_t now_ns)
{
	if (f->has_closed) {
		const struct flow_epoch *e = &f->closed;
		bool plenty = f->share > 0 && e->answered >= 10 && e->answered >= 0.95 * f->share * e->sent;
		plenty |= e->answered >= 10 && e->answered >= 0.95 * e->sent;
		if (plenty || now_ns >= e->end_ns + grace_ns(f))
			judge(f, p);
	}
	if (f->has_closed || f->now.sent < EPOCH_MIN_SENT || now_ns - f->now.start_ns < EPOCH_MIN_NS)
		return;
	bool enough = f->limited || f->share <= 0 || (double)f->share * f->now.sent >= EVIDENCE;
	if (f->answers == 0 || (!enough && now_ns - f->now.start_ns < EPOCH_MAX_NS)) {
		if (now_ns - f->now.start_ns < EPOCH_MAX_NS)
			return;
	}
	f->closed = f->now;
	f->closed.end_ns = now_ns;
	f->has_closed = true;
	epoch_start(&f->now, now_ns);
}

bool flow_may_send(struct flow *f, const struct flow_policy *p, int64_t now_ns)
{
	if (f->refill_ns == 0)
		first_use(f, p, now_ns);
	int64_t passed = now_ns - f->refill_ns;
	if (p->scan_delay_ns > 0)
		return f->tokens == p->burst || passed >= p->scan_delay_ns;
	if (passed > 0) {
		double rate = ceiling(f, p), most = rate * TOKENS_NS / 1e9;
		if (most < p->burst)
			most = p->burst;
		f->tokens += rate * (double)passed / 1e9;
		if (f->tokens > most)
			f->tokens = most;
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
	if (judged)
		f->now.sent++;
	epochs_advance(f, p, now_ns);
}

static void epoch_answer(struct flow_epoch *e, uint32_t rtt_us)
{
	e->answered++;
	if (rtt_us && (e->min_rtt_us == 0 || rtt_us < e->min_rtt_us))
		e->min_rtt_us = rtt_us;
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
	if (p->scan_delay_ns > 0)
		return;
	if (sent_ns >= f->now.start_ns)
		epoch_answer(&f->now, rtt_us);
	else if (f->has_closed && sent_ns >= f->closed.start_ns)
		epoch_answer(&f->closed, rtt_us);
	if (f->answers == 1 && p->level == FLOW_HOST && f->rate_pps < 4 * p->start_pps)
		f->rate_pps = 4 * p->start_pps; // it lives: the gentle start is over
	epochs_advance(f, p, now_ns);
}

void flow_overrun(struct flow *f, const struct flow_policy *p, int64_t now_ns)
{
	if (f->refill_ns == 0)
		return;
	double seconds = (double)(now_ns - f->now.start_ns) / 1e9;
	double achieved = seconds > 1e-3 ? f->now.sent / seconds : f->rate_pps;
	if (achieved > f->rate_pps)
		achieved = f->rate_pps;
	f->rate_pps = 0.7 * achieved;
	if (f->rate_pps < p->floor_pps)
		f->rate_pps = p->floor_pps;
	f->slow_start = false;
	f->has_closed = false;
	epoch_start(&f->now, now_ns);
}

void flow_forgive(struct flow *f, int64_t now_ns)
{
	f->share = 0;
	f->bad_epochs = 0;
	f->has_closed = false;
	f->slow_start = true;
	epoch_start(&f->now, now_ns);
}
