// The header that all TCP probes share.
#include <netinet/in.h>

#include "base/endian.h"
#include "probe/common.h"

#define TCP_HEADER     20
#define TCP_WINDOW     1024
#define TCP_OPTION_MSS 2
#define TCP_MSS_LEN    4

int probe_tcp_template(const struct probe_env *env, enum addr_family family,
		       const struct probe_tcp_shape *shape, struct frame_template *t)
{
	size_t len = TCP_HEADER + (shape->mss ? TCP_MSS_LEN : 0);
	int rc = template_ip(t, family, probe_ttl(env), IPPROTO_TCP, len);

	if (rc)
		return rc;

	uint8_t *tcp = t->bytes + t->l4_off;

	tcp[12] = (uint8_t)(len / 4 << 4);
	tcp[13] = shape->flags;
	store_be16(tcp + 14, TCP_WINDOW);
	if (shape->mss) {
		tcp[20] = TCP_OPTION_MSS;
		tcp[21] = TCP_MSS_LEN;
		store_be16(tcp + 22, family == ADDR_V6 ? 1440 : 1460);
	}
	t->sport_off = t->l4_off;
	t->dport_off = (uint8_t)(t->l4_off + 2);
	t->cookie_off = (uint8_t)(t->l4_off + shape->cookie_off);
	t->l4_csum_off = (uint8_t)(t->l4_off + 16);
	template_seal(t);
	return 0;
}
