// Signals: SIGINT, SIGTERM and SIGHUP stop the program, at any moment and each moment in its own way. One
// that was ignored when the program began (SIGHUP under nohup, SIGINT in the background of a script) stays
// ignored.
#pragma once

#include <signal.h>

#include "base/err.h"

struct signals {
	int fd; // to poll: readable from when a stop was asked for until the end; -1 before signals_open
	sigset_t stops; // those that are not ignored
	sigset_t before;
	struct sigaction pipe_before;
};

// Nothing was scanned and nothing written yet: a stop ends the program at once, with a line that says so, and
// the exit status is 128 + its number. SIGPIPE and SIGXFSZ become errors of write(2).
int signals_begin(struct signals *s, struct err_text *e) MUST_CHECK;

// From here on they are seen on `fd` alone. To be called before the first thread.
int signals_open(struct signals *s, struct err_text *e) MUST_CHECK;

// The number of the signal that asked for a stop, or 0. It stays, so that whoever waits for something learns
// of it from `fd` as well.
int signals_asked(const struct signals *s);

// Puts back what was before; a stop that was asked for is forgotten.
void signals_close(struct signals *s);
