#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/conntrack.h"

static void put(const char *dir, const char *name, const char *text)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	unlink(path);
	if (!text)
		return;
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void test_read(void **state)
{
	(void)state;
	static const struct {
		const char *count, *max;
		bool present, overflows; // by 100 more
	} cases[] = {
		{"10\n", "262144\n", true, false},
		{"262044\n", "262144\n", true, false},
		{"262045\n", "262144\n", true, true},
		{"300000\n", "262144\n", true, true},
		{"5\n", "0\n", true, false},
		{NULL, "262144\n", false, false},
		{"10\n", NULL, false, false},
		{"ten\n", "262144\n", false, false},
		{"", "1\n", false, false},
		{"1", "7", true, true},
	};
	char dir[] = "/tmp/prtip-conntrack-XXXXXX";
	assert_non_null(mkdtemp(dir));
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct conntrack ct;
		struct err_text e = {""};
		put(dir, "nf_conntrack_count", cases[i].count);
		put(dir, "nf_conntrack_max", cases[i].max);
		conntrack_read(&ct, dir);
		assert_int_equal(ct.present, cases[i].present);
		assert_int_equal(conntrack_overflows(&ct, 100, &e), cases[i].overflows);
		assert_int_equal(e.text[0] != '\0', cases[i].overflows);
	}
	put(dir, "nf_conntrack_count", NULL);
	put(dir, "nf_conntrack_max", NULL);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_read)};
	return cmocka_run_group_tests_name("conntrack", tests, NULL, NULL);
}
