#pragma once

#include <stdbool.h>
#include <stdint.h>

// What happens to a packet on its way: the parameters of one direction, and the draws they need. Shares are 0
// … 1, times ns.

enum jitter_kind { JITTER_UNIFORM, JITTER_NORMAL };

struct fate_params {
	double delay_ns;
	double jitter_ns; // uniform: delay ± jitter; normal: its standard deviation, cut at 0
	enum jitter_kind jitter_kind;
	bool reorder; // a packet with less delay may overtake; otherwise order is kept
	double loss;  // each packet on its own
	// Gilbert-Elliott, by packet: chance to enter and to leave the bad state, loss in it.
	double burst_enter, burst_leave, burst_loss;
	// The same by time: mean length of good and bad spells (exponential), loss in the bad ones.
	double good_ns, bad_ns, bad_loss;
	// Bottleneck: one of them, 0 for none; and how many packets may wait for it.
	double packets_per_s, bits_per_s;
	uint32_t queue;
};

struct fate {
	struct fate_params params;
	uint64_t random;
	bool bad;              // Gilbert-Elliott's state
	bool spell_bad;        // the state by time …
	uint64_t spell_end_ns; // … and until when
};

void fate_init(struct fate *fate, const struct fate_params *params, uint64_t seed);

// Draws whether a packet that arrives at now_ns is lost.
bool fate_loses(struct fate *fate, uint64_t now_ns);

// Draws how long a packet is under way, without the bottleneck.
uint64_t fate_delay_ns(struct fate *fate);
