#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "app/options_private.h"
#include "base/text.h"

#define AT(field) offsetof(struct scan_settings, field)

static const char scan_group[] = "SCAN TECHNIQUES";
static const char send_group[] = "SENDING";

static const char *const engines[] = {"auto", "afpacket", "rawip", "uring", "epoll", "xdp", NULL};

static int add_source(struct source_settings *s, const char *text, struct err_text *e)
{
	struct addr a;
	struct err_text inner = {""};

	if (addr_parse(text, &a, &inner))
		return err_set(e, ERR_SYNTAX, "%.300s; expected an address of this machine", inner.text);
	bool *has = addr_is_v4(&a) ? &s->has_v4 : &s->has_v6;
	if (*has)
		return err_set(e, ERR_USAGE,
			       "\"%s\" is a second IPv%d address; expected at most one of each family", text,
			       addr_is_v4(&a) ? 4 : 6);
	*has = true;
	*(addr_is_v4(&a) ? &s->v4 : &s->v6) = a;
	return 0;
}

static int parse_source(void *config, const char *text, struct err_text *e)
{
	struct scan_settings *s = config;

	s->source = (struct source_settings){0}; // the same list once more is no fault
	for (const char *p = text;; p++) {
		char one[ADDR_TEXT_MAX];
		size_t len = strcspn(p, ",");
		if (len == 0 || len >= sizeof(one)) {
			char shown[128];
			text_escape(shown, sizeof(shown), text, strlen(text));
			return err_set(e, ERR_SYNTAX,
				       "\"%s\" is no list of addresses; expected one, or two with a comma",
				       shown);
		}
		snprintf(one, sizeof(one), "%.*s", (int)len, p);
		int rc = add_source(&s->source, one, e);
		if (rc)
			return rc;
		p += len;
		if (!*p)
			return 0;
	}
}

static int parse_interface(void *config, const char *text, struct err_text *e)
{
	struct scan_settings *s = config;

	if (strlen(text) >= IF_NAMESIZE || strpbrk(text, "/ \t\n")) {
		char shown[128];
		text_escape(shown, sizeof(shown), text, strlen(text));
		return err_set(e, ERR_SYNTAX,
			       "\"%s\" is no interface name; expected at most %d letters, such as eth0",
			       shown, IF_NAMESIZE - 1);
	}
	s->interface = text;
	return 0;
}

static const struct option entries[] = {
	{.name = "-sS",
	 .type = OPT_FLAG,
	 .offset = AT(syn),
	 .group = scan_group,
	 .help = "TCP SYN scan: no connection is completed; needs raw sockets",
	 .fallback = "where permitted"},
	{.name = "-sT",
	 .type = OPT_FLAG,
	 .offset = AT(connect),
	 .group = scan_group,
	 .help = "TCP connect scan: needs no privilege",
	 .fallback = "where -sS is not permitted"},
	{.name = "-sL",
	 .type = OPT_FLAG,
	 .offset = AT(list_only),
	 .group = scan_group,
	 .help = "List the targets and send nothing to them"},
	{.name = "-sn",
	 .alias = "-sP",
	 .type = OPT_FLAG,
	 .offset = AT(discover_only),
	 .group = scan_group,
	 .help = "Find out which hosts are up and scan no ports"},
	{.name = "-Pn",
	 .alias = "-PN",
	 .type = OPT_FLAG,
	 .offset = AT(no_discovery),
	 .group = scan_group,
	 .help = "Take all hosts as up and scan the ports of each"},
	{.name = "--dry-run",
	 .type = OPT_FLAG,
	 .offset = AT(dry_run),
	 .group = scan_group,
	 .help = "Do everything but the sending, and say what would be sent"},
	{.name = "-e",
	 .alias = "--interface",
	 .type = OPT_CUSTOM,
	 .parse = parse_interface,
	 .arg = "IFACE",
	 .group = send_group,
	 .help = "Send through this network interface",
	 .fallback = "by the routes"},
	{.name = "-S",
	 .alias = "--source-ip",
	 .type = OPT_CUSTOM,
	 .parse = parse_source,
	 .arg = "ADDR",
	 .group = send_group,
	 .help = "Send from this address; one IPv4 and one IPv6 may be given, with a comma",
	 .fallback = "by the routes"},
	{.name = "-g",
	 .alias = "--source-port",
	 .type = OPT_U64,
	 .offset = AT(source_port),
	 .set_offset = AT(source_port_given),
	 .min = 1,
	 .max = 65535,
	 .arg = "N",
	 .group = send_group,
	 .help = "Send from this port",
	 .detail = "All tries of a probe then look alike, so round-trip times are taken from first answers "
		   "only.",
	 .fallback = "a range outside the kernel's own"},
	{.name = "--ttl",
	 .type = OPT_U64,
	 .offset = AT(ttl),
	 .min = 1,
	 .max = 255,
	 .arg = "N",
	 .group = send_group,
	 .help = "Time to live, or hop limit, of what is sent",
	 .fallback = "the system's"},
	{.name = "--engine",
	 .type = OPT_CHOICE,
	 .offset = AT(engine),
	 .choices = engines,
	 .arg = "NAME",
	 .group = send_group,
	 .help = "How to send",
	 .detail = "xdp, afpacket and rawip send frames for -sS; uring and epoll make connections, so "
		   "-sT is meant with them. xdp lets the kernel emit millions of frames a second, is "
		   "chosen for large scans where every interface can do it, and sees only answers that "
		   "come in by an interface that it sends from. -d tells which engine was taken, and why "
		   "another was not.",
	 .fallback = "auto"},
	{.name = "--xdp-batch",
	 .type = OPT_U64,
	 .offset = AT(xdp_batch),
	 .set_offset = AT(xdp_batch_given),
	 .min = 1,
	 .max = 256,
	 .arg = "N",
	 .group = send_group,
	 .help = "Frames in one round of the XDP emitter",
	 .fallback = "64"},
	{.name = "--keep-half-open",
	 .type = OPT_FLAG,
	 .offset = AT(keep_half_open),
	 .group = send_group,
	 .help = "Do not let the kernel reset the connections that open ports offer",
	 .detail = "Answers end in the XDP receiver. Faster, but the targets wait for the rest of the "
		   "handshake and "
		   "send their answer again. With --engine xdp only."},
	{.name = "--batch-size",
	 .type = OPT_U64,
	 .offset = AT(batch_size),
	 .set_offset = AT(batch_size_given),
	 .min = 1,
	 .max = 1024,
	 .arg = "N",
	 .group = send_group,
	 .help = "Frames handed to the kernel at once",
	 .fallback = "300"},
	{.name = "--receive-batch",
	 .type = OPT_U64,
	 .offset = AT(receive_batch),
	 .set_offset = AT(receive_batch_given),
	 .min = 16,
	 .max = 1024,
	 .arg = "N",
	 .group = send_group,
	 .help = "Frames taken at once from where answers arrive",
	 .detail = "That is a socket, a ring in shared memory, or the buffer of the XDP receiver.",
	 .fallback = "256"},
	{.name = "--send-threads",
	 .type = OPT_U64,
	 .offset = AT(send_threads),
	 .max = 16,
	 .arg = "N",
	 .group = send_group,
	 .help = "Threads that send; 0 lets the program choose",
	 .fallback = "0"},
	{.name = "--privileged",
	 .type = OPT_FLAG,
	 .offset = AT(privileged),
	 .group = send_group,
	 .help = "Assume that raw sockets are permitted"},
	{.name = "--unprivileged",
	 .type = OPT_FLAG,
	 .offset = AT(unprivileged),
	 .group = send_group,
	 .help = "Assume that raw sockets are not permitted"},
};

const struct option_group options_scan = {entries, COUNT_OF(entries)};
