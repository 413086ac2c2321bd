// Host names to addresses and back. The work is done by the module libprtip-names.so (c-ares), whose
// `module_info.ops` is a struct names_ops; the core has the checks and a blocking helper over it.
//
// Everything that comes back is text and numbers from strangers: host names are checked against RFC 1123
// (letters, digits, hyphens; underscores too, which many PTR records have), anything else in them is escaped.
// Addresses are passed on as they are: the target layer's exclusions and reserved ranges apply to them.
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "net/addr.h"

#define NAMES_FDS_MAX   64   // most descriptors at once
#define NAMES_ADDRS_MAX 1024 // addresses of one name; more are cut off
#define NAMES_PTRS_MAX  16   // names of one address; more are cut off
#define NAMES_TEXT_MAX  1024 // a name with every byte escaped, and the final zero

struct names_config {
	const char *servers; // "addr[:port],…" with IPv6 as "2001:db8::1" or "[2001:db8::1]:53"; NULL: the
			     // system's
	int64_t timeout_ns;  // of one lookup in all, two tries; 0: two seconds
	unsigned max_active; // lookups on their way at once, further ones queue; 0: 256
};

enum names_families { NAMES_V4 = 1, NAMES_V6 = 2 };

enum names_status {
	NAMES_OK,
	NAMES_NOT_FOUND, // no such name, or it has no record of the kind
	NAMES_TIMEOUT,
	NAMES_SERVER,    // the server refused or failed, or none can be reached
	NAMES_MALFORMED, // an answer that breaks the format
	NAMES_CANCELLED,
};

// Valid during the call only.
struct names_result {
	uint64_t token;
	enum names_status status;
	const char *reason;       // of a status other than NAMES_OK, for people
	const struct addr *addrs; // forward: all addresses, each once
	unsigned addr_count;
	const char *const *ptrs; // reverse: at least one
	unsigned ptr_count;
};

typedef void names_done(void *ctx, const struct names_result *r);

struct names;

struct names_ops {
	// `done` is called once for each lookup that was accepted, from within forward, reverse, process or
	// cancel, and may start further lookups. Reads the system's resolver settings here, so that it may be
	// called before rights are dropped.
	int (*open)(struct names **out, const struct names_config *cfg, names_done *done, void *ctx,
		    struct err_text *e);
	// `families` is a set of enum names_families. ERR_SYNTAX when the text is no host name, -ENOMEM.
	int (*forward)(struct names *n, uint64_t token, const char *name, unsigned families);
	int (*reverse)(struct names *n, uint64_t token, const struct addr *a);
	unsigned (*pending)(const struct names *n);
	// What to poll for: fills up to `max` entries and returns how many; *timeout_ns is the time until
	// process must be called anyhow (negative: no need).
	unsigned (*fds)(struct names *n, struct pollfd *fds, unsigned max, int64_t *timeout_ns);
	// After poll: entries with their revents (none are needed when only time has passed).
	void (*process)(struct names *n, const struct pollfd *fds, unsigned count);
	void (*cancel)(struct names *n); // ends all lookups with NAMES_CANCELLED
	void (*close)(struct names *n);  // no more calls of `done`
};

// Is it a host name by RFC 1123, underscores allowed? A final dot is accepted.
bool names_is_valid(const char *name);

// Copies a name that came from the network: as it is (without a final dot) when it is valid, else with every
// byte that a host name cannot have as \xNN. NAMES_TEXT_MAX holds any name of the DNS; longer ones are cut.
void names_escape(char *dst, size_t cap, const char *name);

// ---- a few names, now

struct names_lookup {
	const char *name;  // in
	unsigned families; // in
	enum names_status status;
	char reason[96];
	struct addr *addrs; // NULL when there are none; freed by names_lookup_free
	unsigned count;
};

// Resolves all of them at the same time and waits; what fails has its status and reason. An error is only
// returned when the resolver cannot be set up.
int names_resolve(const struct names_ops *ops, const struct names_config *cfg, struct names_lookup *lookups,
		  unsigned count, struct err_text *e) MUST_CHECK;
void names_lookup_free(struct names_lookup *lookups, unsigned count);

// One server of a --dns-servers list: text up to a comma or the end. *next is set behind it. Port 53 when
// none is given.
int names_parse_server(const char *text, const char **next, struct addr *addr, uint16_t *port,
		       struct err_text *e) MUST_CHECK;
