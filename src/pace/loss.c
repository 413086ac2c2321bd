#include "pace/loss.h"

#include <math.h>

double pace_loss_estimate(const struct pace_loss *l, double prior, double weight)
{
	double p = (l->second + prior * weight) / (l->first + weight);
	return p > 0.95 ? 0.95 : p;
}

double pace_loss_upper(const struct pace_loss *l, double prior, double weight)
{
	// first + second answers are the trials of which `second` had lost the first round trip.
	const double z = 1.645;
	double n = (double)l->first + l->second + weight;
	double p = (l->second + prior * weight) / n;
	double centre = p + z * z / (2 * n);
	double spread = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n));
	double upper = (centre + spread) / (1 + z * z / n);
	double mean = pace_loss_estimate(l, prior, weight);
	if (upper < mean)
		upper = mean;
	return upper > 0.97 ? 0.97 : upper;
}

unsigned pace_loss_tries(double p, double confidence, unsigned max_tries)
{
	double miss = 1 - confidence, left = 1;
	for (unsigned k = 1; k < max_tries; k++) {
		left *= p;
		if (left <= miss)
			return k;
	}
	return max_tries;
}

double pace_loss_missed(double p, unsigned tries, double open_found)
{
	double m = pow(p, tries);
	return open_found * m / (1 - m);
}

// Smallest k such that a Poisson variable of this mean is <= k with probability 0.95.
static double poisson_quantile95(double mean)
{
	if (mean > 500)
		return ceil(mean + 1.645 * sqrt(mean));
	double term = exp(-mean), sum = term;
	double k = 0;
	while (sum < 0.95 && k < 2000) {
		k += 1;
		term *= mean / k;
		sum += term;
	}
	return k;
}

double pace_loss_missed_bound(double p_upper, unsigned tries, double open_found)
{
	double m = pow(p_upper, tries);
	// What was found is itself a sample: Poisson's upper bound for the number there, three when none was
	// found.
	double there = open_found + 3 + 1.645 * sqrt(open_found);
	double mean = there * m / (1 - m);
	double k = poisson_quantile95(mean);
	return k > mean ? k : mean;
}
