#include "pace/bucket.h"

#include <string.h>

#define BATCH_MAX 300

void pace_bucket_init(struct pace_bucket *b, double rate_pps, int64_t catch_up_ns, int64_t now_ns)
{
	memset(b, 0, sizeof(*b));
	b->rate_pps = rate_pps;
	b->last_ns = now_ns;
	double batch = rate_pps / 1000.0;
	b->batch = batch < 1 ? 1 : batch > BATCH_MAX ? BATCH_MAX : (unsigned)batch;
	b->cap = b->batch + rate_pps * (double)catch_up_ns / 1e9;
	b->tokens = 1;
}

unsigned pace_bucket_ready(struct pace_bucket *b, int64_t now_ns, unsigned want)
{
	if (b->rate_pps <= 0)
		return want;
	b->tokens += b->rate_pps * (double)(now_ns - b->last_ns) / 1e9;
	b->last_ns = now_ns;
	if (b->tokens > b->cap)
		b->tokens = b->cap;
	unsigned due = (unsigned)b->tokens;
	unsigned batch = want < b->batch ? want : b->batch;
	if (due < batch)
		return 0;
	return due < want ? due : want;
}

void pace_bucket_take(struct pace_bucket *b, unsigned n)
{
	if (b->rate_pps > 0)
		b->tokens -= n;
}

int64_t pace_bucket_wait_ns(const struct pace_bucket *b)
{
	if (b->rate_pps <= 0 || b->tokens >= b->batch)
		return 0;
	return (int64_t)((b->batch - b->tokens) / b->rate_pps * 1e9) + 1;
}
