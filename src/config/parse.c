#include "config/parse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "config/lookup.h"
#include "config/value.h"

struct config_line {
	const struct option_table *table;
	const char **first_text; // by option: what it was first given as; NULL when not given
	struct option_list targets;
	struct option_list **lists; // those whose items must be freed
	size_t list_count;
	int argc, next;
	char *const *argv;
};

// One use of an option on the command line.
struct use {
	size_t index;
	const struct option *option;
	void *config;
	const char *name; // the spelling used, as in the table
};

struct shown {
	char text[128];
};

static struct shown show(const char *text)
{
	struct shown s;
	text_escape(s.text, sizeof(s.text), text, strlen(text));
	return s;
}

static int list_add(struct config_line *c, struct option_list *list, const char *text, struct err_text *e)
{
	// A list cannot be longer than argv.
	if (!list->items) {
		list->items = calloc((size_t)c->argc, sizeof(*list->items));
		if (!list->items)
			return err_set(e, -ENOMEM, "out of memory");
		c->lists[c->list_count++] = list;
	}
	list->items[list->count++] = text;
	return 0;
}

static int given_twice(const struct use *u, const char *before, const char *now, struct err_text *e)
{
	struct shown a = show(before), b = show(now);
	return err_set(e, ERR_USAGE, "%s was given twice, as \"%s\" and as \"%s\"; expected one value",
		       u->name, a.text, b.text);
}

static int set_custom(const struct use *u, const char *before, const char *text, struct err_text *e)
{
	struct err_text inner = {""};

	if (before && strcmp(before, text) != 0)
		return given_twice(u, before, text, e);
	int rc = u->option->parse(u->config, text, &inner);
	return rc ? err_set(e, rc, "%s: %.400s", u->name, inner.text) : 0;
}

static int set_simple(const struct use *u, const char *before, const char *text, struct err_text *e)
{
	union config_value now, old;
	int rc = config_value_parse(u->option, u->name, text, &now, e);

	if (rc)
		return rc;
	if (before && u->option->type != OPT_COUNT) {
		config_value_load(u->option, u->config, &old);
		if (!config_value_equal(u->option, &old, &now))
			return given_twice(u, before, text, e);
	}
	config_value_store(u->option, u->config, &now);
	return 0;
}

static int no_value(const struct use *u, int code, const char *how, struct err_text *e)
{
	char expected[256];

	config_value_expected(u->option, expected, sizeof(expected));
	return err_set(e, code, "%s: the value is %s; expected %s", u->name, how, expected);
}

static int set_value(struct config_line *c, const struct use *u, const char *text, struct err_text *e)
{
	const struct option *o = u->option;
	const char *before = c->first_text[u->index];
	int rc;

	if (!*text)
		return no_value(u, ERR_SYNTAX, "empty", e);
	if (o->type == OPT_LIST)
		rc = list_add(c, (struct option_list *)(void *)((char *)u->config + o->offset), text, e);
	else if (o->type == OPT_CUSTOM)
		rc = set_custom(u, before, text, e);
	else
		rc = set_simple(u, before, text, e);
	if (rc)
		return rc;
	if (!before)
		c->first_text[u->index] = text;
	if (o->set_offset)
		*(bool *)((char *)u->config + o->set_offset) = true;
	return 0;
}

// A flag, or `times` more of a count.
static void set_plain(struct config_line *c, const struct use *u, unsigned times)
{
	const struct option *o = u->option;
	union config_value v;

	if (o->type == OPT_FLAG) {
		v.flag = true;
	} else {
		config_value_load(o, u->config, &v);
		v.number = times > o->max - v.number ? (unsigned)o->max : v.number + times;
	}
	config_value_store(o, u->config, &v);
	if (!c->first_text[u->index])
		c->first_text[u->index] = u->name;
	if (o->set_offset)
		*(bool *)((char *)u->config + o->set_offset) = true;
}

static bool names_an_option(const struct config_line *c, const char *arg)
{
	const char *matched;
	size_t len = config_is_long(arg) ? strcspn(arg, "=") : strlen(arg);

	return strcmp(arg, "--") == 0 ||
	       (arg[0] == '-' && config_find_exact(c->table, arg, len, &matched) != CONFIG_NONE);
}

// The value is the next argument.
static int take_following(struct config_line *c, const struct use *u, struct err_text *e)
{
	const char *next = c->next < c->argc ? c->argv[c->next] : NULL;

	if (!next)
		return no_value(u, ERR_USAGE, "missing", e);
	if (names_an_option(c, next)) {
		char how[160];
		snprintf(how, sizeof(how), "missing before \"%s\"", show(next).text);
		return no_value(u, ERR_USAGE, how, e);
	}
	c->next++;
	return set_value(c, u, next, e);
}

static struct use use_of(const struct config_line *c, size_t index, const char *name)
{
	struct use u = {.index = index, .name = name};
	u.option = config_option_at(c->table, index, &u.config);
	return u;
}

// A long option that was found; `value` is what follows '=', or NULL.
static int apply_long(struct config_line *c, const struct use *u, const char *value, struct err_text *e)
{
	if (value && u->option->type == OPT_FLAG) {
		struct shown s = show(value);
		return err_set(e, ERR_USAGE, "%s: \"%s\" was given, but expected no value", u->name, s.text);
	}
	if (value)
		return set_value(c, u, value, e);
	if (config_takes_value(u->option))
		return take_following(c, u, e);
	set_plain(c, u, 1);
	return 0;
}

static int parse_long(struct config_line *c, const char *arg, struct err_text *e)
{
	size_t len = strcspn(arg, "=");
	const char *matched = NULL, *value = arg[len] ? arg + len + 1 : NULL;
	size_t i = config_find_exact(c->table, arg, len, &matched);

	if (i == CONFIG_NONE)
		i = config_find_prefix(c->table, arg, len, &matched, e);
	if (i == CONFIG_NONE)
		return ERR_USAGE;
	struct use u = use_of(c, i, matched);
	return apply_long(c, &u, value, e);
}

// What follows the name of a count in the same argument: "vv" of "-vvv", "3" of "-d3".
static int apply_count(struct config_line *c, const struct use *u, const char *arg, const char *rest,
		       struct err_text *e)
{
	size_t same = strspn(rest, (char[]){u->name[strlen(u->name) - 1], '\0'});

	if (rest[same] == '\0') {
		set_plain(c, u, 1 + (unsigned)same);
		return 0;
	}
	if (same == 0 && strspn(rest, "0123456789") == strlen(rest))
		return set_value(c, u, rest, e);
	return config_unknown(c->table, arg, strlen(arg), e);
}

// -exclude for --exclude, as getopt_long_only has it; only when spelled out.
static size_t find_long_with_one_dash(const struct config_line *c, const char *arg, const char **matched,
				      const char **value)
{
	char with_two[64] = "-";
	size_t len = strcspn(arg, "=");

	if (len < 3 || len + 1 >= sizeof(with_two))
		return CONFIG_NONE;
	memcpy(with_two + 1, arg, len);
	*value = arg[len] ? arg + len + 1 : NULL;
	return config_find_exact(c->table, with_two, len + 1, matched);
}

static int parse_short(struct config_line *c, const char *arg, struct err_text *e)
{
	const char *matched = NULL, *value;
	size_t i = find_long_with_one_dash(c, arg, &matched, &value);

	if (i != CONFIG_NONE) {
		struct use u = use_of(c, i, matched);
		return apply_long(c, &u, value, e);
	}
	i = config_find_short(c->table, arg, &matched);
	if (i == CONFIG_NONE)
		return config_unknown(c->table, arg, strlen(arg), e);
	struct use u = use_of(c, i, matched);
	const char *rest = arg + strlen(matched);
	if (u.option->type == OPT_COUNT)
		return apply_count(c, &u, arg, rest, e);
	if (u.option->type == OPT_FLAG) {
		if (*rest == '=') {
			struct shown s = show(rest + 1);
			return err_set(e, ERR_USAGE, "%s: \"%s\" was given, but expected no value", u.name,
				       s.text);
		}
		if (*rest)
			return config_unknown(c->table, arg, strlen(arg), e);
		set_plain(c, &u, 1);
		return 0;
	}
	if (!*rest)
		return take_following(c, &u, e);
	if (*rest == '=') {
		struct shown s = show(rest);
		return err_set(e, ERR_SYNTAX, "%s: \"%s\" starts with '='; expected \"%s %s\"", u.name,
			       s.text, u.name, u.option->arg);
	}
	return set_value(c, &u, rest, e);
}

static int parse_target(struct config_line *c, const char *arg, struct err_text *e)
{
	if (!*arg)
		return err_set(e, ERR_SYNTAX, "a target is empty; expected an address, a range or a name");
	return list_add(c, &c->targets, arg, e);
}

static int parse_all(struct config_line *c, struct err_text *e)
{
	bool options_ended = false;
	int rc = 0;

	while (rc == 0 && c->next < c->argc) {
		const char *arg = c->argv[c->next++];
		if (options_ended || arg[0] != '-')
			rc = parse_target(c, arg, e);
		else if (strcmp(arg, "--") == 0)
			options_ended = true;
		else if (strcmp(arg, "-") == 0)
			rc = err_set(e, ERR_USAGE,
				     "\"-\" is neither an option nor a target; expected \"-iL -\" for "
				     "targets from standard input");
		else if (config_is_long(arg))
			rc = parse_long(c, arg, e);
		else
			rc = parse_short(c, arg, e);
	}
	return rc;
}

int config_line_parse(struct config_line **out, const struct option_table *t, int argc, char *const argv[],
		      struct err_text *e)
{
	size_t count = config_option_count(t);
	struct config_line *c = calloc(1, sizeof(*c));
	int rc = -ENOMEM;

	*out = NULL;
	if (!c)
		return err_set(e, -ENOMEM, "out of memory");
	*c = (struct config_line){.table = t, .argc = argc, .argv = argv, .next = 1};
	c->first_text = calloc(count + 1, sizeof(*c->first_text));
	// NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers
	c->lists = calloc(count + 1, sizeof(*c->lists));
	if (!c->first_text || !c->lists) {
		err_set(e, -ENOMEM, "out of memory");
		goto out;
	}
	rc = parse_all(c, e);
	if (rc)
		goto out;
	*out = c;
	c = NULL;
out:
	config_line_free(c);
	return rc;
}

void config_line_free(struct config_line *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->list_count; i++) {
		free(c->lists[i]->items);
		*c->lists[i] = (struct option_list){0};
	}
	free(c->lists);
	free(c->first_text);
	free(c);
}

const struct option_list *config_line_targets(const struct config_line *c)
{
	return &c->targets;
}
