// A set of addresses as sorted, disjoint ranges: nothing is ever expanded. Mixed IPv4 and IPv6.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "net/addr.h"

struct addr_range {
	struct addr first, last; // inclusive, same family and scope
};

struct addrset;

struct addrset *addrset_new(void); // aborts when memory is short
void addrset_free(struct addrset *s);

// Ranges may be added in any order and overlap; the set is normalised by addrset_seal.
int addrset_add(struct addrset *s, const struct addr *first, const struct addr *last) MUST_CHECK;
// Sorts, merges, and builds the prefix sums. Must be called after the last change and before the calls below.
void addrset_seal(struct addrset *s);
// s = s minus other; both sealed; s is sealed afterwards.
int addrset_subtract(struct addrset *s, const struct addrset *other) MUST_CHECK;

// Number of addresses, saturating at 2^127 and above.
u128 addrset_count(const struct addrset *s);
size_t addrset_range_count(const struct addrset *s);
const struct addr_range *addrset_ranges(const struct addrset *s);
bool addrset_contains(const struct addrset *s, const struct addr *a);

// index (0-based, in ascending address order) -> address; index < count. Runs of equal-sized ranges by
// division.
void addrset_at(const struct addrset *s, u128 index, struct addr *out);
// address -> index; false when not in the set.
bool addrset_index(const struct addrset *s, const struct addr *a, u128 *index);
