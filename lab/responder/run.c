// The running responder: its program on the interface, the pass program at the other end, and what is to be
// done meanwhile. All of it is held by descriptors, so it ends with the process.

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "responder/commands.h"
#include "responder/control.h"
#include "responder/extras.h"

#include "responder.skel.h"

// The interface that has the pass program, maybe in another network namespace.
struct far_end {
	char iface[IF_NAMESIZE];
	int netns, home, link; // -1: none
};

struct responder {
	struct responder_bpf *bpf;
	struct extras extras;
	struct far_end far;
	int link, listener, signals;
};

static int attach(struct bpf_program *program, const char *iface, struct err_text *e)
{
	const struct bpf_link_create_opts how = {.sz = sizeof(how), .flags = XDP_FLAGS_DRV_MODE};
	unsigned index = if_nametoindex(iface);
	int link;

	if (index == 0)
		return err_set(e, -ENODEV, "there is no interface %.40s", iface);
	link = bpf_link_create(bpf_program__fd(program), (int)index, BPF_XDP, &how);
	return link < 0 ? err_set(e, link, "%s: cannot attach: %s", iface, strerror(-link)) : link;
}

static int far_on(struct responder *r, struct err_text *e)
{
	struct far_end *far = &r->far;

	if (!far->iface[0])
		return err_set(e, -EINVAL, "no --pass when it began");
	if (far->link >= 0)
		return 0;
	if (far->netns >= 0 && setns(far->netns, CLONE_NEWNET) < 0)
		return err_set(e, -errno, "cannot enter the other network namespace: %s", strerror(errno));
	far->link = attach(r->bpf->progs.pass, far->iface, e);
	if (far->netns >= 0 && setns(far->home, CLONE_NEWNET) < 0)
		return err_set(e, -errno, "cannot come back: %s", strerror(errno));
	return far->link < 0 ? far->link : 0;
}

static void far_off(struct far_end *far)
{
	if (far->link >= 0)
		close(far->link);
	far->link = -1;
}

// "IFACE" or "IFACE@PATH".
static int far_open(struct far_end *far, const char *text, struct err_text *e)
{
	const char *at = strchr(text, '@');
	size_t length = at ? (size_t)(at - text) : strlen(text);

	if (length == 0 || length >= sizeof(far->iface))
		return err_set(e, ERR_SYNTAX, "--pass: \"%.80s\" names no interface", text);
	memcpy(far->iface, text, length);
	if (!at)
		return 0;
	far->netns = open(at + 1, O_RDONLY | O_CLOEXEC);
	far->home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (far->netns < 0 || far->home < 0)
		return err_set(e, -errno, "--pass: %.200s: %s", at + 1, strerror(errno));
	return 0;
}

static int load(struct responder *r, const struct options *o, struct err_text *e)
{
	const struct prefixes *p = &o->prefixes;
	int rc;

	r->bpf = responder_bpf__open();
	if (!r->bpf)
		return err_set(e, -errno, "cannot open the program: %s", strerror(errno));
	memcpy(r->bpf->rodata->prefixes4, p->v4, sizeof(p->v4));
	memcpy(r->bpf->rodata->prefixes6, p->v6, sizeof(p->v6));
	r->bpf->rodata->prefixes4_count = p->v4_count;
	r->bpf->rodata->prefixes6_count = p->v6_count;
	r->bpf->bss->settings = o->settings;
	rc = responder_bpf__load(r->bpf);
	if (rc < 0)
		return err_set(e, rc, "the kernel does not take the program: %s%s", strerror(-rc),
			       rc == -EPERM ? " (this needs root)" : "");
	return 0;
}

static int open_signals(struct err_text *e)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	return fd < 0 ? err_set(e, -errno, "no signals: %s", strerror(errno)) : fd;
}

static int start(struct responder *r, const struct options *o, struct err_text *e)
{
	const char *iface = o->words[0];
	int rc = load(r, o, e);

	if (rc == 0)
		rc = r->signals = open_signals(e);
	if (rc >= 0)
		rc = r->listener = control_listen(iface, e);
	if (rc >= 0)
		rc = r->link = attach(r->bpf->progs.respond, iface, e);
	if (rc >= 0)
		rc = extras_open(&r->extras, bpf_map__fd(r->bpf->maps.extras), (int)if_nametoindex(iface), e);
	if (rc == 0 && o->pass) {
		rc = far_open(&r->far, o->pass, e);
		if (rc == 0)
			rc = far_on(r, e);
	}
	return rc;
}

static void read_counts(const struct responder *r, struct responder_counts *sum)
{
	int cpus = libbpf_num_possible_cpus();
	const uint32_t zero = 0;
	struct responder_counts *each = calloc((size_t)(cpus > 0 ? cpus : 1), sizeof(*each));

	*sum = (struct responder_counts){0};
	if (each && bpf_map_lookup_elem(bpf_map__fd(r->bpf->maps.counts), &zero, each) == 0) {
		for (int cpu = 0; cpu < cpus; cpu++) {
			for (int i = 0; i < COUNT_KINDS; i++) {
				sum->v4[i] += each[cpu].v4[i];
				sum->v6[i] += each[cpu].v6[i];
			}
		}
	}
	free(each);
}

static int change(struct responder *r, const struct control_request *request)
{
	struct err_text e;

	if (request->pass == PASS_ON) {
		int rc = far_on(r, &e);

		if (rc < 0) {
			fprintf(stderr, "responder: %s\n", e.text);
			return rc;
		}
	}
	if (request->pass == PASS_OFF)
		far_off(&r->far);
	r->bpf->bss->settings = request->settings;
	return 0;
}

static void answer_caller(struct responder *r)
{
	struct control_reply reply = {0};
	struct control_request request;
	int connection = control_take(r->listener, &request);

	if (connection < 0)
		return;
	if (request.op == CONTROL_SET)
		reply.error = change(r, &request);
	reply.settings = r->bpf->bss->settings;
	reply.passing = r->far.link >= 0;
	reply.sent = r->extras.sent;
	reply.unsent = r->extras.unsent;
	reply.waiting = r->extras.count;
	read_counts(r, &reply.counts);
	control_reply(connection, &reply);
}

// How long extras may lie in the ring: not long while there are any, and what came in after they were
// switched off is found too.
static int64_t look_again_ns(const struct responder_settings *s)
{
	return s->duplicate_ppm || s->wrong_ppm || s->late_ppm ? 1000000 : 100000000;
}

static int serve(struct responder *r, struct err_text *e)
{
	for (;;) {
		struct pollfd fds[] = {{.fd = r->signals, .events = POLLIN},
				       {.fd = r->listener, .events = POLLIN}};
		int64_t due_ns = extras_serve(&r->extras), look_ns = look_again_ns(&r->bpf->bss->settings);
		const struct timespec wait = {.tv_nsec = due_ns < look_ns ? due_ns : look_ns};

		if (ppoll(fds, 2, &wait, NULL) < 0 && errno != EINTR)
			return err_set(e, -errno, "cannot wait: %s", strerror(errno));
		if (fds[0].revents)
			return 0;
		if (fds[1].revents)
			answer_caller(r);
	}
}

static void stop(struct responder *r)
{
	const int fds[] = {r->link, r->listener, r->signals, r->far.netns, r->far.home};

	far_off(&r->far);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	extras_close(&r->extras);
	responder_bpf__destroy(r->bpf);
}

int command_run(const struct options *o)
{
	struct responder r = {.extras = {.socket = -1},
			      .far = {.netns = -1, .home = -1, .link = -1},
			      .link = -1,
			      .listener = -1,
			      .signals = -1};
	struct err_text e;
	int rc;

	libbpf_set_print(NULL);
	rc = start(&r, o, &e);
	if (rc == 0) {
		puts("ready");
		fflush(stdout);
		rc = serve(&r, &e);
	}
	stop(&r);
	return rc < 0 ? command_fault(&e, rc) : 0;
}
