// The frame side of a scan: templates, hops, open transports, and the loop that carries out a sweep with
// them.
#pragma once

#include "base/err.h"
#include "base/log.h"
#include "probe/probe.h"
#include "scan/loop.h"
#include "scan/paths.h"
#include "scan/sweep.h"
#include "transport/frames.h"
#include "transport/xdp.h"

#define FRAME_BATCH_MAX 1024

struct frame_io_config {
	const struct net_table *table;
	const struct scan_config *scan;
	const struct scan_hooks *hooks;
	const struct log *log;
	bool v4, v6;
	bool rawip, afpacket; // which to open
	const struct xdp_ops
		*xdp;  // in the place of afpacket, which then steps in when it does not start; or NULL
	bool xdp_only; // … but here that is an error
	struct xdp_prepare_config prepare;
	uint32_t max_neighbours; // on-link hosts with hops of their own
	uint64_t frames;         // about how many will be sent
};

struct frame_io;

// Opens what needs rights (sockets) and prepares the rest.
int frame_io_open(struct frame_io **out, const struct frame_io_config *cfg, struct err_text *e) MUST_CHECK;
// Starts the transports; no rights needed any more.
int frame_io_start(struct frame_io *io, struct err_text *e) MUST_CHECK;
void frame_io_close(struct frame_io *io);

struct paths *frame_io_paths(struct frame_io *io);
// Is the XDP engine ready to be started?
bool frame_io_prepared(const struct frame_io *io);
// Was it started?
bool frame_io_uses_xdp(const struct frame_io *io);
// Name of the transport for frames with link addresses.
const char *frame_io_engine(const struct frame_io *io);
bool frame_io_has(const struct frame_io *io, enum path_transport t);

// What an answer of this sweep may be.
struct frame_sweep {
	struct sweep *sweep;
	uint32_t techniques; // bit mask
	bool discovery;      // states of host discovery; link addresses are learned
	void (*mac)(void *ctx, const struct addr *a, const uint8_t mac[6]);
	void *mac_ctx;
};

// Carries the sweep out. 0, ERR_INTERRUPTED, or what ended it.
int frame_io_run(struct frame_io *io, const struct frame_sweep *fs, struct err_text *e) MUST_CHECK;

// Frames that the interfaces refused, summed over transports.
uint64_t frame_io_not_taken(struct frame_io *io);
