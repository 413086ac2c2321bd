#include "scan/scan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan/scan_state.h"
#include "scan/survey.h"

// From so many frames on AF_PACKET beats raw IP sockets from start to exit (bench/micro/micro_frames):
// closing its socket costs about 15 ms.
#define AFPACKET_FRAMES   20000u
#define XDP_FRAMES        500000u // from here the XDP engine is worth its start
#define XDP_RATE          500000.0
#define NEIGHBOUR_WAIT_NS (1500 * NS_PER_MS)
#define WINDOW_MAX        (1u << 21)

static uint64_t positions(const struct scan *s)
{
	u128 n = (u128)s->survey.addresses * (s->cfg.tcp_port_count ? s->cfg.tcp_port_count : 4);
	n /= s->cfg.shards ? s->cfg.shards : 1;
	if (s->cfg.max_probes && n > s->cfg.max_probes)
		n = s->cfg.max_probes;
	return n > UINT64_MAX ? UINT64_MAX : (uint64_t)n;
}

static bool wants_discovery(const struct scan *s)
{
	return !s->cfg.skip_discovery;
}

// The kernel asks for all neighbours at once: where a pace was set, several are asked for by a sweep of ours.
static bool paced(const struct scan *s)
{
	const struct sweep_policy *p = &s->cfg.policy;
	return p->rate_pps > 0 || p->max_pps > 0 || p->scan_delay_ns > 0;
}

// An engine that needs link addresses was asked for by name.
static bool forced_frames(const struct scan *s)
{
	return s->cfg.engine == ENGINE_AFPACKET || s->cfg.engine == ENGINE_XDP;
}

static void choose(const struct scan *s, bool *rawip, bool *afpacket)
{
	const struct survey *v = &s->survey;
	bool big = positions(s) >= AFPACKET_FRAMES && s->cfg.kind != SCAN_CONNECT;
	bool link = v->on_link > SMALL_LINK || (v->on_link > 1 && paced(s)) || v->unsure;
	*afpacket = v->ethernet && s->cfg.engine != ENGINE_RAWIP && (forced_frames(s) || big || link);
	// Beside packet sockets only for what they cannot reach, and for on-link hosts of a blind scan, which
	// nobody resolves.
	bool blind_link = s->cfg.skip_discovery && v->addresses > BLOCK && v->on_link;
	*rawip = !forced_frames(s) && (v->other || !*afpacket || blind_link);
}

// Why the XDP engine is not for this scan; NULL: it is.
static const char *no_xdp(const struct scan *s, bool afpacket)
{
	const struct sweep_policy *p = &s->cfg.policy;
	double rate = p->rate_pps > 0 ? p->rate_pps : p->max_pps;
	if (s->cfg.engine == ENGINE_XDP)
		return NULL;
	if (s->cfg.engine != ENGINE_AUTO || !afpacket || !s->cfg.xdp || s->cfg.kind != SCAN_SYN)
		return "";
	if (positions(s) < XDP_FRAMES)
		return "";
	if (rate > 0 && rate < XDP_RATE)
		return "the rate is limited to less than it is for";
	return s->cfg.trace ? "--packet-trace is slower than any engine" : NULL;
}

// An error only where the engine was asked for by name and cannot be had.
static int plan_xdp(const struct scan *s, struct frame_io_config *fc, struct err_text *e)
{
	const char *why_not = no_xdp(s, fc->afpacket);
	struct err_text why = {{0}};
	fc->xdp_only = s->cfg.engine == ENGINE_XDP;
	if (!why_not) {
		fc->xdp = s->cfg.xdp(&why);
		why_not = fc->xdp ? NULL : why.text;
	}
	if (fc->xdp_only && !fc->xdp)
		return err_set(e, ERR_UNSUPPORTED, "--engine xdp: %.480s", why_not);
	if (why_not && why_not[0])
		log_debug(s->log, "engine xdp is not used: %s", why_not);
	struct paths_config pc = {.max_neighbours = fc->max_neighbours};
	fc->prepare = (struct xdp_prepare_config){
		.links = s->survey.links,
		.link_count = s->survey.link_count,
		.hops = paths_hop_room(&pc),
		.send_threads = s->cfg.send_threads > 0 ? (unsigned)s->cfg.send_threads : 1,
		.log = s->log,
	};
	return 0;
}

// Whether the few on-link hosts of a small scan are up is the kernel's to say as long as it asks them. It
// does not ask those that it has in its table from earlier, and so they are asked by a sweep of ours.
static int look_for_unsure(struct scan *s, struct err_text *e)
{
	if (!s->survey.on_link || s->survey.on_link > SMALL_LINK || !wants_discovery(s) ||
	    s->cfg.engine != ENGINE_AUTO)
		return 0;
	return survey_unsure(s, &s->survey.unsure, e);
}

static int open_frames(struct scan *s, struct err_text *e)
{
	bool rawip, afpacket;
	int r = look_for_unsure(s, e);
	if (r)
		return r;
	choose(s, &rawip, &afpacket);
	if (forced_frames(s) && (s->survey.other || !s->survey.ethernet))
		return err_set(e, ERR_UNSUPPORTED,
			       "--engine %s cannot reach targets behind loopback or links without "
			       "link addresses; leave --engine out or use --engine rawip",
			       s->cfg.engine == ENGINE_XDP ? "xdp" : "afpacket");
	struct frame_io_config fc = {
		.table = s->table,
		.scan = &s->cfg,
		.hooks = &s->hooks,
		.log = s->log,
		.v4 = s->survey.v4,
		.v6 = s->survey.v6,
		.rawip = rawip,
		.afpacket = afpacket,
		.max_neighbours =
			afpacket ? (s->survey.on_link > BLOCK ? BLOCK : (uint32_t)s->survey.on_link) : 0,
		.frames = positions(s),
	};
	r = plan_xdp(s, &fc, e);
	if (!r)
		r = frame_io_open(&s->frames, &fc, e);
	if (r)
		return r;
	if (!afpacket && s->survey.on_link)
		return survey_neighbours(s, NEIGHBOUR_WAIT_NS, e);
	return 0;
}

// Gateways are resolved while there are rights to.
static void prime_gateways(struct scan *s)
{
	const struct addr_range *r = addrset_ranges(s->cfg.targets);
	size_t n = addrset_range_count(s->cfg.targets);
	for (size_t i = 0; i < n && i < 256; i++) {
		uint32_t hop;
		const struct addr *ends[2] = {&r[i].first, &r[i].last};
		for (int j = 0; j < 2; j++)
			if (paths_kind(scan_paths(s), ends[j]) == PATH_ROUTED)
				(void)!paths_hop(scan_paths(s), ends[j], &hop, NULL);
	}
}

static int open_transports(struct scan *s, struct err_text *e)
{
	bool raw_needed = s->cfg.kind == SCAN_SYN || (s->cfg.kind == SCAN_PING && s->cfg.raw_only);
	int r = 0;
	if (!s->cfg.no_raw && (raw_needed || wants_discovery(s))) {
		r = open_frames(s, e);
		if (r && !raw_needed && (r == ERR_PRIVILEGE || r == -EPERM)) {
			log_debug(s->log,
				  "no raw sockets: hosts are discovered by connections to ports 80 and 443");
			r = 0;
		}
	}
	if (!r && !s->frames)
		r = paths_new(&s->route_paths,
			      &(struct paths_config){.table = s->table, .has = {true, false}});
	if (!r)
		prime_gateways(s);
	return r;
}

static int check_source(const struct scan *s, const struct addr *a, struct err_text *e)
{
	char text[ADDR_TEXT_MAX];
	if (addr_is_none(a) || net_table_is_ours(s->table, a))
		return 0;
	addr_format(a, text);
	return err_set(
		e, ERR_USAGE,
		"-S: %s is no address of this machine, so answers would not come here; expected one of "
		"`ip address`",
		text);
}

// With not one way out there is nothing to scan; with some, the others are reported as down.
static int check_routes(const struct scan *s, struct err_text *e)
{
	const struct survey *v = &s->survey;
	if (v->unroutable == 0 || v->unroutable < v->addresses)
		return 0;
	return err_set(e, ERR_NOROUTE, "%.400s%s", v->why.text,
		       v->addresses > 1 ? ", and none to the other targets" : "");
}

int scan_open(struct scan **out, const struct scan_config *cfg, const struct scan_hooks *hooks,
	      const struct log *log, struct err_text *e)
{
	struct scan *s = calloc(1, sizeof(*s));
	if (!s)
		return err_set(e, -ENOMEM, "out of memory");
	s->cfg = *cfg;
	s->hooks = *hooks;
	s->log = log;
	survey_families(s);
	bool policy = false;
	int r = net_table_read(&s->table, s->survey.v4, s->survey.v6, cfg->interface, &policy, e);
	if (!r && s->survey.v4)
		r = check_source(s, &s->cfg.source_v4, e);
	if (!r && s->survey.v6)
		r = check_source(s, &s->cfg.source_v6, e);
	if (!r) {
		survey_routes(s);
		r = check_routes(s, e);
	}
	if (!r) {
		if (policy && forced_frames(s))
			r = err_set(e, ERR_UNSUPPORTED,
				    "policy routing rules are in force, which --engine afpacket and xdp "
				    "cannot follow; "
				    "use --engine rawip");
		else if (policy && s->cfg.engine == ENGINE_AUTO)
			s->cfg.engine = ENGINE_RAWIP; // there the kernel routes
	}
	if (!r)
		r = open_transports(s, e);
	if (r) {
		scan_close(s);
		return r;
	}
	*out = s;
	return 0;
}

void scan_close(struct scan *s)
{
	if (!s)
		return;
	frame_io_close(s->frames);
	stream_io_close(s->streams);
	paths_free(s->route_paths);
	net_table_free(s->table);
	free(s->neighbours);
	free(s);
}

bool scan_wants_bpf(const struct scan *s)
{
	return s->frames && frame_io_prepared(s->frames);
}

struct paths *scan_paths(struct scan *s)
{
	return s->frames ? frame_io_paths(s->frames) : s->route_paths;
}

static void seed(struct sweep *sw, const struct sweep_job *job)
{
	for (uint32_t i = 0; job->seeds && i < job->seeds->host_count; i++) {
		const struct live_host *h = &job->seeds->hosts[i];
		u128 index;
		if (addrset_index(job->set, &h->addr, &index))
			sweep_seed_rtt(sw, (uint64_t)index, h->rtt_us);
	}
}

static uint64_t not_taken(const struct scan *s)
{
	return (s->frames ? frame_io_not_taken(s->frames) : 0) +
	       (s->streams ? stream_io_not_taken(s->streams) : 0);
}

int scan_sweep(struct scan *s, const struct sweep_job *job, struct scan_summary *sum, struct err_text *e)
{
	struct space *space = NULL;
	struct sweep *sw = NULL;
	struct hash_key key;
	struct order order;
	hash_key_make(&key, &s->cfg.seed, "order");
	int r = space_new(&space, job->set, job->slots, job->slot_count, e);
	if (r == ERR_LIMIT && s->cfg.max_probes)
		r = space_new_sampled(&space, job->set, job->slots, job->slot_count, &key, e);
	if (r)
		return r == -ENOMEM ? err_set(e, r, "out of memory for the table of ports") : r;
	order_init(&order, space_count(space), &key, s->cfg.sequential);
	struct order_slice slice =
		order_shard(space_count(space), job->shard, job->shards ? job->shards : 1, job->max_probes);
	struct sweep_policy policy = job->policy;
	policy.sent_before_ns = s->last_sent_ns;
	// At 4 million frames a second, of which the first wait 250 ms for hosts that have not answered yet.
	if (!job->connect && frame_io_uses_xdp(s->frames) && policy.window_max < WINDOW_MAX)
		policy.window_max = WINDOW_MAX;
	r = sweep_new(&sw, space, &order, &slice, &policy, &job->events);
	if (r) {
		err_set(e, r, "out of memory for the scan's window");
		goto out;
	}
	if (job->running)
		*job->running = sw;
	seed(sw, job);
	uint64_t before = not_taken(s);
	if (job->connect) {
		if (!s->streams)
			r = stream_io_open(&s->streams, &s->cfg, &s->hooks, s->log, space_count(space), e);
		if (!r)
			r = stream_io_run(s->streams, sw, e);
	} else {
		struct frame_sweep fs = {
			.sweep = sw,
			.techniques = job->techniques,
			.discovery = job->discovery,
			.mac = job->mac,
			.mac_ctx = job->mac_ctx,
		};
		r = frame_io_run(s->frames, &fs, e);
	}
	sweep_rest_over(sw);
	sweep_summarise(sw, sum);
	if (sweep_last_sent_ns(sw))
		s->last_sent_ns = sweep_last_sent_ns(sw);
	sum->c.not_taken = not_taken(s) - before;
out:
	if (job->running)
		*job->running = NULL;
	sweep_free(sw);
	space_free(space);
	return r;
}
