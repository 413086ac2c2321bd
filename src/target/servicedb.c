#include "target/ports.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "target/services_table.h"
#include "target/textfile.h"

#define FILE_MAX    (64U << 20)
#define LINES_MAX   (1U << 20)
#define NAMES_MAX   (32U << 20)
#define NAME_BYTES  64
#define TOKEN_CHARS " \t\r\f\v"

struct servicedb {
	struct service_table table;
	// What the table points into, when it is not the built-in one.
	struct service *services;
	uint32_t *ranked;
	char *names;
};

// A line of a file.
struct entry {
	uint32_t key; // protocol, port
	uint32_t name;
	uint32_t line;
	double frequency;
};

struct reader {
	const char *path;
	uint32_t line;
	struct entry *entries;
	size_t count, size;
	struct buf names;
	struct err_text *e;
};

struct token {
	const char *text;
	size_t len;
};

static int bad_line(const struct reader *r, const char *why, struct token t)
{
	char path[160], shown[80];

	text_escape(path, sizeof(path), r->path, strlen(r->path));
	text_escape(shown, sizeof(shown), t.text, t.len);
	return err_set(r->e, ERR_SYNTAX, "%s:%u: %s: \"%s\"", path, r->line, why, shown);
}

static struct token next_token(struct token *line)
{
	size_t skip = 0, len = 0;

	while (skip < line->len && strchr(TOKEN_CHARS, line->text[skip]) != NULL)
		skip++;
	while (skip + len < line->len && strchr(TOKEN_CHARS, line->text[skip + len]) == NULL)
		len++;
	struct token t = {line->text + skip, len};
	line->text += skip + len;
	line->len -= skip + len;
	return t;
}

// Digits at *t, moved past them; false when there is none.
static bool take_digits(struct token *t, double *value)
{
	size_t n = 0;

	for (*value = 0; n < t->len && t->text[n] >= '0' && t->text[n] <= '9'; n++)
		*value = *value * 10 + (t->text[n] - '0');
	t->text += n;
	t->len -= n;
	return n != 0;
}

static bool take_char(struct token *t, char c)
{
	if (t->len == 0 || t->text[0] != c)
		return false;
	t->text++;
	t->len--;
	return true;
}

static bool take_decimal(struct token *t, double *value)
{
	double fraction;

	if (!take_digits(t, value))
		return false;
	if (take_char(t, '.')) {
		size_t before = t->len;
		if (!take_digits(t, &fraction))
			return false;
		for (size_t digits = before - t->len; digits != 0; digits--)
			fraction /= 10;
		*value += fraction;
	}
	return true;
}

// "0.182" or "182/1000"; a missing frequency is 0.
static bool parse_frequency(struct token t, double *value)
{
	double divisor = 1;

	*value = 0;
	if (t.len == 0)
		return true;
	if (t.len > 40 || !take_decimal(&t, value))
		return false;
	if (take_char(&t, '/') && (!take_decimal(&t, &divisor) || !(divisor > 0)))
		return false;
	*value /= divisor;
	return t.len == 0;
}

static bool parse_protocol(struct token t, unsigned *proto)
{
	for (*proto = 0; *proto < PROTO_COUNT; ++*proto) {
		const char *name = proto_name((enum proto) * proto);
		if (t.len == strlen(name) && memcmp(t.text, name, t.len) == 0)
			return true;
	}
	return false;
}

static bool parse_port(struct token t, uint32_t *key)
{
	double port;
	unsigned proto;

	if (!take_digits(&t, &port) || port > 65535 || !take_char(&t, '/') || !parse_protocol(t, &proto))
		return false;
	*key = proto << 16 | (uint32_t)port;
	return true;
}

static int parse_line(struct reader *r, struct token line)
{
	struct token name = next_token(&line), port = next_token(&line), frequency = next_token(&line);
	struct token more = next_token(&line);
	struct entry entry = {.line = r->line, .name = (uint32_t)r->names.len};

	if (name.len == 0)
		return 0;
	for (size_t i = 0; i < name.len; i++) {
		if (name.text[i] <= ' ' || name.text[i] > '~' || name.len >= NAME_BYTES)
			return bad_line(r, "not a service name", name);
	}
	if (!parse_port(port, &entry.key))
		return bad_line(r, "expected port/protocol (tcp, udp or sctp)", port);
	if (!parse_frequency(frequency, &entry.frequency))
		return bad_line(r, "expected a frequency like 0.25", frequency);
	if (more.len != 0)
		return bad_line(r, "expected name, port/protocol and frequency, but there is more", more);
	if (buf_put(&r->names, name.text, name.len) != 0 || buf_put(&r->names, "", 1) != 0)
		return ERR_LIMIT;
	if (r->count == r->size) {
		size_t size = r->size != 0 ? 2 * r->size : 1024;
		struct entry *entries = realloc(r->entries, size * sizeof(*entries));
		if (entries == NULL)
			return -ENOMEM;
		r->entries = entries;
		r->size = size;
	}
	r->entries[r->count++] = entry;
	return 0;
}

static int parse_text(struct reader *r, const char *text, size_t len)
{
	const char *end = text + len;

	for (const char *next; text < end; text = next) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));
		if (++r->line > LINES_MAX)
			return err_set(r->e, ERR_LIMIT, "more than %u lines of services", LINES_MAX);
		next = stop != NULL ? stop + 1 : end;
		struct token line = {text, (size_t)((stop != NULL ? stop : end) - text)};
		const char *comment = memchr(line.text, '#', line.len);
		if (comment != NULL)
			line.len = (size_t)(comment - line.text);
		int rc = parse_line(r, line);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int compare_keys(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->line < y->line ? -1 : x->line > y->line;
}

// By protocol, falling frequency, rising port.
static int compare_ranks(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->key >> 16 != y->key >> 16)
		return x->key < y->key ? -1 : 1;
	if (x->frequency < y->frequency || x->frequency > y->frequency)
		return x->frequency > y->frequency ? -1 : 1;
	return x->key < y->key ? -1 : x->key > y->key;
}

// Of a port that is there twice the first line counts.
static void keep_first(struct reader *r)
{
	size_t kept = 0;

	if (r->count == 0)
		return;
	if (r->count)
		qsort(r->entries, r->count, sizeof(*r->entries), compare_keys);
	for (size_t i = 1; i < r->count; i++) {
		if (r->entries[i].key != r->entries[kept].key)
			r->entries[++kept] = r->entries[i];
	}
	r->count = kept + 1;
}

static int build_table(struct servicedb *db, struct reader *r)
{
	keep_first(r);
	db->services = malloc((r->count + 1) * sizeof(*db->services));
	db->ranked = malloc((r->count + 1) * sizeof(*db->ranked));
	if (db->services == NULL || db->ranked == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < r->count; i++) {
		unsigned proto = r->entries[i].key >> 16;
		db->services[i] = (struct service){(uint16_t)r->entries[i].key, r->entries[i].name};
		for (unsigned p = proto + 1; p <= PROTO_COUNT; p++)
			db->table.start[p] = (uint32_t)i + 1;
		r->entries[i].line = (uint32_t)i; // from here on the service's number
	}
	if (r->count != 0)
		qsort(r->entries, r->count, sizeof(*r->entries), compare_ranks);
	for (size_t i = 0; i < r->count; i++)
		db->ranked[i] = r->entries[i].line;
	db->names = (char *)r->names.data;
	r->names.data = NULL;
	db->table.services = db->services;
	db->table.ranked = db->ranked;
	db->table.names = db->names;
	return 0;
}

int servicedb_read(struct servicedb **out, const char *path, const char *text, size_t len, struct err_text *e)
{
	struct reader r = {.path = path, .e = e};
	struct servicedb *db = calloc(1, sizeof(*db));

	*out = NULL;
	if (db == NULL)
		return -ENOMEM;
	buf_init(&r.names, NAMES_MAX);
	int rc = parse_text(&r, text, len);
	if (rc == 0)
		rc = build_table(db, &r);
	buf_free(&r.names);
	free(r.entries);
	if (rc != 0) {
		servicedb_free(db);
		return rc;
	}
	*out = db;
	return 0;
}

int servicedb_open(struct servicedb **out, const char *path_or_null, struct err_text *e)
{
	struct buf text;

	*out = NULL;
	if (path_or_null == NULL) {
		struct servicedb *db = calloc(1, sizeof(*db));
		if (db == NULL)
			return -ENOMEM;
		db->table = services_builtin;
		*out = db;
		return 0;
	}
	buf_init(&text, FILE_MAX);
	int rc = textfile_read(path_or_null, &text, e);
	if (rc == 0)
		rc = servicedb_read(out, path_or_null, (const char *)text.data, text.len, e);
	buf_free(&text);
	return rc;
}

void servicedb_free(struct servicedb *db)
{
	if (db == NULL)
		return;
	free(db->services);
	free(db->ranked);
	free(db->names);
	free(db);
}

const struct service_table *servicedb_table(const struct servicedb *db)
{
	return &db->table;
}

const char *servicedb_name(const struct servicedb *db, enum proto p, uint16_t port)
{
	const struct service_table *t = &db->table;
	uint32_t low = t->start[p], high = t->start[p + 1];

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (t->services[middle].port < port)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == t->start[p + 1] || t->services[low].port != port)
		return NULL;
	return t->names + t->services[low].name;
}

void servicedb_top(const struct servicedb *db, enum proto p, size_t n, struct portset *s)
{
	const struct service_table *t = &db->table;
	size_t taken = 0;

	for (uint32_t i = t->start[p]; i < t->start[p + 1] && taken < n; i++) {
		uint16_t port = t->services[t->ranked[i]].port;
		if (port == 0)
			continue;
		portset_add(s, p, port);
		taken++;
	}
	for (unsigned port = 1; port < 65536 && taken < n; port++) {
		if (servicedb_name(db, p, (uint16_t)port) != NULL)
			continue;
		portset_add(s, p, (uint16_t)port);
		taken++;
	}
}
