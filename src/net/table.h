// Private to net/: what route_read.c collects and route.c looks up.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/prefix_map.h"
#include "net/route.h"

enum { TABLE_LOCAL, TABLE_MAIN, TABLE_DEFAULT, TABLES }; // in the order of the kernel's standard rules

enum route_type {
	ROUTE_UNICAST,
	ROUTE_LOCAL,
	ROUTE_BLACKHOLE,
	ROUTE_UNREACHABLE,
	ROUTE_PROHIBIT,
	ROUTE_THROW, // go on with the next table
};

// One of our own addresses.
struct own_addr {
	struct addr addr; // with the scope of a link-local one
	uint32_t ifindex;
	uint8_t prefix_len;
	uint8_t kernel_scope; // RT_SCOPE_*
	bool secondary;       // IPv4: not the first of its subnet; IPv6: a temporary address
	bool deprecated;
};

// Where the packets of any number of prefixes go.
struct route {
	uint8_t type;   // enum route_type
	uint8_t family; // enum addr_family
	bool has_gateway, has_source;
	uint32_t ifindex;
	const struct net_link *link; // of ifindex, once everything is read
	struct addr gateway, source;
};

struct prefix_list {
	struct prefix_entry *items;
	size_t count, room;
};

struct net_table {
	struct net_link *links;
	size_t link_count, link_room;
	struct own_addr *own;
	size_t own_count, own_room;
	struct route *routes;
	size_t route_count, route_room;
	struct prefix_list lists[2][TABLES]; // by enum addr_family; emptied once the maps are built
	struct prefix_map *maps[2][TABLES];
	const struct net_link *loopback;
	uint32_t only_ifindex; // 0: every interface
};

// Asks the kernel for links, addresses, routes and (if `policy`) rules.
int table_collect(struct net_table *t, bool want_v4, bool want_v6, const char *only_if, bool *policy,
		  struct err_text *e) MUST_CHECK;
