#include "app/list.h"

#include "app/signals.h"
#include "base/clock.h"

#define LIST_BLOCK 1024 // addresses whose names are looked up at once

static void enter(struct report *r, const struct addr *a)
{
	(void)hosts_down(r->hosts, a, REASON_USER_SET);
	const char *name = plan_asked_name(r->plan, a);
	if (name)
		(void)hosts_name(r->hosts, a, name, NULL);
	if (r->names)
		reverse_ask(r->names, a);
}

int list_targets(struct report *r, const struct scan_hooks *hooks, struct scan_counters *c)
{
	const struct addrset *targets = r->plan->targets;
	u128 n = addrset_count(targets), block;
	struct addr a;
	for (u128 first = 0; first < n; first += block) {
		block = n - first < LIST_BLOCK ? n - first : LIST_BLOCK;
		if (hooks->tick(hooks->ctx, c, clock_mono_ns()))
			return ERR_INTERRUPTED;
		for (u128 i = first; i < first + block; i++) {
			addrset_at(targets, i, &a);
			enter(r, &a);
		}
		if (r->names)
			reverse_wait(r->names, r->signals ? r->signals->fd : -1);
		for (u128 i = first; i < first + block; i++) {
			addrset_at(targets, i, &a);
			hooks->host_done(hooks->ctx, &a);
		}
		c->hosts_total += (uint64_t)block;
	}
	return 0;
}
