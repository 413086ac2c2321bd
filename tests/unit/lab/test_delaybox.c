// The delay box without its interfaces: words, loss, the queue of packets under way, and the thread that
// carries them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "delaybox/lane.h"
#include "delaybox/path.h"
#include "delaybox/words.h"

enum { SLOTS = 4096, MS = 1000000 };

static struct fate_params params_of(const char *const words[])
{
	struct fate_params params = {0};

	for (int i = 0; words[i]; i++)
		assert_int_equal(words_apply(&params, words[i]), 0);
	return params;
}

static void open_path(struct path *path, const char *const words[])
{
	struct fate_params params = params_of(words);

	assert_int_equal(path_open(path, &params, SLOTS, 7), 0);
}

// Lets `count` packets of 60 bytes in at once; their first bytes are numbers from `first` on.
static void enter(struct path *path, uint32_t first, uint32_t count, uint64_t now_ns)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t slot, number = first + i;
		uint16_t length = 60;

		assert_int_equal(path_unused(path, 1, &slot), 1);
		memcpy(path_bytes(path, slot), &number, sizeof(number));
		path_admit(path, &slot, &length, 1, now_ns);
	}
}

// Takes one packet that is due; returns its number, or -1.
static int64_t receive(struct path *path, uint64_t now_ns)
{
	uint32_t slot, number;

	if (path_due(path, now_ns, 1, &slot) == 0)
		return -1;
	memcpy(&number, path_bytes(path, slot), sizeof(number));
	path_release(path, &slot, 1);
	return number;
}

static void test_delay_keeps_order(void **state)
{
	struct path path;

	(void)state;
	open_path(&path, (const char *const[]){"delay=10", "jitter=5", NULL});
	for (uint32_t i = 0; i < 100; i++)
		enter(&path, i, 1, 1000 + i);
	assert_true(path_next_ns(&path) >= 5 * MS && path_next_ns(&path) <= 16 * MS);
	assert_int_equal(receive(&path, path_next_ns(&path) - 1), -1);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(receive(&path, 16 * MS), i);
	assert_int_equal(receive(&path, UINT64_MAX), -1);
	assert_true(path_next_ns(&path) == UINT64_MAX);
	assert_int_equal(path.unused_count, SLOTS);
	path_close(&path);
}

static void test_free_order_is_by_time(void **state)
{
	struct path path;
	uint64_t last_ns = 0;
	bool seen[1000] = {false};
	int overtaken = 0;
	int64_t previous = -1;

	(void)state;
	open_path(&path, (const char *const[]){"delay=10", "jitter=5", "order=free", NULL});
	enter(&path, 0, 1000, 1000);
	for (int i = 0; i < 1000; i++) {
		uint64_t due_ns = path_next_ns(&path);
		int64_t number = receive(&path, due_ns);

		assert_true(due_ns >= last_ns && number >= 0 && number < 1000 && !seen[number]);
		seen[number] = true;
		overtaken += number < previous;
		previous = number;
		last_ns = due_ns;
	}
	assert_true(overtaken > 300);
	path_close(&path);
}

static void test_full_path_has_no_slot(void **state)
{
	struct path path;
	uint32_t slot;

	(void)state;
	open_path(&path, (const char *const[]){"delay=1", NULL});
	enter(&path, 0, SLOTS, 1000);
	assert_int_equal(path_unused(&path, 1, &slot), 0);
	assert_int_equal(receive(&path, 2 * MS), 0);
	assert_int_equal(path_unused(&path, 1, &slot), 1);
	path_close(&path);
}

static void test_bottleneck(void **state)
{
	static const struct {
		const char *rate;
		uint64_t apart_ns;
	} cases[] = {{"rate=1000pps", MS},
		     {"rate=480kbit", MS},
		     {"rate=480000bit", MS},
		     {"rate=4.8Mbit", MS / 10}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct path path;

		open_path(&path, (const char *const[]){cases[i].rate, "queue=20", NULL});
		enter(&path, 0, 50, MS);
		assert_int_equal(path.counts.queue_full, 30);
		for (uint64_t n = 1; n <= 20; n++) {
			assert_true(path_next_ns(&path) == MS + n * cases[i].apart_ns);
			assert_int_equal(receive(&path, path_next_ns(&path)), n - 1);
		}
		// There is room again for as many as have left.
		enter(&path, 50, 10, MS + 5 * cases[i].apart_ns);
		assert_int_equal(path.counts.queue_full, 35);
		path_close(&path);
	}
}

// Share of 200,000 packets, 10 µs apart, that are lost, and of those after a lost one.
static void measure(const char *word, double *lost, double *again)
{
	struct fate_params params = params_of((const char *const[]){word, NULL});
	struct fate fate;
	int count[2] = {0}, after[2] = {0};
	bool before = false;

	fate_init(&fate, &params, 3);
	for (uint64_t i = 0; i < 200000; i++) {
		bool now = fate_loses(&fate, i * 10000);

		count[now]++;
		after[now] += before;
		before = now;
	}
	*lost = count[1] / 200000.0;
	*again = count[1] ? (double)after[1] / count[1] : 0;
}

static void test_loss(void **state)
{
	static const struct {
		const char *word;
		double lost, again, within;
	} cases[] = {
		{"loss=0", 0, 0, 0},
		{"loss=100", 1, 1, 0.001},
		{"loss=10", 0.1, 0.1, 0.01},
		{"burst=1:24", 0.04, 0.76, 0.02},
		{"burst=1:24:50", 0.02, 0.38, 0.02},
		{"spells=9:1", 0.1, 0.99, 0.04},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		double lost, again;

		measure(cases[i].word, &lost, &again);
		assert_true(lost >= cases[i].lost - cases[i].within &&
			    lost <= cases[i].lost + cases[i].within);
		assert_true(again >= cases[i].again - cases[i].within &&
			    again <= cases[i].again + cases[i].within);
	}
}

static void test_delays(void **state)
{
	static const struct {
		const char *words[4];
		double least_ms, most_ms, mean_ms;
	} cases[] = {
		{{"delay=5"}, 5, 5, 5},
		{{"delay=5", "jitter=2"}, 3, 7, 5},
		{{"delay=5", "jitter=1", "dist=normal"}, 0, 11, 5},
		{{"delay=0", "jitter=1"}, 0, 1, 0.25},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fate_params params = params_of(cases[i].words);
		struct fate fate;
		double sum_ms = 0;

		fate_init(&fate, &params, 3);
		for (int n = 0; n < 20000; n++) {
			double ms = (double)fate_delay_ns(&fate) / MS;

			assert_true(ms >= cases[i].least_ms - 1e-6 && ms <= cases[i].most_ms + 1e-6);
			sum_ms += ms / 20000;
		}
		assert_true(sum_ms > cases[i].mean_ms - 0.05 && sum_ms < cases[i].mean_ms + 0.05);
	}
}

// A lane between two socket pairs, which take the place of tun devices: near[1] and far[1] are ours.
struct rig {
	int near[2], far[2];
	struct endpoint from, to;
	struct lane lane;
};

// With in_fd -1 packets come from near[1].
static void open_rig(struct rig *rig, int in_fd, const char *word)
{
	*rig = (struct rig){0};
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, rig->near), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, rig->far), 0);
	rig->from = (struct endpoint){in_fd < 0 ? rig->near[0] : in_fd, rig->near[0], true};
	rig->to = (struct endpoint){rig->far[0], rig->far[0], true};
	open_path(&rig->lane.path, (const char *const[]){word, NULL});
	rig->lane.from = &rig->from;
	rig->lane.to = &rig->to;
	rig->lane.stop_fd = eventfd(0, EFD_NONBLOCK);
	assert_int_equal(lane_start(&rig->lane), 0);
}

static void close_rig(struct rig *rig)
{
	endpoint_close(&rig->from);
	endpoint_close(&rig->to);
	close(rig->near[1]);
	close(rig->far[1]);
	close(rig->lane.stop_fd);
	path_close(&rig->lane.path);
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void test_lane_carries(void **state)
{
	static const struct {
		const char *word;
		double least_ms;
	} cases[] = {{"delay=0", 0}, {"delay=1", 1}, {"delay=20", 20}};
	enum { COUNT = 100 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rig rig;
		double begin = now_ms();
		const uint64_t one = 1;

		open_rig(&rig, -1, cases[i].word);
		for (uint32_t n = 0; n < COUNT; n++)
			assert_int_equal(write(rig.near[1], &n, sizeof(n)), sizeof(n));
		for (uint32_t n = 0, got = COUNT; n < COUNT; n++) {
			struct pollfd fd = {.fd = rig.far[1], .events = POLLIN};

			assert_int_equal(poll(&fd, 1, 10000), 1);
			assert_int_equal(read(rig.far[1], &got, sizeof(got)), sizeof(got));
			assert_int_equal(got, n);
			assert_true(now_ms() - begin >= cases[i].least_ms);
		}
		assert_int_equal(write(rig.lane.stop_fd, &one, sizeof(one)), sizeof(one));
		lane_join(&rig.lane);
		assert_int_equal(rig.lane.error, 0);
		assert_int_equal(rig.lane.path.counts.came, COUNT);
		assert_int_equal(rig.lane.path.counts.went, COUNT);
		assert_int_equal(rig.lane.path.counts.under_way, 0);
		close_rig(&rig);
	}
}

// A lane whose near end fails says why, and has the others end too.
static void test_lane_fails(void **state)
{
	struct rig rig;
	uint64_t value = 0;
	int ends[2];

	(void)state;
	// The end of a pipe that nobody reads is always ready, and refuses to be read.
	assert_int_equal(pipe(ends), 0);
	close(ends[0]);
	open_rig(&rig, ends[1], "delay=5");
	lane_join(&rig.lane);
	assert_true(rig.lane.error < 0);
	assert_int_equal(read(rig.lane.stop_fd, &value, sizeof(value)), sizeof(value));
	close_rig(&rig);
}

static void test_bad_words(void **state)
{
	static const char *const words[] = {
		"",           "delay",       "delay=",        "delay=-1",      "delay=1x",
		"delay=nan",  "delay=60001", "jitter=x",      "loss=101",      "loss=1:2",
		"burst=1",    "burst=1:0",   "burst=101:5",   "burst=1:5:101", "spells=1",
		"spells=0:1", "rate=5",      "rate=0pps",     "rate=5pp",      "rate=pps",
		"queue=0",    "queue=1.x",   "dist=odd",      "order=some",    "nothing=1",
		"=1",         "queue=1e9",   "burst=1:2:3:4",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct fate_params params = {0};

		assert_int_not_equal(words_apply(&params, words[i]), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_delay_keeps_order),
		cmocka_unit_test(test_free_order_is_by_time),
		cmocka_unit_test(test_full_path_has_no_slot),
		cmocka_unit_test(test_bottleneck),
		cmocka_unit_test(test_loss),
		cmocka_unit_test(test_delays),
		cmocka_unit_test(test_lane_carries),
		cmocka_unit_test(test_lane_fails),
		cmocka_unit_test(test_bad_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
