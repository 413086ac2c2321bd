#include "unit/probe/common.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct addr us[2] = {{.lo = 0x0000ffffc6120001ULL}, {.hi = 0x20010db800000000ULL, .lo = 1}};
static const struct addr them[2] = {{.lo = 0x0000ffffc6130203ULL},
				    {.hi = 0x20010db800000000ULL, .lo = 0xabcdef}};
static const struct addr router[2] = {{.lo = 0x0000ffffc6120064ULL},
				      {.hi = 0x20010db800000000ULL, .lo = 0x64}};

const struct addr *probe_test_us(enum addr_family family)
{
	return &us[family];
}

const struct addr *probe_test_them(enum addr_family family)
{
	return &them[family];
}

const struct addr *probe_test_router(enum addr_family family)
{
	return &router[family];
}

void probe_test_env(struct probe_env *env)
{
	*env = (struct probe_env){.sport_base = 40000, .sport_tries = 10};
	for (size_t i = 0; i < sizeof(env->cookie_key.bytes); i++)
		env->cookie_key.bytes[i] = (uint8_t)(i * 17);
}

struct frame_hop probe_test_hop(enum addr_family family)
{
	struct frame_hop hop = {
		.has_link = true,
		.dst_mac = {2, 0, 0, 0, 0, 1},
		.src_mac = {2, 0, 0, 0xfe, 0xff, 2},
		.source = us[family],
	};

	return hop;
}

void probe_test_send(const struct probe_env *env, enum technique t, enum addr_family family, unsigned try_no,
		     struct sent *out)
{
	const struct probe_ops *ops = probe_get(t);
	struct frame_hop hop = probe_test_hop(family);

	memset(out, 0, sizeof(*out));
	assert_int_equal(ops->make_template(env, family, &out->tmpl), 0);
	out->desc.dst_hi = them[family].hi;
	out->desc.dst_lo = them[family].lo;
	ops->aim(env, &them[family], 443, try_no, &out->desc);
	out->len = frame_build(&out->tmpl, &hop, &out->desc, false, out->bytes);
}
