// One sweep over an index space: decides which probe leaves next, what an answer means, what is sent again
// and when a silent position is given up. No socket and no clock: the caller hands in the time, carries out
// the shots and brings the answers, so that a test drives it in virtual time.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "order/order.h"
#include "pace/flow.h"
#include "pace/rtt.h"
#include "result/host.h"
#include "result/record.h"
#include "target/space.h"

struct sweep_policy {
	double confidence;  // wanted: an open port is missed with at most 1 - confidence
	unsigned max_tries; // 1 + --max-retries
	struct pace_rtt_limits rtt;
	double rate_pps;         // --rate: kept whatever the evidence says; 0: none
	double min_pps, max_pps; // --min-rate, --max-rate; 0: none
	double host_silent_pps;  // frames a second to a host that has answered nothing; 0: no cap
	double start_pps;        // overall, before any evidence
	int64_t scan_delay_ns;   // per host; 0: none
	int64_t host_timeout_ns; // 0: none
	int64_t wait_ns;         // --wait; negative: from the timeout
	int64_t sent_before_ns;  // last frame of the sweep before this one; 0: there was none
	bool sequential;         // fixed order: answer shares drift and are no evidence
	bool tries_unmarked;     // -g: an answer does not tell its try
	bool stream;             // connections: every try ends by sweep_stream_result
	uint64_t window_max;     // positions open at a time
};

// One probe to send now.
struct sweep_shot {
	struct space_item item;
	uint64_t position;
	uint32_t stamp;  // index for the transport's send time
	unsigned try_no; // from 1
	int64_t timeout_ns;
};

// What came back for a position.
struct sweep_reply {
	struct addr target;
	struct addr from; // all zero: the target itself
	uint16_t port;
	uint8_t technique;
	uint8_t try_no; // 0: not known
	uint8_t state, reason, ttl, proto;
	uint16_t window;
	const uint8_t *options;
	uint8_t options_len;
};

// Called from within sweep_next, sweep_answer and sweep_expire. Any may be NULL.
struct sweep_events {
	void *ctx;
	void (*record)(void *ctx, const struct record *r, uint64_t addr_index);
	void (*expect)(void *ctx, const struct addr *a); // a record of this host comes soon; may be NULL
	void (*silent)(void *ctx, const struct space_item *item);
	bool (*skip)(void *ctx,
		     uint64_t addr_index); // true: positions of this address are not wanted any more
	bool (*finished)(void *ctx);       // true: nothing more is wanted, the rest may be dropped
	void (*host_timed_out)(void *ctx, const struct addr *a, uint64_t addr_index);
	void (*host_vanished)(void *ctx, const struct addr *a, uint64_t addr_index); // it answers no more
	void (*host_done)(void *ctx, const struct addr *a, uint64_t addr_index);     // dense sweeps only
};

struct sweep;

int sweep_new(struct sweep **out, const struct space *space, const struct order *order,
	      const struct order_slice *slice, const struct sweep_policy *policy,
	      const struct sweep_events *events) MUST_CHECK;
void sweep_free(struct sweep *s);

// Send times, for the transport (see transport/frames.h).
_Atomic uint32_t *sweep_stamps(struct sweep *s);

// Fills up to max shots that may leave now. 0: nothing is due; sweep_wait_ns says how long.
unsigned sweep_next(struct sweep *s, int64_t now_ns, struct sweep_shot *shots, unsigned max);
// These have left by now, a little after they were handed out: --scan-delay counts from here.
void sweep_left(struct sweep *s, const struct sweep_shot *shots, unsigned n, int64_t now_ns);
// Nanoseconds until something is due (a frame, a timeout, the end).
int64_t sweep_wait_ns(const struct sweep *s, int64_t now_ns);
bool sweep_done(const struct sweep *s, int64_t now_ns);

void sweep_answer(struct sweep *s, const struct sweep_reply *r, int64_t now_ns);
// The same for several, each with its time: their misses of the cache overlap.
void sweep_answers(struct sweep *s, const struct sweep_reply *r, const int64_t *times_ns, unsigned n);
// A connection's end. `answered` false: it timed out. rtt_us 0: not known.
void sweep_stream_result(struct sweep *s, uint64_t position, const struct sweep_reply *r, bool answered,
			 uint32_t rtt_us, int64_t now_ns);
// So many answers with a wrong cookie or for no position of ours were seen.
void sweep_count_rejected(struct sweep *s, uint64_t n);
// Answers were lost on this side.
void sweep_overrun(struct sweep *s, uint64_t dropped, int64_t now_ns);

// The transport's answers are about to be looked at; the time since sweep_seen is how late that may be.
void sweep_look(struct sweep *s, int64_t now_ns);
// Everything that had arrived by `now_ns` has been handed in: silence until then is silence.
void sweep_seen(struct sweep *s, int64_t now_ns);

// No answer will come any more: hosts that waited for late ones are done.
void sweep_rest_over(struct sweep *s);

// RTT known beforehand (from host discovery).
void sweep_seed_rtt(struct sweep *s, uint64_t addr_index, uint32_t rtt_us);

// When the last frame left; 0: none did.
int64_t sweep_last_sent_ns(const struct sweep *s);
const struct scan_counters *sweep_counters(const struct sweep *s);
// Loss, tries, confidence and missed ports into the summary.
void sweep_summarise(const struct sweep *s, struct scan_summary *sum);
// Does the host limit its answers, as far as is known?
bool sweep_host_limited(const struct sweep *s, uint64_t addr_index);

// What a position is (for transports that hand positions back).
void sweep_item_at(const struct sweep *s, uint64_t position, struct space_item *item);
