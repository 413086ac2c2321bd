// A network in virtual time for tests of the sweep: every (address, port) has a true state; paths have delay,
// loss and limits.
#pragma once

#include "scan/sweep.h"
#include "target/addrset.h"

struct world_host {
	uint32_t open_every; // port % n == 0 is open (0: none)
	bool silent;         // closed ports do not answer
	uint32_t rtt_us, jitter_us;
	double loss;               // of a round trip
	double reset_pps;          // resets are limited to so many a second (0: no limit)
	double syn_pps, syn_burst; // no more frames than that are taken (0: no limit)
	double bottle_pps;         // a queue of bottle_queue frames is served at this rate (0: none)
	uint32_t bottle_queue;
	uint32_t outage_from_ms, outage_ms; // everything is lost for a while
};

struct world_result {
	uint64_t frames, open_found, open_missed, false_open, duplicates, closed, silent, records;
	uint64_t hosts_vanished;
	uint64_t hosts_done, after_done; // records of hosts that had been called done
	int64_t elapsed_ns;
	struct scan_summary sum;
};

struct world {
	const struct world_host *hosts; // one per address, or one for all when host_count is 1
	uint32_t host_count;
	uint32_t addresses;
	uint32_t ports; // 1 … ports
	uint64_t seed;
	struct sweep_policy policy;
	bool repeat_answers; // every answer arrives twice
	bool one_by_one;     // answers are handed in one at a time
	uint32_t stop_after_ms;
	struct order_slice slice; // count 0: everything
};

// Runs the sweep to its end (or 600 virtual seconds) with an interface that takes a frame every `frame_ns`.
void world_run(const struct world *w, int64_t frame_ns, struct world_result *r);

struct sweep_policy world_policy(void); // -T3
// Hosts that are all alike, with that policy. `host` must outlive it.
struct world world_of(const struct world_host *host, uint32_t addresses, uint32_t ports, uint64_t seed);
