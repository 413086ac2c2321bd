// SPDX-License-Identifier: GPL-2.0-only
// Picks the answers to this scan out of what an interface receives and hands them to user space through a
// ring for each CPU. SYN-ACKs go on to the kernel too, which resets the half-open connection; proven resets
// and ICMP errors end here. What is not ours passes untouched.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "transport/xdp/shared.h"
#include "transport/xdp/siphash.bpf.h"

#define V4_MAPPED   0x0000ffff00000000ULL
#define TCP_FLAGS   13
#define SYN         0x02
#define RST         0x04
#define ACK         0x10
#define FRAGMENTED  0x3fff // more fragments, or an offset
#define ICMP_HEADER 8
#define NDP_ADVERT  136

enum {
	ICMP_ECHOREPLY = 0,
	ICMP_DEST_UNREACH = 3,
	ICMP_SOURCE_QUENCH = 4,
	ICMP_TIME_EXCEEDED = 11,
	ICMP_PARAMETERPROB = 12,
	ICMP_TIMESTAMPREPLY = 14,
	ICMPV6_PARAMPROB = 4,
	ICMPV6_ECHO_REPLY = 129
};

#define ARP_REPLY  2
#define ARP_ANSWER 28 // bytes of an ARP packet for IPv4

enum verdict {
	FOREIGN, // untouched
	WRONG,   // to our port, but nothing proves that it is ours: counted, goes on
	SHARED,  // recorded, and the kernel has it too
	TAKEN,   // recorded, ends here
};

struct xdp_wanted wanted __attribute__((aligned(64)));
struct xdp_listener listener __attribute__((aligned(64)));
struct xdp_counts counts[XDP_CPUS] __attribute__((aligned(64)));

// Set by user space (answers.c). Where the CPU keeps stores in order none needs a barrier, which would wait
// for lines that user space's CPU has.
const volatile __u32 ring_mask = XDP_RING_LEAST - 1;
const volatile __u32 stores_in_order = 0;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct xdp_ring) + XDP_RING_LEAST + XDP_RING_SLACK);
} rings SEC(".maps");

// Wakes user space that waits for a record: what it holds means nothing.
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 16); // a multiple of every page size
} bell SEC(".maps");

struct span {
	const __u8 *at, *end;
};

// Addresses in host order, IPv4 as ::ffff:0:0/96.
struct ends {
	__u64 src_hi, src_lo, dst_hi, dst_lo;
	int v6;
};

static __always_inline int is_ours(__u64 hi, __u64 lo)
{
	for (__u32 i = 0; i < XDP_SOURCES; i++) {
		if (i >= wanted.source_count)
			break;
		if (wanted.sources[i][1] == lo && wanted.sources[i][0] == hi)
			return 1;
	}
	return 0;
}

static __always_inline int in_range(__u16 port)
{
	return port >= wanted.port_lo && port <= wanted.port_hi;
}

// Cookie of a probe to hi:lo (probe/common.c).
static __always_inline __u32 cookie(int v6, __u64 hi, __u64 lo, __u8 technique, __u16 sport, __u16 dport)
{
	const __u64 words[3] = {(__u64)technique << 32 | (__u32)sport << 16 | dport, lo, hi};

	return (__u32)sip_hash(wanted.key, words, v6 ? 3 : 2);
}

static __always_inline enum verdict tcp(struct span l4, const struct ends *e)
{
	const struct tcphdr *t = (const void *)l4.at;

	if (l4.at + sizeof(*t) > l4.end)
		return FOREIGN;
	__u16 ours = bpf_ntohs(t->dest), theirs = bpf_ntohs(t->source);
	__u8 flags = l4.at[TCP_FLAGS] & (SYN | RST | ACK);

	if (!in_range(ours) || !is_ours(e->dst_hi, e->dst_lo))
		return FOREIGN;
	if (flags == (SYN | ACK) || flags == (RST | ACK)) {
		if (bpf_ntohl(t->ack_seq) - 1 ==
		    cookie(e->v6, e->src_hi, e->src_lo, wanted.syn, ours, theirs))
			return flags == (SYN | ACK) && !wanted.keep ? SHARED : TAKEN;
		if (flags & SYN)
			return WRONG;
	}
	if (!(flags & RST) || (flags & SYN))
		return FOREIGN;
	return bpf_ntohl(t->seq) == cookie(e->v6, e->src_hi, e->src_lo, wanted.ack, ours, theirs) ? TAKEN
												  : WRONG;
}

// An error that quotes a TCP probe of ours proves it by the quoted sequence or acknowledgement number.
static __always_inline enum verdict quoted_tcp(struct span q, const struct ends *inner)
{
	if (q.at + 8 > q.end)
		return FOREIGN;
	__u16 ours = bpf_ntohs(*(const __be16 *)q.at), theirs = bpf_ntohs(*(const __be16 *)(q.at + 2));

	if (!in_range(ours) || !is_ours(inner->src_hi, inner->src_lo))
		return FOREIGN;
	if (bpf_ntohl(*(const __be32 *)(q.at + 4)) ==
	    cookie(inner->v6, inner->dst_hi, inner->dst_lo, wanted.syn, ours, theirs))
		return TAKEN;
	if (q.at + 12 > q.end)
		return WRONG;
	return bpf_ntohl(*(const __be32 *)(q.at + 8)) ==
			       cookie(inner->v6, inner->dst_hi, inner->dst_lo, wanted.ack, ours, theirs)
		       ? TAKEN
		       : WRONG;
}

// Quotes of ICMP queries: user space proves them; the kernel may have them too.
static __always_inline enum verdict quoted_query(struct span q, const struct ends *inner)
{
	if (q.at + 8 > q.end || !is_ours(inner->src_hi, inner->src_lo))
		return FOREIGN;
	return in_range(bpf_ntohs(*(const __be16 *)(q.at + 4))) ? SHARED : FOREIGN;
}

static __always_inline int v4_ends(struct span *l3, struct ends *e, __u8 *protocol)
{
	const struct iphdr *ip = (const void *)l3->at;

	if (l3->at + sizeof(*ip) > l3->end || ip->version != 4 || ip->ihl < 5)
		return -1;
	*e = (struct ends){.src_lo = V4_MAPPED | bpf_ntohl(ip->saddr),
			   .dst_lo = V4_MAPPED | bpf_ntohl(ip->daddr)};
	*protocol = ip->protocol;
	if (ip->frag_off & bpf_htons(FRAGMENTED))
		return -1;
	l3->at += (__u32)ip->ihl * 4;
	return 0;
}

static __always_inline int v6_ends(struct span *l3, struct ends *e, __u8 *protocol)
{
	const struct ipv6hdr *ip = (const void *)l3->at;

	if (l3->at + sizeof(*ip) > l3->end || ip->version != 6)
		return -1;
	const __be64 *a = (const void *)&ip->saddr;

	*e = (struct ends){.src_hi = bpf_be64_to_cpu(a[0]),
			   .src_lo = bpf_be64_to_cpu(a[1]),
			   .dst_hi = bpf_be64_to_cpu(a[2]),
			   .dst_lo = bpf_be64_to_cpu(a[3]),
			   .v6 = 1};
	*protocol = ip->nexthdr;
	l3->at += sizeof(*ip);
	return 0;
}

static __always_inline enum verdict icmp4(struct span l4, const struct ends *e)
{
	struct ends inner;
	__u8 protocol;

	if (l4.at + ICMP_HEADER > l4.end)
		return FOREIGN;
	__u8 type = l4.at[0];

	if (type == ICMP_ECHOREPLY || type == ICMP_TIMESTAMPREPLY) {
		if (!is_ours(e->dst_hi, e->dst_lo))
			return FOREIGN;
		return in_range(bpf_ntohs(*(const __be16 *)(l4.at + 4))) ? SHARED : FOREIGN;
	}
	if (type != ICMP_DEST_UNREACH && type != ICMP_SOURCE_QUENCH && type != ICMP_TIME_EXCEEDED &&
	    type != ICMP_PARAMETERPROB)
		return FOREIGN;
	struct span q = {l4.at + ICMP_HEADER, l4.end};

	if (v4_ends(&q, &inner, &protocol))
		return FOREIGN;
	return protocol == IPPROTO_TCP    ? quoted_tcp(q, &inner)
	       : protocol == IPPROTO_ICMP ? quoted_query(q, &inner)
					  : FOREIGN;
}

static __always_inline enum verdict icmp6(struct span l4, const struct ends *e)
{
	struct ends inner;
	__u8 protocol;

	if (l4.at + ICMP_HEADER > l4.end)
		return FOREIGN;
	__u8 type = l4.at[0];

	if (type == NDP_ADVERT)
		return wanted.ndp ? SHARED : FOREIGN;
	if (type == ICMPV6_ECHO_REPLY) {
		if (!is_ours(e->dst_hi, e->dst_lo))
			return FOREIGN;
		return in_range(bpf_ntohs(*(const __be16 *)(l4.at + 4))) ? SHARED : FOREIGN;
	}
	if (type == 0 || type > ICMPV6_PARAMPROB)
		return FOREIGN;
	struct span q = {l4.at + ICMP_HEADER, l4.end};

	if (v6_ends(&q, &inner, &protocol))
		return FOREIGN;
	return protocol == IPPROTO_TCP      ? quoted_tcp(q, &inner)
	       : protocol == IPPROTO_ICMPV6 ? quoted_query(q, &inner)
					    : FOREIGN;
}

static __always_inline enum verdict look4(struct span l3)
{
	struct ends e;
	__u8 protocol;

	if (v4_ends(&l3, &e, &protocol))
		return FOREIGN;
	return protocol == IPPROTO_TCP ? tcp(l3, &e) : protocol == IPPROTO_ICMP ? icmp4(l3, &e) : FOREIGN;
}

// Behind extension headers user space looks for itself.
static __always_inline enum verdict look6(struct span l3)
{
	struct ends e;
	__u8 protocol;

	if (v6_ends(&l3, &e, &protocol))
		return FOREIGN;
	switch (protocol) {
	case IPPROTO_TCP:
		return tcp(l3, &e);
	case IPPROTO_ICMPV6:
		return icmp6(l3, &e);
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
		return is_ours(e.dst_hi, e.dst_lo) ? SHARED : FOREIGN;
	default:
		return FOREIGN;
	}
}

static __always_inline enum verdict look_arp(struct span l3)
{
	if (!wanted.arp || l3.at + ARP_ANSWER > l3.end)
		return FOREIGN;
	return *(const __be16 *)(l3.at + 6) == bpf_htons(ARP_REPLY) ? SHARED : FOREIGN;
}

static __always_inline void wake(void)
{
	__u64 *r = bpf_ringbuf_reserve(&bell, sizeof(*r), 0);

	if (!r)
		return; // it rings already
	*r = 0;
	bpf_ringbuf_submit(r, BPF_RB_FORCE_WAKEUP);
}

// The masks are for the verifier: it must see bounds on the registers that it is given.
static __always_inline int record(struct xdp_md *ctx, __u16 ethertype, __u32 len)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct xdp_ring *ring = bpf_map_lookup_elem(&rings, &cpu);
	__u64 n = len > XDP_RECORD_MAX ? XDP_RECORD_MAX : len;

	if (!ring)
		return -1;
	__u64 at = ring->next, end = at + xdp_record_bytes(n);

	if (end - ring->freed > (__u64)ring_mask + 1) {
		ring->freed = __sync_fetch_and_add(&ring->tail, 0);
		if (end - ring->freed > (__u64)ring_mask + 1)
			return -1;
	}
	struct xdp_record *r = (void *)(ring->data + (at & ring_mask));

	r->time_ns = bpf_ktime_get_ns();
	r->ifindex = ctx->ingress_ifindex;
	r->ethertype = ethertype;
	r->len = (__u16)n;
	asm volatile("" : "+r"(n));
	n &= 0xff;
	if (n < 1 || n > XDP_RECORD_MAX || bpf_xdp_load_bytes(ctx, ETH_HLEN, r->data, n))
		return -1;
	ring->next = end;
	if (stores_in_order)
		*(volatile __u64 *)&ring->head = end;
	else
		__sync_lock_test_and_set(&ring->head, end);
	if (*(volatile __u32 *)&listener.asleep)
		wake();
	return 0;
}

SEC("xdp") int receive(struct xdp_md *ctx)
{
	const __u8 *data = (const void *)(long)ctx->data, *end = (const void *)(long)ctx->data_end;
	const struct ethhdr *eth = (const void *)data;
	struct span l3 = {data + sizeof(*eth), end};

	if (l3.at > end)
		return XDP_PASS;
	__u16 type = bpf_ntohs(eth->h_proto);
	enum verdict v = type == ETH_P_IP     ? look4(l3)
			 : type == ETH_P_IPV6 ? look6(l3)
			 : type == ETH_P_ARP  ? look_arp(l3)
					      : FOREIGN;

	if (v == FOREIGN)
		return XDP_PASS;
	struct xdp_counts *c = &counts[bpf_get_smp_processor_id() % XDP_CPUS];

	if (v == WRONG)
		c->rejected++;
	else if (record(ctx, type, (__u32)(end - l3.at)))
		c->lost++;
	else
		c->taken++;
	return v == TAKEN ? XDP_DROP : XDP_PASS;
}

char licence[] SEC("license") = "GPL";
