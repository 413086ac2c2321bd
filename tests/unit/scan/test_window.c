#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "scan/seen.h"
#include "scan/source_ports.h"
#include "scan/window.h"

static void test_totals(void **state)
{
	(void)state;
	const uint64_t totals[] = {0, 1, 63, 64, 65, 127, 128, 1000, 4096, 5000};
	for (size_t t = 0; t < sizeof(totals) / sizeof(totals[0]); t++) {
		struct window w;
		assert_int_equal(window_init(&w, totals[t], 256), 0);
		uint64_t positions = 0;
		while (!window_finished(&w)) {
			struct chunk *c = window_open(&w);
			if (!c) { // full: finish the oldest
				assert_true(w.tail - w.head == w.slots);
				w.chunks[w.head & (w.slots - 1)].state = CHUNK_FREE;
				window_advance(&w);
				continue;
			}
			positions += (uint64_t)__builtin_popcountll(c->todo);
			assert_int_equal(window_number(&w, c), w.tail - 1);
			if (window_exhausted(&w)) {
				for (uint32_t i = 0; i < w.slots; i++)
					w.chunks[i].state = CHUNK_FREE;
				window_advance(&w);
			}
		}
		assert_int_equal(positions, totals[t]);
		window_free(&w);
	}
}

static void test_lookup(void **state)
{
	(void)state;
	struct window w;
	uint64_t bit;
	assert_int_equal(window_init(&w, 1000, 256), 0);
	assert_null(window_chunk(&w, 0, &bit));
	struct chunk *a = window_open(&w), *b = window_open(&w);
	assert_ptr_equal(window_chunk(&w, 63, &bit), a);
	assert_true(bit == 1ULL << 63);
	assert_ptr_equal(window_chunk(&w, 64, &bit), b);
	assert_true(bit == 1);
	assert_null(window_chunk(&w, 128, &bit));
	a->state = CHUNK_FREE;
	window_advance(&w);
	assert_null(window_chunk(&w, 63, &bit));
	window_free(&w);
}

static void test_queue_order(void **state)
{
	(void)state;
	struct window w;
	struct chunk_queue q = {0};
	assert_int_equal(window_init(&w, 1000, 512), 0);
	struct chunk *a = window_open(&w), *b = window_open(&w), *c = window_open(&w);
	chunk_push(&w, &q, b);
	chunk_push(&w, &q, a);
	chunk_push(&w, &q, c);
	assert_int_equal(q.count, 3);
	assert_ptr_equal(chunk_pop(&w, &q), b);
	assert_ptr_equal(chunk_pop(&w, &q), a);
	assert_ptr_equal(chunk_pop(&w, &q), c);
	assert_null(chunk_pop(&w, &q));
	chunk_push(&w, &q, a);
	assert_ptr_equal(chunk_peek(&w, &q), a);
	window_free(&w);
}

static void test_seen(void **state)
{
	(void)state;
	struct seen s;
	seen_init(&s, 1000);
	assert_false(seen_has(&s, 0));
	for (uint64_t i = 0; i < 900; i++)
		assert_true(seen_add(&s, i * 7919));
	for (uint64_t i = 0; i < 900; i++) {
		assert_true(seen_has(&s, i * 7919));
		assert_false(seen_add(&s, i * 7919));
	}
	assert_false(seen_has(&s, 1));
	for (uint64_t i = 0; i < 5000; i++)
		(void)seen_add(&s, 1000000 + i);
	assert_true(s.not_kept > 0); // capped, never endless
	assert_true(s.count <= 2048);
	seen_free(&s);
}

static void test_source_ports(void **state)
{
	(void)state;
	const struct {
		unsigned count, lo, hi;
	} rows[] = {{11, 32768, 60999},
		    {101, 32768, 60999},
		    {11, 1024, 65000},
		    {11, 10000, 65535},
		    {11, 1, 65535}};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (uint64_t random = 0; random < 100000; random += 37) {
			unsigned p = source_ports_within(rows[i].count, random, rows[i].lo, rows[i].hi);
			assert_in_range(p, 1024, 65535 - rows[i].count + 1);
			bool can = 65535 - rows[i].hi >= rows[i].count || rows[i].lo > 2048 + rows[i].count;
			if (can)
				assert_true(p > rows[i].hi || p + rows[i].count - 1 < rows[i].lo);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_totals),       cmocka_unit_test(test_lookup),
		cmocka_unit_test(test_queue_order),  cmocka_unit_test(test_seen),
		cmocka_unit_test(test_source_ports),
	};
	return cmocka_run_group_tests_name("window", tests, NULL, NULL);
}
