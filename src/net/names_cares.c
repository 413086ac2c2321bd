// The module libprtip-names.so: lookups through c-ares, driven by the caller's poll loop.
#include <ares.h>
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/module.h"
#include "net/names.h"

#define TRIES       2
#define TIMEOUT_NS  (2 * NS_PER_S)
#define MAX_ACTIVE  256
#define NAME_BYTES  256
#define SERVERS_MAX 16

struct lookup {
	struct lookup *next, *prev;
	struct names *owner; // NULL once it was given up: the answer is not wanted any more
	uint64_t token;
	int64_t deadline_ns;
	unsigned families; // 0: reverse
	struct addr addr;
	char name[NAME_BYTES];
};

// Lookups in order of arrival; since all have the same time, also in order of their deadlines.
struct lookup_list {
	struct lookup *first, *last;
	unsigned count;
};

struct names {
	ares_channel channel;
	names_done *done;
	void *ctx;
	int64_t timeout_ns;
	unsigned max_active;
	bool starting; // start_queued is at work further up the stack
	struct lookup_list queued, active;
	struct pollfd fds[NAMES_FDS_MAX];
	unsigned fd_count;
	struct addr addrs[NAMES_ADDRS_MAX];
	char text[NAMES_PTRS_MAX][NAMES_TEXT_MAX];
	const char *ptrs[NAMES_PTRS_MAX];
};

// ---- lists

static void append(struct lookup_list *list, struct lookup *l)
{
	l->next = NULL;
	l->prev = list->last;
	if (list->last)
		list->last->next = l;
	else
		list->first = l;
	list->last = l;
	list->count++;
}

static void unlink_from(struct lookup_list *list, struct lookup *l)
{
	if (l->prev)
		l->prev->next = l->next;
	else
		list->first = l->next;
	if (l->next)
		l->next->prev = l->prev;
	else
		list->last = l->prev;
	list->count--;
}

static struct lookup *take_first(struct lookup_list *list)
{
	struct lookup *l = list->first;
	if (!l)
		return NULL;
	list->first = l->next;
	if (l->next)
		l->next->prev = NULL;
	else
		list->last = NULL;
	list->count--;
	return l;
}

// ---- answers

static enum names_status status_of(int ares_status)
{
	switch (ares_status) {
	case ARES_SUCCESS:
		return NAMES_OK;
	case ARES_ENODATA:
	case ARES_ENOTFOUND:
		return NAMES_NOT_FOUND;
	case ARES_ETIMEOUT:
		return NAMES_TIMEOUT;
	case ARES_EBADRESP:
	case ARES_EBADNAME:
	case ARES_EBADSTR:
	case ARES_EFORMERR:
		return NAMES_MALFORMED;
	case ARES_ECANCELLED:
	case ARES_EDESTRUCTION:
		return NAMES_CANCELLED;
	default:
		return NAMES_SERVER;
	}
}

static void start_queued(struct names *n);

// Ends an active lookup: tells the caller and makes room for the next.
static void end(struct lookup *l, struct names_result *r)
{
	struct names *n = l->owner;
	assert(n); // an active lookup has one
	unlink_from(&n->active, l);
	l->owner = NULL;
	r->token = l->token;
	if (r->status == NAMES_OK && r->addr_count + r->ptr_count == 0)
		*r = (struct names_result){
			.token = l->token, .status = NAMES_NOT_FOUND, .reason = "no usable record"};
	n->done(n->ctx, r);
	start_queued(n);
}

static void end_failed(struct lookup *l, int ares_status)
{
	struct names_result r = {.status = status_of(ares_status), .reason = ares_strerror(ares_status)};
	end(l, &r);
}

static bool addr_of(const struct sockaddr *sa, struct addr *out)
{
	if (sa->sa_family == AF_INET) {
		struct sockaddr_in v4;
		memcpy(&v4, sa, sizeof(v4));
		*out = addr_v4(ntohl(v4.sin_addr.s_addr));
		return true;
	}
	if (sa->sa_family != AF_INET6)
		return false;
	struct sockaddr_in6 v6;
	memcpy(&v6, sa, sizeof(v6));
	*out = addr_v6(v6.sin6_addr.s6_addr);
	if (IN6_IS_ADDR_LINKLOCAL(&v6.sin6_addr))
		out->scope = v6.sin6_scope_id;
	return true;
}

static bool is_known(const struct names *n, unsigned count, const struct addr *a)
{
	for (unsigned i = 0; i < count; i++)
		if (addr_equal(&n->addrs[i], a))
			return true;
	return false;
}

static void on_addresses(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
	struct lookup *l = arg;
	(void)timeouts;
	if (l->owner && status != ARES_SUCCESS) {
		end_failed(l, status);
	} else if (l->owner) {
		struct names *n = l->owner;
		unsigned count = 0;
		for (const struct ares_addrinfo_node *node = info->nodes; node && count < NAMES_ADDRS_MAX;
		     node = node->ai_next) {
			struct addr a;
			if (addr_of(node->ai_addr, &a) && !is_known(n, count, &a))
				n->addrs[count++] = a;
		}
		struct names_result r = {.status = NAMES_OK, .addrs = n->addrs, .addr_count = count};
		end(l, &r);
	}
	if (info)
		ares_freeaddrinfo(info);
	free(l);
}

static void add_name(struct names *n, unsigned *count, const char *name)
{
	if (*count == NAMES_PTRS_MAX || !name || !name[0])
		return;
	char *to = n->text[*count];
	names_escape(to, NAMES_TEXT_MAX, name);
	for (unsigned i = 0; i < *count; i++)
		if (strcmp(n->text[i], to) == 0)
			return;
	n->ptrs[(*count)++] = to;
}

static void on_names(void *arg, int status, int timeouts, struct hostent *host)
{
	struct lookup *l = arg;
	(void)timeouts;
	if (l->owner && status != ARES_SUCCESS) {
		end_failed(l, status);
	} else if (l->owner) {
		struct names *n = l->owner;
		unsigned count = 0;
		add_name(n, &count, host->h_name);
		for (char **alias = host->h_aliases; alias && *alias; alias++)
			add_name(n, &count, *alias);
		struct names_result r = {.status = NAMES_OK, .ptrs = n->ptrs, .ptr_count = count};
		end(l, &r);
	}
	free(l);
}

// ---- lookups

static void start(struct names *n, struct lookup *l)
{
	l->deadline_ns = clock_mono_ns() + n->timeout_ns + n->timeout_ns / 8;
	append(&n->active, l);
	if (l->families) {
		struct ares_addrinfo_hints hints = {.ai_flags = ARES_AI_NOSORT, .ai_socktype = SOCK_STREAM};
		hints.ai_family = l->families == NAMES_V4   ? AF_INET
				  : l->families == NAMES_V6 ? AF_INET6
							    : AF_UNSPEC;
		ares_getaddrinfo(n->channel, l->name, NULL, &hints, on_addresses, l);
		return;
	}
	uint8_t bytes[16];
	size_t len = addr_bytes(&l->addr, bytes);
	ares_gethostbyaddr(n->channel, bytes, (int)len, len == 4 ? AF_INET : AF_INET6, on_names, l);
}

// Not recursive: an answer that is there at once (a numeric address, the hosts file) ends in here.
static void start_queued(struct names *n)
{
	if (n->starting)
		return;
	n->starting = true;
	while (n->queued.first && n->active.count < n->max_active)
		start(n, take_first(&n->queued));
	n->starting = false;
}

static struct lookup *enqueue(struct names *n, uint64_t token)
{
	struct lookup *l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	l->owner = n;
	l->token = token;
	append(&n->queued, l);
	return l;
}

static int names_forward(struct names *n, uint64_t token, const char *name, unsigned families)
{
	families &= NAMES_V4 | NAMES_V6;
	if (!names_is_valid(name) || !families)
		return ERR_SYNTAX;
	struct lookup *l = enqueue(n, token);
	if (!l)
		return -ENOMEM;
	memcpy(l->name, name, strlen(name) + 1); // a valid name is shorter
	l->families = families;
	start_queued(n);
	return 0;
}

static int names_reverse(struct names *n, uint64_t token, const struct addr *a)
{
	struct lookup *l = enqueue(n, token);
	if (!l)
		return -ENOMEM;
	l->addr = *a;
	start_queued(n);
	return 0;
}

static unsigned names_pending(const struct names *n)
{
	return n->queued.count + n->active.count;
}

// ---- the caller's loop

static void on_socket(void *data, ares_socket_t fd, int readable, int writable)
{
	struct names *n = data;
	unsigned i = 0;
	while (i < n->fd_count && n->fds[i].fd != fd)
		i++;
	short events = (short)((readable ? POLLIN : 0) | (writable ? POLLOUT : 0));
	if (events == 0) {
		if (i < n->fd_count)
			n->fds[i] = n->fds[--n->fd_count];
		return;
	}
	if (i == NAMES_FDS_MAX)
		return; // its lookups end by time
	n->fds[i] = (struct pollfd){.fd = fd, .events = events};
	if (i == n->fd_count)
		n->fd_count++;
}

static unsigned names_fds(struct names *n, struct pollfd *fds, unsigned max, int64_t *timeout_ns)
{
	unsigned count = n->fd_count < max ? n->fd_count : max;
	struct timeval tv;
	memcpy(fds, n->fds, count * sizeof(*fds));
	*timeout_ns = -1;
	if (!n->active.first)
		return count;
	int64_t left = n->active.first->deadline_ns - clock_mono_ns();
	if (ares_timeout(n->channel, NULL, &tv)) {
		int64_t ns = tv.tv_sec * NS_PER_S + tv.tv_usec * NS_PER_US;
		left = ns < left ? ns : left;
	}
	*timeout_ns = left > 0 ? left : 0;
	return count;
}

static void names_process(struct names *n, const struct pollfd *fds, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		bool in = fds[i].revents & (POLLIN | POLLERR | POLLHUP);
		bool out = fds[i].revents & (POLLOUT | POLLERR);
		if (in || out)
			ares_process_fd(n->channel, in ? fds[i].fd : ARES_SOCKET_BAD,
					out ? fds[i].fd : ARES_SOCKET_BAD);
	}
	ares_process_fd(n->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	// c-ares cannot give up one lookup, and counts its time per server: ours is for the whole lookup.
	int64_t now = clock_mono_ns();
	while (n->active.first && n->active.first->deadline_ns <= now)
		end_failed(n->active.first, ARES_ETIMEOUT);
}

static void names_cancel(struct names *n)
{
	for (struct lookup *l; (l = take_first(&n->queued));) {
		struct names_result r = {.token = l->token, .status = NAMES_CANCELLED, .reason = "cancelled"};
		free(l);
		n->done(n->ctx, &r);
	}
	ares_cancel(n->channel);
}

// ---- set-up

static int set_servers(struct names *n, const char *text, struct err_text *e)
{
	struct ares_addr_port_node nodes[SERVERS_MAX];
	unsigned count = 0;
	while (*text) {
		struct addr a;
		uint16_t port;
		int rc = names_parse_server(text, &text, &a, &port, e);
		if (rc)
			return rc;
		if (count == SERVERS_MAX)
			return err_set(e, ERR_LIMIT, "more than %d DNS servers", SERVERS_MAX);
		struct ares_addr_port_node *node = &nodes[count];
		*node = (struct ares_addr_port_node){
			.family = addr_is_v4(&a) ? AF_INET : AF_INET6, .udp_port = port, .tcp_port = port};
		addr_bytes(&a, (uint8_t *)&node->addr);
		if (count++)
			nodes[count - 2].next = node;
	}
	if (count == 0)
		return err_set(e, ERR_SYNTAX, "the list of DNS servers is empty");
	int status = ares_set_servers_ports(n->channel, nodes);
	return status == ARES_SUCCESS ? 0 : err_set(e, ERR_MODULE, "c-ares: %s", ares_strerror(status));
}

static int open_channel(struct names *n, struct err_text *e)
{
	// The second try waits twice as long as the first.
	struct ares_options options = {
		.timeout = (int)(n->timeout_ns / NS_PER_MS / 3),
		.tries = TRIES,
		.sock_state_cb = on_socket,
		.sock_state_cb_data = n,
	};
	int status = ares_library_init(ARES_LIB_INIT_ALL);
	if (status == ARES_SUCCESS)
		status = ares_init_options(&n->channel, &options,
					   ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
	return status == ARES_SUCCESS ? 0 : err_set(e, ERR_MODULE, "c-ares: %s", ares_strerror(status));
}

static void on_nothing(void *ctx, const struct names_result *r)
{
	(void)ctx;
	(void)r;
}

static void names_close(struct names *n)
{
	n->done = on_nothing;
	names_cancel(n);
	ares_destroy(n->channel);
	ares_library_cleanup();
	free(n);
}

static int names_open(struct names **out, const struct names_config *cfg, names_done *done, void *ctx,
		      struct err_text *e)
{
	struct names *n = calloc(1, sizeof(*n));
	if (!n)
		return err_set(e, -ENOMEM, "out of memory");
	n->done = done;
	n->ctx = ctx;
	n->timeout_ns = cfg->timeout_ns > 0 ? cfg->timeout_ns : TIMEOUT_NS;
	n->max_active = cfg->max_active ? cfg->max_active : MAX_ACTIVE;
	int rc = open_channel(n, e);
	if (rc) {
		ares_library_cleanup();
		free(n);
		return rc;
	}
	if (cfg->servers) {
		rc = set_servers(n, cfg->servers, e);
		if (rc) {
			names_close(n);
			return rc;
		}
	}
	*out = n;
	return 0;
}

static const struct names_ops ops = {
	.open = names_open,
	.forward = names_forward,
	.reverse = names_reverse,
	.pending = names_pending,
	.fds = names_fds,
	.process = names_process,
	.cancel = names_cancel,
	.close = names_close,
};

const struct module_info *prtip_module(void)
{
	static const struct module_info info = {.abi = MODULE_ABI, .name = "names", .ops = &ops};
	return &info;
}
