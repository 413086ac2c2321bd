#include "fate.h"

#include <math.h>

// splitmix64
static uint64_t next(struct fate *fate)
{
	uint64_t z = (fate->random += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

// 0 <= result < 1
static double uniform(struct fate *fate)
{
	return (double)(next(fate) >> 11) * 0x1p-53;
}

static bool chance(struct fate *fate, double share)
{
	return share > 0 && uniform(fate) < share;
}

// Box and Muller's method; the second number of the pair is not kept.
static double normal(struct fate *fate)
{
	double radius = sqrt(-2 * log(1 - uniform(fate)));

	return radius * cos(2 * 3.14159265358979323846 * uniform(fate));
}

static double exponential(struct fate *fate, double mean)
{
	return -mean * log(1 - uniform(fate));
}

void fate_init(struct fate *fate, const struct fate_params *params, uint64_t seed)
{
	*fate = (struct fate){.params = *params, .random = seed};
}

static bool burst_loses(struct fate *fate)
{
	const struct fate_params *p = &fate->params;

	if (fate->bad)
		fate->bad = !chance(fate, p->burst_leave);
	else
		fate->bad = chance(fate, p->burst_enter);
	return fate->bad && chance(fate, p->burst_loss);
}

static bool spell_loses(struct fate *fate, uint64_t now_ns)
{
	const struct fate_params *p = &fate->params;

	if (fate->spell_end_ns == 0)
		fate->spell_end_ns = now_ns + (uint64_t)exponential(fate, p->good_ns);
	while (fate->spell_end_ns <= now_ns) {
		fate->spell_bad = !fate->spell_bad;
		fate->spell_end_ns +=
			1 + (uint64_t)exponential(fate, fate->spell_bad ? p->bad_ns : p->good_ns);
	}
	return fate->spell_bad && chance(fate, p->bad_loss);
}

bool fate_loses(struct fate *fate, uint64_t now_ns)
{
	const struct fate_params *p = &fate->params;
	bool lost = chance(fate, p->loss);

	if (p->burst_enter > 0 && burst_loses(fate))
		lost = true;
	if (p->bad_ns > 0 && spell_loses(fate, now_ns))
		lost = true;
	return lost;
}

uint64_t fate_delay_ns(struct fate *fate)
{
	const struct fate_params *p = &fate->params;
	double delay = p->delay_ns;

	if (p->jitter_ns > 0 && p->jitter_kind == JITTER_NORMAL)
		delay += p->jitter_ns * normal(fate);
	else if (p->jitter_ns > 0)
		delay += p->jitter_ns * (2 * uniform(fate) - 1);
	return delay > 0 ? (uint64_t)delay : 0;
}
