// Token bucket for a stated rate: frames are released in batches of about one millisecond's worth.
#pragma once

#include <stdint.h>

struct pace_bucket {
	double rate_pps; // 0: no limit
	double tokens;
	double cap;     // most tokens that may pile up: one batch, plus what may be caught up after a stall
	unsigned batch; // rate × 1 ms, 1 … 300 frames
	int64_t last_ns;
};

// `catch_up_ns` is how much of a stall is made good (10 ms for --rate, 0 for --max-rate, which is never
// exceeded: any interval T carries at most rate × T plus one batch).
void pace_bucket_init(struct pace_bucket *b, double rate_pps, int64_t catch_up_ns, int64_t now_ns);

// How many frames may leave now, at most `want`: nothing until a whole batch (or all that is wanted) is due.
// The tokens are taken with pace_bucket_take.
unsigned pace_bucket_ready(struct pace_bucket *b, int64_t now_ns, unsigned want);
void pace_bucket_take(struct pace_bucket *b, unsigned n);

// Nanoseconds until the next batch is due; 0 when it is.
int64_t pace_bucket_wait_ns(const struct pace_bucket *b);
