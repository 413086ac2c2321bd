// The stream transports against a peer with open, closed, dropped and rejected ports, in namespaces of the
// test's own; every case for epoll and io_uring, in the caller's thread and with workers. Most of it needs
// root, which a person without it is told.
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "support/netns.h"
#include "transport/streams.h"

#define MS         NS_PER_MS
#define TIMEOUT    (250 * MS)
#define LATE_US    5000000 // that a busy machine may add
#define FIRST_PORT 900
#define LAST_PORT  2100
#define PORTS      (LAST_PORT - FIRST_PORT + 1)

static struct addr peer_v4(void)
{
	return addr_v4(0xc6120002);
}

static struct addr peer_v6(void)
{
	return (struct addr){.hi = 0x20010db800000000, .lo = 2};
}

// ---- the peer

#define LISTENERS       20
#define FIRST_LOST_PORT 2200
#define FIRST_LOST      6

static struct pollfd listeners[LISTENERS];

static void *accept_all(void *arg)
{
	(void)arg;
	while (poll(listeners, LISTENERS, -1) > 0)
		for (unsigned i = 0; i < LISTENERS; i++)
			if (listeners[i].revents)
				close(accept(listeners[i].fd, NULL, NULL));
	return NULL;
}

// The first SYN to each of these is lost.
static bool drop_first(void)
{
	bool ok = true;
	for (unsigned i = 0; ok && i < FIRST_LOST; i++)
		ok = netns_run("nft add rule inet t i tcp dport %u limit rate 1/day burst 1 packets drop",
			       FIRST_LOST_PORT + i);
	return ok;
}

static bool serve(void)
{
	for (unsigned i = 0; i < LISTENERS; i++) {
		listeners[i] =
			(struct pollfd){.fd = netns_listen((uint16_t)(2000 + 3 * i)), .events = POLLIN};
		if (listeners[i].fd < 0)
			return false;
	}
	pthread_t thread;
	return pthread_create(&thread, NULL, accept_all, NULL) == 0 &&
	       netns_run("sysctl -w net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0 "
			 "net.ipv4.icmp_msgs_per_sec=100000 net.ipv4.icmp_msgs_burst=10000") &&
	       netns_run("nft 'table inet t { chain i { type filter hook input priority 0;"
			 " tcp dport 1000-1019 drop;"
			 " tcp dport 1100-1149 reject with tcp reset;"
			 " tcp dport 1200-1249 reject with icmpx type admin-prohibited;"
			 " tcp dport 1300-1349 reject with icmpx type host-unreachable; }; }'") &&
	       drop_first();
}

static enum stream_outcome truth(uint16_t port)
{
	if (port >= 1000 && port < 1020)
		return STREAM_TIMEOUT;
	if ((port >= 1200 && port < 1250) || (port >= 1300 && port < 1350))
		return STREAM_UNREACHABLE;
	if (port >= 2000 && port < 2060 && (port - 2000) % 3 == 0)
		return STREAM_CONNECTED;
	return STREAM_REFUSED;
}

// ---- driving a transport

struct run {
	const struct streams_ops *ops;
	struct streams *s;
	const struct stream_job *jobs;
	unsigned count, next, done;
	struct stream_result *results; // by token
	bool *seen;
	struct streams_stats stats;
};

static void take_results(struct run *r)
{
	struct stream_result got[100];
	unsigned n = r->ops->poll(r->s, got, 100);
	for (unsigned i = 0; i < n; i++) {
		assert_true(got[i].token < r->count);
		assert_false(r->seen[got[i].token]);
		r->seen[got[i].token] = true;
		r->results[got[i].token] = got[i];
	}
	r->done += n;
}

// Submits everything and collects one result for each; fails when they have not come after 20 s.
static void run_jobs(struct run *r)
{
	int64_t end = clock_mono_ns() + 20 * NS_PER_S;
	r->results = calloc(r->count, sizeof(*r->results));
	r->seen = calloc(r->count, sizeof(*r->seen));
	while (r->done < r->count) {
		assert_true(clock_mono_ns() < end);
		unsigned before = r->next + r->done;
		r->next += r->ops->submit(r->s, r->jobs + r->next, r->count - r->next);
		take_results(r);
		assert_int_equal(r->ops->in_flight(r->s), r->next - r->done);
		struct pollfd p = {.fd = r->ops->fd(r->s), .events = POLLIN};
		if (r->next + r->done == before)
			assert_true(poll(&p, 1, 5000) > 0 || r->done == r->count);
	}
	struct stream_result none;
	assert_int_equal(r->ops->poll(r->s, &none, 1), 0);
	r->ops->stats(r->s, &r->stats);
	r->ops->close(r->s);
}

static void free_run(struct run *r)
{
	free(r->results);
	free(r->seen);
}

static struct stream_job *make_jobs(struct addr dst, unsigned shuffle)
{
	struct stream_job *jobs = calloc(PORTS, sizeof(*jobs));
	for (unsigned i = 0; i < PORTS; i++)
		jobs[i] = (struct stream_job){.token = i,
					      .dst = dst,
					      .port = (uint16_t)(FIRST_PORT + (i * shuffle) % PORTS),
					      .timeout_ns = TIMEOUT};
	return jobs;
}

static void open_or_fail(struct run *r, const struct streams_config *cfg)
{
	struct err_text e = {""};
	if (r->ops->open(&r->s, cfg, &e))
		fail_msg("%s: %s", r->ops->name, e.text);
}

// ---- the lab

struct lab {
	struct netns_peer peer;
};

// The neighbour is asked for before thousands of SYNs queue up for it: the kernel keeps few of them.
static bool meet(struct addr dst)
{
	struct stream_job job = {.dst = dst, .port = 1, .timeout_ns = 3 * NS_PER_S};
	struct run r = {.ops = &streams_epoll, .jobs = &job, .count = 1};
	struct streams_config cfg = {0};
	open_or_fail(&r, &cfg);
	run_jobs(&r);
	bool ok = r.results[0].outcome == STREAM_REFUSED;
	free_run(&r);
	return ok;
}

static int set_up(void **state)
{
	struct lab *lab = calloc(1, sizeof(*lab));
	assert_true(netns_enter() && netns_peer_start(&lab->peer, serve));
	assert_true(meet(peer_v4()) && meet(peer_v6()));
	*state = lab;
	return 0;
}

static int tear_down(void **state)
{
	struct lab *lab = *state;
	netns_peer_stop(&lab->peer);
	free(lab);
	return 0;
}

// ---- cases

static const struct engine {
	const struct streams_ops *ops;
	unsigned workers;
} engines[] = {
	{&streams_epoll, 0}, {&streams_epoll, 1}, {&streams_epoll, 2},
	{&streams_uring, 0}, {&streams_uring, 1}, {&streams_uring, 2},
};

#define ENGINES (sizeof(engines) / sizeof(engines[0]))

static void check_truth(const struct run *r, const char *what)
{
	for (unsigned i = 0; i < r->count; i++) {
		uint16_t port = r->jobs[i].port;
		if (r->results[i].outcome != truth(port))
			fail_msg("%s %s: port %u: outcome %u (%s), expected %u", r->ops->name, what, port,
				 r->results[i].outcome, strerror(r->results[i].error), truth(port));
		if (truth(port) == STREAM_TIMEOUT)
			assert_in_range(r->results[i].rtt_us, TIMEOUT / NS_PER_US,
					TIMEOUT / NS_PER_US + LATE_US);
		else
			assert_in_range(r->results[i].rtt_us, 0, TIMEOUT / NS_PER_US + LATE_US);
	}
}

static void scan_all(const struct engine *engine, const struct streams_config *cfg, struct addr dst,
		     unsigned shuffle, const char *what)
{
	struct stream_job *jobs = make_jobs(dst, shuffle);
	struct run r = {.ops = engine->ops, .jobs = jobs, .count = PORTS};
	open_or_fail(&r, cfg);
	run_jobs(&r);
	check_truth(&r, what);
	assert_true(r.stats.connects >= PORTS);
	free_run(&r);
	free(jobs);
}

static void test_mixed_ports(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ENGINES; i++) {
		struct streams_config cfg = {.workers = engines[i].workers};
		scan_all(&engines[i], &cfg, peer_v4(), 1, "v4 in order");
		scan_all(&engines[i], &cfg, peer_v4(), 7, "v4 mixed");
		scan_all(&engines[i], &cfg, peer_v6(), 11, "v6 mixed");
	}
}

// With few sockets, each is used for many ports, right after one that was dropped or rejected.
static void test_few_sockets(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ENGINES; i++) {
		struct streams_config cfg = {.workers = engines[i].workers, .max_in_flight = 20};
		scan_all(&engines[i], &cfg, peer_v4(), 7, "v4, 20 sockets");
		scan_all(&engines[i], &cfg, peer_v6(), 13, "v6, 20 sockets");
	}
}

static void test_both_families(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ENGINES; i++) {
		struct streams_config cfg = {.workers = engines[i].workers, .max_in_flight = 2};
		struct stream_job jobs[200];
		for (unsigned k = 0; k < 200; k++)
			jobs[k] = (struct stream_job){.token = k,
						      .dst = k % 3 ? peer_v4() : peer_v6(),
						      .port = (uint16_t)(k % 20 ? 1900 + k / 2 : 2003),
						      .timeout_ns = TIMEOUT};
		struct run r = {.ops = engines[i].ops, .jobs = jobs, .count = 200};
		open_or_fail(&r, &cfg);
		run_jobs(&r);
		check_truth(&r, "both families over two sockets");
		free_run(&r);
	}
}

static void test_fixed_source(void **state)
{
	(void)state;
	struct addr v4 = addr_v4(0xc6120001), v6 = {.hi = 0x20010db800000000, .lo = 1};
	for (unsigned i = 0; i < ENGINES; i += 2) {
		struct streams_config cfg = {.workers = engines[i].workers, .source_v4 = v4, .source_v6 = v6};
		scan_all(&engines[i], &cfg, peer_v4(), 7, "v4 from an address");
		scan_all(&engines[i], &cfg, peer_v6(), 7, "v6 from an address");
		cfg = (struct streams_config){.workers = engines[i].workers, .source_port = 20053};
		scan_all(&engines[i], &cfg, peer_v4(), 7, "v4 from a port");
		scan_all(&engines[i], &cfg, peer_v6(), 7, "v6 from a port");
		cfg = (struct streams_config){
			.workers = engines[i].workers, .ttl = 9, .interface = "v0", .max_in_flight = 50};
		scan_all(&engines[i], &cfg, peer_v4(), 7, "v4 through an interface");
		scan_all(&engines[i], &cfg, peer_v6(), 7, "v6 through an interface");
	}
}

// A port of this machine where nobody listens, met from that very port.
static void test_meets_itself(void **state)
{
	(void)state;
	struct streams_config cfg = {.source_port = 20061};
	struct stream_job jobs[] = {
		{.dst = addr_v4(0x7f000001), .port = 20061, .timeout_ns = NS_PER_S},
		{.token = 1, .dst = {.lo = 1}, .port = 20061, .timeout_ns = NS_PER_S},
	};
	for (unsigned i = 0; i < ENGINES; i++) {
		struct run r = {.ops = engines[i].ops, .jobs = jobs, .count = 2};
		cfg.workers = engines[i].workers;
		open_or_fail(&r, &cfg);
		run_jobs(&r);
		for (unsigned k = 0; k < 2; k++) {
			assert_int_equal(r.results[k].outcome, STREAM_REFUSED);
			assert_int_equal(r.results[k].error, ECONNREFUSED);
		}
		free_run(&r);
	}
}

static void test_bad_configs(void **state)
{
	(void)state;
	static const struct {
		struct streams_config cfg;
		const char *text;
	} cases[] = {
		{{.source_v4 = {.lo = 0xffffc6130909}}, "198.19.9.9"},
		{{.source_v6 = {.hi = 0x20010db800000000, .lo = 0x99}}, "2001:db8::99"},
		{{.interface = "nosuch0"}, "nosuch0"},
		{{.interface = "a-name-that-is-too-long"}, "too long"},
	};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct streams *s = NULL;
		struct err_text e = {""};
		assert_true(streams_epoll.open(&s, &cases[i].cfg, &e) < 0);
		assert_non_null(strstr(e.text, cases[i].text));
		assert_null(s);
	}
}

// ---- shortages

static void test_tiny_descriptor_limit(void **state)
{
	(void)state;
	struct rlimit before, tiny;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	tiny = (struct rlimit){.rlim_cur = 64, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tiny), 0);
	for (unsigned i = 0; i < ENGINES; i++) {
		struct streams_config cfg = {.workers = engines[i].workers};
		scan_all(&engines[i], &cfg, peer_v4(), 7, "v4, 64 descriptors");
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

// All descriptors are taken by somebody else while jobs are waiting; then they come free.
static void test_descriptors_run_out(void **state)
{
	(void)state;
	struct rlimit before, small;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	small = (struct rlimit){.rlim_cur = 128, .rlim_max = before.rlim_max};
	for (unsigned i = 0; i < ENGINES; i++) {
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
		struct streams_config cfg = {.workers = engines[i].workers};
		struct stream_job *jobs = make_jobs(peer_v4(), 7);
		struct run r = {.ops = engines[i].ops, .jobs = jobs, .count = PORTS};
		open_or_fail(&r, &cfg);
		int taken[128], n = 0;
		while (n < 128 && (taken[n] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
			n++;
		assert_in_range(n, 1, 127);
		r.next = r.ops->submit(r.s, jobs, PORTS);
		struct stream_result none;
		// Until the shortage was met, however busy the machine is.
		for (unsigned k = 0; k < 10000 && r.stats.waits_fds == 0; k++) {
			assert_int_equal(r.ops->poll(r.s, &none, 1), 0);
			usleep(1000);
			r.ops->stats(r.s, &r.stats);
		}
		while (n > 0)
			close(taken[--n]);
		run_jobs(&r);
		check_truth(&r, "after descriptors had run out");
		assert_true(r.stats.waits_fds > 0);
		free_run(&r);
		free(jobs);
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void test_tiny_port_range(void **state)
{
	(void)state;
	assert_true(netns_run("sysctl -w net.ipv4.ip_local_port_range='40000 40007'"));
	for (unsigned i = 0; i < ENGINES; i++) {
		struct streams_config cfg = {.workers = engines[i].workers};
		struct stream_job jobs[60];
		for (unsigned k = 0; k < 60; k++)
			jobs[k] = (struct stream_job){.token = k,
						      .dst = k % 2 ? peer_v4() : peer_v6(),
						      .port = 1000,
						      .timeout_ns = 50 * MS};
		struct run r = {.ops = engines[i].ops, .jobs = jobs, .count = 60};
		open_or_fail(&r, &cfg);
		run_jobs(&r);
		for (unsigned k = 0; k < 60; k++)
			assert_int_equal(r.results[k].outcome, STREAM_TIMEOUT);
		assert_true(r.stats.waits_ports > 0);
		assert_in_range(r.stats.in_flight_max, 1, 16 * (engines[i].workers + 1));
		free_run(&r);
		scan_all(&engines[i], &cfg, peer_v4(), 7, "v4, 8 local ports");
	}
	assert_true(netns_run("sysctl -w net.ipv4.ip_local_port_range='32768 60999'"));
}

// What is answered after the kernel sent its SYN again tells no RTT.
static void test_kernel_tries_again(void **state)
{
	(void)state;
	static_assert(ENGINES <= FIRST_LOST, "each has a port of its own");
	for (unsigned i = 0; i < ENGINES; i++) {
		struct streams_config cfg = {.workers = engines[i].workers};
		struct stream_job jobs[] = {
			{.token = 0,
			 .dst = peer_v4(),
			 .port = (uint16_t)(FIRST_LOST_PORT + i),
			 .timeout_ns = 8 * NS_PER_S},
			{.token = 1, .dst = peer_v4(), .port = 2000, .timeout_ns = 8 * NS_PER_S},
		};
		struct run r = {.ops = engines[i].ops, .jobs = jobs, .count = 2};
		open_or_fail(&r, &cfg);
		run_jobs(&r);
		assert_int_equal(r.results[0].outcome, STREAM_REFUSED);
		assert_int_equal(r.results[0].rtt_us, 0);
		assert_int_equal(r.results[1].outcome, STREAM_CONNECTED);
		assert_int_not_equal(r.results[1].rtt_us, 0);
		free_run(&r);
	}
}

// No way there at all: told at once, by the local kernel.
static void test_no_route(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ENGINES; i++) {
		struct streams_config cfg = {.workers = engines[i].workers};
		struct stream_job jobs[] = {
			{.token = 0,
			 .dst = addr_v4(0xc6130001),
			 /* outside our /16 */ .port = 80,
			 .timeout_ns = 2000 * MS},
			{.token = 1,
			 .dst = {.hi = 0x20010db8ffff0000, .lo = 1},
			 .port = 80,
			 .timeout_ns = 2000 * MS},
			{.token = 2, .dst = peer_v4(), .port = 2000, .timeout_ns = 2000 * MS},
		};
		struct run r = {.ops = engines[i].ops, .jobs = jobs, .count = 3};
		open_or_fail(&r, &cfg);
		run_jobs(&r);
		assert_int_equal(r.results[0].outcome, STREAM_UNREACHABLE);
		assert_int_equal(r.results[0].error, ENETUNREACH);
		assert_int_equal(r.results[1].outcome, STREAM_UNREACHABLE);
		assert_int_equal(r.results[2].outcome, STREAM_CONNECTED);
		free_run(&r);
	}
}

// Closing with thousands in flight neither hangs nor leaks descriptors.
static void test_close_in_flight(void **state)
{
	(void)state;
	int probe = open("/dev/null", O_RDONLY);
	close(probe);
	for (unsigned i = 0; i < ENGINES; i++) {
		struct streams_config cfg = {.workers = engines[i].workers};
		struct run r = {.ops = engines[i].ops};
		struct stream_job jobs[500];
		open_or_fail(&r, &cfg);
		for (unsigned k = 0; k < 500; k++)
			jobs[k] = (struct stream_job){
				.dst = peer_v4(), .port = 1000, .timeout_ns = 60 * NS_PER_S};
		assert_int_equal(r.ops->submit(r.s, jobs, 500), 500);
		struct stream_result none;
		for (unsigned k = 0; k < 10; k++) {
			assert_int_equal(r.ops->poll(r.s, &none, 1), 0);
			usleep(2000);
		}
		r.ops->close(r.s);
		int again = open("/dev/null", O_RDONLY);
		assert_int_equal(again, probe);
		close(again);
	}
}

// ---- without a lab

static void child_without_uring(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {.len = 4, .filter = code};
	struct streams_config cfg = {0};
	struct streams *s;
	struct err_text e = {""};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		_exit(77);
	if (streams_uring.open(&s, &cfg, &e) != -1 || !strstr(e.text, "io_uring is "))
		_exit(1);
	_exit(streams_epoll.open(&s, &cfg, &e) == 0 ? 0 : 2);
}

static void test_uring_forbidden(void **state)
{
	(void)state;
	int status;
	pid_t pid = fork();
	if (pid == 0)
		child_without_uring();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		print_message("# skipped: no seccomp here\n");
	else
		assert_int_equal(status, 0);
}

static void test_find(void **state)
{
	(void)state;
	assert_ptr_equal(streams_find("epoll"), &streams_epoll);
	assert_ptr_equal(streams_find("uring"), &streams_uring);
	assert_null(streams_find("select"));
	assert_null(streams_find(""));
}

#define PLAIN cmocka_unit_test(test_find), cmocka_unit_test(test_uring_forbidden)

int main(void)
{
	const struct CMUnitTest plain[] = {PLAIN};
	const struct CMUnitTest all[] = {
		PLAIN,
		cmocka_unit_test(test_mixed_ports),
		cmocka_unit_test(test_few_sockets),
		cmocka_unit_test(test_both_families),
		cmocka_unit_test(test_fixed_source),
		cmocka_unit_test(test_meets_itself),
		cmocka_unit_test(test_bad_configs),
		cmocka_unit_test(test_tiny_descriptor_limit),
		cmocka_unit_test(test_descriptors_run_out),
		cmocka_unit_test(test_tiny_port_range),
		cmocka_unit_test(test_kernel_tries_again),
		cmocka_unit_test(test_no_route),
		cmocka_unit_test(test_close_in_flight),
	};
	if (geteuid() == 0)
		return cmocka_run_group_tests_name("streams", all, set_up, tear_down);
	print_message("# skipped: %zu tests that need root\n", sizeof(all) / sizeof(all[0]) - 2);
	return cmocka_run_group_tests_name("streams", plain, NULL, NULL);
}
