// What is left out of targets larger than a /8, and what is refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "target/parse.h"
#include "target/reserved.h"

struct thin_case {
	const char *targets; // separated by spaces
	u128 count;          // of addresses that remain
	bool thinned;
	const char *ask; // the first that needs --allow-reserved, or NULL
	const char *in, *out;
};

#define BITS(n) ((u128)1 << (n))

static const struct thin_case cases[] = {
	// Named: nothing is left out.
	{"10.0.0.0/8", BITS(24), false, NULL, "10.1.2.3", "11.0.0.0"},
	{"127.0.0.0/8", BITS(24), false, NULL, "127.0.0.1", "11.0.0.0"},
	{"198.18.0.0/15", BITS(17), false, NULL, "198.18.0.1", "198.20.0.0"},
	{"2001:db8::/32", BITS(96), false, NULL, "2001:db8::1", "2001:db9::"},
	{"11.0.0.0/8 10.0.0.0/8", BITS(25), false, NULL, "10.1.2.3", "12.0.0.0"}, // neighbours
	{"10-11.0-254.*.*", 2 * 255 * BITS(16), false, NULL, "10.1.2.3", "10.255.0.0"},
	{"0.0.0.0/8", BITS(24), false, "0.0.0.0", "0.0.0.0", "1.0.0.0"},
	{"192.0.2.1 255.255.255.255", 2, false, "255.255.255.255", "192.0.2.1", "192.0.2.2"},
	{"::/64", BITS(64) - BITS(32), false, "::", "::1", "2000::"},
	// Larger than a /8.
	{"0.0.0.0/0", 3702258432U, true, NULL, "8.8.8.8", "10.0.0.0"},
	{"*.*.*.*", 3702258432U, true, NULL, "192.88.98.255", "192.88.99.0"},
	{"0.0.0.0/1", BITS(31) - 3 * BITS(24) - BITS(22), true, NULL, "126.255.255.255", "127.0.0.0"},
	{"10.0.0.0/7", BITS(24), true, NULL, "11.0.0.0", "10.0.0.0"},
	{"198.0.0.0/7", BITS(25) - BITS(17) - 256, true, NULL, "198.20.0.0", "198.18.0.1"},
	{"2.0.0.0/7", BITS(25), false, NULL, "3.0.0.0", "4.0.0.0"}, // nothing special in it
	{"2000::/3", BITS(125) - BITS(105) - BITS(96) - BITS(108), true, NULL, "2606::1", "2001:db8::1"},
	// … unless another target names it, before or after.
	{"0.0.0.0/0 10.0.0.0/8", 3702258432U + BITS(24), true, NULL, "10.1.2.3", "127.0.0.1"},
	{"198.18.0.1 0.0.0.0/0", 3702258432U + 1, true, NULL, "198.18.0.1", "198.18.0.2"},
	{"0.0.0.0/0 224.0.0.1", 3702258432U + 1, true, "224.0.0.1", "224.0.0.1", "224.0.0.2"},
	// … or nothing else is in it: then it is what was named.
	{"240.0.0.0/4", BITS(28), false, "240.0.0.0", "240.0.0.1", "239.0.0.0"},
	{"224.0.0.0/3", BITS(29), false, "224.0.0.0", "224.0.0.1", "223.0.0.0"},
	{"fc00::/7", BITS(121), false, NULL, "fd00::1", "fe00::"},
	{"ff00::/8", BITS(120), false, "ff00::", "ff02::1", "fe80::1"},
};

static void add_targets(struct addrset *set, const char *targets, bool *thinned)
{
	char texts[128], *save = NULL;
	enum target_kind kind;
	struct target_name name;

	snprintf(texts, sizeof(texts), "%s", targets);
	for (char *t = strtok_r(texts, " ", &save); t; t = strtok_r(NULL, " ", &save)) {
		size_t before = addrset_range_count(set);
		assert_int_equal(target_parse(t, set, &kind, &name, NULL), 0);
		assert_int_equal(reserved_thin(set, before, thinned), 0);
	}
	addrset_seal(set);
}

static bool holds(const struct addrset *set, const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a, NULL), 0);
	return addrset_contains(set, &a);
}

static void test_targets(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct thin_case *c = &cases[i];
		struct addrset *set = addrset_new();
		bool thinned = false;
		struct addr which;
		char text[ADDR_TEXT_MAX] = "";

		add_targets(set, c->targets, &thinned);
		if (addrset_count(set) != c->count || thinned != c->thinned || !holds(set, c->in) ||
		    holds(set, c->out))
			fail_msg("%s: %llu addresses, thinned %d", c->targets,
				 (unsigned long long)addrset_count(set), thinned);
		if (reserved_find(set, &which))
			addr_format(&which, text);
		if (strcmp(text, c->ask ? c->ask : "") != 0)
			fail_msg("%s: \"%s\" needs --allow-reserved", c->targets, text);
		addrset_free(set);
	}
}

// Every block of the list, seen from the whole of its family.
static void test_every_block(void **state)
{
	(void)state;
	size_t count;
	const struct addr_special *s = addr_specials(&count);
	struct addrset *set = addrset_new();
	bool thinned = false;

	add_targets(set, "0.0.0.0/0 ::/0", &thinned);
	assert_true(thinned);
	for (size_t i = 0; i < count; i++) {
		if (addrset_contains(set, &s[i].first) || addrset_contains(set, &s[i].last))
			fail_msg("%s is not left out", s[i].name);
	}
	assert_true(holds(set, "8.8.8.8") && holds(set, "2606::1") && holds(set, "::2"));
	addrset_free(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_every_block),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
