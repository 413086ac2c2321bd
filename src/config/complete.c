#include <errno.h>
#include <string.h>

#include "config/help.h"

enum value_kind { VALUE_NONE, VALUE_CHOICE, VALUE_FILE, VALUE_IFACE, VALUE_OTHER };

static enum value_kind kind_of(const struct option *o)
{
	if (!config_takes_value(o))
		return VALUE_NONE;
	if (o->choices)
		return VALUE_CHOICE;
	if (strcmp(o->arg, "FILE") == 0 || strcmp(o->arg, "BASENAME") == 0)
		return VALUE_FILE;
	return strcmp(o->arg, "IFACE") == 0 ? VALUE_IFACE : VALUE_OTHER;
}

static void put_choices(struct buf *b, const struct option *o)
{
	for (size_t i = 0; o->choices[i]; i++)
		buf_printf(b, "%s%s", i ? " " : "", o->choices[i]);
}

// Text between single quotes; bytes of `special` get a backslash in front.
static void put_quoted(struct buf *b, const char *text, const char *special)
{
	for (; *text; text++) {
		if (*text == '\'')
			buf_puts(b, "'\\''");
		else if (strchr(special, *text))
			buf_printf(b, "\\%c", *text);
		else
			buf_put(b, text, 1);
	}
}

static void bash_value(struct buf *b, const struct option *o)
{
	buf_printf(b, "\t%s%s%s) ", o->name, o->alias ? "|" : "", o->alias ? o->alias : "");
	switch (kind_of(o)) {
	case VALUE_CHOICE:
		buf_puts(b, "COMPREPLY=($(compgen -W '");
		put_choices(b, o);
		buf_puts(b, "' -- \"$cur\")); ");
		break;
	case VALUE_FILE:
		buf_puts(b, "compopt -o filenames; COMPREPLY=($(compgen -f -- \"$cur\")); ");
		break;
	case VALUE_IFACE:
		buf_puts(b, "COMPREPLY=($(compgen -W \"$(command ls /sys/class/net)\" -- \"$cur\")); ");
		break;
	case VALUE_NONE:
	case VALUE_OTHER:
		break;
	}
	buf_puts(b, "return ;;\n");
}

static void complete_bash(struct buf *b, const struct option_table *t, const char *program)
{
	size_t count = config_option_count(t);

	buf_printf(b, "# bash completion for %s, generated from its option table\n_%s()\n{\n", program,
		   program);
	buf_puts(b, "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n\tCOMPREPLY=()\n"
		    "\tcase $prev in\n");
	for (size_t i = 0; i < count; i++) {
		const struct option *o = config_option_at(t, i, NULL);
		if (kind_of(o) != VALUE_NONE)
			bash_value(b, o);
	}
	buf_puts(b, "\tesac\n\t[[ $cur == -* ]] || return\n\tCOMPREPLY=($(compgen -W '");
	for (size_t i = 0; i < count; i++) {
		const struct option *o = config_option_at(t, i, NULL);
		buf_printf(b, "\n\t\t%s%s%s", o->name, o->alias ? " " : "", o->alias ? o->alias : "");
	}
	buf_printf(b, "' -- \"$cur\"))\n}\ncomplete -F _%s %s\n", program, program);
}

static void zsh_spec(struct buf *b, const struct option *o, const char *name)
{
	enum value_kind kind = kind_of(o);
	bool again = o->type == OPT_COUNT || o->type == OPT_LIST;

	buf_printf(b, "\t'%s%s%s[", again ? "*" : "", name,
		   kind == VALUE_NONE ? "" : (config_is_long(name) ? "=" : "+"));
	put_quoted(b, o->help, "[]\\:");
	buf_puts(b, "]");
	if (kind != VALUE_NONE)
		buf_printf(b, ":%s:", o->arg);
	if (kind == VALUE_CHOICE) {
		buf_puts(b, "(");
		put_choices(b, o);
		buf_puts(b, ")");
	} else if (kind == VALUE_FILE) {
		buf_puts(b, "_files");
	} else if (kind == VALUE_IFACE) {
		buf_puts(b, "_net_interfaces");
	}
	buf_puts(b, "' \\\n");
}

static void complete_zsh(struct buf *b, const struct option_table *t, const char *program)
{
	size_t count = config_option_count(t);

	buf_printf(b, "#compdef %s\n# zsh completion, generated from the option table\n_arguments \\\n",
		   program);
	for (size_t i = 0; i < count; i++) {
		const struct option *o = config_option_at(t, i, NULL);
		zsh_spec(b, o, o->name);
		if (o->alias)
			zsh_spec(b, o, o->alias);
	}
	buf_puts(b, "\t'*:target:_hosts'\n");
}

static void fish_name(struct buf *b, const char *name)
{
	if (config_is_long(name))
		buf_printf(b, " -l %s", name + 2);
	else
		buf_printf(b, " %s %s", name[2] ? "-o" : "-s", name + 1);
}

static void complete_fish(struct buf *b, const struct option_table *t, const char *program)
{
	size_t count = config_option_count(t);

	buf_printf(b, "# fish completion for %s, generated from its option table\n", program);
	for (size_t i = 0; i < count; i++) {
		const struct option *o = config_option_at(t, i, NULL);
		enum value_kind kind = kind_of(o);
		buf_printf(b, "complete -c %s", program);
		fish_name(b, o->name);
		if (o->alias)
			fish_name(b, o->alias);
		if (kind == VALUE_FILE)
			buf_puts(b, " -r -F");
		else if (kind != VALUE_NONE)
			buf_puts(b, " -x");
		if (kind == VALUE_CHOICE) {
			buf_puts(b, " -a '");
			put_choices(b, o);
			buf_puts(b, "'");
		} else if (kind == VALUE_IFACE) {
			buf_puts(b, " -a '(command ls /sys/class/net)'");
		}
		buf_puts(b, " -d '");
		put_quoted(b, o->help, "\\");
		buf_puts(b, "'\n");
	}
}

int config_complete(struct buf *b, const struct option_table *t, const char *program, enum config_shell shell)
{
	switch (shell) {
	case CONFIG_BASH:
		complete_bash(b, t, program);
		break;
	case CONFIG_ZSH:
		complete_zsh(b, t, program);
		break;
	case CONFIG_FISH:
		complete_fish(b, t, program);
		break;
	}
	return b->failed ? -ENOMEM : 0;
}
