#include "path.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

int path_open(struct path *path, const struct fate_params *params, uint32_t slot_count, uint64_t seed)
{
	size_t bytes = (size_t)slot_count * PATH_SLOT_BYTES;

	memset(path, 0, sizeof(*path));
	fate_init(&path->fate, params, seed);
	path->slot_count = slot_count;
	path->slots =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (path->slots == MAP_FAILED) {
		path->slots = NULL;
		return -ENOMEM;
	}
	madvise(path->slots, bytes, MADV_HUGEPAGE); // a scan touches them all within a second
	path->length = calloc(slot_count, sizeof(*path->length));
	path->unused = calloc(slot_count, sizeof(*path->unused));
	path->queue = calloc(slot_count, sizeof(*path->queue));
	if (params->queue)
		path->departs_ns = calloc(params->queue, sizeof(*path->departs_ns));
	if (!path->length || !path->unused || !path->queue || (params->queue && !path->departs_ns))
		return -ENOMEM;
	// The lowest slots are taken first and again: memory is touched only as far as packets wait.
	for (uint32_t i = 0; i < slot_count; i++)
		path->unused[i] = slot_count - 1 - i;
	path->unused_count = slot_count;
	return 0;
}

void path_close(struct path *path)
{
	if (path->slots)
		munmap(path->slots, (size_t)path->slot_count * PATH_SLOT_BYTES);
	free(path->length);
	free(path->unused);
	free(path->queue);
	free(path->departs_ns);
	memset(path, 0, sizeof(*path));
}

uint32_t path_unused(const struct path *path, uint32_t max, uint32_t slots[])
{
	uint32_t count = path->unused_count < max ? path->unused_count : max;

	for (uint32_t i = 0; i < count; i++)
		slots[i] = path->unused[path->unused_count - 1 - i];
	return count;
}

static void heap_push(struct path *path, struct due due)
{
	uint32_t at = path->queue_count++;

	while (at > 0 && path->queue[(at - 1) / 2].at_ns > due.at_ns) {
		path->queue[at] = path->queue[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	path->queue[at] = due;
}

static uint32_t heap_pop(struct path *path)
{
	uint32_t slot = path->queue[0].slot;
	struct due last = path->queue[--path->queue_count];
	uint32_t at = 0, child;

	while ((child = 2 * at + 1) < path->queue_count) {
		if (child + 1 < path->queue_count && path->queue[child + 1].at_ns < path->queue[child].at_ns)
			child++;
		if (path->queue[child].at_ns >= last.at_ns)
			break;
		path->queue[at] = path->queue[child];
		at = child;
	}
	path->queue[at] = last;
	return slot;
}

static void push(struct path *path, struct due due)
{
	uint32_t at = path->first + path->queue_count;

	if (path->fate.params.reorder) {
		heap_push(path, due);
		return;
	}
	path->queue[at < path->slot_count ? at : at - path->slot_count] = due;
	path->queue_count++;
}

static uint32_t pop(struct path *path)
{
	uint32_t slot;

	if (path->fate.params.reorder)
		return heap_pop(path);
	slot = path->queue[path->first].slot;
	path->first = path->first + 1 < path->slot_count ? path->first + 1 : 0;
	path->queue_count--;
	return slot;
}

// When the bottleneck has sent a packet of so many bytes that comes now; 0 if there is no room to wait for
// it.
static uint64_t bottleneck(struct path *path, uint16_t length, uint64_t now_ns)
{
	const struct fate_params *p = &path->fate.params;
	double takes_ns;
	uint64_t *oldest;

	if (p->packets_per_s <= 0 && p->bits_per_s <= 0)
		return now_ns;
	oldest = &path->departs_ns[path->through % p->queue];
	if (*oldest > now_ns)
		return 0;
	takes_ns = p->packets_per_s > 0 ? 1e9 / p->packets_per_s : length * 8e9 / p->bits_per_s;
	if (path->free_ns < now_ns)
		path->free_ns = now_ns;
	path->free_ns += (uint64_t)takes_ns;
	path->through++;
	return *oldest = path->free_ns;
}

// Whether the packet goes on its way.
static bool admit_one(struct path *path, uint32_t slot, uint64_t now_ns)
{
	uint64_t at_ns;

	if (fate_loses(&path->fate, now_ns)) {
		count_add(&path->counts.lost, 1);
		return false;
	}
	at_ns = bottleneck(path, path->length[slot], now_ns);
	if (at_ns == 0) {
		count_add(&path->counts.queue_full, 1);
		return false;
	}
	at_ns += fate_delay_ns(&path->fate);
	if (!path->fate.params.reorder && at_ns < path->last_due_ns)
		at_ns = path->last_due_ns;
	path->last_due_ns = at_ns;
	push(path, (struct due){.at_ns = at_ns, .slot = slot});
	return true;
}

void path_admit(struct path *path, const uint32_t slots[], const uint16_t lengths[], uint32_t count,
		uint64_t now_ns)
{
	path->unused_count -= count;
	count_add(&path->counts.came, count);
	for (uint32_t i = 0; i < count; i++) {
		path->length[slots[i]] = lengths[i];
		if (!admit_one(path, slots[i], now_ns))
			path_release(path, &slots[i], 1);
	}
	atomic_store_explicit(&path->counts.under_way, path->queue_count, memory_order_relaxed);
}

uint32_t path_due(struct path *path, uint64_t now_ns, uint32_t max, uint32_t slots[])
{
	uint32_t count = 0;

	while (count < max && path->queue_count && path_next_ns(path) <= now_ns)
		slots[count++] = pop(path);
	atomic_store_explicit(&path->counts.under_way, path->queue_count, memory_order_relaxed);
	return count;
}

void path_release(struct path *path, const uint32_t slots[], uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		path->unused[path->unused_count++] = slots[i];
}

uint64_t path_next_ns(const struct path *path)
{
	return path->queue_count ? path->queue[path->first].at_ns : UINT64_MAX;
}
