// Pacing by evidence, for one flow: a host, a /24, or everything.
//
// Probes leave in a keyed random order, so the share of them that is answered does not drift by itself: when
// it falls as the rate grows, answers are being lost. A flow sends in short epochs; an epoch is judged once
// its answers have had time to arrive. A good epoch lets the rate grow, a bad one cuts it to what came
// through. RTT growth tells a full queue. A host whose few answers stay flat whatever is sent, without RTT
// growth, limits something: its resets or ICMP errors, which is no loss, or the probes that it takes
// (`limited`). Whoever finds out which of them it is tells the flow by flow_calm.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "pace/rtt.h"

enum flow_level { FLOW_HOST, FLOW_NET, FLOW_ALL };

enum flow_limit {
	FLOW_UNLIMITED, // as far as is known
	FLOW_LIMITED,   // its answers stay flat, and it is sent to without regard to them
	FLOW_CALM,      // the same, sent to a little below that rate: most that can be answered is
};

struct flow_policy {
	enum flow_level level;
	double start_pps;      // before any evidence
	double silent_pps;     // ceiling while nothing was answered (FLOW_HOST); infinity otherwise
	double floor_pps;      // never below (after a cut, or --min-rate)
	double burst;          // tokens at the start
	bool judge;            // false: fixed order, answer shares drift (-r): only drops and RTT count
	int64_t scan_delay_ns; // --scan-delay: least distance of two frames (FLOW_HOST)
	int64_t seen_ns;       // everything that had arrived by then has been looked at
	uint32_t late_us;      // how late answers may have been looked at just now
};

// Times are the microsecond clock, low 32 bits: only differences count.
struct flow_epoch {
	uint32_t start_us, end_us; // while it is being filled: the last frame
	uint32_t sent, answered;
	uint32_t min_rtt_us;
};

#define FLOW_PENDING 3 // epochs whose answers may still come

// A scan has tens of thousands of these and meets them in random order: what a frame needs is one cache line,
// what an answer needs another, and the rest is for those that are sent much.
struct flow {
	int64_t refill_ns; // when the tokens were last counted; 0: never used
	double tokens;
	double rate_pps;
	struct flow_epoch now; // being filled
	float share;           // usual share of answered probes; 0: unknown
	uint32_t answers;      // ever, saturating
	uint32_t asked;        // first tries ever, saturating
	uint32_t cut_us;
	uint8_t bad_epochs; // in a row
	uint8_t pending;    // entries of `closed` in use
	bool slow_start;
	uint8_t limited; // enum flow_limit

	struct pace_rtt rtt;
	struct pace_rtt lag; // the same from when the frame was handed over: queues of our own included
	float arriving_pps;
	uint32_t arrived, arriving_since_us; // answers in the measuring interval
	uint32_t arriving_min_us;            // … and the least RTT among them
	uint32_t base_rtt_us, bad_since_us;
	float good_pps; // most that went well
	float undo_pps; // rate before the last judged epoch cut it; 0: it did not

	struct flow_epoch closed[FLOW_PENDING], judged; // oldest first; the last one judged
	int64_t looked_ns; // when flow_sent last looked at `closed`, if no answer has come since
};

// May one frame leave now? Does not take it.
bool flow_may_send(struct flow *f, const struct flow_policy *p, int64_t now_ns);
// Nanoseconds until it may (valid after flow_may_send said no).
int64_t flow_wait_ns(const struct flow *f, const struct flow_policy *p, int64_t now_ns);

// The flow is judged by itself for now: it limits its answers, or is suspected to. What it sends and gets
// must not count for the flows around it.
static inline bool flow_apart(const struct flow *f)
{
	return f->limited != FLOW_UNLIMITED || f->bad_epochs > 0;
}

// A frame leaves. `judged`: it is a first try, so that its answer counts.
void flow_sent(struct flow *f, const struct flow_policy *p, int64_t now_ns, bool judged);

// An answer to a first try that was handed over at `sent_ns`; rtt_us 0 when not known.
void flow_answered(struct flow *f, const struct flow_policy *p, int64_t sent_ns, uint32_t rtt_us,
		   int64_t now_ns);

// A limited flow is sent to at this rate from now on, or a little more or less, as its answers tell.
void flow_calm(struct flow *f, double pps, int64_t now_ns);
// … and without regard to its answers again.
void flow_flood(struct flow *f, double pps, int64_t now_ns);

// Answers were dropped on this side (a receive ring overflowed): slow down. FLOW_ALL.
void flow_overrun(struct flow *f, const struct flow_policy *p, int64_t now_ns);

// The flow's verdict was wrong because one of its members limits answers: forget the epochs in hand.
void flow_forgive(struct flow *f, int64_t now_ns);
