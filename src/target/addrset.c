#include "target/addrset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "target/addrset_private.h"

#define MAPPED_FIRST ((u128)0xffff << 32)
#define MAPPED_LAST  (MAPPED_FIRST | 0xffffffff)

struct addrset *addrset_new(void)
{
	struct addrset *s = calloc(1, sizeof(*s));

	if (s == NULL)
		abort();
	return s;
}

void addrset_free(struct addrset *s)
{
	if (s == NULL)
		return;
	addrset_index_free(s);
	free(s->ranges);
	free(s);
}

static int append(struct addrset *s, const struct addr *first, const struct addr *last)
{
	if (s->count == s->size) {
		if (s->size >= ADDRSET_RANGES_MAX)
			return ERR_LIMIT;
		size_t size = s->size != 0 ? 2 * s->size : 8;
		struct addr_range *ranges = realloc(s->ranges, size * sizeof(*ranges));
		if (ranges == NULL)
			return -ENOMEM;
		s->ranges = ranges;
		s->size = size;
	}
	s->ranges[s->count++] = (struct addr_range){*first, *last};
	return 0;
}

int addrset_add(struct addrset *s, const struct addr *first, const struct addr *last)
{
	if (first->scope != last->scope || addr_is_v4(first) != addr_is_v4(last) ||
	    addr_compare(first, last) > 0)
		return ERR_RANGE;
	if (!addr_is_v4(first) && addr_value(first) < MAPPED_FIRST && addr_value(last) > MAPPED_LAST) {
		struct addr below = addr_of_value(MAPPED_FIRST - 1, first->scope);
		struct addr above = addr_of_value(MAPPED_LAST + 1, first->scope);
		int r = append(s, first, &below);
		return r != 0 ? r : append(s, &above, last);
	}
	return append(s, first, last);
}

void addrset_cut(struct addrset *s, size_t ranges)
{
	if (ranges < s->count)
		s->count = ranges;
}

static int compare_scoped(const struct addr *a, const struct addr *b)
{
	if (a->scope != b->scope)
		return a->scope < b->scope ? -1 : 1;
	return addr_compare(a, b);
}

static int compare_ranges(const void *a, const void *b)
{
	return compare_scoped(&((const struct addr_range *)a)->first, &((const struct addr_range *)b)->first);
}

// Does `next`, which does not begin before `last`, overlap or continue it?
static bool joins(const struct addr *last, const struct addr *next)
{
	if (last->scope != next->scope || addr_is_v4(last) != addr_is_v4(next))
		return false;
	return addr_value(next) <= addr_value(last) || addr_value(next) - addr_value(last) == 1;
}

static void sort_ranges(struct addrset *s)
{
	for (size_t i = 1; i < s->count; i++) {
		if (compare_ranges(&s->ranges[i - 1], &s->ranges[i]) > 0) {
			qsort(s->ranges, s->count, sizeof(*s->ranges), compare_ranges);
			return;
		}
	}
}

static void merge_ranges(struct addrset *s)
{
	size_t kept = 0;

	for (size_t i = 1; i < s->count; i++) {
		struct addr_range *last = &s->ranges[kept], *next = &s->ranges[i];
		if (!joins(&last->last, &next->first))
			s->ranges[++kept] = *next;
		else if (addr_value(&next->last) > addr_value(&last->last))
			last->last = next->last;
	}
	s->count = s->count != 0 ? kept + 1 : 0;
}

void addrset_seal(struct addrset *s)
{
	sort_ranges(s);
	merge_ranges(s);
	addrset_index_build(s);
}

// Appends to `out` what is left of one range; *hole is the first range of `other` that may still matter.
static int append_rest(struct addrset *out, struct addr_range range, const struct addrset *other,
		       size_t *hole)
{
	while (*hole < other->count) {
		const struct addr_range *cut = &other->ranges[*hole];
		if (compare_scoped(&cut->first, &range.last) > 0)
			break;
		if (compare_scoped(&cut->last, &range.first) >= 0) {
			if (compare_scoped(&cut->first, &range.first) > 0) {
				struct addr end =
					addr_of_value(addr_value(&cut->first) - 1, cut->first.scope);
				int r = append(out, &range.first, &end);
				if (r != 0)
					return r;
			}
			if (compare_scoped(&cut->last, &range.last) >= 0)
				return 0;
			range.first = addr_of_value(addr_value(&cut->last) + 1, cut->last.scope);
		}
		++*hole;
	}
	return append(out, &range.first, &range.last);
}

int addrset_subtract(struct addrset *s, const struct addrset *other)
{
	struct addrset out = {0};
	size_t hole = 0;

	if (other->count == 0)
		return 0;
	for (size_t i = 0; i < s->count; i++) {
		int r = append_rest(&out, s->ranges[i], other, &hole);
		if (r != 0) {
			free(out.ranges);
			return r;
		}
	}
	free(s->ranges);
	s->ranges = out.ranges;
	s->count = out.count;
	s->size = out.size;
	addrset_index_build(s);
	return 0;
}

u128 addrset_count(const struct addrset *s)
{
	return s->total;
}

size_t addrset_range_count(const struct addrset *s)
{
	return s->count;
}

const struct addr_range *addrset_ranges(const struct addrset *s)
{
	return s->ranges;
}
