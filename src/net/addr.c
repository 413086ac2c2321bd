#include "net/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/num.h"
#include "base/text.h"

#define V4(value)                                     \
	{                                             \
		.lo = 0x0000ffff00000000ULL | (value) \
	}
#define V4_RANGE(a, len) V4(a), V4((a) | (uint32_t)(0xffffffffULL >> (len)))
#define V6_RANGE(high, len)                                                         \
	{.hi = (high)},                                                             \
	{                                                                           \
		.hi = (high) | ((len) >= 64 ? 0 : ~0ULL >> ((len)&63)), .lo = ~0ULL \
	}

static const struct addr_special specials[] = {
	{V4_RANGE(0x00000000U, 8), "this network (0.0.0.0/8)", true},
	{V4_RANGE(0x0a000000U, 8), "private (10.0.0.0/8)", false},
	{V4_RANGE(0x64400000U, 10), "carrier-grade NAT (100.64.0.0/10)", false},
	{V4_RANGE(0x7f000000U, 8), "loopback (127.0.0.0/8)", false},
	{V4_RANGE(0xa9fe0000U, 16), "link-local (169.254.0.0/16)", false},
	{V4_RANGE(0xac100000U, 12), "private (172.16.0.0/12)", false},
	{V4_RANGE(0xc0000000U, 24), "IETF protocols (192.0.0.0/24)", false},
	{V4_RANGE(0xc0000200U, 24), "documentation (192.0.2.0/24)", false},
	{V4_RANGE(0xc0586300U, 24), "6to4 relays (192.88.99.0/24)", false},
	{V4_RANGE(0xc0a80000U, 16), "private (192.168.0.0/16)", false},
	{V4_RANGE(0xc6120000U, 15), "benchmarking (198.18.0.0/15)", false},
	{V4_RANGE(0xc6336400U, 24), "documentation (198.51.100.0/24)", false},
	{V4_RANGE(0xcb007100U, 24), "documentation (203.0.113.0/24)", false},
	{V4_RANGE(0xe0000000U, 4), "multicast (224.0.0.0/4)", true},
	{V4(0xf0000000U), V4(0xfffffffeU), "reserved (240.0.0.0/4)", true},
	{V4(0xffffffffU), V4(0xffffffffU), "broadcast (255.255.255.255)", true},
	{{.lo = 0}, {.lo = 0}, "unspecified (::)", true},
	{{.lo = 1}, {.lo = 1}, "loopback (::1)", false},
	{V6_RANGE(0x0100000000000000ULL, 64), "discard (100::/64)", false},
	{V6_RANGE(0x2001000000000000ULL, 23), "IETF protocols (2001::/23)", false},
	{V6_RANGE(0x20010db800000000ULL, 32), "documentation (2001:db8::/32)", false},
	{V6_RANGE(0x3fff000000000000ULL, 20), "documentation (3fff::/20)", false},
	{V6_RANGE(0xfc00000000000000ULL, 7), "unique local (fc00::/7)", false},
	{V6_RANGE(0xfe80000000000000ULL, 10), "link-local (fe80::/10)", false},
	{V6_RANGE(0xff00000000000000ULL, 8), "multicast (ff00::/8)", true},
};

const struct addr_special *addr_specials(size_t *count)
{
	*count = sizeof(specials) / sizeof(specials[0]);
	return specials;
}

static const struct addr_special *special_of(const struct addr *a)
{
	u128 v = addr_value(a);

	for (size_t i = 0; i < sizeof(specials) / sizeof(specials[0]); i++) {
		if (v >= addr_value(&specials[i].first) && v <= addr_value(&specials[i].last))
			return &specials[i];
	}
	return NULL;
}

int addr_compare(const struct addr *a, const struct addr *b)
{
	if (a->hi != b->hi)
		return a->hi < b->hi ? -1 : 1;
	if (a->lo != b->lo)
		return a->lo < b->lo ? -1 : 1;
	return a->scope < b->scope ? -1 : a->scope > b->scope;
}

uint64_t addr_hash(const struct addr *a)
{
	return hash_mix64(hash_mix64(a->hi + a->scope) + a->lo);
}

size_t addr_bytes(const struct addr *a, uint8_t out[16])
{
	if (addr_is_v4(a)) {
		for (int i = 0; i < 4; i++)
			out[i] = (uint8_t)(a->lo >> (24 - 8 * i));
		return 4;
	}
	for (int i = 0; i < 8; i++) {
		out[i] = (uint8_t)(a->hi >> (56 - 8 * i));
		out[i + 8] = (uint8_t)(a->lo >> (56 - 8 * i));
	}
	return 16;
}

static char *put_decimal(char *p, unsigned byte)
{
	if (byte >= 100)
		*p++ = (char)('0' + byte / 100);
	if (byte >= 10)
		*p++ = (char)('0' + byte / 10 % 10);
	*p++ = (char)('0' + byte % 10);
	return p;
}

static char *put_group(char *p, unsigned group)
{
	bool begun = false;

	for (int shift = 12; shift >= 0; shift -= 4) {
		unsigned digit = group >> shift & 15;
		begun = begun || digit != 0 || shift == 0;
		if (begun)
			*p++ = "0123456789abcdef"[digit];
	}
	return p;
}

// The first of the longest runs of two or more zero groups (RFC 5952, section 4.2).
static int longest_zeros(const unsigned g[8], int *length)
{
	int best = -1;

	*length = 1;
	for (int i = 0, run = 0; i < 8; i++) {
		run = g[i] == 0 ? run + 1 : 0;
		if (run > *length) {
			*length = run;
			best = i - run + 1;
		}
	}
	return best;
}

static char *put_v6(char *p, const struct addr *a)
{
	unsigned g[8];
	int length;

	for (int i = 0; i < 4; i++) {
		g[i] = a->hi >> (48 - 16 * i) & 0xffff;
		g[i + 4] = a->lo >> (48 - 16 * i) & 0xffff;
	}
	int zeros = longest_zeros(g, &length);
	for (int i = 0; i < 8; i++) {
		if (i == zeros) {
			*p++ = ':';
			*p++ = ':';
			i += length - 1;
			continue;
		}
		if (i > 0 && p[-1] != ':')
			*p++ = ':';
		p = put_group(p, g[i]);
	}
	return p;
}

void addr_format(const struct addr *a, char text[ADDR_TEXT_MAX])
{
	char *p = text;

	if (addr_is_v4(a)) {
		for (int shift = 24; shift >= 0; shift -= 8) {
			p = put_decimal(p, (unsigned)(a->lo >> shift & 255));
			*p++ = shift != 0 ? '.' : '\0';
		}
		return;
	}
	p = put_v6(p, a);
	*p = '\0';
	if (a->scope != 0) {
		char name[IF_NAMESIZE];
		size_t left = (size_t)(text + ADDR_TEXT_MAX - p);
		if (if_indextoname(a->scope, name) != NULL)
			snprintf(p, left, "%%%s", name);
		else
			snprintf(p, left, "%%%u", a->scope);
	}
}

static int bad_address(const char *text, const char *why, struct err_text *e)
{
	char shown[160];

	text_escape(shown, sizeof(shown), text, strlen(text));
	return err_set(e, ERR_SYNTAX, "\"%s\": %s", shown, why);
}

static int parse_scope(const char *scope, uint32_t *index)
{
	uint64_t number;

	*index = if_nametoindex(scope);
	if (*index != 0)
		return 0;
	if (num_parse_u64(scope, 1, UINT32_MAX, "interface index", &number, NULL) != 0)
		return ERR_SYNTAX;
	*index = (uint32_t)number;
	return 0;
}

// Only link-local unicast and interface- or link-local multicast depend on an interface (RFC 4007).
static bool takes_scope(const struct addr *a)
{
	unsigned top = (unsigned)(a->hi >> 48);

	return (top & 0xffc0) == 0xfe80 || (top & 0xff0f) == 0xff01 || (top & 0xff0f) == 0xff02;
}

int addr_parse(const char *text, struct addr *out, struct err_text *e)
{
	uint8_t bytes[16];
	char address[INET6_ADDRSTRLEN];

	if (inet_pton(AF_INET, text, bytes) == 1) {
		*out = addr_v4((uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
			       bytes[3]);
		return 0;
	}
	size_t length = strcspn(text, "%");
	if (length >= sizeof(address))
		return bad_address(text, "not an IPv4 or IPv6 address", e);
	memcpy(address, text, length);
	address[length] = '\0';
	if (inet_pton(AF_INET6, address, bytes) != 1)
		return bad_address(text, "not an IPv4 or IPv6 address", e);
	*out = addr_v6(bytes);
	if (text[length] == '\0')
		return 0;
	if (!takes_scope(out))
		return bad_address(text, "only a link-local address takes a %scope", e);
	if (parse_scope(text + length + 1, &out->scope) != 0)
		return bad_address(text, "no interface of that name or index after the %", e);
	return 0;
}

const char *addr_reserved_name(const struct addr *a)
{
	const struct addr_special *s = special_of(a);

	return s != NULL && s->ask ? s->name : NULL;
}

bool addr_is_public(const struct addr *a)
{
	bool routed = addr_is_v4(a) || a->hi >> 61 == 1; // 2000::/3

	return routed && special_of(a) == NULL;
}
