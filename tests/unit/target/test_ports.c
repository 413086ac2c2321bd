#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "target/ports.h"
#include "target/services_table.h"

enum { T = 1 << PROTO_TCP, U = 1 << PROTO_UDP, S = 1 << PROTO_SCTP };

// A small table of services, so that the expectations do not move with the data.
static const char services[] = "ssh 22/tcp 0.2\n"
			       "ssh 22/udp 0.01\n"
			       "http 80/tcp 0.5\n"
			       "http 80/sctp 0\n"
			       "https 443/tcp 0.4\n"
			       "http-proxy 8080/tcp 0.1\n"
			       "domain 53/udp 0.3\n"
			       "domain 53/tcp 0.15\n"
			       "3com-tsmux 106/tcp 0.01\n";

struct port_case {
	const char *text;
	unsigned protos;
	const char *tcp, *udp, *sctp; // NULL tcp: an error
};

static const struct port_case cases[] = {
	{"22", T, "22", "", ""},
	{"22,80", T, "22,80", "", ""},
	{"80,22,80", T, "22,80", "", ""},
	{"22,80", T | U, "22,80", "22,80", ""},
	{"1-1024", T, "1-1024", "", ""},
	{"-100", T, "1-100", "", ""},
	{"60000-", U, "", "60000-65535", ""},
	{"-", T, "1-65535", "", ""},
	{"0", T, "0", "", ""},
	{"0-", T, "0-65535", "", ""},
	{"0-3", T, "0-3", "", ""},
	{"65535", T, "65535", "", ""},
	{"0080", T, "80", "", ""},
	{" 22 , 80-81 ", T, "22,80-81", "", ""},
	{"T:22,U:53", T, "22", "53", ""},
	{"T:22,25,U:53,111,S:9", T | U, "22,25", "53,111", "9"},
	{"7,T:22", U, "22", "7", ""},
	{"T: 22", U, "22", "", ""},
	{"U:-", T, "", "1-65535", ""},
	{"ssh", T, "22", "", ""},
	{"ssh", T | U, "22", "22", ""},
	{"SSH", T, "22", "", ""},
	{"domain", T, "53", "", ""},
	{"U:domain,T:ssh", T, "22", "53", ""},
	{"http*", T, "80,443,8080", "", ""},
	{"http*", T | S, "80,443,8080", "", "80"},
	{"http", T | U, "80", "", ""}, // one protocol that has it is enough
	{"http?", T, "443", "", ""},
	{"*s*h*", T, "22", "", ""},
	{"*", T, "22,53,80,106,443,8080", "", ""},
	{"3com-tsmux", T, "106", "", ""},
	{"[1-100]", T, "22,53,80", "", ""},
	{"[-100]", T | U, "22,53,80", "22,53", ""},
	{"[-]", S, "", "", "80"},
	{"[22,79-443]", T, "22,80,106,443", "", ""},
	{"[1-100],3", T, "3,22,53,80", "", ""},
	{"T:[1-50],U:9", T, "22", "9", ""},
	{"[ssh]", T, "22", "", ""},
	{"[1-50,U:1-60]", T, "22", "22,53", ""},
	{"[3]", T, "", "", ""},
	{"22,", T, "22", "", ""}, // as nmap does
	{"T:22,", T, "22", "", ""},
	{"T:22,U:", T, "22", "", ""},
	{"[22,]", T, "22", "", ""},
	{"22,[]", T, "22", "", ""},
	{"[1-100", T, "22,53,80", "", ""},
	{"3,[1-50,T:60-90", T, "3,22,80", "", ""},
	{"[22,", T, "22", "", ""},
	{"", T, NULL, NULL, NULL},
	{",", T, NULL, NULL, NULL},
	{",22", T, NULL, NULL, NULL},
	{"22,,", T, NULL, NULL, NULL},
	{"22,[", T, NULL, NULL, NULL},
	{"[", T, NULL, NULL, NULL},
	{"T:22,U:,T:80", T, NULL, NULL, NULL},
	{"22,,80", T, NULL, NULL, NULL},
	{"T:", T, NULL, NULL, NULL},
	{"T:,22", T, NULL, NULL, NULL},
	{"X:22", T, NULL, NULL, NULL},
	{"t:22", T, NULL, NULL, NULL},
	{"65536", T, NULL, NULL, NULL},
	{"1-65536", T, NULL, NULL, NULL},
	{"99999999999999999999", T, NULL, NULL, NULL},
	{"4294967318", T, NULL, NULL, NULL}, // 2^32 + 22
	{"100-22", T, NULL, NULL, NULL},
	{"-0", T, NULL, NULL, NULL},
	{"80abc", T, NULL, NULL, NULL},
	{"1-2-3", T, NULL, NULL, NULL},
	{"--", T, NULL, NULL, NULL},
	{"1 2", T, NULL, NULL, NULL},
	{"nosuch", T, NULL, NULL, NULL},
	{"nosuch*", T, NULL, NULL, NULL},
	{"http", U, NULL, NULL, NULL},
	{"1-100]", T, NULL, NULL, NULL},
	{"[1,[2]]", T, NULL, NULL, NULL},
	{"[]", T, NULL, NULL, NULL},
	{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", T, NULL, NULL, NULL},
};

static struct servicedb *small_table(void)
{
	struct servicedb *db;

	assert_int_equal(servicedb_read(&db, "test", services, strlen(services), NULL), 0);
	return db;
}

static void check_format(const struct portset *s, enum proto p, const char *expected, const char *text)
{
	char *formatted = portset_format(s, p);

	if (strcmp(formatted, expected) != 0)
		fail_msg("%s: %s %s, expected %s", text, proto_name(p), formatted, expected);
	free(formatted);
}

static void test_parse(void **state)
{
	struct servicedb *db = small_table();
	struct portset *s = malloc(sizeof(*s));

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct port_case *c = &cases[i];
		struct err_text e = {""};
		memset(s, 0, sizeof(*s));
		int r = ports_parse(c->text, db, c->protos, s, &e);
		if ((r == 0) != (c->tcp != NULL) || (e.text[0] == '\0') != (r == 0))
			fail_msg("\"%s\": %d %s", c->text, r, e.text);
		if (r != 0) {
			assert_true(r == ERR_SYNTAX || r == ERR_RANGE);
			continue;
		}
		check_format(s, PROTO_TCP, c->tcp, c->text);
		check_format(s, PROTO_UDP, c->udp, c->text);
		check_format(s, PROTO_SCTP, c->sctp, c->text);
	}
	free(s);
	servicedb_free(db);
}

// Every prefix parses or is an error; what parses can be read back from its own format.
static void test_cut_short(void **state)
{
	struct servicedb *db = small_table();
	struct portset *s = malloc(sizeof(*s)), *again = malloc(sizeof(*again));

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t n = 0; n <= strlen(cases[i].text); n++) {
			char *cut = strndup(cases[i].text, n);
			struct err_text e = {""};
			memset(s, 0, sizeof(*s));
			memset(again, 0, sizeof(*again));
			int r = ports_parse(cut, db, T, s, &e);
			free(cut);
			if (r != 0) {
				assert_true(e.text[0] != '\0');
				continue;
			}
			char *text = portset_format(s, PROTO_TCP);
			if (text[0] != '\0') {
				assert_int_equal(ports_parse(text, db, T, again, &e), 0);
				assert_memory_equal(s->bits[PROTO_TCP], again->bits[PROTO_TCP],
						    sizeof(s->bits[0]));
			}
			free(text);
		}
	}
	free(s);
	free(again);
	servicedb_free(db);
}

static void test_suggestion(void **state)
{
	struct servicedb *db = small_table();
	struct portset *s = calloc(1, sizeof(*s));
	struct err_text e;

	(void)state;
	assert_int_equal(ports_parse("htps", db, T, s, &e), ERR_SYNTAX);
	assert_non_null(strstr(e.text, "https"));
	assert_int_equal(ports_parse("\033[1m", db, T, s, &e), ERR_SYNTAX);
	assert_null(strchr(e.text, '\033'));
	free(s);
	servicedb_free(db);
}

static void test_match(void **state)
{
	static const struct {
		const char *pattern, *name;
		bool match;
	} patterns[] = {
		{"", "", true},
		{"*", "", true},
		{"?", "", false},
		{"", "a", false},
		{"a*b*c", "aXbYc", true},
		{"a*b*c", "aXbYcd", false},
		{"*ab", "aaab", true},
		{"*ab*", "xxabab", true},
		{"a?c", "abc", true},
		{"a?c", "ac", false},
		{"**", "abc", true},
		{"AbC", "aBc", true},
		{"*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		if (services_match(patterns[i].pattern, patterns[i].name) != patterns[i].match)
			fail_msg("%s %s", patterns[i].pattern, patterns[i].name);
	}
}

static void test_set(void **state)
{
	static const uint16_t ports[] = {0, 1, 63, 64, 65, 127, 1023, 32768, 65472, 65534, 65535};
	enum { COUNT = sizeof(ports) / sizeof(ports[0]) };
	struct portset *s = calloc(1, sizeof(*s));
	uint16_t list[COUNT];

	(void)state;
	for (size_t i = 0; i < COUNT; i++)
		portset_add(s, PROTO_UDP, ports[COUNT - 1 - i]);
	assert_int_equal(portset_count(s, PROTO_UDP), COUNT);
	assert_int_equal(portset_count(s, PROTO_TCP), 0);
	assert_int_equal(portset_list(s, PROTO_UDP, list), COUNT);
	assert_memory_equal(list, ports, sizeof(ports));
	for (unsigned port = 0, i = 0; port < 65536; port++) {
		bool in = i < COUNT && ports[i] == port;
		assert_int_equal(portset_has(s, PROTO_UDP, (uint16_t)port), in);
		i += in;
	}
	check_format(s, PROTO_UDP, "0-1,63-65,127,1023,32768,65472,65534-65535", "");
	check_format(s, PROTO_TCP, "", "");
	for (unsigned port = 0; port < 65536; port += 2)
		portset_add(s, PROTO_SCTP, (uint16_t)port);
	char *text = portset_format(s, PROTO_SCTP); // the longest there is
	assert_int_equal(strlen(text), 5 + 45 * 2 + 450 * 3 + 4500 * 4 + 27768 * 5 + 32767);
	free(text);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),      cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_suggestion), cmocka_unit_test(test_match),
		cmocka_unit_test(test_set),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
