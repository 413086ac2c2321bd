// SPDX-License-Identifier: GPL-2.0-only
// Writes probes: each run of a program makes one frame from the next descriptor of its lane's ring and sends
// it out of an interface (BPF_PROG_TEST_RUN with BPF_F_TEST_XDP_LIVE_FRAMES). Frames are recycled with what
// they held before, so every byte is written. All thinking (what, when, to whom) is user space's.
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "transport/xdp/shared.h"

#define LINK_HEADER 14
#define MAC         6
#define SPINS       16 // looks at an empty ring before the frame is given back
#define PUBLISH     16 // descriptors between two publications of the tail
#define WORD        8
#define FRAME_WORDS 56 // bytes in whole words of the shortest frame

enum { LINK_UNICAST, LINK_BROADCAST, LINK_SOLICITED }; // enum template_link

struct xdp_lane lanes[XDP_LANES] __attribute__((aligned(64)));
struct xdp_desc descs[XDP_LANES][XDP_RING];
struct xdp_template templates[XDP_TEMPLATES];

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); // set by user space
	__type(key, __u32);
	__type(value, struct xdp_hop);
} hops SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, XDP_PORTS);
	__type(key, __u32);
	__type(value, __u32);
} ports SEC(".maps");

struct frame {
	__u8 *data, *end;
	__u64 addresses, l4; // sums of what was patched in, of words as they lie in memory
};

static __always_inline __u16 fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~(__u16)sum;
}

static __always_inline __u64 put16(struct frame *f, __u8 off, __u16 raw)
{
	__u8 *p = f->data + off;

	if (p + sizeof(raw) <= f->end)
		*(__u16 *)p = raw;
	return raw;
}

static __always_inline __u64 put32(struct frame *f, __u8 off, __u32 raw)
{
	__u8 *p = f->data + off;

	if (p + sizeof(raw) <= f->end)
		*(__u32 *)p = raw;
	return raw;
}

static __always_inline __u64 put128(struct frame *f, __u8 off, __u64 hi, __u64 lo)
{
	__u8 *p = f->data + off;

	hi = bpf_cpu_to_be64(hi);
	lo = bpf_cpu_to_be64(lo);
	if (p + 16 <= f->end) {
		*(__u64 *)p = hi;
		*(__u64 *)(p + WORD) = lo;
	}
	return (hi & 0xffffffff) + (hi >> 32) + (lo & 0xffffffff) + (lo >> 32);
}

// Whole words, and the last one over what lies before it. What every frame has is copied without a look at
// the bounds before each word.
static __always_inline int put_template(struct frame *f, const struct xdp_template *t, __u32 len)
{
	const __u8 *from = t->bytes;
	__u32 last = len - WORD;

	if (f->data + FRAME_WORDS > f->end)
		return -1;
#pragma unroll
	for (int i = 0; i < FRAME_WORDS / WORD; i++)
		*(__u64 *)(f->data + i * WORD) = *(const __u64 *)(from + i * WORD);
#pragma unroll
	for (int i = FRAME_WORDS / WORD; i < XDP_TEMPLATE / WORD; i++) {
		if ((i + 1) * WORD > (int)len)
			break;
		if (f->data + (i + 1) * WORD > f->end)
			return -1;
		*(__u64 *)(f->data + i * WORD) = *(const __u64 *)(from + i * WORD);
	}
	if (last > XDP_TEMPLATE - WORD || f->data + last + WORD > f->end)
		return -1;
	*(__u64 *)(f->data + last) = *(const __u64 *)(from + last);
	return 0;
}

static __always_inline int put_link(struct frame *f, const struct xdp_template *t, const struct xdp_hop *hop,
				    const struct xdp_desc *d)
{
	if (f->data + LINK_HEADER > f->end)
		return -1;
	if (t->link == LINK_UNICAST) {
		*(__u32 *)f->data = *(const __u32 *)hop->dst_mac;
		*(__u16 *)(f->data + 4) = *(const __u16 *)(hop->dst_mac + 4);
	} else if (t->link == LINK_SOLICITED) { // RFC 2464, 7
		*(__u16 *)f->data = bpf_htons(0x3333);
		*(__u32 *)(f->data + 2) = bpf_htonl(0xff000000u | (__u32)(d->dst_lo & 0xffffff));
	}
	*(__u32 *)(f->data + MAC) = *(const __u32 *)hop->src_mac;
	*(__u16 *)(f->data + MAC + 4) = *(const __u16 *)(hop->src_mac + 4);
	return 0;
}

static __always_inline void put_addresses(struct frame *f, const struct xdp_template *t,
					  const struct xdp_hop *hop, const struct xdp_desc *d)
{
	if (!t->v6) {
		__u32 target = bpf_htonl((__u32)d->dst_lo);

		f->addresses = put32(f, t->src_off, bpf_htonl((__u32)hop->source_lo));
		if (t->dst_off)
			f->addresses += put32(f, t->dst_off, target);
		if (t->target_off)
			put32(f, t->target_off, target);
		return;
	}
	f->addresses = put128(f, t->src_off, hop->source_hi, hop->source_lo);
	if (t->link == LINK_SOLICITED) // RFC 4291, 2.7.1
		f->addresses += put128(f, t->dst_off, 0xff02000000000000ULL,
				       0x00000001ff000000ULL | (d->dst_lo & 0xffffff));
	else
		f->addresses += put128(f, t->dst_off, d->dst_hi, d->dst_lo);
	if (t->target_off)
		f->l4 += put128(f, t->target_off, d->dst_hi, d->dst_lo);
}

static __always_inline void put_mac(struct frame *f, __u8 off, const __u8 *mac)
{
	for (int i = 0; i < MAC; i += 2)
		f->l4 += put16(f, off + i, *(const __u16 *)(mac + i));
}

// The same as packet/build.c: a firewall must not tell the engines apart.
static __always_inline __u16 ip_id(__u32 cookie)
{
	__u16 id = (cookie * 0x9e3779b1u) >> 16;

	return id ? id : 0x7072;
}

static __always_inline void put_fields(struct frame *f, const struct xdp_template *t,
				       const struct xdp_desc *d)
{
	if (t->sport_off)
		f->l4 += put16(f, t->sport_off, bpf_htons(d->sport));
	if (t->dport_off)
		f->l4 += put16(f, t->dport_off, bpf_htons(d->dport));
	if (t->cookie_off)
		f->l4 += put32(f, t->cookie_off, bpf_htonl(d->cookie));
	if (t->ip_csum_off) {
		__u64 id = put16(f, t->ip_id_off, bpf_htons(ip_id(d->cookie)));

		put16(f, t->ip_csum_off, fold(f->addresses + id + t->ip_sum));
	}
	if (t->l4_csum_off)
		put16(f, t->l4_csum_off, fold(f->l4 + t->l4_sum + (t->l4_pseudo ? f->addresses : 0)));
}

// The frame of one descriptor. Returns the slot of the interface, or -1.
static __always_inline int build(struct xdp_md *ctx, const struct xdp_desc *d, __u32 where)
{
	__u32 number = where & 31, index = (where & ~XDP_TIMED) >> 5;
	struct frame f = {0};

	if (number >= XDP_TEMPLATES)
		return -1;
	const struct xdp_template *t = &templates[number];
	__u32 len = t->len;
	// Always something: else the kernel would not look at the bounds again (set_templates in xdp.c).
	int change = (int)len - (int)(ctx->data_end - ctx->data);

	if (len < FRAME_WORDS || len > XDP_TEMPLATE || (change && bpf_xdp_adjust_tail(ctx, change)))
		return -1;
	f.data = (void *)(long)ctx->data;
	f.end = (void *)(long)ctx->data_end;
	const struct xdp_hop *hop = bpf_map_lookup_elem(&hops, &index);

	if (!hop || put_template(&f, t, len))
		return -1;
	if (t->plain)
		return (int)hop->port;
	if (put_link(&f, t, hop, d))
		return -1;
	put_addresses(&f, t, hop, d);
	if (t->mac_off)
		put_mac(&f, t->mac_off, hop->src_mac);
	put_fields(&f, t, d);
	return (int)hop->port;
}

// Is there a descriptor? An atomic read orders what was written before it.
static __always_inline int wait(struct xdp_lane *l, __u64 next)
{
	if (l->tail != next)
		__sync_lock_test_and_set(&l->tail, next);
	for (int i = 0; i < SPINS; i++) {
		if (*(volatile __u64 *)&l->head != next) {
			l->seen = __sync_fetch_and_add(&l->head, 0);
			return 1;
		}
	}
	l->polls++;
	return 0;
}

static __always_inline int emit(struct xdp_md *ctx, __u32 number)
{
	struct xdp_lane *l = &lanes[number];
	__u64 next = l->next;

	if (next == l->seen && !wait(l, next))
		return XDP_DROP;
	struct xdp_desc *d = &descs[number][next % XDP_RING];
	__u32 where = d->where;

	if (where & XDP_TIMED)
		d->time_us = (__u32)(bpf_ktime_get_ns() / 1000);
	int port = build(ctx, d, where);

	l->next = ++next;
	if (next % PUBLISH == 0)
		__sync_lock_test_and_set(&l->tail, next);
	return port < 0 ? XDP_DROP : (int)bpf_redirect_map(&ports, (__u32)port, 0);
}

SEC("xdp") int emit0(struct xdp_md *ctx)
{
	return emit(ctx, 0);
}

SEC("xdp") int emit1(struct xdp_md *ctx)
{
	return emit(ctx, 1);
}

SEC("xdp") int emit2(struct xdp_md *ctx)
{
	return emit(ctx, 2);
}

SEC("xdp") int emit3(struct xdp_md *ctx)
{
	return emit(ctx, 3);
}

char licence[] SEC("license") = "GPL";
