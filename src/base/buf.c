#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_FIRST_BYTES 256

void buf_init(struct buf *b, size_t cap)
{
	*b = (struct buf){.cap = cap};
}

void buf_free(struct buf *b)
{
	free(b->data);
	*b = (struct buf){.cap = b->cap};
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	b->failed = false;
}

// Makes room for `extra` more bytes.
static int reserve(struct buf *b, size_t extra)
{
	if (b->failed)
		return ERR_LIMIT;
	if (extra > b->cap - b->len) {
		b->failed = true;
		return ERR_LIMIT;
	}
	size_t need = b->len + extra;
	if (need <= b->size)
		return 0;
	size_t size = b->size ? b->size : BUF_FIRST_BYTES;
	while (size < need)
		size = size > b->cap / 2 ? b->cap : size * 2;
	if (size > b->cap)
		size = b->cap;
	uint8_t *data = realloc(b->data, size);
	if (!data) {
		b->failed = true;
		return -ENOMEM;
	}
	b->data = data;
	b->size = size;
	return 0;
}

int buf_put(struct buf *b, const void *data, size_t len)
{
	int rc = reserve(b, len);
	if (rc)
		return rc;
	if (len > 0)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	return 0;
}

int buf_puts(struct buf *b, const char *s)
{
	return buf_put(b, s, strlen(s));
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	char small[256];

	va_start(ap, fmt);
	int n = vsnprintf(small, sizeof(small), fmt, ap);
	va_end(ap);
	if (n < 0) {
		b->failed = true;
		return -EINVAL;
	}
	if ((size_t)n < sizeof(small))
		return buf_put(b, small, (size_t)n);
	// vsnprintf wants a byte for its terminator, which must not count against the cap.
	char *text = b->failed || (size_t)n > b->cap - b->len ? NULL : malloc((size_t)n + 1);
	if (!text) {
		int rc = b->failed || (size_t)n > b->cap - b->len ? ERR_LIMIT : -ENOMEM;
		b->failed = true;
		return rc;
	}
	va_start(ap, fmt);
	vsnprintf(text, (size_t)n + 1, fmt, ap);
	va_end(ap);
	int rc = buf_put(b, text, (size_t)n);
	free(text);
	return rc;
}
