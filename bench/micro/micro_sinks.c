// What a record costs in each format and in the aggregator: micro_sinks [XML-MODULE.so]. Output goes to
// /dev/null.
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/module.h"
#include "result/fanout.h"
#include "result/hosts.h"
#include "sink/sink.h"

#define RECORDS 1000000
#define HOSTS   200000
#define ROUNDS  3

static struct record record_at(uint32_t i)
{
	return (struct record){.addr = addr_v4(0xc6120000 + (i * 40503 & 0x1ffff)),
			       .port = (uint16_t)(i * 7919),
			       .state = STATE_OPEN,
			       .reason = REASON_SYN_ACK,
			       .ttl = 64,
			       .rtt_us = 100 + i % 1000,
			       .window = 64240,
			       .tries = 1,
			       .options_len = 4,
			       .options = {2, 4, 5, 0xb4},
			       .wall_ns = 1795550400 * NS_PER_S + (int64_t)i * 997};
}

static struct sink *open_sink(const struct sink_ops *ops, const struct scan_info *info)
{
	struct sink_config cfg = {
		.info = info, .fd = open("/dev/null", O_WRONLY | O_CLOEXEC), .path = "/dev/null"};
	struct sink *s = NULL;
	struct err_text e;

	if (cfg.fd < 0 || ops->open(&s, &cfg, &e) != 0)
		exit(1);
	return s;
}

static double run_records(const struct sink_ops *ops, const struct scan_info *info)
{
	struct scan_summary sum = {0};
	struct sink *s = open_sink(ops, info);
	int64_t start = clock_mono_ns();
	int rc = 0;

	for (uint32_t i = 0; i < RECORDS && rc == 0; i++) {
		struct record r = record_at(i);
		rc = ops->record(s, &r);
	}
	rc |= ops->close(s, &sum);
	return rc ? -1 : (double)(clock_mono_ns() - start) / RECORDS;
}

static double run_hosts(const struct sink_ops *ops, const struct scan_info *info)
{
	static const struct port_result ports[] = {
		{.port = 22, .state = STATE_OPEN, .reason = REASON_SYN_ACK, .ttl = 64},
		{.port = 80, .state = STATE_OPEN, .reason = REASON_SYN_ACK, .ttl = 64},
		{.port = 443, .state = STATE_OPEN, .reason = REASON_SYN_ACK, .ttl = 64},
	};
	struct scan_summary sum = {0};
	struct sink *s = open_sink(ops, info);
	int64_t start = clock_mono_ns();
	int rc = 0;

	for (uint32_t i = 0; i < HOSTS && rc == 0; i++) {
		struct host_result h = {.addr = addr_v4(0xc6120000 + i),
					.state = STATE_UP,
					.ports_total = 1000,
					.ports = ports,
					.port_count = 3,
					.counts = {{0, STATE_CLOSED, REASON_RESET, 997}},
					.count_count = 1};
		rc = ops->host(s, &h);
	}
	rc |= ops->close(s, &sum);
	return rc ? -1 : (double)(clock_mono_ns() - start) / HOSTS;
}

struct null_ctx {
	uint64_t records;
};

static int null_record(void *ctx, const struct record *r)
{
	((struct null_ctx *)ctx)->records += r->port != 0;
	return 0;
}

static int null_close(void *ctx, const struct scan_summary *sum)
{
	(void)ctx;
	(void)sum;
	return 0;
}

static double run_fanout(bool threaded)
{
	struct null_ctx ctx = {0};
	struct fanout_target t = {.name = "none", .ctx = &ctx, .record = null_record, .close = null_close};
	struct fanout_config cfg = {.targets = &t, .count = 1, .threaded = threaded};
	struct scan_summary sum = {0};
	struct fanout *f;
	struct err_text e;

	if (fanout_new(&f, &cfg, &e) != 0)
		exit(1);
	int64_t start = clock_mono_ns();
	for (uint32_t i = 0; i < RECORDS; i++) {
		struct record r = record_at(i);
		fanout_record(f, &r);
	}
	double ns = (double)(clock_mono_ns() - start) / RECORDS;
	return fanout_close(f, &sum, NULL) ? -1 : ns;
}

// A sweep of 131,072 hosts: ten answers a host, nine of them closed.
static double run_aggregator(void)
{
	struct hosts_config cfg = {.ports = {100}, .silent_state = {STATE_FILTERED}};
	struct hosts *h = hosts_new(&cfg);
	struct hosts_stats st;
	uint32_t n = 10 << 17;
	int64_t start = clock_mono_ns();

	if (!h)
		exit(1);
	for (uint32_t i = 0; i < n; i++) {
		struct record r = record_at(i);
		r.port = (uint16_t)(i >> 17);
		if (r.port != 0) {
			r.state = STATE_CLOSED;
			r.reason = REASON_RESET;
		}
		if (hosts_answer(h, &r) != 0)
			exit(1);
	}
	double ns = (double)(clock_mono_ns() - start) / n;
	hosts_stats(h, &st);
	printf("%-28s %8.1f bytes a host\n", "aggregator, memory", (double)st.bytes / (double)st.hosts);
	hosts_free(h);
	return ns;
}

static void report(const char *what, double ns, double best)
{
	if (ns < 0)
		printf("%-28s failed\n", what);
	else
		printf("%-28s %8.1f ns\n", what, best);
}

int main(int argc, char **argv)
{
	struct scan_info info = {.version = "0.1.0", .scan_id = "00112233445566778899aabbccddeeff"};
	const struct sink_ops *ops[4] = {&sink_jsonl, &sink_normal, &sink_grepable, NULL};
	void *lib = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
	const struct module_info *(*entry)(void);
	char what[64];

	if (lib) {
		*(void **)&entry = dlsym(lib, MODULE_SYMBOL);
		ops[3] = entry()->ops;
	}
	double best = 1e9, ns = 0;
	for (int round = 0; round < ROUNDS; round++) {
		ns = run_records(&sink_jsonl, &info);
		best = ns < best ? ns : best;
	}
	report("jsonl, an open port", ns, best);
	for (size_t i = 0; i < 4; i++) {
		if (!ops[i])
			continue;
		snprintf(what, sizeof(what), "%s, a host with 3 ports", ops[i]->name);
		ns = run_hosts(ops[i], &info);
		report(what, ns, ns);
	}
	ns = run_fanout(false);
	report("fan-out, at once", ns, ns);
	ns = run_fanout(true);
	report("fan-out, queue", ns, ns);
	ns = run_aggregator();
	report("aggregator, an answer", ns, ns);
	return 0;
}
