#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "transport/streams_private.h"

#define SLOT_NONE UINT32_MAX
#define KEPT_MAX  1024 // sockets of one loop with ports of their own

static void list_push(struct slot_table *t, uint32_t *head, uint32_t slot)
{
	t->slots[slot].next = *head;
	*head = slot;
}

static uint32_t list_pop(struct slot_table *t, uint32_t *head)
{
	uint32_t slot = *head;
	if (slot != SLOT_NONE)
		*head = t->slots[slot].next;
	return slot;
}

int slot_table_init(struct slot_table *t, const struct stream_maker *maker, uint32_t count)
{
	*t = (struct slot_table){
		.maker = maker,
		.count = count,
		.free_head = SLOT_NONE,
		.idle_head = {SLOT_NONE, SLOT_NONE},
		.next_port = (uint32_t)hash_mix64((uint64_t)clock_mono_ns()),
	};
	t->slots = calloc(count, sizeof(*t->slots));
	if (!t->slots)
		return -ENOMEM;
	for (uint32_t i = count; i-- > 0;) {
		t->slots[i].fd = -1;
		list_push(t, &t->free_head, i);
	}
	return 0;
}

void slot_table_free(struct slot_table *t)
{
	for (uint32_t i = 0; t->slots && i < t->count; i++)
		if (t->slots[i].fd >= 0)
			close(t->slots[i].fd);
	free(t->slots);
	t->slots = NULL;
}

bool slot_available(const struct slot_table *t)
{
	return t->free_head != SLOT_NONE || t->idle_head[0] != SLOT_NONE || t->idle_head[1] != SLOT_NONE;
}

void slot_set(struct slot_table *t, uint32_t slot, enum slot_state state)
{
	struct slot *s = &t->slots[slot];
	if (s->state == SLOT_WAITING)
		t->waiting--;
	s->state = (uint8_t)state;
	if (state == SLOT_WAITING)
		t->waiting++;
	else
		list_push(t, state == SLOT_FREE ? &t->free_head : &t->idle_head[s->family], slot);
}

void slot_close(struct slot_table *t, uint32_t slot)
{
	struct slot *s = &t->slots[slot];
	close(s->fd);
	s->fd = -1;
	s->watched = false;
	t->kept -= s->kept;
	s->kept = s->asked = false;
	slot_set(t, slot, SLOT_FREE);
}

// Opens a socket in a free slot.
static int slot_open(struct slot_table *t, enum addr_family family, uint32_t *out)
{
	if (t->free_head == SLOT_NONE)
		return EMFILE;
	int fd = stream_socket(t->maker, family);
	if (fd < 0)
		return -fd;
	*out = list_pop(t, &t->free_head);
	t->slots[*out].fd = fd;
	t->slots[*out].family = (uint8_t)family;
	return 0;
}

// A socket that is used again gets a port of its own, as long as enough is left for others on this host.
static void keep_port(struct slot_table *t, struct slot *s)
{
	if (s->asked || t->maker->fixed || t->kept >= KEPT_MAX)
		return;
	s->asked = true;
	s->kept = stream_keep_port(t->maker, s->fd, s->family, &t->next_port);
	t->kept += s->kept;
}

int slot_take(struct slot_table *t, enum addr_family family, uint32_t *out)
{
	*out = list_pop(t, &t->idle_head[family]);
	if (*out != SLOT_NONE) {
		keep_port(t, &t->slots[*out]);
		return 0;
	}
	int err = slot_open(t, family, out);
	if (err != EMFILE && err != ENFILE)
		return err;
	uint32_t other = list_pop(t, &t->idle_head[!family]);
	if (other == SLOT_NONE)
		return err;
	slot_close(t, other);
	return slot_open(t, family, out);
}
