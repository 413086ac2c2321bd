// Private to the files of frame_io.
#pragma once

#include "scan/frame_io.h"

struct outbox {
	struct frame_desc *d;
	unsigned n, at; // filled, taken
};

struct open_transport {
	const struct frames_ops *ops;
	struct frames *f;
	int fds[4];
	struct outbox out;
	uint64_t dropped, crowded, rejected;
	bool used; // something was sent through it: its answers are looked for
};

struct frame_io {
	struct frame_io_config cfg;
	struct probe_env env;
	struct frame_template templates[TEMPLATES_MAX];
	struct paths *paths;
	const struct frame_hop *hops;
	frame_stamp *stamps;
	struct open_transport t[PATH_TRANSPORTS];
	struct sweep_shot shots[FRAME_BATCH_MAX];
	unsigned shot_count; // of the last batch
	unsigned batch, recv_batch;
	struct frame_reply replies[FRAMES_RECV_MAX]; // of the last call of recv
	int64_t next_stats_ns;
	uint64_t unroutable;
	struct xdp_prepared *prepared; // until it is opened
	struct loop loop;
};

// Loads the XDP engine's programs, and starts it in the place of the packet socket. What does not work is an
// error only when nothing else is wanted.
int frame_io_prepare_xdp(struct frame_io *io, struct err_text *e) MUST_CHECK;
int frame_io_start_xdp(struct frame_io *io, const struct frames_config *like, struct err_text *e) MUST_CHECK;
