#include "support/lab.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

void lab_enter(int ns)
{
	assert_int_equal(setns(ns, CLONE_NEWNET), 0);
}

void lab_run(const char *fmt, ...)
{
	char command[4096];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

static int namespace_new(void)
{
	if (unshare(CLONE_NEWNET))
		return -1;
	return open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
}

bool lab_open(struct lab *l)
{
	*l = (struct lab){.home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)};
	if (system("ip -V >/dev/null 2>&1") != 0) {
		fprintf(stderr, "# skipped: there is no ip program (iproute2)\n");
		return false;
	}
	l->peer = namespace_new();
	if (l->peer < 0) {
		fprintf(stderr, "# skipped: no network namespaces without root (%s)\n", strerror(errno));
		close(l->home);
		return false;
	}
	// Without duplicate address detection an IPv6 address is usable at once.
	lab_run("ip link set lo up; echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad");
	l->scanner = namespace_new();
	assert_true(l->scanner >= 0);
	lab_run("echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad;"
		"ip link set lo up && ip link add near type veth peer name far && "
		"ip link set far netns /proc/%d/fd/%d && ip link set near up && "
		"ip addr add 198.18.0.1/24 dev near && ip addr add 2001:db8::1/64 dev near nodad",
		(int)getpid(), l->peer);
	lab_enter(l->peer);
	lab_run("ip link set far up && ip addr add 198.18.0.2/24 dev far && "
		"ip addr add 2001:db8::2/64 dev far nodad");
	lab_enter(l->scanner);
	return true;
}

void lab_close(struct lab *l)
{
	lab_enter(l->home);
	close(l->home);
	close(l->scanner);
	close(l->peer);
}
