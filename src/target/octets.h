// IPv4 patterns with a list per octet: "198.18.0-3.1,7,100-".
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "target/addrset.h"

#define OCTETS_RANGES_MAX (1U << 22) // separate ranges that one pattern may make

struct octets {
	uint64_t sets[4][4]; // a bit per value
};

// Four parts between dots; each a list of numbers and ranges, "-" or "*" being 0-255.
int octets_parse(struct octets *o, const char *text, size_t len, struct err_text *e) MUST_CHECK;
// Lets all bits behind the prefix take every value, as nmap does with host bits that are set.
void octets_mask(struct octets *o, unsigned prefix);
// Adds the ranges; ERR_LIMIT when there are more than OCTETS_RANGES_MAX, or as addrset_add.
int octets_add(const struct octets *o, struct addrset *set) MUST_CHECK;

// An error about a whole target, shown escaped. (In parse.c.)
int target_bad(const char *text, const char *why, int code, struct err_text *e);
