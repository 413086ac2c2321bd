// SPDX-License-Identifier: GPL-2.0-only
// Answers SYNs and echo requests for whole networks where a frame enters, before there is a packet for the
// kernel. What is not for these networks passes.

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "truth.h"

enum {
	FIN = 0x01,
	SYN = 0x02,
	RST = 0x04,
	ACK = 0x10,
	ECHO4_REQUEST = 8,
	ECHO4_REPLY = 0,
	ECHO6_REQUEST = 128,
	ECHO6_REPLY = 129,
	TTL = 64,
	WINDOW = 64240,
	MSS_V4 = 1460,
	MSS_V6 = 1440,
	EXTRAS_BYTES = 4 << 20
};

// Known when the program is loaded, so that the loops over them cost nothing.
const volatile __u32 prefixes4_count = 0, prefixes6_count = 0;
const volatile struct responder_prefix4 prefixes4[RESPONDER_PREFIXES] = {};
const volatile struct responder_prefix6 prefixes6[RESPONDER_PREFIXES] = {};

struct responder_settings settings = {};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct responder_counts);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, EXTRAS_BYTES);
} extras SEC(".maps");

// A TCP header with the one option that a SYN-ACK has. A reset has no option: 20 bytes of this.
struct segment {
	__be16 source, dest;
	__be32 seq, ack;
	__be16 offset_flags, window;
	__u16 check;
	__be16 urgent;
	__be32 mss_option;
};

enum { RESET_BYTES = 20, SYN_ACK_BYTES = sizeof(struct segment) };

// What the answer needs of the SYN, which it overwrites. Addresses and ports are as they came.
struct probe {
	__u64 hi, lo, hash; // whose state is asked for, as in truth.h
	union {
		__be32 src4, src6[4];
	};
	union {
		__be32 dst4, dst6[4];
	};
	__be16 source, dest;
	__u32 seq;  // host order
	__u32 data; // bytes after the header
	__u16 mss;
	enum responder_state state;
};

static __always_inline int chance(__u32 ppm)
{
	return ppm != 0 && responder_draw(bpf_get_prandom_u32()) < ppm;
}

static __always_inline __u16 folded(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~sum;
}

// Headers are summed up as words whatever they are made of.
typedef __u32 __attribute__((may_alias)) word_of_any;

static __always_inline __u64 sum_words(const word_of_any *words, int count)
{
	__u64 sum = 0;

#pragma unroll
	for (int i = 0; i < count; i++)
		sum += words[i];
	return sum;
}

static __always_inline void turn_round(struct ethhdr *eth)
{
	__u8 mac[ETH_ALEN];

	__builtin_memcpy(mac, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, mac, ETH_ALEN);
}

static __always_inline int ours4(__be32 address)
{
	__u32 value = bpf_ntohl(address);

	for (__u32 i = 0; i < RESPONDER_PREFIXES && i < prefixes4_count; i++)
		if ((value & prefixes4[i].mask) == prefixes4[i].net)
			return 1;
	return 0;
}

static __always_inline int ours6(__u64 hi, __u64 lo)
{
	for (__u32 i = 0; i < RESPONDER_PREFIXES && i < prefixes6_count; i++)
		if ((hi & prefixes6[i].mask_hi) == prefixes6[i].hi &&
		    (lo & prefixes6[i].mask_lo) == prefixes6[i].lo)
			return 1;
	return 0;
}

// Hands a copy of the answer that is in the frame to the tool, which sends it. Whether there was room.
static __always_inline int hand_over(struct xdp_md *ctx, __u32 length, __u32 wrong, __u32 late_ms)
{
	struct responder_extra *extra = bpf_ringbuf_reserve(&extras, sizeof(*extra), 0);

	if (!extra)
		return 0;
	extra->due_ns = late_ms ? bpf_ktime_get_ns() + late_ms * 1000000ULL : 0;
	extra->wrong = wrong;
	extra->length = length;
	if (length > sizeof(extra->frame) || bpf_xdp_load_bytes(ctx, 0, extra->frame, length) < 0) {
		bpf_ringbuf_discard(extra, 0);
		return 0;
	}
	bpf_ringbuf_submit(extra, BPF_RB_NO_WAKEUP); // the tool looks by itself
	return 1;
}

// The answer is in the frame: what becomes of it.
static __always_inline int part_with(struct xdp_md *ctx, __u32 length, __u64 *n)
{
	int late = chance(settings.late_ppm);
	__u32 late_ms = late ? settings.late_ms : 0;

	if (chance(settings.loss_out_ppm)) {
		n[COUNT_LOST_OUT]++;
		return XDP_DROP;
	}
	if (chance(settings.duplicate_ppm))
		n[hand_over(ctx, length, 0, late_ms) ? COUNT_DUPLICATES : COUNT_OVERFLOW]++;
	if (chance(settings.wrong_ppm))
		n[hand_over(ctx, length, 1, late_ms) ? COUNT_WRONG : COUNT_OVERFLOW]++;
	if (!late)
		return XDP_TX;
	n[hand_over(ctx, length, 0, late_ms) ? COUNT_LATE : COUNT_OVERFLOW]++;
	return XDP_DROP;
}

// Writes the answer's TCP header; `sum` is that of the pseudo header without the length.
static __always_inline int put_segment(void *at, void *end, const struct probe *p, __u64 sum)
{
	int open = p->state == RESPONDER_OPEN;
	union {
		struct segment s;
		__u32 words[6];
	} u = {.s = {
		       .source = p->dest,
		       .dest = p->source,
		       .seq = open ? (__be32)p->hash : 0,
		       .ack = bpf_htonl(p->seq + 1 + (open ? 0 : p->data)),
		       .offset_flags = open ? bpf_htons(6 << 12 | SYN | ACK) : bpf_htons(5 << 12 | RST | ACK),
		       .window = open ? bpf_htons(WINDOW) : 0,
		       .mss_option = open ? bpf_htonl(0x02040000U | p->mss) : 0,
	       }};

	sum += bpf_htons(open ? SYN_ACK_BYTES : RESET_BYTES);
	u.s.check = folded(sum + sum_words(u.words, 6));
	if (at + RESET_BYTES > end)
		return 0;
	__builtin_memcpy(at, &u, RESET_BYTES);
	if (!open)
		return 1;
	if (at + SYN_ACK_BYTES > end)
		return 0;
	__builtin_memcpy(at + RESET_BYTES, &u.words[5], SYN_ACK_BYTES - RESET_BYTES);
	return 1;
}

static __always_inline __u32 segment_bytes(const struct probe *p)
{
	return p->state == RESPONDER_OPEN ? SYN_ACK_BYTES : RESET_BYTES;
}

// How much shorter or longer the frame is to become.
static __always_inline int to_length(const struct xdp_md *ctx, __u32 length)
{
	long now = (long)ctx->data_end - (long)ctx->data;

	asm volatile("" : "+r"(now)); // the verifier subtracts pointers in 64 bits alone
	return (int)(length - now);
}

static __always_inline int answer4(struct xdp_md *ctx, const struct probe *p, __u64 *n)
{
	__u32 length = ETH_HLEN + sizeof(struct iphdr) + segment_bytes(p);
	union {
		struct iphdr ip;
		__u32 words[5];
	} u = {.ip = {.version = 4,
		      .ihl = 5,
		      .tot_len = bpf_htons(length - ETH_HLEN),
		      .frag_off = bpf_htons(0x4000), // not to be fragmented
		      .ttl = TTL,
		      .protocol = IPPROTO_TCP,
		      .saddr = p->dst4,
		      .daddr = p->src4}};
	void *data, *end;

	if (bpf_xdp_adjust_tail(ctx, to_length(ctx, length)) < 0)
		goto no_room;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (data + ETH_HLEN + sizeof(struct iphdr) > end)
		goto no_room;
	u.ip.check = folded(sum_words(u.words, 5));
	turn_round(data);
	__builtin_memcpy(data + ETH_HLEN, &u, sizeof(u));
	if (!put_segment(data + ETH_HLEN + sizeof(u), end, p,
			 (__u64)p->src4 + p->dst4 + bpf_htons(IPPROTO_TCP)))
		goto no_room;
	return part_with(ctx, length, n);
no_room:
	n[COUNT_OVERFLOW]++;
	return XDP_DROP;
}

static __always_inline int answer6(struct xdp_md *ctx, const struct probe *p, __u64 *n)
{
	__u32 length = ETH_HLEN + sizeof(struct ipv6hdr) + segment_bytes(p);
	struct ipv6hdr *ip;
	void *data, *end;

	if (bpf_xdp_adjust_tail(ctx, to_length(ctx, length)) < 0)
		goto no_room;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	ip = data + ETH_HLEN;
	if ((void *)(ip + 1) > end)
		goto no_room;
	turn_round(data);
	*(__be32 *)ip = bpf_htonl(6U << 28);
	ip->payload_len = bpf_htons(segment_bytes(p));
	ip->nexthdr = IPPROTO_TCP;
	ip->hop_limit = TTL;
	__builtin_memcpy(&ip->saddr, p->dst6, sizeof(p->dst6));
	__builtin_memcpy(&ip->daddr, p->src6, sizeof(p->src6));
	if (!put_segment(ip + 1, end, p,
			 sum_words(p->src6, 4) + sum_words(p->dst6, 4) + bpf_htons(IPPROTO_TCP)))
		goto no_room;
	return part_with(ctx, length, n);
no_room:
	n[COUNT_OVERFLOW]++;
	return XDP_DROP;
}

// Reads the `room` bytes that the IP header says there are of TCP, all of which are in the frame, and
// decides. Returns whether there is an answer.
static __always_inline int ask(const void *at, const void *end, __u32 room, struct probe *p, __u64 *n)
{
	const struct segment *tcp = at;
	__u16 offset_flags;
	__u32 header;

	if (at + RESET_BYTES > end || room < RESET_BYTES) {
		n[COUNT_MALFORMED]++;
		return 0;
	}
	offset_flags = bpf_ntohs(tcp->offset_flags);
	header = (offset_flags >> 12) * 4;
	if (header < RESET_BYTES || header > room) {
		n[COUNT_MALFORMED]++;
		return 0;
	}
	if ((offset_flags & (FIN | SYN | RST | ACK)) != SYN) {
		n[COUNT_OTHER]++;
		return 0;
	}
	p->source = tcp->source;
	p->dest = tcp->dest;
	p->seq = bpf_ntohl(tcp->seq);
	p->data = room - header;
	p->hash = responder_hash(&settings, p->hi, p->lo, bpf_ntohs(p->dest));
	p->state = responder_state(&settings, p->hi, p->lo, p->hash);
	n[COUNT_SYNS]++;
	n[p->state == RESPONDER_OPEN     ? COUNT_OPEN
	  : p->state == RESPONDER_CLOSED ? COUNT_CLOSED
					 : COUNT_SILENT]++;
	return p->state != RESPONDER_SILENT;
}

// Echo request or not, and whether the host is up; then the reply takes the request's place. Only the type
// differs in the checksum's sum, and the addresses change sides.
static __always_inline int echo_back(__u8 *icmp, const void *end, __u8 request, __u8 reply)
{
	__u16 *check = (__u16 *)(icmp + 2);

	if ((void *)(icmp + 8) > end || icmp[0] != request || icmp[1] != 0)
		return 0;
	icmp[0] = reply;
	*check = folded((__u64)(__u16) ~*check + (__u16)~bpf_htons(request << 8) + bpf_htons(reply << 8));
	return 1;
}

// Whether the host is up, for an echo request that would be answered.
static __always_inline int greets(__u64 hi, __u64 lo, __u64 *n)
{
	int up = responder_is_up(&settings, hi, lo);

	n[up ? COUNT_ECHOES : COUNT_ECHOES_SILENT]++;
	return up;
}

static __always_inline int lost_out(__u64 *n)
{
	int lost = chance(settings.loss_out_ppm);

	n[COUNT_LOST_OUT] += (__u64)lost;
	return lost;
}

static __always_inline int echo4(void *data, void *end, struct iphdr *ip, __u64 *n)
{
	__u8 *icmp = (__u8 *)(ip + 1);
	__u64 lo = 0xffffULL << 32 | bpf_ntohl(ip->daddr);
	__be32 source = ip->saddr;

	// Options would have to be turned round too.
	if (ip->ihl != 5 || (void *)(icmp + 8) > end || icmp[0] != ECHO4_REQUEST)
		return XDP_PASS;
	if (!greets(0, lo, n) || !echo_back(icmp, end, ECHO4_REQUEST, ECHO4_REPLY) || lost_out(n))
		return XDP_DROP;
	turn_round(data);
	ip->saddr = ip->daddr;
	ip->daddr = source;
	ip->ttl = TTL;
	ip->check = 0;
	ip->check = folded(sum_words((const word_of_any *)ip, 5));
	return XDP_TX;
}

static __always_inline int echo6(void *data, void *end, struct ipv6hdr *ip, const struct probe *p, __u64 *n)
{
	__u8 *icmp = (__u8 *)(ip + 1);

	if ((void *)(icmp + 8) > end || icmp[0] != ECHO6_REQUEST)
		return XDP_PASS;
	if (!greets(p->hi, p->lo, n) || !echo_back(icmp, end, ECHO6_REQUEST, ECHO6_REPLY) || lost_out(n))
		return XDP_DROP;
	turn_round(data);
	__builtin_memcpy(&ip->saddr, p->dst6, sizeof(p->dst6));
	__builtin_memcpy(&ip->daddr, p->src6, sizeof(p->src6));
	ip->hop_limit = TTL;
	return XDP_TX;
}

// Over the whole header with its options, which all have to be there.
static __always_inline int checksum_right(const struct iphdr *ip, const void *end)
{
	const word_of_any *word = (const word_of_any *)ip;
	__u64 sum = sum_words(word, 5);

	for (int i = 5; i < 15 && i < ip->ihl; i++) {
		if ((const void *)(word + i + 1) > end)
			return 0;
		sum += word[i];
	}
	return folded(sum) == 0;
}

static __always_inline int on_ipv4(struct xdp_md *ctx, void *data, void *end, struct responder_counts *c)
{
	struct iphdr *ip = data + ETH_HLEN;
	__u32 header = ip->ihl * 4U, total = bpf_ntohs(ip->tot_len);
	struct probe p;

	if (ip->version != 4 || (ip->frag_off & bpf_htons(0x3fff)) != 0 ||
	    (ip->protocol != IPPROTO_TCP && ip->protocol != IPPROTO_ICMP))
		return XDP_PASS;
	if (chance(settings.loss_in_ppm)) {
		c->v4[COUNT_LOST_IN]++;
		return XDP_DROP;
	}
	if (header < sizeof(*ip) || total < header || total > end - data - ETH_HLEN ||
	    !checksum_right(ip, end)) {
		c->v4[COUNT_MALFORMED]++;
		return XDP_DROP;
	}
	if (ip->protocol == IPPROTO_ICMP)
		return echo4(data, end, ip, c->v4);
	p.hi = 0;
	p.lo = 0xffffULL << 32 | bpf_ntohl(ip->daddr);
	p.src4 = ip->saddr;
	p.dst4 = ip->daddr;
	p.mss = MSS_V4;
	if (!ask((void *)ip + header, end, total - header, &p, c->v4))
		return XDP_DROP;
	return answer4(ctx, &p, c->v4);
}

static __always_inline __u64 half(const __be32 *words)
{
	return (__u64)bpf_ntohl(words[0]) << 32 | bpf_ntohl(words[1]);
}

// Extension headers pass, like all else that is not TCP or ICMPv6.
static __always_inline int on_ipv6(struct xdp_md *ctx, void *data, void *end, struct responder_counts *c)
{
	struct ipv6hdr *ip = data + ETH_HLEN;
	__u32 room = bpf_ntohs(ip->payload_len);
	struct probe p;

	if (ip->version != 6 || (ip->nexthdr != IPPROTO_TCP && ip->nexthdr != IPPROTO_ICMPV6))
		return XDP_PASS;
	if (chance(settings.loss_in_ppm)) {
		c->v6[COUNT_LOST_IN]++;
		return XDP_DROP;
	}
	if (room > end - data - ETH_HLEN - sizeof(*ip)) {
		c->v6[COUNT_MALFORMED]++;
		return XDP_DROP;
	}
	__builtin_memcpy(p.src6, &ip->saddr, sizeof(p.src6));
	__builtin_memcpy(p.dst6, &ip->daddr, sizeof(p.dst6));
	p.hi = half(p.dst6);
	p.lo = half(p.dst6 + 2);
	p.mss = MSS_V6;
	if (ip->nexthdr == IPPROTO_ICMPV6)
		return echo6(data, end, ip, &p, c->v6);
	if (!ask(ip + 1, end, room, &p, c->v6))
		return XDP_DROP;
	return answer6(ctx, &p, c->v6);
}

SEC("xdp")
int respond(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = data + ETH_HLEN;
	struct ipv6hdr *ip6 = data + ETH_HLEN;
	__u32 zero = 0;
	struct responder_counts *c;

	if ((void *)(ip + 1) > end)
		return XDP_PASS;
	c = bpf_map_lookup_elem(&counts, &zero);
	if (!c)
		return XDP_PASS;
	if (eth->h_proto == bpf_htons(ETH_P_IP) && ours4(ip->daddr))
		return on_ipv4(ctx, data, end, c);
	if (eth->h_proto == bpf_htons(ETH_P_IPV6) && (void *)(ip6 + 1) <= end &&
	    ours6(half(ip6->daddr.in6_u.u6_addr32), half(ip6->daddr.in6_u.u6_addr32 + 2)))
		return on_ipv6(ctx, data, end, c);
	return XDP_PASS;
}

// For the scanner's end of a veth pair: what the responder sends out of its own end arrives only where a
// program is attached, whatever it does.
SEC("xdp")
int pass(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

char terms[] SEC("license") = "GPL";
