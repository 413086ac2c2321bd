// Hosts that limit the rate of the probes that they take, beside those that limit their resets: on closed
// ports both look the same, and of the first all open ports would be lost.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "unit/scan/world.h"
#include "unit/scan/world_check.h"

enum outcome { FOUND_OUT, UNSURE };

struct row {
	const char *name;
	struct world_host host;
	uint32_t ports;
	double seconds_max;
	enum outcome outcome;
	unsigned answers_limited, probes_limited; // hosts that are found to be so; both 0: either
};

static const struct row rows[] = {
	{"probes 2,000/s",
	 {.open_every = 1800, .rtt_us = 100, .jitter_us = 10, .syn_pps = 2000, .syn_burst = 100},
	 65535,
	 40,
	 FOUND_OUT,
	 0,
	 1},
	{"probes 1,500/s, one open port of 5,000",
	 {.open_every = 5000, .rtt_us = 100, .jitter_us = 10, .syn_pps = 1500, .syn_burst = 5},
	 9999,
	 12,
	 FOUND_OUT,
	 0,
	 0},
	{"probes 500/s",
	 {.open_every = 1800, .rtt_us = 20000, .jitter_us = 2000, .syn_pps = 500, .syn_burst = 100},
	 30000,
	 70,
	 FOUND_OUT,
	 0,
	 1},
	{"probes 50/s",
	 {.open_every = 30, .rtt_us = 100, .syn_pps = 50, .syn_burst = 100},
	 2000,
	 45,
	 FOUND_OUT,
	 0,
	 0},
	{"probes 500/s, 1,000 ports",
	 {.open_every = 300, .rtt_us = 100, .syn_pps = 500, .syn_burst = 100},
	 1000,
	 4,
	 FOUND_OUT,
	 0,
	 0},
	{"probes 2,000/s, loss",
	 {.open_every = 1800, .rtt_us = 100, .loss = 0.1, .syn_pps = 2000, .syn_burst = 100},
	 65535,
	 45,
	 FOUND_OUT,
	 0,
	 1},
	{"resets 2,000/s",
	 {.open_every = 1800, .rtt_us = 100, .jitter_us = 10, .reset_pps = 2000},
	 65535,
	 4,
	 FOUND_OUT,
	 1,
	 0},
	{"resets 100/s, loss",
	 {.open_every = 1800, .rtt_us = 100, .jitter_us = 10, .loss = 0.1, .reset_pps = 100},
	 65535,
	 2,
	 FOUND_OUT,
	 1,
	 0},
	{"resets 100/s, no open port, too many ports to go through slowly",
	 {.rtt_us = 100, .reset_pps = 100},
	 65535,
	 18,
	 UNSURE,
	 1,
	 0},
	{"probes 30/s, too many ports",
	 {.open_every = 9000, .rtt_us = 100, .syn_pps = 30, .syn_burst = 5},
	 65535,
	 18,
	 UNSURE,
	 1,
	 0},
	{"resets 500/s, no open port", {.rtt_us = 100, .reset_pps = 500}, 10000, 25, FOUND_OUT, 1, 0},
};

static void check(const struct row *x, uint64_t seed)
{
	struct world w = world_of(&x->host, 1, x->ports, seed);
	struct world_result r;
	world_run(&w, 2500, &r);
	double seconds = (double)r.elapsed_ns / 1e9;
	print_message(
		"# %s, seed %llu: %.2f s, %llu frames, %llu open, %llu missed, %.2f expected, bound %.2f, %u "
		"answers limited, %u probes, %u unsure (%.0f/s)\n",
		x->name, (unsigned long long)seed, seconds, (unsigned long long)r.frames,
		(unsigned long long)r.open_found, (unsigned long long)r.open_missed, r.sum.missed_expected,
		r.sum.missed_bound, r.sum.hosts_limited, r.sum.hosts_probes_limited, r.sum.hosts_unsure,
		r.sum.unsure_pps);
	assert_true(seconds <= x->seconds_max);
	assert_int_equal(r.false_open, 0);
	assert_int_equal(r.duplicates, 0);
	assert_true((double)r.open_missed <= r.sum.missed_bound);
	if (x->outcome == FOUND_OUT) {
		assert_int_equal(r.open_missed, 0);
		assert_true(r.sum.confidence_reached > 0.98);
		assert_int_equal(r.sum.hosts_unsure, 0);
	} else {
		assert_true(r.sum.missed_expected > 0.5 && r.sum.missed_bound > 5);
		assert_true(r.sum.confidence_reached < 0.9);
		assert_int_equal(r.sum.hosts_unsure, 1);
		assert_true(r.sum.unsure_pps >= 1);
	}
	if (x->answers_limited || x->probes_limited) {
		assert_int_equal(r.sum.hosts_limited, x->answers_limited);
		assert_int_equal(r.sum.hosts_probes_limited, x->probes_limited);
	}
	world_check_sums(&r);
	assert_int_equal(r.sum.c.frames, r.frames);
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (uint64_t seed = 1; seed <= 3; seed++)
			check(&rows[i], seed);
}

// Many hosts of all kinds at once: each is found out by itself, and holds up nobody for longer than it needs.
static void test_among_others(void **state)
{
	(void)state;
	struct world_host mix[60];
	for (int i = 0; i < 60; i++) {
		mix[i] = (struct world_host){.open_every = 100, .rtt_us = 200, .jitter_us = 50};
		if (i % 6 == 0)
			mix[i].syn_pps = 300, mix[i].syn_burst = 20;
		else if (i % 6 == 1)
			mix[i].reset_pps = 100;
		else if (i % 6 == 2)
			mix[i].loss = 0.1;
	}
	struct world w = {
		.hosts = mix, .host_count = 60, .addresses = 60, .ports = 4000, .policy = world_policy()};
	for (w.seed = 1; w.seed <= 3; w.seed++) {
		struct world_result r;
		world_run(&w, 2000, &r);
		print_message("# among others: %.2f s, %llu frames, %llu missed, bound %.2f, %u answers "
			      "limited, %u "
			      "probes, %u unsure\n",
			      (double)r.elapsed_ns / 1e9, (unsigned long long)r.frames,
			      (unsigned long long)r.open_missed, r.sum.missed_bound, r.sum.hosts_limited,
			      r.sum.hosts_probes_limited, r.sum.hosts_unsure);
		assert_int_equal(r.open_missed, 0);
		// Of those whose first open port came late it need not be found out: all was sent slowly.
		assert_in_range(r.sum.hosts_probes_limited, 5, 10);
		assert_int_equal(r.sum.hosts_limited + r.sum.hosts_probes_limited, 20);
		assert_int_equal(r.hosts_done, 60);
		assert_true(r.elapsed_ns < 30 * NS_PER_S);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_among_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
