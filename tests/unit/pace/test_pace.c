#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdbool.h>

#include "base/clock.h"
#include "pace/bucket.h"
#include "pace/flow.h"
#include "pace/loss.h"
#include "pace/rtt.h"

static const struct pace_rtt_limits limits = {100 * NS_PER_MS, 10 * NS_PER_S, NS_PER_S};

static void test_rtt(void **state)
{
	(void)state;
	struct pace_rtt r = {0};
	assert_int_equal(pace_rtt_timeout_ns(&r, &limits), NS_PER_S);
	pace_rtt_sample(&r, 200000);
	assert_int_equal(r.srtt_us, 200000);
	assert_int_equal(r.rttvar_us, 100000);
	assert_int_equal(pace_rtt_timeout_ns(&r, &limits), 600 * NS_PER_MS);
	for (int i = 0; i < 200; i++)
		pace_rtt_sample(&r, 200000);
	assert_int_equal(pace_rtt_timeout_ns(&r, &limits),
			 300 * NS_PER_MS); // a steady path keeps half an RTT of room
	struct pace_rtt fast = {0};
	for (int i = 0; i < 50; i++)
		pace_rtt_sample(&fast, 50);
	assert_int_equal(pace_rtt_timeout_ns(&fast, &limits), 100 * NS_PER_MS);
	struct pace_rtt slow = {0};
	pace_rtt_sample(&slow, 20000000);
	assert_int_equal(pace_rtt_timeout_ns(&slow, &limits), 10 * NS_PER_S);
}

// Frames that a bucket lets out in `ms`, looked at every `step_us`, with a stall of `stall_ms` in the middle.
static unsigned long let_out(double rate, int64_t catch_up, int ms, int step_us, int stall_ms)
{
	struct pace_bucket b;
	unsigned long sum = 0;
	int64_t now = NS_PER_S, end = now + ms * NS_PER_MS, stall_at = now + ms * NS_PER_MS / 2;
	pace_bucket_init(&b, rate, catch_up, now);
	while (now < end) {
		unsigned n = pace_bucket_ready(&b, now, 1024);
		pace_bucket_take(&b, n);
		sum += n;
		now += step_us * NS_PER_US;
		if (stall_ms && now >= stall_at) {
			now += stall_ms * NS_PER_MS;
			end += stall_ms * NS_PER_MS;
			stall_ms = 0;
		}
	}
	return sum;
}

static void test_bucket_rates(void **state)
{
	(void)state;
	const double rates[] = {1, 100, 999, 10000, 200000, 1e6};
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		double want = rates[i] * 5;
		unsigned long n = let_out(rates[i], 10 * NS_PER_MS, 5000, 50, 0);
		assert_true((double)n <= want * 1.005 + 1);
		assert_true((double)n >= want * 0.98 - 1);
	}
}

static void test_bucket_stall(void **state)
{
	(void)state;
	// 200 ms are missed; at most 10 ms of them are made good.
	unsigned long with = let_out(10000, 10 * NS_PER_MS, 2000, 50, 200);
	assert_in_range(with, 19900, 20120);
	unsigned long never = let_out(10000, 0, 2000, 50, 200);
	assert_in_range(never, 19900, 20011);
}

static void test_bucket_batch(void **state)
{
	(void)state;
	struct pace_bucket b;
	pace_bucket_init(&b, 100000, 0, NS_PER_S);
	assert_int_equal(b.batch, 100);
	assert_int_equal(pace_bucket_ready(&b, NS_PER_S + NS_PER_MS / 2, 300),
			 0); // not before a batch is due
	assert_int_equal(pace_bucket_ready(&b, NS_PER_S + NS_PER_MS, 300), 100);
	pace_bucket_init(&b, 1e6, 0, 0);
	assert_int_equal(b.batch, 300);
	pace_bucket_init(&b, 5, 0, 0);
	assert_int_equal(b.batch, 1);
}

static void test_tries(void **state)
{
	(void)state;
	const struct {
		double p, confidence;
		unsigned max, tries;
	} rows[] = {
		{0.02, 0.9999, 11, 3}, {0.19, 0.9999, 11, 6}, {0, 0.9999, 11, 1},   {0.02, 0.9, 11, 1},
		{0.5, 0.999, 11, 10},  {0.9, 0.9999, 11, 11}, {0.02, 0.9999, 1, 1}, {0.02, 0.9999, 2, 2},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(pace_loss_tries(rows[i].p, rows[i].confidence, rows[i].max), rows[i].tries);
}

// The largest loss for which so many tries do: they do not for the next number up.
static void test_tries_limit(void **state)
{
	(void)state;
	const double wanted[] = {0, 0.5, 0.9, 0.99, 0.9999, 0.9999999, 1 - 1e-16, 1};
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		for (unsigned n = 1; n <= 100; n++) {
			double p = pace_loss_limit(n, wanted[i]);
			assert_true(p >= 0);
			assert_true(pace_loss_tries(p, wanted[i], 101) <= n);
			if (p < 1 && wanted[i] < 1)
				assert_true(pace_loss_tries(nextafter(p, 1), wanted[i], 101) > n);
		}
	}
}

static void test_loss(void **state)
{
	(void)state;
	struct pace_loss none = {0}, much = {.first = 81000, .second = 15390};
	assert_float_equal(pace_loss_estimate(&none, 0.02, 100), 0.02, 1e-9);
	assert_float_equal(pace_loss_estimate(&much, 0.02, 100), 0.19, 0.002);
	assert_true(pace_loss_upper(&none, 0.02, 100) > 0.02);
	assert_true(pace_loss_upper(&much, 0.02, 100) >= pace_loss_estimate(&much, 0.02, 100));
	assert_float_equal(pace_loss_missed(0.01, 99), 1.0, 1e-9);
	assert_true(pace_loss_bound(1.0) >= 2);
	assert_true(pace_loss_bound(0.0) < 1e-9);
	assert_true(pace_loss_careful(&none, 0.02, 100) > 0.02);
}

static void test_flow_silent_ceiling(void **state)
{
	(void)state;
	struct flow_policy p = {.level = FLOW_HOST,
				.start_pps = 5000,
				.silent_pps = 5000,
				.floor_pps = 2000,
				.burst = 64,
				.judge = true};
	struct flow f = {0};
	int64_t now = NS_PER_S;
	unsigned sent = 0;
	for (; now < 3 * NS_PER_S; now += 100 * NS_PER_US) {
		p.seen_ns = now;
		while (flow_may_send(&f, &p, now)) {
			flow_sent(&f, &p, now, true);
			sent++;
		}
	}
	assert_in_range(sent, 9900, 10100); // 2 s at 5,000 and the first burst
	assert_false(f.limited);
}

static void test_flow_overrun(void **state)
{
	(void)state;
	struct flow_policy p = {.level = FLOW_ALL,
				.start_pps = 100000,
				.silent_pps = INFINITY,
				.floor_pps = 5000,
				.burst = 64,
				.judge = true};
	struct flow f = {0};
	int64_t now = NS_PER_S;
	assert_true(flow_may_send(&f, &p, now));
	for (int i = 0; i < 1000; i++)
		flow_sent(&f, &p, now, true);
	double before = f.rate_pps;
	flow_overrun(&f, &p, now + 10 * NS_PER_MS);
	assert_true(f.rate_pps < before);
	for (int i = 0; i < 50; i++)
		flow_overrun(&f, &p, now + 20 * NS_PER_MS);
	assert_true(f.rate_pps >= 5000);
}

// Answers carry the time at which they came, which may lie before what was sent last: they end no epoch that
// holds that, or its frames would be counted in one epoch and their answers in the next.
static void test_flow_answers_from_before(void **state)
{
	(void)state;
	struct flow f = {0};
	struct flow_policy p = {.level = FLOW_ALL,
				.start_pps = 1e6,
				.silent_pps = 1e9,
				.floor_pps = 1000,
				.burst = 64,
				.judge = true};
	const int64_t at = NS_PER_S, sent = at + NS_PER_S;
	(void)flow_may_send(&f, &p, at);
	for (unsigned i = 0; i < 300; i++)
		flow_sent(&f, &p, at, true);
	for (unsigned i = 0; i < 300; i++)
		flow_sent(&f, &p, sent, true);
	assert_int_equal(f.pending, 1); // the first of the second instant ended what came before
	assert_int_equal(f.now.sent, 300);
	for (int64_t age = 4 * NS_PER_MS; age > 0; age -= NS_PER_MS / 4)
		flow_answered(&f, &p, at, 200, sent - age);
	assert_int_equal(f.pending, 1);
	assert_int_equal(f.now.sent, 300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rtt),          cmocka_unit_test(test_bucket_rates),
		cmocka_unit_test(test_bucket_stall), cmocka_unit_test(test_bucket_batch),
		cmocka_unit_test(test_tries),        cmocka_unit_test(test_tries_limit),
		cmocka_unit_test(test_loss),         cmocka_unit_test(test_flow_silent_ceiling),
		cmocka_unit_test(test_flow_overrun), cmocka_unit_test(test_flow_answers_from_before),
	};
	return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}
