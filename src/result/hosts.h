// The per-host aggregator: events in, one `struct host_result` a host out. For the sinks that report a host
// at a time. Memory is 64 bytes a host, an index slot, and 12 bytes for each port that will be listed; a
// state with many ports is only counted. One thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "net/addr.h"
#include "result/host.h"
#include "result/record.h"

#define HOSTS_PROTOS 3 // the values of enum proto

struct hosts_config {
	// Positions of every host, by proto. What a host has not shown of them when it is done is counted as
	// `silent_state`, so nobody need report silence port by port. 0: not known, nothing is added.
	uint32_t ports[HOSTS_PROTOS];
	uint8_t silent_state[HOSTS_PROTOS];
	unsigned verbose, debug; // more of a state is listed: 25 × (1 + verbose + 20 × debug)
	bool open_only;          // list open and open|filtered alone
	bool assume_up;          // -Pn: a host about which nothing speaks is up ("user-set")
	bool keep_silent; // hosts_silent starts a host (up to half of cap_hosts), else only adds to a known
			  // one
	bool keep_down;   // hosts_down starts a host, likewise
	size_t cap_hosts; // 0: 2^20
	size_t cap_bytes; // of all memory; 0: 1 GiB
	int64_t start_wall_ns;
};

struct hosts;

struct hosts_stats {
	size_t hosts, bytes;
	uint64_t dropped; // events about hosts that no longer fitted
};

// NULL when memory is short.
struct hosts *hosts_new(const struct hosts_config *cfg);
void hosts_free(struct hosts *h);
void hosts_stats(const struct hosts *h, struct hosts_stats *out);

// Each of these returns 0, or ERR_LIMIT when a cap was reached (counted in `dropped`, nothing else is lost).
// A record with state up or down is taken as hosts_up or hosts_down. An open port is never downgraded; an
// answer replaces silence.
int hosts_answer(struct hosts *h, const struct record *r);
// An answer of this host comes soon, after some ten further ones that are expected too: what it will need is
// fetched from memory meanwhile.
void hosts_expect(struct hosts *h, const struct addr *a);
// A position given up after its last try. `reason` is normally REASON_NO_RESPONSE.
int hosts_silent(struct hosts *h, const struct addr *a, uint8_t proto, uint16_t port, uint8_t state,
		 uint8_t reason);

struct host_sign {
	uint8_t reason, ttl;
	uint32_t rtt_us;    // 0: not known
	const uint8_t *mac; // 6 bytes, or NULL
	int64_t wall_ns;    // 0: not known
};
int hosts_up(struct hosts *h, const struct addr *a, const struct host_sign *sign);
int hosts_down(struct hosts *h, const struct addr *a, uint8_t reason);
// Copies the names; either may be NULL, which leaves what is known. A reverse name alone does not start a
// host.
int hosts_name(struct hosts *h, const struct addr *a, const char *asked, const char *ptr_name);
int hosts_timed_out(struct hosts *h, const struct addr *a);
// A known host limits the rate of its resets, or of its ICMP errors.
int hosts_limited(struct hosts *h, const struct addr *a, bool icmp);
// From now on hosts taken out are not done: what is missing of them is not counted as silent.
void hosts_interrupted(struct hosts *h);

// Takes a host that is done out and frees its memory. False when it is not known. Pointers in `out` hold
// until the next call of any function here.
bool hosts_finish(struct hosts *h, const struct addr *a, struct host_result *out);

// All that remain, ascending by address: hosts_first once (-ENOMEM possible), then hosts_next until false.
// No event may come in between.
int hosts_first(struct hosts *h) MUST_CHECK;
bool hosts_next(struct hosts *h, struct host_result *out);

// Every known host in no particular order, e.g. to look up names. `fn` must not change the aggregator.
void hosts_visit(const struct hosts *h, void (*fn)(void *ctx, const struct addr *a, bool up), void *ctx);
