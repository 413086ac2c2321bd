// From a target to the hop its frames take: route, gateway, link address, transport.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "net/route.h"
#include "packet/template.h"

enum path_transport { PATH_RAWIP, PATH_AFPACKET, PATH_TRANSPORTS };

struct paths_config {
	const struct net_table *table;
	bool has[PATH_TRANSPORTS];        // which transports are open
	struct addr source_v4, source_v6; // -S
	uint32_t max_neighbours;          // on-link hosts that may be learned
};

// Most entries of the hop table.
uint32_t paths_hop_room(const struct paths_config *cfg);

struct paths;

int paths_new(struct paths **out, const struct paths_config *cfg) MUST_CHECK;
void paths_free(struct paths *p);

// The table that transports read; it never moves.
const struct frame_hop *paths_hops(const struct paths *p);

// Hop of a destination. Gateways are resolved when first met (at most a second, once each). ERR_NOROUTE when
// there is none.
int paths_hop(struct paths *p, const struct addr *dst, uint32_t *hop, struct err_text *e) MUST_CHECK;

// paths_hop will be asked for this destination soon.
void paths_expect(const struct paths *p, const struct addr *dst);

// Hop for an ARP request or neighbour solicitation for `dst` on its own link.
int paths_discovery_hop(struct paths *p, const struct addr *dst, uint32_t *hop,
			struct err_text *e) MUST_CHECK;

// An on-link host's address: its frames go out through AF_PACKET from now on.
int paths_learn(struct paths *p, const struct addr *host, const uint8_t mac[6]) MUST_CHECK;

enum path_kind {
	PATH_NONE,    // no route
	PATH_LOCAL,   // one of our own addresses
	PATH_ON_LINK, // on an Ethernet link of ours
	PATH_ROUTED,  // through a gateway, or a link without addresses
};
enum path_kind paths_kind(const struct paths *p, const struct addr *dst);
