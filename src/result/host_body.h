// Ports and counts of one host inside the aggregator: one growing block. Private to result/.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "result/host.h"

// How many ports of one state and protocol; all but the open ones, listed or not.
struct tally {
	uint8_t proto, state, reason;
	bool unlisted; // its group (proto, state) grew too large: counted, not listed
	uint32_t count;
};

// `tally_room` tallies, then 2^log2 port slots, an open-addressing table keyed by (proto, port); a slot with
// STATE_UNKNOWN is free.
struct host_body {
	uint32_t used;
	uint8_t log2;
	uint8_t tallies, tally_room;
	struct tally tally[];
};

// What body_put needs to know besides the port.
struct body_rules {
	uint32_t list_limit; // ports of one state and protocol that are still listed
	bool open_only;
	uint8_t silent_state[3];
	size_t bytes_left; // how far the blocks may grow
};

static inline size_t body_bytes(unsigned log2, unsigned tally_room)
{
	return sizeof(struct host_body) + tally_room * sizeof(struct tally) +
	       ((size_t)1 << log2) * sizeof(struct port_result);
}

static inline struct port_result *body_slots(struct host_body *b)
{
	return (struct port_result *)(void *)(b->tally + b->tally_room);
}

// Takes one port into *body (NULL at first; the block may move). `late`: its position had been given up
// before. ERR_LIMIT when bytes_left does not suffice, -ENOMEM.
int body_put(struct host_body **body, const struct port_result *p, bool late, const struct body_rules *rules);

// Positions of a protocol seen so far.
uint32_t body_known(struct host_body *b, uint8_t proto);

// Adds `count` ports of a kind that nobody reported singly; ERR_LIMIT or -ENOMEM as above.
int body_add_silent(struct host_body **body, uint8_t proto, uint32_t count, const struct body_rules *rules);

// Listed ports, sorted by proto and port, into `out` (room for body->used); returns how many. The rest goes
// into `counts`.
size_t body_list(struct host_body *b, const struct body_rules *rules, struct port_result *out,
		 struct state_count counts[HOST_COUNTS_MAX], size_t *count_count);
