#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/hash.h"
#include "net/prefix_map.h"

#define V4(a, b, c, d) ((u128)((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d)) << 96)

struct find_case {
	u128 key;
	uint32_t value;
};

static void test_nested(void **state)
{
	(void)state;
	struct prefix_entry entries[] = {
		{.base = V4(198, 18, 0, 0), .len = 15, .value = 1},
		{.base = V4(198, 18, 1, 0), .len = 24, .value = 2},
		{.base = V4(198, 18, 1, 255), .len = 32, .value = 3},
		{.base = V4(198, 18, 2, 77), .len = 24, .value = 4}, // host bits are ignored
		{.base = V4(255, 255, 255, 255), .len = 32, .value = 5},
		{.base = V4(198, 18, 1, 0), .len = 24, .rank = 7, .value = 0}, // worse than value 2
	};
	static const struct find_case cases[] = {
		{V4(198, 17, 255, 255), PREFIX_NONE},
		{V4(198, 18, 0, 0), 1},
		{V4(198, 18, 1, 0), 2},
		{V4(198, 18, 1, 254), 2},
		{V4(198, 18, 1, 255), 3},
		{V4(198, 18, 2, 0), 4},
		{V4(198, 18, 3, 0), 1},
		{V4(198, 19, 255, 255), 1},
		{V4(198, 20, 0, 0), PREFIX_NONE},
		{V4(255, 255, 255, 254), PREFIX_NONE},
		{V4(255, 255, 255, 255), 5},
		{0, PREFIX_NONE},
	};
	struct prefix_map *m;
	assert_int_equal(prefix_map_build(&m, entries, sizeof(entries) / sizeof(entries[0])), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(prefix_map_find(m, cases[i].key), cases[i].value);
	prefix_map_free(m);
	assert_int_equal(prefix_map_find(NULL, 5), PREFIX_NONE);
	struct prefix_entry wrong = {.len = 129};
	assert_int_equal(prefix_map_build(&m, &wrong, 1), ERR_RANGE);
	assert_int_equal(prefix_map_build(&m, NULL, 0), 0);
	assert_int_equal(prefix_map_find(m, 5), PREFIX_NONE);
	prefix_map_free(m);
	u128 first, last;
	assert_int_equal(prefix_map_find_span(NULL, 5, &first, &last), PREFIX_NONE);
	assert_true(first == 0 && last == ~(u128)0);
}

static uint64_t seed;

static uint64_t next_random(void)
{
	return hash_mix64(seed += 0x9e3779b97f4a7c15ULL);
}

// The longest matching prefix by looking at every one.
static uint32_t find_slowly(const struct prefix_entry *entries, size_t n, u128 key)
{
	const struct prefix_entry *best = NULL;
	for (size_t i = 0; i < n; i++) {
		const struct prefix_entry *e = &entries[i];
		u128 mask = e->len ? ~(u128)0 << (128 - e->len) : 0;
		if ((key & mask) != (e->base & mask))
			continue;
		bool better = !best || e->len > best->len ||
			      (e->len == best->len &&
			       (e->rank < best->rank || (e->rank == best->rank && e->value < best->value)));
		if (better)
			best = e;
	}
	return best ? best->value : PREFIX_NONE;
}

// Random sets with and without the index over the first bits, prefixes crowded together so that they nest.
static void test_like_slow_search(void **state)
{
	(void)state;
	static struct prefix_entry entries[400], given[400];
	for (unsigned round = 0; round < 60; round++) {
		size_t n = round < 30 ? round : 400;
		unsigned shift = round % 3 == 0 ? 0 : 108; // crowded: only the first 20 bits differ
		for (size_t i = 0; i < n; i++) {
			u128 base = (u128)next_random() << 64 | next_random();
			entries[i] = (struct prefix_entry){.base = base >> shift << shift,
							   .len = (uint8_t)(next_random() % 129),
							   .rank = next_random() % 3,
							   .value = (uint32_t)i};
			if (round % 2)
				entries[i].len %= 22;
			given[i] = entries[i];
		}
		struct prefix_map *m;
		assert_int_equal(prefix_map_build(&m, entries, n), 0);
		for (int k = 0; k < 2000; k++) {
			u128 key = (u128)next_random() << 64 | next_random();
			if (n && k % 2) // near an edge
				key = given[next_random() % n].base + (u128)(k % 5) - 2;
			uint32_t want = find_slowly(given, n, key);
			u128 first, last;
			assert_int_equal(prefix_map_find(m, key), want);
			assert_int_equal(prefix_map_find_span(m, key, &first, &last), want);
			assert_true(first <= key && key <= last);
			assert_int_equal(find_slowly(given, n, first), want);
			assert_int_equal(find_slowly(given, n, last), want);
			assert_int_equal(find_slowly(given, n, first + (last - first) / 3), want);
		}
		prefix_map_free(m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nested),
		cmocka_unit_test(test_like_slow_search),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
