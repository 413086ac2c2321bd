// Hosts whose answers stay flat however much is sent. Either they limit their resets (or ICMP errors), and
// their open ports answer all the same, or they limit the probes that they take, and what is sent above that
// is lost. Closed ports look the same in both cases. A port that is known to be open does not: it is probed
// again, several times, amid the flood. Where none is known, the silent positions are gone through at a rate
// at which each gets its answer either way, if that does not take too long. Private to the sweep's files.
#pragma once

#include "scan/sweep_state.h"

enum doubt_verdict {
	DOUBT_OPEN,    // not known yet
	DOUBT_ANSWERS, // it limits its answers: silence after two tries is as good as elsewhere
	DOUBT_PROBES,  // it limits the probes that it takes: only those sent slowly count
	DOUBT_GIVEN_UP // not found out in the time that it may take
};

struct sweep_doubt {
	struct sweep_host *host;
	uint64_t control;                                // a position that is open, + 1; 0: none is known
	int64_t since_ns, last_answer_ns, last_frame_ns; // of the flood
	int64_t calm_ns;                                 // when the slow sending began; 0: it is flooded
	int64_t search_until_ns;                         // for so long, without an open port
	int64_t first_control_ns, control_ns;
	int64_t heard_ns;             // the last answer of any time
	double limit_pps, flood_pps;  // answers a second; what was sent before it was calm
	uint32_t answers_before;      // since_ns
	uint32_t frames, frames_then; // to the host, and of those at the last control
	uint32_t unheard;             // slow first tries since the last answer
	uint32_t unsure;              // silent positions that had no try at a slow rate
	uint8_t verdict;              // enum doubt_verdict
	uint8_t controls, sent, answered;
	bool itself; // some answer was its own
};

static inline struct sweep_doubt *sweep_doubt_of(const struct sweep *s, const struct sweep_host *h)
{
	uint32_t i = s->doubt_of[h - s->hosts];
	return i ? &s->doubts[i - 1] : NULL;
}

int sweep_doubts_init(struct sweep *s) MUST_CHECK;
void sweep_doubts_free(struct sweep *s);

// A position of this host that was reported open, + 1; 0: none is known. Where there are very many of all
// hosts, none is looked for.
uint64_t sweep_doubt_find_open(const struct sweep *s, const struct sweep_host *h);
// An answer of a host that is limited. True when that is news.
bool sweep_doubt_answer(struct sweep *s, struct sweep_host *h, int64_t now_ns);
// It is still there. `itself`: no router spoke for it, which may also say that it is gone.
void sweep_doubt_heard(struct sweep *s, struct sweep_host *h, bool itself, int64_t now_ns);
// An open port of such a host.
void sweep_doubt_open(struct sweep *s, struct sweep_host *h, uint64_t position, int64_t now_ns);
// One more answer of a position that has answered.
void sweep_doubt_repeated(struct sweep *s, struct sweep_host *h, uint64_t position);
// A frame to such a host. `telling`: its answer would count.
void sweep_doubt_sent(struct sweep *s, struct sweep_host *h, bool telling, int64_t now_ns);

// A probe of a position that has answered, and was asked again so often already. It counts as a re-send.
void sweep_ask_again(struct sweep *s, uint64_t position, unsigned asked, struct sweep_shot *shot);

// Looks what has been found out.
void sweep_doubt_look(struct sweep *s, int64_t now_ns);
// A control probe, if one is due: true when *shot was filled.
bool sweep_doubt_control(struct sweep *s, int64_t now_ns, struct sweep_shot *shot);
// Nothing else can be sent now: what is held is gone through slowly. False when there is nothing to do.
bool sweep_doubt_idle(struct sweep *s, int64_t now_ns);

enum silence { SILENCE_OVER, SILENCE_AGAIN, SILENCE_HELD };

// What a silent position of such a host gets after the chunk's present try.
enum silence sweep_doubt_silence(struct sweep *s, const struct sweep_doubt *d, struct chunk *c);
// It was given up: how many of its tries count.
unsigned sweep_doubt_given_up(struct sweep_doubt *d, const struct chunk *c);
// An answer to this try of a host that is sent to slowly tells the loss.
void sweep_doubt_loss(struct sweep_host *h, const struct chunk *c, unsigned try_no);

// Silent positions of this host of which nothing is known.
uint32_t sweep_doubt_unsure(const struct sweep *s, const struct sweep_host *h);
