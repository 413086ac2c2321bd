// Special-purpose addresses among the targets (net/addr.h has the list). Naming a range is asking for it,
// except for what nobody can mean to scan; a target that is larger than a /8 asks for none of them.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "target/addrset.h"

// Of the ranges of an unsealed set from number `from` on, which one target's text has added: when one of them
// is larger than a /8, all special-purpose blocks are taken out, unless nothing else is in them. *thinned
// becomes true when any were. ERR_LIMIT, -ENOMEM.
int reserved_thin(struct addrset *set, size_t from, bool *thinned) MUST_CHECK;

// The first address of a sealed set, in the order of the list, that needs --allow-reserved.
bool reserved_find(const struct addrset *set, struct addr *which);
