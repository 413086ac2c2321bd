#include <arpa/inet.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "net/addr.h"

struct text_case {
	const char *text;
	const char *again; // how it is written back, NULL when it is an error
};

static const struct text_case texts[] = {
	{"198.18.0.1", "198.18.0.1"},
	{"0.0.0.0", "0.0.0.0"},
	{"255.255.255.255", "255.255.255.255"},
	{"1.10.100.109", "1.10.100.109"},
	{"2001:db8::1", "2001:db8::1"},
	{"2001:DB8:0:0:0:0:0:0", "2001:db8::"},
	{"::", "::"},
	{"::1", "::1"},
	{"::1:2", "::1:2"}, // not ::0.1.0.2: RFC 5952 keeps the dotted form for known prefixes
	{"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
	{"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
	{"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
	{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	{"::ffff:198.18.0.1", "198.18.0.1"},
	{"fe80::1", "fe80::1"},
	{"fe80::1%4000000000", "fe80::1%4000000000"},
	{"fe80::1%lo", "fe80::1%lo"},
	{"ff02::1%lo", "ff02::1%lo"},
	{"", NULL},
	{"1.2.3", NULL},
	{"1.2.3.4.5", NULL},
	{"1.2.3.256", NULL},
	{"1.2.3.4 ", NULL},
	{" 1.2.3.4", NULL},
	{"0x1.2.3.4", NULL},
	{"1.2.3.4/24", NULL},
	{"1.2.3.4%lo", NULL},
	{"::ffff:1.2.3.4%lo", NULL},
	{"2001:db8::1%lo", NULL},
	{"fe80::1%", NULL},
	{"fe80::1%0", NULL},
	{"fe80::1%no-such-interface", NULL},
	{"fe80::1%4294967296", NULL},
	{"2001:db8::g", NULL},
	{"2001:db8:::1", NULL},
	{"1:2:3:4:5:6:7:8:9", NULL},
	{"1:2:3:4:5:6:7", NULL},
	{"localhost", NULL},
	{"00000000000000000000000000000000000000000000000000000000000000000000:1", NULL},
};

static void test_parse_and_format(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct addr a;
		struct err_text e = {""};
		char text[ADDR_TEXT_MAX];
		int r = addr_parse(texts[i].text, &a, &e);
		if (texts[i].again == NULL) {
			if (r != ERR_SYNTAX || e.text[0] == '\0')
				fail_msg("%s was taken", texts[i].text);
			continue;
		}
		if (r != 0)
			fail_msg("%s: %s", texts[i].text, e.text);
		addr_format(&a, text);
		assert_string_equal(text, texts[i].again);
	}
}

// Whatever a cut text parses to must be what the C library makes of it.
static void test_cut_short(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char cut[128];
		for (size_t n = 0; n <= strlen(texts[i].text); n++) {
			struct addr a;
			uint8_t bytes[16];
			snprintf(cut, sizeof(cut), "%.*s", (int)n, texts[i].text);
			if (strchr(cut, '%') != NULL) {
				int r = addr_parse(cut, &a, NULL);
				assert_true(r == 0 || r == ERR_SYNTAX);
				continue;
			}
			bool expected =
				inet_pton(AF_INET, cut, bytes) == 1 || inet_pton(AF_INET6, cut, bytes) == 1;
			assert_int_equal(addr_parse(cut, &a, NULL) == 0, expected);
		}
	}
}

static void test_error_is_safe_text(void **state)
{
	struct addr a;
	struct err_text e;

	(void)state;
	assert_int_equal(addr_parse("\033[31m\n1.2.3.4", &a, &e), ERR_SYNTAX);
	for (const char *p = e.text; *p != '\0'; p++)
		assert_true(*p >= ' ' && *p < 127);
}

// Random groups, many of them zero, against inet_ntop (which writes some low addresses in dotted form).
static void test_format_like_libc(void **state)
{
	uint64_t x = 1;

	(void)state;
	for (int i = 0; i < 50000; i++) {
		uint8_t bytes[16], back[16];
		char mine[ADDR_TEXT_MAX], libc[INET6_ADDRSTRLEN];
		struct addr parsed;
		for (int g = 0; g < 8; g++) {
			x = hash_mix64(x + 0x9e3779b97f4a7c15ULL);
			unsigned value = (x & 3) != 0 ? 0 : (unsigned)(x >> 8 & 0xffff) >> (x >> 4 & 15);
			bytes[2 * g] = (uint8_t)(value >> 8);
			bytes[2 * g + 1] = (uint8_t)value;
		}
		struct addr a = addr_v6(bytes);
		addr_format(&a, mine);
		assert_int_equal(addr_parse(mine, &parsed, NULL), 0);
		assert_true(addr_equal(&a, &parsed));
		assert_int_equal(addr_bytes(&a, back), 16);
		assert_memory_equal(bytes, back, 16);
		inet_ntop(AF_INET6, bytes, libc, sizeof(libc));
		if (strchr(libc, '.') == NULL)
			assert_string_equal(mine, libc);
	}
}

static void test_v4_bytes_and_order(void **state)
{
	uint8_t b[16];
	struct addr low = addr_v4(0xc6120001), high = addr_v4(0xc6120002), v6, scoped;

	(void)state;
	assert_int_equal(addr_bytes(&low, b), 4);
	assert_memory_equal(b, "\xc6\x12\x00\x01", 4);
	assert_true(addr_compare(&low, &high) < 0);
	assert_true(addr_compare(&high, &low) > 0);
	assert_int_equal(addr_compare(&low, &low), 0);
	assert_int_equal(addr_parse("fe80::1", &v6, NULL), 0);
	assert_true(addr_compare(&high, &v6) < 0);
	scoped = v6;
	scoped.scope = 2;
	assert_true(addr_compare(&v6, &scoped) < 0);
	assert_true(addr_compare(&scoped, &v6) > 0);
	assert_true(addr_hash(&v6) != addr_hash(&scoped));
	assert_true(addr_hash(&low) != addr_hash(&high));
	assert_true(addr_value(&v6) == ((u128)0xfe80 << 112 | 1));
	scoped = addr_of_value(addr_value(&v6), 0);
	assert_true(addr_equal(&v6, &scoped));
}

struct space_case {
	const char *text;
	bool reserved, public;
};

static void test_special_blocks(void **state)
{
	static const struct space_case cases[] = {
		{"0.0.0.0", true, false},
		{"0.255.255.255", true, false},
		{"1.0.0.0", false, true},
		{"9.255.255.255", false, true},
		{"10.0.0.0", false, false},
		{"11.0.0.0", false, true},
		{"100.63.255.255", false, true},
		{"100.64.0.0", false, false},
		{"100.127.255.255", false, false},
		{"100.128.0.0", false, true},
		{"127.0.0.1", false, false},
		{"169.254.1.1", false, false},
		{"172.15.255.255", false, true},
		{"172.16.0.0", false, false},
		{"172.31.255.255", false, false},
		{"172.32.0.0", false, true},
		{"192.0.2.1", false, false},
		{"192.0.3.0", false, true},
		{"192.168.255.255", false, false},
		{"192.169.0.0", false, true},
		{"198.17.255.255", false, true},
		{"198.18.0.0", false, false},
		{"198.19.255.255", false, false},
		{"198.20.0.0", false, true},
		{"203.0.113.9", false, false},
		{"223.255.255.255", false, true},
		{"224.0.0.0", true, false},
		{"239.255.255.255", true, false},
		{"240.0.0.0", true, false},
		{"255.255.255.254", true, false},
		{"255.255.255.255", true, false},
		{"::", true, false},
		{"::1", false, false},
		{"::2", false, false},
		{"2001:db8::1", false, false},
		{"2001:db9::1", false, true},
		{"2001:1ff:ffff::", false, false},
		{"2001:200::", false, true},
		{"2600::", false, true},
		{"3fff:fff::", false, false},
		{"3fff:1000::", false, true},
		{"4000::", false, false},
		{"fd00::1", false, false},
		{"fe80::1", false, false},
		{"100::1", false, false},
		{"100:0:0:1::", false, false},
		{"ff02::1", true, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct addr a;
		assert_int_equal(addr_parse(cases[i].text, &a, NULL), 0);
		if ((addr_reserved_name(&a) != NULL) != cases[i].reserved ||
		    addr_is_public(&a) != cases[i].public)
			fail_msg("%s", cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_and_format),   cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_error_is_safe_text), cmocka_unit_test(test_format_like_libc),
		cmocka_unit_test(test_v4_bytes_and_order), cmocka_unit_test(test_special_blocks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
