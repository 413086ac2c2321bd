#include "scan/seen.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define FIRST_SIZE 256

void seen_init(struct seen *s, size_t cap)
{
	memset(s, 0, sizeof(*s));
	s->cap = cap;
}

void seen_free(struct seen *s)
{
	free(s->slots);
	memset(s, 0, sizeof(*s));
}

static size_t find(const uint64_t *slots, size_t size, uint64_t key)
{
	size_t i = hash_mix64(key) & (size - 1);
	while (slots[i] && slots[i] != key)
		i = (i + 1) & (size - 1);
	return i;
}

bool seen_has(const struct seen *s, uint64_t position)
{
	return s->size && s->slots[find(s->slots, s->size, position + 1)] != 0;
}

static bool grow(struct seen *s)
{
	size_t size = s->size ? s->size * 2 : FIRST_SIZE;
	uint64_t *slots = calloc(size, sizeof(*slots));
	if (!slots)
		return false;
	for (size_t i = 0; i < s->size; i++)
		if (s->slots[i])
			slots[find(slots, size, s->slots[i])] = s->slots[i];
	free(s->slots);
	s->slots = slots;
	s->size = size;
	return true;
}

bool seen_add(struct seen *s, uint64_t position)
{
	if (s->count * 2 >= s->size && (s->count >= s->cap || !grow(s))) {
		s->not_kept++;
		return !seen_has(s, position);
	}
	size_t i = find(s->slots, s->size, position + 1);
	if (s->slots[i])
		return false;
	s->slots[i] = position + 1;
	s->count++;
	return true;
}
