// The frame transports' contract: batches of descriptors out, batches of raw answers in.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"
#include "packet/template.h"

struct frames_memory_net;

#define FRAMES_RECV_MAX     1024
#define FRAMES_RECV_DEFAULT 256

// Send times: the transport stores the microsecond clock (clock_mono_ns() / 1000, low 32 bits, 0 replaced by
// 1) into stamps[desc.stamp] just before it hands the frame to the kernel. May be NULL.
typedef _Atomic uint32_t frame_stamp;

struct frames_config {
	const struct frame_template *templates; // TEMPLATES_MAX entries, fixed while open
	const struct frame_hop *const *hops; // *hops is the table; entries may be added between calls of send
	frame_stamp *const *stamps;          // *stamps may move only while nothing is pending
	bool want_v4, want_v6;
	bool want_arp, want_ndp;   // hand over ARP replies / neighbour advertisements too
	uint16_t port_lo, port_hi; // our source ports: what the kernel filter lets through (TCP and UDP)
	unsigned batch;            // frames in one sendmmsg, 1 … 1024
	unsigned recv_batch;       // packets in one recvmmsg, 1 … FRAMES_RECV_MAX; 0: FRAMES_RECV_DEFAULT
	unsigned send_threads;     // 0: send in the caller's thread
	uint64_t expected;         // about how many frames will be sent: buffers are sized by it
	bool qdisc_bypass;
	// Sockets opened before rights were dropped; -1 where none. afpacket: [0] the packet socket, [1] and
	// [2] sockets of sending threads, [3] what makes closing cheap (late_close.h), to be closed last; [1]
	// to [3] may be -1. rawip: [0] IPv4 TCP (sends too), [1] ICMP, [2] IPv6 TCP (sends too), [3] ICMPv6.
	// When all that is wanted is there it is used, and closed by close(); else open() opens its own.
	int privileged_fds[4];
	// --packet-trace: called for every frame sent and received, from the caller's thread only
	// (send_threads is 0 then).
	void (*trace)(void *ctx, bool sent, const uint8_t *data, size_t len, uint16_t ethertype);
	void *trace_ctx;
	// The xdp transport (xdp.h): its programs, the key of the cookies that they check with the numbers
	// that the techniques have in them, frames in one round of the emitter, and whether SYN-ACKs end in
	// XDP (else the kernel has them too, and resets the half-open connections).
	struct xdp_prepared *prepared;
	struct hash_key cookie_key;
	uint8_t technique_syn, technique_ack;
	unsigned round;
	bool keep_half_open;
	const struct frames_memory_net *memory; // the memory transport's other side (frames_memory.h)
};

// One received packet, from its network header on. Valid until the next call of recv.
struct frame_reply {
	const uint8_t *data;
	uint32_t len;
	uint16_t ethertype;
	uint32_t ifindex; // 0: not known (rawip, IPv4)
	int64_t time_ns;  // clock_mono_ns() at or near arrival
};

struct frames_stats {
	uint64_t handed;    // frames given to the interface
	uint64_t not_taken; // frames it refused (ENOBUFS, EPERM by a firewall, link down)
	uint64_t syscalls;  // send calls
	uint64_t received;
	uint64_t dropped;  // answers the kernel could not hand over (PACKET_STATISTICS, SO_RXQ_OVFL, ring
			   // buffer)
	uint64_t rejected; // answers with a wrong cookie that the transport itself refused
	uint64_t crowded;  // frames for which the interface had no room: a reason to slow down
};

struct frames;

struct frames_ops {
	const char *name;
	int (*open)(struct frames **out, const struct frames_config *cfg, struct err_text *e);
	// Takes up to n descriptors; *taken says how many (fewer under back-pressure: call again later). A
	// frame that the interface refuses counts as taken and as not_taken: the sweep sends it again when it
	// stays silent. An error is for what will not get better (interface gone: -ENETDOWN / -ENODEV after
	// repeated refusals).
	int (*send)(struct frames *f, const struct frame_desc *d, unsigned n, unsigned *taken);
	// True when everything taken has been handed to the kernel.
	bool (*idle)(const struct frames *f);
	// Since when (clock_mono_ns) the oldest of what is not handed over yet has waited; BACKLOG_NONE
	// (backlog.h) when nothing does. NULL: it never waits.
	int64_t (*waiting_since)(const struct frames *f);
	// Takes up to max answers that are already here. Returns the count or -errno. Never blocks. Fewer
	// than both max and recv_batch means that there were no more.
	int (*recv)(struct frames *f, struct frame_reply *r, unsigned max);
	// Descriptor to poll for readability, or -1.
	int (*fd)(const struct frames *f);
	void (*stats)(struct frames *f, struct frames_stats *out);
	int (*close)(struct frames *f);
};

extern const struct frames_ops frames_rawip, frames_afpacket, frames_memory;
const struct frames_ops *frames_find(const char *name); // NULL when unknown

// Opens the sockets that a transport needs privilege for, to be handed over in privileged_fds. ERR_PRIVILEGE
// with a text that says what to do (root, setcap cap_net_raw+ep, or -sT).
int frames_rawip_sockets(bool v4, bool v6, int fds[4], struct err_text *e) MUST_CHECK;
int frames_afpacket_socket(int fds[4], struct err_text *e) MUST_CHECK;
