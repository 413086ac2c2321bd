// The frame transport of the XDP engine, and the module's entry.
#include "transport/xdp.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/module.h"
#include "transport/xdp/answers.h"
#include "transport/xdp/device.h"
#include "transport/xdp/emitter.h"
#include "transport/xdp/programs.h"
#include "transport/xdp/shapes.h"

#define TRIALS      8
#define TRIAL_WAIT  NS_PER_S // for a thread that gets no processor at once; a way that works ends it
#define TRIAL_LOOK  (200 * NS_PER_US)
#define PUSH        64
#define COUNT_EVERY (50 * NS_PER_MS)
#define TRIAL       (XDP_TEMPLATES - 1)
#define TRIAL_LEN   60
#define NO_PORT     UINT32_MAX

struct link {
	uint32_t ifindex;
	char name[IF_NAMESIZE];
	struct bpf_link *receiver;
	struct xdp_device_counts before, now;
};

struct xdp_prepared {
	struct emitter_bpf *emit;
	struct receiver_bpf *receive;
	struct xdp_hop *hops; // mapped
	uint32_t hop_room;
	unsigned lanes; // whose programs are loaded
	size_t hop_bytes;
	struct link links[XDP_PORTS];
	unsigned link_count;
	int counters; // descriptor
};

struct frames {
	struct frames_config cfg;
	struct xdp_prepared *p;
	struct emitter *emitter;
	struct answers *answers;
	uint32_t hops_known; // copied to the emitter's table
	uint64_t unsent;     // descriptors without a way
	uint64_t trials, received;
	int64_t counted_ns;
	int error;
};

static void discard(struct xdp_prepared *p)
{
	if (!p)
		return;
	for (unsigned i = 0; i < p->link_count; i++)
		bpf_link__destroy(p->links[i].receiver);
	if (p->hops)
		munmap(p->hops, p->hop_bytes);
	emitter_bpf__destroy(p->emit);
	receiver_bpf__destroy(p->receive);
	if (p->counters >= 0)
		close(p->counters);
	free(p);
}

static int add_link(struct xdp_prepared *p, uint32_t ifindex)
{
	struct link *l = &p->links[p->link_count];
	if (p->link_count == XDP_PORTS || !if_indextoname(ifindex, l->name))
		return -ENODEV;
	l->ifindex = ifindex;
	p->link_count++;
	return 0;
}

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

static int load_programs(struct xdp_prepared *p, struct err_text *e)
{
	libbpf_set_print(quiet); // what went wrong is in errno too
	p->emit = emitter_bpf__open();
	p->receive = p->emit ? receiver_bpf__open() : NULL;
	if (!p->receive)
		return err_set(e, -errno, "cannot read the XDP programs: %s", err_name(-errno));
	int rc = bpf_map__set_max_entries(p->emit->maps.hops, p->hop_room);
	struct bpf_program *programs[XDP_LANES];
	emitter_programs(p->emit, programs);
	for (unsigned i = p->lanes; i < XDP_LANES && !rc; i++) // each costs ten milliseconds of verification
		rc = bpf_program__set_autoload(programs[i], false);
	if (!rc)
		rc = emitter_bpf__load(p->emit);
	if (!rc)
		rc = answers_size(p->receive);
	if (!rc)
		rc = receiver_bpf__load(p->receive);
	if (rc == -EPERM || rc == -EACCES)
		return err_set(e, ERR_PRIVILEGE, "loading XDP programs needs CAP_BPF and CAP_NET_ADMIN");
	if (rc)
		return err_set(e, ERR_UNSUPPORTED, "this kernel does not take the XDP programs: %s",
			       err_name(rc));
	void *hops = mmap(NULL, p->hop_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			  bpf_map__fd(p->emit->maps.hops), 0);
	if (hops == MAP_FAILED)
		return err_set(e, -errno, "cannot map the hop table: %s", err_name(-errno));
	p->hops = hops;
	return 0;
}

static int prepare(struct xdp_prepared **out, const struct xdp_prepare_config *cfg, struct err_text *e)
{
	*out = NULL;
	int rc = 0;
	struct xdp_prepared *p = calloc(1, sizeof(*p));
	if (!p)
		return err_set(e, -ENOMEM, "out of memory");
	p->counters = -1;
	p->hop_room = cfg->hops;
	p->lanes = cfg->send_threads < 1 ? 1 : cfg->send_threads > XDP_LANES ? XDP_LANES : cfg->send_threads;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	p->hop_bytes = (p->hop_room * sizeof(*p->hops) + page - 1) / page * page;
	for (unsigned i = 0; i < cfg->link_count && !rc; i++) {
		rc = xdp_device_check(cfg->links[i], cfg->log, e);
		if (!rc && add_link(p, cfg->links[i]))
			rc = err_set(e, ERR_UNSUPPORTED, "more than %d interfaces in one scan", XDP_PORTS);
	}
	if (!rc)
		rc = load_programs(p, e);
	if (!rc) {
		p->counters = xdp_counters_open();
		rc = p->counters < 0 ? err_set(e, p->counters, "cannot read /proc/self/net/dev: %s",
					       err_name(p->counters))
				     : 0;
	}
	if (rc) {
		discard(p);
		return rc;
	}
	*out = p;
	return 0;
}

// What was handed to interfaces, as they count it.
static void count(struct frames *f)
{
	for (unsigned i = 0; i < f->p->link_count; i++)
		(void)xdp_counters_read(f->p->counters, f->p->links[i].name, &f->p->links[i].now);
	f->counted_ns = clock_mono_ns();
}

// The receiver is there before the first frame leaves; the link ends with this process, however that ends.
static int attach(struct frames *f, struct link *l, struct err_text *e)
{
	uint32_t slot = (uint32_t)(l - f->p->links);
	int rc = bpf_map_update_elem(bpf_map__fd(f->p->emit->maps.ports), &slot, &l->ifindex, 0) ? -errno : 0;
	if (rc)
		return err_set(e, ERR_UNSUPPORTED, "%s takes no frames from XDP: %s", l->name, err_name(rc));
	l->receiver = bpf_program__attach_xdp(f->p->receive->progs.receive, (int)l->ifindex);
	if (l->receiver)
		return xdp_counters_read(f->p->counters, l->name, &l->before) ? 0 : -ENODEV;
	rc = -errno;
	if (rc == -EBUSY || rc == -EEXIST)
		return err_set(e, ERR_UNSUPPORTED, "another XDP program is attached to %s", l->name);
	return err_set(e, ERR_UNSUPPORTED, "cannot attach an XDP program to %s: %s", l->name, err_name(rc));
}

static void set_wanted(struct frames *f)
{
	struct xdp_wanted *w = &f->p->receive->bss->wanted;
	memcpy(w->key, f->cfg.cookie_key.bytes, sizeof(w->key));
	w->port_lo = f->cfg.port_lo;
	w->port_hi = f->cfg.port_hi;
	w->syn = f->cfg.technique_syn;
	w->ack = f->cfg.technique_ack;
	w->arp = f->cfg.want_arp;
	w->ndp = f->cfg.want_ndp;
	w->keep = f->cfg.keep_half_open;
}

// Returns a length that frames may have before the emitter sizes them: one byte more than most have, and no
// template's own, since a frame whose bounds do not change keeps the length that its last user gave it (a
// receiver that trimmed it, Linux 6.18).
static unsigned set_templates(struct frames *f)
{
	unsigned raw = TRIAL_LEN;
	bool taken[XDP_TEMPLATE + 1] = {[TRIAL_LEN] = true};
	for (unsigned i = 0; i < TEMPLATES_MAX; i++) {
		const struct frame_template *t = &f->cfg.templates[i];
		if (!t->len)
			continue;
		struct xdp_template *out = &f->p->emit->bss->templates[i];
		xdp_shape(out, t);
		taken[out->len] = true;
		bool main = t->family == (f->cfg.want_v4 ? ADDR_V4 : ADDR_V6) && t->link == TEMPLATE_UNICAST;
		if (main && out->len > raw)
			raw = out->len;
	}
	while (raw < XDP_TEMPLATE && taken[raw])
		raw++;
	return raw;
}

// Frames to ourselves, out of each interface from each lane: does the interface count them?
static int try_links(struct frames *f, struct err_text *e)
{
	static const uint8_t nobody[6] = {0x02, 0, 0, 0, 0, 0x01}; // locally administered
	xdp_shape_trial(&f->p->emit->bss->templates[TRIAL], nobody, TRIAL_LEN);
	for (unsigned i = 0; i < f->p->link_count; i++) {
		struct link *l = &f->p->links[i];
		f->p->hops[0] = (struct xdp_hop){.port = i};
		const struct xdp_desc d = {.where = xdp_where(0u, (uint32_t)TRIAL)};
		uint64_t sent = emitter_sent(f->emitter), want = 0;
		for (unsigned k = 0; k < TRIALS; k++)
			emitter_push_all(f->emitter, &d);
		int64_t until = clock_mono_ns() + TRIAL_WAIT;
		do {
			nanosleep(&(struct timespec){.tv_nsec = TRIAL_LOOK}, NULL);
			int rc = emitter_look(f->emitter, clock_mono_ns());
			if (rc)
				return err_set(e, ERR_UNSUPPORTED, "XDP live frames do not run: %s",
					       err_name(rc));
			(void)xdp_counters_read(f->p->counters, l->name, &l->now);
			want = emitter_sent(f->emitter) - sent;
		} while ((!emitter_idle(f->emitter) || l->now.sent - l->before.sent < want) &&
			 clock_mono_ns() < until);
		if (!emitter_idle(f->emitter) || l->now.sent - l->before.sent < want)
			return err_set(e, ERR_UNSUPPORTED,
				       "XDP frames do not leave by %s: %llu of %llu were seen", l->name,
				       (unsigned long long)(l->now.sent - l->before.sent),
				       (unsigned long long)want);
		l->before = l->now;
		f->trials += want;
	}
	return 0;
}

static void xdp_stop(struct frames *f)
{
	emitter_stop(f->emitter);
	answers_close(f->answers);
	discard(f->p);
	free(f);
}

static int xdp_open(struct frames **out, const struct frames_config *cfg, struct err_text *e)
{
	*out = NULL;
	struct frames *f = calloc(1, sizeof(*f));
	if (!f || !cfg->prepared) {
		free(f);
		return err_set(e, f ? -EINVAL : -ENOMEM, "the XDP engine is not ready");
	}
	f->cfg = *cfg;
	f->p = cfg->prepared;
	set_wanted(f);
	int rc = answers_open(&f->answers, f->p->receive);
	if (rc)
		err_set(e, rc, "cannot map the rings of answers: %s", err_name(rc));
	for (unsigned i = 0; i < f->p->link_count && !rc; i++)
		rc = attach(f, &f->p->links[i], e);
	struct emitter_config ec = {
		.programs = f->p->emit,
		.lanes = cfg->send_threads < f->p->lanes ? cfg->send_threads : f->p->lanes,
		.round = cfg->round,
		.raw_len = set_templates(f),
		.stamps = cfg->stamps,
	};
	if (!rc)
		rc = emitter_start(&f->emitter, &ec, e);
	if (!rc)
		rc = try_links(f, e);
	if (rc) {
		xdp_stop(f);
		return rc;
	}
	*out = f;
	return 0;
}

// Slot of an interface; one that was not foreseen is added when it can be.
static uint32_t port_of(struct frames *f, uint32_t ifindex)
{
	struct err_text why;
	struct xdp_prepared *p = f->p;
	for (unsigned i = 0; i < p->link_count; i++)
		if (p->links[i].ifindex == ifindex)
			return p->links[i].receiver ? i : NO_PORT;
	if (xdp_device_check(ifindex, NULL, &why) || add_link(p, ifindex))
		return NO_PORT;
	return attach(f, &p->links[p->link_count - 1], &why) ? NO_PORT : p->link_count - 1;
}

static void add_source(struct frames *f, const struct addr *a)
{
	struct xdp_wanted *w = &f->p->receive->bss->wanted;
	for (unsigned i = 0; i < w->source_count; i++)
		if (w->sources[i][0] == a->hi && w->sources[i][1] == a->lo)
			return;
	if (w->source_count == XDP_SOURCES)
		return;
	w->sources[w->source_count][0] = a->hi;
	w->sources[w->source_count][1] = a->lo;
	__atomic_store_n(&w->source_count, w->source_count + 1, __ATOMIC_RELEASE);
}

// Entries may have been added to the hop table.
static void learn_hops(struct frames *f, uint32_t hop)
{
	const struct frame_hop *table = *f->cfg.hops;
	for (; f->hops_known <= hop && f->hops_known < f->p->hop_room; f->hops_known++) {
		const struct frame_hop *h = &table[f->hops_known];
		uint32_t port = port_of(f, h->ifindex);
		xdp_shape_hop(&f->p->hops[f->hops_known], h, port);
		add_source(f, &h->source);
	}
}

static void trace(const struct frames *f, const struct frame_desc *d)
{
	uint8_t frame[FRAME_MAX];
	const struct frame_template *t = &f->cfg.templates[d->tmpl];
	size_t n = frame_build(t, &(*f->cfg.hops)[d->hop], d, false, frame);
	f->cfg.trace(f->cfg.trace_ctx, true, frame, n, t->ethertype);
}

// Descriptors of one push, as the emitter takes them; those without a way are left out.
static unsigned translate(struct frames *f, const struct frame_desc *d, unsigned n, struct xdp_desc *out,
			  uint32_t *stamps)
{
	unsigned k = 0;
	for (unsigned i = 0; i < n; i++) {
		if (d[i].hop >= f->hops_known)
			learn_hops(f, d[i].hop);
		if (d[i].hop >= f->hops_known || f->p->hops[d[i].hop].port == NO_PORT) {
			f->unsent++;
			continue;
		}
		if (f->cfg.trace)
			trace(f, &d[i]);
		out[k] = (struct xdp_desc){
			.dst_hi = d[i].dst_hi,
			.dst_lo = d[i].dst_lo,
			.cookie = d[i].cookie,
			.sport = d[i].sport,
			.dport = d[i].dport,
			.where = xdp_where(d[i].hop, d[i].tmpl),
		};
		stamps[k++] = d[i].stamp;
	}
	return k;
}

static int xdp_send(struct frames *f, const struct frame_desc *d, unsigned n, unsigned *taken)
{
	struct xdp_desc out[PUSH];
	uint32_t stamps[PUSH];
	*taken = 0;
	int64_t now = clock_mono_ns();
	f->error = emitter_look(f->emitter, now);
	while (!f->error && *taken < n && !answers_behind(f->answers)) {
		unsigned k = emitter_room(f->emitter, PUSH);
		k = k < n - *taken ? k : n - *taken;
		if (!k)
			break;
		unsigned m = translate(f, d + *taken, k, out, stamps);
		emitter_push(f->emitter, out, stamps, m, now);
		*taken += k;
	}
	return f->error;
}

static bool xdp_idle(const struct frames *f)
{
	return emitter_idle(f->emitter);
}

static int64_t xdp_waiting_since(const struct frames *f)
{
	return emitter_waiting_since(f->emitter);
}

static int xdp_recv(struct frames *f, struct frame_reply *r, unsigned max)
{
	int rc = emitter_look(f->emitter, clock_mono_ns()); // send times before answers
	if (rc)
		return rc;
	unsigned n = answers_take(f->answers, r, max);
	for (unsigned i = 0; f->cfg.trace && i < n; i++)
		f->cfg.trace(f->cfg.trace_ctx, false, r[i].data, r[i].len, r[i].ethertype);
	f->received += n;
	return (int)n;
}

static int xdp_fd(const struct frames *f)
{
	return answers_fd(f->answers);
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

// Nobody says which frame an interface did not take, so the sums are compared: what left the emitter against
// what the interfaces counted as sent, and what they say they refused.
static void xdp_stats(struct frames *f, struct frames_stats *out)
{
	uint64_t sent = emitter_sent(f->emitter) - f->trials, seen = 0, refused = 0;
	bool idle = emitter_idle(f->emitter);
	(void)emitter_look(f->emitter,
			   clock_mono_ns()); // also while nothing is sent or comes: lanes may rest
	if (idle || clock_mono_ns() - f->counted_ns >= COUNT_EVERY)
		count(f);
	for (unsigned i = 0; i < f->p->link_count; i++) {
		seen += f->p->links[i].now.sent - f->p->links[i].before.sent;
		refused += f->p->links[i].now.refused - f->p->links[i].before.refused;
	}
	uint64_t missing = idle && seen < sent ? sent - seen : 0;
	uint64_t lost = least(missing > refused ? missing : refused, sent);
	*out = (struct frames_stats){
		.handed = sent - lost,
		.not_taken = lost + f->unsent,
		.syscalls = emitter_calls(f->emitter),
		.received = f->received,
		.crowded = least(refused, sent),
	};
	for (unsigned i = 0; i < XDP_CPUS; i++) {
		const struct xdp_counts *c = &f->p->receive->bss->counts[i];
		out->dropped += c->lost;
		out->rejected += c->rejected;
	}
}

static int xdp_close(struct frames *f)
{
	xdp_stop(f);
	return 0;
}

static const struct frames_ops frames = {
	.name = "xdp",
	.open = xdp_open,
	.send = xdp_send,
	.idle = xdp_idle,
	.waiting_since = xdp_waiting_since,
	.recv = xdp_recv,
	.fd = xdp_fd,
	.stats = xdp_stats,
	.close = xdp_close,
};

static const struct xdp_ops ops = {.prepare = prepare, .discard = discard, .frames = &frames};

MODULE_EXPORT const struct module_info *prtip_module(void)
{
	static const struct module_info info = {.abi = MODULE_ABI, .name = "xdp", .ops = &ops};
	return &info;
}
