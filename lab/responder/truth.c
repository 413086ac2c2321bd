// The truth of a seed and its shares, a line for each position.

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/addr.h"
#include "responder/commands.h"
#include "target/ports.h"

enum {
	BUFFER_BYTES = 1 << 18,
	LINE_MAX_BYTES = ADDR_TEXT_MAX + 32,
	PORT_TEXT_MAX = 8,
	TARGET_BITS_MAX = 32 // a prefix of more addresses than this many bits is not written out
};

static const char *const state_names[] = {
	[RESPONDER_SILENT] = "silent\n", [RESPONDER_CLOSED] = "closed\n", [RESPONDER_OPEN] = "open\n"};

struct port_text {
	uint16_t port;
	uint8_t length;
	char text[PORT_TEXT_MAX];
};

struct writer {
	const struct options *o;
	struct port_text *ports;
	size_t port_count;
	char *buffer;
	size_t used;
};

static int flush(struct writer *w)
{
	for (size_t done = 0; done < w->used;) {
		ssize_t n = write(STDOUT_FILENO, w->buffer + done, w->used - done);

		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	w->used = 0;
	return 0;
}

static void put(struct writer *w, const char *text, size_t length)
{
	memcpy(w->buffer + w->used, text, length);
	w->used += length;
}

static int write_host(struct writer *w, const struct addr *a)
{
	const struct responder_settings *s = &w->o->settings;
	bool ours = prefixes_have(&w->o->prefixes, a->hi, a->lo);
	char text[ADDR_TEXT_MAX];
	size_t length;

	addr_format(a, text);
	length = strlen(text);
	text[length++] = ' ';
	for (size_t i = 0; i < w->port_count; i++) {
		const struct port_text *p = &w->ports[i];
		uint64_t hash = responder_hash(s, a->hi, a->lo, p->port);
		enum responder_state state = ours ? responder_state(s, a->hi, a->lo, hash) : RESPONDER_SILENT;

		if (state != RESPONDER_OPEN && !w->o->all)
			continue;
		if (w->used > BUFFER_BYTES - LINE_MAX_BYTES) {
			int rc = flush(w);

			if (rc < 0)
				return rc;
		}
		put(w, text, length);
		put(w, p->text, p->length);
		put(w, state_names[state], strlen(state_names[state]));
	}
	return 0;
}

static int write_range(struct writer *w, struct addr first, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		struct addr a = addr_of_value(addr_value(&first) + i, 0);
		int rc = write_host(w, &a);

		if (rc < 0)
			return rc;
	}
	return 0;
}

// "22" becomes "22 ".
static int list_ports(struct writer *w, const char *text, struct err_text *e)
{
	struct portset *set = calloc(1, sizeof(*set));
	struct servicedb *db = NULL;
	uint16_t *list = NULL;
	int rc = set ? servicedb_open(&db, NULL, e) : err_set(e, -ENOMEM, "no memory");

	if (rc == 0)
		rc = ports_parse(text, db, 1U << PROTO_TCP, set, e);
	if (rc < 0)
		goto out;
	w->port_count = portset_count(set, PROTO_TCP);
	list = calloc(w->port_count + 1, sizeof(*list));
	w->ports = calloc(w->port_count + 1, sizeof(*w->ports));
	if (!list || !w->ports) {
		rc = err_set(e, -ENOMEM, "no memory for %zu ports", w->port_count);
		goto out;
	}
	portset_list(set, PROTO_TCP, list);
	for (size_t i = 0; i < w->port_count; i++) {
		struct port_text *p = &w->ports[i];
		char digits[PORT_TEXT_MAX];
		int n = 0;

		p->port = list[i];
		for (unsigned v = p->port; n == 0 || v != 0; v /= 10)
			digits[n++] = (char)('0' + v % 10);
		while (n > 0)
			p->text[p->length++] = digits[--n];
		p->text[p->length++] = ' ';
	}
out:
	servicedb_free(db);
	free(list);
	free(set);
	return rc;
}

static unsigned bits_behind(uint64_t mask)
{
	return mask == 0 ? 64 : (unsigned)__builtin_ctzll(mask);
}

static int write_target(struct writer *w, const struct prefixes *p, const char *text, struct err_text *e)
{
	struct addr first;
	unsigned bits;
	int rc;

	if (p->v4_count) {
		first = addr_v4(p->v4[0].net);
		bits = p->v4[0].mask == 0 ? 32 : (unsigned)__builtin_ctz(p->v4[0].mask);
	} else {
		first = (struct addr){.hi = p->v6[0].hi, .lo = p->v6[0].lo};
		bits = bits_behind(p->v6[0].mask_lo);
		bits += bits == 64 ? bits_behind(p->v6[0].mask_hi) : 0;
	}
	if (bits > TARGET_BITS_MAX)
		return err_set(e, ERR_RANGE, "%s: more than 2^%d addresses", text, TARGET_BITS_MAX);
	rc = write_range(w, first, 1ULL << bits);
	return rc < 0 ? err_set(e, rc, "cannot write: %s", err_name(rc)) : 0;
}

static int write_targets(struct writer *w, char *list, struct err_text *e)
{
	char *rest = NULL;

	for (char *text = strtok_r(list, ",", &rest); text; text = strtok_r(NULL, ",", &rest)) {
		struct prefixes one = {0};
		int rc = prefixes_add(&one, text, e);

		if (rc == 0)
			rc = write_target(w, &one, text, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int command_truth(const struct options *o)
{
	struct writer w = {.o = o, .buffer = malloc(BUFFER_BYTES)};
	char *list = strdup(o->words[0]);
	struct err_text e;
	int rc = list_ports(&w, o->words[1], &e);

	if (rc == 0 && (!w.buffer || !list))
		rc = err_set(&e, -ENOMEM, "no memory");
	if (rc == 0)
		rc = write_targets(&w, list, &e);
	if (rc == 0) {
		rc = flush(&w);
		if (rc < 0)
			err_set(&e, rc, "cannot write: %s", err_name(rc));
	}
	free(list);
	free(w.ports);
	free(w.buffer);
	return rc < 0 ? command_fault(&e, rc) : 0;
}
