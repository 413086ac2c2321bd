#include "transport/xdp/answers.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "transport/xdp/shared.h"

// Layout of a ring buffer map (kernel/bpf/ringbuf.c): a page with the consumer's position, one with the
// producer's, then the data, mapped twice in a row so that no record is broken. Before each record its length
// with two flag bits, and an offset of the kernel's own.
struct answers {
	uint64_t *consumer;
	void *theirs; // mapping of the producer's page and the data
	const uint64_t *producer;
	const uint8_t *data;
	size_t bytes, page;
	uint64_t next;
};

int answers_open(struct answers **out, int fd, size_t bytes)
{
	*out = NULL;
	struct answers *a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->bytes = bytes;
	a->page = (size_t)sysconf(_SC_PAGESIZE);
	void *own = mmap(NULL, a->page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	a->consumer = own == MAP_FAILED ? NULL : own;
	void *theirs = a->consumer
			       ? mmap(NULL, a->page + 2 * bytes, PROT_READ, MAP_SHARED, fd, (off_t)a->page)
			       : MAP_FAILED;
	if (theirs == MAP_FAILED) {
		int rc = -errno;
		answers_close(a);
		return rc;
	}
	a->theirs = theirs;
	a->producer = theirs;
	a->data = (const uint8_t *)theirs + a->page;
	*out = a;
	return 0;
}

void answers_close(struct answers *a)
{
	if (!a)
		return;
	if (a->consumer)
		munmap(a->consumer, a->page);
	if (a->theirs)
		munmap(a->theirs, a->page + 2 * a->bytes);
	free(a);
}

unsigned answers_take(struct answers *a, struct frame_reply *out, unsigned max)
{
	unsigned n = 0;
	if (__atomic_load_n(a->consumer, __ATOMIC_RELAXED) != a->next)
		__atomic_store_n(a->consumer, a->next, __ATOMIC_RELEASE);
	uint64_t end = __atomic_load_n(a->producer, __ATOMIC_ACQUIRE);
	while (n < max && a->next < end) {
		const uint8_t *at = a->data + (a->next & (a->bytes - 1));
		uint32_t head = __atomic_load_n((const uint32_t *)(const void *)at, __ATOMIC_ACQUIRE);
		if (head & BPF_RINGBUF_BUSY_BIT)
			break;
		uint32_t len = head & ~(uint32_t)(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
		a->next += (len + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;
		const struct xdp_record *r = (const void *)(at + BPF_RINGBUF_HDR_SZ);
		if (head & BPF_RINGBUF_DISCARD_BIT || len < XDP_RECORD_HEAD)
			continue;
		uint32_t most = len - XDP_RECORD_HEAD;
		out[n++] = (struct frame_reply){
			.data = r->data,
			.len = r->len < most ? r->len : most,
			.ethertype = r->ethertype,
			.ifindex = r->ifindex,
			.time_ns = (int64_t)r->time_ns,
		};
	}
	return n;
}

bool answers_behind(const struct answers *a)
{
	return __atomic_load_n(a->producer, __ATOMIC_RELAXED) -
		       __atomic_load_n(a->consumer, __ATOMIC_RELAXED) >
	       a->bytes / 2;
}
