#include "transport/xdp/answers.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "transport/xdp/programs.h"

#define ALL_BYTES ((size_t)8 << 20) // of the records in all rings together, if there are few CPUs

#if defined(__x86_64__) || defined(__s390x__)
#define STORES_IN_ORDER 1
#else
#define STORES_IN_ORDER 0
#endif
#define SETTLE_LOOKS 200 // far longer than a store takes to be seen

// The bell is a ring buffer of the kernel's (kernel/bpf/ringbuf.c): a page with the consumer's position, then
// one with the producer's. Nobody reads what is in it.
struct bell {
	uint64_t *consumer;
	uint64_t *producer; // only to read
	int fd;
};

struct answers {
	struct xdp_listener *listener;
	uint8_t *rings; // mapped
	size_t stride, bytes, page;
	unsigned count, first; // rings; the one that is looked at first
	struct bell bell;
	int ready;       // always readable
	uint64_t next[]; // what is read of each ring
};

static struct xdp_ring *ring_of(const struct answers *a, unsigned i)
{
	return (void *)(a->rings + i * a->stride);
}

int answers_size(struct receiver_bpf *b)
{
	int cpus = libbpf_num_possible_cpus();
	if (cpus < 1)
		return -EINVAL;
	size_t bytes = XDP_RING_LEAST;
	while (bytes * 2 * (size_t)cpus <= ALL_BYTES)
		bytes *= 2;
	b->rodata->ring_mask = (uint32_t)bytes - 1;
	b->rodata->stores_in_order = STORES_IN_ORDER;
	int rc = bpf_map__set_max_entries(b->maps.rings, (uint32_t)cpus);
	if (!rc)
		rc = bpf_map__set_value_size(b->maps.rings,
					     (uint32_t)(sizeof(struct xdp_ring) + bytes + XDP_RING_SLACK));
	return rc;
}

static int open_bell(struct bell *bell, const struct bpf_map *map, size_t page)
{
	bell->fd = bpf_map__fd(map);
	void *own = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, bell->fd, 0);
	if (own == MAP_FAILED)
		return -errno;
	bell->consumer = own;
	void *theirs = mmap(NULL, page, PROT_READ, MAP_SHARED, bell->fd, (off_t)page);
	if (theirs == MAP_FAILED)
		return -errno;
	bell->producer = theirs;
	return 0;
}

static size_t mapped_bytes(const struct answers *a)
{
	return (a->count * a->stride + a->page - 1) / a->page * a->page;
}

int answers_open(struct answers **out, struct receiver_bpf *b)
{
	*out = NULL;
	unsigned count = bpf_map__max_entries(b->maps.rings);
	struct answers *a = calloc(1, sizeof(*a) + count * sizeof(a->next[0]));
	if (!a)
		return -ENOMEM;
	a->listener = &b->bss->listener;
	a->count = count;
	a->bytes = (size_t)b->rodata->ring_mask + 1;
	a->stride = (bpf_map__value_size(b->maps.rings) + 7) / 8 * 8;
	a->page = (size_t)sysconf(_SC_PAGESIZE);
	a->ready = eventfd(1, EFD_CLOEXEC);
	int rc = a->ready < 0 ? -errno : open_bell(&a->bell, b->maps.bell, a->page);
	if (!rc) {
		void *rings = mmap(NULL, mapped_bytes(a), PROT_READ | PROT_WRITE, MAP_SHARED,
				   bpf_map__fd(b->maps.rings), 0);
		a->rings = rings == MAP_FAILED ? NULL : rings;
		rc = a->rings ? 0 : -errno;
	}
	if (rc) {
		answers_close(a);
		return rc;
	}
	*out = a;
	return 0;
}

void answers_close(struct answers *a)
{
	if (!a)
		return;
	if (a->bell.consumer)
		munmap(a->bell.consumer, a->page);
	if (a->bell.producer)
		munmap(a->bell.producer, a->page);
	if (a->rings)
		munmap(a->rings, mapped_bytes(a));
	if (a->ready >= 0)
		close(a->ready);
	free(a);
}

static void stay_awake(struct answers *a)
{
	if (!a->listener->asleep)
		return;
	__atomic_store_n(&a->listener->asleep, 0, __ATOMIC_RELAXED);
	__atomic_store_n(a->bell.consumer, __atomic_load_n(a->bell.producer, __ATOMIC_ACQUIRE),
			 __ATOMIC_RELEASE);
}

static unsigned take_from(struct answers *a, unsigned i, struct frame_reply *out, unsigned max)
{
	struct xdp_ring *ring = ring_of(a, i);
	unsigned n = 0;
	if (__atomic_load_n(&ring->tail, __ATOMIC_RELAXED) != a->next[i])
		__atomic_store_n(&ring->tail, a->next[i], __ATOMIC_RELEASE);
	uint64_t end = __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE);
	for (; n < max && a->next[i] < end; n++) {
		const struct xdp_record *r = (void *)(ring->data + (a->next[i] & (a->bytes - 1)));
		uint32_t len = r->len < XDP_RECORD_MAX ? r->len : XDP_RECORD_MAX;
		a->next[i] += xdp_record_bytes(len);
		out[n] = (struct frame_reply){
			.data = r->data,
			.len = len,
			.ethertype = r->ethertype,
			.ifindex = r->ifindex,
			.time_ns = (int64_t)r->time_ns,
		};
	}
	return n;
}

unsigned answers_take(struct answers *a, struct frame_reply *out, unsigned max)
{
	unsigned n = 0;
	stay_awake(a);
	for (unsigned i = 0; i < a->count; i++)
		n += take_from(a, (a->first + i) % a->count, out + n, max - n);
	if (++a->first >= a->count)
		a->first = 0;
	return n;
}

bool answers_behind(const struct answers *a)
{
	for (unsigned i = 0; i < a->count; i++) {
		const struct xdp_ring *ring = ring_of(a, i);
		if (__atomic_load_n(&ring->head, __ATOMIC_RELAXED) - a->next[i] > a->bytes / 2)
			return true;
	}
	return false;
}

static bool any_left(const struct answers *a)
{
	for (unsigned i = 0; i < a->count; i++)
		if (__atomic_load_n(&ring_of(a, i)->head, __ATOMIC_SEQ_CST) != a->next[i])
			return true;
	return false;
}

// A record that came before the receiver could see that we are about to wait does not ring the bell. The
// receiver looks without a barrier, so that its own store may be seen a little later: we look again.
int answers_fd(struct answers *a)
{
	__atomic_store_n(&a->listener->asleep, 1, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < (STORES_IN_ORDER ? SETTLE_LOOKS : 1); i++)
		if (any_left(a))
			return a->ready;
	return a->bell.fd;
}
