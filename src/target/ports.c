#include "target/ports.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "target/services_table.h"

struct port_parser {
	const struct servicedb *db;
	unsigned protos; // a bit per enum proto: where the next item goes
	bool known_only; // inside [ ]
	struct portset *set;
	struct err_text *e;
};

// One item between commas.
struct item {
	const char *text;
	size_t len;
};

static int bad_item(const struct port_parser *p, int code, struct item item, const char *why)
{
	char shown[96];

	text_escape(shown, sizeof(shown), item.text, item.len);
	return err_set(p->e, code, "port \"%s\": %s", shown, why);
}

static void add_range(const struct port_parser *p, unsigned first, unsigned last)
{
	for (unsigned proto = 0; proto < PROTO_COUNT; proto++) {
		if ((p->protos >> proto & 1) == 0)
			continue;
		for (unsigned port = first; port <= last; port++) {
			if (!p->known_only ||
			    servicedb_name(p->db, (enum proto)proto, (uint16_t)port) != NULL)
				portset_add(p->set, (enum proto)proto, (uint16_t)port);
		}
	}
}

// Digits at the item's start, moved past them; `fallback` when there is none, 65536 when they are too large.
static unsigned take_port(struct item *item, unsigned fallback)
{
	unsigned port = 0;
	size_t n = 0;

	for (; n < item->len && item->text[n] >= '0' && item->text[n] <= '9'; n++) {
		if (port <= 65535)
			port = port * 10 + (unsigned)(item->text[n] - '0');
	}
	item->text += n;
	item->len -= n;
	if (n == 0)
		return fallback;
	return port <= 65535 ? port : 65536;
}

// "80", "1-1024", "-100", "60000-", "-".
static int parse_numbers(const struct port_parser *p, struct item item)
{
	struct item rest = item;
	unsigned first = take_port(&rest, 1), last = first;

	if (rest.len != 0 && rest.text[0] == '-') {
		rest.text++;
		rest.len--;
		last = take_port(&rest, 65535);
	}
	if (rest.len != 0)
		return bad_item(p, ERR_SYNTAX, item, "expected a number or a range like 1-1024");
	if (first > 65535 || last > 65535)
		return bad_item(p, ERR_RANGE, item, "port numbers end at 65535");
	if (first > last)
		return bad_item(p, ERR_RANGE, item, "the range ends before it begins");
	add_range(p, first, last);
	return 0;
}

bool services_match(const char *pattern, const char *name)
{
	const char *star = NULL, *retry = NULL;

	while (*name != '\0') {
		if (*pattern == '*') {
			star = ++pattern;
			retry = name;
		} else if (*pattern == '?' ||
			   tolower((unsigned char)*pattern) == tolower((unsigned char)*name)) {
			pattern++;
			name++;
		} else if (star != NULL) {
			pattern = star;
			name = ++retry;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

static int no_such_service(const struct port_parser *p, struct item item, const char *name)
{
	const struct service_table *t = servicedb_table(p->db);
	const char *nearest = NULL;
	unsigned best = 3;
	char why[120], shown[64];

	for (uint32_t i = 0; i < t->start[PROTO_COUNT]; i++) {
		unsigned distance = text_distance(name, t->names + t->services[i].name, best);
		if (distance < best) {
			best = distance;
			nearest = t->names + t->services[i].name;
		}
	}
	if (nearest == NULL)
		return bad_item(p, ERR_SYNTAX, item, "neither a port number nor a known service");
	text_escape(shown, sizeof(shown), nearest, strlen(nearest));
	snprintf(why, sizeof(why), "no such service; did you mean %s?", shown);
	return bad_item(p, ERR_SYNTAX, item, why);
}

static int parse_name(const struct port_parser *p, struct item item)
{
	const struct service_table *t = servicedb_table(p->db);
	char pattern[64];
	bool found = false;

	if (item.len >= sizeof(pattern))
		return bad_item(p, ERR_SYNTAX, item, "neither a port number nor a known service");
	memcpy(pattern, item.text, item.len);
	pattern[item.len] = '\0';
	for (unsigned proto = 0; proto < PROTO_COUNT; proto++) {
		if ((p->protos >> proto & 1) == 0)
			continue;
		for (uint32_t i = t->start[proto]; i < t->start[proto + 1]; i++) {
			if (!services_match(pattern, t->names + t->services[i].name))
				continue;
			portset_add(p->set, (enum proto)proto, t->services[i].port);
			found = true;
		}
	}
	return found ? 0 : no_such_service(p, item, pattern);
}

static void trim(struct item *item)
{
	while (item->len != 0 && isspace((unsigned char)item->text[0])) {
		item->text++;
		item->len--;
	}
	while (item->len != 0 && isspace((unsigned char)item->text[item->len - 1]))
		item->len--;
}

// "T:", "U:" and "S:" hold until the next one.
static int take_protocol(struct port_parser *p, struct item *item)
{
	static const char letters[PROTO_COUNT] = {'T', 'U', 'S'};

	while (item->len >= 2 && item->text[1] == ':') {
		const char *letter = memchr(letters, item->text[0], sizeof(letters));
		if (letter == NULL)
			return bad_item(p, ERR_SYNTAX, *item, "expected T:, U: or S: before the colon");
		p->protos = 1U << (letter - letters);
		item->text += 2;
		item->len -= 2;
		trim(item);
	}
	return 0;
}

static int parse_item(struct port_parser *p, struct item item, bool may_be_empty)
{
	struct item whole = item;

	int r = take_protocol(p, &item);
	if (r != 0)
		return r;
	bool opens = item.len != 0 && item.text[0] == '[';
	bool closes = item.len != 0 && item.text[item.len - 1] == ']';
	if (opens && p->known_only)
		return bad_item(p, ERR_SYNTAX, whole, "a second [ before the ]");
	if (opens) {
		p->known_only = true;
		item.text++;
		item.len--;
	}
	if (closes && !p->known_only)
		return bad_item(p, ERR_SYNTAX, whole, "a ] without its [");
	if (closes)
		item.len--;
	trim(&item);
	bool empty = item.len == 0;
	if (empty && (!may_be_empty || (opens && !closes)))
		return bad_item(p, ERR_SYNTAX, whole,
				"nothing here: expected a number, a range or a service");
	bool numeric = strspn(item.text, "0123456789-") >= item.len;
	if (!empty)
		r = numeric ? parse_numbers(p, item) : parse_name(p, item);
	if (closes)
		p->known_only = false;
	return r;
}

int ports_parse(const char *text, const struct servicedb *db, unsigned default_protos, struct portset *s,
		struct err_text *e)
{
	struct port_parser p = {.db = db, .protos = default_protos, .set = s, .e = e};

	for (const char *next = text; next != NULL;) {
		bool first = next == text;
		struct item item = {next, strcspn(next, ",")};
		next = next[item.len] == ',' ? next + item.len + 1 : NULL;
		trim(&item);
		// As for nmap, the last comma and the last ] may be one too many and one too few.
		int r = parse_item(&p, item, next == NULL && !first);
		if (r != 0)
			return r;
	}
	return 0;
}
