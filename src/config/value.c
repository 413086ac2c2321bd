#include "config/value.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/text.h"

static void list_choices(const struct option *o, char *out, size_t cap)
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; o->choices[i] && len < cap; i++)
		len += (size_t)snprintf(out + len, cap - len, "%s%s", i ? ", " : "", o->choices[i]);
}

void config_value_expected(const struct option *o, char *out, size_t cap)
{
	char list[200];

	switch (o->type) {
	case OPT_COUNT:
	case OPT_U64:
		if (o->max == UINT64_MAX)
			snprintf(out, cap, "a whole number");
		else
			snprintf(out, cap, "a whole number from %" PRIu64 " to %" PRIu64, o->min, o->max);
		break;
	case OPT_DURATION:
		snprintf(out, cap, "a time such as 500ms or 1.5s");
		break;
	case OPT_RATE:
		snprintf(out, cap, "frames a second, such as 1000, 300k or 1.2M");
		break;
	case OPT_PROBABILITY:
		snprintf(out, cap, "a probability such as 0.999");
		break;
	case OPT_CHOICE:
		list_choices(o, list, sizeof(list));
		snprintf(out, cap, "one of %s", list);
		break;
	case OPT_FLAG:
	case OPT_STRING:
	case OPT_LIST:
	case OPT_CUSTOM:
		snprintf(out, cap, "%s", o->arg ? o->arg : "nothing");
		break;
	}
}

static int parse_choice(const struct option *o, const char *name, const char *text, unsigned *out,
			struct err_text *e)
{
	char shown[96], list[256];

	for (unsigned i = 0; o->choices[i]; i++) {
		if (strcmp(text, o->choices[i]) == 0) {
			*out = i;
			return 0;
		}
	}
	list_choices(o, list, sizeof(list));
	text_escape(shown, sizeof(shown), text, strlen(text));
	return err_set(e, ERR_SYNTAX, "%s: \"%s\" is not known; expected one of %s", name, shown, list);
}

int config_value_parse(const struct option *o, const char *name, const char *text, union config_value *v,
		       struct err_text *e)
{
	int rc = 0;

	switch (o->type) {
	case OPT_COUNT: {
		uint64_t n = 0;
		rc = num_parse_u64(text, o->min, o->max, name, &n, e);
		v->number = (unsigned)n;
		return rc;
	}
	case OPT_U64:
		return num_parse_u64(text, o->min, o->max, name, &v->u64, e);
	case OPT_DURATION:
		return num_parse_duration(text, (int64_t)o->min, (int64_t)o->max, name, &v->ns, e);
	case OPT_RATE:
		return num_parse_rate(text, (double)o->max, name, &v->real, e);
	case OPT_PROBABILITY:
		return num_parse_probability(text, name, &v->real, e);
	case OPT_CHOICE:
		return parse_choice(o, name, text, &v->number, e);
	case OPT_STRING:
		v->string = text;
		return 0;
	case OPT_FLAG:
	case OPT_LIST:
	case OPT_CUSTOM:
		break;
	}
	return err_set(e, ERR_UNSUPPORTED, "%s: has no simple value", name);
}

static size_t value_bytes(const struct option *o)
{
	switch (o->type) {
	case OPT_FLAG:
		return sizeof(bool);
	case OPT_COUNT:
	case OPT_CHOICE:
		return sizeof(unsigned);
	case OPT_U64:
		return sizeof(uint64_t);
	case OPT_DURATION:
		return sizeof(int64_t);
	case OPT_RATE:
	case OPT_PROBABILITY:
		return sizeof(double);
	case OPT_STRING:
		return sizeof(const char *);
	case OPT_LIST:
	case OPT_CUSTOM:
		break;
	}
	return 0;
}

bool config_value_equal(const struct option *o, const union config_value *a, const union config_value *b)
{
	if (o->type == OPT_STRING)
		return strcmp(a->string, b->string) == 0;
	return memcmp(a, b, value_bytes(o)) == 0;
}

void config_value_load(const struct option *o, const void *config, union config_value *v)
{
	memcpy(v, (const char *)config + o->offset, value_bytes(o));
}

void config_value_store(const struct option *o, void *config, const union config_value *v)
{
	memcpy((char *)config + o->offset, v, value_bytes(o));
}
