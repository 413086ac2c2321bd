// The heap of deadlines against a plain array.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "transport/streams_private.h"

#define SLOTS 37

static int64_t earliest(const int64_t *deadline)
{
	int64_t min = INT64_MAX;
	for (unsigned i = 0; i < SLOTS; i++)
		if (deadline[i] < min)
			min = deadline[i];
	return min;
}

static void test_against_array(void **state)
{
	(void)state;
	struct timer_heap h;
	int64_t deadline[SLOTS];
	uint32_t seed = 1;
	assert_int_equal(timer_heap_init(&h, SLOTS), 0);
	for (unsigned i = 0; i < SLOTS; i++)
		deadline[i] = INT64_MAX;
	for (unsigned step = 0; step < 20000; step++) {
		seed = seed * 1664525 + 1013904223;
		uint32_t slot = (seed >> 8) % SLOTS;
		if (deadline[slot] != INT64_MAX || seed >> 31) {
			timer_heap_remove(&h, slot);
			deadline[slot] = INT64_MAX;
		} else {
			deadline[slot] = (seed >> 16) % 50;
			timer_heap_add(&h, slot, deadline[slot]);
		}
		assert_int_equal(timer_heap_next(&h), earliest(deadline));
		if (h.count)
			assert_int_equal(deadline[h.entries[0].slot], timer_heap_next(&h));
	}
	timer_heap_free(&h);
}

static void test_errno_table(void **state)
{
	(void)state;
	static const struct {
		int err;
		enum stream_outcome outcome;
	} cases[] = {
		{0, STREAM_CONNECTED},          {EISCONN, STREAM_CONNECTED},
		{ECONNRESET, STREAM_CONNECTED}, {ECONNREFUSED, STREAM_REFUSED},
		{ETIMEDOUT, STREAM_TIMEOUT},    {EHOSTUNREACH, STREAM_UNREACHABLE},
		{EACCES, STREAM_UNREACHABLE},   {ENOPROTOOPT, STREAM_UNREACHABLE},
		{EPROTO, STREAM_UNREACHABLE},   {EPERM, STREAM_UNREACHABLE},
		{EINVAL, STREAM_ERROR},         {EMFILE, STREAM_ERROR},
	};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(stream_outcome_of(cases[i].err), cases[i].outcome);
	assert_true(stream_is_shortage(EMFILE) && stream_is_shortage(EADDRNOTAVAIL));
	assert_false(stream_is_shortage(0) || stream_is_shortage(ECONNREFUSED));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_array),
		cmocka_unit_test(test_errno_table),
	};
	return cmocka_run_group_tests_name("streams_timer", tests, NULL, NULL);
}
