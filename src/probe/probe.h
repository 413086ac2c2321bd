// A technique: builds its probe and classifies the answer. One file each, listed in registry.c. `scan/` never
// looks inside a packet; `probe/` never sends one.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"
#include "net/addr.h"
#include "packet/parse.h"
#include "packet/template.h"
#include "result/record.h"

enum technique {
	TECHNIQUE_TCP_SYN,
	TECHNIQUE_TCP_CONNECT, // through a stream transport: no template, no classify
	TECHNIQUE_TCP_ACK,     // host discovery
	TECHNIQUE_ICMP_ECHO,
	TECHNIQUE_ICMP_TIMESTAMP, // IPv4 only
	TECHNIQUE_ARP,            // IPv4, on-link Ethernet
	TECHNIQUE_NDP,            // IPv6, on-link Ethernet
	TECHNIQUE_COUNT
};

// What all probes of a scan share.
struct probe_env {
	struct hash_key cookie_key;
	uint16_t sport_base; // try t (from 1) is sent from sport_base + t - 1 …
	uint8_t sport_tries; // … with t - 1 < sport_tries
	bool sport_fixed;    // -g: every try from sport_base, same number, no RTT from re-sends
	uint8_t ttl;         // of what we send; 0: the default (64)
	bool no_tcp_options; // leave the MSS option out
};

struct probe_answer {
	struct addr target; // whose position this is about
	uint16_t port;
	uint8_t try_no; // 0: cannot be told
	uint8_t technique;
	uint8_t state, reason, ttl;
	bool from_other; // an ICMP error from elsewhere
	struct addr from;
	uint16_t window;
	const uint8_t *options; // inside the packet
	uint8_t options_len;
	bool mac_known;
	uint8_t mac[6];
};

enum probe_verdict {
	PROBE_NOT_OURS, // not for this technique or this scan
	PROBE_REJECTED, // looks like an answer but the cookie is wrong: counted, ignored
	PROBE_ANSWER,
};

struct probe_ops {
	const char *name; // "syn", nmap's scaninfo type where there is one
	uint8_t technique;
	uint8_t silent_state; // what silence means after the last try
	bool has_port;
	bool v4, v6; // families it exists for
	// Fills the template for one family. NULL for stream techniques.
	int (*make_template)(const struct probe_env *env, enum addr_family family, struct frame_template *t);
	// Fills sport, dport and cookie of a descriptor for try_no (from 1).
	void (*aim)(const struct probe_env *env, const struct addr *dst, uint16_t port, unsigned try_no,
		    struct frame_desc *d);
	enum probe_verdict (*classify)(const struct probe_env *env, const struct packet_view *v,
				       struct probe_answer *out);
};

// NULL for a number that is no technique.
const struct probe_ops *probe_get(enum technique t);

// Tries each of the techniques (1 << enum technique) in the bit mask. The first PROBE_ANSWER wins; without
// one, PROBE_REJECTED when any technique says so: what has the wrong number for one technique may be the
// right answer to another. `out` is meaningful for PROBE_ANSWER only.
enum probe_verdict probe_classify(const struct probe_env *env, uint32_t technique_mask,
				  const struct packet_view *v, struct probe_answer *out);

// The 32-bit cookie of a probe: SipHash-2-4 over destination (without scope), ports and technique.
uint32_t probe_cookie(const struct probe_env *env, uint8_t technique, const struct addr *dst, uint16_t sport,
		      uint16_t dport);
