#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "target/ports.h"
#include "target/services_table.h"

struct file_case {
	const char *text;
	const char *error; // part of it, or NULL
	size_t services;
};

static const struct file_case files[] = {
	{"", NULL, 0},
	{"# only a comment\n\n \t\n", NULL, 0},
	{"http\t80/tcp\t0.484143\t# the web\n", NULL, 1},
	{"http 80/tcp 0.484143", NULL, 1},
	{"http   80/tcp\t 1\r\nssh 22/tcp 0\r\n", NULL, 2},
	{"http 80/tcp", NULL, 1},
	{"http 80/tcp 1/20", NULL, 1},
	{"http 80/tcp#comment", NULL, 1},
	{"a 0/udp 0.1\nb 65535/sctp 0.2\n", NULL, 2},
	{"a 1/tcp 0.1\nb 1/tcp 0.2\n", NULL, 1},
	{"http\n", ":1:", 0},
	{"\n\nhttp 80\n", ":3:", 0},
	{"http tcp/80\n", ":1:", 0},
	{"http 80/tpc 0.1\n", ":1:", 0},
	{"http 65536/tcp 0.1\n", ":1:", 0},
	{"http 99999999999999999999999999999999/tcp 0.1\n", ":1:", 0},
	{"http -1/tcp 0.1\n", ":1:", 0},
	{"http 80/tcp x\n", ":1:", 0},
	{"http 80/tcp 0.\n", ":1:", 0},
	{"http 80/tcp .5\n", ":1:", 0},
	{"http 80/tcp 0.5x\n", ":1:", 0},
	{"http 80/tcp -0.5\n", ":1:", 0},
	{"http 80/tcp 1/0\n", ":1:", 0},
	{"http 80/tcp 1/\n", ":1:", 0},
	{"http 80/tcp nan\n", ":1:", 0},
	{"http 80/tcp 0.5 www\n", ":1:", 0},
	{"h\303\244 80/tcp 0.5\n", ":1:", 0},
	{"http 80/tcp 0.1\n\033 22/tcp 0.1\n", ":2:", 0},
};

static void test_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct servicedb *db;
		struct err_text e = {""};
		int r = servicedb_read(&db, "my\033file", files[i].text, strlen(files[i].text), &e);
		if ((r == 0) != (files[i].error == NULL))
			fail_msg("%s: %d %s", files[i].text, r, e.text);
		if (r != 0) {
			assert_int_equal(r, ERR_SYNTAX);
			assert_null(db);
			assert_non_null(strstr(e.text, files[i].error));
			assert_null(strchr(e.text, '\033'));
			continue;
		}
		assert_int_equal(servicedb_table(db)->start[PROTO_COUNT], files[i].services);
		servicedb_free(db);
	}
}

static void test_cut_short(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		for (size_t n = 0; n <= strlen(files[i].text); n++) {
			char *cut = malloc(n + 1);
			memcpy(cut, files[i].text, n);
			struct servicedb *db;
			struct err_text e = {""};
			int r = servicedb_read(&db, "cut", cut, n, &e); // no NUL behind the text
			assert_int_equal(r == 0, e.text[0] == '\0');
			servicedb_free(db);
			free(cut);
		}
	}
}

static const char ranked[] = "c 300/tcp 0.2\n"
			     "b 200/tcp 0.5\n"
			     "tie-high 12/tcp 0.2\n"
			     "zero 0/tcp 0.9\n"
			     "tie-low 11/tcp 1/5\n"
			     "b 200/udp 0.5\n"
			     "second 200/tcp 0.99\n"
			     "a 100/tcp 0.625\n";

static void test_order_and_names(void **state)
{
	static const struct {
		size_t n;
		const char *ports;
	} tops[] = {
		{0, ""},
		{1, "100"},
		{2, "100,200"},
		{3, "11,100,200"},
		{4, "11-12,100,200"},
		{5, "11-12,100,200,300"},
		{6, "1,11-12,100,200,300"},
		{16, "1-13,100,200,300"},
		{65534, "1-65534"},
		{65535, "1-65535"},
		{100000, "1-65535"},
	};
	struct servicedb *db;

	(void)state;
	assert_int_equal(servicedb_read(&db, "x", ranked, strlen(ranked), NULL), 0);
	for (size_t i = 0; i < sizeof(tops) / sizeof(tops[0]); i++) {
		struct portset *s = calloc(1, sizeof(*s));
		servicedb_top(db, PROTO_TCP, tops[i].n, s);
		char *text = portset_format(s, PROTO_TCP);
		assert_string_equal(text, tops[i].ports);
		assert_int_equal(portset_count(s, PROTO_UDP), 0);
		free(text);
		free(s);
	}
	assert_string_equal(servicedb_name(db, PROTO_TCP, 200), "b"); // the first line counts
	assert_string_equal(servicedb_name(db, PROTO_UDP, 200), "b");
	assert_string_equal(servicedb_name(db, PROTO_TCP, 0), "zero");
	assert_null(servicedb_name(db, PROTO_TCP, 13));
	assert_null(servicedb_name(db, PROTO_TCP, 65535));
	assert_null(servicedb_name(db, PROTO_UDP, 100));
	assert_null(servicedb_name(db, PROTO_SCTP, 200));
	servicedb_free(db);
}

static void test_builtin(void **state)
{
	static const struct {
		enum proto proto;
		uint16_t port;
		const char *name;
	} names[] = {
		{PROTO_TCP, 80, "http"},
		{PROTO_TCP, 443, "https"},
		{PROTO_TCP, 22, "ssh"},
		{PROTO_TCP, 53, "domain"},
		{PROTO_TCP, 445, "microsoft-ds"},
		{PROTO_TCP, 139, "netbios-ssn"},
		{PROTO_TCP, 135, "msrpc"},
		{PROTO_TCP, 1433, "ms-sql-s"},
		{PROTO_TCP, 3389, "ms-wbt-server"},
		{PROTO_TCP, 8080, "http-proxy"},
		{PROTO_UDP, 53, "domain"},
		{PROTO_UDP, 161, "snmp"},
		{PROTO_SCTP, 36412, "s1-control"},
	};
	static const uint16_t first20[] = {80,  443,  22, 21,   25,  3389, 445, 139, 53,   110,
					   143, 8080, 23, 3306, 135, 993,  995, 587, 5900, 111};
	static const uint16_t wanted[] = {2379, 2380,  6443, 10250, 10255, 9090,  9200, 5601, 27017,
					  6379, 11211, 5432, 1521,  5672,  15672, 9092, 2181, 8500,
					  8200, 4443,  8443, 50051, 1883,  8883,  4222, 9000, 3000,
					  5000, 8000,  8010, 8100,  502,   102,   44818};
	struct servicedb *db;
	struct portset *top = calloc(1, sizeof(*top)), *fast = calloc(1, sizeof(*fast));

	(void)state;
	assert_int_equal(servicedb_open(&db, NULL, NULL), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_string_equal(servicedb_name(db, names[i].proto, names[i].port), names[i].name);
	servicedb_top(db, PROTO_TCP, 24, fast);
	for (size_t i = 0; i < 20; i++)
		assert_true(portset_has(fast, PROTO_TCP, first20[i]));
	servicedb_top(db, PROTO_TCP, 1000, top);
	assert_int_equal(portset_count(top, PROTO_TCP), 1000);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		assert_true(portset_has(top, PROTO_TCP, wanted[i]));
	const struct service_table *t = servicedb_table(db);
	assert_true(t->start[PROTO_UDP] - t->start[PROTO_TCP] >= 1100);
	assert_true(t->start[PROTO_SCTP] - t->start[PROTO_UDP] >= 150);
	for (int p = 0; p < PROTO_COUNT; p++) {
		for (uint32_t i = t->start[p] + 1; i < t->start[p + 1]; i++)
			assert_true(t->services[i - 1].port < t->services[i].port);
	}
	servicedb_free(db);
	free(top);
	free(fast);
}

static void test_open_file(void **state)
{
	char path[] = "/tmp/prtip-services-XXXXXX";
	struct servicedb *db;
	struct err_text e;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, ranked, strlen(ranked)), strlen(ranked));
	assert_int_equal(servicedb_open(&db, path, &e), 0);
	assert_string_equal(servicedb_name(db, PROTO_TCP, 100), "a");
	servicedb_free(db);
	assert_int_equal(write(fd, "\0", 1), 1);
	assert_int_equal(servicedb_open(&db, path, &e), ERR_SYNTAX);
	assert_non_null(strstr(e.text, "NUL"));
	close(fd);
	unlink(path);
	assert_int_equal(servicedb_open(&db, path, &e), -2);
	assert_non_null(strstr(e.text, path));
	assert_true(servicedb_open(&db, "/", &e) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),     cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_builtin),   cmocka_unit_test(test_order_and_names),
		cmocka_unit_test(test_open_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
