#include "config/table.h"

#include <string.h>

#include "config/lookup.h"

size_t config_option_count(const struct option_table *t)
{
	size_t n = 0;
	for (size_t i = 0; i < t->count; i++)
		n += t->sets[i].count;
	return n;
}

const struct option *config_option_at(const struct option_table *t, size_t i, void **config)
{
	for (size_t s = 0; s < t->count; s++) {
		if (i < t->sets[s].count) {
			if (config)
				*config = t->sets[s].config;
			return &t->sets[s].options[i];
		}
		i -= t->sets[s].count;
	}
	return NULL;
}

bool config_takes_value(const struct option *o)
{
	return o->type != OPT_FLAG && o->type != OPT_COUNT;
}

bool config_is_long(const char *name)
{
	return name[0] == '-' && name[1] == '-';
}

static bool has_dashes(const char *name)
{
	return name[0] == '-' && name[1];
}

static bool needs_range(const struct option *o)
{
	return o->type == OPT_U64 || o->type == OPT_DURATION || o->type == OPT_RATE || o->type == OPT_COUNT;
}

static const char *value_fault(const struct option *o)
{
	if (config_takes_value(o) != (o->arg != NULL))
		return "an argument name where none belongs, or none where one does";
	if (o->type == OPT_CHOICE && !o->choices)
		return "no choices";
	if ((o->type == OPT_CUSTOM) != (o->parse != NULL))
		return "a parse function where none belongs, or none where one does";
	if (o->min > o->max)
		return "its range is upside down";
	return needs_range(o) && o->max == 0 ? "no range" : NULL;
}

static const char *entry_fault(const struct option *o)
{
	if (!has_dashes(o->name) || (o->alias && !has_dashes(o->alias)))
		return "a name without dashes";
	if (!o->help || !*o->help || o->help[strlen(o->help) - 1] == '.')
		return "no help, or one that ends in a full stop";
	if (!o->group || !*o->group)
		return "no group";
	return value_fault(o);
}

int config_table_check(const struct option_table *t, struct err_text *e)
{
	size_t count = config_option_count(t);

	for (size_t i = 0; i < count; i++) {
		const struct option *o = config_option_at(t, i, NULL);
		const char *fault = entry_fault(o);
		if (fault)
			return err_set(e, ERR_USAGE, "%s: %s", o->name, fault);
		const char *names[] = {o->name, o->alias};
		for (size_t k = 0; k < 2 && names[k]; k++) {
			const char *matched;
			size_t found = config_find_exact(t, names[k], strlen(names[k]), &matched);
			if (found != i || matched != names[k])
				return err_set(e, ERR_USAGE, "%s: the name is used twice", names[k]);
		}
	}
	return 0;
}
