// JSON Lines: an object a line, naabu's names for what both have. Fields: docs/output.md.
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_gen.h>

#include "base/clock.h"
#include "base/text.h"
#include "result/schema.h"
#include "sink/format.h"
#include "sink/sink.h"
#include "sink/writer.h"

#define TEXT_MAX_BYTES 4096

struct sink {
	struct sink_config cfg;
	struct writer w;
	yajl_gen gen;
	struct schema_time time;
};

// The generator hands over quotes, commas and colons one by one, some hundred a line.
static void on_print(void *ctx, const char *text, size_t len)
{
	struct writer *w = &((struct sink *)ctx)->w;

	if (len == 1 && w->len < w->size && !w->error)
		w->data[w->len++] = (uint8_t)*text;
	else
		writer_put(w, text, len);
}

static int jsonl_open(struct sink **out, const struct sink_config *cfg, struct err_text *e)
{
	struct sink *s = calloc(1, sizeof(*s));

	if (!s || writer_open(&s->w, cfg->fd, cfg->stop_fd) != 0)
		goto no_memory;
	s->gen = yajl_gen_alloc(NULL);
	if (!s->gen || !yajl_gen_config(s->gen, yajl_gen_print_callback, on_print, s) ||
	    !yajl_gen_config(s->gen, yajl_gen_validate_utf8, 1))
		goto no_memory;
	s->cfg = *cfg;
	*out = s;
	return 0;
no_memory:
	if (s && s->gen)
		yajl_gen_free(s->gen);
	if (s)
		(void)writer_close(&s->w);
	free(s);
	return err_set(e, -ENOMEM, "no memory for %s", cfg->path);
}

// The generator refuses what would not be JSON; that must not pass silently as a broken line.
static void check(struct sink *s, yajl_gen_status st)
{
	if (st != yajl_gen_status_ok && !s->w.error)
		s->w.error = -EILSEQ;
}

static void put_word(struct sink *s, const char *text)
{
	check(s, yajl_gen_string(s->gen, (const unsigned char *)text, strlen(text)));
}

static void key_word(struct sink *s, const char *key, const char *text)
{
	put_word(s, key);
	put_word(s, text);
}

// Text from the network or from people.
static void key_text(struct sink *s, const char *key, const char *text)
{
	char safe[TEXT_MAX_BYTES];

	text_escape(safe, sizeof(safe), text, strlen(text));
	key_word(s, key, safe);
}

static void key_uint(struct sink *s, const char *key, uint64_t v)
{
	char text[24], *at = text + sizeof(text);

	// printf would be a third of a line's cost.
	do {
		*--at = (char)('0' + v % 10);
		v /= 10;
	} while (v != 0);
	put_word(s, key);
	check(s, yajl_gen_number(s->gen, at, (size_t)(text + sizeof(text) - at)));
}

static void key_double(struct sink *s, const char *key, double v)
{
	char text[40];
	int n = snprintf(text, sizeof(text), "%.9g", v);

	put_word(s, key);
	check(s, isfinite(v) ? yajl_gen_number(s->gen, text, (size_t)n) : yajl_gen_null(s->gen));
}

static void key_bool(struct sink *s, const char *key, bool v)
{
	put_word(s, key);
	check(s, yajl_gen_bool(s->gen, v));
}

static void key_time(struct sink *s, const char *key, int64_t ns)
{
	char text[SCHEMA_TIME_MAX];

	schema_time_format(&s->time, ns, text);
	key_word(s, key, text);
}

static void key_addr(struct sink *s, const char *key, const struct addr *a)
{
	char text[ADDR_TEXT_MAX];

	addr_format(a, text);
	key_word(s, key, text);
}

static void key_hex(struct sink *s, const char *key, const uint8_t *data, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	char text[2 * RECORD_TCP_OPTIONS_MAX + 1];

	for (size_t i = 0; i < len; i++) {
		text[2 * i] = digits[data[i] >> 4];
		text[2 * i + 1] = digits[data[i] & 15];
	}
	text[2 * len] = '\0';
	key_word(s, key, text);
}

static void line_open(struct sink *s, const char *kind)
{
	yajl_gen_reset(s->gen, NULL);
	check(s, yajl_gen_map_open(s->gen));
	key_uint(s, "schema", SCHEMA_VERSION);
	key_word(s, "scan_id", s->cfg.info->scan_id);
	key_word(s, "kind", kind);
}

static int line_close(struct sink *s)
{
	check(s, yajl_gen_map_close(s->gen));
	writer_put(&s->w, "\n", 1);
	return writer_commit(&s->w);
}

static void put_asked(struct sink *s, const struct addr *a, const char *known)
{
	const char *name = known;

	if (!name && s->cfg.asked_name)
		name = s->cfg.asked_name(s->cfg.asked_ctx, a);
	if (name)
		key_text(s, "host", name);
}

static void put_field(struct sink *s, const struct schema_field *f, const struct record *r)
{
	struct schema_value v = {0};

	f->get(r, &v);
	if (!v.present)
		return;
	switch (f->type) {
	case SCHEMA_UINT:
		key_uint(s, f->name, v.u);
		break;
	case SCHEMA_BOOL:
		key_bool(s, f->name, v.b);
		break;
	case SCHEMA_WORD:
		key_word(s, f->name, v.word);
		break;
	case SCHEMA_ADDR:
		key_addr(s, f->name, &v.addr);
		break;
	case SCHEMA_TIME:
		key_time(s, f->name, v.ns);
		break;
	case SCHEMA_HEX:
		key_hex(s, f->name, v.hex.data, v.hex.len);
		break;
	}
}

static int put_discovered(struct sink *s, const struct record *r)
{
	line_open(s, "host");
	put_asked(s, &r->addr, NULL);
	key_addr(s, "ip", &r->addr);
	key_time(s, "timestamp", r->wall_ns);
	key_word(s, "state", state_name(r->state));
	key_word(s, "reason", reason_name(r->reason));
	if (r->ttl)
		key_uint(s, "ttl", r->ttl);
	if (r->rtt_us)
		key_uint(s, "rtt_us", r->rtt_us);
	return line_close(s);
}

static int jsonl_record(struct sink *s, const struct record *r)
{
	if (r->state == STATE_UP || r->state == STATE_DOWN) {
		bool wanted = r->state == STATE_UP || s->cfg.info->all_states;
		return wanted && !s->cfg.hosts_follow ? put_discovered(s, r) : s->w.error;
	}
	if (r->state != STATE_OPEN && !s->cfg.info->all_states)
		return s->w.error;
	line_open(s, "port");
	put_asked(s, &r->addr, NULL);
	for (size_t i = 0; i < schema_field_count; i++)
		put_field(s, &schema_fields[i], r);
	return line_close(s);
}

static void put_counts(struct sink *s, const struct host_result *h)
{
	uint64_t sum[STATE_COUNT] = {0};

	for (size_t i = 0; i < h->port_count; i++)
		sum[h->ports[i].state % STATE_COUNT]++;
	for (size_t i = 0; i < h->count_count; i++)
		sum[h->counts[i].state % STATE_COUNT] += h->counts[i].count;
	put_word(s, "counts");
	check(s, yajl_gen_map_open(s->gen));
	for (unsigned i = 0; i < STATE_COUNT; i++) {
		if (sum[i] > 0)
			key_uint(s, state_name(i), sum[i]);
	}
	check(s, yajl_gen_map_close(s->gen));
}

static int jsonl_host(struct sink *s, const struct host_result *h)
{
	const struct scan_info *info = s->cfg.info;
	char mac[18];

	if (h->state != STATE_UP && !info->all_states && !info->list_only)
		return s->w.error;
	line_open(s, "host");
	put_asked(s, &h->addr, h->asked);
	key_addr(s, "ip", &h->addr);
	if (h->ptr_name)
		key_text(s, "ptr", h->ptr_name);
	if (h->mac_known) {
		snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", h->mac[0], h->mac[1], h->mac[2],
			 h->mac[3], h->mac[4], h->mac[5]);
		key_word(s, "mac_address", mac);
	}
	key_word(s, "state", info->list_only ? "unknown" : state_name(h->state));
	key_word(s, "reason", info->list_only ? "user-set" : reason_name(h->reason));
	if (h->reason_ttl)
		key_uint(s, "ttl", h->reason_ttl);
	if (h->srtt_us) {
		key_uint(s, "srtt_us", h->srtt_us);
		key_uint(s, "rttvar_us", h->rttvar_us);
	}
	key_time(s, "start", h->start_wall_ns);
	key_time(s, "end", h->end_wall_ns);
	key_uint(s, "ports_total", h->ports_total);
	put_counts(s, h);
	if (h->timed_out)
		key_bool(s, "timed_out", true);
	if (h->incomplete)
		key_bool(s, "incomplete", true);
	if (h->rst_limited)
		key_bool(s, "rst_limited", true);
	if (h->icmp_limited)
		key_bool(s, "icmp_limited", true);
	return line_close(s);
}

static int jsonl_flush(struct sink *s)
{
	return writer_flush(&s->w);
}

static void put_counters(struct sink *s, const struct scan_counters *c)
{
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
		{"positions", c->positions},
		{"positions_done", c->positions_done},
		{"answered", c->answered},
		{"silent", c->silent},
		{"unsent", c->unsent},
		{"frames", c->frames},
		{"first_tries", c->first_tries},
		{"resends", c->resends},
		{"not_taken", c->not_taken},
		{"answers", c->answers},
		{"records", c->records},
		{"duplicates", c->duplicates},
		{"late", c->late},
		{"rejected", c->rejected},
		{"open", c->open},
		{"closed", c->closed},
		{"filtered", c->filtered},
		{"unfiltered", c->unfiltered},
		{"open_filtered", c->open_filtered},
		{"hosts_total", c->hosts_total},
		{"hosts_up", c->hosts_up},
		{"hosts_down", c->hosts_down},
		{"hosts_timed_out", c->hosts_timed_out},
		{"ring_drops", c->ring_drops},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		key_uint(s, rows[i].name, rows[i].value);
}

static void put_summary(struct sink *s, const struct scan_summary *sum)
{
	const struct scan_info *info = s->cfg.info;

	line_open(s, "summary");
	key_word(s, "version", info->version);
	if (info->command_line)
		key_text(s, "command_line", info->command_line);
	key_uint(s, "seed", info->seed);
	key_time(s, "start", sum->start_wall_ns);
	key_time(s, "end", sum->end_wall_ns);
	key_double(s, "elapsed", (double)sum->elapsed_ns / NS_PER_S);
	put_counters(s, &sum->c);
	if (scan_summary_loss_known(sum))
		key_double(s, "loss", sum->loss);
	key_uint(s, "tries", sum->tries);
	key_double(s, "confidence_asked", sum->confidence_asked);
	if (scan_summary_missed_known(sum)) {
		key_double(s, "confidence_reached", sum->confidence_reached);
		key_double(s, "missed_expected", sum->missed_expected);
		key_double(s, "missed_bound", sum->missed_bound);
	}
	key_uint(s, "hosts_limited", sum->hosts_limited);
	key_uint(s, "hosts_probes_limited", sum->hosts_probes_limited);
	key_uint(s, "hosts_unsure", sum->hosts_unsure);
	key_uint(s, "hosts_vanished", sum->hosts_vanished);
	key_bool(s, "interrupted", sum->interrupted);
	key_bool(s, "incomplete", sum->incomplete);
	put_word(s, "exit_status");
	check(s, yajl_gen_integer(s->gen, sum->exit_status));
	if (sum->error)
		key_text(s, "error", sum->error);
	line_close(s);
}

static int jsonl_close(struct sink *s, const struct scan_summary *sum)
{
	writer_ending(&s->w);
	put_summary(s, sum);
	int rc = writer_close(&s->w);
	yajl_gen_free(s->gen);
	free(s);
	return rc;
}

const struct sink_ops sink_jsonl = {
	.name = "jsonl",
	.per_host = false,
	.open = jsonl_open,
	.record = jsonl_record,
	.host = jsonl_host,
	.flush = jsonl_flush,
	.close = jsonl_close,
};
