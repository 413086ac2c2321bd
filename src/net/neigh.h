// Link addresses of a few neighbours (gateways, the targets of a small scan) through the kernel's own
// resolution: the entry is asked for with NTF_USE and the answer is awaited on the neighbour notifications.
// Large on-link networks are never resolved this way: they have an ARP or NDP sweep of their own.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "net/addr.h"

struct neigh_query {
	struct addr addr; // in
	struct addr from; // in: ask with this address of ours (neigh_from); all zero: the kernel chooses
	uint32_t ifindex; // in
	bool resolved;    // out
	uint8_t mac[6];   // out
};

struct net_table;

// What to ask with for an address on a link. The kernel solicits IPv6 neighbours from the link-local address,
// and not at all from a link without one, unless it has a packet for them: then it takes that packet's
// source.
struct addr neigh_from(const struct net_table *t, const struct addr *addr, uint32_t ifindex,
		       const struct addr *source);

// Resolves all of them at once, waiting at most timeout_ns. Those still unknown have resolved = false.
// Returns an error only when netlink itself fails.
// An entry that the kernel has not confirmed for a while counts as resolved: enough for a gateway's link
// address, no proof that a host is up.
int neigh_resolve(struct neigh_query *q, unsigned n, int64_t timeout_ns, struct err_text *e) MUST_CHECK;

// Are there such entries among them? resolved and mac say which. Nothing is sent.
int neigh_unsure(struct neigh_query *q, unsigned n, bool *any, struct err_text *e) MUST_CHECK;
