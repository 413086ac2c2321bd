#include "pace/rtt.h"

void pace_rtt_sample(struct pace_rtt *r, uint32_t rtt_us)
{
	if (rtt_us == 0)
		rtt_us = 1;
	if (r->samples == 0) {
		r->srtt_us = rtt_us;
		r->rttvar_us = rtt_us / 2;
		r->min_us = rtt_us;
	} else {
		uint32_t err = r->srtt_us > rtt_us ? r->srtt_us - rtt_us : rtt_us - r->srtt_us;
		r->rttvar_us = (uint32_t)((3 * (uint64_t)r->rttvar_us + err) / 4);
		r->srtt_us = (uint32_t)((7 * (uint64_t)r->srtt_us + rtt_us) / 8);
		if (rtt_us < r->min_us)
			r->min_us = rtt_us;
	}
	if (r->samples < UINT32_MAX)
		r->samples++;
}

int64_t pace_rtt_timeout_ns(const struct pace_rtt *r, const struct pace_rtt_limits *limits)
{
	if (r->samples == 0)
		return limits->initial_ns;
	int64_t spread = 4 * (int64_t)r->rttvar_us;
	if (spread <
	    r->srtt_us /
		    2) // a path that has been steady so far: a late answer must still find its position open
		spread = r->srtt_us / 2;
	int64_t t = ((int64_t)r->srtt_us + spread) * 1000;
	if (t < limits->min_ns)
		return limits->min_ns;
	return t > limits->max_ns ? limits->max_ns : t;
}
