// From what the rest of the program knows of frames to what the emitter reads.
#pragma once

#include "packet/template.h"
#include "transport/xdp/shared.h"

void xdp_shape(struct xdp_template *out, const struct frame_template *t);
// A frame of ours to ourselves that nobody takes (EtherType 0x88b5, for local experiments), `len` bytes: it
// tells whether frames leave at all.
void xdp_shape_trial(struct xdp_template *out, const uint8_t mac[6], unsigned len);
void xdp_shape_hop(struct xdp_hop *out, const struct frame_hop *h, uint32_t port);
