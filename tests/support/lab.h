// Two network namespaces of the test's own, joined by a veth pair. They have no name and no way out, and are
// gone when the test ends, whatever happens to it.
//
//   scanner: near  198.18.0.1/24, 2001:db8::1/64      peer: far  198.18.0.2/24, 2001:db8::2/64
#pragma once

#include <stdbool.h>

#include "base/err.h"

struct lab {
	int home, scanner, peer; // namespace descriptors
};

// True when the lab stands and the calling thread is in `scanner`. False (with a line on stderr that says
// why) when this process may not make namespaces or has no `ip` program.
bool lab_open(struct lab *l) MUST_CHECK;
void lab_close(struct lab *l); // back home

void lab_enter(int ns);
// Runs a shell command in the current namespace; fails the test when it fails.
void lab_run(const char *fmt, ...) PRINTF_LIKE(1, 2);
