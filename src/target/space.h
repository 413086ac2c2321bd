// The index space: every (address, port, technique) to be scanned, numbered 0 … N-1. index = address index ×
// slots + slot.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"
#include "target/addrset.h"

// One entry of the port axis: a technique (an index into probe/registry) and its port (0 where it has none).
struct space_slot {
	uint16_t port;
	uint8_t technique;
};

struct space;

// Borrows the address set; copies the slots (at most 4 × 65,536). ERR_LIMIT with a text when the product is
// above 2^63.
int space_new(struct space **out, const struct addrset *addresses, const struct space_slot *slots,
	      uint32_t slot_count, struct err_text *e) MUST_CHECK;
// The same, but where space_new gives ERR_LIMIT the space holds a keyed sample of the addresses, one from
// each of equal slices of the set, as many as fit: for --max-probes. Other addresses are not in it. Of a set
// that saturates (above 2^127) only the first 2^127 addresses take part.
int space_new_sampled(struct space **out, const struct addrset *addresses, const struct space_slot *slots,
		      uint32_t slot_count, const struct hash_key *key, struct err_text *e) MUST_CHECK;
void space_free(struct space *s);

uint64_t space_count(const struct space *s);
uint32_t space_slot_count(const struct space *s);
const struct space_slot *space_slots(const struct space *s);

struct space_item {
	struct addr addr;
	uint64_t addr_index; // among the space's addresses
	uint32_t slot_index;
	struct space_slot slot;
};

void space_at(const struct space *s, uint64_t index, struct space_item *out);
// The same for several at once: memory is asked for all before the first is looked at.
void space_at_many(const struct space *s, const uint64_t *indexes, unsigned n, struct space_item *out);
// Inverse; false when the probe is not in the space.
bool space_index(const struct space *s, const struct addr *a, uint8_t technique, uint16_t port,
		 uint64_t *index);
// space_locate will be asked for this address soon; steps as addrset_expect_address.
void space_expect(const struct space *s, const struct addr *a, unsigned step);
// The same, with the address's place among the space's addresses.
bool space_locate(const struct space *s, const struct addr *a, const struct space_slot *slot, uint64_t *index,
		  uint64_t *addr_index);
