#include "result/hosts.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "result/hosts_private.h"

#define NAME_BYTES_MAX 255

static void host_seen_at(const struct hosts *h, struct host *host, int64_t wall_ns)
{
	int64_t ms = (wall_ns - h->cfg.start_wall_ns) / NS_PER_MS;

	if (wall_ns == 0)
		return;
	if (ms < 0)
		ms = 0;
	if (ms > UINT32_MAX)
		ms = UINT32_MAX;
	if (!(host->flags & FLAG_TIMES)) {
		host->flags |= FLAG_TIMES;
		host->start_ms = host->end_ms = (uint32_t)ms;
	}
	if (ms < host->start_ms)
		host->start_ms = (uint32_t)ms;
	if (ms > host->end_ms)
		host->end_ms = (uint32_t)ms;
}

// RFC 6298, section 2.
static void host_rtt(struct host *host, uint32_t rtt_us)
{
	if (rtt_us == 0)
		return;
	if (host->srtt_us == 0) {
		host->srtt_us = rtt_us;
		host->rttvar_us = rtt_us / 2;
		return;
	}
	uint32_t gap = host->srtt_us > rtt_us ? host->srtt_us - rtt_us : rtt_us - host->srtt_us;
	host->rttvar_us = (uint32_t)(((uint64_t)host->rttvar_us * 3 + gap) / 4);
	host->srtt_us = (uint32_t)(((uint64_t)host->srtt_us * 7 + rtt_us) / 8);
	if (host->srtt_us == 0)
		host->srtt_us = 1;
}

static void host_mark_up(struct host *host, uint8_t reason, uint8_t ttl)
{
	if (host->flags & FLAG_UP)
		return;
	host->flags = (uint8_t)((host->flags & ~FLAG_DOWN) | FLAG_UP);
	host->reason = reason;
	host->ttl = ttl;
}

static int put_port(struct hosts *h, struct host *host, const struct port_result *p, bool late)
{
	size_t before = hosts_body_bytes(host->body);

	h->rules.bytes_left = hosts_bytes_left(h);
	int rc = body_put(&host->body, p, late, &h->rules);
	h->bytes = h->bytes - before + hosts_body_bytes(host->body);
	if (rc)
		h->dropped++;
	return rc;
}

static struct host_extra *host_extra(struct hosts *h, struct host *host)
{
	if (!host->extra && sizeof(struct host_extra) <= hosts_bytes_left(h)) {
		host->extra = calloc(1, sizeof(struct host_extra));
		h->bytes += host->extra ? sizeof(struct host_extra) : 0;
	}
	if (!host->extra)
		h->dropped++;
	return host->extra;
}

// The number of who spoke for the host; 0 where there is no room.
static uint8_t speaker_number(struct hosts *h, struct host *host, const struct addr *from)
{
	struct host_extra *x = host_extra(h, host);
	struct addr *more;

	for (unsigned i = 0; x && i < x->speaker_count; i++) {
		if (addr_equal(&x->speakers[i], from))
			return (uint8_t)(i + 1);
	}
	if (!x)
		return 0;
	if (x->speaker_count == UINT8_MAX || sizeof(*more) > hosts_bytes_left(h) ||
	    !(more = realloc(x->speakers, (x->speaker_count + 1U) * sizeof(*more)))) {
		h->dropped++;
		return 0;
	}
	h->bytes += sizeof(*more);
	x->speakers = more;
	more[x->speaker_count++] = *from;
	return x->speaker_count;
}

int hosts_answer(struct hosts *h, const struct record *r)
{
	bool is_new, from_other = !addr_is_none(&r->from);

	if (r->state == STATE_DOWN)
		return hosts_down(h, &r->addr, r->reason);
	if (r->state == STATE_UP)
		return hosts_up(h, &r->addr,
				&(struct host_sign){r->reason, r->ttl, r->rtt_us, NULL, r->wall_ns});
	struct host *host = hosts_get(h, &r->addr, &is_new);
	if (!host)
		return ERR_LIMIT;
	if (is_new && r->late && h->taken)
		host->flags |= FLAG_LATE_ONLY;
	if (!from_other) {
		host_mark_up(host, r->reason, r->ttl);
		host_rtt(host, r->rtt_us);
	}
	host_seen_at(h, host, r->wall_ns);
	struct port_result p = {.port = r->port,
				.proto = r->proto,
				.state = r->state,
				.reason = r->reason,
				.ttl = r->ttl,
				.rtt_us = r->rtt_us};
	if (from_other)
		p.from = speaker_number(h, host, &r->from);
	return put_port(h, host, &p, r->late && !is_new);
}

// Hosts that never answered must not take the room of those that do: they get half of it.
static struct host *get_quiet(struct hosts *h, const struct addr *a, bool may_start)
{
	bool is_new;

	return may_start && h->count < h->cfg.cap_hosts / 2 ? hosts_get(h, a, &is_new) : hosts_find(h, a);
}

static int quiet_missing(struct hosts *h, bool wanted)
{
	h->dropped += wanted;
	return wanted ? ERR_LIMIT : 0;
}

int hosts_silent(struct hosts *h, const struct addr *a, uint8_t proto, uint16_t port, uint8_t state,
		 uint8_t reason)
{
	struct host *host = get_quiet(h, a, h->cfg.keep_silent);

	if (!host)
		return quiet_missing(h, h->cfg.keep_silent);
	struct port_result p = {.port = port, .proto = proto, .state = state, .reason = reason};
	return put_port(h, host, &p, false);
}

int hosts_up(struct hosts *h, const struct addr *a, const struct host_sign *sign)
{
	bool is_new;
	struct host *host = hosts_get(h, a, &is_new);

	if (!host)
		return ERR_LIMIT;
	host_mark_up(host, sign->reason, sign->ttl);
	host_rtt(host, sign->rtt_us);
	host_seen_at(h, host, sign->wall_ns);
	if (sign->mac) {
		struct host_extra *x = host_extra(h, host);
		if (!x)
			return ERR_LIMIT;
		x->mac_known = true;
		memcpy(x->mac, sign->mac, sizeof(x->mac));
	}
	return 0;
}

int hosts_down(struct hosts *h, const struct addr *a, uint8_t reason)
{
	struct host *host = get_quiet(h, a, h->cfg.keep_down);

	if (!host)
		return quiet_missing(h, h->cfg.keep_down);
	if (host->flags & FLAG_UP)
		return 0;
	host->flags |= FLAG_DOWN;
	host->reason = reason;
	return 0;
}

static void set_name(char **have, const char *name)
{
	if (!name)
		return;
	free(*have);
	*have = strndup(name, NAME_BYTES_MAX);
}

int hosts_name(struct hosts *h, const struct addr *a, const char *asked, const char *ptr_name)
{
	bool is_new;
	struct host *host = asked ? hosts_get(h, a, &is_new) : hosts_find(h, a);
	struct host_extra *x = host ? host_extra(h, host) : NULL;

	if (!x)
		return host || asked ? ERR_LIMIT : 0;
	set_name(&x->asked, asked);
	set_name(&x->ptr_name, ptr_name);
	return 0;
}

int hosts_timed_out(struct hosts *h, const struct addr *a)
{
	bool is_new;
	struct host *host = hosts_get(h, a, &is_new);

	if (!host)
		return ERR_LIMIT;
	host->flags |= FLAG_TIMED_OUT;
	return 0;
}

int hosts_limited(struct hosts *h, const struct addr *a, bool icmp)
{
	struct host *host = hosts_find(h, a);

	if (host)
		host->flags |= icmp ? FLAG_ICMP_LIMITED : FLAG_RST_LIMITED;
	return 0;
}

void hosts_interrupted(struct hosts *h)
{
	h->interrupted = true;
}
