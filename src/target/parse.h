// Target and port syntax, as nmap users write it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "target/addrset.h"

struct net_table;

// What one target text is.
enum target_kind {
	TARGET_RANGES, // addresses were added to the set
	TARGET_NAME,   // a host name, with an optional /prefix: the caller resolves it
};

struct target_name {
	char name[256];
	int prefix; // -1 when none
};

// "198.18.0.1", "198.18.0.0/16" (host bits that are set are masked, also with lists), "198.18.0-3.1,7,100-",
// "2001:db8::/64", "fe80::1%eth0", "host.example", "host/24". Malformed text (a number above 255, an empty
// range, /33, a scope on a global address …) is an error with the offending part shown. All-numeric text that
// is no address is an error, never a name.
int target_parse(const char *text, struct addrset *set, enum target_kind *kind, struct target_name *name,
		 struct err_text *e) MUST_CHECK;

// Calls `each` for every whitespace-separated target of a file ("-" is standard input, read whole; comments
// from #). Errors name the file and the line. A file above 1 GiB or with a NUL byte is refused.
int target_read_file(const char *path, int (*each)(void *ctx, const char *text, struct err_text *e),
		     void *ctx, struct err_text *e) MUST_CHECK;
// The same from text in memory that has no NUL byte; `path` is for the errors.
int target_read_text(const char *path, const char *text, size_t len,
		     int (*each)(void *ctx, const char *text, struct err_text *e), void *ctx,
		     struct err_text *e) MUST_CHECK;
