// SYNs to one host behind a veth pair, every one answered by its kernel with a reset: what each frame
// transport takes from opening to closing. Forks for each run, so that the time of a whole process is seen as
// well. Needs root.
//
//   micro_frames                  the table
//   micro_frames crossing         where the packet socket overtakes raw IP sockets
//   micro_frames lookup           cost of a route lookup (any user)
//   micro_frames one ENGINE THREADS BYPASS LARGE BATCH FRAMES      (for strace and perf)
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "net/neigh.h"
#include "net/prefix_map.h"
#include "net/route.h"
#include "netns.h"
#include "packet/parse.h"
#include "probe/probe.h"
#include "transport/frames.h"

#define RUNS     12
#define STEP     256
#define QUIET_NS NS_PER_S // without an answer: the rest is lost

struct run {
	const char *engine;
	unsigned threads;
	bool bypass, ring;
	unsigned batch, frames;
};

// Times of one run, filled by the child.
struct times {
	int64_t open_ns, sent_ns, answered_ns, close_ns, process_ns, cpu_ns;
	uint64_t answers, not_taken, dropped, syscalls;
	int rc;
};

struct world {
	struct probe_env env;
	struct frame_template templates[TEMPLATES_MAX];
	struct frame_hop hop;
	const struct frame_hop *hops;
	frame_stamp *stamps;
	struct frames_config cfg;
};

static const struct addr far_host = {.lo = 0xffffc6120002};

static int world_make(struct world *w, const struct run *run)
{
	struct net_table *t;
	struct net_path p;
	struct err_text e;
	int rc = net_table_read(&t, true, false, NULL, NULL, &e);
	if (rc)
		return rc;
	rc = net_table_lookup(t, &far_host, &p, NULL, &e);
	struct neigh_query q = {.addr = far_host, .ifindex = rc ? 0 : p.link->ifindex};
	if (rc == 0)
		rc = neigh_resolve(&q, 1, NS_PER_S, &e);
	if (rc == 0 && q.resolved) {
		w->hop = (struct frame_hop){.ifindex = q.ifindex, .has_link = true, .source = p.source};
		memcpy(w->hop.dst_mac, q.mac, 6);
		memcpy(w->hop.src_mac, p.link->mac, 6);
	}
	net_table_free(t);
	w->env = (struct probe_env){.sport_base = 50000, .sport_tries = 10};
	w->hops = &w->hop;
	w->stamps = calloc(65536, sizeof(*w->stamps));
	w->cfg = (struct frames_config){.templates = w->templates,
					.hops = &w->hops,
					.stamps = &w->stamps,
					.want_v4 = true,
					.port_lo = 50000,
					.port_hi = 50009,
					.batch = run->batch,
					.send_threads = run->threads,
					.expected = run->ring ? 262144 : 0,
					.qdisc_bypass = run->bypass,
					.privileged_fds = {-1, -1, -1, -1}};
	return rc ? rc : probe_get(TECHNIQUE_TCP_SYN)->make_template(&w->env, ADDR_V4, &w->templates[0]);
}

static void aim(const struct world *w, unsigned first, unsigned n, struct frame_desc *d)
{
	for (unsigned i = 0; i < n; i++) {
		uint32_t at = first + i;
		d[i] = (struct frame_desc){
			.dst_hi = far_host.hi, .dst_lo = far_host.lo, .stamp = at & 65535, .try_no = 1};
		probe_get(TECHNIQUE_TCP_SYN)->aim(&w->env, &far_host, (uint16_t)(1 + at % 65535), 1, &d[i]);
	}
}

// Everything that is here: on a veth pair the answers arrive as fast as the probes go out.
static unsigned answers_take(const struct world *w, const struct frames_ops *ops, struct frames *f)
{
	struct frame_reply r[128];
	unsigned answers = 0;
	int got = ops->recv(f, r, 128);
	for (int i = 0; i < got; i++) {
		struct packet_view v;
		struct probe_answer a;
		if (packet_parse(r[i].data, r[i].len, r[i].ethertype, &v) == 0 &&
		    probe_classify(&w->env, 1U << TECHNIQUE_TCP_SYN, &v, &a) == PROBE_ANSWER)
			answers++;
		if (i == 127) {
			got = ops->recv(f, r, 128);
			i = -1;
		}
	}
	return answers;
}

// The loop of a scan: hand over what fits, take what is there, sleep when neither moves.
static int sweep(const struct world *w, const struct run *run, const struct frames_ops *ops, struct frames *f,
		 struct times *t)
{
	struct frame_desc d[STEP];
	unsigned next = 0, ready = 0, at = 0;
	int64_t last = clock_mono_ns();
	while (t->answers < run->frames) {
		if (at == ready && next < run->frames) {
			ready = run->frames - next < STEP ? run->frames - next : STEP;
			at = 0;
			aim(w, next, ready, d);
			next += ready;
		}
		unsigned taken = 0;
		if (at < ready) {
			int rc = ops->send(f, d + at, ready - at, &taken);
			if (rc)
				return rc;
			at += taken;
		}
		if (!t->sent_ns && at == ready && next == run->frames && ops->idle(f))
			t->sent_ns = clock_mono_ns();
		unsigned got = answers_take(w, ops, f);
		t->answers += got;
		int64_t now = clock_mono_ns();
		if (got || taken)
			last = now;
		else if (now - last > QUIET_NS)
			break;
		if (!got && !taken && at < ready) { // the threads are behind
			nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
		} else if (!got && !taken) {
			struct pollfd p = {.fd = ops->fd(f), .events = POLLIN};
			poll(&p, 1, 1);
		}
	}
	return 0;
}

static int run_child(const struct run *run, struct times *t)
{
	static struct world w;
	struct frames *f;
	struct frames_stats s;
	struct err_text e;
	const struct frames_ops *ops = frames_find(run->engine);
	int rc = world_make(&w, run);
	if (rc)
		return rc;
	int64_t begin = clock_mono_ns();
	rc = ops->open(&f, &w.cfg, &e);
	if (rc) {
		fprintf(stderr, "%s\n", e.text);
		return rc;
	}
	int64_t opened = clock_mono_ns();
	rc = sweep(&w, run, ops, f, t);
	int64_t answered = clock_mono_ns();
	ops->stats(f, &s);
	ops->close(f);
	t->close_ns = clock_mono_ns() - answered;
	t->open_ns = opened - begin;
	t->sent_ns = t->sent_ns ? t->sent_ns - opened : 0;
	t->answered_ns = answered - opened;
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	t->cpu_ns = (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * NS_PER_S +
		    (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * NS_PER_US;
	t->not_taken = s.not_taken;
	t->dropped = s.dropped;
	t->syscalls = s.syscalls;
	return rc;
}

static int run_forked(const struct run *run, struct times *shared, struct times *out)
{
	memset(shared, 0, sizeof(*shared));
	int64_t begin = clock_mono_ns();
	pid_t pid = fork();
	if (pid == 0) {
		shared->rc = run_child(run, shared);
		_exit(0);
	}
	int status;
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || status != 0)
		return -1;
	*out = *shared;
	out->process_ns = clock_mono_ns() - begin;
	return out->rc;
}

// The fastest of some runs: what else the machine does only ever adds.
static int fastest(const struct run *run, struct times *shared, struct times *out)
{
	for (unsigned i = 0; i < RUNS; i++) {
		struct times t;
		int rc = run_forked(run, shared, &t);
		if (rc)
			return rc;
		if (i == 0 || t.process_ns < out->process_ns)
			*out = t;
	}
	return 0;
}

static double ms(int64_t ns)
{
	return (double)ns / 1e6;
}

static void print_run(const struct run *run, const struct times *t)
{
	printf("%-9s %7u %6s %5s %5u %7u | %6.2f %7.2f %8.2f %6.2f %8.2f %7.2f | %6lu %4lu %5lu %6lu\n",
	       run->engine, run->threads, run->bypass ? "yes" : "no", run->ring ? "ring" : "mmsg", run->batch,
	       run->frames, ms(t->open_ns), ms(t->sent_ns), ms(t->answered_ns), ms(t->close_ns),
	       ms(t->process_ns), ms(t->cpu_ns), (unsigned long)t->answers, (unsigned long)t->not_taken,
	       (unsigned long)t->dropped, (unsigned long)t->syscalls);
	fflush(stdout);
}

static void print_head(void)
{
	printf("engine    threads bypass  recv batch  frames |   open    sent answered  close  process | "
	       "answer "
	       "lost  drop  calls   (ms, fastest of %d)\n",
	       RUNS);
}

static int table(struct times *shared)
{
	print_head();
	for (unsigned i = 0; i < 32; i++) {
		struct run run = {.engine = i < 24 ? "afpacket" : "rawip", .batch = 64, .frames = 65535};
		run.threads = i % 3;
		run.bypass = i / 3 & 1;
		run.ring = i / 6 & 1;
		run.batch = i / 12 & 1 ? 256 : 64;
		if (i >= 24 && (run.bypass || i >= 30))
			continue;
		run.ring = i < 24 && run.ring;
		struct times t;
		if (fastest(&run, shared, &t))
			return 1;
		print_run(&run, &t);
	}
	return 0;
}

static int crossing(struct times *shared)
{
	static const unsigned counts[] = {2, 1000, 5000, 10000, 20000, 30000, 40000, 65535, 100000};
	print_head();
	for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		for (unsigned threads = 0; threads <= 2; threads += 2) {
			struct run raw = {"rawip", threads, false, false, 64, counts[i]};
			struct run packet = {"afpacket", threads, true, false, 64, counts[i]};
			struct times t;
			if (fastest(&raw, shared, &t))
				return 1;
			print_run(&raw, &t);
			if (fastest(&packet, shared, &t))
				return 1;
			print_run(&packet, &t);
		}
	}
	return 0;
}

static void lookup_print(const char *what, const struct prefix_map *m, bool v4)
{
	enum { LOOKUPS = 2000000 };
	uint64_t sum = 0;
	int64_t begin = clock_mono_ns();
	for (uint64_t i = 0; i < LOOKUPS; i++) {
		uint64_t x = hash_mix64(i + 1);
		sum += prefix_map_find(m, v4 ? (u128)(uint32_t)x << 96 : (u128)x << 64 | x);
	}
	printf("%-28s %6.1f ns (%lu)\n", what, (double)(clock_mono_ns() - begin) / LOOKUPS,
	       (unsigned long)(sum & 1));
}

static int lookup(void)
{
	static const unsigned counts[] = {3, 20, 100, 10000, 1000000};
	for (unsigned c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
		for (int v4 = 1; v4 >= 0; v4--) {
			struct prefix_entry *e = calloc(counts[c], sizeof(*e));
			struct prefix_map *m;
			for (unsigned i = 0; e && i < counts[c]; i++) {
				uint64_t x = hash_mix64(i * 7919ULL + 1);
				e[i] = (struct prefix_entry){.base = v4 ? (u128)(uint32_t)x << 96
									: (u128)x << 64,
							     .len = (uint8_t)(v4 ? 8 + x % 17 : 16 + x % 33),
							     .value = i};
			}
			if (!e || prefix_map_build(&m, e, counts[c]))
				return 1;
			char what[64];
			snprintf(what, sizeof(what), "IPv%d, %u prefixes", v4 ? 4 : 6, counts[c]);
			lookup_print(what, m, v4);
			prefix_map_free(m);
			free(e);
		}
	}
	return 0;
}

static unsigned number(const char *text)
{
	return (unsigned)strtoul(text, NULL, 10);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "lookup"))
		return lookup();
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	struct netns_peer p;
	struct times *shared =
		mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || !netns_enter() || !netns_peer_start(&p, NULL)) {
		fprintf(stderr, "micro_frames: cannot make network namespaces (root?)\n");
		return 1;
	}
	int rc;
	if (argc == 8 && !strcmp(argv[1], "one")) {
		struct run run = {
			argv[2],         number(argv[3]), number(argv[4]) != 0, number(argv[5]) != 0,
			number(argv[6]), number(argv[7])};
		rc = run_child(&run, shared);
		print_run(&run, shared);
	} else {
		rc = argc > 1 && !strcmp(argv[1], "crossing") ? crossing(shared) : table(shared);
	}
	netns_peer_stop(&p);
	return rc ? 1 : 0;
}
