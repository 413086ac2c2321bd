#include "app/report.h"

#include <stdio.h>

#include "app/signals.h"
#include "base/clock.h"
#include "net/addr.h"
#include "packet/describe.h"
#include "ui/progress.h"

#define VANISHED_TOLD 4 // the report says how many there were
#define FLUSH_NS      (80 * NS_PER_MS)

static void keep_error(struct report *r, int err)
{
	if (err && err != ERR_LIMIT && !r->write_error)
		r->write_error = err;
}

// Before anything is written to the terminal on which the progress line stands.
static void make_way(const struct report *r)
{
	if (r->terminal && r->progress)
		progress_hide(r->progress);
}

static void on_record(void *ctx, const struct record *rec)
{
	struct report *r = ctx;
	if (rec->state == STATE_OPEN)
		make_way(r);
	if (rec->state == STATE_OPEN || r->settings->output.all_states) // nobody lists the others one by one
		keep_error(r, fanout_record(r->out->fan, rec));
	if (r->hosts)
		(void)hosts_answer(r->hosts, rec);
}

static void on_expect(void *ctx, const struct addr *a)
{
	struct report *r = ctx;
	hosts_expect(r->hosts, a);
}

static void on_silent(void *ctx, const struct addr *a, uint16_t port)
{
	struct report *r = ctx;
	(void)hosts_silent(r->hosts, a, PROTO_TCP, port, STATE_FILTERED, REASON_NO_RESPONSE);
}

static void on_host_up(void *ctx, const struct record *rec, const uint8_t *mac)
{
	struct report *r = ctx;
	if (!r->hosts && rec->reason == REASON_USER_SET)
		return; // nobody follows hosts, and this one is only assumed to be up
	if (r->names)
		reverse_ask(r->names, &rec->addr);
	struct record up = *rec;
	up.state = STATE_UP;
	keep_error(r, fanout_record(r->out->fan, &up));
	if (!r->hosts)
		return;
	struct host_sign sign = {
		.reason = rec->reason,
		.ttl = rec->ttl,
		.rtt_us = rec->rtt_us,
		.mac = mac,
		.wall_ns = rec->wall_ns,
	};
	(void)hosts_up(r->hosts, &rec->addr, &sign);
	const char *asked = plan_asked_name(r->plan, &rec->addr);
	if (asked)
		(void)hosts_name(r->hosts, &rec->addr, asked, NULL);
}

static void on_host_down(void *ctx, const struct addr *a, enum reason reason)
{
	struct report *r = ctx;
	r->unreachable += reason == REASON_NET_UNREACH;
	if (r->names && r->settings->target.always_dns)
		reverse_ask(r->names, a);
	if (r->hosts)
		(void)hosts_down(r->hosts, a, (uint8_t)reason);
}

static void on_host_timed_out(void *ctx, const struct addr *a)
{
	struct report *r = ctx;
	if (r->hosts)
		(void)hosts_timed_out(r->hosts, a);
}

static void on_host_limited(void *ctx, const struct addr *a)
{
	struct report *r = ctx;
	if (r->hosts)
		(void)hosts_limited(r->hosts, a, false);
}

static void on_host_vanished(void *ctx, const struct addr *a)
{
	struct report *r = ctx;
	char ip[ADDR_TEXT_MAX];
	addr_format(a, ip);
	if (r->vanished++ < VANISHED_TOLD)
		log_warn(r->log, "%s answered at first and then no more: what was silent there may be open",
			 ip);
}

static void set_ptr_name(void *ctx, const struct addr *a, const char *name)
{
	struct report *r = ctx;
	if (r->hosts)
		(void)hosts_name(r->hosts, a, NULL, name);
}

static void on_host_done(void *ctx, const struct addr *a)
{
	struct report *r = ctx;
	struct host_result h;
	if (!r->hosts || (r->names && reverse_pending(r->names)))
		return;
	if (r->names)
		reverse_deliver(r->names, set_ptr_name, r);
	if (!hosts_finish(r->hosts, a, &h))
		return;
	make_way(r);
	keep_error(r, fanout_host(r->out->fan, &h));
}

static void on_packet(void *ctx, bool sent, const uint8_t *data, size_t len, uint16_t ethertype)
{
	const struct report *r = ctx;
	char line[DESCRIBE_MAX];
	packet_describe(line, data, len, ethertype);
	if (r->progress)
		progress_hide(r->progress);
	dprintf(2, "%s (%.4fs) %s\n", sent ? "SENT" : "RCVD", (double)(clock_mono_ns() - r->start_ns) / 1e9,
		line);
}

static void on_connection(void *ctx, const struct addr *to, uint16_t port, const char *outcome)
{
	const struct report *r = ctx;
	char text[ADDR_TEXT_MAX];
	addr_format(to, text);
	bool v4 = addr_is_v4(to);
	if (r->progress)
		progress_hide(r->progress);
	dprintf(2, "CONN (%.4fs) TCP %s%s%s:%u %s\n", (double)(clock_mono_ns() - r->start_ns) / 1e9,
		v4 ? "" : "[", text, v4 ? "" : "]", port, outcome ? outcome : "...");
}

static void take_signal(struct report *r)
{
	if (r->signals && !r->signal)
		r->signal = signals_asked(r->signals);
}

static int on_tick(void *ctx, const struct scan_counters *c, int64_t now_ns)
{
	struct report *r = ctx;
	take_signal(r);
	if (r->names)
		reverse_turn(r->names);
	if (now_ns - r->flushed_ns >= FLUSH_NS) {
		r->flushed_ns = now_ns;
		if (fanout_pending(r->out->fan))
			make_way(r);
		keep_error(r, fanout_flush(r->out->fan));
	}
	if (r->progress)
		progress_update(r->progress, c, now_ns, clock_wall_ns());
	return r->signal || r->write_error;
}

void report_hooks(struct report *r, struct scan_hooks *hooks)
{
	*hooks = (struct scan_hooks){
		.ctx = r,
		.record = on_record,
		.expect = r->hosts ? on_expect : NULL,
		.silent = r->hosts ? on_silent : NULL,
		.host_up = on_host_up,
		.host_down = on_host_down,
		.host_timed_out = on_host_timed_out,
		.host_limited = on_host_limited,
		.host_vanished = on_host_vanished,
		.host_done = on_host_done,
		.packet = on_packet,
		.connection = on_connection,
		.tick = on_tick,
		.stop_fd = r->signals ? r->signals->fd : -1,
	};
}

int report_finish(struct report *r, bool interrupted)
{
	if (!r->hosts)
		return r->write_error;
	if (r->names) {
		if (!interrupted)
			reverse_wait(r->names, r->signals ? r->signals->fd : -1);
		take_signal(r);
		reverse_deliver(r->names, set_ptr_name, r);
	}
	if (r->progress)
		progress_hide(r->progress);
	if (interrupted)
		hosts_interrupted(r->hosts);
	struct host_result h;
	int err = hosts_first(r->hosts);
	while (!err && hosts_next(r->hosts, &h))
		keep_error(r, fanout_host(r->out->fan, &h));
	keep_error(r, err);
	return r->write_error;
}
