#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>

#include "base/csum.h"
#include "base/endian.h"
#include "base/hash.h"
#include "base/ring.h"

// RFC 1071 section 4.1, word by word.
static uint16_t plain_checksum(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;
	for (size_t i = 0; i < len; i += 2)
		sum += (uint32_t)(p[i] << 8) | (i + 1 < len ? p[i + 1] : 0);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static uint16_t stored_as_be(uint16_t folded)
{
	struct be16 v = {folded};
	return be16_host(v);
}

static void checksum_rfc1071_example(void **state)
{
	static const uint8_t data[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
	(void)state;
	assert_int_equal(stored_as_be(csum_fold(csum_add(0, data, sizeof(data)))), (uint16_t)~0xddf2);
}

static void checksum_equals_plain_sum(void **state)
{
	uint8_t data[300];
	uint64_t x = 1;
	(void)state;
	for (int fill = 0; fill < 3; fill++) {
		for (size_t i = 0; i < sizeof(data); i++)
			data[i] = fill == 0 ? 0xff : fill == 1 ? 0 : (uint8_t)(x = hash_mix64(x + i));
		for (size_t at = 0; at < 9; at++) {
			for (size_t len = 0; len + at <= sizeof(data); len++) {
				uint16_t want = plain_checksum(data + at, len);
				uint32_t sum = csum_add(0, data + at, len);
				assert_int_equal(stored_as_be(csum_fold(sum)), want);
				size_t half = (len / 2) & ~(size_t)1;
				sum = csum_add(csum_add(0, data + at, half), data + at + half, len - half);
				assert_int_equal(stored_as_be(csum_fold(sum)), want);
			}
		}
	}
	assert_int_equal(csum_fold(csum_add(0xffffffff, data, 0)), csum_fold(0xffffffff));
}

// The first vectors of the reference implementation: key 00..0f, message 00..n-1.
static void siphash_vectors(void **state)
{
	static const struct {
		size_t len;
		uint64_t want;
	} rows[] = {
		{0, 0x726fdb47dd0e0e31},
		{1, 0x74f839c593dc67fd},
		{8, 0x93f5f5799a932462},
		{15, 0xa129ca6149be45e5},
	};
	struct hash_key key;
	uint8_t message[16];
	(void)state;
	for (uint8_t i = 0; i < 16; i++)
		key.bytes[i] = message[i] = i;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_int_equal(hash_keyed(&key, message, rows[i].len), rows[i].want);
	assert_int_equal(hash_keyed(&key, NULL, 0), rows[0].want);
}

static void keys_differ_by_seed_and_purpose(void **state)
{
	struct hash_key a, b;
	uint64_t one = 1, two = 2;
	(void)state;
	hash_key_make(&a, &one, "cookie");
	hash_key_make(&b, &one, "cookie");
	assert_memory_equal(&a, &b, sizeof(a));
	hash_key_make(&b, &one, "order");
	assert_memory_not_equal(&a, &b, sizeof(a));
	hash_key_make(&b, &two, "cookie");
	assert_memory_not_equal(&a, &b, sizeof(a));
	assert_memory_not_equal(a.bytes, a.bytes + 8, 8);
	hash_key_make(&a, NULL, "cookie");
	hash_key_make(&b, NULL, "cookie");
	assert_memory_not_equal(&a, &b, sizeof(a));
}

static void ring_fills_wraps_and_empties(void **state)
{
	uint32_t items[16], out[16];
	(void)state;
	assert_null(ring_new(8, 0));
	assert_null(ring_new(SIZE_MAX, 8));
	struct ring *r = ring_new(5, sizeof(*items)); // 8 slots
	assert_non_null(r);
	for (uint32_t i = 0; i < 16; i++)
		items[i] = i;
	assert_int_equal(ring_pop(r, out, 1), 0);
	assert_int_equal(ring_push(r, items, 16), 8);
	assert_int_equal(ring_push(r, items, 1), 0);
	assert_int_equal(ring_count(r), 8);
	assert_int_equal(ring_pop(r, out, 3), 3);
	assert_int_equal(ring_push(r, items + 8, 8), 3);
	assert_int_equal(ring_pop(r, out + 3, 13), 8);
	assert_memory_equal(out, items, 11 * sizeof(*items));
	assert_int_equal(ring_count(r), 0);
	ring_free(r);
}

#define PASSED 200000

static void *produce(void *arg)
{
	uint64_t batch[7], next = 0;
	while (next < PASSED) {
		size_t n = 0;
		while (n < 7 && next + n < PASSED) {
			batch[n] = next + n;
			n++;
		}
		size_t done = ring_push(arg, batch, n);
		if (done == 0)
			sched_yield();
		next += done;
	}
	return NULL;
}

static void ring_keeps_order_between_threads(void **state)
{
	uint64_t got[5], next = 0;
	pthread_t thread;
	(void)state;
	struct ring *r = ring_new(64, sizeof(uint64_t));
	assert_non_null(r);
	assert_int_equal(pthread_create(&thread, NULL, produce, r), 0);
	while (next < PASSED) {
		size_t n = ring_pop(r, got, 5);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(got[i], next++);
		if (n == 0)
			sched_yield();
	}
	pthread_join(thread, NULL);
	ring_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checksum_rfc1071_example),
		cmocka_unit_test(checksum_equals_plain_sum),
		cmocka_unit_test(siphash_vectors),
		cmocka_unit_test(keys_differ_by_seed_and_purpose),
		cmocka_unit_test(ring_fills_wraps_and_empties),
		cmocka_unit_test(ring_keeps_order_between_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
