// What the techniques share.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "probe/probe.h"

extern const struct probe_ops probe_tcp_syn, probe_tcp_connect, probe_tcp_ack, probe_icmp_echo,
	probe_icmp_timestamp, probe_arp, probe_ndp;

#define PROBE_DEFAULT_TTL 64

static inline uint8_t probe_ttl(const struct probe_env *env)
{
	return env->ttl ? env->ttl : PROBE_DEFAULT_TTL;
}

// Source port (or ICMP identifier) of a try, from 1. Tries past the last port share it.
uint16_t probe_sport(const struct probe_env *env, unsigned try_no);
// The inverse: false when no try of this scan leaves from there. *try_no is 0 with sport_fixed.
bool probe_try(const struct probe_env *env, uint16_t sport, uint8_t *try_no);

// TCP probes: one header, other flags; the cookie goes where `cookie_off` says (from the TCP header).
struct probe_tcp_shape {
	uint8_t flags;
	uint8_t cookie_off;
	bool mss; // with the MSS option
};
int probe_tcp_template(const struct probe_env *env, enum addr_family family,
		       const struct probe_tcp_shape *shape, struct frame_template *t) MUST_CHECK;

// ICMP queries: identifier and sequence number in front, the cookie at the start of `body_len` more bytes.
struct probe_icmp_shape {
	uint8_t technique;
	uint8_t reason; // of a reply
	uint8_t request_v4, reply_v4, request_v6, reply_v6;
	uint32_t cookie_set; // bits that are always set in the cookie
};
int probe_icmp_template(const struct probe_env *env, enum addr_family family, uint8_t type, uint8_t body_len,
			struct frame_template *t) MUST_CHECK;
void probe_icmp_aim(const struct probe_env *env, const struct probe_icmp_shape *shape, const struct addr *dst,
		    unsigned try_no, struct frame_desc *d);
// Replies, and errors that quote a query. In the shortest quote the sequence number alone is proof: 16 bits
// of the cookie.
enum probe_verdict probe_icmp_classify(const struct probe_env *env, const struct probe_icmp_shape *shape,
				       const struct packet_view *v, struct probe_answer *out);

// Link-layer discovery: `aim` and the answer of ARP and NDP.
void probe_neighbour_aim(const struct probe_env *env, const struct addr *dst, uint16_t port, unsigned try_no,
			 struct frame_desc *d);
void probe_neighbour_fill(const struct packet_view *v, uint8_t technique, uint8_t reason,
			  struct probe_answer *out);

// What a "destination unreachable", "time exceeded" or (IPv6) "parameter problem" says about a probe.
struct probe_error {
	uint8_t reason; // enum reason
	bool from_host; // only the addressed host itself can mean this: port or protocol unreachable
};
// False for errors that say nothing about the target.
bool probe_error_read(const struct packet_view *v, struct probe_error *out);

// An answer about the quoted destination, with `from` when somebody else sent it. State, reason and port are
// left to the caller.
void probe_error_fill(const struct packet_view *v, uint8_t technique, uint8_t try_no,
		      struct probe_answer *out);
// The same for host discovery, with state and reason: up only when the host itself spoke.
void probe_error_discovery(const struct packet_view *v, const struct probe_error *e, uint8_t technique,
			   uint8_t try_no, struct probe_answer *out);
