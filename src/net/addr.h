// IPv4 and IPv6 addresses in one 128-bit type. An IPv4 address is its v4-mapped form (::ffff:a.b.c.d).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct addr {
	uint64_t hi, lo; // host order
	uint32_t scope;  // interface index of a link-local address, else 0
};

enum addr_family { ADDR_V4, ADDR_V6 };

#define ADDR_TEXT_MAX 64 // longest text with a scope and the final zero

__extension__ typedef unsigned __int128 u128;

static inline struct addr addr_v4(uint32_t host_order)
{
	return (struct addr){.lo = 0x0000ffff00000000ULL | host_order};
}
static inline struct addr addr_v6(const uint8_t bytes[16])
{
	struct addr a = {0};
	for (int i = 0; i < 8; i++) {
		a.hi = a.hi << 8 | bytes[i];
		a.lo = a.lo << 8 | bytes[i + 8];
	}
	return a;
}
static inline bool addr_is_v4(const struct addr *a)
{
	return a->hi == 0 && (a->lo >> 32) == 0xffff;
}
// All zero: no address is given. (0.0.0.0 is not: it has the prefix of IPv4.)
static inline bool addr_is_none(const struct addr *a)
{
	return a->hi == 0 && a->lo == 0;
}
static inline uint32_t addr_v4_value(const struct addr *a)
{
	return (uint32_t)a->lo;
}
static inline u128 addr_value(const struct addr *a)
{
	return (u128)a->hi << 64 | a->lo;
}
static inline struct addr addr_of_value(u128 v, uint32_t scope)
{
	return (struct addr){.hi = (uint64_t)(v >> 64), .lo = (uint64_t)v, .scope = scope};
}
static inline bool addr_equal(const struct addr *a, const struct addr *b)
{
	return a->hi == b->hi && a->lo == b->lo && a->scope == b->scope;
}

int addr_compare(const struct addr *a, const struct addr *b); // by value, then scope
uint64_t addr_hash(const struct addr *a);

// Network-order bytes: 4 for IPv4, 16 for IPv6. Returns the length.
size_t addr_bytes(const struct addr *a, uint8_t out[16]);

// "198.18.0.1", "2001:db8::1" (RFC 5952), "fe80::1%eth0" (scope name from the kernel, else its number).
void addr_format(const struct addr *a, char text[ADDR_TEXT_MAX]);

// One address, whole text, IPv4 dotted quad or IPv6 with an optional %scope (name or number).
int addr_parse(const char *text, struct addr *out, struct err_text *e) MUST_CHECK;

// Is the address in one of the ranges that need --allow-reserved (0/8, 240/4, multicast, broadcast, ::/128,
// ff00::/8)? Returns the range's name or NULL.
const char *addr_reserved_name(const struct addr *a);
// Globally routed space, for the --yes rule (2^24 or more public addresses).
bool addr_is_public(const struct addr *a);

// The special-purpose blocks (IANA registries, RFC 6890 and its updates) in ascending order of their family;
// -iR and prefixes shorter than /8 leave all of them out. `ask` marks those that need --allow-reserved.
struct addr_special {
	struct addr first, last;
	const char *name;
	bool ask;
};
const struct addr_special *addr_specials(size_t *count);
