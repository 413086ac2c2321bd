// Giving up rights, each time in a child process that then tries what it may no longer do. What needs root
// says that it skips.
#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/rights.h"

// ---- children

struct report {
	char text[300];
};

// Runs `body` in a child; what it returns is the text of the first fault, "" for none.
static void in_child(void (*body)(struct report *, const void *), const void *arg, struct report *r)
{
	int fds[2], status;
	*r = (struct report){"no report"};
	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct report mine = {""};
		body(&mine, arg);
		_exit(write(fds[1], &mine, sizeof(mine)) == sizeof(mine) ? 0 : 1);
	}
	close(fds[1]);
	ssize_t n = read(fds[0], r, sizeof(*r));
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (n != sizeof(*r))
		fail_msg("the child ended with status %#x", status);
}

#define EXPECT(r, what)                                                                                   \
	do {                                                                                              \
		if (!(what) && !(r)->text[0])                                                             \
			snprintf((r)->text, sizeof((r)->text), "line %d: %s (errno %d)", __LINE__, #what, \
				 errno);                                                                  \
	} while (0)

#define EXPECT_ERRNO(r, call, err) EXPECT(r, (call) == -1 && errno == (err))

static void check_child(void (*body)(struct report *, const void *), const void *arg)
{
	struct report r;
	in_child(body, arg, &r);
	if (r.text[0])
		fail_msg("%s", r.text);
}

// ---- what is gone

static void *nothing(void *arg)
{
	return arg;
}

static void expect_no_capabilities(struct report *r)
{
	EXPECT(r, capng_get_caps_process() == 0);
	EXPECT(r, capng_have_capabilities(CAPNG_SELECT_CAPS) == CAPNG_NONE);
	EXPECT(r, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	EXPECT_ERRNO(r, socket(AF_INET, SOCK_RAW, IPPROTO_TCP), EPERM);
}

static void expect_filter(struct report *r)
{
	char *const argv[] = {(char[]){"true"}, NULL}, *const envp[] = {NULL};
	struct io_uring_params params = {0};
	EXPECT(r, prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2);
	EXPECT_ERRNO(r, execve("/bin/true", argv, envp), EPERM);
	EXPECT_ERRNO(r, ptrace(PTRACE_TRACEME, 0, NULL, NULL), EPERM);
	EXPECT_ERRNO(r, unshare(CLONE_NEWUSER), EPERM);
	EXPECT_ERRNO(r, kill(getpid(), 0), EPERM);
	EXPECT_ERRNO(r, socket(AF_PACKET, SOCK_RAW, 0), EAFNOSUPPORT);
	EXPECT_ERRNO(r, socket(AF_UNIX, SOCK_STREAM, 0), EAFNOSUPPORT);
	EXPECT_ERRNO(r, socket(AF_VSOCK, SOCK_STREAM, 0), EAFNOSUPPORT);
	EXPECT_ERRNO(r, syscall(SYS_bpf, 0, NULL, 0), EPERM);
	EXPECT_ERRNO(r, syscall(SYS_io_uring_setup, 4, &params), EPERM);
	EXPECT_ERRNO(r, syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0), EPERM);
	EXPECT_ERRNO(r, syscall(SYS_clone3, NULL, 0), ENOSYS);
#ifdef __x86_64__
	EXPECT_ERRNO(r, syscall(0x40000000 + SYS_getpid), EPERM);
#endif
}

// What a scan still needs.
static void expect_still_works(struct report *r)
{
	pthread_t thread;
	EXPECT(r, pthread_create(&thread, NULL, nothing, NULL) == 0 && pthread_join(thread, NULL) == 0);
	EXPECT(r, socket(AF_INET, SOCK_STREAM, 0) >= 0);
	EXPECT(r, socket(AF_INET6, SOCK_DGRAM, 0) >= 0);
	EXPECT(r, socket(AF_NETLINK, SOCK_RAW, 0) >= 0);
	EXPECT(r, if_nametoindex("lo") > 0);
	EXPECT(r, open("/dev/null", O_RDWR) >= 0);
	pid_t pid = fork();
	if (pid == 0)
		_exit(7);
	int status;
	EXPECT(r, waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 7);
}

// ---- bodies

static void body_root(struct report *r, const void *arg)
{
	struct rights_drop cfg = {0};
	struct rights_dropped done;
	struct err_text e = {""};
	(void)arg;
	int raw = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP);
	EXPECT(r, raw >= 0);
	EXPECT(r, rights_give_up(&cfg, &done, &e) == 0 && done.user && done.filter);
	EXPECT(r, getuid() == RIGHTS_NOBODY && getegid() == RIGHTS_NOBODY && getgroups(0, NULL) == 0);
	EXPECT_ERRNO(r, setuid(0), EPERM);
	EXPECT_ERRNO(r, open("/etc/shadow", O_RDONLY), EACCES);
	expect_no_capabilities(r);
	expect_filter(r);
	expect_still_works(r);
	// What was opened before serves on: a raw packet to ourselves.
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	EXPECT(r, sendto(raw, "01234567890123456789", 20, 0, (struct sockaddr *)&to, sizeof(to)) == 20);
}

static void body_keep_user(struct report *r, const void *arg)
{
	struct rights_drop cfg = {.keep_user = true, .allow_bpf = true, .allow_uring = true};
	struct rights_dropped done;
	struct err_text e = {""};
	struct io_uring_params params = {0};
	(void)arg;
	EXPECT(r, rights_give_up(&cfg, &done, &e) == 0 && !done.user && done.filter);
	EXPECT(r, getuid() == 0);
	expect_no_capabilities(r);
	expect_still_works(r);
	EXPECT(r, syscall(SYS_bpf, -1, NULL, 0) == -1 && errno != ENOSYS);
	EXPECT(r, syscall(SYS_io_uring_setup, 0, &params) == -1 && errno == EINVAL);
}

static void body_ordinary_user(struct report *r, const void *arg)
{
	struct rights_drop cfg = {0};
	struct rights_dropped done;
	struct err_text e = {""};
	(void)arg;
	if (geteuid() == 0)
		EXPECT(r, setgroups(0, NULL) == 0 && setgid(1234) == 0 && setuid(1234) == 0);
	uid_t before = getuid();
	EXPECT(r, rights_give_up(&cfg, &done, &e) == 0 && !done.user && done.filter);
	EXPECT(r, getuid() == before);
	expect_no_capabilities(r);
	expect_filter(r);
	expect_still_works(r);
}

static void body_no_filter(struct report *r, const void *arg)
{
	struct rights_drop cfg = {.no_filter = true};
	struct rights_dropped done;
	struct err_text e = {""};
	(void)arg;
	EXPECT(r, rights_give_up(&cfg, &done, &e) == 0 && !done.filter);
	expect_no_capabilities(r);
	EXPECT(r, kill(getpid(), 0) == 0);
}

static void *wait_forever(void *arg)
{
	pause();
	return arg;
}

static void body_threads(struct report *r, const void *arg)
{
	struct rights_drop cfg = {0};
	struct rights_dropped done;
	struct err_text e = {""};
	pthread_t thread;
	(void)arg;
	EXPECT(r, pthread_create(&thread, NULL, wait_forever, NULL) == 0);
	EXPECT(r, rights_give_up(&cfg, &done, &e) == ERR_PRIVILEGE && strstr(e.text, "other threads"));
}

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return ok;
}

// Root of a user namespace that has no other user: nothing to change to, the rest is given up.
static void body_user_namespace(struct report *r, const void *arg)
{
	struct rights_drop cfg = {0};
	struct rights_dropped done;
	struct err_text e = {""};
	(void)arg;
	char map[40];
	snprintf(map, sizeof(map), "0 %u 1", getuid());
	if (unshare(CLONE_NEWUSER) || !write_file("/proc/self/setgroups", "deny") ||
	    !write_file("/proc/self/uid_map", map))
		return; // not permitted here
	EXPECT(r, geteuid() == 0);
	EXPECT(r, rights_give_up(&cfg, &done, &e) == 0 && !done.user && done.filter);
	expect_no_capabilities(r);
	expect_filter(r);
}

struct fault {
	long call;
	int err;
	const char *step; // in the error; NULL: no error
};

static bool break_call(long call, int err)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)err),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {.len = 4, .filter = code};
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) == 0;
}

static void body_fault(struct report *r, const void *arg)
{
	const struct fault *f = arg;
	struct rights_drop cfg = {0};
	struct rights_dropped done;
	struct err_text e = {""};
	EXPECT(r, break_call(f->call, f->err));
	int rc = rights_give_up(&cfg, &done, &e);
	if (f->step && (rc != -f->err || !strstr(e.text, f->step)))
		snprintf(r->text, sizeof(r->text), "wanted \"%s\", got %d \"%.200s\"", f->step, rc, e.text);
	if (!f->step)
		EXPECT(r, rc == 0 && !done.filter);
}

// ---- tests

static void test_root(void **state)
{
	(void)state;
	check_child(body_root, NULL);
}

static void test_keep_user(void **state)
{
	(void)state;
	check_child(body_keep_user, NULL);
}

static void test_ordinary_user(void **state)
{
	(void)state;
	check_child(body_ordinary_user, NULL);
}

static void test_no_filter(void **state)
{
	(void)state;
	check_child(body_no_filter, NULL);
}

static void test_threads(void **state)
{
	(void)state;
	check_child(body_threads, NULL);
}

static void test_user_namespace(void **state)
{
	(void)state;
	check_child(body_user_namespace, NULL);
}

static void test_each_step_is_checked(void **state)
{
	(void)state;
	static const struct fault faults[] = {
		{SYS_setgroups, EPERM, "setgroups"}, {SYS_setresgid, EPERM, "setgid"},
		{SYS_setresuid, EAGAIN, "setuid"},   {SYS_capset, EPERM, "capabilities"},
		{SYS_prctl, EPERM, "capabilities"},  {SYS_seccomp, EPERM, "seccomp"},
		{SYS_seccomp, ENOSYS, NULL},
	};
	for (unsigned i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		check_child(body_fault, &faults[i]);
}

static void test_try(void **state)
{
	(void)state;
	struct rights r = {-1, -1};
	rights_try(&r);
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	assert_int_equal(r.raw_v4 == 0, fd >= 0);
	assert_true(r.raw_v4 >= 0 && r.raw_v6 >= 0);
	close(fd);
}

static void test_descriptor_limit(void **state)
{
	(void)state;
	struct rlimit before, lim;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	lim = (struct rlimit){.rlim_cur = 40, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &lim), 0);
	assert_int_equal(rights_raise_fds(), before.rlim_max);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &lim), 0);
	assert_int_equal(lim.rlim_cur, before.rlim_max);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

#define PLAIN                                                                           \
	cmocka_unit_test(test_try), cmocka_unit_test(test_descriptor_limit),            \
		cmocka_unit_test(test_ordinary_user), cmocka_unit_test(test_no_filter), \
		cmocka_unit_test(test_threads), cmocka_unit_test(test_user_namespace)

int main(void)
{
	const struct CMUnitTest plain[] = {PLAIN};
	const struct CMUnitTest all[] = {
		PLAIN,
		cmocka_unit_test(test_root),
		cmocka_unit_test(test_keep_user),
		cmocka_unit_test(test_each_step_is_checked),
	};
	if (geteuid() == 0)
		return cmocka_run_group_tests_name("rights", all, NULL, NULL);
	print_message("# skipped: 3 tests that need root\n");
	return cmocka_run_group_tests_name("rights", plain, NULL, NULL);
}
