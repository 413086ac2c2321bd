#include "target/space.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/recip.h"

#define SLOTS_MAX   (4U * 65536)
#define COUNT_MAX   (1ULL << 63)
#define TECHNIQUES  256
#define TABLE_PORTS 65536
#define FEW_SLOTS   64 // these find room in a table that stays in the nearest cache
#define SMALL_TABLE 256

struct sorted_slot {
	uint32_t key; // technique, port
	uint32_t index;
};

// Slices of the address set, of each of which one address is in a sampled space: the first `longer` of them
// hold width + 1 addresses, the others width.
struct slices {
	uint64_t count; // 0: the space is not sampled
	uint64_t longer;
	u128 width;
	struct hash_key key;
};

struct space {
	const struct addrset *addresses;
	struct slices slices;
	bool one_range; // all addresses follow `first`
	struct addr first;
	uint64_t in_range;
	struct space_slot *slots;
	struct recip by_slots;
	uint64_t count;
	struct sorted_slot *sorted;
	// Port → slot index + 1, for the techniques with many slots.
	uint32_t *tables[TECHNIQUES];
	// The same for all, by hash, where there are few in all.
	struct sorted_slot *small;
};

static uint32_t slot_key(uint8_t technique, uint16_t port)
{
	return (uint32_t)technique << 16 | port;
}

static int compare_keys(const void *a, const void *b)
{
	uint32_t x = ((const struct sorted_slot *)a)->key, y = ((const struct sorted_slot *)b)->key;

	return x < y ? -1 : x > y;
}

// Fills the table of each technique whose run in the sorted slots is long.
static int build_tables(struct space *s, uint32_t count)
{
	for (uint32_t from = 0, to; from < count; from = to) {
		uint32_t technique = s->sorted[from].key >> 16;
		for (to = from + 1; to < count && s->sorted[to].key >> 16 == technique;)
			to++;
		if (to - from <= FEW_SLOTS)
			continue;
		uint32_t *table = calloc(TABLE_PORTS, sizeof(*table));
		if (table == NULL)
			return -ENOMEM;
		for (uint32_t i = from; i < to; i++)
			table[s->sorted[i].key & 0xffff] = s->sorted[i].index + 1;
		s->tables[technique] = table;
	}
	return 0;
}

static size_t small_place(const struct sorted_slot *small, uint32_t key)
{
	size_t i = hash_mix64(key) % SMALL_TABLE;

	while (small[i].index != 0 && small[i].key != key)
		i = (i + 1) % SMALL_TABLE;
	return i;
}

static int build_small(struct space *s, uint32_t count)
{
	s->small = calloc(SMALL_TABLE, sizeof(*s->small));
	if (s->small == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++)
		s->small[small_place(s->small, s->sorted[i].key)] =
			(struct sorted_slot){s->sorted[i].key, s->sorted[i].index + 1};
	return 0;
}

static int build_inverse(struct space *s, struct err_text *e)
{
	uint32_t count = space_slot_count(s);

	for (uint32_t i = 0; i < count; i++)
		s->sorted[i] = (struct sorted_slot){slot_key(s->slots[i].technique, s->slots[i].port), i};
	qsort(s->sorted, count, sizeof(*s->sorted), compare_keys);
	for (uint32_t i = 1; i < count; i++) {
		if (s->sorted[i].key == s->sorted[i - 1].key)
			return err_set(e, ERR_USAGE, "port %u is there twice for one technique",
				       s->sorted[i].key & 0xffff);
	}
	return count <= FEW_SLOTS ? build_small(s, count) : build_tables(s, count);
}

static void slice_addresses(struct slices *s, u128 addresses, uint32_t slot_count, const struct hash_key *key)
{
	s->count = COUNT_MAX / slot_count;
	s->longer = (uint64_t)(addresses % s->count);
	s->width = addresses / s->count;
	s->key = *key;
}

// The index in the set of the address that the sample takes from a slice.
static u128 slice_choice(const struct slices *s, uint64_t slice)
{
	u128 first = s->width * slice + (slice < s->longer ? slice : s->longer);
	uint64_t high[2] = {slice, 1}, low[2] = {slice, 2};
	u128 drawn =
		(u128)hash_keyed(&s->key, high, sizeof(high)) << 64 | hash_keyed(&s->key, low, sizeof(low));

	return first + drawn % (s->width + (slice < s->longer));
}

// The slice that holds an index of the set, when the sample takes this very address.
static bool slice_of(const struct slices *s, u128 index, uint64_t *slice)
{
	u128 in_longer = (s->width + 1) * s->longer;

	if (index < in_longer)
		*slice = (uint64_t)(index / (s->width + 1));
	else
		*slice = s->longer + (uint64_t)((index - in_longer) / s->width);
	return *slice < s->count && slice_choice(s, *slice) == index;
}

static int fill(struct space *s, const struct space_slot *slots, uint32_t slot_count, struct err_text *e)
{
	s->by_slots = recip_of(slot_count);
	s->slots = malloc(slot_count * sizeof(*s->slots));
	s->sorted = malloc(slot_count * sizeof(*s->sorted));
	if (s->slots == NULL || s->sorted == NULL)
		return -ENOMEM;
	memcpy(s->slots, slots, slot_count * sizeof(*s->slots));
	return build_inverse(s, e);
}

int space_new_sampled(struct space **out, const struct addrset *addresses, const struct space_slot *slots,
		      uint32_t slot_count, const struct hash_key *key, struct err_text *e)
{
	u128 count = addrset_count(addresses);

	*out = NULL;
	if (slot_count == 0 || slot_count > SLOTS_MAX)
		return err_set(e, ERR_RANGE, "%u ports and techniques: expected 1 to %u", slot_count,
			       SLOTS_MAX);
	bool too_many = count > COUNT_MAX / slot_count;
	if (too_many && key == NULL)
		return err_set(
			e, ERR_LIMIT,
			"more than 2^63 probes (about 2^%.0f addresses, %u ports each): name a smaller "
			"range, or --max-probes for a sample",
			__builtin_log2((double)count), slot_count);
	struct space *s = calloc(1, sizeof(*s));
	if (s == NULL)
		return -ENOMEM;
	s->addresses = addresses;
	if (too_many)
		slice_addresses(&s->slices, count, slot_count, key);
	s->one_range = !too_many && addrset_range_count(addresses) == 1;
	if (s->one_range)
		s->first = addrset_ranges(addresses)[0].first;
	s->in_range = s->one_range ? (uint64_t)count : 0;
	s->count = (too_many ? s->slices.count : (uint64_t)count) * slot_count;
	int r = fill(s, slots, slot_count, e);
	if (r != 0) {
		space_free(s);
		return r;
	}
	*out = s;
	return 0;
}

int space_new(struct space **out, const struct addrset *addresses, const struct space_slot *slots,
	      uint32_t slot_count, struct err_text *e)
{
	return space_new_sampled(out, addresses, slots, slot_count, NULL, e);
}

void space_free(struct space *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < TECHNIQUES; i++)
		free(s->tables[i]);
	free(s->small);
	free(s->slots);
	free(s->sorted);
	free(s);
}

uint64_t space_count(const struct space *s)
{
	return s->count;
}

uint32_t space_slot_count(const struct space *s)
{
	return (uint32_t)s->by_slots.divisor;
}

const struct space_slot *space_slots(const struct space *s)
{
	return s->slots;
}

void space_at(const struct space *s, uint64_t index, struct space_item *out)
{
	uint64_t slot;

	out->addr_index = recip_div(&s->by_slots, index, &slot);
	out->slot_index = (uint32_t)slot;
	out->slot = s->slots[slot];
	addrset_at(s->addresses,
		   s->slices.count == 0 ? out->addr_index : slice_choice(&s->slices, out->addr_index),
		   &out->addr);
}

void space_at_many(const struct space *s, const uint64_t *indexes, unsigned n, struct space_item *out)
{
	for (unsigned i = 0; i < n; i++) {
		uint64_t slot;
		out[i].addr_index = recip_div(&s->by_slots, indexes[i], &slot);
		out[i].slot_index = (uint32_t)slot;
		out[i].slot = s->slots[slot];
		if (s->slices.count == 0 && !s->one_range)
			addrset_expect(s->addresses, out[i].addr_index);
	}
	for (unsigned i = 0; i < n && s->one_range; i++)
		out[i].addr = addr_of_value(addr_value(&s->first) + out[i].addr_index, s->first.scope);
	for (unsigned i = 0; i < n && !s->one_range; i++)
		addrset_at(s->addresses,
			   s->slices.count == 0 ? out[i].addr_index
						: slice_choice(&s->slices, out[i].addr_index),
			   &out[i].addr);
}

static bool find_slot(const struct space *s, uint32_t key, uint32_t *index)
{
	const uint32_t *table = s->tables[key >> 16];
	uint32_t low = 0, high = space_slot_count(s);

	if (s->small != NULL) {
		const struct sorted_slot *found = &s->small[small_place(s->small, key)];
		*index = found->index - 1;
		return found->index != 0;
	}
	if (table != NULL) {
		*index = table[key & 0xffff] - 1;
		return table[key & 0xffff] != 0;
	}
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (s->sorted[middle].key < key)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == space_slot_count(s) || s->sorted[low].key != key)
		return false;
	*index = s->sorted[low].index;
	return true;
}

void space_expect(const struct space *s, const struct addr *a, unsigned step)
{
	if (!s->one_range)
		addrset_expect_address(s->addresses, a, step);
}

static bool find_address(const struct space *s, const struct addr *a, u128 *index)
{
	if (!s->one_range)
		return addrset_index(s->addresses, a, index);
	*index = addr_value(a) - addr_value(&s->first);
	return a->scope == s->first.scope && *index < s->in_range;
}

bool space_locate(const struct space *s, const struct addr *a, const struct space_slot *slot, uint64_t *index,
		  uint64_t *addr_index)
{
	uint32_t at;
	u128 address;

	if (!find_slot(s, slot_key(slot->technique, slot->port), &at) || !find_address(s, a, &address))
		return false;
	if (s->slices.count == 0)
		*addr_index = (uint64_t)address;
	else if (!slice_of(&s->slices, address, addr_index))
		return false;
	*index = *addr_index * s->by_slots.divisor + at;
	return true;
}

bool space_index(const struct space *s, const struct addr *a, uint8_t technique, uint16_t port,
		 uint64_t *index)
{
	uint64_t addr_index;

	return space_locate(s, a, &(struct space_slot){port, technique}, index, &addr_index);
}
