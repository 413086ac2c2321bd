#include "target/parse.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "target/textfile.h"

#define FILE_MAX   (1UL << 30)
#define TARGET_MAX 1024
#define BLANKS     " \t\r\n\f\v"

struct target_reader {
	const char *path;
	size_t line;
	int (*each)(void *ctx, const char *text, struct err_text *e);
	void *ctx;
};

static int with_place(const struct target_reader *r, int code, const struct err_text *inner,
		      struct err_text *e)
{
	char path[128];

	text_escape(path, sizeof(path), r->path, strlen(r->path));
	return err_set(e, code, "%s:%zu: %.350s", path, r->line, inner->text);
}

// One word, or a comment up to the line's end; *at moves past it.
static int read_word(struct target_reader *r, const char **at, const char *end, struct err_text *e)
{
	char word[TARGET_MAX];
	struct err_text inner = {""};
	size_t len = 0;

	if (**at == '#') {
		const char *stop = memchr(*at, '\n', (size_t)(end - *at));
		*at = stop != NULL ? stop : end;
		return 0;
	}
	while (*at + len < end && strchr(BLANKS "#", (*at)[len]) == NULL)
		len++;
	if (len >= sizeof(word)) {
		err_set(&inner, 0, "a target of %zu characters", len);
		return with_place(r, ERR_LIMIT, &inner, e);
	}
	memcpy(word, *at, len);
	word[len] = '\0';
	*at += len;
	int rc = r->each(r->ctx, word, &inner);
	return rc != 0 ? with_place(r, rc, &inner, e) : 0;
}

int target_read_text(const char *path, const char *text, size_t len,
		     int (*each)(void *ctx, const char *text, struct err_text *e), void *ctx,
		     struct err_text *e)
{
	struct target_reader r = {path, 1, each, ctx};
	if (len == 0) // there may be no text at all
		return 0;
	const char *end = text + len;

	for (const char *at = text; at < end;) {
		if (strchr(BLANKS, *at) != NULL) {
			r.line += *at++ == '\n';
			continue;
		}
		int rc = read_word(&r, &at, end, e);
		if (rc != 0)
			return rc;
	}
	return 0;
}

int target_read_file(const char *path, int (*each)(void *ctx, const char *text, struct err_text *e),
		     void *ctx, struct err_text *e)
{
	struct buf text;

	buf_init(&text, FILE_MAX);
	int r = textfile_read(path, &text, e);
	if (r == 0)
		r = target_read_text(path, (const char *)text.data, text.len, each, ctx, e);
	buf_free(&text);
	return r;
}
