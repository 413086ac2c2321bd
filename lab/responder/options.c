#include "responder/options.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "net/addr.h"

static const char *const default_prefixes[] = {"198.18.0.0/16", "2001:db8:1::/48"};

// An option that is one number of the settings.
static const struct number {
	const char *name;
	size_t offset;
	uint64_t max;
} numbers[] = {
	{"--open", offsetof(struct responder_settings, open_ppm), RESPONDER_MILLION},
	{"--closed", offsetof(struct responder_settings, closed_ppm), RESPONDER_MILLION},
	{"--up", offsetof(struct responder_settings, up_ppm), RESPONDER_MILLION},
	{"--loss-in", offsetof(struct responder_settings, loss_in_ppm), RESPONDER_MILLION},
	{"--loss-out", offsetof(struct responder_settings, loss_out_ppm), RESPONDER_MILLION},
	{"--duplicate", offsetof(struct responder_settings, duplicate_ppm), RESPONDER_MILLION},
	{"--wrong", offsetof(struct responder_settings, wrong_ppm), RESPONDER_MILLION},
	{"--late", offsetof(struct responder_settings, late_ppm), RESPONDER_MILLION},
	{"--late-by", offsetof(struct responder_settings, late_ms), RESPONDER_LATE_MAX_MS},
};
// Those of the table that decide the truth; the others are none of its business.
enum { TRUTH_NUMBERS = 3, NUMBERS = sizeof(numbers) / sizeof(numbers[0]) };

static uint64_t mask_of(unsigned bits)
{
	return bits == 0 ? 0 : bits >= 64 ? ~0ULL : ~0ULL << (64 - bits);
}

static int add(struct prefixes *p, const struct addr *a, unsigned length, struct err_text *e)
{
	if (addr_is_v4(a)) {
		uint32_t mask = (uint32_t)(mask_of(length) >> 32);

		if (p->v4_count == RESPONDER_PREFIXES)
			return err_set(e, ERR_LIMIT, "more than %d IPv4 prefixes", RESPONDER_PREFIXES);
		p->v4[p->v4_count++] =
			(struct responder_prefix4){.net = addr_v4_value(a) & mask, .mask = mask};
		return 0;
	}
	struct responder_prefix6 new = {.mask_hi = mask_of(length),
					.mask_lo = length > 64 ? mask_of(length - 64) : 0};

	if (p->v6_count == RESPONDER_PREFIXES)
		return err_set(e, ERR_LIMIT, "more than %d IPv6 prefixes", RESPONDER_PREFIXES);
	new.hi = a->hi &new.mask_hi;
	new.lo = a->lo &new.mask_lo;
	p->v6[p->v6_count++] = new;
	return 0;
}

int prefixes_add(struct prefixes *p, const char *text, struct err_text *e)
{
	char copy[ADDR_TEXT_MAX];
	const char *slash = strchr(text, '/');
	size_t length = slash ? (size_t)(slash - text) : strlen(text);
	uint64_t bits;
	struct addr a;
	int rc;

	if (length >= sizeof(copy))
		return err_set(e, ERR_SYNTAX, "%.60s...: no address", text);
	memcpy(copy, text, length);
	copy[length] = '\0';
	rc = addr_parse(copy, &a, e);
	if (rc < 0)
		return rc;
	bits = addr_is_v4(&a) ? 32 : 128;
	if (slash) {
		rc = num_parse_u64(slash + 1, 0, bits, "prefix length", &bits, e);
		if (rc < 0)
			return rc;
	}
	return add(p, &a, (unsigned)bits, e);
}

bool prefixes_have(const struct prefixes *p, uint64_t hi, uint64_t lo)
{
	if (hi == 0 && lo >> 32 == 0xffff) {
		for (uint32_t i = 0; i < p->v4_count; i++)
			if (((uint32_t)lo & p->v4[i].mask) == p->v4[i].net)
				return true;
		return false;
	}
	for (uint32_t i = 0; i < p->v6_count; i++)
		if ((hi & p->v6[i].mask_hi) == p->v6[i].hi && (lo & p->v6[i].mask_lo) == p->v6[i].lo)
			return true;
	return false;
}

void options_defaults(struct options *o)
{
	*o = (struct options){.settings = {.seed = 1,
					   .key = responder_key(1),
					   .open_ppm = 10000,
					   .closed_ppm = 250000,
					   .up_ppm = RESPONDER_MILLION}};
}

static int read_number(struct options *o, const struct number *n, const char *value, struct err_text *e)
{
	uint64_t v;
	int rc = num_parse_u64(value, 0, n->max, n->name, &v, e);

	if (rc < 0)
		return rc;
	uint32_t narrow = (uint32_t)v;
	memcpy((char *)&o->settings + n->offset, &narrow, sizeof(narrow));
	return 0;
}

// An option with a value. Returns 1 when there is none of that name.
static int read_value(struct options *o, const char *name, const char *value, enum command_bit command,
		      struct err_text *e)
{
	int known = command == FOR_TRUTH ? TRUTH_NUMBERS : command == FOR_STATS ? 0 : NUMBERS;
	int rc;

	for (int i = 0; i < known; i++)
		if (strcmp(name, numbers[i].name) == 0)
			return read_number(o, &numbers[i], value, e);
	if (strcmp(name, "--seed") == 0 && command != FOR_STATS) {
		uint64_t seed;

		rc = num_parse_u64(value, 0, UINT64_MAX, name, &seed, e);
		if (rc < 0)
			return rc;
		o->settings.seed = seed;
		o->settings.key = responder_key(seed);
		return 0;
	}
	if (strcmp(name, "--prefix") == 0 && (command & (FOR_RUN | FOR_TRUTH)) != 0)
		return prefixes_add(&o->prefixes, value, e);
	if (strcmp(name, "--pass") == 0 && (command & (FOR_RUN | FOR_SET)) != 0) {
		o->pass = value;
		return 0;
	}
	return 1;
}

int options_parse(struct options *o, char **argv, enum command_bit command, struct err_text *e)
{
	int wanted = command == FOR_TRUTH ? 2 : 1;

	o->argv = argv;
	o->word_count = 0;
	for (; *argv; argv++) {
		int rc;

		if (strncmp(*argv, "--", 2) != 0) {
			if (o->word_count == wanted)
				return err_set(e, ERR_USAGE, "\"%.80s\" is too much", *argv);
			o->words[o->word_count++] = *argv;
			continue;
		}
		if (strcmp(*argv, "--all") == 0 && command == FOR_TRUTH) {
			o->all = true;
			continue;
		}
		rc = read_value(o, *argv, argv[1] ? argv[1] : "", command, e);
		if (rc > 0)
			return err_set(e, ERR_USAGE, "there is no option \"%.80s\" here", *argv);
		if (!argv[1])
			return err_set(e, ERR_USAGE, "%s needs a value", *argv);
		if (rc < 0)
			return rc;
		argv++;
	}
	if (o->word_count != wanted)
		return err_set(e, ERR_USAGE, "%s",
			       command == FOR_TRUTH ? "targets and ports are needed"
						    : "an interface is needed");
	return 0;
}

int options_check(struct options *o, enum command_bit command, struct err_text *e)
{
	const struct responder_settings *s = &o->settings;

	if ((uint64_t)s->open_ppm + s->closed_ppm > RESPONDER_MILLION)
		return err_set(e, ERR_RANGE, "--open %u and --closed %u are more than %d together",
			       s->open_ppm, s->closed_ppm, RESPONDER_MILLION);
	if (s->late_ppm != 0 && s->late_ms == 0)
		return err_set(e, ERR_USAGE, "--late needs --late-by, in milliseconds");
	if ((command & (FOR_RUN | FOR_TRUTH)) == 0 || o->prefixes.v4_count + o->prefixes.v6_count != 0)
		return 0;
	for (size_t i = 0; i < sizeof(default_prefixes) / sizeof(default_prefixes[0]); i++) {
		int rc = prefixes_add(&o->prefixes, default_prefixes[i], e);

		if (rc < 0)
			return rc;
	}
	return 0;
}
