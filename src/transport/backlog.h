// Since when the oldest of what was taken waits to be handed to the kernel: a lower bound, from two marks.
#pragma once

#include <stdint.h>

#define BACKLOG_NONE INT64_MAX

// What was taken before `mark` was taken at mark_ns or later; what came after, at next_ns or later.
struct backlog {
	uint64_t mark;
	int64_t mark_ns, next_ns;
};

// More is taken: `taken` and `done` are the counts before that.
static inline void backlog_take(struct backlog *b, uint64_t taken, uint64_t done, int64_t now_ns)
{
	if (done < b->mark)
		return;
	b->mark_ns = done < taken ? b->next_ns : now_ns;
	b->mark = taken;
	b->next_ns = now_ns;
}

static inline int64_t backlog_since(const struct backlog *b, uint64_t taken, uint64_t done)
{
	if (done >= taken)
		return BACKLOG_NONE;
	return done < b->mark ? b->mark_ns : b->next_ns;
}
