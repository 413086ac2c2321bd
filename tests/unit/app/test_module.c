// The module loader, run as a copy of this program in folders of all kinds, beside a copy of a real module.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/module.h"
#include "net/names.h"

#define NOBODY 65534

// What a copy does: loads the module named by argv[2], writes the error's text or "loaded".
static int be_copy(const char *name, const char *uid)
{
	struct err_text e = {""};
	const void *ops = NULL;
	if (uid && (setgid(NOBODY) || setuid((uid_t)atoi(uid))))
		return 3;
	int rc = module_load(name, &ops, &e);
	if (rc == 0)
		puts(((const struct names_ops *)ops)->open ? "loaded" : "no functions");
	else
		puts(e.text);
	return rc == 0 || rc == ERR_MODULE ? 0 : 1;
}

struct fixture {
	char dir[64], program[96], module[96];
};

static bool run(const char *fmt, const char *a, const char *b)
{
	char cmd[1024];
	snprintf(cmd, sizeof(cmd), fmt, a, b);
	return system(cmd) == 0;
}

static bool make_dir(struct fixture *f, const char *parent)
{
	snprintf(f->dir, sizeof(f->dir), "%s/prtip-module-XXXXXX", parent);
	if (!mkdtemp(f->dir) || chmod(f->dir, 0755))
		return false;
	snprintf(f->program, sizeof(f->program), "%s/program", f->dir);
	snprintf(f->module, sizeof(f->module), "%s/libprtip-names.so", f->dir);
	return true;
}

// The module as it was built: ../libprtip-names.so of this program.
static void built_module(char path[512])
{
	ssize_t n = readlink("/proc/self/exe", path, 400);
	assert_true(n > 0);
	path[n] = '\0';
	strcpy(strrchr(path, '/'), "/../libprtip-names.so");
}

static bool names_module_exists(void)
{
	char path[512];
	built_module(path);
	return access(path, R_OK) == 0;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char module[512];
	built_module(module);
	assert_true(make_dir(f, "/tmp"));
	assert_true(run("cp /proc/$PPID/exe %s%s", f->program, ""));
	if (names_module_exists())
		assert_true(run("cp %s %s", module, f->module));
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	assert_true(run("rm -rf %s%s", f->dir, ""));
	free(f);
	return 0;
}

static void output_of(const struct fixture *f, const char *name, const char *uid, char out[600])
{
	char cmd[256];
	snprintf(cmd, sizeof(cmd), "%s --copy %s %s", f->program, name, uid);
	FILE *p = popen(cmd, "re");
	assert_non_null(p);
	size_t n = fread(out, 1, 599, p);
	out[n] = '\0';
	assert_int_equal(pclose(p), 0);
}

#define assert_output(f, name, uid, wanted)                                            \
	do {                                                                           \
		char out_[600];                                                        \
		output_of(f, name, uid, out_);                                         \
		if (!strstr(out_, wanted))                                             \
			fail_msg("%s: got \"%s\", wanted \"%s\"", name, out_, wanted); \
	} while (0)

static void test_missing(void **state)
{
	struct fixture *f = *state;
	assert_output(f, "nosuch", "", "libprtip-nosuch.so is missing");
	assert_output(f, "nosuch", "", f->dir);
	assert_output(f, "nosuch", "", PRTIP_MODULE_DIR);
}

static void test_loads(void **state)
{
	struct fixture *f = *state;
	assert_output(f, "names", "", "loaded");
}

static void test_broken(void **state)
{
	struct fixture *f = *state;
	assert_true(run("echo junk >%s/libprtip-%s.so", f->dir, "junk"));
	assert_output(f, "junk", "", "cannot load the module junk");
	assert_true(run("cp %s %s/libprtip-other.so", f->module, f->dir));
	assert_output(f, "other", "", "belongs to another version");
	assert_true(run("ln -s libprtip-names.so %s/libprtip-%s.so", f->dir, "link"));
	assert_output(f, "link", "", "not a plain file");
	assert_true(run("cp /lib/*/libdl.so.2 %s/libprtip-%s.so", f->dir, "libc"));
	assert_output(f, "libc", "", "is not a module of prtip");
}

static void test_trust(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *change, *undo;
		const char *as_root, *as_nobody;
	} cases[] = {
		{"chmod 777 %s", "chmod 755 %s", "others than root can change", "loaded"},
		{"chmod 1777 %s", "chmod 755 %s", "others than root can change", "loaded"},
		{"chmod 775 %s", "chmod 755 %s", "others than root can change", "loaded"},
		{"chown 1:1 %s", "chown 0:0 %s", "others than root can change", "loaded"},
		{"chmod 666 %s/libprtip-names.so", "chmod 644 %s/libprtip-names.so",
		 "others than root can change", "loaded"},
		{"chown 1 %s/libprtip-names.so", "chown 0 %s/libprtip-names.so",
		 "others than root can change", "loaded"},
		{"true %s", "true %s", "loaded", "loaded"},
	};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(run(cases[i].change, f->dir, ""));
		assert_output(f, "names", "", cases[i].as_root);
		assert_output(f, "names", "65534", cases[i].as_nobody);
		assert_true(run(cases[i].undo, f->dir, ""));
	}
	// A developer's build, run with sudo: the program's owner is trusted as far as the program is.
	assert_true(run("chown -R 1 %s%s", f->dir, ""));
	assert_output(f, "names", "", "loaded");
	assert_true(run("chown -R 0 %s%s", f->dir, ""));
}

int main(int argc, char **argv)
{
	if (argc >= 3 && strcmp(argv[1], "--copy") == 0)
		return be_copy(argv[2], argc > 3 ? argv[3] : NULL);
	const struct CMUnitTest plain[] = {cmocka_unit_test(test_missing)};
	const struct CMUnitTest user[] = {cmocka_unit_test(test_missing), cmocka_unit_test(test_loads),
					  cmocka_unit_test(test_broken)};
	const struct CMUnitTest root[] = {cmocka_unit_test(test_missing), cmocka_unit_test(test_loads),
					  cmocka_unit_test(test_broken), cmocka_unit_test(test_trust)};
	if (!names_module_exists()) {
		print_message("# skipped: 3 tests, the names module was not built\n");
		return cmocka_run_group_tests_name("module", plain, set_up, tear_down);
	}
	if (geteuid() == 0)
		return cmocka_run_group_tests_name("module", root, set_up, tear_down);
	print_message("# skipped: test_trust needs root\n");
	return cmocka_run_group_tests_name("module", user, set_up, tear_down);
}
