// The connection side of a scan: carries out a sweep of TECHNIQUE_TCP_CONNECT through a stream transport.
#pragma once

#include "base/err.h"
#include "base/log.h"
#include "scan/loop.h"
#include "scan/sweep.h"
#include "transport/streams.h"

struct stream_io;

// Picks io_uring or epoll (scan->engine may force one) and the number of workers by the amount of work.
int stream_io_open(struct stream_io **out, const struct scan_config *scan, const struct scan_hooks *hooks,
		   const struct log *log, uint64_t connections, struct err_text *e) MUST_CHECK;
void stream_io_close(struct stream_io *io);
// Connections that this system refused before anything was sent.
uint64_t stream_io_not_taken(const struct stream_io *io);

// 0, ERR_INTERRUPTED, or what ended it.
int stream_io_run(struct stream_io *io, struct sweep *s, struct err_text *e) MUST_CHECK;
