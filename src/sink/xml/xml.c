// nmap's XML, valid against its DTD, written host by host. Module libprtip-xml.so.
#include <errno.h>
#include <libxml/xmlwriter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/module.h"
#include "base/text.h"
#include "sink/format.h"
#include "sink/sink.h"
#include "sink/writer.h"

#define OUTPUT_VERSION "1.05" // of nmap's format
#define ATTR_BYTES     16384
#define TO_MIN_US      100000U // nmap's bounds of a host's timeout
#define TO_MAX_US      10000000U

struct sink {
	struct sink_config cfg;
	struct writer w;
	xmlTextWriterPtr xml;
};

static const xmlChar *x(const char *s)
{
	return (const xmlChar *)s;
}

static int on_write(void *ctx, const char *data, int len)
{
	writer_put(&((struct sink *)ctx)->w, data, (size_t)len);
	return len; // the writer keeps its error
}

static int on_close(void *ctx)
{
	(void)ctx;
	return 0;
}

// libxml2 fails only when memory runs out or we call it out of order.
static void must(struct sink *s, int rc)
{
	if (rc < 0 && !s->w.error)
		s->w.error = -ENOMEM;
}

static void start(struct sink *s, const char *element)
{
	must(s, xmlTextWriterStartElement(s->xml, x(element)));
}

static void end(struct sink *s)
{
	must(s, xmlTextWriterEndElement(s->xml));
}

static void newline(struct sink *s)
{
	must(s, xmlTextWriterWriteRaw(s->xml, x("\n")));
}

// Our own words and numbers.
static void attr(struct sink *s, const char *name, const char *value)
{
	must(s, xmlTextWriterWriteAttribute(s->xml, x(name), x(value)));
}

// Text from the network or from people: XML has no way to write most control bytes.
static void attr_text(struct sink *s, const char *name, const char *value)
{
	char safe[ATTR_BYTES];

	text_escape(safe, sizeof(safe), value, strlen(value));
	attr(s, name, safe);
}

static void attr_int(struct sink *s, const char *name, long long value)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", value);
	attr(s, name, text);
}

// Hands what libxml2 holds to the writer, as a whole unit.
static int settle(struct sink *s)
{
	must(s, xmlTextWriterFlush(s->xml));
	return writer_commit(&s->w);
}

static void put_level(struct sink *s, const char *element, unsigned level)
{
	start(s, element);
	attr_int(s, "level", level);
	end(s);
	newline(s);
}

static void put_scaninfo(struct sink *s)
{
	const struct scan_info *info = s->cfg.info;

	if (!info->scan_type || info->list_only || info->port_count == 0)
		return;
	start(s, "scaninfo");
	attr(s, "type", info->scan_type);
	attr(s, "protocol", info->proto ? info->proto : "tcp");
	attr_int(s, "numservices", info->port_count);
	attr(s, "services", info->ports_text ? info->ports_text : "");
	end(s);
	newline(s);
}

static void put_header(struct sink *s)
{
	const struct scan_info *info = s->cfg.info;
	char when[FORMAT_TIME_MAX];

	format_ctime(info->start_wall_ns, when);
	must(s, xmlTextWriterStartDocument(s->xml, NULL, "UTF-8", NULL));
	must(s, xmlTextWriterWriteDTD(s->xml, x("nmaprun"), NULL, NULL, NULL));
	newline(s);
	start(s, "nmaprun");
	attr_text(s, "scanner", info->xml_scanner_name ? info->xml_scanner_name : "nmap");
	attr_text(s, "args", info->command_line ? info->command_line : "prtip");
	attr_int(s, "start", info->start_wall_ns / NS_PER_S);
	attr(s, "startstr", when);
	attr_text(s, "version", info->version);
	attr(s, "xmloutputversion", OUTPUT_VERSION);
	newline(s);
	put_scaninfo(s);
	put_level(s, "verbose", info->verbose);
	put_level(s, "debugging", info->debug);
}

static int xml_open(struct sink **out, const struct sink_config *cfg, struct err_text *e)
{
	struct sink *s = calloc(1, sizeof(*s));
	xmlOutputBufferPtr buffer = NULL;

	if (!s || writer_open(&s->w, cfg->fd, cfg->stop_fd) != 0)
		goto no_memory;
	s->cfg = *cfg;
	buffer = xmlOutputBufferCreateIO(on_write, on_close, s, NULL);
	s->xml = buffer ? xmlNewTextWriter(buffer) : NULL; // owns the buffer, also when it fails
	if (!s->xml)
		goto no_memory;
	put_header(s);
	settle(s);
	*out = s;
	return 0;
no_memory:
	if (s)
		(void)writer_close(&s->w);
	free(s);
	return err_set(e, -ENOMEM, "no memory for %s", cfg->path);
}

static void put_address(struct sink *s, const char *addr, const char *type)
{
	start(s, "address");
	attr(s, "addr", addr);
	attr(s, "addrtype", type);
	end(s);
	newline(s);
}

static void put_addresses(struct sink *s, const struct host_result *h)
{
	char ip[ADDR_TEXT_MAX], mac[18];

	addr_format(&h->addr, ip);
	put_address(s, ip, addr_is_v4(&h->addr) ? "ipv4" : "ipv6");
	if (!h->mac_known)
		return;
	snprintf(mac, sizeof(mac), "%02X:%02X:%02X:%02X:%02X:%02X", h->mac[0], h->mac[1], h->mac[2],
		 h->mac[3], h->mac[4], h->mac[5]);
	put_address(s, mac, "mac");
}

static void put_hostname(struct sink *s, const char *name, const char *type)
{
	if (!name)
		return;
	start(s, "hostname");
	attr_text(s, "name", name);
	attr(s, "type", type);
	end(s);
	newline(s);
}

static void put_status(struct sink *s, const struct host_result *h)
{
	bool list = s->cfg.info->list_only;

	start(s, "status");
	attr(s, "state", list ? "unknown" : state_name(h->state));
	attr(s, "reason", list ? "user-set" : reason_name(h->reason));
	attr_int(s, "reason_ttl", h->reason_ttl);
	end(s);
	newline(s);
}

// One element a state, with the reasons and protocols inside.
static void put_extraports(struct sink *s, const struct host_result *h, uint8_t state)
{
	uint32_t total = 0;

	for (size_t i = 0; i < h->count_count; i++)
		total += h->counts[i].state == state ? h->counts[i].count : 0;
	if (total == 0)
		return;
	start(s, "extraports");
	attr(s, "state", state_name(state));
	attr_int(s, "count", total);
	newline(s);
	for (size_t i = 0; i < h->count_count; i++) {
		const struct state_count *c = &h->counts[i];
		if (c->state != state)
			continue;
		start(s, "extrareasons");
		attr(s, "reason", reason_name(c->reason));
		attr_int(s, "count", c->count);
		attr(s, "proto", record_proto_name(c->proto));
		end(s);
		newline(s);
	}
	end(s);
	newline(s);
}

static void put_port(struct sink *s, const struct host_result *h, const struct port_result *p)
{
	const struct addr *from = host_speaker(h, p);
	char ip[ADDR_TEXT_MAX];
	const char *service = format_service(&s->cfg, p->proto, p->port);

	start(s, "port");
	attr(s, "protocol", record_proto_name(p->proto));
	attr_int(s, "portid", p->port);
	start(s, "state");
	attr(s, "state", state_name(p->state));
	attr(s, "reason", reason_name(p->reason));
	attr_int(s, "reason_ttl", p->ttl);
	if (from) {
		addr_format(from, ip);
		attr(s, "reason_ip", ip);
	}
	end(s);
	if (p->state == STATE_OPEN || strcmp(service, "unknown") != 0) {
		start(s, "service");
		attr_text(s, "name", service);
		attr(s, "method", "table");
		attr(s, "conf", "3");
		end(s);
	}
	end(s);
	newline(s);
}

static void put_ports(struct sink *s, const struct host_result *h)
{
	start(s, "ports");
	for (int state = 0; state < STATE_COUNT; state++)
		put_extraports(s, h, (uint8_t)state);
	for (size_t i = 0; i < h->port_count; i++)
		put_port(s, h, &h->ports[i]);
	end(s);
	newline(s);
}

static void put_times(struct sink *s, const struct host_result *h)
{
	uint64_t to = (uint64_t)h->srtt_us + 4 * (uint64_t)h->rttvar_us;

	if (h->srtt_us == 0)
		return;
	to = to < TO_MIN_US ? TO_MIN_US : to > TO_MAX_US ? TO_MAX_US : to;
	start(s, "times");
	attr_int(s, "srtt", h->srtt_us);
	attr_int(s, "rttvar", h->rttvar_us);
	attr_int(s, "to", (long long)to);
	end(s);
	newline(s);
}

static int xml_host(struct sink *s, const struct host_result *h)
{
	if (!format_host_shown(s->cfg.info, h))
		return s->w.error;
	start(s, "host");
	if (!s->cfg.info->list_only) {
		attr_int(s, "starttime", h->start_wall_ns / NS_PER_S);
		attr_int(s, "endtime", h->end_wall_ns / NS_PER_S);
	}
	if (h->timed_out)
		attr(s, "timedout", "true");
	if (h->incomplete)
		attr(s, "comment", "interrupted before it was done");
	put_status(s, h);
	put_addresses(s, h);
	start(s, "hostnames");
	newline(s);
	put_hostname(s, h->asked, "user");
	put_hostname(s, h->ptr_name, "PTR");
	end(s);
	newline(s);
	if (!s->cfg.info->list_only && h->state == STATE_UP) {
		put_ports(s, h);
		put_times(s, h);
	}
	end(s);
	newline(s);
	return settle(s);
}

static int xml_flush(struct sink *s)
{
	return writer_flush(&s->w);
}

static void put_finished(struct sink *s, const struct scan_summary *sum)
{
	char when[FORMAT_TIME_MAX], outcome[128], text[256];
	const char *error = sum->error ? sum->error : sum->interrupted ? "interrupted" : NULL;

	format_ctime(sum->end_wall_ns, when);
	format_outcome(sum, outcome);
	snprintf(text, sizeof(text), "prtip done at %s; %s", when, outcome);
	start(s, "finished");
	attr_int(s, "time", sum->end_wall_ns / NS_PER_S);
	attr(s, "timestr", when);
	attr(s, "summary", text);
	snprintf(text, sizeof(text), "%.2f", (double)sum->elapsed_ns / NS_PER_S);
	attr(s, "elapsed", text);
	attr(s, "exit", error ? "error" : "success");
	if (error)
		attr_text(s, "errormsg", error);
	end(s);
}

static int xml_close(struct sink *s, const struct scan_summary *sum)
{
	uint64_t up = sum->c.hosts_up, total = sum->c.hosts_total;

	writer_ending(&s->w);
	start(s, "runstats");
	put_finished(s, sum);
	start(s, "hosts");
	attr_int(s, "up", (long long)up);
	attr_int(s, "down", (long long)(total > up ? total - up : 0));
	attr_int(s, "total", (long long)total);
	end(s);
	newline(s);
	end(s);
	newline(s);
	must(s, xmlTextWriterEndDocument(s->xml));
	settle(s);
	xmlFreeTextWriter(s->xml);
	int rc = writer_close(&s->w);
	free(s);
	return rc;
}

static const struct sink_ops sink_xml = {
	.name = "xml",
	.per_host = true,
	.open = xml_open,
	.host = xml_host,
	.flush = xml_flush,
	.close = xml_close,
};

MODULE_EXPORT const struct module_info *prtip_module(void)
{
	static const struct module_info info = {.abi = MODULE_ABI, .name = "xml", .ops = &sink_xml};
	return &info;
}
