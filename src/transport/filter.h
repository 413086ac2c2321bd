// Classic BPF programs that keep what cannot be an answer out of our sockets. They are built at open time for
// one range of our source ports; what they let through is still judged by its cookie.
#pragma once

#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define FILTER_MAX 96

struct filter {
	struct sock_filter code[FILTER_MAX];
	unsigned short len;
};

struct filter_want {
	bool v4, v6;
	bool arp, ndp;             // ARP replies, neighbour advertisements
	uint16_t port_lo, port_hi; // our source ports
};

// Raw IPv4 sockets see the packet from the IP header on: SYN-ACKs and resets to our ports; echo, timestamp
// and mask replies, and errors that quote one of our ports (or no port).
void filter_raw_tcp4(struct filter *f, const struct filter_want *w);
void filter_raw_icmp4(struct filter *f, const struct filter_want *w);

// Raw IPv6 sockets see it from behind the IPv6 headers on.
void filter_raw_tcp6(struct filter *f, const struct filter_want *w);
void filter_raw_icmp6(struct filter *f, const struct filter_want *w);

// A packet socket sees it from the link header on. Ethernet only (never loopback): all of the above for the
// families wanted, UDP and SCTP to our ports, IPv6 with extension headers (sorted out later), ARP and NDP
// when wanted. A frame of a VLAN is left to that VLAN's own interface, where it arrives a second time.
void filter_packet(struct filter *f, const struct filter_want *w);

int filter_attach(int fd, const struct filter *f) MUST_CHECK;
