#include "scan/stream_io.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "probe/probe.h"

#define JOBS              256
#define RESULTS           512
#define LARGE_CONNECTIONS 8192u // from here threads of their own pay

struct stream_io {
	const struct streams_ops *ops;
	struct streams *s;
	struct loop loop;
	bool trace;
	struct sweep_shot shots[JOBS];
	struct stream_job jobs[JOBS];
	unsigned n, at; // jobs waiting to be taken
	struct stream_result results[RESULTS];
	int shortage; // errno of a local shortage that did not end
};

static int open_one(struct stream_io *io, const struct streams_ops *ops, const struct streams_config *sc,
		    struct err_text *e)
{
	int r = ops->open(&io->s, sc, e);
	if (!r)
		io->ops = ops;
	return r;
}

int stream_io_open(struct stream_io **out, const struct scan_config *scan, const struct scan_hooks *hooks,
		   const struct log *log, uint64_t connections, struct err_text *e)
{
	struct stream_io *io = calloc(1, sizeof(*io));
	if (!io)
		return -ENOMEM;
	io->loop.hooks = hooks;
	io->trace = scan->trace && hooks->connection;
	bool large = connections >= LARGE_CONNECTIONS && sysconf(_SC_NPROCESSORS_ONLN) >= 2;
	struct streams_config sc = {
		.workers = scan->send_threads >= 0 ? (unsigned)scan->send_threads
			   : large                 ? 2
						   : 0,
		.ttl = scan->ttl,
		.source_v4 = scan->source_v4,
		.source_v6 = scan->source_v6,
		.source_port = scan->source_port,
		.interface = scan->interface,
	};
	int r;
	if (scan->engine == ENGINE_URING)
		r = open_one(io, &streams_uring, &sc, e);
	else
		r = open_one(io, &streams_epoll, &sc, e);
	if (r) {
		free(io);
		return r;
	}
	log_debug(log, "connections through %s, %u threads", io->ops->name, sc.workers);
	*out = io;
	return 0;
}

void stream_io_close(struct stream_io *io)
{
	if (!io)
		return;
	io->ops->close(io->s);
	free(io);
}

uint64_t stream_io_not_taken(const struct stream_io *io)
{
	struct streams_stats st = {0};
	io->ops->stats(io->s, &st);
	return st.not_taken;
}

static enum reason unreachable_reason(int error)
{
	switch (error) {
	case ENETUNREACH:
		return REASON_NET_UNREACH;
	case EACCES:
	case EPERM:
		return REASON_ADMIN_PROHIBITED;
	case ENOPROTOOPT:
	case EPROTO:
		return REASON_PROTO_UNREACH;
	default:
		return REASON_HOST_UNREACH;
	}
}

static void trace(const struct stream_io *io, const struct addr *to, uint16_t port, const char *outcome)
{
	if (io->trace)
		io->loop.hooks->connection(io->loop.hooks->ctx, to, port, outcome);
}

static const char *outcome_text(const struct stream_result *sr)
{
	static const char *const texts[] = {
		[STREAM_CONNECTED] = "connected",
		[STREAM_REFUSED] = "refused",
		[STREAM_TIMEOUT] = "no answer",
	};
	return sr->outcome <= STREAM_TIMEOUT ? texts[sr->outcome] : err_name(-sr->error);
}

static bool is_shortage(const struct stream_result *r)
{
	return r->outcome == STREAM_ERROR &&
	       (r->error == EMFILE || r->error == ENFILE || r->error == ENOMEM || r->error == ENOBUFS);
}

static void take_result(const struct stream_io *io, struct sweep *s, const struct stream_result *sr,
			int64_t now_ns)
{
	struct space_item item;
	sweep_item_at(s, sr->token >> 8, &item);
	struct sweep_reply r = {
		.target = item.addr,
		.port = item.slot.port,
		.technique = item.slot.technique,
		.try_no = (uint8_t)(sr->token & 0xff),
	};
	bool answered = true;
	trace(io, &r.target, r.port, outcome_text(sr));
	switch (sr->outcome) {
	case STREAM_CONNECTED:
		r.state = STATE_OPEN;
		r.reason = REASON_SYN_ACK;
		break;
	case STREAM_REFUSED:
		r.state = STATE_CLOSED;
		r.reason = REASON_CONN_REFUSED;
		break;
	case STREAM_UNREACHABLE:
		r.state = STATE_FILTERED;
		r.reason = unreachable_reason(sr->error);
		break;
	default:
		answered = false;
		break;
	}
	sweep_stream_result(s, sr->token >> 8, &r, answered, sr->rtt_us, now_ns);
}

static unsigned fill(struct stream_io *io, struct sweep *s, int64_t now_ns)
{
	if (io->at == io->n) {
		io->at = 0;
		io->n = sweep_next(s, now_ns, io->shots, JOBS);
		for (unsigned i = 0; i < io->n; i++)
			io->jobs[i] = (struct stream_job){
				.token = io->shots[i].position << 8 | (io->shots[i].try_no & 0xff),
				.dst = io->shots[i].item.addr,
				.timeout_ns = io->shots[i].timeout_ns,
				.port = io->shots[i].item.slot.port,
			};
	}
	unsigned taken = io->at < io->n ? io->ops->submit(io->s, io->jobs + io->at, io->n - io->at) : 0;
	for (unsigned i = io->at; i < io->at + taken; i++)
		trace(io, &io->jobs[i].dst, io->jobs[i].port, NULL);
	io->at += taken;
	return taken;
}

static unsigned collect(struct stream_io *io, struct sweep *s)
{
	unsigned n = io->ops->poll(io->s, io->results, RESULTS);
	int64_t now = clock_mono_ns();
	sweep_look(s, now);
	for (unsigned i = 0; i < n; i++) {
		if (is_shortage(&io->results[i]))
			io->shortage = io->results[i].error;
		take_result(io, s, &io->results[i], now);
	}
	if (n < RESULTS)
		sweep_seen(s, now);
	return n;
}

int stream_io_run(struct stream_io *io, struct sweep *s, struct err_text *e)
{
	for (;;) {
		int64_t now = clock_mono_ns();
		if (!loop_tick(&io->loop, sweep_counters(s), now, false))
			return ERR_INTERRUPTED;
		unsigned sent = fill(io, s, now);
		unsigned got = collect(io, s);
		if (sent)
			sweep_left(s, io->shots, io->n, clock_mono_ns());
		if (io->shortage)
			return err_set(e, -io->shortage, "no connection can be made: %s",
				       err_name(io->shortage));
		if (io->at == io->n && sweep_done(s, now))
			return 0;
		if (sent || got)
			continue;
		int fd = io->ops->fd(io->s);
		int64_t wait = io->at < io->n ? NS_PER_MS : sweep_wait_ns(s, now);
		if (loop_wait(&io->loop, &fd, 1, wait) >> 1 & 1)
			(void)loop_tick(&io->loop, sweep_counters(s), now, true);
	}
}
