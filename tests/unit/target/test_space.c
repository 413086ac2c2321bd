#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "target/space.h"

static struct addrset *set_of(const char *first, const char *last)
{
	struct addrset *s = addrset_new();
	struct addr a, b;

	assert_int_equal(addr_parse(first, &a, NULL), 0);
	assert_int_equal(addr_parse(last, &b, NULL), 0);
	assert_int_equal(addrset_add(s, &a, &b), 0);
	addrset_seal(s);
	return s;
}

// What is looked up in company is what is looked up alone.
static void check_many(const struct space *s, uint64_t index, const struct space_item *alone)
{
	struct space_item items[3];
	const uint64_t indexes[3] = {0, index, space_count(s) - 1};
	uint64_t back, addr_index;

	space_at_many(s, indexes, 3, items);
	assert_true(addr_equal(&items[1].addr, &alone->addr) && items[1].addr_index == alone->addr_index);
	assert_int_equal(items[1].slot_index, alone->slot_index);
	assert_int_equal(items[1].slot.port, alone->slot.port);
	for (int i = 0; i < 3; i++) {
		assert_true(space_locate(s, &items[i].addr, &items[i].slot, &back, &addr_index));
		assert_true(back == indexes[i] && addr_index == items[i].addr_index);
	}
}

static void check_space(const char *first, const char *last, const struct space_slot *slots, uint32_t count)
{
	struct addrset *set = set_of(first, last);
	struct space *s;
	uint64_t index = 0, back;
	uint64_t addresses = (uint64_t)addrset_count(set);

	assert_int_equal(space_new(&s, set, slots, count, NULL), 0);
	assert_true(space_count(s) == addresses * count);
	assert_int_equal(space_slot_count(s), count);
	for (uint64_t a = 0; a < addresses; a++) {
		struct addr addr;
		addrset_at(set, a, &addr);
		for (uint32_t i = 0; i < count; i++, index++) {
			struct space_item item;
			space_at(s, index, &item);
			assert_true(addr_equal(&item.addr, &addr) && item.addr_index == a);
			assert_int_equal(item.slot_index, i);
			assert_int_equal(item.slot.port, slots[i].port);
			assert_int_equal(item.slot.technique, slots[i].technique);
			assert_true(space_index(s, &addr, slots[i].technique, slots[i].port, &back));
			assert_true(back == index);
			if (a < 2 || i == 0)
				check_many(s, index, &item);
		}
	}
	space_free(s);
	addrset_free(set);
}

static void test_round_trip(void **state)
{
	static struct space_slot many[70000];
	struct space_slot few[] = {{80, 0}, {22, 0}, {53, 1}, {0, 7}, {443, 0}, {53, 255}};

	(void)state;
	check_space("198.18.0.0", "198.18.1.3", few, 6);
	check_space("198.18.0.0", "198.18.0.9", few, 1);
	check_space("2001:db8::fffe", "2001:db8::1:1", few, 5);
	for (uint32_t i = 0; i < 70000; i++)
		many[i] = (struct space_slot){(uint16_t)(i * 40503U), (uint8_t)(i < 65536 ? 3 : 4)};
	check_space("198.18.0.1", "198.18.0.2", many, 70000);
}

static void test_outside(void **state)
{
	static struct space_slot slots[203];
	struct addrset *set = set_of("198.18.0.0", "198.18.0.3");
	struct addr inside, outside;
	struct space *s;
	uint64_t index;

	(void)state;
	for (unsigned i = 0; i < 200; i++)
		slots[i] = (struct space_slot){(uint16_t)(1000 + i), 1};
	slots[200] = (struct space_slot){1, 2};
	slots[201] = (struct space_slot){65535, 2};
	slots[202] = (struct space_slot){0, 3};
	assert_int_equal(space_new(&s, set, slots, 203, NULL), 0);
	assert_int_equal(addr_parse("198.18.0.3", &inside, NULL), 0);
	assert_int_equal(addr_parse("198.18.0.4", &outside, NULL), 0);
	assert_false(space_index(s, &outside, 1, 1000, &index));
	assert_true(space_index(s, &inside, 1, 1000, &index) && index == 3 * 203);
	assert_false(space_index(s, &inside, 1, 999, &index));
	assert_false(space_index(s, &inside, 1, 1200, &index));
	assert_false(space_index(s, &inside, 2, 1000, &index));
	assert_false(space_index(s, &inside, 0, 0, &index));
	assert_false(space_index(s, &inside, 255, 65535, &index));
	assert_true(space_index(s, &inside, 2, 65535, &index) && index == 3 * 203 + 201);
	assert_true(space_index(s, &inside, 3, 0, &index) && index == 3 * 203 + 202);
	space_free(s);
	addrset_free(set);
}

static void test_limits(void **state)
{
	static const struct {
		const char *first, *last;
		uint32_t slots;
		int result;
	} cases[] = {
		{"2001:db8::", "2001:db8::7fff:ffff:ffff:ffff", 1, 0}, // exactly 2^63
		{"2001:db8::", "2001:db8::8000:0:0:0", 1, ERR_LIMIT},
		{"2001:db8::", "2001:db8::ffff:ffff:ffff", 32768, 0},
		{"2001:db8::", "2001:db8::ffff:ffff:ffff", 32769, ERR_LIMIT},
		{"2000::", "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 1, ERR_LIMIT},
		{"::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 1, ERR_LIMIT},
		{"198.18.0.0", "198.18.0.0", 0, ERR_RANGE},
		{"198.18.0.0", "198.18.0.0", 4 * 65536 + 1, ERR_RANGE},
		{"0.0.0.0", "255.255.255.255", 4 * 65536, 0},
	};
	struct space_slot *slots = calloc(4 * 65536 + 1, sizeof(*slots));

	(void)state;
	for (uint32_t i = 0; i <= 4 * 65536; i++)
		slots[i] = (struct space_slot){(uint16_t)i, (uint8_t)(i >> 16)};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct addrset *set = set_of(cases[i].first, cases[i].last);
		struct space *s;
		struct err_text e = {""};
		struct space_item item;
		uint64_t back;
		assert_int_equal(space_new(&s, set, slots, cases[i].slots, &e), cases[i].result);
		assert_int_equal(e.text[0] != '\0', cases[i].result != 0);
		if (cases[i].result == 0) { // the last position of the largest spaces
			space_at(s, space_count(s) - 1, &item);
			assert_true(space_index(s, &item.addr, item.slot.technique, item.slot.port, &back));
			assert_true(back == space_count(s) - 1);
		}
		space_free(s);
		addrset_free(set);
	}
	free(slots);
}

// A sample holds one address of each slice, in order, without repeats, and its inverse knows nothing else.
static void test_sampled(void **state)
{
	static const struct {
		const char *first, *last;
		uint32_t slots;
	} cases[] = {
		{"2001:db8::", "2001:db8::8000:0:0:0", 1}, // one too many
		{"2001:db8::", "2001:db8:0:1:7fff::", 2},
		{"2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", 1000},
		{"::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 3},
	};
	struct space_slot *slots = calloc(1000, sizeof(*slots));
	uint64_t seed = 6;
	struct hash_key key;

	(void)state;
	hash_key_make(&key, &seed, "sample");
	for (uint16_t i = 0; i < 1000; i++)
		slots[i].port = i;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct addrset *set = set_of(cases[i].first, cases[i].last);
		struct space *s;
		uint64_t back, outside = 0;
		assert_int_equal(space_new_sampled(&s, set, slots, cases[i].slots, &key, NULL), 0);
		uint64_t count = space_count(s), strides = 50000;
		assert_true(count <= 1ULL << 63 && count > (1ULL << 63) - cases[i].slots);
		struct addr previous = {0};
		for (uint64_t k = 0; k <= strides; k++) {
			uint64_t index = k < strides ? count / strides * k : count - 1;
			struct space_item item;
			space_at(s, index, &item);
			assert_true(addrset_contains(set, &item.addr));
			assert_true(space_index(s, &item.addr, 0, item.slot.port, &back) && back == index);
			check_many(s, index, &item);
			assert_true(k == 0 || addr_compare(&previous, &item.addr) < 0);
			previous = item.addr;
			item.addr.lo ^= 1; // hardly ever in the sample, except where it is the whole
			outside += !space_index(s, &item.addr, 0, item.slot.port, &back);
		}
		assert_true(i == 0 || outside > strides / 4);
		space_free(s);
		addrset_free(set);
	}
	free(slots);
}

static void test_small_set_is_not_sampled(void **state)
{
	struct addrset *set = set_of("198.18.0.0", "198.18.0.9");
	struct space_slot slot = {80, 0};
	struct hash_key key = {{1}};
	struct space *s;

	(void)state;
	assert_int_equal(space_new_sampled(&s, set, &slot, 1, &key, NULL), 0);
	assert_true(space_count(s) == 10);
	space_free(s);
	addrset_free(set);
}

static void test_slot_twice(void **state)
{
	struct space_slot slots[] = {{80, 0}, {80, 1}, {80, 0}};
	struct addrset *set = set_of("198.18.0.0", "198.18.0.0");
	struct space *s;
	struct err_text e;

	(void)state;
	assert_int_equal(space_new(&s, set, slots, 3, &e), ERR_USAGE);
	assert_null(s);
	assert_int_equal(space_new(&s, set, slots, 2, &e), 0);
	space_free(s);
	addrset_free(set);
}

static void test_no_addresses(void **state)
{
	struct space_slot slot = {80, 0};
	struct addrset *set = addrset_new();
	struct addr a = addr_v4(1);
	struct space *s;
	uint64_t index;

	(void)state;
	addrset_seal(set);
	assert_int_equal(space_new(&s, set, &slot, 1, NULL), 0);
	assert_true(space_count(s) == 0);
	assert_false(space_index(s, &a, 0, 80, &index));
	space_free(s);
	addrset_free(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_outside),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_slot_twice),
		cmocka_unit_test(test_no_addresses),
		cmocka_unit_test(test_sampled),
		cmocka_unit_test(test_small_set_is_not_sampled),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
