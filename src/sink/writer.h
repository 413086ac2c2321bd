// Buffered output of whole lines. Nothing is lost silently: the first error is kept and returned from then
// on.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct writer {
	int fd;
	int error; // first failure, -errno or ERR_LIMIT; later output is dropped
	uint8_t *data;
	size_t len, whole, size; // bytes held; of them, those that end a line
};

// -ENOMEM. `fd` is the writer's from now on in any case.
int writer_open(struct writer *w, int fd) MUST_CHECK;

// Appends to the line being made.
void writer_put(struct writer *w, const void *data, size_t len);
void writer_puts(struct writer *w, const char *s);
void writer_printf(struct writer *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
// Text from the network or from people, escaped; at most 255 bytes of it.
void writer_text(struct writer *w, const char *s);
void writer_hex(struct writer *w, const uint8_t *data, size_t len);

// The line is whole; writes when much is held. Returns `error`.
int writer_commit(struct writer *w);
// Writes all whole lines, waiting for a slow reader. Returns `error`.
int writer_flush(struct writer *w);
// Commits, flushes, closes the descriptor unless it is 1 or 2, frees. Returns `error`.
int writer_close(struct writer *w);
