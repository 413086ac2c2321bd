#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/num.h"

static void whole_numbers(void **state)
{
	static const struct {
		const char *text;
		uint64_t min, max;
		int code;
		uint64_t want;
	} rows[] = {
		{"0", 0, 10, 0, 0},
		{"80", 1, 65535, 0, 80},
		{"0080", 1, 65535, 0, 80},
		{"0x50", 1, 65535, 0, 80},
		{"0XfF", 0, 255, 0, 255},
		{"18446744073709551615", 0, UINT64_MAX, 0, UINT64_MAX},
		{"18446744073709551616", 0, UINT64_MAX, ERR_RANGE, 0},
		{"99999999999999999999999", 0, 5, ERR_RANGE, 0},
		{"0", 1, 65535, ERR_RANGE, 0},
		{"65536", 1, 65535, ERR_RANGE, 0},
		{"", 0, 10, ERR_SYNTAX, 0},
		{"80abc", 0, 100, ERR_SYNTAX, 0},
		{" 80", 0, 100, ERR_SYNTAX, 0},
		{"80 ", 0, 100, ERR_SYNTAX, 0},
		{"-1", 0, 100, ERR_SYNTAX, 0},
		{"+1", 0, 100, ERR_SYNTAX, 0},
		{"1.5", 0, 100, ERR_SYNTAX, 0},
		{"0x", 0, 100, ERR_SYNTAX, 0},
		{"ff", 0, 300, ERR_SYNTAX, 0},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint64_t got = 12345;
		struct err_text e = {""};
		int rc = num_parse_u64(rows[i].text, rows[i].min, rows[i].max, "port", &got, &e);
		assert_int_equal(rc, rows[i].code);
		assert_int_equal(got, rc ? 12345 : rows[i].want);
		if (rc) {
			assert_non_null(strstr(e.text, "port: \""));
			assert_non_null(strstr(e.text, rows[i].text));
		}
	}
}

static void error_texts(void **state)
{
	struct err_text e;
	uint64_t v;
	int64_t ns;
	double d;
	(void)state;
	assert_int_equal(num_parse_u64("80\x1b", 1, 65535, "port", &v, &e), ERR_SYNTAX);
	assert_string_equal(e.text,
			    "port: \"80\\x1b\" is not a number; expected a whole number from 1 to 65535");
	assert_int_equal(num_parse_duration("5d", 0, NS_PER_S, "--wait", &ns, &e), ERR_SYNTAX);
	assert_string_equal(e.text,
			    "--wait: \"5d\" is not a time; expected a number with ms, s, m or h, such as "
			    "500ms or 1.5s");
	assert_int_equal(num_parse_duration("2", NS_PER_MS, NS_PER_S, "--wait", &ns, &e), ERR_RANGE);
	assert_string_equal(e.text, "--wait: \"2\" is out of range; expected a time from 1ms to 1s");
	assert_int_equal(num_parse_rate("0", 1e6, "--rate", &d, &e), ERR_RANGE);
	assert_string_equal(
		e.text, "--rate: \"0\" is out of range; expected frames a second above 0 and up to 1000000");
	assert_int_equal(num_parse_u64("x", 0, 9, "port", &v, NULL), ERR_SYNTAX);
}

static void durations(void **state)
{
	static const struct {
		const char *text;
		int code;
		int64_t want;
	} rows[] = {
		{"5", 0, 5 * NS_PER_S},
		{"5s", 0, 5 * NS_PER_S},
		{"0", 0, 0},
		{"10ms", 0, 10 * NS_PER_MS},
		{"250us", 0, 250 * NS_PER_US},
		{"1.5us", 0, 1500},
		{"3m", 0, 180 * NS_PER_S},
		{"2h", 0, 7200 * NS_PER_S},
		{"0.5s", 0, NS_PER_S / 2},
		{".5", 0, NS_PER_S / 2},
		{"0.25h", 0, 900 * NS_PER_S},
		{"0.999999999s", 0, 999999999},
		{"0.9999999999999999999999999s", 0, 999999999},
		{"0001s", 0, NS_PER_S},
		{"100h", 0, 360000 * NS_PER_S},
		{"100.001h", ERR_RANGE, 0},
		{"999999999999999999h", ERR_RANGE, 0},
		{"9999999999999999999999", ERR_RANGE, 0},
		{"", ERR_SYNTAX, 0},
		{"s", ERR_SYNTAX, 0},
		{"ms", ERR_SYNTAX, 0},
		{".", ERR_SYNTAX, 0},
		{"5.", ERR_SYNTAX, 0},
		{"5.s", ERR_SYNTAX, 0},
		{"5 s", ERR_SYNTAX, 0},
		{"-5s", ERR_SYNTAX, 0},
		{"5S", ERR_SYNTAX, 0},
		{"5sec", ERR_SYNTAX, 0},
		{"1e3", ERR_SYNTAX, 0},
		{"1:30", ERR_SYNTAX, 0},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		int64_t got = -1;
		struct err_text e = {""};
		int rc = num_parse_duration(rows[i].text, 0, 360000 * NS_PER_S, "--wait", &got, &e);
		assert_int_equal(rc, rows[i].code);
		assert_int_equal(got, rc ? -1 : rows[i].want);
		if (rc)
			assert_non_null(strstr(e.text, "--wait: \""));
	}
}

static void duration_texts(void **state)
{
	static const struct {
		int64_t ns;
		const char *want;
	} rows[] = {
		{0, "0"},
		{NS_PER_MS, "1ms"},
		{1500 * NS_PER_MS, "1500ms"},
		{NS_PER_S, "1s"},
		{90 * NS_PER_S, "90s"},
		{120 * NS_PER_S, "2m"},
		{7200 * NS_PER_S, "2h"},
		{250 * NS_PER_US, "0.00025s"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char text[32], tiny[3];
		int64_t back;
		assert_int_equal(num_duration_text(text, sizeof(text), rows[i].ns), strlen(rows[i].want));
		assert_string_equal(text, rows[i].want);
		assert_int_equal(num_parse_duration(text, 0, INT64_MAX, "x", &back, NULL), 0);
		assert_int_equal(back, rows[i].ns);
		assert_true(num_duration_text(tiny, sizeof(tiny), rows[i].ns) <= 2);
	}
}

static void rates_and_probabilities(void **state)
{
	static const struct {
		const char *text;
		int code;
		double want;
	} rates[] =
		{
			{"1000", 0, 1000},
			{"2.5", 0, 2.5},
			{"300k", 0, 300000},
			{"300K", 0, 300000},
			{"1.2M", 0, 1.2e6},
			{"0.001", 0, 0.001},
			{"10M", 0, 1e7},
			{"10.1M", ERR_RANGE, 0},
			{"0", ERR_RANGE, 0},
			{"0.0k", ERR_RANGE, 0},
			{"99999999999999999999", ERR_RANGE, 0},
			{"", ERR_SYNTAX, 0},
			{"k", ERR_SYNTAX, 0},
			{"5m", ERR_SYNTAX, 0},
			{"1e6", ERR_SYNTAX, 0},
			{"inf", ERR_SYNTAX, 0},
			{"nan", ERR_SYNTAX, 0},
			{"-1", ERR_SYNTAX, 0},
			{"10kk", ERR_SYNTAX, 0},
		},
	  probabilities[] = {
		  {"0.9999", 0, 0.9999},  {".5", 0, 0.5},          {"0.000001", 0, 0.000001},
		  {"0", ERR_RANGE, 0},    {"1", ERR_RANGE, 0},     {"1.0", ERR_RANGE, 0},
		  {"99", ERR_RANGE, 0},   {"99%", ERR_SYNTAX, 0},  {"", ERR_SYNTAX, 0},
		  {"0,5", ERR_SYNTAX, 0}, {"-0.5", ERR_SYNTAX, 0}, {"0x1", ERR_SYNTAX, 0},
	  };
	double got;
	struct err_text e;
	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(*rates); i++) {
		assert_int_equal(num_parse_rate(rates[i].text, 1e7, "--rate", &got, &e), rates[i].code);
		if (!rates[i].code)
			assert_true(got > rates[i].want * 0.999999999 && got < rates[i].want * 1.000000001);
	}
	for (size_t i = 0; i < sizeof(probabilities) / sizeof(*probabilities); i++) {
		int rc = num_parse_probability(probabilities[i].text, "--confidence", &got, &e);
		assert_int_equal(rc, probabilities[i].code);
		if (!rc)
			assert_true(got > probabilities[i].want * 0.999999999 &&
				    got < probabilities[i].want * 1.000000001);
		else
			assert_non_null(strstr(e.text, "--confidence: \""));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_numbers),
		cmocka_unit_test(error_texts),
		cmocka_unit_test(durations),
		cmocka_unit_test(duration_texts),
		cmocka_unit_test(rates_and_probabilities),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
