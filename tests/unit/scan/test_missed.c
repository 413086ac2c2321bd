// What the summary says of open ports missed, where loss is no accident of single packets.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "unit/scan/world.h"

// A queue that is too short for our batches: what was dropped once is likelier than others to be dropped
// again, and the share of answers at the second try says too little of those at the eleventh.
static void test_narrow_path(void **state)
{
	(void)state;
	int held = 0;
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct world_host h = {
			.open_every = 6, .rtt_us = 10000, .bottle_pps = 3000, .bottle_queue = 50};
		struct world w = world_of(&h, 1, 30000, seed);
		struct world_result r;
		world_run(&w, 2000, &r);
		print_message("# %llu missed, %.1f expected, bound %.0f, loss %.2f, %u tries\n",
			      (unsigned long long)r.open_missed, r.sum.missed_expected, r.sum.missed_bound,
			      r.sum.loss, r.sum.tries);
		held += (double)r.open_missed <= r.sum.missed_bound;
	}
	assert_in_range(held, 9, 10);
}

// --max-retries 0: no loss is seen, and none is ruled out.
static void test_one_try(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct world_host h = {.open_every = 100, .rtt_us = 100, .loss = 0.3};
		struct world w = world_of(&h, 2, 3000, seed);
		w.policy.max_tries = 1;
		struct world_result r;
		world_run(&w, 2000, &r);
		assert_true(r.open_missed > 0);
		assert_true((double)r.open_missed <= r.sum.missed_bound);
		assert_true(r.sum.missed_expected >= 0.5 && r.sum.confidence_reached < 0.99);
	}
}

// A host that goes away and does not come back: what was not asked in time is not vouched for.
static void test_vanished(void **state)
{
	(void)state;
	struct {
		struct world_host host;
		uint32_t at_ms;
	} rows[] = {
		{{.open_every = 1800, .rtt_us = 100}, 100},
		{{.open_every = 1800, .rtt_us = 100, .loss = 0.1}, 200},
		{{.open_every = 100, .rtt_us = 100, .silent = true}, 300},
		{{.open_every = 1800, .rtt_us = 100, .reset_pps = 100}, 300},
		{{.open_every = 300, .rtt_us = 100, .syn_pps = 2000, .syn_burst = 100}, 3000},
		{{.open_every = 1800, .rtt_us = 50000}, 300},
	};
	for (size_t i = 0; i < 6; i++) {
		for (uint64_t seed = 1; seed <= 5; seed++) {
			struct world_host h = rows[i].host;
			h.outage_from_ms = rows[i].at_ms;
			h.outage_ms = 1000000;
			struct world w = world_of(&h, 1, 65535, seed);
			struct world_result r;
			world_run(&w, 2500, &r);
			print_message(
				"# row %zu: %.1f s, %llu missed, %.1f expected, bound %.0f, %u vanished\n", i,
				(double)r.elapsed_ns / 1e9, (unsigned long long)r.open_missed,
				r.sum.missed_expected, r.sum.missed_bound, r.sum.hosts_vanished);
			assert_true(r.open_missed > 0);
			assert_true((double)r.open_missed <= r.sum.missed_bound);
			assert_int_equal(r.sum.hosts_vanished, 1);
			assert_int_equal(r.hosts_vanished, 1);
			assert_true(r.sum.confidence_reached < 0.99);
			assert_true(r.elapsed_ns < 30 * NS_PER_S);
			assert_int_equal(r.sum.c.frames, r.frames);
		}
	}
}

// Among many: those that went away are named, and no others.
static void test_some_vanish(void **state)
{
	(void)state;
	struct world_host mix[40];
	for (int i = 0; i < 40; i++)
		mix[i] = (struct world_host){.open_every = 50,
					     .rtt_us = 200,
					     .loss = i % 3 == 0 ? 0.1 : 0,
					     .silent = i % 5 == 1,
					     .outage_from_ms = 150,
					     .outage_ms = i % 10 == 0 ? 1000000 : 0};
	struct world w = {
		.hosts = mix, .host_count = 40, .addresses = 40, .ports = 5000, .policy = world_policy()};
	for (w.seed = 1; w.seed <= 3; w.seed++) {
		struct world_result r;
		world_run(&w, 2000, &r);
		print_message("# some vanish: %.1f s, %llu missed, bound %.0f, %u vanished\n",
			      (double)r.elapsed_ns / 1e9, (unsigned long long)r.open_missed,
			      r.sum.missed_bound, r.sum.hosts_vanished);
		assert_int_equal(r.sum.hosts_vanished, 4);
		assert_true((double)r.open_missed <= r.sum.missed_bound);
	}
}

// A host that only drops most of what it is asked is there to the end, and the question costs nothing.
static void test_none_vanishes(void **state)
{
	(void)state;
	struct world_host h = {.open_every = 100, .rtt_us = 100, .silent = true, .loss = 0.3};
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct world w = world_of(&h, 4, 5000, seed);
		struct world_result r;
		world_run(&w, 2000, &r);
		assert_int_equal(r.sum.hosts_vanished, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_narrow_path),   cmocka_unit_test(test_one_try),
		cmocka_unit_test(test_vanished),      cmocka_unit_test(test_some_vanish),
		cmocka_unit_test(test_none_vanishes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
