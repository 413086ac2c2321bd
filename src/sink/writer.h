// Buffered output of whole lines. Nothing is lost silently: the first error is kept and returned from then
// on. Where a disk fills up, the file still gets the end that makes it a whole document: for that it is cut
// back by the last few lines.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define WRITER_MARKS 256

struct writer {
	int fd;
	const int *stop_fd; // NULL: waits for a reader as long as it takes
	bool plain;         // a file that can be cut; else somebody must read it
	bool ended;         // what comes is the end of the document
	size_t end_at;      // where that begins in `data`
	int error;          // first failure, -errno or ERR_LIMIT; later output is dropped
	uint8_t *data;
	size_t len, whole, size; // bytes held; of them, those that end a line
	int lost;                // the error for which whole lines were given up, to make room for the end
	uint64_t written;        // bytes written out
	uint64_t marks[WRITER_MARKS]; // the last ends of whole units, counted as `written`
	uint32_t mark_count;
};

// -ENOMEM. `fd` is the writer's from now on in any case. Once *stop_fd is readable, a pipe or terminal that
// nobody reads gets one more second, then the output has failed with ERR_INTERRUPTED.
int writer_open(struct writer *w, int fd, const int *stop_fd) MUST_CHECK;

// Appends to the line being made.
void writer_put(struct writer *w, const void *data, size_t len);
void writer_puts(struct writer *w, const char *s);
void writer_printf(struct writer *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
// Text from the network or from people, escaped; at most 255 bytes of it.
void writer_text(struct writer *w, const char *s);
void writer_hex(struct writer *w, const uint8_t *data, size_t len);

// The line (or what else may be the last of a document) is whole; writes when much is held. Returns `error`.
int writer_commit(struct writer *w);
// Writes all whole lines, waiting for a slow reader. Returns `error`.
int writer_flush(struct writer *w);
// What comes now is the end of the document. If the disk was full before, the file is cut back for it.
void writer_ending(struct writer *w);
// Commits, flushes, closes the descriptor unless it is 1 or 2, frees. Returns `error`.
int writer_close(struct writer *w);
