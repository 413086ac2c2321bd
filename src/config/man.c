#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "config/help.h"

#define LINE_COLUMNS 76

static void put_escaped(struct buf *b, const char *text, size_t len, bool line_start)
{
	if (line_start && len > 0 && (text[0] == '.' || text[0] == '\''))
		buf_puts(b, "\\&");
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\\')
			buf_puts(b, "\\e");
		else if (text[i] == '-')
			buf_puts(b, "\\-");
		else
			buf_put(b, text + i, 1);
	}
}

// Prose, one input line per sentence or less, as mdoc wants it.
static void put_prose(struct buf *b, const char *text, size_t len)
{
	size_t column = 0;
	bool sentence_ended = false;

	for (size_t i = 0; i < len;) {
		size_t word = 0;
		while (i + word < len && text[i + word] != ' ')
			word++;
		if (word == 0) {
			i++;
			continue;
		}
		bool fresh = sentence_ended || column == 0 || column + 1 + word > LINE_COLUMNS;
		if (fresh && column > 0)
			buf_puts(b, "\n");
		else if (column > 0)
			buf_puts(b, " ");
		put_escaped(b, text + i, word, fresh);
		column = fresh ? word : column + 1 + word;
		sentence_ended = text[i + word - 1] == '.';
		i += word;
	}
	buf_puts(b, "\n");
}

static void put_body(struct buf *b, const char *body)
{
	bool literal = false, first = true;

	while (*body) {
		size_t len = strcspn(body, "\n");
		bool tab = *body == '\t';
		if (tab && !literal)
			buf_puts(b, ".Bd -literal -offset indent\n");
		else if (!tab && literal)
			buf_puts(b, ".Ed\n");
		if (!tab && !first)
			buf_puts(b, ".Pp\n");
		literal = tab;
		first = false;
		if (tab) {
			put_escaped(b, body + 1, len - 1, true);
			buf_puts(b, "\n");
		} else {
			put_prose(b, body, len);
		}
		body += len + (body[len] == '\n');
	}
	if (literal)
		buf_puts(b, ".Ed\n");
}

static void put_name(struct buf *b, const struct option *o, const char *name)
{
	buf_puts(b, " Fl \\&");
	put_escaped(b, name + 1, strlen(name) - 1, false);
	if (o->arg) {
		buf_puts(b, " Ar \\&");
		put_escaped(b, o->arg, strlen(o->arg), false);
	}
}

static void put_sentence(struct buf *b, const char *text)
{
	char line[512];
	size_t len = strlen(text) < sizeof(line) - 1 ? strlen(text) : sizeof(line) - 1;
	// NOLINTNEXTLINE(bugprone-not-null-terminated-result): its length goes with it
	memcpy(line, text, len);
	line[0] = (char)toupper((unsigned char)line[0]);
	line[len] = '.';
	put_prose(b, line, len + 1);
}

static void put_range(struct buf *b, const struct option *o)
{
	char line[128], low[32], high[32];

	switch (o->type) {
	case OPT_U64:
	case OPT_COUNT:
		if (o->max == UINT64_MAX)
			return;
		snprintf(line, sizeof(line), "The value lies from %" PRIu64 " to %" PRIu64, o->min, o->max);
		break;
	case OPT_DURATION:
		num_duration_text(low, sizeof(low), (int64_t)o->min);
		num_duration_text(high, sizeof(high), (int64_t)o->max);
		snprintf(line, sizeof(line), "The value lies from %s to %s", low, high);
		break;
	case OPT_RATE:
		snprintf(line, sizeof(line), "The value lies above 0 and up to %" PRIu64, o->max);
		break;
	default:
		return;
	}
	put_sentence(b, line);
}

static void put_option(struct buf *b, const struct option *o)
{
	char line[512];

	buf_puts(b, ".It");
	put_name(b, o, o->name);
	if (o->alias) {
		buf_puts(b, " ,");
		put_name(b, o, o->alias);
	}
	buf_puts(b, "\n");
	put_sentence(b, o->help);
	if (o->detail)
		put_prose(b, o->detail, strlen(o->detail));
	if (o->choices) {
		size_t len = (size_t)snprintf(line, sizeof(line), "One of");
		for (size_t i = 0; o->choices[i] && len < sizeof(line); i++)
			len += (size_t)snprintf(line + len, sizeof(line) - len, "%s %s", i ? "," : "",
						o->choices[i]);
		put_sentence(b, line);
	}
	put_range(b, o);
	if (o->fallback) {
		snprintf(line, sizeof(line), "Default: %s", o->fallback);
		put_sentence(b, line);
	}
}

static void put_group(struct buf *b, const struct option_table *t, const char *group)
{
	size_t count = config_option_count(t);

	buf_printf(b, ".Ss %s\n.Bl -tag -width Ds\n", group);
	for (size_t i = 0; i < count; i++) {
		const struct option *o = config_option_at(t, i, NULL);
		if (strcmp(o->group, group) == 0)
			put_option(b, o);
	}
	buf_puts(b, ".El\n");
}

int config_man(struct buf *b, const struct option_table *t, const struct config_about *a)
{
	size_t count = config_option_count(t);

	buf_puts(b, ".\\\" Generated from the option table.\n");
	buf_printf(b, ".Dd %s\n.Dt ", a->date);
	for (const char *p = a->program; *p; p++)
		buf_printf(b, "%c", toupper((unsigned char)*p));
	buf_puts(b, " 1\n.Os\n");
	buf_printf(b, ".Sh NAME\n.Nm %s\n.Nd %s\n", a->program, a->summary);
	buf_puts(b, ".Sh SYNOPSIS\n.Nm\n.Op Ar options\n.Ar target ...\n.Sh DESCRIPTION\n");
	put_body(b, a->description);
	buf_puts(b, ".Sh OPTIONS\n");
	for (size_t i = 0; i < count; i++) {
		if (config_group_starts(t, i))
			put_group(b, t, config_option_at(t, i, NULL)->group);
	}
	for (size_t i = 0; i < a->section_count; i++) {
		buf_printf(b, ".Sh %s\n", a->sections[i].title);
		put_body(b, a->sections[i].body);
	}
	return b->failed ? -ENOMEM : 0;
}
