// What the kernel knows of interfaces, addresses and routes, read once over rtnetlink (libmnl) into prefix
// trees.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "net/addr.h"

enum link_kind {
	LINK_ETHERNET, // has link addresses; ARP and NDP
	LINK_LOOPBACK,
	LINK_RAW, // no link addresses: tun, PPP, WireGuard
};

struct net_link {
	uint32_t ifindex;
	char name[16];
	enum link_kind kind;
	uint8_t mac[6];
	uint32_t mtu;
	bool up;
};

// The way to one destination.
struct net_path {
	const struct net_link *link; // owned by the table
	struct addr source;          // preferred source address
	bool via_gateway;
	struct addr gateway; // when via_gateway
	bool local;          // the destination is one of our own addresses (goes through loopback)
};

struct net_table;

// Reads links, addresses and the routes of the families wanted. `only_if` (may be NULL) keeps one interface
// (-e). A policy rule beyond the kernel's three standard ones is reported through `*policy` (may be NULL),
// not an error here.
int net_table_read(struct net_table **out, bool want_v4, bool want_v6, const char *only_if, bool *policy,
		   struct err_text *e) MUST_CHECK;
void net_table_free(struct net_table *t);

// Addresses by value, of one family and without a scope.
struct net_span {
	u128 first, last;
	bool v4;
};

// Longest-prefix lookup, tens of nanoseconds, no system call. ERR_NOROUTE (with a text if `e`) when there is
// none. For a link-local destination the scope chooses the link. What is said of `dst` holds for all of *span
// (`span` may be NULL), which may hold nothing (first > last).
int net_table_lookup(const struct net_table *t, const struct addr *dst, struct net_path *out,
		     struct net_span *span, struct err_text *e) MUST_CHECK;

const struct net_link *net_table_link(const struct net_table *t, uint32_t ifindex);
const struct net_link *net_table_link_named(const struct net_table *t, const char *name);
// Has the link a link-local IPv6 address that can be used? False where IPv6 was not read.
bool net_table_has_link_local(const struct net_table *t, uint32_t ifindex);
// Does this host own the address?
bool net_table_is_ours(const struct net_table *t, const struct addr *a);
