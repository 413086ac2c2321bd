// The stream transports' contract: connections by the thousand. (Reading and writing come with service
// detection.)
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "net/addr.h"

struct streams_config {
	unsigned workers; // threads with a loop of their own; 0: everything in the caller's thread
	unsigned
		max_in_flight; // 0: as many as the descriptor limit allows (raised to the hard limit by app/)
	uint8_t ttl;           // 0: the system's
	struct addr source_v4, source_v6; // all zero: the kernel's choice
	uint16_t source_port;             // 0: the kernel's choice
	const char *interface;            // SO_BINDTODEVICE / IP_UNICAST_IF, or NULL
};

struct stream_job {
	uint64_t token; // handed back
	struct addr dst;
	int64_t timeout_ns; // from the connect call
	uint16_t port;
};

enum stream_outcome {
	STREAM_CONNECTED,
	STREAM_REFUSED,
	STREAM_TIMEOUT,
	STREAM_UNREACHABLE, // EHOSTUNREACH, ENETUNREACH, EACCES from ICMP …: `error` says which
	STREAM_ERROR,       // local trouble that waiting does not mend: `error`
};

struct stream_result {
	uint64_t token;
	uint8_t outcome;  // enum stream_outcome
	int error;        // errno
	uint32_t rtt_us;  // connect call to completion; 0: not known
	uint32_t sent_us; // when connect was called, clock_mono_ns()/1000 low 32 bits
};

struct streams_stats {
	uint64_t connects, in_flight_max;
	uint64_t waits_fds, waits_ports; // how often EMFILE/ENFILE and EADDRNOTAVAIL were waited out
	uint64_t not_taken;              // connects that this system refused at once: nothing was sent
};

struct streams;

struct streams_ops {
	const char *name;
	int (*open)(struct streams **out, const struct streams_config *cfg, struct err_text *e);
	// Takes up to n jobs; returns how many (0 under back-pressure). Connected sockets are closed at once
	// (RST by SO_LINGER 0, so that no TIME_WAIT piles up).
	unsigned (*submit)(struct streams *s, const struct stream_job *jobs, unsigned n);
	// Takes up to max results that are ready; drives the loop when there are no workers. Never blocks.
	unsigned (*poll)(struct streams *s, struct stream_result *r, unsigned max);
	unsigned (*in_flight)(const struct streams *s);
	// Readable when poll has something to do.
	int (*fd)(const struct streams *s);
	void (*stats)(struct streams *s, struct streams_stats *out);
	void (*close)(struct streams *s); // drops what is in flight
};

// epoll is the one to take by default at any size: both spend their time in connect(2) (10.5 µs a closed
// port, alike), epoll needs 10 % less processor time where thousands time out, and io_uring is switched off
// on many hosts. open of streams_uring says why it cannot; take epoll then.
extern const struct streams_ops streams_epoll, streams_uring;
const struct streams_ops *streams_find(const char *name);
