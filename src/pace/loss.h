// Loss, and how many tries it takes for a wanted confidence.
//
// A position that answers loses its probe or its answer with probability p. Among positions that were fully
// re-sent, answers to the second try over answers to the first are p: n(1-p) come on the first, np(1-p) on
// the second. The prior is 2 % with the weight of 100 answers, so that a scan that has seen nothing still
// tries three times at the default confidence.
#pragma once

#include <stdint.h>

struct pace_loss {
	uint32_t first, second; // answers to the first and second try among fully re-sent positions
};

// Posterior mean of p. `weight` answers' worth of `prior` are added.
double pace_loss_estimate(const struct pace_loss *l, double prior, double weight);
// The same, one standard deviation higher: for choosing tries, where an estimate that is too small by chance
// would cost open ports.
double pace_loss_careful(const struct pace_loss *l, double prior, double weight);
// Upper bound of p (one-sided 99 %, Wilson's score interval on the pooled counts).
double pace_loss_upper(const struct pace_loss *l, double prior, double weight);

#define PACE_LOSS_PRIOR        0.02
#define PACE_LOSS_PRIOR_WEIGHT 100.0

// Smallest k with p^k <= 1 - confidence, within 1 … max_tries.
unsigned pace_loss_tries(double p, double confidence, unsigned max_tries);

// The largest p for which `tries` are enough: pace_loss_tries(p) <= tries where max_tries is larger.
double pace_loss_limit(unsigned tries, double confidence);

// Open ports missed when `open_found` were found and each was missed with probability `share`.
double pace_loss_missed(double share, double open_found);
// A number that a Poisson variable of this mean stays within in 97.5 of 100 cases (never below the mean).
double pace_loss_bound(double mean);
