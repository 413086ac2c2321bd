/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
// What the XDP programs and their user space share: memory that both map.
#pragma once

#include <linux/types.h>

#define XDP_LANES       4    // emitting threads, each with a program, a ring and a CPU of its own
#define XDP_RING        4096 // descriptors in a lane's ring
#define XDP_TEMPLATES   17   // those of the probes, and one for frames that test the way
#define XDP_TEMPLATE    144  // bytes of a whole frame, link header included
#define XDP_SOURCES     16   // addresses of ours
#define XDP_PORTS       64   // interfaces
#define XDP_CPUS        256
#define XDP_RECORD_HEAD 16
#define XDP_RECORD_MAX  176   // bytes of a packet that are kept
#define XDP_RING_LEAST  65536 // bytes of records in a CPU's ring
#define XDP_RING_SLACK  256   // behind them, where the last record may end

// One probe to send. The hop (an index) lies above the template's number.
struct xdp_desc {
	__u64 dst_hi, dst_lo;
	__u32 cookie;
	__u16 sport, dport;
	__u32 where;   // xdp_where()
	__u32 time_us; // written by the emitter when XDP_TIMED is set: the microsecond clock
};

#define XDP_TIMED       0x80000000u
#define XDP_HOP_MAX     ((1u << 26) - 1)
#define xdp_where(h, t) ((h) << 5 | (t))

// How frames of one kind are written. Offsets count from the first byte of the frame; 0: no such field.
struct xdp_template {
	__u8 bytes[XDP_TEMPLATE];
	__u32 ip_sum, l4_sum; // partial sums over the constant bytes
	__u16 len;            // at least 60: Ethernet's least length is padded here
	__u8 v6;              // addresses have 16 bytes
	__u8 link;            // enum template_link
	__u8 plain;           // sent as it is
	__u8 l4_pseudo;       // the addresses count in the layer 4 checksum
	__u8 src_off, dst_off, target_off, mac_off, ip_id_off, ip_csum_off;
	__u8 sport_off, dport_off, cookie_off, l4_csum_off;
	__u8 reserved[6];
};

struct xdp_hop {
	__u8 dst_mac[6], src_mac[6];
	__u32 port; // slot of the device map
	__u64 source_hi, source_lo;
};

// State of a lane; each writer has cache lines of its own.
struct xdp_lane {
	__u64 next, seen; // the emitter's alone: descriptor to take, and head when last looked at
	__u64 polls;      // times that the ring was empty
	__u64 pad1[5];
	__u64 tail; // published by the emitter: descriptors before it were sent
	__u64 pad2[7];
	__u64 head; // published by user space
	__u64 pad3[7];
};

// Which packets are answers to this scan.
struct xdp_wanted {
	__u64 key[2];                  // of the cookies
	__u64 sources[XDP_SOURCES][2]; // our addresses, hi and lo
	__u32 source_count;
	__u16 port_lo, port_hi; // our source ports and ICMP identifiers
	__u8 syn, ack;          // numbers of the techniques, as the cookie counts them
	__u8 arp, ndp;          // neighbours' answers are wanted too
	__u8 keep;              // 1: also SYN-ACKs end here, so that the kernel resets nobody
	__u8 pad[3];
};

// Written while packets come in: on a cache line of its own, or every packet would miss what is beside it.
struct xdp_listener {
	__u32 asleep; // 1: user space waits to be woken, else it looks by itself
	__u32 pad[15];
};

struct xdp_counts {
	__u64 taken;    // records
	__u64 lost;     // no room in the ring
	__u64 rejected; // to our ports, with a wrong cookie
	__u64 pad[5];
};

// An answer: the packet from its network header on, cut at XDP_RECORD_MAX.
struct xdp_record {
	__u64 time_ns; // CLOCK_MONOTONIC
	__u32 ifindex;
	__u16 ethertype; // host order
	__u16 len;
	__u8 data[];
};

// Bytes of a ring that a record of a packet of n bytes takes.
#define xdp_record_bytes(n) ((XDP_RECORD_HEAD + (__u64)(n) + 7) & ~7ULL)

// Records of one CPU's answers, one behind the other from multiples of 8 on; positions count bytes since the
// start. Each writer has cache lines of its own, and the receiver looks at user space's only when it must.
struct xdp_ring {
	__u64 next, freed; // the receiver's alone: where the next record goes, and tail when last looked at
	__u64 pad1[6];
	__u64 head; // published by the receiver: records before it are whole
	__u64 pad2[7];
	__u64 tail; // published by user space: records before it are not needed any more
	__u64 pad3[7];
	__u8 data[];
};
