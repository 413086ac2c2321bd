// A whole scan: routes, host discovery, the sweep over the live ones. Rights are needed in scan_open only.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "result/host.h"
#include "result/record.h"
#include "scan/engine.h"
#include "scan/sweep.h"
#include "target/addrset.h"
#include "target/ports.h"

enum scan_kind {
	SCAN_SYN,
	SCAN_CONNECT,
	SCAN_PING, // -sn
};

struct scan_config {
	enum scan_kind kind;
	enum scan_engine engine;
	const struct addrset *targets; // exclusions taken out; borrowed
	const uint16_t *tcp_ports;     // borrowed
	uint32_t tcp_port_count;
	bool skip_discovery; // -Pn
	bool no_raw;         // --unprivileged: hosts are discovered by connections
	bool raw_only;       // --privileged, or an engine was named: no connections instead
	bool sequential;     // -r
	uint64_t seed;
	uint32_t shard, shards; // 0-based
	uint64_t max_probes;    // 0: all
	unsigned batch;         // --batch-size; 0: by the rate
	unsigned recv_batch;    // --receive-batch; 0: the default
	// Loads the XDP engine's module when a scan wants it; NULL with the reason in `e`.
	const struct xdp_ops *(*xdp)(struct err_text *e);
	unsigned xdp_batch;               // --xdp-batch
	bool keep_half_open;              // --keep-half-open
	int send_threads;                 // --send-threads; -1: by the amount of work
	const char *interface;            // -e
	struct addr source_v4, source_v6; // -S; all zero: by the route
	uint16_t source_port;             // -g; 0: one per try
	uint8_t ttl;                      // 0: default
	struct sweep_policy policy;
	bool trace; // --packet-trace
};

struct scan_hooks {
	void *ctx;
	void (*record)(void *ctx, const struct record *r);
	void (*expect)(void *ctx, const struct addr *a); // a record of this host comes soon; may be NULL
	void (*silent)(void *ctx, const struct addr *a, uint16_t port); // NULL: not wanted
	void (*host_up)(void *ctx, const struct record *r, const uint8_t *mac);
	void (*host_down)(void *ctx, const struct addr *a, enum reason reason);
	void (*host_timed_out)(void *ctx, const struct addr *a);
	void (*host_limited)(void *ctx, const struct addr *a);
	void (*host_vanished)(void *ctx, const struct addr *a); // it answered, and at the end no more
	void (*host_done)(void *ctx, const struct addr *a);
	void (*packet)(void *ctx, bool sent, const uint8_t *data, size_t len,
		       uint16_t ethertype); // --packet-trace
	// The same of a connection; outcome NULL: it is being made.
	void (*connection)(void *ctx, const struct addr *to, uint16_t port, const char *outcome);
	// Called at least every 50 ms. Not 0: stop.
	int (*tick)(void *ctx, const struct scan_counters *c, int64_t now_ns);
	int stop_fd; // readable when tick should be called at once; -1: none
};

struct scan;

// Reads routes, chooses the transports, opens what needs rights. Errors say what is missing and what to do.
int scan_open(struct scan **out, const struct scan_config *cfg, const struct scan_hooks *hooks,
	      const struct log *log, struct err_text *e) MUST_CHECK;
// Discovery and scan. Returns 0, ERR_INTERRUPTED when tick said stop, or what ended it early.
int scan_run(struct scan *s, struct scan_summary *sum, struct err_text *e) MUST_CHECK;
void scan_close(struct scan *s);

// Will it need the bpf system call after the rights are gone?
bool scan_wants_bpf(const struct scan *s);
