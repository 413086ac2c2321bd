// The one error type: codes, and a text for people made where the failure is known.
#pragma once

#include <stddef.h>

// Functions that can fail return 0, -errno from the system, or one of these (all below -4096).
#define PRTIP_ERRORS(X)                             \
	X(USAGE, -4097, "usage error")              \
	X(SYNTAX, -4098, "malformed input")         \
	X(RANGE, -4099, "value out of range")       \
	X(LIMIT, -4100, "limit reached")            \
	X(UNSUPPORTED, -4101, "not supported here") \
	X(PRIVILEGE, -4102, "not permitted")        \
	X(NOROUTE, -4103, "no route")               \
	X(TRUNCATED, -4104, "cut short")            \
	X(MODULE, -4105, "module not usable")       \
	X(INTERRUPTED, -4106, "interrupted")

enum prtip_error {
#define X(name, value, text) ERR_##name = (value),
	PRTIP_ERRORS(X)
#undef X
};

#define MUST_CHECK        __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

// Caller-owned text of a failure. One line, no final newline, already safe for a terminal.
struct err_text {
	char text[512];
};

// Formats into `e` (which may be NULL) and returns `code`, so that callers write `return err_set(...)`.
int err_set(struct err_text *e, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

// Short text of a code: ours from the table above, else strerror.
const char *err_name(int code);
