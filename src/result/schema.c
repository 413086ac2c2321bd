#include "result/schema.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"

static void get_ip(const struct record *r, struct schema_value *v)
{
	v->addr = r->addr;
	v->present = true;
}

static void get_port(const struct record *r, struct schema_value *v)
{
	v->u = r->port;
	v->present = true;
}

static void get_protocol(const struct record *r, struct schema_value *v)
{
	v->word = record_proto_name(r->proto);
	v->present = true;
}

static void get_tls(const struct record *r, struct schema_value *v)
{
	(void)r; // nothing looks for TLS yet; readers of this name expect it on each line
	v->b = false;
	v->present = true;
}

static void get_timestamp(const struct record *r, struct schema_value *v)
{
	v->ns = r->wall_ns;
	v->present = true;
}

static void get_state(const struct record *r, struct schema_value *v)
{
	v->word = state_name(r->state);
	v->present = true;
}

static void get_reason(const struct record *r, struct schema_value *v)
{
	v->word = reason_name(r->reason);
	v->present = true;
}

static void get_ttl(const struct record *r, struct schema_value *v)
{
	v->u = r->ttl;
	v->present = r->ttl != 0;
}

static void get_rtt(const struct record *r, struct schema_value *v)
{
	v->u = r->rtt_us;
	v->present = r->rtt_us != 0;
}

static void get_window(const struct record *r, struct schema_value *v)
{
	v->u = r->window;
	v->present = r->reason == REASON_SYN_ACK;
}

static void get_options(const struct record *r, struct schema_value *v)
{
	v->hex.data = r->options;
	v->hex.len = r->options_len <= RECORD_TCP_OPTIONS_MAX ? r->options_len : RECORD_TCP_OPTIONS_MAX;
	v->present = r->options_len != 0;
}

static void get_tries(const struct record *r, struct schema_value *v)
{
	v->u = r->tries;
	v->present = r->tries != 0;
}

static void get_late(const struct record *r, struct schema_value *v)
{
	v->b = r->late;
	v->present = r->late;
}

static void get_from(const struct record *r, struct schema_value *v)
{
	v->addr = r->from;
	v->present = !addr_is_none(&r->from);
}

const struct schema_field schema_fields[] = {
	{"ip", SCHEMA_ADDR, get_ip},
	{"port", SCHEMA_UINT, get_port},
	{"protocol", SCHEMA_WORD, get_protocol},
	{"tls", SCHEMA_BOOL, get_tls},
	{"timestamp", SCHEMA_TIME, get_timestamp},
	{"state", SCHEMA_WORD, get_state},
	{"reason", SCHEMA_WORD, get_reason},
	{"ttl", SCHEMA_UINT, get_ttl},
	{"rtt_us", SCHEMA_UINT, get_rtt},
	{"window", SCHEMA_UINT, get_window},
	{"tcp_options", SCHEMA_HEX, get_options},
	{"tries", SCHEMA_UINT, get_tries},
	{"late", SCHEMA_BOOL, get_late},
	{"from", SCHEMA_ADDR, get_from},
};
const size_t schema_field_count = sizeof(schema_fields) / sizeof(schema_fields[0]);

size_t schema_time_format(struct schema_time *cache, int64_t wall_ns, char out[SCHEMA_TIME_MAX])
{
	int64_t ns = wall_ns % NS_PER_S, second = wall_ns / NS_PER_S;
	if (ns < 0) {
		ns += NS_PER_S;
		second--;
	}
	uint32_t us = (uint32_t)(ns / NS_PER_US);

	if (!cache->valid || cache->second != second) {
		time_t t = (time_t)second;
		struct tm tm;
		gmtime_r(&t, &tm);
		strftime(cache->text, sizeof(cache->text), "%Y-%m-%dT%H:%M:%S.000000Z", &tm);
		cache->second = second;
		cache->valid = true;
	}
	size_t len = strlen(cache->text);
	memcpy(out, cache->text, len + 1);
	for (size_t i = len - 2; us != 0; i--, us /= 10)
		out[i] = (char)('0' + us % 10);
	return len;
}
