// One list of records and hosts, played through any output format: for the golden files and the sinks' own
// tests.
#pragma once

#include "sink/sink.h"

enum scene_kind {
	SCENE_FULL,        // -v --reason, all kinds of host, ended well
	SCENE_INTERRUPTED, // no -v, --open, stopped half way with an error text
	SCENE_LIST,        // -sL
	SCENE_COUNT
};

// The scan's description; static memory. Callers may change the copy.
struct scan_info scene_info(enum scene_kind kind);

// Opens, plays everything, closes. Returns the first error of any call.
int scene_play(const struct sink_ops *ops, enum scene_kind kind, const struct scan_info *info, int fd);

const char *scene_service(void *ctx, uint8_t proto, uint16_t port);
