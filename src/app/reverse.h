// Reverse names of hosts that are up, looked up while the scan goes on.
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/log.h"
#include "net/addr.h"
#include "net/names.h"

struct reverse;

// `servers` as in names_config, or NULL. `limit`: no names at all once more hosts than this were asked for
// (0: none).
int reverse_open(struct reverse **out, const struct names_ops *ops, const char *servers, unsigned limit,
		 struct err_text *e) MUST_CHECK;
void reverse_close(struct reverse *r);

void reverse_ask(struct reverse *r, const struct addr *a);
// Takes what has come; never blocks.
void reverse_turn(struct reverse *r);
bool reverse_pending(const struct reverse *r);
// Waits for the rest (their timeouts bound it), or until stop_fd is readable.
void reverse_wait(struct reverse *r, int stop_fd);
// Hands over each name once.
void reverse_deliver(struct reverse *r, void (*name)(void *ctx, const struct addr *a, const char *text),
		     void *ctx);
