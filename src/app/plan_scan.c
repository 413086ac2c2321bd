// Safety of the targets, and the scan's policy from the settings.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/plan.h"
#include "target/reserved.h"

#define MANY_PUBLIC (1u << 24)
#define SAMPLE_STEP 65536u

static u128 range_size(const struct addr_range *r)
{
	return addr_value(&r->last) - addr_value(&r->first) + 1;
}

// About how many of the targets are public addresses, in steps of 2^16.
static u128 public_count(const struct plan *p)
{
	u128 sum = 0;
	for (size_t i = 0; i < addrset_range_count(p->targets); i++) {
		const struct addr_range *r = &addrset_ranges(p->targets)[i];
		u128 size = range_size(r);
		u128 step = addr_is_v4(&r->first) ? SAMPLE_STEP : size;
		for (u128 at = 0; at < size; at += step) {
			struct addr a = addr_of_value(addr_value(&r->first) + at, 0);
			if (addr_is_public(&a))
				sum += size - at < step ? size - at : step;
		}
	}
	return sum;
}

static bool person_agrees(u128 count)
{
	char line[16];
	if (!isatty(0) || !isatty(2))
		return false;
	fprintf(stderr, "prtip: this scan covers about %llu public addresses. Go on? [y/N] ",
		(unsigned long long)(count > UINT64_MAX ? UINT64_MAX : (uint64_t)count));
	return fgets(line, sizeof(line), stdin) && (line[0] == 'y' || line[0] == 'Y');
}

static int check_reserved(const struct plan *p, const struct settings *s, struct err_text *e)
{
	struct addr which;
	char text[ADDR_TEXT_MAX];
	if (s->target.allow_reserved)
		return 0;
	if (!reserved_find(p->targets, &which))
		return 0;
	addr_format(&which, text);
	const char *name = addr_reserved_name(&which);
	return err_set(e, ERR_USAGE, "%s is a reserved address (%s); --allow-reserved scans it all the same",
		       text, name ? name : "reserved");
}

// Positions are numbered in 63 bits.
static int check_size(const struct plan *p, const struct settings *s, struct err_text *e)
{
	u128 ports = s->scan.discover_only || s->scan.list_only ? 1 : p->tcp_port_count;
	bool sample = s->order.max_probes && s->scan.no_discovery && !s->scan.list_only;
	if (addrset_count(p->targets) <= INT64_MAX / ports || sample)
		return 0;
	return err_set(e, ERR_LIMIT,
		       "the targets and ports make more than 2^63 probes; name a longer prefix or fewer "
		       "ports, or take "
		       "a sample with -Pn --max-probes N");
}

static int check_all(const struct plan *p, const struct settings *s, struct err_text *e)
{
	int err = check_reserved(p, s, e);
	if (err || s->scan.dry_run)
		return err;
	err = check_size(p, s, e);
	if (err || s->scan.list_only)
		return err;
	u128 many = public_count(p);
	if (many >= MANY_PUBLIC && !s->target.yes && !person_agrees(many))
		return err_set(e, ERR_USAGE,
			       "%llu public addresses are a great many; --yes says that this is meant",
			       (unsigned long long)(many > UINT64_MAX ? UINT64_MAX : (uint64_t)many));
	return 0;
}

int plan_check_safety(struct plan *p, const struct settings *s, const struct log *log, struct err_text *e)
{
	int err = check_all(p, s, e);
	if (!err && p->thinned)
		log_info(log, "the reserved addresses of targets larger than a /8 are left out; "
			      "--allow-reserved scans them too");
	return err;
}

static double start_rate(unsigned template_level)
{
	return template_level >= 5 ? 500000 : template_level == 4 ? 200000 : 50000;
}

static struct sweep_policy policy(const struct settings *s)
{
	const struct timing_settings *t = &s->timing;
	struct sweep_policy p = {
		.confidence = t->confidence > 0 ? t->confidence : 0.9999,
		.max_tries = (unsigned)t->max_retries + 1,
		.rtt = {.min_ns = t->min_rtt_ns, .max_ns = t->max_rtt_ns, .initial_ns = t->initial_rtt_ns},
		.rate_pps = t->rate,
		.min_pps = t->min_rate,
		.max_pps = t->max_rate,
		.host_silent_pps = t->silent_host_rate,
		.start_pps = start_rate(t->template_level),
		.scan_delay_ns = t->scan_delay_ns,
		.host_timeout_ns = t->host_timeout_ns,
		.wait_ns = t->wait_given ? t->wait_ns : -1,
		.sequential = s->order.sequential,
		.window_max = 1u << 19,
	};
	// -T0 to -T2 send one probe at a time, whatever the number of hosts.
	if (t->template_level <= 2 && !t->scan_delay_given && t->scan_delay_ns > 0) {
		double pps = 1e9 / (double)t->scan_delay_ns;
		if (p.max_pps <= 0 || pps < p.max_pps)
			p.max_pps = pps;
	}
	return p;
}

void plan_scan_config(const struct plan *p, const struct settings *s, bool connect, struct scan_config *out)
{
	*out = (struct scan_config){
		.kind = s->scan.discover_only ? SCAN_PING
			: connect             ? SCAN_CONNECT
					      : SCAN_SYN,
		.engine = (enum scan_engine)s->scan.engine,
		.targets = p->targets,
		.tcp_ports = p->tcp_ports,
		.tcp_port_count = s->scan.discover_only ? 0 : p->tcp_port_count,
		.skip_discovery = s->scan.no_discovery,
		.no_raw = s->scan.unprivileged,
		.raw_only = s->scan.privileged || s->scan.engine != ENGINE_AUTO,
		.sequential = s->order.sequential,
		.seed = p->seed,
		.shard = s->order.shard_index ? s->order.shard_index - 1 : 0,
		.shards = s->order.shard_count ? s->order.shard_count : 1,
		.max_probes = s->order.max_probes,
		.batch = (unsigned)s->scan.batch_size,
		.recv_batch = (unsigned)s->scan.receive_batch,
		.xdp_batch = (unsigned)s->scan.xdp_batch,
		.keep_half_open = s->scan.keep_half_open,
		.send_threads = s->scan.send_threads ? (int)s->scan.send_threads : -1,
		.interface = s->scan.interface,
		.source_port = s->scan.source_port_given ? (uint16_t)s->scan.source_port : 0,
		.ttl = (uint8_t)s->scan.ttl,
		.policy = policy(s),
		.trace = s->output.packet_trace,
	};
	if (s->scan.source.has_v4)
		out->source_v4 = s->scan.source.v4;
	if (s->scan.source.has_v6)
		out->source_v6 = s->scan.source.v6;
}
