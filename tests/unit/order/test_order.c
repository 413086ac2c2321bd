#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "order/order.h"

static struct hash_key key_of(uint64_t seed)
{
	struct hash_key key;

	hash_key_make(&key, &seed, "order");
	return key;
}

// Every index once, and the inverse leads back.
static void check_bijection(uint64_t n, uint64_t seed)
{
	struct hash_key key = key_of(seed);
	struct order o;
	uint8_t *seen = calloc(n + 1, 1);

	order_init(&o, n, &key, false);
	for (uint64_t i = 0; i < n; i++) {
		uint64_t at = order_at(&o, i);
		uint64_t many[3] = {i, n - 1 - i, i};
		order_at_many(&o, many, 3);
		if (at >= n || seen[at]++ != 0 || order_position(&o, at) != i || many[0] != at ||
		    many[1] != order_at(&o, n - 1 - i) || many[2] != at)
			fail_msg("n %llu, position %llu", (unsigned long long)n, (unsigned long long)i);
	}
	free(seen);
}

static void test_small_sizes(void **state)
{
	(void)state;
	for (uint64_t n = 0; n <= 1200; n++) {
		check_bijection(n, 1);
		check_bijection(n, n * 7919 + 3);
	}
}

static void test_awkward_sizes(void **state)
{
	static const uint64_t sizes[] = {4095,  4096,  4097,  9973,    10007,  65535,
					 65536, 65537, 99991, 1000003, 1048575};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		check_bijection(sizes[i], 42 + i);
}

static const uint64_t large_sizes[] = {
	(1ULL << 32) - 1,  1ULL << 32,         (1ULL << 32) + 1,  4294967291ULL,
	4294967311ULL,     281474976710597ULL, (1ULL << 62) - 57, 4611686014132420609ULL,
	(1ULL << 63) - 25, (1ULL << 63) - 1,   1ULL << 63,
};

static void test_large_sizes_invert(void **state)
{
	struct hash_key key = key_of(9);

	(void)state;
	for (size_t i = 0; i < sizeof(large_sizes) / sizeof(large_sizes[0]); i++) {
		uint64_t n = large_sizes[i], x = 0;
		struct order o;
		order_init(&o, n, &key, false);
		for (int k = 0; k < 20000; k++) {
			x = k < 100   ? (uint64_t)k
			    : k < 200 ? n - 1 - (uint64_t)(k - 100)
				      : hash_mix64(x + 1) % n;
			uint64_t at = order_at(&o, x);
			assert_true(at < n);
			assert_true(order_position(&o, at) == x);
			assert_true(order_at(&o, order_position(&o, x)) == x);
		}
	}
}

// The steps of all walks together are at most a × b, so a × b / n bounds their average exactly.
static void test_walks_are_short(void **state)
{
	struct hash_key key = key_of(1);
	struct order o;

	(void)state;
	for (uint64_t n = 10000; n <= ORDER_MAX - ORDER_MAX / 7; n += n < 12000 ? 1 : n / 7) {
		order_init(&o, n, &key, false);
		assert_true(o.a * o.b >= n);
		if (o.a * o.b - n > n / 100)
			fail_msg("%llu walks", (unsigned long long)n);
		assert_true(o.a < 2 * o.b && o.b < 2 * o.a);
	}
	for (size_t i = 0; i < sizeof(large_sizes) / sizeof(large_sizes[0]); i++) {
		order_init(&o, large_sizes[i], &key, false);
		assert_true(o.a * o.b >= large_sizes[i] &&
			    o.a * o.b - large_sizes[i] <= large_sizes[i] / 100);
	}
}

static void test_seeds_differ(void **state)
{
	enum { N = 10007 };
	struct hash_key one = key_of(1), two = key_of(2), again = key_of(1);
	struct order a, b, c;
	unsigned same = 0;

	(void)state;
	order_init(&a, N, &one, false);
	order_init(&b, N, &two, false);
	order_init(&c, N, &again, false);
	for (uint64_t i = 0; i < N; i++) {
		same += order_at(&a, i) == order_at(&b, i);
		assert_true(order_at(&a, i) == order_at(&c, i));
	}
	assert_true(same < 15); // one expected
}

static void test_sequential(void **state)
{
	struct hash_key key = key_of(1);
	struct order o;

	(void)state;
	order_init(&o, 1000, &key, true);
	for (uint64_t i = 0; i < 1000; i++) {
		assert_true(order_at(&o, i) == i);
		assert_true(order_position(&o, i) == i);
	}
}

// 1,000 hosts × 100 ports: neighbours in the order are on different hosts, far apart, and no distance between
// them is frequent.
static void test_no_visible_sequence(void **state)
{
	enum { HOSTS = 1000, SLOTS = 100, N = HOSTS * SLOTS };
	unsigned *steps = calloc(N, sizeof(*steps));
	unsigned same_host = 0, worst = 0;
	double distance = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 4; seed++) {
		struct hash_key key = key_of(seed);
		struct order o;
		order_init(&o, N, &key, false);
		memset(steps, 0, N * sizeof(*steps));
		for (uint64_t i = 0; i + 1 < N; i++) {
			uint64_t x = order_at(&o, i), y = order_at(&o, i + 1);
			same_host += x / SLOTS == y / SLOTS;
			distance += x > y ? (double)(x - y) : (double)(y - x);
			unsigned step = ++steps[(y + N - x) % N];
			worst = step > worst ? step : worst;
		}
	}
	free(steps);
	assert_true(same_host < 4 * 200); // 4 × 100 expected
	distance /= 4.0 * N * N;
	assert_true(distance > 0.32 && distance < 0.35); // a third expected
	assert_true(worst < 20);                         // Poisson with mean 1
}

// Any window of positions is spread evenly over the addresses (and so over their gateways).
static void test_windows_are_even(void **state)
{
	enum { N = 1 << 20, WINDOW = 1 << 14, BUCKETS = 256, MEAN = WINDOW / BUCKETS };
	struct hash_key key = key_of(5);
	struct order o;

	(void)state;
	order_init(&o, N, &key, false);
	for (uint64_t first = 0; first < N; first += WINDOW) {
		unsigned count[BUCKETS] = {0};
		double chi = 0;
		for (uint64_t i = first; i < first + WINDOW; i++)
			count[order_at(&o, i) / (N / BUCKETS)]++;
		for (int b = 0; b < BUCKETS; b++)
			chi += ((double)count[b] - MEAN) * ((double)count[b] - MEAN) / MEAN;
		assert_true(chi < 255 + 8 * 22.6); // 255 degrees of freedom, deviation 22.6
	}
}

static void test_shards(void **state)
{
	(void)state;
	for (uint64_t n = 0; n <= 60; n++) {
		for (uint32_t shards = 1; shards <= 70; shards++) {
			unsigned seen[60] = {0};
			for (uint32_t shard = 0; shard < shards; shard++) {
				struct order_slice s = order_shard(n, shard, shards, 0);
				for (uint64_t i = 0; i < s.count; i++) {
					assert_true(s.first + i * s.step < n);
					seen[s.first + i * s.step]++;
				}
			}
			for (uint64_t i = 0; i < n; i++)
				assert_int_equal(seen[i], 1);
		}
	}
	struct order_slice s = order_shard(ORDER_MAX, 3, 4, 0);
	assert_true(s.count == ORDER_MAX / 4 && s.first == 3 && s.step == 4);
	assert_true(s.first + (s.count - 1) * s.step == ORDER_MAX - 1);
}

static void test_sample(void **state)
{
	(void)state;
	assert_int_equal(order_shard(1000, 0, 1, 10).count, 10);
	assert_int_equal(order_shard(1000, 100, 300, 10).count, 3);
	assert_int_equal(order_shard(5, 0, 1, 10).count, 5);
	assert_int_equal(order_shard(0, 0, 1, 10).count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small_sizes),
		cmocka_unit_test(test_awkward_sizes),
		cmocka_unit_test(test_large_sizes_invert),
		cmocka_unit_test(test_walks_are_short),
		cmocka_unit_test(test_seeds_differ),
		cmocka_unit_test(test_sequential),
		cmocka_unit_test(test_no_visible_sequence),
		cmocka_unit_test(test_windows_are_even),
		cmocka_unit_test(test_shards),
		cmocka_unit_test(test_sample),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
