// A growable byte buffer with a hard cap from birth.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct buf {
	uint8_t *data;
	size_t len, size, cap;
	bool failed; // an append did not fit or memory ran out; later appends do nothing
};

void buf_init(struct buf *b, size_t cap);
void buf_free(struct buf *b);
void buf_reset(struct buf *b); // keeps the memory

// Appends; on failure sets `failed` and returns -ENOMEM or ERR_LIMIT. Checking `failed` once at the end is
// enough.
int buf_put(struct buf *b, const void *data, size_t len);
int buf_puts(struct buf *b, const char *s);
int buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
