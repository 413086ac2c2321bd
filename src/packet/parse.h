// Bounded parsing of whatever arrives: Ethernet payloads of IPv4, IPv6 (extension headers walked, at most 8),
// TCP, UDP, ICMP, ICMPv6, the packet quoted inside an ICMP error, ARP, neighbour advertisements. Hostile
// input; never reads past len.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "net/addr.h"

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd
#define ETHERTYPE_ARP  0x0806

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10

enum packet_kind {
	PACKET_OTHER,
	PACKET_TCP,
	PACKET_UDP,
	PACKET_ICMP,       // v4 or v6, not an error
	PACKET_ICMP_ERROR, // `quoted` holds what it quotes
	PACKET_ARP_REPLY,
	PACKET_NEIGHBOUR_ADVERT,
};

// The first bytes of a packet of ours that an ICMP error quotes (RFC 792: at least 8 bytes of its payload).
struct packet_quote {
	struct addr src, dst;
	uint8_t protocol; // IPPROTO_TCP, …; 0 when cut off before
	uint16_t sport, dport;
	uint32_t seq; // TCP sequence number
	uint32_t ack; // TCP acknowledgement number; 0 and ack_known = false when cut off before it
	bool ack_known;
	uint8_t icmp_type;
	uint16_t icmp_id, icmp_seq;
	uint32_t icmp_cookie; // first 4 payload bytes of an echo, when there
	bool icmp_cookie_known;
};

struct packet_view {
	enum packet_kind kind;
	struct addr src, dst;
	uint8_t ttl; // hop limit
	uint8_t protocol;
	// TCP and UDP
	uint16_t sport, dport;
	uint32_t seq, ack;
	uint8_t flags;
	uint16_t window;
	const uint8_t *options; // inside the caller's bytes
	uint8_t options_len;
	// ICMP
	uint8_t icmp_type, icmp_code;
	uint16_t icmp_id, icmp_seq;
	const uint8_t *payload; // TCP/UDP/ICMP-echo payload, inside the caller's bytes
	uint16_t payload_len;   // what is there of it
	struct packet_quote quoted;
	// ARP and neighbour advertisements
	struct addr neighbour;
	uint8_t neighbour_mac[6];
	bool neighbour_mac_known;
};

// 0, or ERR_TRUNCATED / ERR_SYNTAX for what is no packet worth looking at (later fragments too). Checksums
// are not verified: offload leaves them unfinished on veth and loopback; cookies decide.
int packet_parse(const uint8_t *data, size_t len, uint16_t ethertype, struct packet_view *v) MUST_CHECK;
