#include "app/plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "app/plan_ports.h"
#include "target/parse.h"
#include "target/reserved.h"

#define SEED_BITS 53 // of those that are drawn

// A name among the targets or exclusions; looked up when everything was read and found good.
struct wanted_name {
	struct target_name name;
	bool exclude;
};

struct reader {
	struct plan *plan;
	const struct settings *settings;
	const struct plan_resolver *resolver;
	const struct log *log;
	struct addrset *sets[2]; // targets; excluded
	bool exclude;            // what is being read
	struct wanted_name *names;
	size_t name_count, name_cap;
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

static int want_name(struct reader *r, const struct target_name *name)
{
	if (r->name_count == r->name_cap) {
		size_t cap = r->name_cap ? r->name_cap * 2 : 16;
		struct wanted_name *n = realloc(r->names, cap * sizeof(*n));
		if (!n)
			return -ENOMEM;
		r->names = n;
		r->name_cap = cap;
	}
	r->names[r->name_count++] = (struct wanted_name){.name = *name, .exclude = r->exclude};
	return 0;
}

// The last target's ranges, from number `from` on, are in the set.
static int thin(struct reader *r, size_t from, struct err_text *e)
{
	if (r->exclude || r->settings->target.allow_reserved)
		return 0;
	int err = reserved_thin(r->sets[0], from, &r->plan->thinned);
	return err ? err_set(e, err, "the targets make too many ranges") : 0;
}

static int add_text(void *ctx, const char *text, struct err_text *e)
{
	struct reader *r = ctx;
	enum target_kind kind;
	struct target_name name;
	size_t before = addrset_range_count(r->sets[r->exclude]);
	int err = target_parse(text, r->sets[r->exclude], &kind, &name, e);
	if (err)
		return err;
	if (kind == TARGET_RANGES)
		return thin(r, before, e);
	err = want_name(r, &name);
	return err ? err_set(e, err, "out of memory for names") : 0;
}

static int add_addresses(struct reader *r, const struct wanted_name *w, const struct names_lookup *l,
			 struct err_text *e)
{
	bool all = r->settings->target.resolve_all || w->exclude;
	unsigned use = all ? l->count : 1;
	r->exclude = w->exclude;
	for (unsigned i = 0; i < use; i++) {
		size_t before = addrset_range_count(r->sets[w->exclude]);
		int err = add_prefix(r->sets[w->exclude], &l->addrs[i], w->name.prefix, e);
		if (!err)
			err = thin(r, before, e);
		if (!err && !w->exclude && w->name.prefix < 0)
			err = remember_name(r->plan, &l->addrs[i], w->name.name);
		if (err)
			return err;
	}
	if (l->count > use)
		log_verbose(r->log, "\"%s\" has %u more addresses; --resolve-all takes them too",
			    w->name.name, l->count - use);
	return 0;
}

// What a lookup without addresses means. A name that is to be left out must be known; one target of several
// may be missing.
static int missing(struct reader *r, const struct wanted_name *w, const struct names_lookup *l,
		   struct err_text *e)
{
	bool unknown = l->status == NAMES_OK || l->status == NAMES_NOT_FOUND;
	const char *why = unknown ? "the name has no address" : l->reason;
	if (w->exclude)
		return err_set(e, unknown ? ERR_USAGE : ERR_NOROUTE,
			       "cannot leave out \"%s\": %s; give its address, or do without it",
			       w->name.name, why);
	if (r->plan->unresolved++ == 0)
		err_set(e, unknown ? ERR_USAGE : ERR_NOROUTE, "\"%s\" cannot be scanned: %s", w->name.name,
			why);
	return 0;
}

static int take_lookups(struct reader *r, const struct names_lookup *l, struct err_text *e)
{
	struct err_text first;
	bool unknown = true;
	int err = 0;
	for (size_t i = 0; i < r->name_count && !err; i++) {
		const struct wanted_name *w = &r->names[i];
		if (l[i].status == NAMES_OK && l[i].count) {
			err = add_addresses(r, w, &l[i], e);
			continue;
		}
		err = missing(r, w, &l[i], &first);
		if (err)
			*e = first;
		unknown &= w->exclude || l[i].status == NAMES_OK || l[i].status == NAMES_NOT_FOUND;
	}
	uint64_t bad = r->plan->unresolved;
	if (err || bad == 0)
		return err;
	char others[64] = "";
	if (bad > 1)
		snprintf(others, sizeof(others), " (and %llu more names)", (unsigned long long)bad - 1);
	addrset_seal(r->sets[0]);
	if (addrset_count(r->sets[0]) == 0)
		return err_set(e, unknown ? ERR_USAGE : ERR_NOROUTE, "%.400s%s", first.text, others);
	log_warn(r->log, "%s%s; going on without", first.text, others);
	return 0;
}

static int look_up(struct reader *r, struct err_text *e)
{
	if (r->name_count == 0)
		return 0;
	struct names_lookup *l = calloc(r->name_count, sizeof(*l));
	if (!l)
		return err_set(e, -ENOMEM, "out of memory for names");
	bool v6_only = r->settings->target.ipv6_names;
	for (size_t i = 0; i < r->name_count; i++) {
		l[i].name = r->names[i].name.name;
		l[i].families = v6_only && !r->names[i].exclude ? NAMES_V6 : NAMES_V4 | NAMES_V6;
	}
	int err = r->resolver->resolve(r->resolver->ctx, l, (unsigned)r->name_count, e);
	if (!err)
		err = take_lookups(r, l, e);
	names_lookup_free(l, (unsigned)r->name_count);
	free(l);
	return err;
}

int plan_bad_file(const char *option, int err, struct err_text *e)
{
	if (err >= 0 || err == -ENOMEM || err <= ERR_USAGE)
		return err;
	struct err_text why = *e;
	return err_set(e, ERR_USAGE, "%s: %.480s", option, why.text);
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
	r->exclude = true;
	for (size_t i = 0; i < t->exclude.count && !err; i++)
		err = add_list(r, t->exclude.items[i], e);
	if (!err && t->exclude_file)
		err = plan_bad_file("--excludefile", target_read_file(t->exclude_file, add_text, r, e), e);
	return err;
}

static int read_listed(struct reader *r, struct err_text *e)
{
	const struct target_settings *t = &r->settings->target;
	int err = 0;
	for (size_t i = 0; i < t->specs.count && !err; i++)
		err = add_text(r, t->specs.items[i], e);
	if (!err && t->input_file)
		err = plan_bad_file("-iL", target_read_file(t->input_file, add_text, r, e), e);
	return err;
}

static int read_targets(struct plan *p, const struct settings *s, const struct plan_resolver *resolver,
			const struct log *log, struct err_text *e)
{
	struct reader r = {
		.plan = p,
		.settings = s,
		.resolver = resolver,
		.log = log,
		.sets = {p->targets, addrset_new()},
	};
	int err = read_listed(&r, e);
	if (!err)
		err = read_excluded(&r, e);
	if (!err)
		err = look_up(&r, e);
	addrset_seal(p->targets);
	addrset_seal(r.sets[1]);
	if (!err && addrset_range_count(r.sets[1]))
		err = addrset_subtract(p->targets, r.sets[1]);
	addrset_free(r.sets[1]);
	free(r.names);
	return err;
}

static int compare_asked(const void *a, const void *b)
{
	const struct asked_name *x = a, *y = b;
	return addr_compare(&x->addr, &y->addr);
}

// Readers of JSON that hold numbers in a double know whole ones below 2^53 exactly: what is drawn is one of
// them, so that every reader can give it to --seed again.
static int choose_seed(struct plan *p, const struct settings *s, struct err_text *e)
{
	p->seed = s->order.seed;
	if (s->order.seed_given)
		return 0;
	if (getrandom(&p->seed, sizeof(p->seed), 0) != (ssize_t)sizeof(p->seed))
		return err_set(e, -errno, "no random seed from the kernel: %s", err_name(-errno));
	p->seed >>= 64 - SEED_BITS;
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
	if (p->asked_count)
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
