// The contract of an output format. A sink owns its output and is used from one thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "result/host.h"
#include "result/record.h"
#include "result/scaninfo.h"

struct sink_output;

struct sink_config {
	const struct scan_info *info;
	// Name of a port for tables, e.g. "http"; never NULL when `service` is set. ctx is handed back.
	const char *(*service)(void *ctx, uint8_t proto, uint16_t port);
	void *service_ctx;
	// The name the user gave for an address, or NULL; for formats that get records only. May be NULL.
	const char *(*asked_name)(void *ctx, const struct addr *a);
	void *asked_ctx;
	bool hosts_follow; // host() will be called for every host, so discovery records need no line of their
			   // own
	int fd; // already open; owned by the sink from open on (closed in close, unless it is 1 or 2)
	const int *stop_fd; // readable once a stop was asked for: then nobody waits for a reader; may be NULL
	const char *path;   // for messages: the file's name or "standard output"
};

struct sink;

// What a format implements; each file exports one `const struct sink_ops`, listed in sink/registry.c.
struct sink_ops {
	const char *name; // "normal", "jsonl", "grepable", "xml"
	bool per_host;    // wants host(); otherwise it wants record() as ports are found
	int (*open)(struct sink **out, const struct sink_config *cfg, struct err_text *e);
	int (*record)(struct sink *s, const struct record *r);    // may be NULL
	int (*host)(struct sink *s, const struct host_result *h); // may be NULL
	// Writes out whatever is buffered; called at least every 0.1 s while something was written.
	int (*flush)(struct sink *s);
	// Ends the document (well-formed whatever happened), flushes, closes, frees. Returns the write error
	// that nobody saw.
	int (*close)(struct sink *s, const struct scan_summary *sum);
};

// Every call returns 0 or -errno of the failed write (ENOSPC, EPIPE …); after a failure the sink stays usable
// for close.
extern const struct sink_ops sink_normal, sink_jsonl, sink_grepable;
// NULL when there is no such format. The XML sink comes from the module libprtip-xml.so.
const struct sink_ops *sink_find(const char *name, struct err_text *e);
