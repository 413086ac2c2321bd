// Loss, tries and what may have been missed.
#include <math.h>

#include "scan/sweep_state.h"

#define REPORT_PRIOR_WEIGHT 10.0 // the report leans on what was measured, the choice of tries also on caution

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

// Hosts differ in loss, and so each is judged by its own: an average would hide what the lossy ones lack.
static struct missed missed_by_host(const struct sweep *s, double all)
{
	struct missed m = {0};
	for (uint32_t i = 0; i < s->host_slots; i++) {
		const struct sweep_host *h = &s->hosts[i];
		if (!h->given_up || !h->open)
			continue;
		double tries = (double)h->tries_spent / h->given_up;
		double p = pace_loss_estimate(&h->loss, all, REPORT_PRIOR_WEIGHT);
		double upper = pace_loss_upper(&h->loss, all, REPORT_PRIOR_WEIGHT);
		double share = pow(p, tries), share_upper = pow(upper, floor(tries));
		m.expected += h->open * share / (1 - share);
		m.mean += (h->open + 1) * share_upper / (1 - share_upper);
	}
	return m;
}

void sweep_summarise(const struct sweep *s, struct scan_summary *sum)
{
	struct pace_loss loss = s->loss;
	loss.first += s->ripe_first + s->fresh_first;
	double p = pace_loss_estimate(&loss, PACE_LOSS_PRIOR, REPORT_PRIOR_WEIGHT);
	double upper = pace_loss_upper(&loss, PACE_LOSS_PRIOR, REPORT_PRIOR_WEIGHT);
	double share = miss_share(s, p), share_upper = miss_share(s, upper);
	struct missed m = missed_by_host(s, p);
	double pooled = pace_loss_missed(share, (double)s->c.open);
	double pooled_mean = pace_loss_missed(share_upper, (double)s->c.open + 3);
	sum->c = s->c;
	sum->loss = loss.first ? (double)loss.second / loss.first : 0;
	sum->tries = s->most_tries;
	sum->confidence_asked = s->policy.confidence;
	if (s->c.silent) {
		sum->missed_expected = m.expected > pooled ? m.expected : pooled;
		sum->missed_bound = pace_loss_bound(m.mean > pooled_mean ? m.mean : pooled_mean);
	}
	double there = (double)s->c.open + sum->missed_expected;
	sum->confidence_reached = 1 - (there > 0 ? sum->missed_expected / there : share);
	for (uint32_t i = 0; i < s->host_slots; i++)
		sum->hosts_limited += s->hosts[i].flow.limited;
}
