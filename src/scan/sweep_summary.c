// Loss, tries and what may have been missed.
#include <math.h>

#include "scan/sweep_state.h"

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

void sweep_summarise(const struct sweep *s, struct scan_summary *sum)
{
	struct pace_loss loss = s->loss;
	loss.first += s->ripe_first + s->fresh_first;
	double p = pace_loss_estimate(&loss, PACE_LOSS_PRIOR, PACE_LOSS_PRIOR_WEIGHT);
	double upper = pace_loss_upper(&loss, PACE_LOSS_PRIOR, PACE_LOSS_PRIOR_WEIGHT);
	double share = miss_share(s, p);
	double share_upper = miss_share(s, upper);
	sum->c = s->c;
	sum->loss = loss.first ? (double)loss.second / loss.first : 0;
	sum->tries = s->most_tries;
	sum->confidence_asked = s->policy.confidence;
	sum->confidence_reached = 1 - share;
	// pace_loss_missed speaks of one p and k; the mean share stands for p^k.
	sum->missed_expected = s->c.silent ? pace_loss_missed(share, 1, (double)s->c.open) : 0;
	sum->missed_bound = s->c.silent ? pace_loss_missed_bound(share_upper, 1, (double)s->c.open) : 0;
	sum->hosts_limited = 0;
	for (uint32_t i = 0; i < s->host_slots; i++)
		sum->hosts_limited += s->hosts[i].flow.limited;
}
