#include <errno.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "base/endian.h"
#include "net/port_range.h"
#include "transport/streams_private.h"

#define PORT_TRIES 3
#define PORT_STEP  7919 // a prime: neighbours in time are no neighbours in number

socklen_t stream_sockaddr(const struct addr *a, uint16_t port, union stream_sockaddr *out)
{
	if (addr_is_v4(a)) {
		out->v4 = (struct sockaddr_in){
			.sin_family = AF_INET,
			.sin_port = be16_of(port).raw,
			.sin_addr.s_addr = be32_of(addr_v4_value(a)).raw,
		};
		return sizeof(out->v4);
	}
	out->v6 = (struct sockaddr_in6){
		.sin6_family = AF_INET6,
		.sin6_port = be16_of(port).raw,
		.sin6_scope_id = a->scope,
	};
	store_be64(out->v6.sin6_addr.s6_addr, a->hi);
	store_be64(out->v6.sin6_addr.s6_addr + 8, a->lo);
	return sizeof(out->v6);
}

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) ? -errno : 0;
}

// SO_BINDTODEVICE is refused to some (kernels before 5.7); choosing the outgoing interface is open to all.
static int bind_interface(const struct stream_maker *m, int fd, bool v4)
{
	int rc = setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, m->interface,
			    (socklen_t)strlen(m->interface) + 1);
	if (rc == 0)
		return 0;
	if (errno != EPERM)
		return -errno;
	int index = (int)be32_of(m->ifindex).raw;
	return v4 ? set_int(fd, IPPROTO_IP, IP_UNICAST_IF, index)
		  : set_int(fd, IPPROTO_IPV6, IPV6_UNICAST_IF, index);
}

static int bind_source(const struct stream_maker *m, int fd, enum addr_family family)
{
	struct addr source = m->source[family];
	bool v4 = family == ADDR_V4;
	int rc = set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	// The kernel shall choose the port in connect, where it need only be free towards that destination.
	if (rc == 0 && m->source_port == 0)
		rc = set_int(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	if (rc)
		return rc;
	if (v4 && addr_is_none(&source))
		source = addr_v4(0);
	union stream_sockaddr sa;
	socklen_t len = stream_sockaddr(&source, m->source_port, &sa);
	return bind(fd, &sa.sa, len) ? -errno : 0;
}

static int set_up(const struct stream_maker *m, int fd, enum addr_family family)
{
	bool v4 = family == ADDR_V4;
	int rc = 0;
	if (m->ttl)
		rc = v4 ? set_int(fd, IPPROTO_IP, IP_TTL, m->ttl)
			: set_int(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, m->ttl);
	if (rc == 0 && m->interface[0])
		rc = bind_interface(m, fd, v4);
	if (rc == 0 && (m->source_port || !addr_is_none(&m->source[family])))
		rc = bind_source(m, fd, family);
	return rc;
}

int stream_socket(const struct stream_maker *m, enum addr_family family)
{
	int domain = family == ADDR_V4 ? AF_INET : AF_INET6;
	int fd = socket(domain, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
	if (fd < 0)
		return -errno;
	int rc = set_up(m, fd, family);
	if (rc) {
		close(fd);
		return rc;
	}
	return fd;
}

bool stream_keep_port(const struct stream_maker *m, int fd, enum addr_family family, uint32_t *next)
{
	const struct addr any = family == ADDR_V4 ? addr_v4(0) : (struct addr){0};
	uint32_t range = (uint32_t)m->port_hi - m->port_lo + 1;
	for (int tries = 0; tries < PORT_TRIES; tries++) {
		union stream_sockaddr sa;
		uint16_t port = (uint16_t)(m->port_lo + *next % range);
		*next += PORT_STEP;
		socklen_t len = stream_sockaddr(&any, port, &sa);
		if (bind(fd, &sa.sa, len) == 0)
			return true;
	}
	return false;
}

static int try_source(const struct stream_maker *m, enum addr_family family, struct err_text *e)
{
	int fd = stream_socket(m, family);
	if (fd >= 0) {
		close(fd);
		return 0;
	}
	char text[ADDR_TEXT_MAX];
	addr_format(&m->source[family], text);
	if (addr_is_none(&m->source[family]))
		return err_set(e, fd, "cannot connect from port %u: %s", m->source_port, err_name(fd));
	return err_set(e, fd, "cannot connect from %s port %u: %s", text, m->source_port, err_name(fd));
}

int stream_maker_init(struct stream_maker *m, const struct streams_config *cfg, struct err_text *e)
{
	*m = (struct stream_maker){
		.source = {cfg->source_v4, cfg->source_v6},
		.source_port = cfg->source_port,
		.ttl = cfg->ttl,
	};
	net_port_range(&m->port_lo, &m->port_hi);
	bool v4 = !addr_is_none(&cfg->source_v4), v6 = !addr_is_none(&cfg->source_v6);
	m->fixed = v4 || v6 || cfg->source_port;
	if (cfg->interface) {
		size_t len = strlen(cfg->interface);
		if (len >= sizeof(m->interface))
			return err_set(e, -ENODEV, "interface name too long: %s", cfg->interface);
		memcpy(m->interface, cfg->interface, len + 1);
		m->ifindex = if_nametoindex(m->interface);
		if (!m->ifindex)
			return err_set(e, -ENODEV, "no such interface: %s", m->interface);
	}
	int rc = v4 || cfg->source_port ? try_source(m, ADDR_V4, e) : 0;
	if (rc == 0 && v6)
		rc = try_source(m, ADDR_V6, e);
	return rc;
}

int stream_connect(int fd, const union stream_sockaddr *to, socklen_t len)
{
	return connect(fd, &to->sa, len) ? errno : 0;
}

int stream_take_error(int fd)
{
	int err = 0;
	socklen_t len = sizeof(err);
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) ? errno : err;
}

bool stream_met_itself(int fd, const struct stream_job *job)
{
	union stream_sockaddr own = {0}, peer;
	socklen_t len = sizeof(own), peer_len = stream_sockaddr(&job->dst, job->port, &peer);
	if (getsockname(fd, &own.sa, &len) || len != peer_len)
		return false;
	if (peer.sa.sa_family == AF_INET)
		return own.v4.sin_port == peer.v4.sin_port &&
		       own.v4.sin_addr.s_addr == peer.v4.sin_addr.s_addr;
	return own.v6.sin6_port == peer.v6.sin6_port &&
	       memcmp(&own.v6.sin6_addr, &peer.v6.sin6_addr, sizeof(own.v6.sin6_addr)) == 0;
}

void stream_reset(int fd)
{
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	// The kernel notes ECONNRESET on a socket that was connecting; the error must not meet the next port.
	if (connect(fd, &none, sizeof(none)) == 0)
		stream_take_error(fd);
}

bool stream_no_source(const struct stream_maker *m, const struct addr *dst)
{
	bool v4 = addr_is_v4(dst);
	int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	union stream_sockaddr sa;
	socklen_t len = stream_sockaddr(dst, 9, &sa);
	int rc = m->interface[0] ? bind_interface(m, fd, v4) : 0;
	bool none = rc == 0 && stream_connect(fd, &sa, len) == EADDRNOTAVAIL;
	close(fd);
	return none;
}

enum stream_outcome stream_outcome_of(int err)
{
	switch (err) {
	case 0:
	case EISCONN:
	case ECONNRESET: // only a connection that was made can be reset: accepted and closed at once
	case EPIPE:
		return STREAM_CONNECTED;
	case ECONNREFUSED:
		return STREAM_REFUSED;
	case ETIMEDOUT:
		return STREAM_TIMEOUT;
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EACCES:
	case EPERM:
	case ENOPROTOOPT:
	case EPROTO:
	case EHOSTDOWN:
	case ENONET:
	case ENETDOWN:
	case EOPNOTSUPP:
	case EMSGSIZE:
		return STREAM_UNREACHABLE;
	default:
		return STREAM_ERROR;
	}
}

bool stream_is_shortage(int err)
{
	switch (err) {
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
	case EADDRNOTAVAIL:
	case EADDRINUSE:
	case EAGAIN:
		return true;
	default:
		return false;
	}
}
