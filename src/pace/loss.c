#include "pace/loss.h"

#include <math.h>

double pace_loss_estimate(const struct pace_loss *l, double prior, double weight)
{
	double p = (l->second + prior * weight) / (l->first + weight);
	return p > 0.95 ? 0.95 : p;
}

double pace_loss_careful(const struct pace_loss *l, double prior, double weight)
{
	double p = pace_loss_estimate(l, prior, weight), n = (double)l->first + l->second + weight;
	p += sqrt(p * (1 - p) / n);
	return p > 0.95 ? 0.95 : p;
}

double pace_loss_upper(const struct pace_loss *l, double prior, double weight)
{
	// first + second answers are the trials of which `second` had lost the first round trip.
	const double z = 2.33; // one-sided 99 %: the tries were chosen from the same data
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

// p^tries, multiplied as pace_loss_tries does.
static double power(double p, unsigned tries)
{
	double left = 1;
	while (tries--)
		left *= p;
	return left;
}

double pace_loss_limit(unsigned tries, double confidence)
{
	double miss = 1 - confidence;
	if (miss <= 0)
		return 0;
	double p = pow(miss, 1.0 / tries);
	while (p > 0 && power(p, tries) > miss)
		p = nextafter(p, 0);
	while (p < 1 && power(nextafter(p, 1), tries) <= miss)
		p = nextafter(p, 1);
	return p;
}

double pace_loss_missed(double share, double open_found)
{
	return open_found * share / (1 - share);
}

// Smallest k such that a Poisson variable of this mean is <= k with probability 0.975, so that together with
// the bound of p 0.95 is left.
static double poisson_quantile(double mean)
{
	if (mean > 500)
		return ceil(mean + 1.96 * sqrt(mean));
	double term = exp(-mean), sum = term;
	double k = 0;
	while (sum < 0.975 && k < 2000) {
		k += 1;
		term *= mean / k;
		sum += term;
	}
	return k;
}

double pace_loss_bound(double mean)
{
	double k = poisson_quantile(mean);
	return k > mean ? k : mean;
}
