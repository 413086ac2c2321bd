#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "target/addrset.h"

static uint64_t random_below(uint64_t *state, uint64_t bound)
{
	*state = hash_mix64(*state + 0x9e3779b97f4a7c15ULL);
	return *state % bound;
}

static struct addr parsed(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a, NULL), 0);
	return a;
}

static void add_text(struct addrset *s, const char *first, const char *last)
{
	struct addr a = parsed(first), b = parsed(last);

	assert_int_equal(addrset_add(s, &a, &b), 0);
}

// The oracle: a small universe of addresses as an array of flags, in the order of the set. It lies across the
// border between IPv4 and IPv6, and across scopes.
enum { BLOCK = 700, BLOCKS = 5, UNIVERSE = BLOCK * BLOCKS };

static struct addr member(unsigned i)
{
	static const struct addr starts[BLOCKS] = {
		{.hi = 0, .lo = 0x0000ffff00000000ULL - BLOCK}, // below the v4-mapped block
		{.hi = 0, .lo = 0x0000ffff00000000ULL},
		{.hi = 0, .lo = 0x0000ffffffffffffULL - BLOCK + 1},
		{.hi = 0xfe80000000000000ULL, .lo = ~0ULL - BLOCK / 2, .scope = 2}, // across a carry
		{.hi = 0xfe80000000000000ULL, .lo = ~0ULL - BLOCK / 2, .scope = 3},
	};
	const struct addr *start = &starts[i / BLOCK];

	return addr_of_value(addr_value(start) + i % BLOCK, start->scope);
}

static void check_against(const struct addrset *s, const bool flags[UNIVERSE])
{
	u128 index = 0, found;
	size_t ranges = 0;

	for (unsigned i = 0; i < UNIVERSE; i++) {
		struct addr a = member(i), back;
		assert_int_equal(addrset_contains(s, &a), flags[i]);
		assert_int_equal(addrset_index(s, &a, &found), flags[i]);
		if (!flags[i])
			continue;
		assert_true(found == index);
		addrset_at(s, index, &back);
		assert_true(addr_equal(&a, &back));
		index++;
		ranges += i % BLOCK == 0 || !flags[i - 1];
	}
	assert_true(addrset_count(s) == index);
	assert_int_equal(addrset_range_count(s), ranges);
}

static void add_random(struct addrset *s, bool flags[UNIVERSE], uint64_t *state, unsigned ranges,
		       unsigned longest)
{
	for (unsigned r = 0; r < ranges; r++) {
		unsigned from = (unsigned)random_below(state, UNIVERSE);
		unsigned length = (unsigned)random_below(state, longest);
		unsigned to = from + length;
		if (to / BLOCK != from / BLOCK)
			to = from / BLOCK * BLOCK + BLOCK - 1;
		struct addr first = member(from), last = member(to);
		assert_int_equal(addrset_add(s, &first, &last), 0);
		memset(flags + from, true, to - from + 1);
	}
}

static void test_random_sets(void **state)
{
	static const struct {
		unsigned ranges, longest;
	} shapes[] = {{0, 1},  {1, 1},   {1, 50},  {5, 300},  {40, 1},
		      {60, 9}, {200, 1}, {200, 4}, {150, 40}, {900, 1}};
	uint64_t seed = 1;

	(void)state;
	for (int round = 0; round < 60; round++) {
		bool flags[UNIVERSE] = {0}, minus[UNIVERSE] = {0};
		size_t shape = (size_t)round % (sizeof(shapes) / sizeof(shapes[0]));
		struct addrset *s = addrset_new(), *holes = addrset_new();
		add_random(s, flags, &seed, shapes[shape].ranges, shapes[shape].longest);
		addrset_seal(s);
		check_against(s, flags);
		add_random(s, flags, &seed, 3, 20); // a sealed set may grow again
		addrset_seal(s);
		check_against(s, flags);
		add_random(holes, minus, &seed, (unsigned)random_below(&seed, 80), 1 + (unsigned)round);
		addrset_seal(holes);
		assert_int_equal(addrset_subtract(s, holes), 0);
		for (unsigned i = 0; i < UNIVERSE; i++)
			flags[i] = flags[i] && !minus[i];
		check_against(s, flags);
		addrset_free(s);
		addrset_free(holes);
	}
}

// Many equal ranges, many different ones, and far apart: every index there and back.
static void check_round_trip(struct addrset *s, u128 expected)
{
	struct addr a, previous = {0};
	u128 index;

	addrset_seal(s);
	assert_true(addrset_count(s) == expected);
	for (u128 i = 0; i < expected; i += 1 + expected / 300000) {
		addrset_at(s, i, &a);
		assert_true(addrset_index(s, &a, &index) && index == i);
		assert_true(i == 0 || addr_compare(&previous, &a) < 0);
		previous = a;
	}
	addrset_at(s, expected - 1, &a);
	assert_true(addrset_index(s, &a, &index) && index == expected - 1);
	addrset_free(s);
}

static void test_equal_ranges(void **state)
{
	struct addrset *s = addrset_new();

	(void)state;
	for (uint32_t i = 0; i < 5000; i++) {
		struct addr first = addr_v4(0x0a000001 + 256 * i), last = addr_v4(0x0a0000fe + 256 * i);
		assert_int_equal(addrset_add(s, &first, &last), 0);
	}
	struct addr outside = parsed("10.0.4.255"), inside = parsed("10.0.4.254");
	addrset_seal(s);
	assert_false(addrset_contains(s, &outside));
	assert_true(addrset_contains(s, &inside));
	check_round_trip(s, 5000 * 254);
}

static void test_unequal_ranges(void **state)
{
	struct addrset *s = addrset_new();
	u128 total = 0;
	uint64_t seed = 4;

	(void)state;
	for (uint32_t i = 0; i < 5000; i++) {
		uint32_t size = i % 97 == 0 ? 250 : 1 + (uint32_t)random_below(&seed, 5);
		struct addr first = addr_v4(0x0a000001 + 256 * i),
			    last = addr_v4(0x0a000000 + 256 * i + size);
		assert_int_equal(addrset_add(s, &first, &last), 0);
		total += size;
	}
	check_round_trip(s, total);
}

static void test_scattered_v6(void **state)
{
	struct addrset *s = addrset_new();
	uint64_t seed = 8;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct addr a = {.hi = 0x20010db800000000ULL | random_below(&seed, 1 << 20) << 12,
				 .lo = random_below(&seed, UINT64_MAX)};
		assert_int_equal(addrset_add(s, &a, &a), 0);
	}
	check_round_trip(s, 20000);
}

static void test_wide_v6(void **state)
{
	struct addrset *s = addrset_new();
	struct addr a;
	u128 index;

	(void)state;
	for (uint64_t i = 0; i < 40; i++) { // forty /60 every /52
		struct addr first = {.hi = 0x20010db800000000ULL | i << 12};
		struct addr last = {.hi = first.hi | 15, .lo = ~0ULL};
		assert_int_equal(addrset_add(s, &first, &last), 0);
	}
	addrset_seal(s);
	assert_true(addrset_count(s) == (u128)40 << 68);
	for (unsigned i = 0; i < 40; i++) {
		u128 wanted = ((u128)i << 68) + ((u128)i << 62) + i;
		addrset_at(s, wanted, &a);
		assert_true(a.hi >> 12 == (0x20010db800000000ULL >> 12 | i));
		assert_true(addrset_index(s, &a, &index) && index == wanted);
	}
	addrset_free(s);
}

static void test_everything_saturates(void **state)
{
	struct addrset *s = addrset_new(), *hole = addrset_new();
	struct addr v4 = parsed("198.18.0.1");

	(void)state;
	add_text(s, "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	addrset_seal(s);
	assert_int_equal(addrset_range_count(s), 2);
	assert_true(addrset_count(s) == (u128)1 << 127);
	assert_false(addrset_contains(s, &v4));
	add_text(s, "0.0.0.0", "255.255.255.255");
	addrset_seal(s);
	assert_int_equal(addrset_range_count(s), 3); // families do not merge
	assert_true(addrset_contains(s, &v4));
	add_text(hole, "::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe");
	addrset_seal(hole);
	assert_int_equal(addrset_subtract(s, hole), 0);
	assert_true(addrset_count(s) == ((u128)1 << 32) + 2);
	addrset_free(s);
	addrset_free(hole);
}

static void test_refused(void **state)
{
	static const char *const pairs[][2] = {
		{"198.18.0.2", "198.18.0.1"}, {"198.18.0.1", "2001:db8::1"}, {"2001:db8::1", "198.18.0.1"},
		{"::1", "198.18.0.1"},        {"fe80::1", "fe80::2%lo"},     {"fe80::2%lo", "fe80::1%lo"},
	};
	struct addrset *s = addrset_new();

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct addr first = parsed(pairs[i][0]), last = parsed(pairs[i][1]);
		assert_int_equal(addrset_add(s, &first, &last), ERR_RANGE);
	}
	addrset_seal(s);
	assert_true(addrset_count(s) == 0);
	assert_int_equal(addrset_range_count(s), 0);
	addrset_free(s);
}

static void test_empty(void **state)
{
	struct addrset *s = addrset_new(), *all = addrset_new();
	struct addr a = parsed("198.18.0.1");
	u128 index;

	(void)state;
	addrset_seal(s);
	add_text(all, "198.18.0.0", "198.18.0.255");
	addrset_seal(all);
	assert_false(addrset_contains(s, &a));
	assert_false(addrset_index(s, &a, &index));
	assert_int_equal(addrset_subtract(s, all), 0);
	assert_int_equal(addrset_subtract(all, s), 0);
	assert_true(addrset_count(all) == 256);
	assert_int_equal(addrset_subtract(all, all), 0);
	assert_true(addrset_count(all) == 0);
	addrset_free(s);
	addrset_free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_sets),    cmocka_unit_test(test_equal_ranges),
		cmocka_unit_test(test_unequal_ranges), cmocka_unit_test(test_scattered_v6),
		cmocka_unit_test(test_wide_v6),        cmocka_unit_test(test_everything_saturates),
		cmocka_unit_test(test_refused),        cmocka_unit_test(test_empty),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
