// Port sets, service names and the frequency order.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum proto { PROTO_TCP, PROTO_UDP, PROTO_SCTP, PROTO_COUNT };

const char *proto_name(enum proto p); // "tcp"

// A set of ports per protocol, as bitmaps.
struct portset {
	uint64_t bits[PROTO_COUNT][1024];
};

void portset_add(struct portset *s, enum proto p, uint16_t port);
bool portset_has(const struct portset *s, enum proto p, uint16_t port);
size_t portset_count(const struct portset *s, enum proto p);
// Ascending list; `out` has room for portset_count entries.
size_t portset_list(const struct portset *s, enum proto p, uint16_t *out);
// "22,80,443,8000-8010"; allocated, the caller frees. For nmap's scaninfo and summaries.
char *portset_format(const struct portset *s, enum proto p);

struct servicedb;

// The built-in table (data/services.tsv, compiled in), or a file in nmap-services' format ("name port/proto
// freq", # begins a comment; freq is a decimal or a fraction, none is 0). A malformed line is an error naming
// file and line; of a port that is there twice the first line counts.
int servicedb_open(struct servicedb **out, const char *path_or_null, struct err_text *e) MUST_CHECK;
// The same from text in memory; `path` is for the errors.
int servicedb_read(struct servicedb **out, const char *path, const char *text, size_t len,
		   struct err_text *e) MUST_CHECK;
void servicedb_free(struct servicedb *db);
// Name of a port ("http"), or NULL. Uses the names nmap's readers expect (ms-sql-s, microsoft-ds, domain …).
const char *servicedb_name(const struct servicedb *db, enum proto p, uint16_t port);
// The n most common ports into the set; n is clipped to what is known beyond which lowest numbers follow.
void servicedb_top(const struct servicedb *db, enum proto p, size_t n, struct portset *s);

// -p syntax: "22,80", "1-1024", "-100", "60000-", "-" (all 1-65535), "http*", "ssh", "T:22,U:53,S:…",
// "[1-1000]" (those in the service table). A last comma and the last ] may be one too many and one too few.
// Protocol letters hold until the next one. Without a letter, ports
// go to each protocol in `default_protos` (a bit per enum proto). Port 0 only when named explicitly ("0",
// "0-"). Ports are added to what is in the set, also before an error. Names: letter case does not matter, *
// and ? are wild, and one protocol that has the service is enough.
int ports_parse(const char *text, const struct servicedb *db, unsigned default_protos, struct portset *s,
		struct err_text *e) MUST_CHECK;
