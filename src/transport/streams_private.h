// What the stream transports share. A transport is one poller (epoll, io_uring) under the same loop:
//
//   streams_pool.c    the contract's calls: rings to and from the workers, wake-ups, limits
//   streams_loop.c    one worker's loop: jobs, sockets that are used again, deadlines
//   streams_slots.c   its sockets, kept for the next connect
//   streams_socket.c  making a socket, connecting it, what an errno means
//   streams_timer.c   deadlines in a heap
#pragma once

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/ring.h"
#include "transport/streams.h"

// ---- sockets

// How the sockets of one transport are made; checked once by stream_maker_init.
struct stream_maker {
	struct addr source[2]; // by enum addr_family; all zero: the kernel's choice
	uint16_t source_port;
	uint8_t ttl;
	char interface[16];
	uint32_t ifindex;
	uint16_t port_lo, port_hi; // the kernel's range of local ports
	bool fixed; // a source address or port was asked for: a socket serves one connection only
};

union stream_sockaddr {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

int stream_maker_init(struct stream_maker *m, const struct streams_config *cfg,
		      struct err_text *e) MUST_CHECK;

// A non-blocking TCP socket, or -errno.
int stream_socket(const struct stream_maker *m, enum addr_family family) MUST_CHECK;

// Gives a socket a local port for good, near *next within the kernel's range, and moves *next on: it keeps
// the port over refusals, so that connect need not look for one each time (a fourteenth of its work). False
// when three in a row were taken: then connect chooses.
bool stream_keep_port(const struct stream_maker *m, int fd, enum addr_family family, uint32_t *next);

socklen_t stream_sockaddr(const struct addr *a, uint16_t port, union stream_sockaddr *out);

// connect(2): 0, or the positive errno.
int stream_connect(int fd, const union stream_sockaddr *to, socklen_t len);

// Takes the pending error, also a soft one: an ICMP error that arrives while connect(2) still holds the
// socket is only noted there, and a second connect(2) would not tell it. 0 when there is none.
int stream_take_error(int fd);

// Breaks off whatever the socket is doing, so that it can connect again.
void stream_reset(int fd);

// Towards this machine the kernel may choose the very port that is to be tried as the source: the socket then
// connects to itself (RFC 9293, 3.5, simultaneous open), and nobody listens there.
bool stream_met_itself(int fd, const struct stream_job *job);

// Is EADDRNOTAVAIL for this destination a matter of source addresses (waiting will not help) and not of
// local ports?
bool stream_no_source(const struct stream_maker *m, const struct addr *dst);

// What a finished connect with this errno means.
enum stream_outcome stream_outcome_of(int err);
// Local shortage that others' finishing or a little time mends.
bool stream_is_shortage(int err);

// ---- slots: the sockets of one loop, each free, idle or at work

enum slot_state {
	SLOT_FREE,    // no descriptor
	SLOT_IDLE,    // a socket that can connect
	SLOT_WAITING, // a connect in progress, in the poller and the heap
};

struct slot {
	struct stream_job job;
	int64_t start_ns;
	int fd;
	uint32_t next;  // in the free or an idle list
	uint8_t state;  // enum slot_state
	uint8_t family; // enum addr_family
	bool watched;   // the poller knows the descriptor
	bool kept;      // it has a local port of its own
	bool asked;     // … or was to get one
};

struct slot_table {
	const struct stream_maker *maker;
	struct slot *slots;
	uint32_t count, waiting;
	uint32_t free_head, idle_head[2]; // lists; the idle ones by family
	uint32_t kept, next_port;         // sockets with a port of their own
};

int slot_table_init(struct slot_table *t, const struct stream_maker *maker, uint32_t count) MUST_CHECK;
void slot_table_free(struct slot_table *t); // closes the sockets

// Could slot_take find one, descriptors permitting?
bool slot_available(const struct slot_table *t);

// Takes a slot with a socket of the family off the lists: 0 or the positive errno. An idle socket is used
// first; when there is no room for a new one, an idle one of the other family makes it.
int slot_take(struct slot_table *t, enum addr_family family, uint32_t *out) MUST_CHECK;

// Changes the state of a slot that was taken; an idle one goes back to its list.
void slot_set(struct slot_table *t, uint32_t slot, enum slot_state state);
void slot_close(struct slot_table *t, uint32_t slot); // its socket; the slot is free then

// ---- deadlines

struct timer_heap {
	struct timer_entry {
		int64_t deadline_ns;
		uint32_t slot;
	} * entries;
	uint32_t *position; // by slot, in entries; TIMER_NONE when it is not there
	uint32_t count;
};

#define TIMER_NONE UINT32_MAX

int timer_heap_init(struct timer_heap *h, uint32_t slots) MUST_CHECK;
void timer_heap_free(struct timer_heap *h);
void timer_heap_add(struct timer_heap *h, uint32_t slot, int64_t deadline_ns); // not yet in the heap
void timer_heap_remove(struct timer_heap *h, uint32_t slot);                   // nothing if it is not there
// The earliest, INT64_MAX when there is none.
int64_t timer_heap_next(const struct timer_heap *h);

// ---- pollers

#define POLLER_WAKE   UINT32_MAX // the slot number of the wake-up descriptor
#define POLLER_EVENTS 256        // most events taken in one call

struct poller;

struct poller_ops {
	const char *name;
	int (*open)(struct poller **out, uint32_t slots, struct err_text *e);
	// Reports `slot` when the connect in progress on fd has ended. Reports may also be stale or repeated:
	// the loop asks the socket. `known` is false the first time since the descriptor was made.
	int (*watch)(struct poller *p, int fd, uint32_t slot, bool known);
	// Reports POLLER_WAKE whenever fd is readable.
	int (*watch_wake)(struct poller *p, int fd);
	// Up to POLLER_EVENTS slots, waiting at most timeout_ns (0: not at all, negative: as long as it
	// takes). The count or -errno.
	int (*wait)(struct poller *p, uint32_t *slots, int64_t timeout_ns);
	int (*fd)(const struct poller *p); // readable when wait would return something
	void (*close)(struct poller *p);
};

extern const struct poller_ops poller_epoll, poller_uring;

// ---- loop

struct stream_counters {
	_Atomic uint64_t connects, in_flight_max, waits_fds, waits_ports, not_taken;
};

struct stream_loop;

// `slots` is the most sockets that it may have open.
int stream_loop_open(struct stream_loop **out, const struct poller_ops *ops, const struct stream_maker *maker,
		     uint32_t slots, struct err_text *e) MUST_CHECK;
void stream_loop_close(struct stream_loop *l);

// Starts up to `budget` jobs, takes events (waiting for the next thing to do when `block`), ends what is
// overdue, and hands the results to the ring. When the poller itself fails, all jobs end as STREAM_ERROR.
void stream_loop_run(struct stream_loop *l, unsigned budget, bool block);

// Could it start a job now?
bool stream_loop_runnable(const struct stream_loop *l);
// When something is due even without an event, INT64_MAX when nothing is.
int64_t stream_loop_next(const struct stream_loop *l);
int stream_loop_fd(const struct stream_loop *l);

// From the other side. `stop` also wakes the loop.
unsigned stream_loop_submit(struct stream_loop *l, const struct stream_job *jobs, unsigned n);
unsigned stream_loop_results(struct stream_loop *l, struct stream_result *r, unsigned max);
void stream_loop_stop(struct stream_loop *l);
bool stream_loop_stopped(const struct stream_loop *l);
// Called by the loop after results were handed over, or (room) when a ring of jobs that was found full has
// places again.
void stream_loop_on_results(struct stream_loop *l, void (*notify)(void *ctx, bool room), void *ctx);
const struct stream_counters *stream_loop_counters(const struct stream_loop *l);

// ---- the contract's calls, over a poller

int stream_pool_open(struct streams **out, const struct poller_ops *ops, const struct streams_config *cfg,
		     struct err_text *e) MUST_CHECK;
unsigned stream_pool_submit(struct streams *s, const struct stream_job *jobs, unsigned n);
unsigned stream_pool_poll(struct streams *s, struct stream_result *r, unsigned max);
unsigned stream_pool_in_flight(const struct streams *s);
int stream_pool_fd(const struct streams *s);
void stream_pool_stats(struct streams *s, struct streams_stats *out);
void stream_pool_close(struct streams *s);
