// The progress line on a terminal, and the lines that --stats-every prints. Sees counters and times only.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "result/host.h"

#define PROGRESS_LINE_MAX 200

struct progress_config {
	int fd;           // normally 2
	bool enabled;     // false: no moving line (-q, or not wanted); --stats-every still works
	bool color;       // --color/--no-color and NO_COLOR, as `app/` has settled them
	const char *term; // the TERM variable; NULL, "" or "dumb": no moving line, that terminal cannot erase
	int64_t stats_every_ns; // 0: none
	int64_t start_mono_ns;
};

struct progress {
	struct progress_config cfg;
	bool live;  // a moving line is drawn
	bool shown; // one is on the screen now
	int64_t drawn_ns, stats_ns;
	// Rate over the last second or so.
	int64_t mark_ns;
	uint64_t mark_frames;
	double rate_pps;
};

void progress_init(struct progress *p, const struct progress_config *cfg);

// Call it as often as convenient (a few times a second): draws at most 5 times a second, and a --stats-every
// line when one is due.
void progress_update(struct progress *p, const struct scan_counters *c, int64_t mono_ns, int64_t wall_ns);

// Takes the moving line off the screen; call it before anything else is written to the terminal, and at the
// end.
void progress_hide(struct progress *p);

// A whole line now, terminal or not (a key press, SIGUSR1).
void progress_print(struct progress *p, const struct scan_counters *c, int64_t mono_ns, int64_t wall_ns);

// "45.2 % done; 312,000 probes/s; 12 open; ETA 0:12 (20:14)". Returns the length.
size_t progress_format(const struct scan_counters *c, double rate_pps, int64_t elapsed_ns, int64_t wall_ns,
		       char out[PROGRESS_LINE_MAX]);
