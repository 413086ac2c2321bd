// A frame template: constant bytes written once, a few fields patched per probe, checksums finished from
// partial sums. The same description serves sendmmsg transports and, later, the XDP emitter.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "net/addr.h"

#define TEMPLATE_MAX  128
#define FRAME_MAX     (TEMPLATE_MAX + 14)
#define TEMPLATES_MAX 16

enum template_link {
	TEMPLATE_UNICAST,   // link destination from the hop
	TEMPLATE_BROADCAST, // ARP request
	TEMPLATE_SOLICITED, // NDP: IP and link destination are derived from the target (RFC 4861, 7.2.2; RFC
			    // 2464, 7)
};

// Offsets count from the first byte of the network header; 0 means that the template has no such field.
struct frame_template {
	uint8_t bytes[TEMPLATE_MAX];
	uint16_t len;
	uint16_t ethertype; // host order: 0x0800, 0x86dd, 0x0806
	uint8_t family;     // enum addr_family of target and source
	uint8_t link;       // enum template_link
	uint8_t src_off, dst_off;
	uint8_t target_off;  // ARP: target protocol address; NDP: target address
	uint8_t mac_off;     // ARP sender hardware address; NDP source link-layer option: our MAC
	uint8_t ip_id_off;   // IPv4 identification: low half of the cookie, scrambled
	uint8_t ip_csum_off; // IPv4 header checksum
	uint8_t sport_off, dport_off;
	uint8_t cookie_off; // 4 bytes
	uint8_t l4_off, l4_csum_off;
	bool l4_pseudo;          // the addresses count in the layer 4 checksum (all but ICMPv4)
	uint32_t ip_sum, l4_sum; // partial sums over the constant bytes (and the pseudo header's constants)
};

// Where frames of one path leave: entry of the hop table.
struct frame_hop {
	uint32_t ifindex;
	uint8_t transport; // which open frame transport takes it (index in scan's list)
	bool has_link;     // src_mac and dst_mac are meaningful
	uint8_t dst_mac[6], src_mac[6];
	struct addr source; // source address
};

// One probe to send, 40 bytes: what a transport needs to write the frame.
struct frame_desc {
	uint64_t dst_hi, dst_lo; // struct addr without scope (the hop names the interface)
	uint32_t cookie;
	uint32_t hop;   // index into the hop table
	uint32_t stamp; // index into the stamp array (send times)
	uint16_t sport, dport;
	uint8_t tmpl;   // index into the template table
	uint8_t try_no; // from 1
	uint8_t reserved[2];
};

// Clears `t` and writes an IPv4 or IPv6 header without options for `l4_len` bytes of `protocol`, sets the
// offsets of its fields and l4_off. The caller writes layer 4 at bytes + l4_off and seals. ERR_LIMIT when it
// does not fit.
int template_ip(struct frame_template *t, enum addr_family family, uint8_t ttl, uint8_t protocol,
		size_t l4_len) MUST_CHECK;

// Computes ip_sum and l4_sum (16 bits each) of a finished template. Fields to be patched must be zero in it.
void template_seal(struct frame_template *t);

// Writes the whole frame to `out` (FRAME_MAX bytes), with an Ethernet header in front when `with_link`.
// Returns its length. Every byte is written.
size_t frame_build(const struct frame_template *t, const struct frame_hop *hop, const struct frame_desc *d,
		   bool with_link, uint8_t *out);
