// Longest-prefix match over a set of prefixes that is fixed once built: overlapping prefixes are flattened
// into disjoint ranges, so that a lookup is one short binary search without a system call or a lock.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "net/addr.h"

#define PREFIX_NONE UINT32_MAX

// Keys are 128 bits wide with the first bit of the address on top; an IPv4 address is shifted up by 96.
struct prefix_entry {
	u128 base;      // bits below the length are ignored
	uint64_t rank;  // among equal prefixes the lowest wins, then the lowest value
	uint32_t value; // what a lookup returns; not PREFIX_NONE
	uint8_t len;    // 0 … 128
};

struct prefix_map;

// Sorts `entries` in place and keeps no reference to it. -ENOMEM, or ERR_RANGE for a length above 128.
int prefix_map_build(struct prefix_map **out, struct prefix_entry *entries, size_t n) MUST_CHECK;
void prefix_map_free(struct prefix_map *m);

// The value of the longest prefix that holds the key, or PREFIX_NONE. `m` may be NULL (no prefixes).
uint32_t prefix_map_find(const struct prefix_map *m, u128 key);
// The same; keys from *first to *last, this one among them, have the same value.
uint32_t prefix_map_find_span(const struct prefix_map *m, u128 key, u128 *first, u128 *last);
