// Signals as events on a descriptor.
#pragma once

#include <signal.h>

#include "base/err.h"

enum signal_event {
	SIGNAL_NONE,
	SIGNAL_STOP,   // SIGINT, SIGTERM, SIGHUP: finish, a second one means now
	SIGNAL_WINDOW, // SIGWINCH: the terminal has another size
};

struct signals {
	int fd; // to poll
	sigset_t before;
	struct sigaction pipe_before;
	int last; // number of the last signal that meant SIGNAL_STOP, for the exit status
};

// To be called before the first thread or module. A signal that was ignored when the program began (SIGHUP
// under nohup, SIGINT in the background of a script) stays ignored. SIGPIPE becomes an error of write(2).
int signals_open(struct signals *s, struct err_text *e) MUST_CHECK;

// The next event; never blocks.
enum signal_event signals_next(struct signals *s);

// Puts back what was before; events not yet taken are dropped.
void signals_close(struct signals *s);
