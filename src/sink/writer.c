#include "sink/writer.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

#define FIRST_BYTES ((size_t)64 << 10)
#define FLUSH_BYTES ((size_t)32 << 10)
#define CAP_BYTES   ((size_t)64 << 20) // of one line; the longest real one is a grepable line with all ports
#define TEXT_MAX    255
#define GRACE_MS    1000
#define MARK_BYTES  256U
#define END_BYTES   8192U // more than the end of any format needs

int writer_open(struct writer *w, int fd, const int *stop_fd)
{
	struct stat st;

	*w = (struct writer){.fd = fd, .stop_fd = stop_fd, .data = malloc(FIRST_BYTES), .size = FIRST_BYTES};
	w->plain = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	if (!w->data) {
		w->size = 0;
		w->error = -ENOMEM;
	}
	return w->error;
}

static int make_room(struct writer *w, size_t len)
{
	size_t size = w->size;

	if (len > CAP_BYTES - w->len)
		return ERR_LIMIT;
	while (size - w->len < len)
		size *= 2;
	if (size == w->size)
		return 0;
	uint8_t *data = realloc(w->data, size);
	if (!data)
		return -ENOMEM;
	w->data = data;
	w->size = size;
	return 0;
}

void writer_put(struct writer *w, const void *data, size_t len)
{
	if (w->error || len == 0)
		return;
	if (len > w->size - w->len) {
		w->error = make_room(w, len);
		if (w->error)
			return;
	}
	memcpy(w->data + w->len, data, len);
	w->len += len;
}

void writer_puts(struct writer *w, const char *s)
{
	writer_put(w, s, strlen(s));
}

void writer_printf(struct writer *w, const char *fmt, ...)
{
	char small[512], *text = small;
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(small, sizeof(small), fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof(small)) {
		text = malloc((size_t)n + 1);
		if (text) {
			va_start(ap, fmt);
			vsnprintf(text, (size_t)n + 1, fmt, ap);
			va_end(ap);
		}
	}
	if (n < 0 || !text) {
		if (!w->error)
			w->error = -ENOMEM;
		return;
	}
	writer_put(w, text, (size_t)n);
	if (text != small)
		free(text);
}

void writer_text(struct writer *w, const char *s)
{
	char safe[4 * TEXT_MAX + 1];

	writer_put(w, safe, text_escape(safe, sizeof(safe), s, strnlen(s, TEXT_MAX)));
}

void writer_hex(struct writer *w, const uint8_t *data, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		char two[2] = {digits[data[i] >> 4], digits[data[i] & 15]};
		writer_put(w, two, 2);
	}
}

// So far apart that they reach back over what is buffered and END_BYTES more.
static void mark(struct writer *w, uint64_t at)
{
	if (w->mark_count && at < w->marks[(w->mark_count - 1) % WRITER_MARKS] + MARK_BYTES)
		return;
	w->marks[w->mark_count++ % WRITER_MARKS] = at;
}

int writer_commit(struct writer *w)
{
	w->whole = w->len;
	if (w->ended || w->error)
		return w->error; // it stays in hand until it is written
	mark(w, w->written + w->len);
	return w->whole >= FLUSH_BYTES ? writer_flush(w) : w->error;
}

// Until something can be written, or a stop was asked for and nobody reads.
static int wait_for_reader(const struct writer *w)
{
	struct pollfd p[2] = {{.fd = w->fd, .events = POLLOUT},
			      {.fd = w->stop_fd ? *w->stop_fd : -1, .events = POLLIN}};

	if (poll(p, 2, -1) < 0)
		return errno == EINTR ? 0 : -errno;
	if (p[0].revents || poll(p, 1, GRACE_MS) != 0)
		return 0;
	return ERR_INTERRUPTED;
}

// What a pipe that is ready takes at once, in whole lines if it can be: nobody is left with half of one.
static size_t piece(const uint8_t *data, size_t len)
{
	if (len <= PIPE_BUF)
		return len;
	const uint8_t *end = memrchr(data, '\n', PIPE_BUF);
	return end ? (size_t)(end - data) + 1 : PIPE_BUF;
}

// A terminal or pipe may be non-blocking because another program left it so.
static int write_some(const struct writer *w, const uint8_t *data, size_t len, size_t *done)
{
	*done = 0;
	if (w->stop_fd && !w->plain) {
		int rc = wait_for_reader(w);
		if (rc)
			return rc;
		len = piece(data, len);
	}
	ssize_t n = write(w->fd, data, len);
	if (n > 0)
		*done = (size_t)n;
	if (n > 0 || (n < 0 && errno == EINTR))
		return 0;
	if (n == 0)
		return -EIO;
	if (errno != EAGAIN && errno != EWOULDBLOCK)
		return -errno;
	return wait_for_reader(w);
}

int writer_flush(struct writer *w)
{
	size_t at = 0, done;

	while (!w->error && at < w->whole) {
		w->error = write_some(w, w->data + at, w->whole - at, &done);
		at += done;
		w->written += done;
	}
	if (w->error) {
		w->len = w->whole = 0;
		return w->error;
	}
	if (w->len > w->whole)
		memmove(w->data, w->data + w->whole, w->len - w->whole);
	w->len -= w->whole;
	w->whole = 0;
	return 0;
}

// Where to cut so that END_BYTES come free: after a whole unit, if need be after the first.
static uint64_t cut_at(const struct writer *w)
{
	uint32_t kept = w->mark_count < WRITER_MARKS ? w->mark_count : WRITER_MARKS;
	uint64_t best = 0, first = UINT64_MAX;

	for (uint32_t i = 0; i < kept; i++) {
		uint64_t m = w->marks[i];
		if (m < first)
			first = m;
		if (m + END_BYTES <= w->written && m > best)
			best = m;
	}
	return best ? best : first;
}

// After the disk was full: room for the document's end. Once.
static bool cut_back(struct writer *w)
{
	bool full = w->error == -ENOSPC || w->error == -EDQUOT || w->error == -EFBIG;
	uint64_t to = cut_at(w);

	if (!full || !w->plain || w->lost || to > w->written)
		return false;
	off_t at = lseek(w->fd, 0, SEEK_CUR), back = (off_t)(w->written - to);
	if (at < back || ftruncate(w->fd, at - back) || lseek(w->fd, at - back, SEEK_SET) < 0)
		return false;
	w->written = to;
	w->lost = w->error;
	w->error = 0;
	return true;
}

void writer_ending(struct writer *w)
{
	w->ended = true;
	if (w->error)
		(void)cut_back(w);
	w->end_at = w->len;
}

int writer_close(struct writer *w)
{
	size_t ending = w->len - w->end_at;

	w->whole = w->len;
	if (writer_flush(w) && w->ended && cut_back(w)) { // the end did not fit
		memmove(w->data, w->data + w->end_at, ending);
		w->len = w->whole = ending;
		writer_flush(w);
	}
	if (!w->error)
		w->error = w->lost;
	// close reports what a network file system could not store; EINTR has closed it on Linux.
	if (w->fd > 2 && close(w->fd) != 0 && errno != EINTR && !w->error)
		w->error = -errno;
	free(w->data);
	w->data = NULL;
	w->size = w->len = w->whole = 0;
	return w->error;
}
