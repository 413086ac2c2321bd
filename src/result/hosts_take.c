#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "result/hosts_private.h"

// Counts what the host has not shown as silent; true when something is missing and must stay so.
static bool add_missing(struct hosts *h, struct host *host, uint32_t *total)
{
	bool done = !h->interrupted && !(host->flags & (FLAG_TIMED_OUT | FLAG_LATE_ONLY));
	bool missing = false;

	*total = 0;
	for (uint8_t p = 0; p < HOSTS_PROTOS; p++) {
		uint32_t known = host->body ? body_known(host->body, p) : 0;
		uint32_t wanted = h->cfg.ports[p];
		*total += wanted > known ? wanted : known;
		if (wanted <= known)
			continue;
		if (!done) {
			missing = true;
			continue;
		}
		// Room for this was not asked for by an opponent: the cap does not count here.
		size_t before = hosts_body_bytes(host->body);
		h->rules.bytes_left = SIZE_MAX;
		if (body_add_silent(&host->body, p, wanted - known, &h->rules) != 0)
			h->dropped++;
		h->bytes = h->bytes - before + hosts_body_bytes(host->body);
	}
	return missing;
}

static int list_ports(struct hosts *h, struct host *host, struct host_result *out)
{
	if (!host->body)
		return 0;
	if (host->body->used > h->port_room) {
		struct port_result *ports = realloc(h->ports, host->body->used * sizeof(*ports));
		if (!ports)
			return -ENOMEM;
		h->ports = ports;
		h->port_room = host->body->used;
	}
	out->port_count = body_list(host->body, &h->rules, h->ports, out->counts, &out->count_count);
	out->ports = h->ports;
	return 0;
}

static void fill_state(const struct hosts *h, const struct host *host, struct host_result *out)
{
	out->state = STATE_DOWN;
	out->reason = host->flags & FLAG_DOWN ? host->reason : REASON_NO_RESPONSE;
	if (host->flags & FLAG_UP) {
		out->state = STATE_UP;
		out->reason = host->reason;
		out->reason_ttl = host->ttl;
	} else if (h->cfg.assume_up && !(host->flags & FLAG_DOWN)) {
		out->state = STATE_UP;
		out->reason = REASON_USER_SET;
	}
}

static void fill_extra(struct hosts *h, struct host *host, struct host_result *out)
{
	free(h->names[0]);
	free(h->names[1]);
	h->names[0] = h->names[1] = NULL;
	free(h->speakers);
	h->speakers = NULL;
	if (!host->extra)
		return;
	h->names[0] = host->extra->asked;
	h->names[1] = host->extra->ptr_name;
	h->speakers = host->extra->speakers;
	host->extra->asked = host->extra->ptr_name = NULL;
	host->extra->speakers = NULL;
	out->speakers = h->speakers;
	out->speaker_count = host->extra->speaker_count;
	out->asked = h->names[0];
	out->ptr_name = h->names[1];
	out->mac_known = host->extra->mac_known;
	memcpy(out->mac, host->extra->mac, sizeof(out->mac));
}

static void host_fill(struct hosts *h, struct host *host, struct host_result *out)
{
	*out = (struct host_result){.addr = hosts_addr(host)};
	fill_state(h, host, out);
	bool missing = false;
	// A host that is down was not scanned: nothing of it is silent.
	if (out->state == STATE_UP || host->body)
		missing = add_missing(h, host, &out->ports_total);
	if (list_ports(h, host, out) != 0)
		h->dropped++;
	fill_extra(h, host, out);
	out->timed_out = host->flags & FLAG_TIMED_OUT;
	out->incomplete = missing && h->interrupted;
	out->rst_limited = host->flags & FLAG_RST_LIMITED;
	out->icmp_limited = host->flags & FLAG_ICMP_LIMITED;
	out->srtt_us = host->srtt_us;
	out->rttvar_us = host->rttvar_us;
	out->start_wall_ns = h->cfg.start_wall_ns + host->start_ms * NS_PER_MS;
	out->end_wall_ns = h->cfg.start_wall_ns + host->end_ms * NS_PER_MS;
}

static bool take(struct hosts *h, const struct addr *a, struct host_result *out)
{
	size_t slot = hosts_slot(h, a, addr_hash(a));

	if (h->index[slot] == 0)
		return false;
	host_fill(h, hosts_at(h, (uint32_t)h->index[slot] - 1), out);
	hosts_remove(h, slot);
	return true;
}

bool hosts_finish(struct hosts *h, const struct addr *a, struct host_result *out)
{
	h->taken = true;
	return take(h, a, out);
}

static int id_order(const void *a, const void *b, void *ctx)
{
	const struct hosts *h = ctx;
	struct addr x = hosts_addr(hosts_at(h, *(const uint32_t *)a));
	struct addr y = hosts_addr(hosts_at(h, *(const uint32_t *)b));

	return addr_compare(&x, &y);
}

int hosts_first(struct hosts *h)
{
	size_t slots = (size_t)1 << h->index_log2;

	free(h->order);
	h->order_count = h->order_at = 0;
	h->order = calloc(h->count ? h->count : 1, sizeof(h->order[0]));
	if (!h->order)
		return -ENOMEM;
	for (size_t i = 0; i < slots; i++) {
		if (h->index[i] != 0)
			h->order[h->order_count++] = (uint32_t)h->index[i] - 1;
	}
	qsort_r(h->order, h->order_count, sizeof(h->order[0]), id_order, h);
	return 0;
}

bool hosts_next(struct hosts *h, struct host_result *out)
{
	if (h->order_at >= h->order_count)
		return false;
	struct addr a = hosts_addr(hosts_at(h, h->order[h->order_at++]));
	return take(h, &a, out);
}

void hosts_visit(const struct hosts *h, void (*fn)(void *ctx, const struct addr *a, bool up), void *ctx)
{
	for (size_t i = 0; i < (size_t)1 << h->index_log2; i++) {
		if (h->index[i] == 0)
			continue;
		const struct host *host = hosts_at(h, (uint32_t)h->index[i] - 1);
		struct addr a = hosts_addr(host);
		fn(ctx, &a, host->flags & FLAG_UP);
	}
}
