// The reports: files opened, sinks chosen, everything handed out through one fan-out.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "app/options.h"
#include "base/err.h"
#include "base/log.h"
#include "result/fanout.h"
#include "result/scaninfo.h"
#include "sink/sink.h"

#define OUTPUTS_MAX 8

// struct fanout_target speaks of void pointers, the sinks of their own type: one thin shim each.
struct outputs_shim {
	struct sink *sink;
	const struct sink_ops *ops;
};

struct outputs {
	struct fanout *fan;
	struct sink *sinks[OUTPUTS_MAX];
	const struct sink_ops *ops[OUTPUTS_MAX];
	char paths[OUTPUTS_MAX][512];
	int fds[OUTPUTS_MAX];
	struct outputs_shim shims[OUTPUTS_MAX];
	bool made[OUTPUTS_MAX]; // the file was not there before
	size_t count;
	int failed; // a head could not be written
};

struct outputs_config {
	const struct settings *settings;
	const struct scan_info *info;
	const char *(*service)(void *ctx, uint8_t proto, uint16_t port);
	void *service_ctx;
	const char *(*asked_name)(void *ctx, const struct addr *a);
	void *asked_ctx;
	bool hosts_follow;  // host() will be called for JSON Lines too
	bool threaded;      // a thread of its own writes
	const int *stop_fd; // sink.h
};

// Is there a report that tells whole hosts?
bool outputs_want_hosts(const struct settings *s);

// Looks whether the files can be written, without making or opening any: before the network is touched.
int outputs_check(const struct settings *s, struct err_text *e) MUST_CHECK;

// Opens (and truncates) every file before anything is sent, so that a report that cannot be written costs no
// scan. When one cannot be opened, none was touched.
int outputs_open_files(struct outputs *o, const struct settings *s, struct err_text *e) MUST_CHECK;
// Starts the sinks on the open files. Where not even the head could be written `failed` is set: end it then.
int outputs_start(struct outputs *o, const struct outputs_config *cfg, struct err_text *e) MUST_CHECK;
// Ends every report. Returns the first write error, named in `e`.
int outputs_close(struct outputs *o, const struct scan_summary *sum, struct err_text *e) MUST_CHECK;
