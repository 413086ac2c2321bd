// Packets made by hand for tests: what a target or a router would send. Written apart from src/packet/, so
// that the two check each other.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "net/addr.h"
#include "packet/parse.h"

#define CRAFT_MAX 512

struct craft {
	uint8_t bytes[CRAFT_MAX];
	size_t len;
	uint16_t ethertype;
};

struct craft_tcp {
	uint16_t sport, dport;
	uint32_t seq, ack;
	uint8_t flags;
	uint16_t window;
	const char *options; // padded to words by the caller
	size_t options_len;
	const char *payload;
};

// An IP header (family of `src`) around `l4`; checksums of layer 4 stay zero.
struct craft_ip {
	uint8_t ttl, protocol;
};
void craft_ip(struct craft *c, const struct addr *src, const struct addr *dst, const struct craft_ip *ip,
	      const void *l4, size_t len);
void craft_tcp(struct craft *c, const struct addr *src, const struct addr *dst, const struct craft_tcp *tcp);
struct craft_icmp {
	const uint8_t *type_code; // two bytes
	uint16_t id, seq;
};
void craft_icmp(struct craft *c, const struct addr *src, const struct addr *dst,
		const struct craft_icmp *icmp, const void *body, size_t len);
// `rest` are the four bytes behind the checksum (MTU, pointer): zero.
void craft_icmp_error(struct craft *c, const struct addr *src, const struct addr *dst,
		      const uint8_t type_code[2], const void *quoted, size_t len);
void craft_arp(struct craft *c, uint16_t op, const uint8_t mac[6], const struct addr *sender,
	       const struct addr *target);
// A neighbour advertisement, with a target link-layer option when `mac` is not NULL.
void craft_advert(struct craft *c, const struct addr *src, const struct addr *dst, uint8_t hop_limit,
		  const struct addr *target, const uint8_t *mac);

// Parses an exact-size heap copy (so that a sanitizer sees every read past the end) and checks that the
// view's pointers stay inside it. The view's pointers are dead afterwards.
int craft_parse_exact(const uint8_t *data, size_t len, uint16_t ethertype, struct packet_view *v);

// The ones' complement sum of `len` bytes, byte by byte: 0xffff over a packet with a right checksum.
uint16_t craft_sum(uint32_t start, const uint8_t *data, size_t len);
// The same over layer 4 with its pseudo header.
uint16_t craft_l4_sum(const uint8_t *ip, size_t len);
