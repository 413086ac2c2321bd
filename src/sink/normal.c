// The report for people, in the shape that nmap's readers know.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "sink/format.h"
#include "sink/sink.h"
#include "sink/writer.h"

struct sink {
	struct sink_config cfg;
	struct writer w;
	bool live; // standard output: somebody may be watching
};

static int normal_open(struct sink **out, const struct sink_config *cfg, struct err_text *e)
{
	struct sink *s = calloc(1, sizeof(*s));
	char when[FORMAT_TIME_MAX];

	if (!s || writer_open(&s->w, cfg->fd, cfg->stop_fd) != 0) {
		if (s)
			(void)writer_close(&s->w);
		free(s);
		return err_set(e, -ENOMEM, "no memory for %s", cfg->path);
	}
	s->cfg = *cfg;
	s->live = cfg->fd == 1;
	if (s->live) {
		format_minute(cfg->info->start_wall_ns, when);
		writer_printf(&s->w, "Starting prtip %s at %s\n", cfg->info->version, when);
	} else {
		format_file_header(&s->w, cfg->info);
	}
	writer_commit(&s->w);
	*out = s;
	return 0;
}

static int normal_record(struct sink *s, const struct record *r)
{
	char ip[ADDR_TEXT_MAX];

	if (!s->live || !s->cfg.info->verbose || r->state != STATE_OPEN)
		return s->w.error;
	addr_format(&r->addr, ip);
	writer_printf(&s->w, "Discovered open port %u/%s on %s\n", r->port, record_proto_name(r->proto), ip);
	return writer_commit(&s->w);
}

enum column { COLUMN_PORT, COLUMN_STATE, COLUMN_SERVICE, COLUMN_REASON, COLUMN_COUNT };

#define CELL_MAX 128

// "host-unreach from 198.18.0.1 ttl 64"
static void reason_cell(const struct host_result *h, const struct port_result *p, char cell[CELL_MAX])
{
	const struct addr *from = host_speaker(h, p);
	char ip[ADDR_TEXT_MAX] = "", ttl[16] = "";

	if (from)
		addr_format(from, ip);
	if (p->ttl)
		snprintf(ttl, sizeof(ttl), " ttl %u", p->ttl);
	snprintf(cell, CELL_MAX, "%s%s%s%s", reason_name(p->reason), from ? " from " : "", ip, ttl);
}

static void port_cells(const struct sink *s, const struct host_result *h, const struct port_result *p,
		       char cell[COLUMN_COUNT][CELL_MAX])
{
	const char *service = format_service(&s->cfg, p->proto, p->port);

	snprintf(cell[COLUMN_PORT], CELL_MAX, "%u/%s", p->port, record_proto_name(p->proto));
	snprintf(cell[COLUMN_STATE], CELL_MAX, "%s", state_name(p->state));
	text_escape(cell[COLUMN_SERVICE], CELL_MAX, service, strlen(service));
	reason_cell(h, p, cell[COLUMN_REASON]);
}

static void put_row(struct sink *s, char cell[COLUMN_COUNT][CELL_MAX], const size_t width[COLUMN_COUNT])
{
	unsigned last = s->cfg.info->show_reason ? COLUMN_REASON : COLUMN_SERVICE;

	for (unsigned c = 0; c < last; c++)
		writer_printf(&s->w, "%-*s ", (int)width[c], cell[c]);
	writer_printf(&s->w, "%s\n", cell[last]);
	writer_commit(&s->w);
}

static void put_table(struct sink *s, const struct host_result *h)
{
	char cell[COLUMN_COUNT][CELL_MAX] = {"PORT", "STATE", "SERVICE", "REASON"};
	char head[COLUMN_COUNT][CELL_MAX];
	size_t width[COLUMN_COUNT];

	memcpy(head, cell, sizeof(head));
	for (unsigned c = 0; c < COLUMN_COUNT; c++)
		width[c] = strlen(cell[c]);
	for (size_t i = 0; i < h->port_count; i++) {
		port_cells(s, h, &h->ports[i], cell);
		for (unsigned c = 0; c < COLUMN_COUNT; c++) {
			if (strlen(cell[c]) > width[c])
				width[c] = strlen(cell[c]);
		}
	}
	put_row(s, head, width);
	for (size_t i = 0; i < h->port_count; i++) {
		port_cells(s, h, &h->ports[i], cell);
		put_row(s, cell, width);
	}
}

static void put_not_shown(struct sink *s, const struct host_result *h)
{
	if (h->count_count == 0)
		return;
	if (h->port_count == 0 && !h->timed_out && !h->incomplete) {
		writer_printf(&s->w, "All %u scanned ports on ", h->ports_total);
		format_title(&s->w, h);
		writer_puts(&s->w, " are in ignored states.\n");
	}
	for (size_t i = 0; i < h->count_count; i++) {
		const struct state_count *c = &h->counts[i];
		writer_printf(&s->w, "%s%u %s %s port%s (%s)", i ? ", " : "Not shown: ", c->count,
			      state_name(c->state), record_proto_name(c->proto), c->count == 1 ? "" : "s",
			      reason_name(c->reason));
	}
	writer_puts(&s->w, "\n");
}

static void put_alive(struct sink *s, const struct host_result *h)
{
	char latency[FORMAT_TIME_MAX];

	writer_puts(&s->w, "Host is up");
	if (s->cfg.info->show_reason) {
		writer_printf(&s->w, ", received %s", reason_name(h->reason));
		if (h->reason_ttl)
			writer_printf(&s->w, " ttl %u", h->reason_ttl);
	}
	if (h->srtt_us) {
		format_seconds(h->srtt_us / 1e6, latency);
		writer_printf(&s->w, " (%ss latency)", latency);
	}
	writer_puts(&s->w, ".\n");
}

static uint32_t ports_known(const struct host_result *h)
{
	uint32_t n = (uint32_t)h->port_count;

	for (size_t i = 0; i < h->count_count; i++)
		n += h->counts[i].count;
	return n;
}

static void put_notes(struct sink *s, const struct host_result *h)
{
	if (h->rst_limited || h->icmp_limited)
		writer_printf(&s->w, "Note: this host limits the rate of its %s.\n",
			      h->rst_limited ? (h->icmp_limited ? "resets and ICMP errors" : "resets")
					     : "ICMP errors");
	if (h->timed_out) {
		writer_puts(&s->w, "Skipping host ");
		format_title(&s->w, h);
		writer_printf(&s->w, " due to host timeout (%u of %u ports are known)\n", ports_known(h),
			      h->ports_total);
	} else if (h->incomplete) {
		writer_printf(&s->w, "Interrupted before this host was done (%u of %u ports are known)\n",
			      ports_known(h), h->ports_total);
	}
}

static int normal_host(struct sink *s, const struct host_result *h)
{
	if (!format_host_shown(s->cfg.info, h))
		return s->w.error;
	writer_puts(&s->w, "Nmap scan report for ");
	format_title(&s->w, h);
	if (s->cfg.info->list_only || h->state != STATE_UP) {
		if (h->state != STATE_UP && !s->cfg.info->list_only)
			writer_printf(&s->w, " [host down%s%s]",
				      s->cfg.info->show_reason ? ", received " : "",
				      s->cfg.info->show_reason ? reason_name(h->reason) : "");
		writer_puts(&s->w, "\n");
		return writer_commit(&s->w);
	}
	writer_puts(&s->w, "\n");
	put_alive(s, h);
	if (h->asked && h->ptr_name && strcmp(h->asked, h->ptr_name) != 0) {
		char ip[ADDR_TEXT_MAX];
		addr_format(&h->addr, ip);
		writer_printf(&s->w, "rDNS record for %s: ", ip);
		writer_text(&s->w, h->ptr_name);
		writer_puts(&s->w, "\n");
	}
	put_not_shown(s, h);
	if (h->port_count > 0) {
		if (h->count_count == 0)
			writer_puts(&s->w, "\n");
		put_table(s, h);
	}
	if (h->mac_known)
		writer_printf(&s->w, "MAC Address: %02X:%02X:%02X:%02X:%02X:%02X (Unknown)\n", h->mac[0],
			      h->mac[1], h->mac[2], h->mac[3], h->mac[4], h->mac[5]);
	put_notes(s, h);
	if (h->ports_total > 0)
		writer_puts(&s->w, "\n");
	return writer_commit(&s->w);
}

static void put_missed(struct writer *w, const struct scan_summary *sum)
{
	if (!scan_summary_missed_known(sum)) {
		writer_puts(w, "ended early: how many open ports are missed is not known\n");
		return;
	}
	writer_printf(w, "%.4f open ports expected to be missed (95 %% bound %.2f)\n", sum->missed_expected,
		      sum->missed_bound);
	if (sum->confidence_asked > 0 && sum->confidence_reached < sum->confidence_asked)
		writer_printf(w, "Confidence %.6g was asked for, %.6g was reached.\n", sum->confidence_asked,
			      sum->confidence_reached);
}

// " limits" or "s limit", behind "N host".
static const char *limit(unsigned hosts)
{
	return hosts == 1 ? " limits" : "s limit";
}

static void put_limits(struct writer *w, const struct scan_summary *sum)
{
	unsigned answers = sum->hosts_limited - sum->hosts_unsure;
	if (answers)
		writer_printf(w, "%u host%s the rate of %s answers.\n", answers, limit(answers),
			      answers == 1 ? "its" : "their");
	if (sum->hosts_probes_limited)
		writer_printf(w, "%u host%s the rate of probes taken, and got them more slowly.\n",
			      sum->hosts_probes_limited, limit(sum->hosts_probes_limited));
	if (sum->hosts_unsure == 0)
		return;
	writer_printf(
		w,
		"%u host%s the rate of answers or of probes; no open port told which, and what is silent "
		"may be open.",
		sum->hosts_unsure, limit(sum->hosts_unsure));
	if (sum->unsure_pps >= 1)
		writer_printf(w, " A scan with --max-rate %.0f tells.", sum->unsure_pps);
	writer_puts(w, "\n");
}

static void put_evidence(struct writer *w, const struct scan_summary *sum)
{
	if (sum->c.frames == 0)
		return;
	if (scan_summary_loss_known(sum))
		writer_printf(w, "Loss %.1f %%; ", sum->loss * 100);
	else
		writer_printf(w, "Loss not measured; ");
	writer_printf(w, "%u %s; ", sum->tries, sum->tries == 1 ? "try" : "tries");
	put_missed(w, sum);
	put_limits(w, sum);
	if (sum->hosts_vanished)
		writer_printf(
			w,
			"%u host%s answered at first and then no more: what was silent there may be open.\n",
			sum->hosts_vanished, sum->hosts_vanished == 1 ? "" : "s");
	if (sum->c.hosts_timed_out)
		writer_printf(w, "%llu host%s timed out.\n", (unsigned long long)sum->c.hosts_timed_out,
			      sum->c.hosts_timed_out == 1 ? "" : "s");
	if (sum->c.ring_drops)
		writer_printf(w, "%llu answers were lost on this machine before they were read.\n",
			      (unsigned long long)sum->c.ring_drops);
}

static int normal_flush(struct sink *s)
{
	return writer_flush(&s->w);
}

static int normal_close(struct sink *s, const struct scan_summary *sum)
{
	char outcome[128];

	writer_ending(&s->w);
	if (sum->interrupted)
		writer_puts(&s->w, "Interrupted.\n");
	if (s->live) {
		if (sum->error) {
			writer_puts(&s->w, "Ended early: ");
			writer_text(&s->w, sum->error);
			writer_puts(&s->w, "\n");
		}
		format_outcome(sum, outcome);
		writer_printf(&s->w, "prtip done: %s\n", outcome);
	}
	put_evidence(&s->w, sum);
	if (!s->live)
		format_file_footer(&s->w, sum);
	int rc = writer_close(&s->w);
	free(s);
	return rc;
}

const struct sink_ops sink_normal = {
	.name = "normal",
	.per_host = true,
	.open = normal_open,
	.record = normal_record,
	.host = normal_host,
	.flush = normal_flush,
	.close = normal_close,
};
