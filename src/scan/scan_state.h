// Private to the scan's files.
#pragma once

#include "net/neigh.h"
#include "net/route.h"
#include "scan/frame_io.h"
#include "scan/scan.h"
#include "scan/stream_io.h"

#define SMALL_LINK   256u       // on-link hosts that the kernel resolves for us in a small scan
#define BLOCK        (1u << 20) // addresses in one discovery block
#define SURVEY_LINKS 16u        // interfaces that are remembered
#define SEEDS_MAX    65536u     // hosts whose RTT from discovery is handed on

// What the targets look like on the way out.
struct survey {
	bool v4, v6;
	bool ethernet;                // some go out through an Ethernet link
	bool other;                   // some through loopback or a link without addresses
	uint32_t links[SURVEY_LINKS]; // the Ethernet ones
	unsigned link_count;
	uint64_t on_link; // on-link Ethernet hosts, at least
	bool unsure;      // among few of those: the kernel knows one, but not of late
	uint64_t addresses;
	uint64_t unroutable; // among them, as far as they were looked at one by one
	struct err_text why; // of the first of those
};

struct live_host {
	struct addr addr;
	uint32_t rtt_us;
};

// The hosts found up in one block.
struct live {
	struct addrset *set;
	struct live_host *hosts;
	uint32_t host_count, host_cap;
	uint64_t up, down;
};

struct scan {
	struct scan_config cfg;
	struct scan_hooks hooks;
	const struct log *log;
	struct net_table *table;
	struct survey survey;
	struct frame_io *frames;   // NULL: unprivileged connect scan
	struct stream_io *streams; // NULL: no connections are made
	struct neigh_query *neighbours;
	unsigned neighbour_count;
	struct paths *route_paths; // for routing alone, when there are no frames
	uint64_t probes_left;      // of --max-probes
	bool shard_by_address;     // else by position, over all targets alike
	int64_t last_sent_ns;      // by any sweep so far; 0: nothing was sent
};

// Finds out which of a block's addresses are up. `shard_order` (may be NULL) tells which are this shard's.
int discover_block(struct scan *s, uint64_t first, uint64_t count, struct live *live,
		   struct err_text *e) MUST_CHECK;
void live_free(struct live *l);
int live_add(struct live *l, const struct addr *a, uint32_t rtt_us) MUST_CHECK;

// One sweep over a set with the given slots; `fs` NULL for connections.
struct sweep_job {
	const struct addrset *set;
	const struct space_slot *slots;
	uint32_t slot_count;
	uint32_t shard, shards; // 0-based, of all positions; 0/0: everything
	uint64_t max_probes;    // 0: all
	struct sweep_policy policy;
	struct sweep_events events;
	uint32_t techniques;
	bool discovery, connect;
	void (*mac)(void *ctx, const struct addr *a, const uint8_t mac[6]);
	void *mac_ctx;
	const struct live *seeds; // may be NULL
	struct sweep **running;   // where the caller's events find the sweep, or NULL
};
int scan_sweep(struct scan *s, const struct sweep_job *job, struct scan_summary *sum,
	       struct err_text *e) MUST_CHECK;

struct paths *scan_paths(struct scan *s);
