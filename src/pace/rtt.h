// Round-trip time estimate (RFC 6298) with a floor and a ceiling chosen by the timing template.
#pragma once

#include <stdint.h>

struct pace_rtt {
	uint32_t srtt_us, rttvar_us; // 0 samples: both 0
	uint32_t min_us;
	uint32_t samples;
};

struct pace_rtt_limits {
	int64_t min_ns, max_ns, initial_ns; // --min-rtt-timeout, --max-rtt-timeout, --initial-rtt-timeout
};

void pace_rtt_sample(struct pace_rtt *r, uint32_t rtt_us);

// Retransmission timeout: SRTT + max(4 × RTTVAR, SRTT / 2) within the limits; the initial one before the
// first sample.
int64_t pace_rtt_timeout_ns(const struct pace_rtt *r, const struct pace_rtt_limits *limits);
