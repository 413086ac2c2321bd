// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// What the responder's hosts say. One function decides it, for the program in the kernel (responder.bpf.c)
// and for whoever asks for the truth; so the two cannot differ.
#pragma once

#include <linux/types.h>

enum {
	RESPONDER_MILLION = 1000000, // shares are parts per million
	RESPONDER_PREFIXES = 16,     // of each family
	RESPONDER_LATE_MAX_MS = 60000,
	RESPONDER_FRAME_MAX = 80 // the longest answer to a SYN: Ethernet, IPv6, TCP with one option; and room
};

enum responder_state { RESPONDER_SILENT, RESPONDER_CLOSED, RESPONDER_OPEN };

// May change while the responder runs, each number at once.
struct responder_settings {
	__u64 seed, key;            // `key` follows from the seed (responder_key)
	__u32 open_ppm, closed_ppm; // of the positions of a host that is up; the rest is silent
	__u32 up_ppm;               // hosts that are up; the others say nothing at all
	__u32 loss_in_ppm, loss_out_ppm;
	__u32 duplicate_ppm; // answers that are sent twice
	__u32 wrong_ppm;     // answers with another beside them, whose acknowledgement number is wrong
	__u32 late_ppm, late_ms;
};

struct responder_prefix4 {
	__u32 net, mask; // host order
};

struct responder_prefix6 {
	__u64 hi, lo, mask_hi, mask_lo;
};

// An answer that the program in the kernel cannot send itself: it has one frame to send for each it gets.
struct responder_extra {
	__u64 due_ns; // CLOCK_MONOTONIC
	__u32 length;
	__u32 wrong; // the acknowledgement number is to be changed before it leaves
	__u8 frame[RESPONDER_FRAME_MAX];
};

// Counts of each family. Each frame for our networks is counted in one of syns, echoes,
// echoes_silent, lost_in, malformed and other; the rest says what became of it.
#define RESPONDER_COUNTS(X)                                                             \
	X(SYNS, syns)                   /* that arrived, lost_in left out */            \
	X(OPEN, open)                   /* SYNs to open positions */                    \
	X(CLOSED, closed)               /* … to closed ones */                        \
	X(SILENT, silent)               /* … to silent ones, and to hosts not up */   \
	X(ECHOES, echoes)               /* echo requests answered */                    \
	X(ECHOES_SILENT, echoes_silent) /* echo requests to hosts that are not up */    \
	X(LOST_IN, lost_in)             /* frames dropped before they were looked at */ \
	X(LOST_OUT, lost_out)           /* answers dropped; they have no extras */      \
	X(DUPLICATES, duplicates)       /* answers handed over to be sent once more */  \
	X(WRONG, wrong)                 /* … to be sent with a wrong number */        \
	X(LATE, late)                   /* … to be sent later instead of now */       \
	X(OVERFLOW, overflow)           /* extras for which there was no room */        \
	X(MALFORMED, malformed)         /* headers that contradict the frame */         \
	X(OTHER, other)                 /* TCP segments that are no plain SYN */

enum {
#define X(NAME, name) COUNT_##NAME,
	RESPONDER_COUNTS(X)
#undef X
		COUNT_KINDS
};

struct responder_counts {
	__u64 v4[COUNT_KINDS], v6[COUNT_KINDS];
};

// Each bit of the result depends on each of `x`.
static inline __u64 responder_mix(__u64 x)
{
	x ^= x >> 32;
	x *= 0x9e6c63d0876a9a35ULL;
	x ^= x >> 29;
	x *= 0xd2b74407b1ce6e93ULL;
	return x ^ x >> 32;
}

static inline __u64 responder_key(__u64 seed)
{
	return responder_mix(responder_mix(seed + 0x5851f42d4c957f2dULL));
}

// A share of a million, from the upper half of a hash or from 32 random bits.
static inline __u32 responder_draw(__u32 bits)
{
	return (__u32)((__u64)bits * RESPONDER_MILLION >> 32);
}

// Of an address (IPv4 in its v4-mapped form) and a port; 65,536 stands for the host itself.
static inline __u64 responder_hash(const struct responder_settings *s, __u64 hi, __u64 lo, __u32 port)
{
	return responder_mix(responder_mix(s->key ^ lo) ^ (hi * 0xc83a91e1f4d6b2a5ULL + port));
}

static inline int responder_is_up(const struct responder_settings *s, __u64 hi, __u64 lo)
{
	return s->up_ppm >= RESPONDER_MILLION ||
	       responder_draw((__u32)(responder_hash(s, hi, lo, 65536) >> 32)) < s->up_ppm;
}

// `hash` is that of the position.
static inline enum responder_state responder_state(const struct responder_settings *s, __u64 hi, __u64 lo,
						   __u64 hash)
{
	__u32 draw = responder_draw((__u32)(hash >> 32));

	if (draw >= s->open_ppm + s->closed_ppm || !responder_is_up(s, hi, lo))
		return RESPONDER_SILENT;
	return draw < s->open_ppm ? RESPONDER_OPEN : RESPONDER_CLOSED;
}
