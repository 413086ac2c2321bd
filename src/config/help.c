#include "config/help.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TEXT_COLUMN 31

bool config_group_starts(const struct option_table *t, size_t i)
{
	const char *group = config_option_at(t, i, NULL)->group;

	for (size_t k = 0; k < i; k++) {
		if (strcmp(config_option_at(t, k, NULL)->group, group) == 0)
			return false;
	}
	return true;
}

static void put_indent(struct buf *b, size_t columns)
{
	buf_printf(b, "%*s", (int)columns, "");
}

// Breaks text at spaces between `indent` and the last column; `at` is the column reached. Ends the line.
static void put_wrapped(struct buf *b, const char *text, size_t at, size_t indent)
{
	bool first = true;

	while (*text) {
		size_t word = strcspn(text, " ");
		if (!first && at + 1 + word > CONFIG_HELP_COLUMNS) {
			buf_puts(b, "\n");
			put_indent(b, indent);
			at = indent;
		} else if (!first) {
			buf_puts(b, " ");
			at++;
		}
		buf_put(b, text, word);
		at += word;
		first = false;
		text += word;
		text += strspn(text, " ");
	}
	buf_puts(b, "\n");
}

// "-g, --source-port N"; a long name's second spelling is left to the manual page.
static void option_names(char *out, size_t cap, const struct option *o)
{
	bool both = o->alias && !config_is_long(o->name) && config_is_long(o->alias);

	snprintf(out, cap, "%s%s%s%s%s", o->name, both ? ", " : "", both ? o->alias : "", o->arg ? " " : "",
		 o->arg ? o->arg : "");
}

static void put_text(struct buf *b, const struct option *o, size_t at)
{
	char text[512];
	size_t len = (size_t)snprintf(text, sizeof(text), "%s", o->help);

	for (size_t i = 0; o->choices && o->choices[i] && len < sizeof(text); i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i ? ", " : ": ",
					o->choices[i]);
	if (o->fallback && len < sizeof(text))
		snprintf(text + len, sizeof(text) - len, " (default: %s)", o->fallback);
	put_wrapped(b, text, at, TEXT_COLUMN);
}

static void put_option(struct buf *b, const struct option *o)
{
	char names[CONFIG_HELP_COLUMNS];

	option_names(names, sizeof(names), o);
	buf_printf(b, "  %s", names);
	size_t at = 2 + strlen(names);
	if (at + 2 > TEXT_COLUMN) {
		buf_puts(b, "\n");
		at = 0;
	}
	put_indent(b, TEXT_COLUMN - at);
	put_text(b, o, TEXT_COLUMN);
}

int config_help(struct buf *b, const struct option_table *t, const struct config_about *a)
{
	size_t count = config_option_count(t);

	buf_printf(b, "%s %s: %s\n", a->program, a->version, a->summary);
	buf_printf(b, "Usage: %s %s\n", a->program, a->usage);
	for (size_t i = 0; i < count; i++) {
		const struct option *head = config_option_at(t, i, NULL);
		if (!config_group_starts(t, i))
			continue;
		buf_printf(b, "\n%s\n", head->group);
		for (size_t k = i; k < count; k++) {
			const struct option *o = config_option_at(t, k, NULL);
			if (strcmp(o->group, head->group) == 0)
				put_option(b, o);
		}
	}
	if (a->see) {
		buf_puts(b, "\n");
		put_wrapped(b, a->see, 0, 0);
	}
	return b->failed ? -ENOMEM : 0;
}
