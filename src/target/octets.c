#include "target/octets.h"

#include <stdbool.h>
#include <string.h>

#include "base/text.h"

// What is still to be read of a pattern.
struct cursor {
	const char *at, *end;
};

static bool has(const struct octets *o, int octet, unsigned value)
{
	return o->sets[octet][value / 64] >> value % 64 & 1;
}

static void put(struct octets *o, int octet, unsigned value)
{
	o->sets[octet][value / 64] |= 1ULL << value % 64;
}

static bool is_full(const struct octets *o, int octet)
{
	const uint64_t *s = o->sets[octet];

	return (s[0] & s[1] & s[2] & s[3]) == ~0ULL;
}

static bool take(struct cursor *c, char wanted)
{
	if (c->at == c->end || *c->at != wanted)
		return false;
	c->at++;
	return true;
}

// A number, or `fallback` when there is none; 256 when it is too large.
static unsigned take_value(struct cursor *c, unsigned fallback)
{
	unsigned value = 0;

	if (c->at == c->end || *c->at < '0' || *c->at > '9')
		return fallback;
	for (; c->at != c->end && *c->at >= '0' && *c->at <= '9'; c->at++)
		value = value > 255 ? 256 : value * 10 + (unsigned)(*c->at - '0');
	return value > 255 ? 256 : value;
}

// One element of a list: "7", "1-5", "100-", "-9", "-", "*". Returns what is wrong, or NULL.
static const char *take_element(struct octets *o, int octet, struct cursor *c)
{
	const char *begin = c->at;
	unsigned first, last;

	if (take(c, '*')) {
		first = 0;
		last = 255;
	} else {
		first = last = take_value(c, 0);
		if (take(c, '-'))
			last = take_value(c, 255);
	}
	if (c->at == begin)
		return "a number is missing";
	if (first > 255 || last > 255)
		return "a number above 255";
	if (first > last)
		return "a range that ends before it begins";
	for (unsigned value = first; value <= last; value++)
		put(o, octet, value);
	return NULL;
}

static const char *take_octet(struct octets *o, int octet, struct cursor *c)
{
	const char *fault;

	do
		fault = take_element(o, octet, c);
	while (fault == NULL && take(c, ','));
	if (fault != NULL)
		return fault;
	if (octet < 3 && !take(c, '.'))
		return c->at == c->end ? "an IPv4 address has four parts"
				       : "a number, a comma or a dot is wrong";
	if (octet == 3 && c->at != c->end)
		return "an IPv4 address has four parts of numbers, commas and ranges";
	return NULL;
}

int octets_parse(struct octets *o, const char *text, size_t len, struct err_text *e)
{
	struct cursor c = {text, text + len};
	char shown[160];

	memset(o, 0, sizeof(*o));
	for (int octet = 0; octet < 4; octet++) {
		const char *fault = take_octet(o, octet, &c);
		if (fault != NULL) {
			text_escape(shown, sizeof(shown), text, len);
			return err_set(e, ERR_SYNTAX, "target \"%s\": %s (in part %d)", shown, fault,
				       octet + 1);
		}
	}
	return 0;
}

void octets_mask(struct octets *o, unsigned prefix)
{
	for (int octet = 0; octet < 4; octet++) {
		unsigned bits = prefix > 8U * (unsigned)octet ? prefix - 8U * (unsigned)octet : 0;
		unsigned host = bits >= 8 ? 0 : 255U >> bits;
		struct octets wide = {0};
		for (unsigned value = 0; value < 256; value++) {
			if (!has(o, octet, value))
				continue;
			for (unsigned v = value & ~host; v <= (value | host); v++)
				put(&wide, octet, v);
		}
		memcpy(o->sets[octet], wide.sets[octet], sizeof(wide.sets[octet]));
	}
}

// Consecutive values of an octet.
struct run {
	uint8_t from, to;
};

static unsigned find_runs(const struct octets *o, int pivot, struct run runs[128])
{
	unsigned count = 0;

	for (unsigned value = 0; value < 256; value++) {
		if (!has(o, pivot, value))
			continue;
		if (value == 0 || !has(o, pivot, value - 1))
			runs[count++].from = (uint8_t)value;
		runs[count - 1].to = (uint8_t)value;
	}
	return count;
}

static uint64_t count_choices(const struct octets *o, int pivot)
{
	uint64_t choices = 1;

	for (int octet = 0; octet < pivot; octet++) {
		uint64_t values = 0;
		for (unsigned i = 0; i < 4; i++)
			values += (uint64_t)__builtin_popcountll(o->sets[octet][i]);
		choices *= values;
	}
	return choices;
}

// The ranges of one choice of the octets before the pivot, whose values are in `base`.
static int add_runs(const struct run *runs, unsigned count, unsigned shift, uint32_t base,
		    struct addrset *set)
{
	uint32_t behind = (uint32_t)((1ULL << shift) - 1);

	for (unsigned i = 0; i < count; i++) {
		struct addr first = addr_v4(base | (uint32_t)runs[i].from << shift);
		struct addr last = addr_v4(base | (uint32_t)runs[i].to << shift | behind);
		int r = addrset_add(set, &first, &last);
		if (r != 0)
			return r;
	}
	return 0;
}

int octets_add(const struct octets *o, struct addrset *set)
{
	struct run runs[128];
	int pivot =
		3; // octets behind it are full, so a run of its values is one range for each choice before

	while (pivot > 0 && is_full(o, pivot))
		pivot--;
	unsigned count = find_runs(o, pivot, runs), shift = 24 - 8 * (unsigned)pivot;
	if (count * count_choices(o, pivot) > OCTETS_RANGES_MAX)
		return ERR_LIMIT;
	// Counts through the octets before the pivot like through the digits of a number.
	uint32_t prefixes = 1U << 8 * (unsigned)pivot;
	for (uint32_t prefix = 0; prefix < prefixes; prefix++) {
		uint32_t base = pivot != 0 ? prefix << (32 - 8 * (unsigned)pivot) : 0;
		int octet = 0;
		while (octet < pivot && has(o, octet, base >> (24 - 8 * (unsigned)octet) & 255))
			octet++;
		if (octet < pivot) { // skip all prefixes that share the value which is not there
			prefix |= (1U << 8 * (unsigned)(pivot - 1 - octet)) - 1;
			continue;
		}
		int r = add_runs(runs, count, shift, base, set);
		if (r != 0)
			return r;
	}
	return 0;
}
