// A set of addresses as sorted, disjoint ranges: nothing is ever expanded. Mixed IPv4 and IPv6. The order is
// by scope first, so addresses without one lead, then by value.
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

#define ADDRSET_RANGES_MAX (1U << 27) // of a sealed set

// Ranges may be added in any order and overlap; the set is normalised by addrset_seal. Ends of different
// family or scope, or in the wrong order, give ERR_RANGE; too many ranges ERR_LIMIT; -ENOMEM. An IPv6 range
// around the v4-mapped block (::/0) leaves that block out: those values are the IPv4 addresses.
int addrset_add(struct addrset *s, const struct addr *first, const struct addr *last) MUST_CHECK;
// Forgets all but the first `ranges` of an unsealed set.
void addrset_cut(struct addrset *s, size_t ranges);
// Sorts, merges (also what is adjacent), and builds the prefix sums; aborts when memory is short. Must be
// called after the last change and before the calls below.
void addrset_seal(struct addrset *s);
// s = s minus other; both sealed; s is sealed afterwards, and unchanged on an error (ERR_LIMIT, -ENOMEM).
int addrset_subtract(struct addrset *s, const struct addrset *other) MUST_CHECK;

// Number of addresses, saturating at 2^127 and above.
u128 addrset_count(const struct addrset *s);
size_t addrset_range_count(const struct addrset *s);
const struct addr_range *addrset_ranges(const struct addrset *s);
// Costs: see addrset_index.c.
bool addrset_contains(const struct addrset *s, const struct addr *a);

// index (0-based, in ascending address order) -> address; index < count. Runs of equal-sized ranges by
// division.
void addrset_at(const struct addrset *s, u128 index, struct addr *out);
// addrset_at will be asked for this index soon.
void addrset_expect(const struct addrset *s, u128 index);
// addrset_index will be asked for this address soon: first with step 0, then, a little later, with step 1.
void addrset_expect_address(const struct addrset *s, const struct addr *a, unsigned step);
// address -> index; false when not in the set.
bool addrset_index(const struct addrset *s, const struct addr *a, u128 *index);
