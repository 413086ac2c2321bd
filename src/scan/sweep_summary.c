// Loss, tries and what may have been missed.
#include <math.h>

#include "scan/sweep_doubt.h"

#define REPORT_PRIOR_WEIGHT 10.0 // the report leans on what was measured, the choice of tries also on caution

#define UNTOLD_MOST 0.97
#define TAIL_MOST   0.95
#define TAIL_PRIOR  5.0

struct missed {
	double expected, mean; // open ports missed; mean of the bound's Poisson variable
};

// Mean of p^tries over the positions that were given up.
static double miss_share(const struct sweep *s, double p)
{
	double sum = 0, n = 0;
	for (unsigned t = 1; t <= WINDOW_TRIES_MAX; t++) {
		if (!s->silent_by_try[t])
			continue;
		sum += (double)s->silent_by_try[t] * pow(p, t);
		n += (double)s->silent_by_try[t];
	}
	return n > 0 ? sum / n : 0;
}

// Positions of which nothing is known are as often open as those that answered.
static struct missed missed_unsure(const struct sweep *s, const struct sweep_host *h)
{
	double unsure = h->vanished ? h->given_up : sweep_doubt_unsure(s, h), answers = h->flow.answers + 1.0;
	if (unsure == 0)
		return (struct missed){0};
	const struct sweep_doubt *d = sweep_doubt_of(s, h);
	// Who limits its resets answers from open ports above all; who may do so is as likely as not to.
	bool of_open = d && d->verdict == DOUBT_ANSWERS;
	double share = (h->open + 0.5) / (of_open ? h->flow.asked + 1.0 : answers);
	double most = (h->open + 1 + 2 * sqrt(h->open + 1.0)) / answers;
	return (struct missed){.expected = unsure * fmin(share, 1) / (h->vanished ? 1 : 2),
			       .mean = unsure * fmin(most, 1)};
}

// Where the answers of closed ports are limited only open ones tell.
static struct pace_loss loss_of(const struct sweep *s, const struct sweep_host *h)
{
	if (h->flow.limited != FLOW_LIMITED)
		return h->loss;
	const struct sweep_doubt *d = sweep_doubt_of(s, h);
	uint32_t again = d && d->verdict == DOUBT_ANSWERS ? d->answered : 0;
	return (struct pace_loss){.first = h->open - h->open_second + again, .second = h->open_second};
}

// Hosts differ in loss, and so each is judged by its own: an average would hide what the lossy ones lack.
static struct missed missed_by_host(const struct sweep *s, double all)
{
	struct missed m = {0};
	for (uint32_t i = 0; i < s->host_slots; i++) {
		const struct sweep_host *h = &s->hosts[i];
		if (!h->given_up)
			continue;
		struct missed unsure = missed_unsure(s, h);
		m.expected += unsure.expected;
		m.mean += unsure.mean;
		if (!h->open || h->tries_spent < h->given_up)
			continue;
		double tries = (double)h->tries_spent / h->given_up;
		struct pace_loss loss = loss_of(s, h);
		double p = pace_loss_estimate(&loss, all, REPORT_PRIOR_WEIGHT);
		double upper = pace_loss_upper(&loss, all, REPORT_PRIOR_WEIGHT);
		double share = pow(p, tries), share_upper = pow(upper, floor(tries));
		m.expected += h->open * share / (1 - share);
		m.mean += (h->open + 1) * share_upper / (1 - share_upper);
	}
	return m;
}

// What follows a geometric series: `n` of its members came to `sum`, and each is q times the one before.
static double rest_of(double sum, double q, unsigned n)
{
	double left = pow(q < TAIL_MOST ? q : TAIL_MOST, n);
	return sum * left / (1 - left);
}

// Where loss comes from a queue that is full, what was lost once is likelier than others to be lost again,
// and the share of answers at the second try says too little of later ones. Then open ports still answer the
// last tries, and those that would answer still later ones follow from how their number falls from try to
// try. `p` is the loss measured, which rules where there are few.
static struct missed missed_by_tail(const struct sweep *s, double p)
{
	unsigned last = s->most_tries, n = last / 4;
	double before = 0, after = 0;
	for (unsigned t = last - n; t < last; t++) {
		before += (double)s->open_by_try[t];
		after += (double)s->open_by_try[t + 1];
	}
	if (n == 0 || after <= 0)
		return (struct missed){0};
	before += TAIL_PRIOR;
	double q = (after + TAIL_PRIOR * p) / before;
	double upper = q + 2 * sqrt(q * (1 + q) / before);
	return (struct missed){.expected = fmin(rest_of(after, q, n), (double)s->c.silent),
			       .mean = fmin(rest_of(after, upper, n), (double)s->c.silent)};
}

// After a single try of each nothing is known of loss: perhaps all of the silence is.
static struct missed missed_untold(const struct sweep *s)
{
	double silent = (double)s->c.silent, share = silent / (silent + (double)s->c.answered);
	double p = fmin(share, PACE_LOSS_PRIOR), upper = fmin(share, UNTOLD_MOST);
	return (struct missed){.expected = fmin(pace_loss_missed(p, (double)s->c.open), silent),
			       .mean = fmin(pace_loss_missed(upper, (double)s->c.open + 3), silent)};
}

static void count_limits(const struct sweep *s, struct scan_summary *sum)
{
	for (uint32_t i = 0; i < s->host_slots; i++) {
		const struct sweep_host *h = &s->hosts[i];
		sum->hosts_vanished += h->vanished;
		if (!h->flow.limited)
			continue;
		const struct sweep_doubt *d = sweep_doubt_of(s, h);
		if (d && d->verdict == DOUBT_PROBES) {
			sum->hosts_probes_limited++;
			continue;
		}
		sum->hosts_limited++;
		if (!sweep_doubt_unsure(s, h))
			continue;
		sum->hosts_unsure++;
		double pps = d ? d->limit_pps : 0;
		if (pps > 0 && (sum->unsure_pps <= 0 || pps < sum->unsure_pps))
			sum->unsure_pps = pps;
	}
}

void sweep_summarise(const struct sweep *s, struct scan_summary *sum)
{
	struct pace_loss loss = s->loss;
	loss.first += s->ripe_first + s->fresh_first;
	for (uint32_t i = 0; i < s->host_slots; i++) {
		if (s->hosts[i].flow.limited) { // counted apart
			struct pace_loss own = loss_of(s, &s->hosts[i]);
			loss.first += own.first;
			loss.second += own.second;
		}
	}
	double p = pace_loss_estimate(&loss, PACE_LOSS_PRIOR, REPORT_PRIOR_WEIGHT);
	double upper = pace_loss_upper(&loss, PACE_LOSS_PRIOR, REPORT_PRIOR_WEIGHT);
	double share = miss_share(s, p), share_upper = miss_share(s, upper);
	struct missed m = missed_by_host(s, p);
	double pooled = pace_loss_missed(share, (double)s->c.open);
	double pooled_mean = pace_loss_missed(share_upper, (double)s->c.open + 3);
	struct missed other = s->policy.max_tries == 1 ? missed_untold(s) : missed_by_tail(s, p);
	sum->c = s->c;
	sum->loss = loss.first ? (double)loss.second / loss.first : 0;
	sum->tries = s->most_tries;
	sum->confidence_asked = s->policy.confidence;
	if (s->c.silent) {
		sum->missed_expected = fmax(other.expected, fmax(m.expected, pooled));
		double mean = fmax(other.mean, fmax(m.mean, pooled_mean));
		sum->missed_bound = fmin(pace_loss_bound(mean), (double)s->c.silent);
	}
	double there = (double)s->c.open + sum->missed_expected;
	sum->confidence_reached = 1 - (there > 0 ? sum->missed_expected / there : share);
	count_limits(s, sum);
}
