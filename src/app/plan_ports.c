#include "app/plan_ports.h"

#include <errno.h>
#include <stdlib.h>

#define DEFAULT_TOP 1000

static void exclude(struct portset *s, const struct portset *minus)
{
	for (int p = 0; p < PROTO_COUNT; p++)
		for (int i = 0; i < 1024; i++)
			s->bits[p][i] &= ~minus->bits[p][i];
}

static int exclude_text(struct plan *p, const char *text, struct err_text *e)
{
	struct portset *minus = calloc(1, sizeof(*minus));
	if (!minus)
		return -ENOMEM;
	int err = ports_parse(text, p->services, 1u << PROTO_TCP, minus, e);
	if (!err)
		exclude(p->ports, minus);
	free(minus);
	return err;
}

static int to_list(struct plan *p, struct err_text *e)
{
	p->tcp_port_count = (uint32_t)portset_count(p->ports, PROTO_TCP);
	if (portset_count(p->ports, PROTO_UDP) || portset_count(p->ports, PROTO_SCTP))
		return err_set(e, ERR_USAGE,
			       "-p names UDP or SCTP ports, and only TCP is scanned; expected T: or plain "
			       "ports alone");
	if (p->tcp_port_count == 0)
		return err_set(e, ERR_USAGE, "no ports are left to scan after --exclude-ports");
	p->tcp_ports = calloc(p->tcp_port_count, sizeof(*p->tcp_ports));
	p->ports_text = portset_format(p->ports, PROTO_TCP);
	if (!p->tcp_ports || !p->ports_text)
		return err_set(e, -ENOMEM, "out of memory");
	portset_list(p->ports, PROTO_TCP, p->tcp_ports);
	return 0;
}

int plan_ports(struct plan *p, const struct settings *s, struct err_text *e)
{
	int err = plan_bad_file("--servicedb", servicedb_open(&p->services, s->ports.service_db, e), e);
	if (err)
		return err;
	p->ports = calloc(1, sizeof(*p->ports));
	if (!p->ports)
		return err_set(e, -ENOMEM, "out of memory");
	if (s->ports.ports)
		err = ports_parse(s->ports.ports, p->services, 1u << PROTO_TCP, p->ports, e);
	else
		servicedb_top(p->services, PROTO_TCP, s->ports.top ? s->ports.top : DEFAULT_TOP, p->ports);
	if (!err && s->ports.exclude)
		err = exclude_text(p, s->ports.exclude, e);
	return err ? err : to_list(p, e);
}
