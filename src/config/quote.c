#include "config/quote.h"

#include <string.h>

#include "base/text.h"

enum quoting { QUOTE_NONE, QUOTE_SINGLE, QUOTE_ESCAPED };

static enum quoting quoting_of(const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "-_./,:=@%+";
	char escaped[5];

	if (!*word)
		return QUOTE_SINGLE;
	for (const char *p = word; *p;) {
		size_t unit = text_utf8_len((const uint8_t *)p, strlen(p));
		if (unit == 0 || text_escape(escaped, sizeof(escaped), p, unit) != unit)
			return QUOTE_ESCAPED;
		p += unit;
	}
	return word[strspn(word, plain)] ? QUOTE_SINGLE : QUOTE_NONE;
}

static void put_single(struct buf *b, const char *word)
{
	buf_puts(b, "'");
	for (const char *p = word; *p; p++) {
		if (*p == '\'')
			buf_puts(b, "'\\''");
		else
			buf_put(b, p, 1);
	}
	buf_puts(b, "'");
}

// Every byte that is not plain ASCII as three octal digits, so that no digit after it is swallowed.
static void put_escaped(struct buf *b, const char *word)
{
	buf_puts(b, "$'");
	for (const char *p = word; *p; p++) {
		unsigned char c = (unsigned char)*p;
		if (c < 0x20 || c >= 0x7f)
			buf_printf(b, "\\%03o", c);
		else if (c == '\'' || c == '\\')
			buf_printf(b, "\\%c", c);
		else
			buf_put(b, p, 1);
	}
	buf_puts(b, "'");
}

void config_quote(struct buf *b, int argc, char *const argv[])
{
	for (int i = 0; i < argc; i++) {
		if (i > 0)
			buf_puts(b, " ");
		switch (quoting_of(argv[i])) {
		case QUOTE_NONE:
			buf_puts(b, argv[i]);
			break;
		case QUOTE_SINGLE:
			put_single(b, argv[i]);
			break;
		case QUOTE_ESCAPED:
			put_escaped(b, argv[i]);
			break;
		}
	}
}
