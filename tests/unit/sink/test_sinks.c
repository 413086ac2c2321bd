// Every format on every kind of failing output, and what each promises about when its lines arrive.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/module.h"
#include "golden/scene.h"

static const struct sink_ops *formats[4];
static size_t format_count;

static void find_formats(void)
{
	static const char *const names[] = {"normal", "jsonl", "grepable"};
	const char *path = getenv("PRTIP_XML_MODULE"); // set by Meson when the module is built
	const struct module_info *(*entry)(void);
	void *lib = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;

	for (size_t i = 0; i < 3; i++)
		formats[format_count++] = sink_find(names[i], NULL);
	if (lib) {
		*(void **)&entry = dlsym(lib, MODULE_SYMBOL);
		formats[format_count++] = entry()->ops;
	}
}

static void test_registry(void **state)
{
	(void)state;
	struct err_text e = {""};

	for (size_t i = 0; i < format_count; i++)
		assert_non_null(formats[i]);
	assert_null(sink_find("yaml\x1b", &e));
	assert_non_null(strstr(e.text, "yaml"));
	assert_null(strchr(e.text, '\x1b'));
	if (format_count == 3)
		print_message("the XML module was not built: not tested here\n");
}

static void test_full_disk(void **state)
{
	(void)state;
	for (size_t i = 0; i < format_count; i++) {
		for (int kind = 0; kind < SCENE_COUNT; kind++) {
			struct scan_info info = scene_info(kind);
			int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
			assert_true(fd > 2);
			assert_int_equal(scene_play(formats[i], kind, &info, fd), -ENOSPC);
			assert_int_equal(close(fd), -1); // the sink has closed it
		}
	}
}

static void test_closed_pipe(void **state)
{
	(void)state;
	for (size_t i = 0; i < format_count; i++) {
		struct scan_info info = scene_info(SCENE_FULL);
		int p[2];
		assert_int_equal(pipe(p), 0);
		close(p[0]);
		assert_int_equal(scene_play(formats[i], SCENE_FULL, &info, p[1]), -EPIPE);
	}
}

// An error that comes in the middle is returned by every later call, also by close.
static void test_error_is_kept_for_close(void **state)
{
	(void)state;
	struct record open_port = {.addr = addr_v4(0xc6120001), .port = 22, .state = STATE_OPEN};
	struct host_result host = {.addr = addr_v4(0xc6120001), .state = STATE_UP};
	struct scan_summary sum = {0};

	for (size_t i = 0; i < format_count; i++) {
		struct scan_info info = scene_info(SCENE_FULL);
		struct sink_config cfg = {
			.info = &info, .fd = open("/dev/full", O_WRONLY | O_CLOEXEC), .path = "/dev/full"};
		struct sink *s = NULL;
		struct err_text e;
		assert_int_equal(formats[i]->open(&s, &cfg, &e), 0);
		if (formats[i]->record)
			assert_int_equal(formats[i]->record(s, &open_port), 0); // held back
		if (formats[i]->record || formats[i]->host)
			assert_int_equal(formats[i]->host(s, &host), 0);
		assert_int_equal(formats[i]->flush(s), -ENOSPC);
		if (formats[i]->record)
			assert_int_equal(formats[i]->record(s, &open_port), -ENOSPC);
		assert_int_equal(formats[i]->host(s, &host), -ENOSPC);
		assert_int_equal(formats[i]->flush(s), -ENOSPC);
		assert_int_equal(formats[i]->close(s, &sum), -ENOSPC);
	}
}

// After a flush the reader has whole lines; nothing is kept back in a library's own buffer.
static void test_flush_hands_out_everything(void **state)
{
	(void)state;
	struct host_result host = {.addr = addr_v4(0xc6120001), .state = STATE_UP, .reason = REASON_USER_SET};
	struct scan_summary sum = {0};
	char got[4096];

	for (size_t i = 0; i < format_count; i++) {
		struct scan_info info = scene_info(SCENE_FULL);
		struct sink *s = NULL;
		struct err_text e;
		int p[2];
		assert_int_equal(pipe(p), 0);
		struct sink_config cfg = {.info = &info, .fd = p[1], .path = "a pipe"};
		assert_int_equal(formats[i]->open(&s, &cfg, &e), 0);
		assert_int_equal(formats[i]->host(s, &host), 0);
		assert_int_equal(formats[i]->flush(s), 0);
		ssize_t n = read(p[0], got, sizeof(got) - 1);
		assert_true(n > 0);
		got[n] = '\0';
		assert_non_null(strstr(got, "198.18.0.1"));
		assert_int_equal(got[n - 1], '\n');
		assert_int_equal(formats[i]->close(s, &sum), 0);
		n = read(p[0], got, sizeof(got) - 1);
		assert_true(n > 0);
		got[n] = '\0';
		if (strcmp(formats[i]->name, "xml") == 0)
			assert_non_null(strstr(got, "</nmaprun>"));
		close(p[0]);
	}
}

static void test_jsonl_numbers(void **state)
{
	(void)state;
	struct scan_info info = scene_info(SCENE_FULL);
	struct scan_summary sum = {.loss = 0.0 / 0.0, .missed_bound = 1.0 / 0.0, .exit_status = -1};
	struct sink *s = NULL;
	struct err_text e;
	char got[4096];
	int p[2];

	assert_int_equal(pipe(p), 0);
	struct sink_config cfg = {.info = &info, .fd = p[1], .path = "a pipe"};
	assert_int_equal(sink_jsonl.open(&s, &cfg, &e), 0);
	assert_int_equal(sink_jsonl.close(s, &sum), 0); // neither NaN nor infinity is JSON
	ssize_t n = read(p[0], got, sizeof(got) - 1);
	assert_true(n > 0);
	got[n] = '\0';
	assert_non_null(strstr(got, "\"loss\":null"));
	assert_non_null(strstr(got, "\"missed_bound\":null"));
	assert_non_null(strstr(got, "\"exit_status\":-1"));
	close(p[0]);
}

static const char *asked(void *ctx, const struct addr *a)
{
	(void)ctx;
	return addr_v4_value(a) == 1 ? "asked.example" : NULL;
}

static void test_jsonl_names_and_discovery(void **state)
{
	(void)state;
	static const struct {
		bool hosts_follow;
		uint32_t ip;
		uint8_t state;
		const char *want; // NULL: no line
	} rows[] = {
		{false, 1, STATE_OPEN, "\"kind\":\"port\",\"host\":\"asked.example\",\"ip\":\"0.0.0.1\""},
		{false, 2, STATE_OPEN, "\"kind\":\"port\",\"ip\":\"0.0.0.2\""},
		{false, 2, STATE_CLOSED, NULL},
		{false, 2, STATE_UP, "\"kind\":\"host\",\"ip\":\"0.0.0.2\""},
		{false, 2, STATE_DOWN, NULL},
		{true, 2, STATE_UP, NULL},
	};
	struct scan_info info = scene_info(SCENE_FULL);
	struct scan_summary sum = {0};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct record r = {.addr = addr_v4(rows[i].ip), .state = rows[i].state};
		struct sink *s = NULL;
		struct err_text e;
		char got[4096];
		int p[2];
		assert_int_equal(pipe(p), 0);
		struct sink_config cfg = {.info = &info,
					  .fd = p[1],
					  .path = "a pipe",
					  .asked_name = asked,
					  .hosts_follow = rows[i].hosts_follow};
		assert_int_equal(sink_jsonl.open(&s, &cfg, &e), 0);
		assert_int_equal(sink_jsonl.record(s, &r), 0);
		assert_int_equal(sink_jsonl.close(s, &sum), 0);
		ssize_t n = read(p[0], got, sizeof(got) - 1);
		got[n > 0 ? n : 0] = '\0';
		close(p[0]);
		char *end = strchr(got, '\n');
		assert_non_null(end);
		assert_int_equal(end[1] == '\0', rows[i].want == NULL); // only the summary
		if (rows[i].want)
			assert_non_null(strstr(got, rows[i].want));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_registry),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_closed_pipe),
		cmocka_unit_test(test_error_is_kept_for_close),
		cmocka_unit_test(test_flush_hands_out_everything),
		cmocka_unit_test(test_jsonl_numbers),
		cmocka_unit_test(test_jsonl_names_and_discovery),
	};
	signal(SIGPIPE, SIG_IGN);
	find_formats();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
