#include "config/lookup.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define TYPED_MAX 64 // longer names are no one's misspelling

static bool same_prefix(const char *known, const char *typed, size_t len)
{
	bool is_long = config_is_long(known);

	for (size_t i = 0; i < len; i++) {
		char c = is_long && i >= 2 && typed[i] == '_' ? '-' : typed[i];
		if (known[i] != c)
			return false; // also where `known` ends
	}
	return true;
}

static const char *name_of(const struct option *o, size_t which)
{
	return which == 0 ? o->name : o->alias;
}

size_t config_find_exact(const struct option_table *t, const char *name, size_t len, const char **matched)
{
	size_t count = config_option_count(t);

	for (size_t i = 0; i < count; i++) {
		const struct option *o = config_option_at(t, i, NULL);
		for (size_t k = 0; k < 2 && name_of(o, k); k++) {
			const char *known = name_of(o, k);
			if (strlen(known) == len && same_prefix(known, name, len)) {
				*matched = known;
				return i;
			}
		}
	}
	return CONFIG_NONE;
}

size_t config_find_short(const struct option_table *t, const char *arg, const char **matched)
{
	size_t count = config_option_count(t), best = CONFIG_NONE, best_len = 0;

	for (size_t i = 0; i < count; i++) {
		const struct option *o = config_option_at(t, i, NULL);
		for (size_t k = 0; k < 2 && name_of(o, k); k++) {
			const char *known = name_of(o, k);
			size_t len = strlen(known);
			if (!config_is_long(known) && len > best_len && strncmp(known, arg, len) == 0) {
				best = i;
				best_len = len;
				*matched = known;
			}
		}
	}
	return best;
}

// Appends to a list in an error text, cutting it rather than overflowing.
static void append_name(char *list, size_t cap, const char *name)
{
	size_t len = strlen(list);
	snprintf(list + len, cap - len, "%s%s", len ? ", " : "", name);
}

size_t config_find_prefix(const struct option_table *t, const char *name, size_t len, const char **matched,
			  struct err_text *e)
{
	size_t count = config_option_count(t), found = CONFIG_NONE, options = 0;
	char candidates[256] = "";

	for (size_t i = 0; i < count && len > 2; i++) {
		const struct option *o = config_option_at(t, i, NULL);
		for (size_t k = 0; k < 2 && name_of(o, k); k++) {
			const char *known = name_of(o, k);
			if (!config_is_long(known) || !same_prefix(known, name, len))
				continue;
			append_name(candidates, sizeof(candidates), known);
			if (found != i) {
				options++;
				*matched = known;
			}
			found = i;
		}
	}
	if (options == 1)
		return found;
	if (options == 0) {
		(void)config_unknown(t, name, len, e);
	} else {
		char shown[4 * TYPED_MAX];
		text_escape(shown, sizeof(shown), name, len);
		err_set(e, ERR_USAGE, "option \"%s\" is ambiguous: %s", shown, candidates);
	}
	return CONFIG_NONE;
}

static size_t letters_after_dashes(const char *name)
{
	return strlen(name) - strspn(name, "-");
}

int config_unknown(const struct option_table *t, const char *typed, size_t len, struct err_text *e)
{
	char copy[TYPED_MAX + 1], shown[4 * TYPED_MAX];
	const char *nearest = NULL;
	size_t count = config_option_count(t);

	text_escape(shown, sizeof(shown), typed, len);
	if (len > TYPED_MAX)
		return err_set(e, ERR_USAGE, "unknown option \"%.60s...\"; see --help", shown);
	for (size_t i = 0; i < len; i++)
		copy[i] = typed[i] == '_' ? '-' : typed[i];
	copy[len] = '\0';
	// A name that shares no letter with what was typed would be no help.
	unsigned cap = 1 + (unsigned)len / 4;
	if (cap >= letters_after_dashes(copy))
		cap = (unsigned)letters_after_dashes(copy) - (letters_after_dashes(copy) > 0);
	for (size_t i = 0; i < count && cap > 0; i++) {
		const struct option *o = config_option_at(t, i, NULL);
		for (size_t k = 0; k < 2 && name_of(o, k); k++) {
			unsigned d = text_distance(copy, name_of(o, k), cap);
			if (d <= cap) {
				nearest = name_of(o, k);
				cap = d - (d > 0); // from now on only nearer ones
			}
		}
	}
	if (!nearest)
		return err_set(e, ERR_USAGE, "unknown option \"%s\"; see --help", shown);
	return err_set(e, ERR_USAGE, "unknown option \"%s\"; did you mean \"%s\"?", shown, nearest);
}
