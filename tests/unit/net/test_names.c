// Name lookups through the module, against a small DNS server on 127.0.0.1 that also lies.
#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/module.h"
#include "dns_server.h"
#include "net/names.h"

#define TIMEOUT (400 * NS_PER_MS)

struct fixture {
	const struct names_ops *ops; // NULL: not built
	struct dns_server server;
	char servers[32];
	struct names_config cfg;
};

static const struct names_ops *load(void)
{
	char path[600];
	ssize_t n = readlink("/proc/self/exe", path, 500);
	assert_true(n > 0);
	path[n] = '\0';
	strcpy(strrchr(path, '/'), "/../libprtip-names.so");
	if (access(path, R_OK))
		return NULL;
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		fail_msg("%s", dlerror());
	const struct module_info *(*entry)(void);
	void *symbol = dlsym(handle, MODULE_SYMBOL);
	assert_non_null(symbol);
	memcpy(&entry, &symbol, sizeof(entry));
	assert_int_equal(entry()->abi, MODULE_ABI);
	return entry()->ops;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	f->ops = load();
	assert_true(dns_server_start(&f->server));
	snprintf(f->servers, sizeof(f->servers), "127.0.0.1:%u", f->server.port);
	f->cfg = (struct names_config){.servers = f->servers, .timeout_ns = TIMEOUT};
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	dns_server_stop(&f->server);
	free(f);
	return 0;
}

// ---- forward

#define BOTH (NAMES_V4 | NAMES_V6)

static void addrs_text(const struct names_lookup *l, char out[512])
{
	out[0] = '\0';
	for (unsigned i = 0; i < l->count && strlen(out) < 400; i++) {
		char text[ADDR_TEXT_MAX];
		addr_format(&l->addrs[i], text);
		strcat(out, i ? " " : "");
		strcat(out, text);
	}
}

static const struct forward_case {
	const char *name;
	unsigned families;
	enum names_status status;
	const char *addrs;
} forward_cases[] = {
	{"ok.example.test.", NAMES_V4, NAMES_OK, "198.18.0.5 198.18.0.6"},
	{"ok.example.test.", NAMES_V6, NAMES_OK, "2001:db8::5"},
	{"v4only.example.test.", BOTH, NAMES_OK, "198.18.0.7"},
	{"v4only.example.test.", NAMES_V6, NAMES_NOT_FOUND, ""},
	{"alias.example.test.", NAMES_V4, NAMES_OK, "198.18.0.5"},
	{"none.example.test.", BOTH, NAMES_NOT_FOUND, ""},
	{"refused.example.test.", BOTH, NAMES_SERVER, ""},
	{"silent.example.test.", BOTH, NAMES_TIMEOUT, ""},
	{"wrongid.example.test.", NAMES_V4, NAMES_TIMEOUT, ""},
	{"loop.example.test.", NAMES_V4, NAMES_MALFORMED, ""},
	{"long.example.test.", NAMES_V4, NAMES_MALFORMED, ""},
	{"not a name", BOTH, NAMES_MALFORMED, ""},
	{"a..b", BOTH, NAMES_MALFORMED, ""},
	{"x\033[31m", BOTH, NAMES_MALFORMED, ""},
};

#define FORWARD_CASES (sizeof(forward_cases) / sizeof(forward_cases[0]))

static void test_forward(void **state)
{
	struct fixture *f = *state;
	struct names_lookup lookups[FORWARD_CASES];
	struct err_text e = {""};
	for (unsigned i = 0; i < FORWARD_CASES; i++)
		lookups[i] = (struct names_lookup){.name = forward_cases[i].name,
						   .families = forward_cases[i].families};
	int64_t begin = clock_mono_ns();
	assert_int_equal(names_resolve(f->ops, &f->cfg, lookups, FORWARD_CASES, &e), 0);
	assert_true(clock_mono_ns() - begin < 3 * TIMEOUT);
	for (unsigned i = 0; i < FORWARD_CASES; i++) {
		char text[512];
		if (lookups[i].status != forward_cases[i].status)
			fail_msg("%s: status %u (%s)", lookups[i].name, lookups[i].status, lookups[i].reason);
		addrs_text(&lookups[i], text);
		assert_string_equal(text, forward_cases[i].addrs);
		assert_int_equal(lookups[i].status == NAMES_OK, lookups[i].reason[0] == '\0');
	}
	names_lookup_free(lookups, FORWARD_CASES);
}

static void test_many_and_both(void **state)
{
	struct fixture *f = *state;
	struct names_lookup lookups[] = {{.name = "many.example.test.", .families = NAMES_V4},
					 {.name = "ok.example.test.", .families = BOTH}};
	assert_int_equal(names_resolve(f->ops, &f->cfg, lookups, 2, NULL), 0);
	assert_int_equal(lookups[0].count, 25);
	assert_int_equal(lookups[1].count, 3);
	names_lookup_free(lookups, 2);
}

// The same answer cut short after every byte, and with each byte inverted: hundreds of lookups at once, none
// of which may end in anything but a status.
static void test_mutilated(void **state)
{
	struct fixture *f = *state;
	enum { N = DNS_OK_BYTES };
	static char names[2 * N][40];
	struct names_lookup lookups[2 * N];
	for (unsigned i = 0; i < N; i++) {
		snprintf(names[i], sizeof(names[i]), "cut%u.example.test.", i);
		snprintf(names[N + i], sizeof(names[i]), "flip%u.example.test.", i);
	}
	for (unsigned i = 0; i < 2 * N; i++)
		lookups[i] = (struct names_lookup){.name = names[i], .families = NAMES_V4};
	int64_t begin = clock_mono_ns();
	assert_int_equal(names_resolve(f->ops, &f->cfg, lookups, 2 * N, NULL), 0);
	assert_true(clock_mono_ns() - begin < 3 * TIMEOUT);
	for (unsigned i = 0; i < N - 1; i++) {
		assert_true(lookups[i].status <= NAMES_CANCELLED);
		if (i < 60)
			assert_int_not_equal(lookups[i].status, NAMES_OK);
	}
	assert_int_equal(lookups[N - 1].status, NAMES_OK);
	names_lookup_free(lookups, 2 * N);
}

// ---- reverse

struct answer {
	unsigned calls;
	enum names_status status;
	char text[600];
};

static void on_answer(void *ctx, const struct names_result *r)
{
	struct answer *a = (struct answer *)ctx + r->token;
	a->calls++;
	a->status = r->status;
	assert_int_equal(r->status == NAMES_OK, r->ptr_count > 0);
	for (unsigned i = 0; i < r->ptr_count; i++) {
		strcat(a->text, i ? " " : "");
		strncat(a->text, r->ptrs[i], 250);
	}
}

static void drive(const struct names_ops *ops, struct names *n)
{
	while (ops->pending(n)) {
		struct pollfd fds[NAMES_FDS_MAX];
		int64_t timeout_ns;
		unsigned used = ops->fds(n, fds, NAMES_FDS_MAX, &timeout_ns);
		assert_true(timeout_ns >= 0);
		int rc = poll(fds, used, (int)(timeout_ns / NS_PER_MS) + 1);
		ops->process(n, fds, rc > 0 ? used : 0);
	}
}

static void test_reverse(void **state)
{
	struct fixture *f = *state;
	static const struct {
		uint8_t last;
		enum names_status status;
		const char *text;
	} cases[] = {
		{10, NAMES_OK, "host-10.example.test"},
		{11, NAMES_OK, "under_11.example.test"},
		{12, NAMES_MALFORMED, ""},
		{13, NAMES_MALFORMED, ""},
		{14, NAMES_OK, "two.example.test one.example.test"},
		{15, NAMES_NOT_FOUND, ""},
		{16, NAMES_MALFORMED, ""},
		{17, NAMES_NOT_FOUND, ""},
		{18, NAMES_MALFORMED, ""},
		{19, NAMES_NOT_FOUND, ""},
	};
	enum { CASES = sizeof(cases) / sizeof(cases[0]) };
	struct answer answers[CASES] = {0};
	struct names *n;
	struct err_text e = {""};
	assert_int_equal(f->ops->open(&n, &f->cfg, on_answer, answers, &e), 0);
	for (unsigned i = 0; i < CASES; i++) {
		struct addr a = addr_v4(0xc6120000u | cases[i].last);
		assert_int_equal(f->ops->reverse(n, i, &a), 0);
	}
	drive(f->ops, n);
	f->ops->close(n);
	for (unsigned i = 0; i < CASES; i++) {
		assert_int_equal(answers[i].calls, 1);
		if (answers[i].status != cases[i].status || strcmp(answers[i].text, cases[i].text) != 0)
			fail_msg("198.18.0.%u: status %u, \"%s\"", cases[i].last, answers[i].status,
				 answers[i].text);
	}
}

static void test_queue_and_cancel(void **state)
{
	struct fixture *f = *state;
	static struct answer answers[600];
	struct names_config cfg = f->cfg;
	struct names *n;
	cfg.max_active = 50;
	assert_int_equal(f->ops->open(&n, &cfg, on_answer, answers, NULL), 0);
	struct addr a = addr_v4(0xc612000a);
	for (unsigned i = 0; i < 500; i++)
		assert_int_equal(f->ops->reverse(n, i, &a), 0);
	assert_int_equal(f->ops->pending(n), 500);
	drive(f->ops, n);
	for (unsigned i = 0; i < 500; i++) {
		assert_int_equal(answers[i].calls, 1);
		assert_string_equal(answers[i].text, "host-10.example.test");
	}
	for (unsigned i = 500; i < 600; i++)
		assert_int_equal(f->ops->reverse(n, i, &a), 0);
	f->ops->cancel(n);
	assert_int_equal(f->ops->pending(n), 0);
	for (unsigned i = 500; i < 600; i++) {
		assert_int_equal(answers[i].calls, 1);
		assert_int_equal(answers[i].status, NAMES_CANCELLED);
	}
	assert_int_equal(f->ops->reverse(n, 0, &a), 0);
	f->ops->close(n);
	assert_int_equal(answers[0].calls, 1); // not told after close
}

static void test_bad_servers(void **state)
{
	struct fixture *f = *state;
	static const char *const bad[] = {
		"",           "nonsense", "127.0.0.1:", "127.0.0.1:0",    "127.0.0.1:70000", "127.0.0.1,",
		",127.0.0.1", "[::1",     "[::1]x",     "[127.0.0.1]:53", "127.0.0.1:53x",   "1.2.3"};
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct names_config cfg = {.servers = bad[i]};
		struct names *n;
		struct err_text e = {""};
		if (f->ops->open(&n, &cfg, on_answer, NULL, &e) == 0)
			fail_msg("\"%s\" was taken", bad[i]);
		assert_true(e.text[0]);
	}
}

// ---- without the module

static void test_parse_server(void **state)
{
	(void)state;
	static const struct {
		const char *text, *addr;
		unsigned port;
		const char *rest;
	} cases[] = {
		{"198.18.0.1", "198.18.0.1", 53, ""},
		{"198.18.0.1:5353,198.18.0.2", "198.18.0.1", 5353, "198.18.0.2"},
		{"2001:db8::1", "2001:db8::1", 53, ""},
		{"[2001:db8::1]", "2001:db8::1", 53, ""},
		{"[2001:db8::1]:1,x", "2001:db8::1", 1, "x"},
	};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct addr a;
		uint16_t port;
		const char *rest;
		char text[ADDR_TEXT_MAX];
		assert_int_equal(names_parse_server(cases[i].text, &rest, &a, &port, NULL), 0);
		addr_format(&a, text);
		assert_string_equal(text, cases[i].addr);
		assert_int_equal(port, cases[i].port);
		assert_string_equal(rest, cases[i].rest);
	}
}

static void test_valid_names(void **state)
{
	(void)state;
	char name[260];
	memset(name, 'a', sizeof(name));
	name[63] = name[127] = name[191] = '.';
	name[253] = '\0'; // 63 + 63 + 63 + 61 and three dots
	assert_true(names_is_valid(name));
	name[253] = '.';
	name[254] = '\0';
	assert_true(names_is_valid(name));
	name[253] = 'a';
	assert_false(names_is_valid(name));
	name[191] = 'a'; // a label of 125
	name[253] = '\0';
	assert_false(names_is_valid(name));
	static const char *const good[] = {"a", "a.b", "A-1.example", "1.2.3.4", "_dmarc.example.", "x--y"};
	static const char *const bad[] = {"",     ".",   "..",  "a..b", ".a",       "-a",  "a-",
					  "a.-b", "a b", "a/b", "a*",   "\xc3\xa4", "a\n", "a\033"};
	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!names_is_valid(good[i]))
			fail_msg("\"%s\" was refused", good[i]);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (names_is_valid(bad[i]))
			fail_msg("\"%s\" was taken", bad[i]);
}

static void test_escape(void **state)
{
	(void)state;
	static const struct {
		const char *in, *out;
		size_t cap;
	} cases[] = {
		{"host.example.", "host.example", 64},
		{"a\033[0m", "a\\x1b\\x5b0m", 64},
		{"<x>", "\\x3cx\\x3e", 64},
		{"\xff\xfe", "\\xff\\xfe", 64},
		{"abcdef", "abc", 4},
		{"a\001\002", "a\\x01", 9},
		{"", "", 1},
	};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char out[64];
		names_escape(out, cases[i].cap, cases[i].in);
		assert_string_equal(out, cases[i].out);
	}
}

#define PLAIN \
	cmocka_unit_test(test_valid_names), cmocka_unit_test(test_escape), cmocka_unit_test(test_parse_server)

int main(void)
{
	const struct CMUnitTest plain[] = {PLAIN};
	const struct CMUnitTest all[] = {
		PLAIN,
		cmocka_unit_test(test_bad_servers),
		cmocka_unit_test(test_forward),
		cmocka_unit_test(test_many_and_both),
		cmocka_unit_test(test_mutilated),
		cmocka_unit_test(test_reverse),
		cmocka_unit_test(test_queue_and_cancel),
	};
	const struct names_ops *ops = load();
	if (ops)
		return cmocka_run_group_tests_name("names", all, set_up, tear_down);
	print_message("# skipped: 6 tests, the names module was not built\n");
	return cmocka_run_group_tests_name("names", plain, NULL, NULL);
}
