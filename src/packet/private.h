// What the parsers of this folder share.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet/parse.h"

#define IP_EXTENSIONS_MAX 8

// An IP header that was walked up to layer 4.
struct ip_header {
	struct addr src, dst;
	uint8_t ttl;
	uint8_t protocol;       // of layer 4, behind any extension headers
	const uint8_t *payload; // layer 4, inside the caller's bytes
	size_t payload_len;     // what is there of it
	bool addresses_known;   // src and dst are set although the parser failed later on
};

// Both fail for later fragments, for lengths that contradict each other and for what is cut off before layer
// 4. A packet longer than what was captured is fine. `quoted` packets may be shorter than they say and their
// length field is not believed: some routers change it.
int ipv4_parse(const uint8_t *data, size_t len, bool quoted, struct ip_header *ip) MUST_CHECK;
int ipv6_parse(const uint8_t *data, size_t len, bool quoted, struct ip_header *ip) MUST_CHECK;

// Layer 4 of a packet whose addresses are already in `v`.
int tcp_parse(const uint8_t *data, size_t len, struct packet_view *v) MUST_CHECK;
int udp_parse(const uint8_t *data, size_t len, struct packet_view *v) MUST_CHECK;
int icmpv4_parse(const uint8_t *data, size_t len, struct packet_view *v) MUST_CHECK;
int icmpv6_parse(const uint8_t *data, size_t len, struct packet_view *v) MUST_CHECK;
int advert_parse(const uint8_t *data, size_t len, struct packet_view *v) MUST_CHECK;

int arp_parse(const uint8_t *data, size_t len, struct packet_view *v) MUST_CHECK;

// The packet inside an ICMP error. Never fails: what is missing or broken leaves protocol 0.
void quote_parse(const uint8_t *data, size_t len, enum addr_family family, struct packet_quote *q);

static inline void view_payload(struct packet_view *v, const uint8_t *data, size_t len)
{
	v->payload = data;
	v->payload_len = (uint16_t)(len < UINT16_MAX ? len : UINT16_MAX);
}
