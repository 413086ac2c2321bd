// Per-host aggregation for the sinks that report a host at a time, and the scan's summary.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/addr.h"
#include "result/record.h"

struct port_result {
	uint16_t port;
	uint8_t proto, state, reason, ttl;
	uint8_t from; // who said so, when it was not the host: number in its speakers, from 1; 0: itself, or
		      // not known
	uint32_t rtt_us;
};

// "Not shown: 997 closed tcp ports (reset)": ports of one state and reason that are counted, not listed.
struct state_count {
	uint8_t proto, state, reason;
	uint32_t count;
};

#define HOST_COUNTS_MAX 24

struct host_result {
	struct addr addr;
	const char *asked;    // the name the user gave, or NULL
	const char *ptr_name; // reverse name, or NULL
	uint8_t state;        // STATE_UP or STATE_DOWN
	uint8_t reason, reason_ttl;
	bool mac_known;
	uint8_t mac[6];
	bool timed_out;  // --host-timeout
	bool incomplete; // interrupted before it was done
	int64_t start_wall_ns, end_wall_ns;
	uint32_t srtt_us, rttvar_us;     // 0: not known
	uint32_t ports_total;            // positions of this host in the scan
	const struct port_result *ports; // listed ones, by proto then port
	size_t port_count;
	const struct addr *speakers; // routers that spoke for it
	size_t speaker_count;
	struct state_count counts[HOST_COUNTS_MAX]; // the not-listed ones
	size_t count_count;
	bool rst_limited, icmp_limited; // answers were rate-limited by the target
};

// Who said what is known of a listed port; NULL: the host itself, or nobody.
static inline const struct addr *host_speaker(const struct host_result *h, const struct port_result *p)
{
	return p->from ? &h->speakers[p->from - 1] : NULL;
}

// Counters of the whole scan; also what the progress line sees.
struct scan_counters {
	uint64_t positions;      // in the space
	uint64_t positions_done; // answered, silent or skipped
	uint64_t answered, silent, unsent;
	uint64_t frames; // handed to the interface
	uint64_t first_tries, resends;
	uint64_t not_taken;                           // frames the interface refused
	uint64_t answers;                             // = records + duplicates + late + rejected
	uint64_t records, duplicates, late, rejected; // rejected: wrong cookie
	uint64_t open, closed, filtered, unfiltered, open_filtered;
	uint64_t hosts_total, hosts_up, hosts_down, hosts_timed_out;
	uint64_t ring_drops; // answers the kernel could not hand over
};

struct scan_summary {
	struct scan_counters c;
	int64_t start_wall_ns, end_wall_ns, elapsed_ns;
	double loss;    // estimated share of (probe, answer) round trips lost
	unsigned tries; // tries that a silent position got, at most
	double confidence_asked, confidence_reached;
	double missed_expected, missed_bound; // open ports missed: expected, and 95 % upper bound
	unsigned hosts_limited;               // rate-limited their answers
	unsigned hosts_probes_limited;        // … the probes that they take
	unsigned hosts_unsure;   // of hosts_limited: one or the other, so that silent ports may be open
	unsigned hosts_vanished; // answered, and at the end no more
	double unsure_pps;       // the lowest rate at which one of those answered; 0: not known
	bool interrupted, incomplete;
	int exit_status;
	const char *error; // what ended the scan early, or NULL
};

// Only what is sent again shows loss; where everything answered at once there was none.
static inline bool scan_summary_loss_known(const struct scan_summary *sum)
{
	return sum->c.silent == 0 || sum->c.resends > 0;
}

// What was missed is known of what was tried to the end: of a scan that ended early that is not all of it,
// and no figure vouches for the rest.
static inline bool scan_summary_missed_known(const struct scan_summary *sum)
{
	return !sum->interrupted && !sum->error;
}
