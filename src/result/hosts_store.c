#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "result/hosts_private.h"

#define INDEX_LOG2_FIRST  10
#define DEFAULT_CAP_HOSTS ((size_t)1 << 20)
#define DEFAULT_CAP_BYTES ((size_t)1 << 30)
#define LIST_LIMIT        25
#define NONE              UINT32_MAX
#define EXPECT_STEP       5u // expected answers in which a cache line comes

struct hosts *hosts_new(const struct hosts_config *cfg)
{
	struct hosts *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->cfg = *cfg;
	if (h->cfg.cap_hosts == 0)
		h->cfg.cap_hosts = DEFAULT_CAP_HOSTS;
	if (h->cfg.cap_bytes == 0)
		h->cfg.cap_bytes = DEFAULT_CAP_BYTES;
	if (h->cfg.cap_hosts > (size_t)1 << 30)
		h->cfg.cap_hosts = (size_t)1 << 30;
	h->rules.list_limit = LIST_LIMIT * (1 + cfg->verbose + 20 * cfg->debug);
	h->rules.open_only = cfg->open_only;
	memcpy(h->rules.silent_state, cfg->silent_state, sizeof(h->rules.silent_state));
	h->free_id = NONE;
	h->index_log2 = INDEX_LOG2_FIRST;
	h->index = calloc((size_t)1 << h->index_log2, sizeof(h->index[0]));
	if (!h->index) {
		free(h);
		return NULL;
	}
	h->bytes = ((size_t)1 << h->index_log2) * sizeof(h->index[0]);
	return h;
}

static void host_clear(struct hosts *h, struct host *host)
{
	h->bytes -= hosts_body_bytes(host->body);
	free(host->body);
	host->body = NULL;
	if (host->extra) {
		h->bytes -= sizeof(struct host_extra) + host->extra->speaker_count * sizeof(struct addr);
		free(host->extra->asked);
		free(host->extra->ptr_name);
		free(host->extra->speakers);
		free(host->extra);
		host->extra = NULL;
	}
}

void hosts_free(struct hosts *h)
{
	if (!h)
		return;
	for (uint32_t id = 0; id < h->ids; id++)
		host_clear(h, hosts_at(h, id));
	for (size_t i = 0; i < h->chunk_count; i++)
		free(h->chunks[i]);
	free(h->chunks);
	free(h->index);
	free(h->order);
	free(h->ports);
	free(h->names[0]);
	free(h->names[1]);
	free(h->speakers);
	free(h);
}

void hosts_stats(const struct hosts *h, struct hosts_stats *out)
{
	*out = (struct hosts_stats){h->count, h->bytes, h->dropped};
}

static bool same_addr(const struct host *host, const struct addr *a)
{
	return host->lo == a->lo && host->hi == a->hi && host->scope == a->scope;
}

size_t hosts_slot(const struct hosts *h, const struct addr *a, uint64_t hash)
{
	size_t mask = ((size_t)1 << h->index_log2) - 1;
	uint64_t tag = hash >> 32;

	for (size_t i = tag & mask;; i = (i + 1) & mask) {
		uint64_t v = h->index[i];
		if (v == 0 || (v >> 32 == tag && same_addr(hosts_at(h, (uint32_t)v - 1), a)))
			return i;
	}
}

// What was expected `ago` calls before, as far as its home slot tells; NULL: not known yet.
static struct host *expected_host(const struct hosts *h, unsigned ago)
{
	uint64_t tag = h->expected[(h->expected_at - ago) % HOSTS_EXPECTED];
	uint64_t v = h->index[tag & (((size_t)1 << h->index_log2) - 1)];

	return v && v >> 32 == tag ? hosts_at(h, (uint32_t)v - 1) : NULL;
}

// Index, host, list of ports: each is asked for when the one that leads to it has come.
void hosts_expect(struct hosts *h, const struct addr *a)
{
	uint64_t tag = addr_hash(a) >> 32;
	const struct host *host = expected_host(h, EXPECT_STEP), *old = expected_host(h, 2 * EXPECT_STEP);

	__builtin_prefetch(&h->index[tag & (((size_t)1 << h->index_log2) - 1)]);
	if (host)
		__builtin_prefetch(host, 1);
	if (old && old->body)
		__builtin_prefetch(old->body, 1);
	h->expected[h->expected_at++ % HOSTS_EXPECTED] = tag;
}

static int index_grow(struct hosts *h)
{
	size_t old_count = (size_t)1 << h->index_log2, mask = old_count * 2 - 1;

	if (old_count * sizeof(uint64_t) > hosts_bytes_left(h))
		return ERR_LIMIT;
	uint64_t *wide = calloc(old_count * 2, sizeof(*wide));
	if (!wide)
		return -ENOMEM;
	for (size_t i = 0; i < old_count; i++) {
		uint64_t v = h->index[i];
		if (v == 0)
			continue;
		size_t at = (size_t)(v >> 32) & mask;
		while (wide[at] != 0)
			at = (at + 1) & mask;
		wide[at] = v;
	}
	free(h->index);
	h->index = wide;
	h->index_log2++;
	h->bytes += old_count * sizeof(uint64_t);
	return 0;
}

// Closes the gap at `hole`, so that no tombstones are needed.
static void index_remove(struct hosts *h, size_t hole)
{
	size_t mask = ((size_t)1 << h->index_log2) - 1;

	for (size_t i = (hole + 1) & mask; h->index[i] != 0; i = (i + 1) & mask) {
		size_t home = (size_t)(h->index[i] >> 32) & mask;
		if (((i - home) & mask) >= ((i - hole) & mask)) {
			h->index[hole] = h->index[i];
			hole = i;
		}
	}
	h->index[hole] = 0;
}

static int chunk_add(struct hosts *h)
{
	size_t bytes = HOSTS_CHUNK * sizeof(struct host);

	if (bytes > hosts_bytes_left(h))
		return ERR_LIMIT;
	if (h->chunk_count == h->chunk_room) {
		size_t room = h->chunk_room ? h->chunk_room * 2 : 16;
		struct host **chunks = realloc(h->chunks, room * sizeof(struct host *));
		if (!chunks)
			return -ENOMEM;
		h->chunks = chunks;
		h->chunk_room = room;
	}
	struct host *chunk = calloc(HOSTS_CHUNK, sizeof(*chunk));
	if (!chunk)
		return -ENOMEM;
	h->chunks[h->chunk_count++] = chunk;
	h->bytes += bytes;
	return 0;
}

static int id_take(struct hosts *h, uint32_t *out)
{
	if (h->count >= h->cfg.cap_hosts)
		return ERR_LIMIT;
	if (h->free_id != NONE) {
		*out = h->free_id;
		h->free_id = hosts_at(h, *out)->start_ms;
		return 0;
	}
	if (h->ids == h->chunk_count * HOSTS_CHUNK) {
		int rc = chunk_add(h);
		if (rc)
			return rc;
	}
	*out = h->ids++;
	return 0;
}

struct host *hosts_find(const struct hosts *h, const struct addr *a)
{
	uint64_t v = h->index[hosts_slot(h, a, addr_hash(a))];

	return v ? hosts_at(h, (uint32_t)v - 1) : NULL;
}

struct host *hosts_get(struct hosts *h, const struct addr *a, bool *is_new)
{
	uint64_t hash = addr_hash(a);
	size_t slot = hosts_slot(h, a, hash);
	uint32_t id;

	*is_new = h->index[slot] == 0;
	if (!*is_new)
		return hosts_at(h, (uint32_t)h->index[slot] - 1);
	if ((h->count + 1) * 2 > (size_t)1 << h->index_log2) {
		if (index_grow(h) != 0)
			goto full;
		slot = hosts_slot(h, a, hash);
	}
	if (id_take(h, &id) != 0)
		goto full;
	struct host *host = hosts_at(h, id);
	*host = (struct host){.hi = a->hi, .lo = a->lo, .scope = a->scope};
	h->index[slot] = (hash >> 32) << 32 | (id + 1);
	h->count++;
	return host;
full:
	h->dropped++;
	return NULL;
}

void hosts_remove(struct hosts *h, size_t slot)
{
	uint32_t id = (uint32_t)h->index[slot] - 1;
	struct host *host = hosts_at(h, id);

	host_clear(h, host);
	index_remove(h, slot);
	host->start_ms = h->free_id;
	h->free_id = id;
	h->count--;
}
