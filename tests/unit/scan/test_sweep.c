// The sweep against networks in virtual time: what is found, what it costs, and how long it takes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

#include "base/clock.h"
#include "unit/scan/world.h"
#include "unit/scan/world_check.h"

struct expectation {
	const char *name;
	struct world_host host;
	uint32_t addresses, ports;
	int64_t frame_ns;
	double seconds_max;
	uint64_t frames_max; // 0: not checked
	uint32_t limited;    // hosts that must be recognised as limiting their answers
	bool all_answer;     // nothing may be called silent
};

static const struct expectation expectations[] = {
	{"quiet host", {.open_every = 6000, .rtt_us = 50}, 1, 65535, 2500, 0.25, 65535, 0, true},
	{"1,000 ports", {.open_every = 300, .rtt_us = 50}, 1, 1000, 4000, 0.010, 1000, 0, true},
	{"2 % loss", {.open_every = 6000, .rtt_us = 50, .loss = 0.02}, 1, 65535, 2500, 2, 80000, 0, true},
	{"10 % loss each way",
	 {.open_every = 3000, .rtt_us = 50, .loss = 0.19},
	 1,
	 65535,
	 2500,
	 3,
	 100000,
	 0,
	 true},
	{"20 % loss each way",
	 {.open_every = 6000, .rtt_us = 50, .loss = 0.36},
	 1,
	 65535,
	 2500,
	 5,
	 130000,
	 0,
	 false},
	{"resets limited to 100/s",
	 {.open_every = 6000, .rtt_us = 50, .reset_pps = 100},
	 1,
	 65535,
	 1500,
	 0.5,
	 140000,
	 1,
	 false},
	{"resets limited to 10/s",
	 {.open_every = 6000, .rtt_us = 50, .reset_pps = 10},
	 1,
	 65535,
	 1500,
	 3,
	 200000,
	 1,
	 false},
	{"resets limited to 1/s, which nobody could tell from silence in so short a time",
	 {.open_every = 6000, .rtt_us = 50, .reset_pps = 1},
	 1,
	 65535,
	 1500,
	 3,
	 400000,
	 0,
	 false},
	{"resets limited to 100/s, jitter",
	 {.open_every = 6000, .rtt_us = 20000, .jitter_us = 20000, .reset_pps = 100},
	 1,
	 65535,
	 1500,
	 6,
	 200000,
	 1,
	 false},
	{"100 ms away", {.open_every = 6000, .rtt_us = 100000}, 1, 65535, 2500, 0.7, 66000, 0, true},
	{"300 ms away", {.open_every = 6000, .rtt_us = 300000}, 1, 65535, 2500, 1.4, 66000, 0, true},
	{"300 ms, jitter",
	 {.open_every = 6000, .rtt_us = 280000, .jitter_us = 60000},
	 1,
	 65535,
	 2500,
	 3,
	 80000,
	 0,
	 true},
	{"bottleneck",
	 {.open_every = 6000, .rtt_us = 30000, .bottle_pps = 20000, .bottle_queue = 200},
	 1,
	 65535,
	 2500,
	 6,
	 0,
	 0,
	 true},
	{"a /24", {.open_every = 33, .rtt_us = 80}, 256, 100, 3000, 0.15, 25600, 0, true},
	{"drops all but two ports",
	 {.open_every = 30000, .rtt_us = 50, .silent = true},
	 1,
	 65535,
	 2000,
	 14,
	 215000,
	 0,
	 false},
};

static void check_one(const struct expectation *x, uint64_t seed)
{
	struct world w = world_of(&x->host, x->addresses, x->ports, seed);
	struct world_result r;
	world_run(&w, x->frame_ns, &r);
	double seconds = (double)r.elapsed_ns / 1e9;
	print_message("# %s, seed %llu: %.3f s, %llu frames, %llu open, %llu missed, %llu silent, loss %.3f, "
		      "%u tries\n",
		      x->name, (unsigned long long)seed, seconds, (unsigned long long)r.frames,
		      (unsigned long long)r.open_found, (unsigned long long)r.open_missed,
		      (unsigned long long)r.silent, r.sum.loss, r.sum.tries);
	assert_int_equal(r.open_missed, 0);
	assert_int_equal(r.false_open, 0);
	assert_int_equal(r.duplicates, 0);
	assert_int_equal(r.after_done, 0);
	assert_true(seconds <= x->seconds_max);
	if (x->frames_max)
		assert_in_range(r.frames, 1, x->frames_max);
	assert_int_equal(r.sum.hosts_limited, x->limited);
	if (x->all_answer)
		assert_int_equal(r.silent, 0);
	world_check_sums(&r);
}

static void test_hosts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(expectations) / sizeof(expectations[0]); i++)
		for (uint64_t seed = 1; seed <= 3; seed++)
			check_one(&expectations[i], seed);
}

static void test_repeated_answers(void **state)
{
	(void)state;
	struct world_host h = {.open_every = 10, .rtt_us = 500};
	struct world w = world_of(&h, 8, 5000, 5);
	w.repeat_answers = true;
	struct world_result r;
	world_run(&w, 2000, &r);
	assert_int_equal(r.open_missed, 0);
	assert_int_equal(r.duplicates, 0);
	assert_int_equal(r.records, 40000);
}

// Answers that are handed in together mean what they mean one by one.
static void test_answers_together(void **state)
{
	(void)state;
	struct world_host h = {.open_every = 7, .rtt_us = 500, .jitter_us = 300, .loss = 0.05};
	struct world w = world_of(&h, 30, 1000, 9);
	w.repeat_answers = true;
	struct world_result together, singly;
	world_run(&w, 1000, &together);
	w.one_by_one = true;
	world_run(&w, 1000, &singly);
	assert_int_equal(together.frames, singly.frames);
	assert_int_equal(together.elapsed_ns, singly.elapsed_ns);
	assert_memory_equal(&together.sum.c, &singly.sum.c, sizeof(singly.sum.c));
	assert_int_equal(together.open_missed, 0);
}

// Many hosts of all kinds in one sweep: a slow or lossy one holds up nobody and loses nothing.
static void test_mixed_network(void **state)
{
	(void)state;
	struct world_host mix[100];
	for (int i = 0; i < 100; i++)
		mix[i] = (struct world_host){.open_every = 50,
					     .rtt_us = i % 10 == 0 ? 300000 : 200,
					     .loss = i % 7 == 0 ? 0.19 : 0,
					     .silent = i % 5 == 0};
	struct world w = {
		.hosts = mix, .host_count = 100, .addresses = 100, .ports = 1000, .policy = world_policy()};
	for (w.seed = 1; w.seed <= 3; w.seed++) {
		struct world_result r;
		world_run(&w, 2000, &r);
		assert_int_equal(r.open_missed, 0);
		assert_int_equal(r.false_open, 0);
		assert_int_equal(r.duplicates, 0);
		assert_true(r.elapsed_ns < 12 * NS_PER_S);
	}
}

// A host that answers nothing, and so gets little, keeps nobody else waiting.
static void test_silent_host_holds_up_nobody(void **state)
{
	(void)state;
	struct world_host hosts[3] = {{.open_every = 3000, .rtt_us = 100},
				      {.open_every = 0, .rtt_us = 100, .silent = true},
				      {.open_every = 3000, .rtt_us = 100}};
	struct world w = {.hosts = hosts,
			  .host_count = 3,
			  .addresses = 3,
			  .ports = 20000,
			  .seed = 2,
			  .policy = world_policy()};
	w.stop_after_ms = 500;
	struct world_result r;
	world_run(&w, 2000, &r);
	assert_int_equal(r.closed + r.open_found, 40000); // all that answer had answered by then
	w.stop_after_ms = 0;
	world_run(&w, 2000, &r);
	assert_int_equal(r.open_missed, 0);
	assert_int_equal(r.silent, 20000);
}

// A path that swallows everything for longer than several time-outs costs tries, not answers.
static void test_outage(void **state)
{
	(void)state;
	for (uint32_t ms = 100; ms <= 700; ms += 200) {
		struct world_host h = {
			.open_every = 3000, .rtt_us = 100, .outage_from_ms = 40, .outage_ms = ms};
		struct world w = world_of(&h, 1, 65535, ms);
		struct world_result r;
		world_run(&w, 2500, &r);
		print_message("# outage of %u ms: %.3f s, %llu frames, %llu silent, %u tries, %u limited\n",
			      ms, (double)r.elapsed_ns / 1e9, (unsigned long long)r.frames,
			      (unsigned long long)r.silent, r.sum.tries, r.sum.hosts_limited);
		assert_int_equal(r.open_missed, 0);
		assert_int_equal(r.silent, 0);
	}
}

// Where few ports answer, some stretches lack answers by chance: nobody waits for them. Where a stretch lacks
// them because the path was cut off, they are asked for until it is back.
static void test_few_answers(void **state)
{
	(void)state;
	for (uint32_t ms = 0; ms <= 600; ms += 200) {
		for (uint64_t seed = 1; seed <= 4; seed++) {
			struct world_host h = {.open_every = 4,
					       .rtt_us = 100,
					       .silent = true,
					       .outage_from_ms = 40,
					       .outage_ms = ms};
			struct world w = world_of(&h, 1, 65535, seed);
			struct world_result r;
			world_run(&w, 1500, &r);
			print_message("# few answers, outage of %u ms: %.3f s, %llu frames, %llu missed, %u "
				      "tries\n",
				      ms, (double)r.elapsed_ns / 1e9, (unsigned long long)r.frames,
				      (unsigned long long)r.open_missed, r.sum.tries);
			assert_int_equal(r.open_missed, 0);
			if (ms == 0)
				assert_in_range(r.sum.tries, 2, 4);
			assert_true(r.elapsed_ns < (ms ? 3 * NS_PER_S : NS_PER_S / 2));
		}
	}
}

// Answers that come after their positions were given up: what is open is told, once, before its host is done.
static void test_late_answers(void **state)
{
	(void)state;
	struct world_host slow = {.open_every = 50, .rtt_us = 400000};
	struct world_host limited = {.open_every = 50, .rtt_us = 400000, .jitter_us = 50000, .reset_pps = 50};
	struct world_host mix[2] = {limited, {.open_every = 2, .rtt_us = 100, .loss = 0.3, .silent = true}};
	struct {
		const struct world_host *hosts;
		uint32_t host_count;
		unsigned tries;
	} rows[] = {{&slow, 1, 1}, {&slow, 1, 2}, {mix, 2, 11}};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world w = {.hosts = rows[i].hosts,
				  .host_count = rows[i].host_count,
				  .addresses = 2,
				  .ports = 3000,
				  .seed = 4,
				  .policy = world_policy()};
		w.policy.max_tries = rows[i].tries;
		w.policy.rtt.initial_ns = w.policy.rtt.min_ns = 100 * NS_PER_MS;
		w.policy.rtt.max_ns = 120 * NS_PER_MS;
		w.policy.wait_ns = NS_PER_S;
		struct world_result r;
		world_run(&w, 2000, &r);
		print_message(
			"# row %zu: %llu late, %llu silent, %llu closed, %llu told of hosts that were done\n",
			i, (unsigned long long)r.sum.c.late, (unsigned long long)r.silent,
			(unsigned long long)r.closed, (unsigned long long)r.after_done);
		assert_int_equal(r.open_missed, 0);
		assert_int_equal(r.duplicates, 0);
		assert_int_equal(r.hosts_done, 2);
		assert_int_equal(r.after_done, 0);
		assert_true(r.sum.c.late > 0);
		assert_int_equal(r.sum.c.positions, r.sum.c.answered + r.sum.c.silent + r.sum.c.unsent);
	}
}

// The bound on what was missed must hold in 95 of 100 runs, and the measured loss must be near the true one.
static void test_bound(void **state)
{
	(void)state;
	int held = 0;
	double loss = 0;
	for (uint64_t seed = 1; seed <= 100; seed++) {
		struct world_host h = {.open_every = 4, .rtt_us = 100, .loss = 0.15, .silent = true};
		struct world w = world_of(&h, 4, 1000, seed);
		w.policy.confidence = 0.99;
		struct world_result r;
		world_run(&w, 2000, &r);
		held += (double)r.open_missed <= r.sum.missed_bound;
		loss += r.sum.loss / 100;
	}
	print_message("# the bound held in %d of 100 runs, mean loss %.3f\n", held, loss);
	assert_in_range(held, 95, 100);
	assert_true(loss > 0.12 && loss < 0.18);
}

static void test_confidence_costs_tries(void **state)
{
	(void)state;
	uint64_t frames[3];
	const double wanted[3] = {0.9, 0.999, 0.9999999};
	struct world_host h = {.open_every = 5, .rtt_us = 100, .loss = 0.1, .silent = true};
	for (int i = 0; i < 3; i++) {
		struct world w = world_of(&h, 16, 500, 3);
		w.policy.confidence = wanted[i];
		struct world_result r;
		world_run(&w, 2000, &r);
		frames[i] = r.frames;
	}
	assert_true(frames[0] < frames[1]);
	assert_true(frames[1] < frames[2]);
}

static void test_no_retries(void **state)
{
	(void)state;
	struct world_host h = {.open_every = 5, .rtt_us = 100, .silent = true};
	struct world w = world_of(&h, 2, 500, 3);
	w.policy.max_tries = 1;
	struct world_result r;
	world_run(&w, 2000, &r);
	assert_int_equal(r.frames, 1000);
	assert_int_equal(r.sum.tries, 1);
	assert_int_equal(r.open_missed, 0);
}

// --rate: the mean over any five seconds within +0.5 % and -2 %; --max-rate: never more in any second.
static void test_rates(void **state)
{
	(void)state;
	const double rates[] = {100, 10000, 200000};
	for (int i = 0; i < 3; i++) {
		struct world_host h = {.open_every = 5, .rtt_us = 100};
		uint32_t ports = rates[i] < 1000 ? 1000 : 65535, hosts = rates[i] > 100000 ? 32 : 2;
		struct world w = world_of(&h, hosts, ports, 1);
		w.policy.rate_pps = rates[i];
		struct world_result r;
		world_run(&w, 1000, &r);
		double ideal = (double)hosts * ports / rates[i], took = (double)r.elapsed_ns / 1e9;
		print_message("# --rate %.0f: %.3f s, ideal %.3f\n", rates[i], took, ideal);
		assert_true(took > ideal * 0.994);
		assert_true(took < ideal * 1.02 + 0.01);
		assert_int_equal(r.open_missed, 0);
	}
}

static void test_shards_fit_together(void **state)
{
	(void)state;
	struct world_host h = {.open_every = 7, .rtt_us = 100};
	struct world w = world_of(&h, 5, 999, 11);
	uint64_t records = 0;
	for (uint32_t i = 0; i < 3; i++) {
		struct world_result r;
		w.slice = order_shard(5 * 999, i, 3, 0);
		world_run(&w, 2000, &r);
		records += r.records;
		assert_int_equal(r.records, w.slice.count);
	}
	assert_int_equal(records, 5 * 999);
}

static void test_scan_delay(void **state)
{
	(void)state;
	struct world_host h = {.open_every = 2, .rtt_us = 100};
	struct world w = world_of(&h, 1, 20, 1);
	w.policy.scan_delay_ns = 100 * NS_PER_MS;
	struct world_result r;
	world_run(&w, 1000, &r);
	assert_true(r.elapsed_ns >= 1900 * NS_PER_MS);
	assert_true(r.elapsed_ns < 2200 * NS_PER_MS);
	assert_int_equal(r.open_missed, 0);
}

static void test_host_timeout(void **state)
{
	(void)state;
	struct world_host h = {.open_every = 20, .rtt_us = 100, .silent = true};
	struct world w = world_of(&h, 1, 60000, 1);
	w.policy.host_timeout_ns = NS_PER_S / 2;
	w.policy.rate_pps = 1000;
	struct world_result r;
	world_run(&w, 1000, &r);
	assert_int_equal(r.sum.c.hosts_timed_out, 1);
	assert_true(r.sum.c.unsent > 50000);
	assert_true(r.open_found > 0);
	assert_true(r.elapsed_ns < 2 * NS_PER_S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_repeated_answers),
		cmocka_unit_test(test_answers_together),
		cmocka_unit_test(test_mixed_network),
		cmocka_unit_test(test_outage),
		cmocka_unit_test(test_late_answers),
		cmocka_unit_test(test_few_answers),
		cmocka_unit_test(test_silent_host_holds_up_nobody),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_confidence_costs_tries),
		cmocka_unit_test(test_no_retries),
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_shards_fit_together),
		cmocka_unit_test(test_scan_delay),
		cmocka_unit_test(test_host_timeout),
	};
	return cmocka_run_group_tests_name("sweep", tests, NULL, NULL);
}
