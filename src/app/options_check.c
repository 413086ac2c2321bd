#include <stdio.h>
#include <string.h>

#include "app/options_private.h"
#include "base/num.h"
#include "base/text.h"

struct shown {
	char text[128];
};

static struct shown show(const char *text)
{
	struct shown s;
	text_escape(s.text, sizeof(s.text), text, strlen(text));
	return s;
}

// Two options that say opposite things.
struct clash {
	bool both;
	const char *first, *second, *why;
};

static int refuse_clashes(const struct clash *rows, size_t count, struct err_text *e)
{
	for (size_t i = 0; i < count; i++) {
		if (rows[i].both)
			return err_set(e, ERR_USAGE, "%s and %s contradict each other: %s", rows[i].first,
				       rows[i].second, rows[i].why);
	}
	return 0;
}

static int check_targets(const struct target_settings *t, struct err_text *e)
{
	const struct clash rows[] = {
		{t->no_dns && t->always_dns, "-n", "-R",
		 "one forbids looking up names, the other demands it"},
		{t->input_file && t->exclude_file && strcmp(t->input_file, "-") == 0 &&
			 strcmp(t->exclude_file, "-") == 0,
		 "-iL -", "--excludefile -", "standard input can be read only once"},
	};
	if (t->specs.count == 0 && !t->input_file)
		return err_set(e, ERR_USAGE,
			       "no targets were given; expected an address, a range, a name or -iL FILE (see "
			       "--help)");
	return refuse_clashes(rows, COUNT_OF(rows), e);
}

static bool port_is_good(const char *text)
{
	uint64_t port;
	return num_parse_u64(text, 1, 65535, "", &port, NULL) == 0;
}

// "ADDR", "ADDR:PORT" for IPv4, "[ADDR]:PORT".
static bool dns_server_is_good(char *text)
{
	struct addr a;
	char *colon;

	if (text[0] == '[') {
		char *end = strchr(text, ']');
		if (!end || (end[1] && (end[1] != ':' || !port_is_good(end + 2))))
			return false;
		*end = '\0';
		return addr_parse(text + 1, &a, NULL) == 0 && !addr_is_v4(&a);
	}
	colon = strchr(text, ':');
	if (colon && !strchr(colon + 1, ':')) {
		if (!port_is_good(colon + 1))
			return false;
		*colon = '\0';
		return addr_parse(text, &a, NULL) == 0 && addr_is_v4(&a);
	}
	return addr_parse(text, &a, NULL) == 0;
}

static int check_dns_servers(const char *list, struct err_text *e)
{
	for (const char *p = list; p;) {
		char one[128];
		size_t len = strcspn(p, ",");
		snprintf(one, sizeof(one), "%.*s", (int)(len < sizeof(one) ? len : sizeof(one)), p);
		struct shown s = show(one);
		if (len >= sizeof(one) || !dns_server_is_good(one))
			return err_set(
				e, ERR_SYNTAX,
				"--dns-servers: \"%s\" is no name server; expected an address, or one with a "
				"port as in 192.0.2.1:53",
				s.text);
		p = p[len] ? p + len + 1 : NULL;
	}
	return 0;
}

static const char *ports_option(const struct port_settings *p)
{
	if (p->ports)
		return "-p";
	if (p->fast)
		return "-F";
	if (p->top)
		return "--top-ports";
	return p->exclude ? "--exclude-ports" : NULL;
}

static int check_scan(const struct settings *s, struct err_text *e)
{
	const struct scan_settings *c = &s->scan;
	const struct port_settings *p = &s->ports;
	const char *ports = ports_option(p);
	static const char one_scan[] = "a scan has one technique";
	static const char no_ports[] = "no port is scanned then";
	const struct clash rows[] = {
		{c->syn && c->connect, "-sS", "-sT", one_scan},
		{c->list_only && c->discover_only, "-sL", "-sn", one_scan},
		{c->list_only && c->syn, "-sL", "-sS", one_scan},
		{c->list_only && c->connect, "-sL", "-sT", one_scan},
		{c->list_only && c->dry_run, "-sL", "--dry-run", "neither sends a probe"},
		{c->discover_only && c->syn, "-sn", "-sS", one_scan},
		{c->discover_only && c->connect, "-sn", "-sT", one_scan},
		{c->discover_only && c->no_discovery, "-sn", "-Pn", "nothing would be left to do"},
		{c->discover_only && ports, "-sn", ports, no_ports},
		{c->list_only && ports, "-sL", ports, no_ports},
		{p->fast && p->ports, "-F", "-p", "both choose the ports"},
		{p->fast && p->top, "-F", "--top-ports", "both choose the ports"},
		{p->top && p->ports, "--top-ports", "-p", "both choose the ports"},
	};
	return refuse_clashes(rows, COUNT_OF(rows), e);
}

// What would have no effect is refused rather than ignored.
static int check_effect(const struct settings *s, struct err_text *e)
{
	const struct scan_settings *c = &s->scan;
	const struct timing_settings *t = &s->timing;
	static const char listed[] = "the targets are only listed";
	const struct clash rows[] = {
		{c->discover_only && s->order.max_probes, "-sn", "--max-probes", "no port is scanned then"},
		{c->discover_only && t->host_timeout_ns, "-sn", "--host-timeout",
		 "host discovery ends by itself"},
		{c->list_only && s->order.max_probes, "-sL", "--max-probes", listed},
		{c->list_only && s->order.shard_count > 1, "-sL", "--shard", listed},
		{c->connect && c->batch_size_given, "-sT", "--batch-size",
		 "it counts frames, not connections"},
		{c->connect && c->receive_batch_given, "-sT", "--receive-batch",
		 "it counts frames, not connections"},
		{c->connect && t->wait_given, "-sT", "--wait", "every connection ends by itself"},
	};
	return refuse_clashes(rows, COUNT_OF(rows), e);
}

static int check_engine(const struct scan_settings *c, struct err_text *e)
{
	static const char *const names[] = {"",
					    "--engine afpacket",
					    "--engine rawip",
					    "--engine uring",
					    "--engine epoll",
					    "--engine xdp"};
	bool frames = c->engine == ENGINE_AFPACKET || c->engine == ENGINE_RAWIP || c->engine == ENGINE_XDP;
	bool streams = c->engine == ENGINE_URING || c->engine == ENGINE_EPOLL;
	const char *engine = names[c->engine];
	const struct clash rows[] = {
		{c->privileged && c->unprivileged, "--privileged", "--unprivileged", "only one can be true"},
		{c->unprivileged && c->syn, "-sS", "--unprivileged", "a SYN scan needs raw sockets"},
		{c->unprivileged && frames, engine, "--unprivileged", "this engine needs raw sockets"},
		{streams && c->syn, engine, "-sS", "this engine only makes connections"},
		{streams && c->discover_only, engine, "-sn", "this engine only makes connections"},
		{frames && c->connect, engine, "-sT", "this engine makes no connections"},
	};
	int r = refuse_clashes(rows, COUNT_OF(rows), e);
	if (r || c->engine == ENGINE_XDP)
		return r;
	const char *alone = c->keep_half_open    ? "--keep-half-open"
			    : c->xdp_batch_given ? "--xdp-batch"
						 : NULL;
	return alone ? err_set(e, ERR_USAGE, "%s without --engine xdp; expected both: no other engine has it",
			       alone)
		     : 0;
}

static int rate_above(double low, double high, struct err_text *e)
{
	return err_set(e, ERR_USAGE, "--min-rate %.15g is above --max-rate %.15g; expected at most as much",
		       low, high);
}

static int time_above(const char *low_name, int64_t low, const char *high_name, int64_t high,
		      struct err_text *e)
{
	char low_text[32], high_text[32];

	num_duration_text(low_text, sizeof(low_text), low);
	num_duration_text(high_text, sizeof(high_text), high);
	return err_set(e, ERR_USAGE, "%s %s is above %s %s; expected at most as much", low_name, low_text,
		       high_name, high_text);
}

static int check_timing(const struct timing_settings *t, struct err_text *e)
{
	static const char fixed[] = "--rate sets both limits";
	const struct clash rows[] = {
		{t->rate > 0 && t->min_rate > 0, "--rate", "--min-rate", fixed},
		{t->rate > 0 && t->max_rate > 0, "--rate", "--max-rate", fixed},
	};
	int rc = refuse_clashes(rows, COUNT_OF(rows), e);
	if (rc)
		return rc;
	if (t->max_rate > 0 && t->min_rate > t->max_rate)
		return rate_above(t->min_rate, t->max_rate, e);
	if (t->min_rtt_given && t->max_rtt_given && t->min_rtt_ns > t->max_rtt_ns)
		return time_above("--min-rtt-timeout", t->min_rtt_ns, "--max-rtt-timeout", t->max_rtt_ns, e);
	if (t->min_rtt_given && t->initial_rtt_given && t->min_rtt_ns > t->initial_rtt_ns)
		return time_above("--min-rtt-timeout", t->min_rtt_ns, "--initial-rtt-timeout",
				  t->initial_rtt_ns, e);
	if (t->initial_rtt_given && t->max_rtt_given && t->initial_rtt_ns > t->max_rtt_ns)
		return time_above("--initial-rtt-timeout", t->initial_rtt_ns, "--max-rtt-timeout",
				  t->max_rtt_ns, e);
	return 0;
}

// The next component of a path without "." and empty ones.
static size_t next_component(const char **p)
{
	for (;;) {
		*p += strspn(*p, "/");
		size_t len = strcspn(*p, "/");
		if (len != 1 || **p != '.')
			return len;
		*p += 1;
	}
}

bool options_same_file(const char *a, const char *b)
{
	if (strcmp(a, "/dev/stdout") == 0)
		a = "-";
	if (strcmp(b, "/dev/stdout") == 0)
		b = "-";
	if (strcmp(a, "-") == 0 || strcmp(b, "-") == 0)
		return strcmp(a, b) == 0;
	if (strcmp(a, "/dev/null") == 0 || (*a == '/') != (*b == '/'))
		return false;
	for (;;) {
		size_t la = next_component(&a), lb = next_component(&b);
		if (la != lb || memcmp(a, b, la) != 0)
			return false;
		if (la == 0)
			return true;
		a += la;
		b += lb;
	}
}

static const char *const output_names[OUTPUT_FORMATS] = {"-oN", "-oX", "-oG", "-oJ"};

static int check_output_inputs(const struct settings *s, const char *name, const char *file,
			       struct err_text *e)
{
	const struct {
		const char *name, *file;
	} inputs[] = {
		{"-iL", s->target.input_file},
		{"--excludefile", s->target.exclude_file},
		{"--servicedb", s->ports.service_db},
	};
	for (size_t i = 0; i < COUNT_OF(inputs); i++) {
		// "-" is another stream on either side.
		if (!inputs[i].file || strcmp(inputs[i].file, "-") == 0 ||
		    !options_same_file(inputs[i].file, file))
			continue;
		struct shown f = show(file);
		return err_set(e, ERR_USAGE,
			       "%s and %s name the same file \"%s\"; expected an output of its own",
			       inputs[i].name, name, f.text);
	}
	return 0;
}

static int check_output_pairs(const struct output_settings *o, struct err_text *e)
{
	for (int i = 0; i < OUTPUT_FORMATS; i++) {
		for (int k = 0; k < i; k++) {
			if (!o->files[i] || !o->files[k] || !options_same_file(o->files[i], o->files[k]))
				continue;
			struct shown f = show(o->files[i]);
			return err_set(e, ERR_USAGE,
				       "%s and %s both write \"%s\"; expected one file for each",
				       output_names[k], output_names[i], f.text);
		}
	}
	return 0;
}

static int check_output(const struct settings *s, struct err_text *e)
{
	const struct output_settings *o = &s->output;
	char made[4096];

	if (o->basename && strlen(o->basename) > 4000)
		return err_set(e, ERR_RANGE, "-oA: the name has %zu bytes; expected at most 4000",
			       strlen(o->basename));
	if (o->basename && strcmp(o->basename, "-") == 0)
		return err_set(e, ERR_USAGE,
			       "-oA: \"-\" is no base name; expected one, as several files are written");
	if (o->open_only && o->all_states)
		return err_set(e, ERR_USAGE,
			       "--open and --all-states contradict each other: one reports open ports "
			       "only, the other all");
	for (int i = 0; i < OUTPUT_FORMATS; i++) {
		if (o->files[i] && o->basename)
			return err_set(e, ERR_USAGE,
				       "%s and -oA contradict each other: -oA writes every format",
				       output_names[i]);
		const char *file = options_output_file(o, (enum output_format)i, made, sizeof(made));
		if (!file)
			continue;
		int rc = check_output_inputs(s, o->basename ? "-oA" : output_names[i], file, e);
		if (rc)
			return rc;
	}
	return check_output_pairs(o, e);
}

int options_check(const struct settings *s, struct err_text *e)
{
	int rc = check_targets(&s->target, e);

	if (rc == 0 && s->target.dns_servers)
		rc = check_dns_servers(s->target.dns_servers, e);
	if (rc == 0)
		rc = check_scan(s, e);
	if (rc == 0)
		rc = check_engine(&s->scan, e);
	if (rc == 0)
		rc = check_effect(s, e);
	if (rc == 0)
		rc = check_timing(&s->timing, e);
	if (rc == 0)
		rc = check_output(s, e);
	return rc;
}
