// Diagnostics for people, always on stderr. No global: whoever logs holds a `struct log`.
#pragma once

#include "base/err.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_VERBOSE, LOG_DEBUG, LOG_TRACE };

struct log {
	enum log_level level; // messages above it are dropped
	int fd;               // normally 2
};

// Writes one whole line "prtip: text\n" in a single write(2). Control bytes in the text are escaped.
void log_at(const struct log *log, enum log_level level, const char *fmt, ...) PRINTF_LIKE(3, 4);

#define log_error(l, ...)   log_at((l), LOG_ERROR, __VA_ARGS__)
#define log_warn(l, ...)    log_at((l), LOG_WARN, __VA_ARGS__)
#define log_info(l, ...)    log_at((l), LOG_INFO, __VA_ARGS__)
#define log_verbose(l, ...) log_at((l), LOG_VERBOSE, __VA_ARGS__)
#define log_debug(l, ...)   log_at((l), LOG_DEBUG, __VA_ARGS__)
