// A filter of system calls, written by hand: libseccomp would cost more calls at start than it saves.
#pragma once

#include <stdbool.h>

#include "base/err.h"

// For all threads, for good. ERR_UNSUPPORTED when this kernel or machine has none; no_new_privs must be set.
int seccomp_install(bool allow_bpf, bool allow_uring) MUST_CHECK;
