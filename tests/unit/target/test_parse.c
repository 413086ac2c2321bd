#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/hash.h"
#include "target/parse.h"

struct range_case {
	const char *text;
	const char *ranges; // "first-last first-last …"; NULL for an error
};

static const struct range_case cases[] = {
	{"198.18.0.1", "198.18.0.1-198.18.0.1"},
	{"0.0.0.0", "0.0.0.0-0.0.0.0"},
	{"255.255.255.255", "255.255.255.255-255.255.255.255"},
	{"198.18.0.0/16", "198.18.0.0-198.18.255.255"},
	{"198.18.77.5/16", "198.18.0.0-198.18.255.255"},
	{"198.18.77.5/32", "198.18.77.5-198.18.77.5"},
	{"198.18.77.5/31", "198.18.77.4-198.18.77.5"},
	{"198.18.77.5/9", "198.0.0.0-198.127.255.255"},
	{"1.2.3.4/0", "0.0.0.0-255.255.255.255"},
	{"198.18.0-3.1",
	 "198.18.0.1-198.18.0.1 198.18.1.1-198.18.1.1 198.18.2.1-198.18.2.1 198.18.3.1-198.18.3.1"},
	{"198.18.0,2.1,7,100-", "198.18.0.1-198.18.0.1 198.18.0.7-198.18.0.7 198.18.0.100-198.18.0.255 "
				"198.18.2.1-198.18.2.1 198.18.2.7-198.18.2.7 198.18.2.100-198.18.2.255"},
	{"198.18.0.-", "198.18.0.0-198.18.0.255"},
	{"198.18.0.*", "198.18.0.0-198.18.0.255"},
	{"198.18.-.-", "198.18.0.0-198.18.255.255"},
	{"-.-.-.-", "0.0.0.0-255.255.255.255"},
	{"198.18.0-1.-", "198.18.0.0-198.18.1.255"},
	{"198.18.0.-9", "198.18.0.0-198.18.0.9"},
	{"198.18.0.3,2,1", "198.18.0.1-198.18.0.3"},
	{"198.18.0.1-5,4-9", "198.18.0.1-198.18.0.9"},
	{"198.18.0.254-", "198.18.0.254-198.18.0.255"},
	{"198.18.5.9/22", "198.18.4.0-198.18.7.255"},
	{"198.18.0,4.9/23", "198.18.0.0-198.18.1.255 198.18.4.0-198.18.5.255"},
	{"198.18.0.1,130/25", "198.18.0.0-198.18.0.255"},
	{"001.002.003.004", "1.2.3.4-1.2.3.4"},
	{"2001:db8::1", "2001:db8::1-2001:db8::1"},
	{"2001:db8::/64", "2001:db8::-2001:db8::ffff:ffff:ffff:ffff"},
	{"2001:db8::77/120", "2001:db8::-2001:db8::ff"},
	{"2001:db8::77/128", "2001:db8::77-2001:db8::77"},
	{"::/0", "::-::fffe:ffff:ffff ::1:0:0:0-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	{"::/80", "::-::fffe:ffff:ffff"},
	{"::fffe:0:1/95", "::fffe:0:0-::fffe:ffff:ffff"},
	{"::ffff:198.18.0.7/120", "198.18.0.0-198.18.0.255"},
	{"::ffff:198.18.0.7", "198.18.0.7-198.18.0.7"},
	{"fe80::1%lo", "fe80::1%lo-fe80::1%lo"},
	{"fe80::7%lo/126", "fe80::4%lo-fe80::7%lo"},
	{"", NULL},
	{"1", NULL},
	{"1.2.3", NULL},
	{"1.2.3.", NULL},
	{"1.2.3.4.", NULL},
	{"1.2.3.4.5", NULL},
	{".1.2.3", NULL},
	{"1..2.3", NULL},
	{"1.2.3.256", NULL},
	{"256.1.1.1", NULL},
	{"1.2.3.4294967297", NULL},
	{"1.2.3.99999999999999999999", NULL},
	{"1.2.3.4/33", NULL},
	{"1.2.3.4/", NULL},
	{"1.2.3.4/-1", NULL},
	{"1.2.3.4/24/24", NULL},
	{"1.2.3.4/0x8", NULL},
	{"1.2.3.4/4294967304", NULL},
	{"1.2.3.9-4", NULL},
	{"1.2.3.1,", NULL},
	{"1.2.3.,1", NULL},
	{"1.2.3.1-2-3", NULL},
	{"1.2.3.1--3", NULL},
	{"1.2.3.**", NULL},
	{"1.2.3.1*", NULL},
	{"1.2.3.4-1.2.3.9", NULL},
	{"-", NULL},
	{"/24", NULL},
	{"1.2.3.4 ", NULL},
	{"1-254.1-254.1-254.1", NULL},
	{"0x7f000001", NULL},
	{"0x7f.1", NULL},
	{"host.1", NULL},
	{"host.0x7F", NULL},
	{"2001:db8::/129", NULL},
	{"2001:db8::/", NULL},
	{"2001:db8::1%lo", NULL},
	{"2001:db8::/64%lo", NULL},
	{"fe80::1%nosuchif", NULL},
	{"::ffff:1.2.3.4/95", NULL},
	{"[2001:db8::1]", NULL},
	{"host:80", NULL},
	{"-host", NULL},
	{"host-", NULL},
	{"a..b", NULL},
	{".", NULL},
	{"..", NULL},
	{"h\303\266st", NULL},
	{"ho st", NULL},
	{"host/", NULL},
	{"host/129", NULL},
	{"host/x", NULL},
	{"host\033[1m", NULL},
	{"x234567890123456789012345678901234567890123456789012345678901234", NULL},
};

static int parse(const char *text, struct addrset **set, enum target_kind *kind, struct target_name *name)
{
	struct err_text e = {""};

	*set = addrset_new();
	int r = target_parse(text, *set, kind, name, &e);
	addrset_seal(*set);
	assert_int_equal(r != 0, e.text[0] != '\0');
	for (const char *p = e.text; *p != '\0'; p++)
		assert_true((unsigned char)*p >= ' ');
	return r;
}

static void describe(const struct addrset *set, char *out, size_t size)
{
	const struct addr_range *ranges = addrset_ranges(set);
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < addrset_range_count(set) && used < size; i++) {
		char first[ADDR_TEXT_MAX], last[ADDR_TEXT_MAX];
		addr_format(&ranges[i].first, first);
		addr_format(&ranges[i].last, last);
		used += (size_t)snprintf(out + used, size - used, "%s%s-%s", i != 0 ? " " : "", first, last);
	}
}

static void test_ranges(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct addrset *set;
		enum target_kind kind;
		struct target_name name;
		char text[1024];
		int r = parse(cases[i].text, &set, &kind, &name);
		if ((r == 0) != (cases[i].ranges != NULL))
			fail_msg("%s: %d", cases[i].text, r);
		if (r == 0) {
			assert_int_equal(kind, TARGET_RANGES);
			describe(set, text, sizeof(text));
			assert_string_equal(text, cases[i].ranges);
		} else {
			assert_true(r == ERR_SYNTAX || r == ERR_LIMIT);
			assert_int_equal(addrset_range_count(set), 0);
		}
		addrset_free(set);
	}
}

static void test_names(void **state)
{
	static const struct {
		const char *text, *name;
		int prefix;
	} names[] = {
		{"localhost", "localhost", -1},
		{"host.example", "host.example", -1},
		{"host.example.", "host.example.", -1},
		{"host.example/24", "host.example", 24},
		{"host/128", "host", 128},
		{"host/0", "host", 0},
		{"a_b.example", "a_b.example", -1},
		{"3com.example", "3com.example", -1},
		{"1.2.3.4x", "1.2.3.4x", -1},
		{"a--b", "a--b", -1},
		{"0xyz", "0xyz", -1},
		{"x23456789012345678901234567890123456789012345678901234567890123",
		 "x23456789012345678901234567890123456789012345678901234567890123", -1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct addrset *set;
		enum target_kind kind;
		struct target_name name;
		assert_int_equal(parse(names[i].text, &set, &kind, &name), 0);
		assert_int_equal(kind, TARGET_NAME);
		assert_string_equal(name.name, names[i].name);
		assert_int_equal(name.prefix, names[i].prefix);
		assert_int_equal(addrset_range_count(set), 0);
		addrset_free(set);
	}
}

static void test_long_text(void **state)
{
	struct addrset *set;
	enum target_kind kind;
	struct target_name name;
	char text[1200];

	(void)state;
	for (size_t len = 1; len < sizeof(text); len++) {
		for (size_t i = 0; i < len; i++)
			text[i] = i % 50 == 49 && i + 1 < len ? '.' : 'a';
		text[len] = '\0';
		assert_int_equal(parse(text, &set, &kind, &name) == 0, len <= 253);
		addrset_free(set);
		if (len >= sizeof(text) - 1)
			break;
	}
}

static void test_cut_short(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t n = 0; n <= strlen(cases[i].text); n++) {
			struct addrset *set;
			enum target_kind kind;
			struct target_name name;
			char *cut = strndup(cases[i].text, n);
			int r = parse(cut, &set, &kind, &name);
			if (r == 0)
				assert_int_equal(addrset_count(set) > 0, kind == TARGET_RANGES);
			free(cut);
			addrset_free(set);
		}
	}
}

static uint64_t draw(uint64_t *state, uint64_t bound)
{
	*state = hash_mix64(*state + 0x9e3779b97f4a7c15ULL);
	return *state % bound;
}

// Writes a random list for one octet, values from `low` up, and marks what it stands for.
static size_t random_octet(uint64_t *seed, char *text, size_t size, bool values[256], unsigned low)
{
	size_t used = 0;

	for (unsigned i = 0, elements = 1 + (unsigned)draw(seed, 3); i < elements; i++) {
		unsigned first = low + (unsigned)draw(seed, 256 - low),
			 last = first + (unsigned)draw(seed, 256 - first);
		const char *comma = i != 0 ? "," : "";
		switch (draw(seed, 4)) {
		case 0:
			last = first;
			used += (size_t)snprintf(text + used, size - used, "%s%u", comma, first);
			break;
		case 1:
			last = 255;
			used += (size_t)snprintf(text + used, size - used, "%s%u-", comma, first);
			break;
		case 2:
			last = low == 0 ? first : (unsigned)draw(seed, 3);
			first = 0;
			used += (size_t)snprintf(text + used, size - used, "%s-%u", comma, last);
			break;
		default:
			used += (size_t)snprintf(text + used, size - used, "%s%u-%u", comma, first, last);
			break;
		}
		for (unsigned v = first; v <= last; v++)
			values[v] = true;
	}
	return used;
}

// The text is made from the sets, so the sets are the oracle: the count is their product, and membership
// their conjunction.
static void test_random_patterns(void **state)
{
	uint64_t seed = 3;

	(void)state;
	for (int round = 0; round < 150; round++) {
		bool values[4][256] = {0};
		char text[256];
		size_t used = 0;
		u128 product = 1;
		for (int octet = 0; octet < 4; octet++) {
			unsigned low = octet < 2 ? 250 : 0; // few values, so few ranges
			used += random_octet(&seed, text + used, sizeof(text) - used, values[octet], low);
			text[used++] = octet < 3 ? '.' : '\0';
			unsigned count = 0;
			for (unsigned v = 0; v < 256; v++)
				count += values[octet][v];
			product *= count;
		}
		struct addrset *set;
		enum target_kind kind;
		struct target_name name;
		int r = parse(text, &set, &kind, &name);
		assert_int_equal(r, 0);
		assert_true(addrset_count(set) == product);
		for (int k = 0; k < 3000; k++) {
			uint32_t v = (uint32_t)draw(&seed, 1ULL << 32);
			if (k % 2 == 0) // near the set
				v = (v | 0xfafa0000U) & ~((uint32_t)draw(&seed, 2) << 24);
			struct addr a = addr_v4(v);
			bool in = values[0][v >> 24] && values[1][v >> 16 & 255] && values[2][v >> 8 & 255] &&
				  values[3][v & 255];
			assert_int_equal(addrset_contains(set, &a), in);
		}
		addrset_free(set);
	}
}

struct collected {
	char words[512];
	int stop_after;
};

static int collect(void *ctx, const char *text, struct err_text *e)
{
	struct collected *c = ctx;
	size_t used = strlen(c->words);

	if (c->stop_after-- == 0)
		return err_set(e, ERR_RANGE, "no more");
	snprintf(c->words + used, sizeof(c->words) - used, "%s|", text);
	return 0;
}

static void test_file_text(void **state)
{
	static const struct {
		const char *text, *words;
	} texts[] = {
		{"", ""},
		{"\n\n", ""},
		{"198.18.0.1", "198.18.0.1|"},
		{"198.18.0.1 198.18.0.2\n\t2001:db8::1\r\nhost\f\v\n",
		 "198.18.0.1|198.18.0.2|2001:db8::1|host|"},
		{"# all\n198.18.0.1 # one 198.18.0.9\n198.18.0.2#two\n#", "198.18.0.1|198.18.0.2|"},
		{"##\n", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct collected c = {"", -1};
		assert_int_equal(
			target_read_text("x", texts[i].text, strlen(texts[i].text), collect, &c, NULL), 0);
		assert_string_equal(c.words, texts[i].words);
	}
	for (size_t n = 0; n <= strlen(texts[3].text); n++) {
		struct collected c = {"", -1};
		char *cut = malloc(n + 1);
		memcpy(cut, texts[3].text, n);
		assert_int_equal(target_read_text("x", cut, n, collect, &c, NULL), 0);
		size_t whole = strlen(c.words) < 2 ? 0 : strlen(c.words) - 2;
		assert_memory_equal(c.words, texts[3].words, whole);
		free(cut);
	}
}

static void test_file_errors(void **state)
{
	struct collected c = {"", 2};
	struct err_text e;
	const char *text = "a\nb # c\n\n d\n";
	char *huge = malloc(5000);

	(void)state;
	assert_int_equal(target_read_text("my\nlist", text, strlen(text), collect, &c, &e), ERR_RANGE);
	assert_string_equal(e.text, "my\\x0alist:4: no more");
	memset(huge, 'a', 5000);
	assert_int_equal(target_read_text("x", huge, 5000, collect, &c, &e), ERR_LIMIT);
	assert_non_null(strstr(e.text, "x:1: "));
	free(huge);
}

static void test_file(void **state)
{
	char path[] = "/tmp/prtip-targets-XXXXXX";
	struct collected c = {"", -1};
	struct err_text e;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "198.18.0.1\n198.18.0.2", 21), 21);
	assert_int_equal(target_read_file(path, collect, &c, &e), 0);
	assert_string_equal(c.words, "198.18.0.1|198.18.0.2|");
	assert_int_equal(write(fd, "a\0b", 3), 3);
	c = (struct collected){"", -1};
	assert_int_equal(target_read_file(path, collect, &c, &e), ERR_SYNTAX);
	assert_string_equal(c.words, ""); // refused whole
	close(fd);
	unlink(path);
	assert_int_equal(target_read_file(path, collect, &c, &e), -2);
	assert_non_null(strstr(e.text, path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranges),    cmocka_unit_test(test_names),
		cmocka_unit_test(test_long_text), cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_file_text), cmocka_unit_test(test_random_patterns),
		cmocka_unit_test(test_file),      cmocka_unit_test(test_file_errors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
