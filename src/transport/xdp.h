// The XDP engine: probes leave from an XDP program run in live-frame mode, answers are taken by another one.
// It is a module (libprtip-xdp.so), since it alone needs libbpf.
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "transport/frames.h"

struct xdp_prepared;

struct xdp_prepare_config {
	const uint32_t *links; // interface indices that frames will leave by, answers come in by
	unsigned link_count;
	uint32_t hops;         // most entries that the hop table can have
	unsigned send_threads; // at most this many will be asked for; at least 1
	const struct log *log; // what is known of kernel and driver; NULL: nowhere
};

struct xdp_ops {
	// Loads the programs; needs CAP_BPF and CAP_NET_ADMIN. ERR_UNSUPPORTED or ERR_PRIVILEGE with the
	// reason when this kernel, or one of the interfaces, cannot do it.
	int (*prepare)(struct xdp_prepared **out, const struct xdp_prepare_config *cfg, struct err_text *e);
	void (*discard)(struct xdp_prepared *p); // what was not handed to open; may be NULL
	// open takes cfg->prepared, and needs no rights: it attaches the receiver (a link that ends with the
	// process), starts the sending threads and sees a first frame of each leave.
	const struct frames_ops *frames;
};
