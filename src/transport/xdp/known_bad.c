#include "transport/xdp/known_bad.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define DIGITS_MAX   4
#define RELEASE_TEXT 40

static bool digit(char c)
{
	return isdigit((unsigned char)c);
}

// Where the number ends; NULL when there is none, or an absurd one.
static const char *number(const char *at, unsigned *out)
{
	int n = 0;
	for (*out = 0; digit(at[n]); n++) {
		if (n == DIGITS_MAX)
			return NULL;
		*out = *out * 10 + (unsigned)(at[n] - '0');
	}
	return n ? at + n : NULL;
}

// x.y or x.y.z; returns what follows, or NULL.
static const char *numbers(const char *at, struct kernel_release *out, bool *has_z)
{
	*out = (struct kernel_release){0};
	*has_z = false;
	at = number(at, &out->x);
	if (!at || *at != '.')
		return NULL;
	at = number(at + 1, &out->y);
	if (!at || *at != '.' || !digit(at[1]))
		return at;
	*has_z = true;
	return number(at + 1, &out->z);
}

static bool plain(struct kernel_release *out, const char *release)
{
	bool has_z;
	const char *rest = numbers(release, out, &has_z);
	if (!rest || !has_z || !memchr("+-._~", *rest, sizeof("+-._~")))
		return false;
	bool candidate = strncmp(rest, "-rc", 3) == 0 && digit(rest[3]);
	bool own_count = out->z == 0 && rest[0] == '-' && digit(rest[1]);
	return !candidate && !own_count;
}

static bool ubuntu(struct kernel_release *out, const char *signature)
{
	bool has_z;
	size_t end = strlen(signature);
	while (end && isspace((unsigned char)signature[end - 1]))
		end--;
	size_t begin = end;
	while (begin && !isspace((unsigned char)signature[begin - 1]))
		begin--;
	const char *rest = numbers(signature + begin, out, &has_z);
	return has_z && rest == signature + end;
}

// Debian's package version: [epoch:]x.y[.z]-revision, where a candidate has ~rc.
static bool debian(struct kernel_release *out, const char *at)
{
	unsigned epoch;
	bool has_z;
	const char *colon = number(at, &epoch);
	if (colon && *colon == ':')
		at = colon + 1;
	const char *rest = numbers(at, out, &has_z);
	return rest && *rest == '-';
}

bool known_bad_release(struct kernel_release *out, const char *release, const char *version,
		       const char *signature)
{
	static const char by_debian[] = "Debian ";
	if (*signature)
		return ubuntu(out, signature);
	const char *at = strstr(version, by_debian);
	return at ? debian(out, at + strlen(by_debian)) : plain(out, release);
}

static bool older(const struct kernel_release *a, const struct kernel_release *b)
{
	if (a->x != b->x)
		return a->x < b->x;
	return a->y != b->y ? a->y < b->y : a->z < b->z;
}

// What a kernel of this release has to be as new as: its own branch's repair, else the mainline one.
static const struct kernel_release *repair(const struct known_bad *b, const struct kernel_release *r)
{
	for (unsigned i = 0; i < b->good_count; i++)
		if (b->good[i].x == r->x && b->good[i].y == r->y)
			return &b->good[i];
	return b->good_count ? &b->good[0] : NULL;
}

static bool same_driver(const char *a, const char *b)
{
	for (; *a && *b; a++, b++)
		if (*a != *b && !(strchr("-_", *a) && strchr("-_", *b)))
			return false;
	return *a == *b;
}

static bool met(const struct known_bad *b, const struct known_bad_place *at)
{
	switch (b->when) {
	case KNOWN_BAD_ALWAYS:
		return true;
	case KNOWN_BAD_CPUS:
		return at->cpus > b->cpus;
	case KNOWN_BAD_IOMMU:
		return at->iommu;
	case KNOWN_BAD_NO_PROGRAM:
		return !at->program;
	}
	return true;
}

bool known_bad_applies(const struct known_bad *b, const struct known_bad_place *at)
{
	if (strcmp(b->driver, "*") != 0 && !same_driver(b->driver, at->driver))
		return false;
	if (older(&at->release, &b->from) || !met(b, at))
		return false;
	const struct kernel_release *good = repair(b, &at->release);
	return !good || older(&at->release, good);
}

const struct known_bad *known_bad_next(const struct known_bad *last, const struct known_bad_place *at)
{
	const struct known_bad *end = known_bad_table + known_bad_count;
	for (const struct known_bad *b = last ? last + 1 : known_bad_table; b < end; b++)
		if (known_bad_applies(b, at))
			return b;
	return NULL;
}

void known_bad_text(const struct known_bad *b, const struct known_bad_place *at, struct err_text *out)
{
	char until[RELEASE_TEXT] = "no repair is known";
	const struct kernel_release *good = repair(b, &at->release);
	if (good && good->z)
		snprintf(until, sizeof(until), "repaired in %u.%u.%u", good->x, good->y, good->z);
	else if (good)
		snprintf(until, sizeof(until), "repaired in %u.%u", good->x, good->y);
	err_set(out, 0, "driver %s of Linux %u.%u.%u: %s (%s)", at->driver, at->release.x, at->release.y,
		at->release.z, b->reason, until);
}
