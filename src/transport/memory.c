#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/csum.h"
#include "base/endian.h"
#include "packet/parse.h"
#include "transport/frames_memory.h"

#define ANSWER_MAX  2048
#define IPV4_HEADER 20
#define IPV6_HEADER 40
#define TCP_HEADER  20

struct answer {
	int64_t due_ns;
	uint64_t number; // answers of the same time come in the order they were given
	uint32_t len;
	uint16_t ethertype;
	uint8_t bytes[];
};

struct frames {
	struct frames_config cfg;
	struct frames_memory_net net;
	struct answer **heap; // by due time
	size_t count, room;
	struct answer **out; // handed over by the last recv
	size_t out_count, out_room;
	uint64_t number;
	struct frames_stats stats;
};

static int64_t now_ns(const struct frames *f)
{
	return f->net.now ? f->net.now(f->net.ctx) : clock_mono_ns();
}

static bool earlier(const struct answer *a, const struct answer *b)
{
	return a->due_ns < b->due_ns || (a->due_ns == b->due_ns && a->number < b->number);
}

static void heap_swap(struct answer **h, size_t a, size_t b)
{
	struct answer *x = h[a];
	h[a] = h[b];
	h[b] = x;
}

static int heap_push(struct frames *f, struct answer *a)
{
	if (f->count == f->room) {
		size_t room = f->room ? f->room * 2 : 64;
		struct answer **grown = realloc(f->heap, room * sizeof(struct answer *));
		if (!grown)
			return -ENOMEM;
		f->heap = grown;
		f->room = room;
	}
	size_t i = f->count++;
	f->heap[i] = a;
	for (; i && earlier(f->heap[i], f->heap[(i - 1) / 2]); i = (i - 1) / 2)
		heap_swap(f->heap, i, (i - 1) / 2);
	return 0;
}

static struct answer *heap_pop(struct frames *f)
{
	struct answer *first = f->heap[0];
	f->heap[0] = f->heap[--f->count];
	for (size_t i = 0;;) {
		size_t least = i, left = 2 * i + 1;
		for (size_t c = left; c < left + 2 && c < f->count; c++)
			if (earlier(f->heap[c], f->heap[least]))
				least = c;
		if (least == i)
			return first;
		heap_swap(f->heap, i, least);
		i = least;
	}
}

int frames_memory_answer(struct frames *f, const uint8_t *data, size_t len, uint16_t ethertype,
			 int64_t delay_ns)
{
	if (len > ANSWER_MAX)
		return ERR_RANGE;
	struct answer *a = malloc(sizeof(*a) + len);
	if (!a)
		return -ENOMEM;
	*a = (struct answer){.due_ns = now_ns(f) + delay_ns,
			     .number = f->number++,
			     .len = (uint32_t)len,
			     .ethertype = ethertype};
	if (len)
		memcpy(a->bytes, data, len);
	int rc = heap_push(f, a);
	if (rc)
		free(a);
	return rc;
}

int64_t frames_memory_next(const struct frames *f)
{
	return f->count ? f->heap[0]->due_ns : INT64_MAX;
}

// An IP header without options for `payload` bytes of TCP from `src` to `dst`. Returns its length.
static size_t ip_header(uint8_t *p, const struct addr *src, const struct addr *dst, uint16_t payload)
{
	if (addr_is_v4(src)) {
		memset(p, 0, IPV4_HEADER);
		p[0] = 0x45;
		store_be16(p + 2, (uint16_t)(IPV4_HEADER + payload));
		p[8] = 64;
		p[9] = IPPROTO_TCP;
		store_be32(p + 12, addr_v4_value(src));
		store_be32(p + 16, addr_v4_value(dst));
		uint16_t sum = csum_fold(csum_add(0, p, IPV4_HEADER));
		memcpy(p + 10, &sum, sizeof(sum));
		return IPV4_HEADER;
	}
	memset(p, 0, IPV6_HEADER);
	p[0] = 0x60;
	store_be16(p + 4, payload);
	p[6] = IPPROTO_TCP;
	p[7] = 64;
	addr_bytes(src, p + 8);
	addr_bytes(dst, p + 24);
	return IPV6_HEADER;
}

int frames_memory_answer_tcp(struct frames *f, const struct frames_memory_frame *frame, uint8_t flags,
			     int64_t delay_ns)
{
	struct packet_view v;
	uint8_t bytes[IPV6_HEADER + TCP_HEADER];
	if (packet_parse(frame->data, frame->len, frame->ethertype, &v) || v.kind != PACKET_TCP)
		return ERR_SYNTAX;
	size_t header = ip_header(bytes, &v.dst, &v.src, TCP_HEADER);
	uint8_t *tcp = bytes + header;
	memset(tcp, 0, TCP_HEADER);
	store_be16(tcp, v.dport);
	store_be16(tcp + 2, v.sport);
	store_be32(tcp + 4, flags & TCP_SYN ? 0x12345678 : 0);
	store_be32(tcp + 8, v.seq + 1);
	tcp[12] = TCP_HEADER / 4 << 4;
	tcp[13] = flags;
	store_be16(tcp + 14, flags & TCP_RST ? 0 : 64240);
	// The pseudo header: both addresses, protocol and length.
	size_t addresses = frame->ethertype == ETHERTYPE_IPV4 ? 8 : 32;
	uint8_t tail[4] = {0, IPPROTO_TCP, 0, TCP_HEADER};
	uint32_t sum = csum_add(0, tcp - addresses, addresses);
	sum = csum_add(csum_add(sum, tail, sizeof(tail)), tcp, TCP_HEADER);
	uint16_t folded = csum_fold(sum);
	memcpy(tcp + 16, &folded, sizeof(folded));
	return frames_memory_answer(f, bytes, header + TCP_HEADER, frame->ethertype, delay_ns);
}

static int memory_open(struct frames **out, const struct frames_config *cfg, struct err_text *e)
{
	struct frames *f = calloc(1, sizeof(*f));
	*out = f;
	if (!f)
		return err_set(e, -ENOMEM, "out of memory");
	f->cfg = *cfg;
	if (cfg->memory)
		f->net = *cfg->memory;
	return 0;
}

// One frame. -ENETDOWN and -ENODEV for an interface that is gone.
static int frame_hand_over(struct frames *f, const struct frame_desc *d)
{
	uint8_t bytes[FRAME_MAX];
	const struct frame_template *t = &f->cfg.templates[d->tmpl];
	struct frames_memory_frame frame = {
		.data = bytes, .ethertype = t->ethertype, .desc = d, .hop = &(*f->cfg.hops)[d->hop]};
	frame.len = frame_build(t, frame.hop, d, false, bytes);
	frame.time_ns = now_ns(f);
	if (f->cfg.stamps) {
		uint32_t us = (uint32_t)(frame.time_ns / NS_PER_US);
		atomic_store_explicit(&(*f->cfg.stamps)[d->stamp], us ? us : 1, memory_order_relaxed);
	}
	if (f->cfg.trace)
		f->cfg.trace(f->cfg.trace_ctx, true, bytes, frame.len, t->ethertype);
	int rc = f->net.sent ? f->net.sent(f->net.ctx, f, &frame) : 0;
	if (rc)
		f->stats.not_taken++;
	else
		f->stats.handed++;
	return rc == -ENETDOWN || rc == -ENODEV ? rc : 0;
}

static int memory_send(struct frames *f, const struct frame_desc *d, unsigned n, unsigned *taken)
{
	*taken = 0;
	if (f->net.room && n > f->net.room)
		n = f->net.room;
	f->stats.syscalls++;
	while (*taken < n) {
		int rc = frame_hand_over(f, &d[*taken]);
		++*taken;
		if (rc)
			return rc;
	}
	return 0;
}

static bool memory_idle(const struct frames *f)
{
	(void)f;
	return true;
}

static void out_free(struct frames *f)
{
	while (f->out_count)
		free(f->out[--f->out_count]);
}

static int memory_recv(struct frames *f, struct frame_reply *r, unsigned max)
{
	out_free(f);
	if (f->out_room < max) {
		struct answer **grown = realloc(f->out, max * sizeof(struct answer *));
		if (!grown)
			return -ENOMEM;
		f->out = grown;
		f->out_room = max;
	}
	int64_t now = now_ns(f);
	while (f->out_count < max && f->count && f->heap[0]->due_ns <= now) {
		struct answer *a = heap_pop(f);
		r[f->out_count] = (struct frame_reply){
			.data = a->bytes, .len = a->len, .ethertype = a->ethertype, .time_ns = a->due_ns};
		f->out[f->out_count++] = a;
		if (f->cfg.trace)
			f->cfg.trace(f->cfg.trace_ctx, false, a->bytes, a->len, a->ethertype);
	}
	f->stats.received += f->out_count;
	return (int)f->out_count;
}

static int memory_fd(const struct frames *f)
{
	(void)f;
	return -1;
}

static void memory_stats(struct frames *f, struct frames_stats *out)
{
	*out = f->stats;
}

static int memory_close(struct frames *f)
{
	out_free(f);
	while (f->count)
		free(f->heap[--f->count]);
	free(f->heap);
	free(f->out);
	free(f);
	return 0;
}

const struct frames_ops frames_memory = {
	.name = "memory",
	.open = memory_open,
	.send = memory_send,
	.idle = memory_idle,
	.recv = memory_recv,
	.fd = memory_fd,
	.stats = memory_stats,
	.close = memory_close,
};
