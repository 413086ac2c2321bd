#include "app/reverse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ACTIVE 256

struct found {
	struct addr addr;
	char *name;        // NULL: not known yet, or handed over
	size_t next_ready; // of those that are known and not handed over: index + 1, 0 at the end
};

struct reverse {
	const struct names_ops *ops;
	struct names *names;
	struct found *found;
	size_t count, cap;
	size_t ready; // first of a list, index + 1
	unsigned limit;
};

static void on_done(void *ctx, const struct names_result *res)
{
	struct reverse *r = ctx;
	if (res->status != NAMES_OK || res->ptr_count == 0 || res->token >= r->count)
		return;
	char text[NAMES_TEXT_MAX];
	names_escape(text, sizeof(text), res->ptrs[0]);
	struct found *f = &r->found[res->token];
	f->name = strdup(text);
	if (!f->name)
		return;
	f->next_ready = r->ready;
	r->ready = (size_t)res->token + 1;
}

int reverse_open(struct reverse **out, const struct names_ops *ops, const char *servers, unsigned limit,
		 struct err_text *e)
{
	struct reverse *r = calloc(1, sizeof(*r));
	if (!r)
		return err_set(e, -ENOMEM, "out of memory");
	r->ops = ops;
	r->limit = limit;
	struct names_config cfg = {.servers = servers, .max_active = ACTIVE};
	int err = ops->open(&r->names, &cfg, on_done, r, e);
	if (err) {
		free(r);
		return err;
	}
	*out = r;
	return 0;
}

void reverse_close(struct reverse *r)
{
	if (!r)
		return;
	r->ops->close(r->names);
	for (size_t i = 0; i < r->count; i++)
		free(r->found[i].name);
	free(r->found);
	free(r);
}

void reverse_ask(struct reverse *r, const struct addr *a)
{
	if (r->limit && r->count >= r->limit)
		return;
	if (r->count == r->cap) {
		size_t cap = r->cap ? r->cap * 2 : 64;
		struct found *f = realloc(r->found, cap * sizeof(*f));
		if (!f)
			return;
		r->found = f;
		r->cap = cap;
	}
	r->found[r->count] = (struct found){.addr = *a};
	r->count++;
	(void)!r->ops->reverse(r->names, r->count - 1, a);
}

// False when stop_fd is readable.
static bool turn(struct reverse *r, bool block, int stop_fd)
{
	struct pollfd fds[NAMES_FDS_MAX + 1];
	int64_t timeout_ns = -1;
	unsigned n = r->ops->fds(r->names, fds, NAMES_FDS_MAX, &timeout_ns);
	int ms = !block ? 0 : timeout_ns < 0 ? 100 : (int)(timeout_ns / 1000000) + 1;
	fds[n] = (struct pollfd){.fd = stop_fd, .events = POLLIN};
	(void)poll(fds, n + 1, ms);
	r->ops->process(r->names, fds, n);
	return !fds[n].revents;
}

void reverse_turn(struct reverse *r)
{
	if (r->ops->pending(r->names))
		(void)turn(r, false, -1);
}

bool reverse_pending(const struct reverse *r)
{
	return r->ops->pending(r->names) > 0;
}

void reverse_wait(struct reverse *r, int stop_fd)
{
	while (r->ops->pending(r->names) && turn(r, true, stop_fd))
		;
}

void reverse_deliver(struct reverse *r, void (*name)(void *ctx, const struct addr *a, const char *text),
		     void *ctx)
{
	while (r->ready) {
		struct found *f = &r->found[r->ready - 1];
		r->ready = f->next_ready;
		name(ctx, &f->addr, f->name);
		free(f->name);
		f->name = NULL;
	}
}
