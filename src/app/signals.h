// Signals: SIGINT, SIGTERM and SIGHUP stop the program, at any moment and each moment in its own way. One
// that was ignored when the program began (SIGHUP under nohup, SIGINT in the background of a script) stays
// ignored.
#pragma once

#include <signal.h>

#include "base/err.h"

struct signals {
	// To poll: readable when a stop was asked for, and again for a second one, which means: do not wait
	// for anybody. -1 before signals_open.
	int fd;
	sigset_t stops; // those that are not ignored
	sigset_t before;
	struct sigaction pipe_before;
	int last; // number of the last one taken, 0 when there was none
};

// Nothing was scanned and nothing written yet: a stop ends the program at once, with a line that says so, and
// the exit status is 128 + its number. SIGPIPE and SIGXFSZ become errors of write(2).
int signals_begin(struct signals *s, struct err_text *e) MUST_CHECK;

// From here on they are events on `fd`. To be called before the first thread.
int signals_open(struct signals *s, struct err_text *e) MUST_CHECK;

// The number of the next one, 0 when there is none; never blocks.
int signals_next(struct signals *s);

// Puts back what was before; events not yet taken are dropped.
void signals_close(struct signals *s);
