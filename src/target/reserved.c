#include "target/reserved.h"

#define SMALL_V4 ((u128)1 << 24) // a /8
#define SMALL_V6 ((u128)1 << 120)

static bool is_wide(const struct addr_range *r)
{
	u128 last_index = addr_value(&r->last) - addr_value(&r->first);

	return last_index >= (addr_is_v4(&r->first) ? SMALL_V4 : SMALL_V6);
}

static int subtract_specials(struct addrset *set)
{
	struct addrset *specials = addrset_new();
	size_t count;
	const struct addr_special *s = addr_specials(&count);
	int r = 0;

	for (size_t i = 0; i < count && !r; i++)
		r = addrset_add(specials, &s[i].first, &s[i].last);
	addrset_seal(specials);
	if (!r)
		r = addrset_subtract(set, specials);
	addrset_free(specials);
	return r;
}

static bool any_wide(const struct addrset *set, size_t from)
{
	for (size_t i = from; i < addrset_range_count(set); i++)
		if (is_wide(&addrset_ranges(set)[i]))
			return true;
	return false;
}

static int add_ranges(struct addrset *set, const struct addrset *from, size_t first)
{
	int r = 0;

	for (size_t i = first; i < addrset_range_count(from) && !r; i++)
		r = addrset_add(set, &addrset_ranges(from)[i].first, &addrset_ranges(from)[i].last);
	return r;
}

int reserved_thin(struct addrset *set, size_t from, bool *thinned)
{
	if (!any_wide(set, from))
		return 0;
	struct addrset *rest = addrset_new();
	int r = add_ranges(rest, set, from);

	addrset_seal(rest);
	u128 addresses = addrset_count(rest);
	size_t ranges = addrset_range_count(rest);
	if (!r)
		r = subtract_specials(rest);
	bool fewer = addresses != addrset_count(rest) || ranges != addrset_range_count(rest);
	if (!r && fewer && addrset_count(rest) > 0) {
		addrset_cut(set, from);
		r = add_ranges(set, rest, 0);
		*thinned = true;
	}
	addrset_free(rest);
	return r;
}

bool reserved_find(const struct addrset *set, struct addr *which)
{
	size_t count;
	const struct addr_special *s = addr_specials(&count);

	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; s[i].ask && j < addrset_range_count(set); j++) {
			const struct addr_range *t = &addrset_ranges(set)[j];
			if (addr_compare(&t->last, &s[i].first) < 0 ||
			    addr_compare(&t->first, &s[i].last) > 0)
				continue;
			*which = addr_compare(&t->first, &s[i].first) > 0 ? t->first : s[i].first;
			return true;
		}
	}
	return false;
}
