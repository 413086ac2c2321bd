#include "result/host_body.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "result/record.h"

#define FIRST_LOG2       2
#define FIRST_TALLY_ROOM 2
#define SLOTS_LOG2_MAX   19 // three protocols of 65,536 ports, loaded to three quarters

static size_t slot_home(uint8_t proto, uint16_t port, unsigned log2)
{
	return (size_t)(hash_mix64((uint64_t)proto << 16 | port) & (((uint64_t)1 << log2) - 1));
}

// The port's slot, or the free one where it belongs.
static struct port_result *slot_find(struct host_body *b, uint8_t proto, uint16_t port)
{
	struct port_result *slots = body_slots(b);
	size_t mask = ((size_t)1 << b->log2) - 1;

	for (size_t i = slot_home(proto, port, b->log2);; i = (i + 1) & mask) {
		struct port_result *s = &slots[i];
		if (s->state == STATE_UNKNOWN || (s->port == port && s->proto == proto))
			return s;
	}
}

static bool is_open(uint8_t state)
{
	return state == STATE_OPEN;
}

static bool wanted_in_list(uint8_t state, const struct body_rules *rules)
{
	return !rules->open_only || state == STATE_OPEN || state == STATE_OPEN_FILTERED;
}

static bool group_unlisted(const struct host_body *b, uint8_t proto, uint8_t state)
{
	for (unsigned i = 0; i < b->tallies; i++) {
		if (b->tally[i].proto == proto && b->tally[i].state == state && b->tally[i].unlisted)
			return true;
	}
	return false;
}

static uint32_t group_count(const struct host_body *b, uint8_t proto, uint8_t state)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < b->tallies; i++) {
		if (b->tally[i].proto == proto && b->tally[i].state == state)
			n += b->tally[i].count;
	}
	return n;
}

// A new block of the given shape with the same content; ports of unlisted groups are left behind.
static int reshape(struct host_body **body, unsigned log2, unsigned tally_room,
		   const struct body_rules *rules)
{
	struct host_body *old = *body;
	size_t bytes = body_bytes(log2, tally_room);
	size_t old_bytes = old ? body_bytes(old->log2, old->tally_room) : 0;

	if (bytes > old_bytes && bytes - old_bytes > rules->bytes_left)
		return ERR_LIMIT;
	struct host_body *b = calloc(1, bytes);
	if (!b)
		return -ENOMEM;
	b->log2 = (uint8_t)log2;
	b->tally_room = (uint8_t)tally_room;
	if (old) {
		b->tallies = old->tallies;
		memcpy(b->tally, old->tally, old->tallies * sizeof(old->tally[0]));
		struct port_result *from = body_slots(old);
		for (size_t i = 0; i < (size_t)1 << old->log2; i++) {
			if (from[i].state == STATE_UNKNOWN ||
			    group_unlisted(old, from[i].proto, from[i].state))
				continue;
			*slot_find(b, from[i].proto, from[i].port) = from[i];
			b->used++;
		}
	}
	free(old);
	*body = b;
	return 0;
}

static int make_room_for_port(struct host_body **body, const struct body_rules *rules)
{
	struct host_body *b = *body;

	if (b->used < ((uint32_t)3 << b->log2) / 4)
		return 0;
	if (b->log2 >= SLOTS_LOG2_MAX)
		return ERR_LIMIT;
	return reshape(body, b->log2 + 1U, b->tally_room, rules);
}

// Drops the listed ports of groups that have just become too large, and shrinks.
static int drop_unlisted(struct host_body **body, const struct body_rules *rules)
{
	struct host_body *b = *body;
	struct port_result *slots = body_slots(b);
	unsigned log2 = FIRST_LOG2;
	uint32_t left = 0;

	for (size_t i = 0; i < (size_t)1 << b->log2; i++) {
		left += slots[i].state != STATE_UNKNOWN && !group_unlisted(b, slots[i].proto, slots[i].state);
	}
	while (left >= ((uint32_t)3 << log2) / 4)
		log2++;
	return reshape(body, log2, b->tally_room, rules);
}

static struct tally *tally_find(struct host_body *b, uint8_t proto, uint8_t state, uint8_t reason)
{
	for (unsigned i = 0; i < b->tallies; i++) {
		struct tally *t = &b->tally[i];
		if (t->reason == reason && t->state == state && t->proto == proto)
			return t;
	}
	return NULL;
}

// The tally that counts such a port. When all are taken (24 kinds of answer from one host) the nearest does.
static struct tally *tally_of(struct host_body *b, uint8_t proto, uint8_t state, uint8_t reason)
{
	struct tally *t = tally_find(b, proto, state, reason);

	if (t || b->tallies < HOST_COUNTS_MAX)
		return t;
	for (unsigned i = 0; i < b->tallies; i++) {
		if (b->tally[i].state == state && b->tally[i].proto == proto)
			return &b->tally[i];
	}
	return &b->tally[b->tallies - 1];
}

static int tally_make(struct host_body **body, uint8_t proto, uint8_t state, uint8_t reason,
		      const struct body_rules *rules, struct tally **out)
{
	struct tally *t = tally_of(*body, proto, state, reason);

	if (!t) {
		if ((*body)->tallies == (*body)->tally_room) {
			unsigned room = (*body)->tally_room * 2U;
			int rc = reshape(body, (*body)->log2, room < HOST_COUNTS_MAX ? room : HOST_COUNTS_MAX,
					 rules);
			if (rc)
				return rc;
		}
		t = &(*body)->tally[(*body)->tallies];
		*t = (struct tally){proto, state, reason, group_unlisted(*body, proto, state), 0};
		(*body)->tallies++;
	}
	*out = t;
	return 0;
}

static void tally_lower(struct host_body *b, uint8_t proto, uint8_t state, uint8_t reason)
{
	struct tally *t = tally_of(b, proto, state, reason);

	if (t && t->count > 0)
		t->count--;
}

static bool mark_if_large(struct host_body *b, uint8_t proto, uint8_t state, const struct body_rules *rules)
{
	if (group_unlisted(b, proto, state) || group_count(b, proto, state) <= rules->list_limit)
		return false;
	for (unsigned i = 0; i < b->tallies; i++) {
		if (b->tally[i].proto == proto && b->tally[i].state == state)
			b->tally[i].unlisted = true;
	}
	return true;
}

static int count_up(struct host_body **body, uint8_t proto, uint8_t state, uint8_t reason, uint32_t n,
		    const struct body_rules *rules)
{
	struct tally *t;
	int rc = tally_make(body, proto, state, reason, rules, &t);

	if (rc)
		return rc;
	t->count += n;
	return mark_if_large(*body, proto, state, rules) ? drop_unlisted(body, rules) : 0;
}

// What says more stays: open, then the host's own word, then a router's, then silence.
static unsigned rank(const struct port_result *p)
{
	if (p->state == STATE_OPEN)
		return 3;
	if (p->reason == REASON_NO_RESPONSE)
		return 0;
	return p->state == STATE_FILTERED ? 1 : 2;
}

static int replace(struct host_body **body, struct port_result *have, const struct port_result *p,
		   const struct body_rules *rules)
{
	struct port_result old = *have;

	if (rank(p) <= rank(have))
		return 0;
	*have = *p;
	if (!is_open(old.state))
		tally_lower(*body, old.proto, old.state, old.reason);
	return is_open(p->state) ? 0 : count_up(body, p->proto, p->state, p->reason, 1, rules);
}

int body_put(struct host_body **body, const struct port_result *p, bool late, const struct body_rules *rules)
{
	int rc = *body ? 0 : reshape(body, FIRST_LOG2, FIRST_TALLY_ROOM, rules);

	if (rc || p->state == STATE_UNKNOWN || p->proto >= sizeof(rules->silent_state))
		return rc;
	struct port_result *have = slot_find(*body, p->proto, p->port);
	if (have->state != STATE_UNKNOWN)
		return replace(body, have, p, rules);
	if (late)
		tally_lower(*body, p->proto, rules->silent_state[p->proto], REASON_NO_RESPONSE);
	if (!is_open(p->state)) {
		rc = count_up(body, p->proto, p->state, p->reason, 1, rules);
		if (rc || !wanted_in_list(p->state, rules) || group_unlisted(*body, p->proto, p->state))
			return rc;
	}
	rc = make_room_for_port(body, rules);
	if (rc)
		return is_open(p->state) ? rc : 0; // not listed, but counted
	*slot_find(*body, p->proto, p->port) = *p;
	(*body)->used++;
	return 0;
}

uint32_t body_known(struct host_body *b, uint8_t proto)
{
	struct port_result *slots = body_slots(b);
	uint32_t n = 0;

	for (size_t i = 0; i < (size_t)1 << b->log2; i++)
		n += is_open(slots[i].state) && slots[i].proto == proto;
	for (unsigned i = 0; i < b->tallies; i++) {
		if (b->tally[i].proto == proto)
			n += b->tally[i].count;
	}
	return n;
}

int body_add_silent(struct host_body **body, uint8_t proto, uint32_t count, const struct body_rules *rules)
{
	int rc = *body ? 0 : reshape(body, FIRST_LOG2, FIRST_TALLY_ROOM, rules);
	struct tally *t;

	if (rc)
		return rc;
	uint8_t state = rules->silent_state[proto];
	rc = tally_make(body, proto, state, REASON_NO_RESPONSE, rules, &t);
	if (rc)
		return rc;
	t->count += count;
	mark_if_large(*body, proto, state, rules);
	return 0;
}

static int port_order(const void *a, const void *b)
{
	const struct port_result *x = a, *y = b;

	if (x->proto != y->proto)
		return x->proto < y->proto ? -1 : 1;
	return (x->port > y->port) - (x->port < y->port);
}

static int count_order(const void *a, const void *b)
{
	const struct state_count *x = a, *y = b;

	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	if (x->proto != y->proto)
		return x->proto < y->proto ? -1 : 1;
	return x->state != y->state ? (x->state < y->state ? -1 : 1) : (x->reason < y->reason ? -1 : 1);
}

size_t body_list(struct host_body *b, const struct body_rules *rules, struct port_result *out,
		 struct state_count counts[HOST_COUNTS_MAX], size_t *count_count)
{
	struct port_result *slots = body_slots(b);
	uint32_t listed[HOST_COUNTS_MAX] = {0};
	size_t n = 0, k = 0;

	for (size_t i = 0; i < (size_t)1 << b->log2; i++) {
		const struct port_result *p = &slots[i];
		if (p->state == STATE_UNKNOWN || group_unlisted(b, p->proto, p->state) ||
		    !wanted_in_list(p->state, rules))
			continue;
		if (!is_open(p->state))
			listed[tally_of(b, p->proto, p->state, p->reason) - b->tally]++;
		out[n++] = *p;
	}
	for (unsigned i = 0; i < b->tallies; i++) {
		const struct tally *t = &b->tally[i];
		if (t->count > listed[i])
			counts[k++] =
				(struct state_count){t->proto, t->state, t->reason, t->count - listed[i]};
	}
	if (n > 1)
		qsort(out, n, sizeof(*out), port_order);
	if (k > 1)
		qsort(counts, k, sizeof(*counts), count_order);
	*count_count = k;
	return n;
}
