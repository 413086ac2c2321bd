// THE record: what one position turned out to be. Everything a sink may print comes from here and from
// `struct host_result`.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "net/addr.h"

// nmap's states and reasons, by their names.
#define PORT_STATES(X)                        \
	X(UNKNOWN, "unknown")                 \
	X(OPEN, "open")                       \
	X(CLOSED, "closed")                   \
	X(FILTERED, "filtered")               \
	X(UNFILTERED, "unfiltered")           \
	X(OPEN_FILTERED, "open|filtered")     \
	X(CLOSED_FILTERED, "closed|filtered") \
	X(UP, "up")                           \
	X(DOWN, "down")
enum port_state {
#define X(name, text) STATE_##name,
	PORT_STATES(X)
#undef X
		STATE_COUNT
};

#define REASONS(X)                                  \
	X(NONE, "unknown-response")                 \
	X(SYN_ACK, "syn-ack")                       \
	X(RESET, "reset")                           \
	X(CONN_REFUSED, "conn-refused")             \
	X(NO_RESPONSE, "no-response")               \
	X(PORT_UNREACH, "port-unreach")             \
	X(HOST_UNREACH, "host-unreach")             \
	X(NET_UNREACH, "net-unreach")               \
	X(PROTO_UNREACH, "proto-unreach")           \
	X(ADMIN_PROHIBITED, "admin-prohibited")     \
	X(HOST_PROHIBITED, "host-prohibited")       \
	X(NET_PROHIBITED, "net-prohibited")         \
	X(DEST_UNREACH, "dest-unreach")             \
	X(TIME_EXCEEDED, "time-exceeded")           \
	X(ECHO_REPLY, "echo-reply")                 \
	X(TIMESTAMP_REPLY, "timestamp-reply")       \
	X(ARP_RESPONSE, "arp-response")             \
	X(ND_RESPONSE, "nd-response")               \
	X(LOCALHOST_RESPONSE, "localhost-response") \
	X(USER_SET, "user-set")                     \
	X(UDP_RESPONSE, "udp-response")             \
	X(PROTO_RESPONSE, "proto-response")         \
	X(REJECT_ROUTE, "reject-route")             \
	X(BEYOND_SCOPE, "beyond-scope")             \
	X(PARAM_PROBLEM, "param-problem")           \
	X(NO_ROUTE, "no-route")
enum reason {
#define X(name, text) REASON_##name,
	REASONS(X)
#undef X
		REASON_COUNT
};

const char *state_name(enum port_state s);
const char *reason_name(enum reason r);
// "tcp", "udp", "sctp" for the values of enum proto, which result/ and sink/ may not include; else "ip".
const char *record_proto_name(uint8_t proto);

#define RECORD_TCP_OPTIONS_MAX 40

struct record {
	struct addr addr; // the target
	struct addr from; // who said so, when it was not the target (ICMP from a router); all zero otherwise
	int64_t wall_ns;  // CLOCK_REALTIME of the answer
	uint32_t rtt_us;  // 0: not known
	uint16_t port;
	uint16_t window; // of a SYN-ACK
	uint8_t proto;   // enum proto (target/ports.h); result/ does not look inside
	uint8_t state;   // enum port_state
	uint8_t reason;  // enum reason
	uint8_t ttl;     // of the answer as received; 0: not known
	uint8_t tries;   // which try was answered, from 1
	bool late;       // came after its position had been given up
	uint8_t options_len;
	uint8_t options[RECORD_TCP_OPTIONS_MAX]; // raw TCP options of a SYN-ACK
};
