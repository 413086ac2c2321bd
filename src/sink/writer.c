#include "sink/writer.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

#define FIRST_BYTES ((size_t)64 << 10)
#define FLUSH_BYTES ((size_t)32 << 10)
#define CAP_BYTES   ((size_t)64 << 20) // of one line; the longest real one is a grepable line with all ports
#define TEXT_MAX    255

int writer_open(struct writer *w, int fd)
{
	*w = (struct writer){.fd = fd, .data = malloc(FIRST_BYTES), .size = FIRST_BYTES};
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

int writer_commit(struct writer *w)
{
	w->whole = w->len;
	return w->whole >= FLUSH_BYTES ? writer_flush(w) : w->error;
}

// A terminal or pipe may be non-blocking because another program left it so.
static int write_some(int fd, const uint8_t *data, size_t len, size_t *done)
{
	ssize_t n = write(fd, data, len);

	*done = n > 0 ? (size_t)n : 0;
	if (n > 0 || (n < 0 && errno == EINTR))
		return 0;
	if (n == 0)
		return -EIO;
	if (errno != EAGAIN && errno != EWOULDBLOCK)
		return -errno;
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	return poll(&p, 1, -1) < 0 && errno != EINTR ? -errno : 0;
}

int writer_flush(struct writer *w)
{
	size_t at = 0, done;

	while (!w->error && at < w->whole) {
		w->error = write_some(w->fd, w->data + at, w->whole - at, &done);
		at += done;
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

int writer_close(struct writer *w)
{
	w->whole = w->len;
	writer_flush(w);
	// close reports what a network file system could not store; EINTR has closed it on Linux.
	if (w->fd > 2 && close(w->fd) != 0 && errno != EINTR && !w->error)
		w->error = -errno;
	free(w->data);
	w->data = NULL;
	w->size = w->len = w->whole = 0;
	return w->error;
}
