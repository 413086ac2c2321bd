#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "result/fanout.h"

struct tally {
	uint64_t records, sum, hosts, flushes, closes;
	int fail_after; // records; 0: never
	int fail_close;
	unsigned slow_us;
	char last_name[64];
	uint16_t last_port;
	struct addr last_speaker;
	_Atomic uint64_t flushed_records;
};

static int on_record(void *ctx, const struct record *r)
{
	struct tally *t = ctx;
	t->records++;
	t->sum += r->port;
	if (t->slow_us)
		usleep(t->slow_us);
	return t->fail_after && t->records >= (uint64_t)t->fail_after ? -ENOSPC : 0;
}

static int on_host(void *ctx, const struct host_result *h)
{
	struct tally *t = ctx;
	t->hosts++;
	strncpy(t->last_name, h->asked ? h->asked : "", sizeof(t->last_name) - 1);
	t->last_port = h->port_count ? h->ports[h->port_count - 1].port : 0;
	if (h->port_count)
		t->last_speaker = *host_speaker(h, &h->ports[h->port_count - 1]);
	return 0;
}

static int on_flush(void *ctx)
{
	struct tally *t = ctx;
	t->flushes++;
	t->flushed_records = t->records;
	return 0;
}

static int on_close(void *ctx, const struct scan_summary *sum)
{
	struct tally *t = ctx;
	(void)sum;
	t->closes++;
	return t->fail_close;
}

static struct fanout_target target(struct tally *t)
{
	return (struct fanout_target){"test", t, on_record, on_host, on_flush, on_close};
}

static struct fanout *make(struct tally *t, size_t n, bool threaded, size_t slots)
{
	struct fanout_target targets[4];
	struct fanout *f = NULL;
	struct err_text e;

	for (size_t i = 0; i < n; i++)
		targets[i] = target(&t[i]);
	struct fanout_config cfg = {targets, n, threaded, slots};
	assert_int_equal(fanout_new(&f, &cfg, &e), 0);
	return f;
}

static void test_everything_arrives(void **state)
{
	(void)state;
	for (int threaded = 0; threaded <= 1; threaded++) {
		struct tally t[2] = {{.slow_us = 0}, {.slow_us = 0}};
		struct fanout *f = make(t, 2, threaded, 16); // a small queue: the producer must wait
		struct scan_summary sum = {0};
		uint64_t want = 0;
		for (uint32_t i = 0; i < 20000; i++) {
			struct record r = {.port = (uint16_t)i};
			want += r.port;
			assert_int_equal(fanout_record(f, &r), 0);
		}
		struct port_result ports[2] = {{.port = 1}, {.port = 4242, .from = 2}};
		struct addr speakers[2] = {addr_v4(1), addr_v4(2)};
		char name[] = "name.example";
		struct host_result h = {.asked = name,
					.ports = ports,
					.port_count = 2,
					.speakers = speakers,
					.speaker_count = 2};
		assert_int_equal(fanout_host(f, &h), 0);
		memset(name, 'x', sizeof(name) - 1); // the caller's memory is the caller's again
		memset(ports, 0, sizeof(ports));
		memset(speakers, 0, sizeof(speakers));
		assert_int_equal(fanout_close(f, &sum, NULL), 0);
		for (int i = 0; i < 2; i++) {
			assert_int_equal(t[i].records, 20000);
			assert_int_equal(t[i].sum, want);
			assert_int_equal(t[i].hosts, 1);
			assert_int_equal(t[i].closes, 1);
			assert_string_equal(t[i].last_name, "name.example");
			assert_int_equal(t[i].last_port, 4242);
			assert_int_equal(addr_v4_value(&t[i].last_speaker), 2);
		}
	}
}

static void test_slow_target_loses_nothing(void **state)
{
	(void)state;
	struct tally t[1] = {{.slow_us = 200}};
	struct fanout *f = make(t, 1, true, 4);
	struct scan_summary sum = {0};

	for (int i = 0; i < 300; i++)
		assert_int_equal(fanout_record(f, &(struct record){.port = 1}), 0);
	assert_int_equal(fanout_close(f, &sum, NULL), 0);
	assert_int_equal(t[0].records, 300);
}

// A record reaches the file within 0.1 s though nobody sends another.
static void test_thread_flushes_by_itself(void **state)
{
	(void)state;
	struct tally t[1] = {{0}};
	struct fanout *f = make(t, 1, true, 0);
	struct scan_summary sum = {0};

	usleep(20000); // the thread sleeps by now
	assert_int_equal(fanout_record(f, &(struct record){.port = 1}), 0);
	int64_t start = clock_mono_ns();
	while (t[0].flushed_records == 0 && clock_mono_ns() - start < 5 * NS_PER_S)
		usleep(1000);
	int64_t took = clock_mono_ns() - start;
	assert_int_equal(fanout_close(f, &sum, NULL), 0);
	assert_true(took < NS_PER_S); // 0.1 s on an idle machine
}

static void test_errors_come_back(void **state)
{
	(void)state;
	for (int threaded = 0; threaded <= 1; threaded++) {
		struct tally t[3] = {{0}, {.fail_after = 3}, {.fail_close = -EIO}};
		struct fanout *f = make(t, 3, threaded, 0);
		struct scan_summary sum = {0};
		int rc = 0;
		size_t failed = 99;
		for (int i = 0; i < 100000 && rc == 0; i++)
			rc = fanout_record(f, &(struct record){.port = 1});
		assert_int_equal(rc, -ENOSPC);
		fanout_record(f, &(struct record){.port = 1});
		assert_int_equal(fanout_close(f, &sum, &failed), -ENOSPC);
		assert_int_equal(failed, 1);
		assert_int_equal(t[1].records, 3); // nothing more went to the one that failed
		assert_true(t[0].records > 3);     // the others go on
		for (int i = 0; i < 3; i++)
			assert_int_equal(t[i].closes, 1);
	}
}

static void test_error_of_close(void **state)
{
	(void)state;
	struct tally t[2] = {{0}, {.fail_close = -EIO}};
	struct fanout *f = make(t, 2, false, 0);
	struct scan_summary sum = {0};
	size_t failed = 99;

	assert_int_equal(fanout_flush(f), 0);
	assert_int_equal(t[0].flushes, 0); // nothing was written
	assert_false(fanout_pending(f));
	fanout_record(f, &(struct record){.port = 1});
	assert_true(fanout_pending(f));
	assert_int_equal(fanout_flush(f), 0);
	assert_false(fanout_pending(f));
	assert_int_equal(t[0].flushes, 1);
	assert_int_equal(fanout_close(f, &sum, &failed), -EIO);
	assert_int_equal(failed, 1);
}

static void test_too_many(void **state)
{
	(void)state;
	struct fanout_target targets[FANOUT_TARGETS_MAX + 1];
	struct fanout *f = NULL;
	struct err_text e;
	struct tally t = {0};

	for (int i = 0; i <= FANOUT_TARGETS_MAX; i++)
		targets[i] = target(&t);
	struct fanout_config cfg = {.targets = targets, .count = FANOUT_TARGETS_MAX + 1};
	assert_int_equal(fanout_new(&f, &cfg, &e), ERR_LIMIT);
	assert_null(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything_arrives),
		cmocka_unit_test(test_slow_target_loses_nothing),
		cmocka_unit_test(test_thread_flushes_by_itself),
		cmocka_unit_test(test_errors_come_back),
		cmocka_unit_test(test_error_of_close),
		cmocka_unit_test(test_too_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
