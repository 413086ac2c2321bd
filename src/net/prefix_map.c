#include "net/prefix_map.h"

#include <errno.h>
#include <stdlib.h>

#define INDEX_SLOTS 65536
#define INDEX_FROM  48 // ranges from which an index over the first 16 bits pays
#define INDEX_SHIFT 112
#define KEY_MAX     (~(u128)0)

struct range {
	u128 start; // up to the next one's start
	uint32_t value;
};

struct prefix_map {
	uint32_t *below; // below[h]: ranges whose first 16 bits are less than h; NULL when there are few
	size_t count;    // at least 1
	struct range ranges[];
};

// A prefix that is open during the sweep.
struct open_prefix {
	u128 last;
	uint32_t value;
};

static u128 prefix_last(const struct prefix_entry *e)
{
	return e->len == 128 ? e->base : e->base | (KEY_MAX >> e->len);
}

static int entry_order(const void *va, const void *vb)
{
	const struct prefix_entry *a = va, *b = vb;
	if (a->base != b->base)
		return a->base < b->base ? -1 : 1;
	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	return a->value < b->value ? -1 : a->value > b->value;
}

static void range_add(struct prefix_map *m, u128 start, uint32_t value)
{
	struct range *last = m->count ? &m->ranges[m->count - 1] : NULL;
	if (last && last->start == start) {
		last->value = value;
		return;
	}
	if (last && last->value == value)
		return;
	m->ranges[m->count++] = (struct range){.start = start, .value = value};
}

// Closes the open prefixes that end before `next` (all of them when `all`); returns how many stay open.
static size_t prefixes_close(struct prefix_map *m, const struct open_prefix *stack, size_t depth, u128 next,
			     bool all)
{
	while (depth && (all || stack[depth - 1].last < next)) {
		u128 last = stack[--depth].last;
		if (last != KEY_MAX)
			range_add(m, last + 1, depth ? stack[depth - 1].value : PREFIX_NONE);
	}
	return depth;
}

// Prefixes nest or are disjoint, so that a stack of at most 129 holds those that cover the current key.
static void ranges_sweep(struct prefix_map *m, const struct prefix_entry *entries, size_t n)
{
	struct open_prefix stack[129];
	size_t depth = 0;
	range_add(m, 0, PREFIX_NONE);
	for (size_t i = 0; i < n; i++) {
		const struct prefix_entry *e = &entries[i];
		if (i && e[-1].base == e->base && e[-1].len == e->len)
			continue;
		depth = prefixes_close(m, stack, depth, e->base, false);
		range_add(m, e->base, e->value);
		stack[depth++] = (struct open_prefix){.last = prefix_last(e), .value = e->value};
	}
	prefixes_close(m, stack, depth, 0, true);
}

static int index_build(struct prefix_map *m)
{
	if (m->count < INDEX_FROM)
		return 0;
	m->below = malloc((INDEX_SLOTS + 1) * sizeof(*m->below));
	if (!m->below)
		return -ENOMEM;
	size_t i = 0;
	for (uint32_t h = 0; h < INDEX_SLOTS; h++) {
		while (i < m->count && (uint32_t)(m->ranges[i].start >> INDEX_SHIFT) < h)
			i++;
		m->below[h] = (uint32_t)i;
	}
	m->below[INDEX_SLOTS] = (uint32_t)m->count;
	return 0;
}

int prefix_map_build(struct prefix_map **out, struct prefix_entry *entries, size_t n)
{
	*out = NULL;
	if (n > UINT32_MAX / 4)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (entries[i].len > 128)
			return ERR_RANGE;
		u128 mask = entries[i].len ? KEY_MAX << (128 - entries[i].len) : 0;
		entries[i].base &= mask;
	}
	if (n)
		qsort(entries, n, sizeof(*entries), entry_order);
	struct prefix_map *m = calloc(1, sizeof(*m) + (2 * n + 1) * sizeof(m->ranges[0]));
	if (!m)
		return -ENOMEM;
	ranges_sweep(m, entries, n);
	int rc = index_build(m);
	if (rc) {
		prefix_map_free(m);
		return rc;
	}
	*out = m;
	return 0;
}

void prefix_map_free(struct prefix_map *m)
{
	if (m)
		free(m->below);
	free(m);
}

// Number of the range that holds the key.
static size_t range_of(const struct prefix_map *m, u128 key)
{
	size_t lo = 0, hi = m->count; // the answer is in [lo, hi)
	if (m->below) {
		uint32_t h = (uint32_t)(key >> INDEX_SHIFT);
		lo = m->below[h] ? m->below[h] - 1 : 0;
		hi = m->below[h + 1];
	}
	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;
		if (m->ranges[mid].start <= key)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

uint32_t prefix_map_find(const struct prefix_map *m, u128 key)
{
	return m ? m->ranges[range_of(m, key)].value : PREFIX_NONE;
}

uint32_t prefix_map_find_span(const struct prefix_map *m, u128 key, u128 *first, u128 *last)
{
	*first = 0;
	*last = KEY_MAX;
	if (!m)
		return PREFIX_NONE;
	size_t i = range_of(m, key);
	*first = m->ranges[i].start;
	if (i + 1 < m->count)
		*last = m->ranges[i + 1].start - 1;
	return m->ranges[i].value;
}
