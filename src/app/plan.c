#include "app/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "app/plan_ports.h"
#include "base/text.h"
#include "target/parse.h"

#define ADDRESSES_OF_A_NAME 64

struct reader {
	struct plan *plan;
	const struct settings *settings;
	const struct plan_resolver *resolver;
	const struct log *log;
	struct addrset *set;
	bool remember; // keep the name for reports
};

static int remember_name(struct plan *p, const struct addr *a, const char *name)
{
	if (p->asked_count == p->asked_cap) {
		size_t cap = p->asked_cap ? p->asked_cap * 2 : 16;
		struct asked_name *n = realloc(p->asked, cap * sizeof(*n));
		if (!n)
			return -ENOMEM;
		p->asked = n;
		p->asked_cap = cap;
	}
	char *copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	p->asked[p->asked_count++] = (struct asked_name){.addr = *a, .name = copy};
	return 0;
}

static int add_prefix(struct addrset *set, const struct addr *a, int prefix, struct err_text *e)
{
	int bits = addr_is_v4(a) ? 32 : 128;
	if (prefix < 0)
		return addrset_add(set, a, a);
	if (prefix > bits)
		return err_set(e, ERR_SYNTAX, "/%d is longer than an address of %d bits", prefix, bits);
	u128 size_less_one =
		prefix == 0 ? (bits == 32 ? (u128)UINT32_MAX : ~(u128)0) : ((u128)1 << (bits - prefix)) - 1;
	u128 first = addr_value(a) & ~size_less_one;
	struct addr lo = addr_of_value(first, a->scope), hi = addr_of_value(first + size_less_one, a->scope);
	return addrset_add(set, &lo, &hi);
}

static int add_name(struct reader *r, const struct target_name *name, struct err_text *e)
{
	struct addr found[ADDRESSES_OF_A_NAME];
	unsigned n = 0;
	const struct target_settings *t = &r->settings->target;
	char safe[256];
	text_escape(safe, sizeof(safe), name->name, strlen(name->name));
	if (!r->resolver || !r->resolver->resolve)
		return err_set(e, ERR_MODULE, "cannot look up \"%s\": this build has no name resolution",
			       safe);
	int err = r->resolver->resolve(r->resolver->ctx, name->name, !t->ipv6_names, true, found,
				       ADDRESSES_OF_A_NAME, &n, e);
	if (err == ERR_NOROUTE || (!err && n == 0)) {
		log_warn(r->log, "\"%s\" has no address: it is left out", safe);
		r->plan->unresolved++;
		return 0;
	}
	if (err)
		return err;
	unsigned use = t->resolve_all ? n : 1;
	for (unsigned i = 0; i < use; i++) {
		err = add_prefix(r->set, &found[i], name->prefix, e);
		if (!err && r->remember && name->prefix < 0)
			err = remember_name(r->plan, &found[i], name->name);
		if (err)
			return err;
	}
	if (n > use)
		log_verbose(r->log, "\"%s\" has %u more addresses; --resolve-all takes them too", safe,
			    n - use);
	return 0;
}

static int add_text(void *ctx, const char *text, struct err_text *e)
{
	struct reader *r = ctx;
	enum target_kind kind;
	struct target_name name;
	int err = target_parse(text, r->set, &kind, &name, e);
	if (err || kind == TARGET_RANGES)
		return err;
	return add_name(r, &name, e);
}

// "a,b,c" of --exclude. An octet list holds commas too: the whole text is tried first.
static int add_list(struct reader *r, const char *list, struct err_text *e)
{
	struct addrset *probe = addrset_new();
	enum target_kind kind;
	struct target_name name;
	bool whole = strpbrk(list, ",") == NULL ||
		     (target_parse(list, probe, &kind, &name, NULL) == 0 && kind == TARGET_RANGES);
	addrset_free(probe);
	if (whole)
		return add_text(r, list, e);
	char *copy = strdup(list), *save = NULL;
	int err = copy ? 0 : -ENOMEM;
	for (char *t = copy ? strtok_r(copy, ",", &save) : NULL; t && !err; t = strtok_r(NULL, ",", &save))
		err = add_text(r, t, e);
	free(copy);
	return err;
}

static int read_excluded(struct reader *r, struct err_text *e)
{
	const struct target_settings *t = &r->settings->target;
	int err = 0;
	for (size_t i = 0; i < t->exclude.count && !err; i++)
		err = add_list(r, t->exclude.items[i], e);
	if (!err && t->exclude_file)
		err = target_read_file(t->exclude_file, add_text, r, e);
	return err;
}

static int read_targets(struct plan *p, const struct settings *s, const struct plan_resolver *resolver,
			const struct log *log, struct err_text *e)
{
	struct reader r = {.plan = p,
			   .settings = s,
			   .resolver = resolver,
			   .log = log,
			   .set = p->targets,
			   .remember = true};
	int err = 0;
	for (size_t i = 0; i < s->target.specs.count && !err; i++)
		err = add_text(&r, s->target.specs.items[i], e);
	if (!err && s->target.input_file)
		err = target_read_file(s->target.input_file, add_text, &r, e);
	addrset_seal(p->targets);
	if (err)
		return err;
	struct addrset *excluded = addrset_new();
	r.set = excluded;
	r.remember = false;
	err = read_excluded(&r, e);
	addrset_seal(excluded);
	if (!err && addrset_range_count(excluded))
		err = addrset_subtract(p->targets, excluded);
	addrset_free(excluded);
	return err;
}

static int compare_asked(const void *a, const void *b)
{
	const struct asked_name *x = a, *y = b;
	return addr_compare(&x->addr, &y->addr);
}

static int choose_seed(struct plan *p, const struct settings *s, struct err_text *e)
{
	p->seed = s->order.seed;
	if (s->order.seed_given)
		return 0;
	if (getrandom(&p->seed, sizeof(p->seed), 0) != (ssize_t)sizeof(p->seed))
		return err_set(e, -errno, "no random seed from the kernel: %s", err_name(-errno));
	return 0;
}

int plan_build(struct plan *p, const struct settings *s, const struct plan_resolver *resolver,
	       const struct log *log, struct err_text *e)
{
	memset(p, 0, sizeof(*p));
	p->targets = addrset_new();
	int err = choose_seed(p, s, e);
	if (!err)
		err = plan_ports(p, s, e);
	if (!err)
		err = read_targets(p, s, resolver, log, e);
	if (err) {
		plan_free(p);
		return err;
	}
	qsort(p->asked, p->asked_count, sizeof(*p->asked), compare_asked);
	return 0;
}

void plan_free(struct plan *p)
{
	addrset_free(p->targets);
	for (size_t i = 0; i < p->asked_count; i++)
		free(p->asked[i].name);
	free(p->asked);
	servicedb_free(p->services);
	free(p->tcp_ports);
	free(p->ports_text);
	free(p->ports);
	memset(p, 0, sizeof(*p));
}

const char *plan_asked_name(const struct plan *p, const struct addr *a)
{
	if (!p->asked_count)
		return NULL;
	struct asked_name key = {.addr = *a};
	const struct asked_name *n =
		bsearch(&key, p->asked, p->asked_count, sizeof(*p->asked), compare_asked);
	return n ? n->name : NULL;
}
