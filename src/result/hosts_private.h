// The aggregator's own structs, shared by hosts.c (events), hosts_store.c (memory) and hosts_take.c
// (reports).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "result/host_body.h"
#include "result/hosts.h"

#define HOSTS_CHUNK_LOG2 12
#define HOSTS_CHUNK      ((uint32_t)1 << HOSTS_CHUNK_LOG2)
#define HOSTS_EXPECTED   16u

enum host_flag {
	FLAG_UP = 1,
	FLAG_DOWN = 2,
	FLAG_TIMED_OUT = 4,
	FLAG_RST_LIMITED = 8,
	FLAG_ICMP_LIMITED = 16,
	FLAG_LATE_ONLY = 32, // began with a late answer: what is missing of it was reported before
	FLAG_TIMES = 64,     // start_ms and end_ms are set
};

// What few hosts have.
struct host_extra {
	char *asked, *ptr_name;
	bool mac_known;
	uint8_t mac[6];
	uint8_t speaker_count;
	struct addr *speakers; // of port_result.from
};

struct host {
	uint64_t hi, lo;
	uint32_t scope;
	uint32_t srtt_us, rttvar_us;
	uint32_t start_ms, end_ms; // since the scan's start
	uint8_t flags, reason, ttl;
	struct host_body *body;   // NULL: no port known
	struct host_extra *extra; // NULL: nothing
};
_Static_assert(sizeof(struct host) <= 64, "a host costs at most 64 bytes");

struct hosts {
	struct hosts_config cfg;
	struct body_rules rules;
	// Slot: upper half of the hash, lower half id + 1; 0 is free. Linear probing, at most half full.
	uint64_t *index;
	unsigned index_log2;
	struct host **chunks;
	size_t chunk_count, chunk_room;
	uint32_t ids, free_id; // ids ever made; head of the list of free ones (through start_ms)
	size_t count, bytes;
	uint64_t dropped;
	bool interrupted;
	uint64_t expected[HOSTS_EXPECTED]; // upper halves of the hashes of hosts whose answers come soon
	unsigned expected_at;
	bool taken;      // hosts_finish was used: a late answer may be about a host reported before
	uint32_t *order; // ids by address, for hosts_next
	size_t order_count, order_at;
	// What the last host_result points into.
	struct port_result *ports;
	size_t port_room;
	char *names[2];
	struct addr *speakers;
};

static inline struct host *hosts_at(const struct hosts *h, uint32_t id)
{
	return &h->chunks[id >> HOSTS_CHUNK_LOG2][id & (HOSTS_CHUNK - 1)];
}

static inline struct addr hosts_addr(const struct host *host)
{
	return (struct addr){.hi = host->hi, .lo = host->lo, .scope = host->scope};
}

static inline size_t hosts_body_bytes(const struct host_body *b)
{
	return b ? body_bytes(b->log2, b->tally_room) : 0;
}

static inline size_t hosts_bytes_left(const struct hosts *h)
{
	return h->cfg.cap_bytes > h->bytes ? h->cfg.cap_bytes - h->bytes : 0;
}

// The slot of an address in the index, or the free one where it belongs.
size_t hosts_slot(const struct hosts *h, const struct addr *a, uint64_t hash);
struct host *hosts_find(const struct hosts *h, const struct addr *a);
// Finds or starts a host; NULL (and counted) when it does not fit any more.
struct host *hosts_get(struct hosts *h, const struct addr *a, bool *is_new);
// Frees what the host in a slot of the index holds, and its id.
void hosts_remove(struct hosts *h, size_t slot);
