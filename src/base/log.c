#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "base/write_all.h"

#define LOG_TEXT_BYTES 1024

void log_at(const struct log *log, enum log_level level, const char *fmt, ...)
{
	static const char prefix[] = "prtip: ";
	char text[LOG_TEXT_BYTES];
	char line[sizeof(prefix) + 4 * LOG_TEXT_BYTES];
	va_list ap;

	if (!log || level > log->level)
		return;
	int saved_errno = errno;
	va_start(ap, fmt);
	int made = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (made < 0)
		made = 0;
	size_t used = (size_t)made < sizeof(text) ? (size_t)made : sizeof(text) - 1;
	size_t len = sizeof(prefix) - 1;
	memcpy(line, prefix, len);
	len += text_escape(line + len, sizeof(line) - len - 1, text, used);
	line[len++] = '\n';
	(void)write_all(log->fd, line, len);
	errno = saved_errno;
}
