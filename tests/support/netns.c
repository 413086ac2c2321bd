#include "netns.h"

#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

bool netns_run(const char *fmt, ...)
{
	char cmd[2048];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(cmd, sizeof(cmd) - 32, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(cmd) - 32)
		return false;
	strcat(cmd, " >/dev/null 2>&1");
	return system(cmd) == 0;
}

bool netns_enter(void)
{
	return unshare(CLONE_NEWNET) == 0 && netns_run("ip link set lo up");
}

static bool say(int fd, bool ok)
{
	char c = ok ? 'y' : 'n';
	return write(fd, &c, 1) == 1;
}

static bool hear(int fd)
{
	char c = 0;
	return read(fd, &c, 1) == 1 && c == 'y';
}

static void peer(int up, int down, bool (*serve)(void))
{
	char c;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!say(up, netns_enter()) || !hear(down))
		_exit(1);
	bool ok = netns_run("ip addr add 198.18.0.2/16 dev v1 && ip addr add 2001:db8::2/64 dev v1 nodad && "
			    "ip link set v1 up");
	if (!say(up, ok && (!serve || serve())))
		_exit(1);
	while (read(down, &c, 1) > 0)
		;
	_exit(0);
}

static bool join(pid_t pid)
{
	return netns_run(
		"ip link add v0 type veth peer name v1 netns %d && ip addr add 198.18.0.1/16 dev v0 && "
		"ip addr add 2001:db8::1/64 dev v0 nodad && ip link set v0 up",
		(int)pid);
}

bool netns_peer_start(struct netns_peer *p, bool (*serve)(void))
{
	int up[2], down[2];
	if (pipe(up))
		return false;
	if (pipe(down)) {
		close(up[0]);
		close(up[1]);
		return false;
	}
	p->pid = fork();
	if (p->pid == 0) {
		close(up[0]);
		close(down[1]);
		peer(up[1], down[0], serve);
	}
	close(up[1]);
	close(down[0]);
	p->hold = down[1];
	bool ok = p->pid > 0 && hear(up[0]) && join(p->pid) && say(down[1], true) && hear(up[0]);
	close(up[0]);
	if (!ok && p->pid > 0)
		netns_peer_stop(p);
	return ok;
}

void netns_peer_stop(struct netns_peer *p)
{
	close(p->hold);
	waitpid(p->pid, NULL, 0);
	p->pid = 0;
}

int netns_listen(unsigned short port)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int off = 0;
	if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) ||
	    bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 128)) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}
