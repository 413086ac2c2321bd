// nmap's -oG: one line for a host's status and one for its ports.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sink/format.h"
#include "sink/sink.h"
#include "sink/writer.h"

struct sink {
	struct sink_config cfg;
	struct writer w;
};

static void put_ports_scanned(struct sink *s)
{
	static const char *const protos[] = {"tcp", "udp", "sctp"};
	static const char *const titles[] = {"TCP", " UDP", " SCTP"};
	const struct scan_info *info = s->cfg.info;

	writer_puts(&s->w, "# Ports scanned:");
	for (unsigned i = 0; i < 3; i++) {
		bool this = info->proto && strcmp(info->proto, protos[i]) == 0;
		writer_printf(&s->w, "%s%s(%u;", i == 0 ? " " : "", titles[i], this ? info->port_count : 0);
		if (this && info->ports_text)
			writer_puts(&s->w, info->ports_text); // our own digits, however many
		writer_puts(&s->w, ")");
	}
	writer_puts(&s->w, " PROTOCOLS(0;)\n");
}

static int grepable_open(struct sink **out, const struct sink_config *cfg, struct err_text *e)
{
	struct sink *s = calloc(1, sizeof(*s));

	if (!s || writer_open(&s->w, cfg->fd, cfg->stop_fd) != 0) {
		if (s)
			(void)writer_close(&s->w);
		free(s);
		return err_set(e, -ENOMEM, "no memory for %s", cfg->path);
	}
	s->cfg = *cfg;
	format_file_header(&s->w, cfg->info);
	if (cfg->info->verbose)
		put_ports_scanned(s);
	writer_commit(&s->w);
	*out = s;
	return 0;
}

static void put_host_start(struct sink *s, const struct host_result *h)
{
	const char *name = h->ptr_name ? h->ptr_name : h->asked;
	char ip[ADDR_TEXT_MAX];

	addr_format(&h->addr, ip);
	writer_printf(&s->w, "Host: %s (", ip);
	writer_text(&s->w, name ? name : "");
	writer_puts(&s->w, ")\t");
}

static const char *status(const struct sink *s, const struct host_result *h)
{
	if (s->cfg.info->list_only)
		return "Unknown";
	if (h->timed_out)
		return "Timeout";
	return h->state == STATE_UP ? "Up" : "Down";
}

// A '/' inside a field would end it.
static void put_field(struct writer *w, const char *text)
{
	char safe[64];
	size_t n = 0;

	for (; text[n] && n < sizeof(safe) - 1; n++)
		safe[n] = text[n] == '/' || text[n] == ',' ? '|' : text[n];
	safe[n] = '\0';
	writer_text(w, safe);
}

static void put_ports(struct sink *s, const struct host_result *h)
{
	for (size_t i = 0; i < h->port_count; i++) {
		const struct port_result *p = &h->ports[i];
		writer_printf(&s->w, "%s%u/%s/%s//", i ? ", " : "", p->port, state_name(p->state),
			      record_proto_name(p->proto));
		put_field(&s->w, format_service(&s->cfg, p->proto, p->port));
		writer_puts(&s->w, "///");
	}
}

// The format has room for one: the state that most unlisted ports are in.
static void put_ignored(struct sink *s, const struct host_result *h)
{
	uint32_t sum[STATE_COUNT] = {0};
	unsigned most = 0;

	for (size_t i = 0; i < h->count_count; i++) {
		if (h->counts[i].state < STATE_COUNT)
			sum[h->counts[i].state] += h->counts[i].count;
	}
	for (unsigned i = 1; i < STATE_COUNT; i++) {
		if (sum[i] > sum[most])
			most = i;
	}
	if (sum[most] > 0)
		writer_printf(&s->w, "\tIgnored State: %s (%u)", state_name(most), sum[most]);
}

static int grepable_host(struct sink *s, const struct host_result *h)
{
	if (!format_host_shown(s->cfg.info, h))
		return s->w.error;
	put_host_start(s, h);
	writer_printf(&s->w, "Status: %s\n", status(s, h));
	if (h->port_count > 0 || h->count_count > 0) {
		put_host_start(s, h);
		writer_puts(&s->w, "Ports: ");
		put_ports(s, h);
		put_ignored(s, h);
		writer_puts(&s->w, "\n");
	}
	return writer_commit(&s->w);
}

static int grepable_flush(struct sink *s)
{
	return writer_flush(&s->w);
}

static int grepable_close(struct sink *s, const struct scan_summary *sum)
{
	writer_ending(&s->w);
	format_file_footer(&s->w, sum);
	int rc = writer_close(&s->w);
	free(s);
	return rc;
}

const struct sink_ops sink_grepable = {
	.name = "grepable",
	.per_host = true,
	.open = grepable_open,
	.host = grepable_host,
	.flush = grepable_flush,
	.close = grepable_close,
};
