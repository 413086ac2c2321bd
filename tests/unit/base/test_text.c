#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/text.h"

static void escapes(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{"", ""},
		{"plain text", "plain text"},
		{"a\tb\n", "a\\x09b\\x0a"},
		{"\x1b[31m", "\\x1b[31m"},
		{"\x7f", "\\x7f"},
		{"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
		{"\xc2\x85", "\\xc2\\x85"},                   // C1 control
		{"\xe2\x80\xae", "\\xe2\\x80\\xae"},          // right-to-left override
		{"\xe2\x81\xa6", "\\xe2\\x81\\xa6"},          // isolate
		{"\xd8\x9c", "\\xd8\\x9c"},                   // Arabic letter mark
		{"\xe2\x80\xa8", "\\xe2\\x80\\xa8"},          // line separator
		{"\xef\xbf\xbf", "\\xef\\xbf\\xbf"},          // U+FFFF
		{"\xc0\xaf", "\\xc0\\xaf"},                   // overlong
		{"\xe0\x80\x80", "\\xe0\\x80\\x80"},          // overlong
		{"\xed\xa0\x80", "\\xed\\xa0\\x80"},          // surrogate
		{"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"}, // above U+10FFFF
		{"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},     // four bytes
		{"\xe2\x82", "\\xe2\\x82"},                   // cut short
		{"\x80x\xff", "\\x80x\\xff"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char out[64];
		size_t n = text_escape(out, sizeof(out), rows[i].in, strlen(rows[i].in));
		assert_string_equal(out, rows[i].out);
		assert_int_equal(n, strlen(rows[i].out));
	}
	char out[16];
	assert_int_equal(text_escape(out, sizeof(out), "a\0b", 3), 6);
	assert_string_equal(out, "a\\x00b");
}

// At every capacity the result is a prefix made of whole units.
static void escape_cuts_at_units(void **state)
{
	static const char in[] = "a\xc3\xbc\x01z";
	static const size_t length_at_cap[] = {0, 0, 1, 1, 3, 3, 3, 3, 7, 8, 8};
	(void)state;
	for (size_t cap = 1; cap < sizeof(length_at_cap) / sizeof(*length_at_cap); cap++) {
		char out[16];
		memset(out, '#', sizeof(out));
		size_t n = text_escape(out, cap, in, sizeof(in) - 1);
		assert_int_equal(n, length_at_cap[cap]);
		assert_int_equal(out[n], '\0');
		for (size_t i = cap; i < sizeof(out); i++)
			assert_int_equal(out[i], '#');
	}
}

static void utf8_lengths_cut_short(void **state)
{
	static const char *const whole[] = {"a", "\xc3\xbc", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		for (size_t left = 0; left <= i; left++)
			assert_int_equal(text_utf8_len((const uint8_t *)whole[i], left), 0);
		assert_int_equal(text_utf8_len((const uint8_t *)whole[i], i + 1), i + 1);
	}
}

static void distances(void **state)
{
	static const struct {
		const char *a, *b;
		unsigned cap, want;
	} rows[] = {
		{"", "", 3, 0},
		{"abc", "abc", 3, 0},
		{"abc", "abd", 3, 1},
		{"abc", "acb", 3, 1},
		{"--max-rat", "--max-rate", 3, 1},
		{"kitten", "sitting", 5, 3},
		{"kitten", "sitting", 2, 3},
		{"", "abcd", 2, 3},
		{"completely", "different!", 3, 4},
		{"ca", "abc", 5, 3}, // alignment, not the unrestricted distance
	};
	char longer[100];
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(text_distance(rows[i].a, rows[i].b, rows[i].cap), rows[i].want);
		assert_int_equal(text_distance(rows[i].b, rows[i].a, rows[i].cap), rows[i].want);
	}
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(text_distance(longer, "x", 3), 4);
	assert_int_equal(text_distance(longer, longer, 3), 0);
}

static void buffer_keeps_its_cap(void **state)
{
	struct buf b;
	(void)state;
	buf_init(&b, 1000);
	for (int i = 0; i < 100; i++)
		assert_int_equal(buf_put(&b, "0123456789", 10), 0);
	assert_int_equal(b.len, 1000);
	assert_false(b.failed);
	assert_int_equal(buf_puts(&b, ""), 0);
	assert_int_equal(buf_puts(&b, "x"), ERR_LIMIT);
	assert_true(b.failed);
	assert_int_equal(b.len, 1000);
	buf_reset(&b);
	assert_int_equal(b.len, 0);
	assert_int_equal(buf_printf(&b, "%d-%s", 42, "x"), 0);
	assert_memory_equal(b.data, "42-x", 4);
	assert_int_equal(buf_printf(&b, "%900d", 1), 0);
	assert_int_equal(b.len, 904);
	assert_int_equal(buf_printf(&b, "%97d", 1), ERR_LIMIT);
	assert_int_equal(buf_printf(&b, "%d", 1), ERR_LIMIT); // stays failed
	buf_reset(&b);
	assert_int_equal(buf_printf(&b, "%1000d", 1), 0); // the cap exactly
	buf_free(&b);
	assert_null(b.data);
}

static void log_writes_one_clean_line(void **state)
{
	int ends[2];
	char got[256];
	(void)state;
	assert_int_equal(pipe(ends), 0);
	struct log log = {.level = LOG_INFO, .fd = ends[1]};
	log_debug(&log, "not this");
	log_info(&log, "host %s", "\x1b[2Jx\n");
	ssize_t n = read(ends[0], got, sizeof(got) - 1);
	assert_true(n > 0);
	got[n] = '\0';
	assert_string_equal(got, "prtip: host \\x1b[2Jx\\x0a\n");
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(escapes),
		cmocka_unit_test(escape_cuts_at_units),
		cmocka_unit_test(utf8_lengths_cut_short),
		cmocka_unit_test(distances),
		cmocka_unit_test(buffer_keeps_its_cap),
		cmocka_unit_test(log_writes_one_clean_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
