// Connect scans of 65,535 ports of one host behind a veth pair, for each stream transport and number of
// workers: all closed and answered at once; closed and answered from another CPU (receive packet steering on,
// so that the poller is needed); all dropped (deadlines). Needs root.
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "netns.h"
#include "transport/streams.h"

#define PORTS 65535

struct tally {
	unsigned refused, timeout, other;
};

static void take(struct tally *t, const struct stream_result *r, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (r[i].outcome == STREAM_REFUSED)
			t->refused++;
		else if (r[i].outcome == STREAM_TIMEOUT)
			t->timeout++;
		else
			t->other++;
	}
}

static void scan(const struct streams_ops *ops, struct streams *s, int64_t timeout_ns, struct tally *t)
{
	static struct stream_job jobs[256];
	static struct stream_result results[256];
	unsigned next = 1;
	while (next <= PORTS || ops->in_flight(s) > 0) {
		unsigned n = 0;
		while (n < 256 && next + n <= PORTS) {
			jobs[n] = (struct stream_job){.token = next + n,
						      .dst = addr_v4(0xc6120002),
						      .port = (uint16_t)(next + n),
						      .timeout_ns = timeout_ns};
			n++;
		}
		unsigned taken = ops->submit(s, jobs, n);
		next += taken;
		unsigned got = ops->poll(s, results, 256);
		take(t, results, got);
		if (taken == 0 && got == 0) {
			struct pollfd p = {.fd = ops->fd(s), .events = POLLIN};
			poll(&p, 1, 1000);
		}
	}
}

static double cpu_seconds(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void measure(const char *what, const struct streams_ops *ops, unsigned workers, int64_t timeout_ns)
{
	struct streams_config cfg = {.workers = workers};
	struct err_text e;
	struct streams *s;
	struct tally t = {0};
	struct streams_stats st;
	int64_t begin = clock_mono_ns();
	double cpu = cpu_seconds();
	if (ops->open(&s, &cfg, &e)) {
		printf("%-8s %s: %s\n", what, ops->name, e.text);
		return;
	}
	scan(ops, s, timeout_ns, &t);
	int64_t end = clock_mono_ns();
	ops->stats(s, &st);
	ops->close(s);
	int64_t closed = clock_mono_ns();
	printf("%-8s %-6s workers %u: %6.3f s (close %5.3f s, cpu %6.3f s) refused %u timeout %u other %u, "
	       "in "
	       "flight %lu\n",
	       what, ops->name, workers, (double)(end - begin) / 1e9, (double)(closed - end) / 1e9,
	       cpu_seconds() - cpu, t.refused, t.timeout, t.other, (unsigned long)st.in_flight_max);
	fflush(stdout);
}

static void measure_all(const char *what, int64_t timeout_ns)
{
	static const char *const names[] = {"epoll", "uring"};
	for (unsigned n = 0; n < 2; n++)
		for (unsigned workers = 0; workers <= 2; workers++)
			measure(what, streams_find(names[n]), workers, timeout_ns);
}

static bool steer(void)
{
	return netns_run("unshare -m sh -c 'mount -t sysfs none /sys && for f in "
			 "/sys/class/net/*/queues/rx-0/rps_cpus; do echo 3 >$f; done'");
}

int main(void)
{
	struct rlimit lim;
	struct netns_peer p;
	getrlimit(RLIMIT_NOFILE, &lim);
	lim.rlim_cur = lim.rlim_max;
	setrlimit(RLIMIT_NOFILE, &lim);
	if (!netns_enter() || !netns_peer_start(&p, NULL)) {
		fprintf(stderr, "micro_streams: cannot make network namespaces (root?)\n");
		return 1;
	}
	measure_all("closed", 1000 * NS_PER_MS);
	if (!steer() || !netns_run("nsenter -t %d -n unshare -m sh -c 'mount -t sysfs none /sys && echo 3 "
				   ">/sys/class/net/v1/queues/rx-0/rps_cpus'",
				   (int)p.pid))
		printf("steered: skipped, no rps_cpus\n");
	else
		measure_all("steered", 1000 * NS_PER_MS);
	if (!netns_run("nsenter -t %d -n nft 'add table inet t; add chain inet t i { type filter hook input "
		       "priority 0; }; add rule inet t i tcp dport 1-65535 drop'",
		       (int)p.pid))
		printf("dropped: skipped, no nft\n");
	else
		measure_all("dropped", 200 * NS_PER_MS);
	netns_peer_stop(&p);
	return 0;
}
