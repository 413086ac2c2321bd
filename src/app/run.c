#include "app/run.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "app/conntrack.h"
#include "app/dry_run.h"
#include "app/list.h"
#include "app/module.h"
#include "app/outputs.h"
#include "app/plan.h"
#include "app/report.h"
#include "app/rights.h"
#include "app/signals.h"
#include "base/clock.h"
#include "config/quote.h"
#include "ui/progress.h"

#define REVERSE_HOSTS   256    // above, reverse names only with -R
#define JSON_HOSTS      4096   // above, JSON Lines alone carries no per-host lines
#define SILENT_HOSTS    65536  // above, silent ports are counted, not listed
#define THREADED_PROBES 100000 // from here the reports get a thread of their own

struct run {
	const struct settings *s;
	struct log log;
	struct plan plan;
	struct outputs out;
	struct report report;
	struct scan *scan;
	struct scan_info info;
	struct buf command;
	struct progress progress;
	struct signals signals;
	const struct names_ops *names;
	struct scan_summary sum;
	struct scan_config config;
	struct scan_hooks hooks;
	bool connect;
};

static int load_names(struct run *r, struct err_text *e)
{
	if (r->names)
		return 0;
	const void *ops = NULL;
	int err = module_load("names", &ops, e);
	r->names = ops;
	return err;
}

static int resolve(void *ctx, struct names_lookup *lookups, unsigned count, struct err_text *e)
{
	struct run *r = ctx;
	struct names_config cfg = {.servers = r->s->target.dns_servers};
	int err = load_names(r, e);
	return err ? err : names_resolve(r->names, &cfg, lookups, count, e);
}

static const char *service(void *ctx, uint8_t proto, uint16_t port)
{
	const struct run *r = ctx;
	const char *name = servicedb_name(r->plan.services, (enum proto)proto, port);
	return name ? name : "unknown";
}

static const char *asked(void *ctx, const struct addr *a)
{
	const struct run *r = ctx;
	return plan_asked_name(&r->plan, a);
}

static void make_info(struct run *r, int argc, char *const argv[])
{
	const struct output_settings *o = &r->s->output;
	uint8_t id[16];
	buf_init(&r->command, 1u << 20);
	config_quote(&r->command, argc, argv);
	(void)buf_put(&r->command, "", 1);
	r->info = (struct scan_info){
		.version = PRTIP_VERSION,
		.command_line = r->command.failed ? "prtip" : (const char *)r->command.data,
		.start_wall_ns = r->info.start_wall_ns,
		.scan_type = r->connect ? "connect" : "syn",
		.proto = "tcp",
		.port_count = r->config.tcp_port_count,
		.ports_text = r->plan.ports_text,
		.verbose = o->verbose,
		.debug = o->debug,
		.open_only = o->open_only,
		.show_reason = o->reason,
		.all_states = o->all_states,
		.list_only = r->s->scan.list_only,
		.seed = r->plan.seed,
		.xml_scanner_name = o->xml_scanner_name,
	};
	if (getrandom(id, sizeof(id), 0) != (ssize_t)sizeof(id))
		memset(id, 0, sizeof(id));
	for (size_t i = 0; i < sizeof(id); i++)
		snprintf(r->info.scan_id + 2 * i, 3, "%02x", id[i]);
}

static u128 probes(const struct run *r)
{
	u128 n = addrset_count(r->plan.targets) * (r->config.tcp_port_count ? r->config.tcp_port_count : 1);
	return r->config.max_probes && n > r->config.max_probes ? r->config.max_probes : n;
}

static int open_hosts(struct run *r, struct err_text *e)
{
	u128 addresses = addrset_count(r->plan.targets);
	if (!outputs_want_hosts(r->s) && addresses > JSON_HOSTS && !r->s->scan.list_only)
		return 0;
	struct hosts_config hc = {
		.ports = {[PROTO_TCP] = r->config.shards > 1 || r->config.max_probes
						? 0
						: r->config.tcp_port_count},
		.silent_state = {[PROTO_TCP] = STATE_FILTERED},
		.verbose = r->s->output.verbose,
		.debug = r->s->output.debug,
		.open_only = r->s->output.open_only,
		.assume_up = r->s->scan.no_discovery,
		.keep_silent = r->s->scan.no_discovery && addresses <= SILENT_HOSTS,
		.keep_down = r->s->output.verbose > 0 || r->s->scan.list_only,
		.start_wall_ns = r->info.start_wall_ns,
	};
	r->report.hosts = hosts_new(&hc);
	return r->report.hosts ? 0 : err_set(e, -ENOMEM, "out of memory for hosts");
}

static int open_names(struct run *r, struct err_text *e)
{
	const struct target_settings *t = &r->s->target;
	if (t->no_dns || (addrset_count(r->plan.targets) > REVERSE_HOSTS && !t->always_dns))
		return 0;
	int err = load_names(r, e);
	if (err && !t->always_dns) {
		log_verbose(&r->log, "no reverse names: %s", e->text);
		return 0;
	}
	return err ? err : reverse_open(&r->report.names, r->names, t->dns_servers, 0, e);
}

static const struct xdp_ops *load_xdp(struct err_text *e)
{
	const void *ops = NULL;
	return module_load("xdp", &ops, e) ? NULL : ops;
}

// SYN where it is permitted; connections when that is what was asked for, or nothing was and SYN is not
// permitted.
static int open_scan(struct run *r, struct err_text *e)
{
	const struct scan_settings *sc = &r->s->scan;
	bool may_fall_back = !sc->syn && !sc->connect && !sc->privileged && !sc->discover_only &&
			     sc->engine == ENGINE_AUTO;
	if (sc->connect || !sc->syn)
		(void)rights_raise_fds();
	r->connect = sc->connect || (sc->unprivileged && !sc->syn);
	plan_scan_config(&r->plan, r->s, r->connect, &r->config);
	r->config.xdp = load_xdp;
	int err = scan_open(&r->scan, &r->config, &r->hooks, &r->log, e);
	if (err == ERR_PRIVILEGE && may_fall_back && !r->connect) {
		log_verbose(&r->log, "%s; scanning by connections (-sT)", e->text);
		r->connect = true;
		plan_scan_config(&r->plan, r->s, true, &r->config);
		err = scan_open(&r->scan, &r->config, &r->hooks, &r->log, e);
	}
	return err;
}

static void start_progress(struct run *r)
{
	const struct output_settings *o = &r->s->output;
	struct progress_config pc = {
		.fd = 2,
		.enabled = !o->packet_trace,
		.color = !o->no_color,
		.term = getenv("TERM"),
		.stats_every_ns = o->stats_every_ns,
		.start_mono_ns = clock_mono_ns(),
	};
	progress_init(&r->progress, &pc);
	r->report.progress = &r->progress;
}

static int start_outputs(struct run *r, struct err_text *e)
{
	struct outputs_config oc = {
		.settings = r->s,
		.info = &r->info,
		.service = service,
		.service_ctx = r,
		.asked_name = asked,
		.asked_ctx = r,
		.hosts_follow = r->report.hosts != NULL,
		// One thread alone writes to a terminal, or the progress line gets in between.
		.threaded = probes(r) >= THREADED_PROBES && !r->report.terminal,
		.stop_fd = &r->signals.fd,
	};
	return outputs_start(&r->out, &oc, e);
}

// Connections fill the table of a connection tracker on this host or on its way out.
static void warn_of_tracking(struct run *r)
{
	struct conntrack ct;
	struct err_text w;
	conntrack_read(&ct, CONNTRACK_DIR);
	u128 n = probes(r);
	if (conntrack_overflows(&ct, n > UINT64_MAX ? UINT64_MAX : (uint64_t)n, &w))
		log_warn(&r->log, "%s", w.text);
}

static int prepare(struct run *r, int argc, char *const argv[], struct err_text *e)
{
	struct plan_resolver resolver = {.ctx = r, .resolve = resolve};
	int err = plan_build(&r->plan, r->s, &resolver, &r->log, e);
	if (!err)
		err = plan_check_safety(&r->plan, r->s, &r->log, e);
	if (err)
		return err;
	plan_scan_config(&r->plan, r->s, r->s->scan.connect, &r->config);
	if (r->s->scan.dry_run)
		return 0;
	r->info.start_wall_ns = clock_wall_ns(); // asking for neighbours is a part of the scan
	r->report.start_ns = clock_mono_ns();
	err = outputs_check(r->s, e);
	if (!err)
		err = open_names(r, e);
	r->report.settings = r->s;
	r->report.plan = &r->plan;
	r->report.out = &r->out;
	r->report.log = &r->log;
	r->report.signals = &r->signals;
	r->report.terminal = isatty(1);
	if (!err)
		err = open_hosts(r, e);
	report_hooks(&r->report, &r->hooks);
	if (!err && !r->s->scan.list_only && addrset_count(r->plan.targets))
		err = open_scan(r, e);
	if (!err)
		err = signals_open(&r->signals, e); // what is open from here on gets its end
	if (!err)
		err = outputs_open_files(&r->out, r->s, e);
	if (!err && r->connect && r->scan)
		warn_of_tracking(r);
	make_info(r, argc, argv);
	return err;
}

// Files, sockets and modules are open: what follows needs no rights.
static int give_up_rights(struct run *r, struct err_text *e)
{
	struct rights_dropped done;
	struct rights_drop cfg = {
		.allow_uring = r->connect,
		.allow_bpf = r->scan && scan_wants_bpf(r->scan),
		.keep_bind = r->connect && r->config.source_port && r->config.source_port < 1024,
	};
	int err = rights_give_up(&cfg, &done, e);
	if (!err)
		log_debug(&r->log, "rights: %s, system calls %s", done.user ? "now nobody" : "user unchanged",
			  done.filter ? "filtered" : "not filtered");
	return err;
}

static int carry_out(struct run *r, struct err_text *e)
{
	r->sum.start_wall_ns = r->info.start_wall_ns;
	struct err_text why;
	int err = give_up_rights(r, e);
	int opened = start_outputs(r, err ? &why : e); // in any case: they are ended as whole documents
	if (err || opened)
		return err ? err : opened;
	if (r->out.failed) {
		r->report.write_error = r->out.failed;
		return ERR_INTERRUPTED;
	}
	start_progress(r);
	if (r->s->scan.list_only)
		err = list_targets(&r->report, &r->hooks, &r->sum.c);
	else if (r->scan)
		err = scan_run(r->scan, &r->sum, e);
	progress_hide(&r->progress);
	return err;
}

// So many that trying again does not make up for it.
static bool much_not_taken(const struct run *r)
{
	return r->sum.c.not_taken > r->sum.c.frames / 100;
}

static uint64_t hosts_dropped(const struct run *r)
{
	struct hosts_stats st = {0};
	if (r->report.hosts)
		hosts_stats(r->report.hosts, &st);
	return st.dropped;
}

static int exit_status(struct run *r, int err)
{
	if (r->report.signal)
		return 128 + r->report.signal;
	if (err || r->report.write_error)
		return EXIT_FAILED;
	bool incomplete = r->sum.c.hosts_timed_out || r->sum.hosts_vanished || r->plan.unresolved ||
			  r->report.unreachable || much_not_taken(r) || hosts_dropped(r);
	return incomplete ? EXIT_INCOMPLETE : EXIT_DONE;
}

static void tell_left_out(const struct run *r)
{
	uint64_t dropped = hosts_dropped(r);
	if (dropped)
		log_warn(&r->log,
			 "%llu events of hosts found no room in memory: reports by host lack them, -oJ has "
			 "all ports",
			 (unsigned long long)dropped);
	if (much_not_taken(r))
		log_warn(&r->log,
			 "%llu of %llu probes did not get out, as the interface is down or full or a filter "
			 "of "
			 "this host forbids them: ports may look filtered for that",
			 (unsigned long long)r->sum.c.not_taken, (unsigned long long)r->sum.c.frames);
	if (r->report.unreachable)
		log_warn(&r->log, "there is no route to %llu of the targets: not scanned",
			 (unsigned long long)r->report.unreachable);
}

static int conclude(struct run *r, int err, struct err_text *e)
{
	bool interrupted = r->report.signal != 0;
	if (err == ERR_INTERRUPTED)
		err = 0;
	if (err && !e->text[0])
		err_set(e, err, "%s", err_name(err));
	struct err_text write_text = {{0}};
	(void)report_finish(&r->report, interrupted || err || r->report.write_error);
	interrupted = r->report.signal != 0;
	r->sum.interrupted = interrupted;
	r->sum.end_wall_ns = clock_wall_ns();
	r->sum.elapsed_ns = clock_mono_ns() - r->report.start_ns;
	r->sum.error = err ? e->text : r->report.write_error ? "an output could not be written" : NULL;
	r->sum.exit_status = exit_status(r, err);
	r->sum.incomplete = r->sum.exit_status == EXIT_INCOMPLETE;
	int closing = outputs_close(&r->out, &r->sum, &write_text);
	if (interrupted)
		log_error(&r->log, "interrupted (SIG%s): the reports hold what was found until then",
			  sigabbrev_np(r->report.signal));
	if (!err)
		tell_left_out(r);
	if (err)
		log_error(&r->log, "%s", e->text);
	if (closing) {
		log_error(&r->log, "%s", write_text.text);
		if (!interrupted)
			r->sum.exit_status = EXIT_FAILED;
	}
	return r->sum.exit_status;
}

static void release(struct run *r)
{
	scan_close(r->scan);
	reverse_close(r->report.names);
	hosts_free(r->report.hosts);
	plan_free(&r->plan);
	buf_free(&r->command);
}

static bool is_usage(int err)
{
	return err == ERR_USAGE || err == ERR_SYNTAX || err == ERR_RANGE || err == ERR_LIMIT;
}

int run_scan(const struct settings *s, int argc, char *const argv[])
{
	struct run r = {.s = s, .log = {.fd = 2}};
	struct err_text e = {{0}};
	r.log.level = s->output.debug ? LOG_DEBUG : s->output.verbose ? LOG_VERBOSE : LOG_INFO;
	int err = signals_begin(&r.signals, &e);
	if (!err)
		err = prepare(&r, argc, argv, &e);
	if (err) {
		log_error(&r.log, "%s", e.text[0] ? e.text : err_name(err));
		release(&r);
		return is_usage(err) ? EXIT_USAGE : EXIT_FAILED;
	}
	int status;
	if (s->scan.dry_run) {
		status = dry_run(&r.plan, &r.config, s) ? EXIT_FAILED : EXIT_DONE;
		if (status)
			log_error(&r.log, "cannot write standard output: %s", strerror(errno));
	} else {
		if (addrset_count(r.plan.targets) == 0)
			log_warn(&r.log, "no targets are left to scan");
		err = carry_out(&r, &e);
		status = conclude(&r, err, &e);
	}
	release(&r);
	return status;
}
