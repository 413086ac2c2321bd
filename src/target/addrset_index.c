// Index ↔ address. Both ways are O(1) for the sets that occur, so that a million ranges cost hardly more than
// one.
//
// Index → address: ranges of equal size form runs, and inside a run a division finds the range. Many
// different sizes make many runs; a jump table over the index then leaves a search among one or two of them.
//
// Address → index: the class of a range is k, the number of low bits in which its ends differ. Such a range
// lies in one aligned block of 2^k addresses and holds both addresses at the block's middle, so disjoint
// ranges of one class are in different blocks: a hash table keyed by (scope, block, k) has at most one range
// per key. An address is looked up once per class, in the most frequent classes; ranges of the others are
// left to a binary search.
//
// Measured on a 2-core virtual machine with random indices; ns for index → address, and back:
//	one /8				14	6
//	65,536 ranges of 254		8	30
//	a million single IPv6		40	160 (three misses of the cache)
//	a million single IPv4		45	160
//	a million /24 and /32		100	230
//	a million of random sizes	100	210 (600 by binary search)
#include "target/addrset_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define FEW_RUNS   8
#define FEW_RANGES 32
#define JUMP_MAX   (1U << 20)

static void *array(size_t count, size_t bytes)
{
	void *p = calloc(count, bytes);

	if (p == NULL)
		abort();
	return p;
}

static u128 range_size(const struct addr_range *r)
{
	return addr_value(&r->last) - addr_value(&r->first) + 1;
}

static u128 add_saturating(u128 x, u128 y)
{
	u128 sum = x + y;

	return sum < x || sum > ADDRSET_COUNT_MAX ? ADDRSET_COUNT_MAX : sum;
}

static void build_sums(struct addrset *s)
{
	s->before = array(s->count + 1, sizeof(*s->before));
	s->run_count = 0;
	for (size_t i = 0; i < s->count; i++) {
		s->before[i + 1] = add_saturating(s->before[i], range_size(&s->ranges[i]));
		s->run_count += i == 0 || range_size(&s->ranges[i]) != range_size(&s->ranges[i - 1]);
	}
	s->total = s->before[s->count];
}

static void build_runs(struct addrset *s)
{
	struct addrset_run *run = s->runs = array(s->run_count + 1, sizeof(*s->runs));

	for (size_t i = 0; i < s->count; i++) {
		u128 size = range_size(&s->ranges[i]);
		if (i != 0 && size == run[-1].size)
			continue;
		run->first_index = s->before[i];
		run->size = size;
		if (size <= UINT64_MAX)
			run->by_size = recip_of((uint64_t)size);
		run->first_range = (uint32_t)i;
		run++;
	}
}

static void build_jump(struct addrset *s)
{
	size_t entries = FEW_RUNS, run = 0;

	if (s->run_count <= FEW_RUNS || s->total > UINT64_MAX)
		return;
	while (entries < 2 * s->run_count && entries < JUMP_MAX)
		entries *= 2;
	s->jump_shift = 0;
	while (((uint64_t)s->total - 1) >> s->jump_shift >= entries)
		s->jump_shift++;
	entries = (size_t)(((uint64_t)s->total - 1) >> s->jump_shift) + 1;
	s->jump = array(entries + 1, sizeof(*s->jump));
	for (size_t i = 0; i < entries; i++) {
		while (run + 1 < s->run_count && s->runs[run + 1].first_index <= (u128)i << s->jump_shift)
			run++;
		s->jump[i] = (uint32_t)run;
	}
	s->jump[entries] = (uint32_t)(s->run_count - 1);
}

static unsigned class_of(const struct addr_range *r)
{
	uint64_t hi = r->first.hi ^ r->last.hi, lo = r->first.lo ^ r->last.lo;

	if (hi != 0)
		return 128 - (unsigned)__builtin_clzll(hi);
	return lo != 0 ? 64 - (unsigned)__builtin_clzll(lo) : 0;
}

static size_t block_hash(const struct addr *a, unsigned class)
{
	u128 block = class < 128 ? addr_value(a) >> class : 0;
	uint64_t high = (uint64_t)(block >> 64);

	// The product spreads the high half; the final mix does the rest.
	return hash_mix64((high + a->scope + class) * 0x9e3779b97f4a7c15ULL ^ (uint64_t)block);
}

// Chooses the most frequent classes. A few odd ones always occur (two single addresses side by side at a
// border of large blocks): they are left to the binary search. False when the chosen ones cover too little.
static bool choose_classes(struct addrset *s)
{
	size_t counts[129] = {0}, covered = 0;

	for (size_t i = 0; i < s->count; i++)
		counts[class_of(&s->ranges[i])]++;
	for (s->class_count = 0; s->class_count < BLOCK_CLASSES_MAX && covered < s->count; s->class_count++) {
		unsigned best = 0;
		for (unsigned c = 1; c <= 128; c++)
			best = counts[c] > counts[best] ? c : best;
		s->classes[s->class_count] = (uint8_t)best;
		covered += counts[best];
		counts[best] = 0;
	}
	s->all_in_blocks = covered == s->count;
	return covered >= s->count - s->count / 4;
}

static bool is_chosen(const struct addrset *s, unsigned class)
{
	return memchr(s->classes, (int)class, s->class_count) != NULL;
}

static void build_blocks(struct addrset *s)
{
	size_t slots = 64;

	if (s->count <= FEW_RANGES || !choose_classes(s))
		return;
	while (slots < 2 * s->count)
		slots *= 2;
	s->blocks = array(slots, sizeof(*s->blocks));
	s->block_mask = slots - 1;
	for (size_t i = 0; i < s->count; i++) {
		unsigned class = class_of(&s->ranges[i]);
		size_t slot = block_hash(&s->ranges[i].first, class) & s->block_mask;
		if (!is_chosen(s, class))
			continue;
		while (s->blocks[slot] != 0)
			slot = (slot + 1) & s->block_mask;
		s->blocks[slot] = (uint32_t)i + 1;
	}
}

void addrset_index_free(struct addrset *s)
{
	free(s->before);
	free(s->runs);
	free(s->jump);
	free(s->blocks);
	s->before = NULL;
	s->runs = NULL;
	s->jump = NULL;
	s->blocks = NULL;
}

void addrset_index_build(struct addrset *s)
{
	addrset_index_free(s);
	build_sums(s);
	build_runs(s);
	build_jump(s);
	build_blocks(s);
}

static const struct addrset_run *run_of(const struct addrset *s, u128 index)
{
	size_t low = 0, high = s->run_count - 1;

	if (s->jump != NULL) {
		size_t entry = (size_t)((uint64_t)index >> s->jump_shift);
		low = s->jump[entry];
		high = s->jump[entry + 1];
	}
	while (low < high) {
		size_t middle = high - (high - low) / 2;
		if (s->runs[middle].first_index <= index)
			low = middle;
		else
			high = middle - 1;
	}
	return &s->runs[low];
}

// The range of an index, and what is left of it there.
static const struct addr_range *range_at(const struct addrset *s, u128 index, u128 *offset)
{
	const struct addrset_run *run = run_of(s, index);
	size_t range = run->first_range;

	*offset = index - run->first_index;
	if (*offset >= run->size) {
		if (*offset <= UINT64_MAX) { // and so is the size
			uint64_t rest;
			range += recip_div(&run->by_size, (uint64_t)*offset, &rest);
			*offset = rest;
		} else {
			range += (size_t)(*offset / run->size);
			*offset %= run->size;
		}
	}
	return &s->ranges[range];
}

void addrset_at(const struct addrset *s, u128 index, struct addr *out)
{
	u128 offset = index;
	const struct addr *first = s->count == 1 ? &s->ranges[0].first : &range_at(s, index, &offset)->first;

	*out = addr_of_value(addr_value(first) + offset, first->scope);
}

void addrset_expect(const struct addrset *s, u128 index)
{
	u128 offset;

	if (s->count > FEW_RANGES)
		__builtin_prefetch(range_at(s, index, &offset));
}

static bool in_range(const struct addr_range *r, const struct addr *a)
{
	return r->first.scope == a->scope && addr_value(a) >= addr_value(&r->first) &&
	       addr_value(a) <= addr_value(&r->last);
}

static const struct addr_range *find_hashed(const struct addrset *s, const struct addr *a)
{
	for (unsigned c = 0; c < s->class_count; c++) {
		size_t slot = block_hash(a, s->classes[c]) & s->block_mask;
		for (; s->blocks[slot] != 0; slot = (slot + 1) & s->block_mask) {
			const struct addr_range *r = &s->ranges[s->blocks[slot] - 1];
			if (in_range(r, a))
				return r;
		}
	}
	return NULL;
}

static bool begins_after(const struct addr_range *r, const struct addr *a)
{
	if (r->first.scope != a->scope)
		return r->first.scope > a->scope;
	return addr_value(&r->first) > addr_value(a);
}

// Of the most frequent class alone: in a set of so many ranges that memory matters, nearly all are of it.
void addrset_expect_address(const struct addrset *s, const struct addr *a, unsigned step)
{
	if (s->blocks == NULL)
		return;
	const uint32_t *slot = &s->blocks[block_hash(a, s->classes[0]) & s->block_mask];
	if (step == 0) {
		__builtin_prefetch(slot);
	} else if (*slot != 0) {
		__builtin_prefetch(&s->ranges[*slot - 1]);
		__builtin_prefetch(&s->before[*slot - 1]);
	}
}

static const struct addr_range *find(const struct addrset *s, const struct addr *a)
{
	size_t low = 0, high = s->count;

	if (s->blocks != NULL) {
		const struct addr_range *r = find_hashed(s, a);
		if (r != NULL || s->all_in_blocks)
			return r;
	}
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (begins_after(&s->ranges[middle], a))
			high = middle;
		else
			low = middle + 1;
	}
	return low != 0 && in_range(&s->ranges[low - 1], a) ? &s->ranges[low - 1] : NULL;
}

bool addrset_contains(const struct addrset *s, const struct addr *a)
{
	return find(s, a) != NULL;
}

bool addrset_index(const struct addrset *s, const struct addr *a, u128 *index)
{
	const struct addr_range *r = find(s, a);

	if (r == NULL)
		return false;
	*index = s->before[r - s->ranges] + (addr_value(a) - addr_value(&r->first));
	return true;
}
