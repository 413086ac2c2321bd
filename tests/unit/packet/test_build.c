#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/endian.h"
#include "packet/parse.h"
#include "packet/template.h"
#include "unit/packet/craft.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct frame_hop hop_v4 = {
	.dst_mac = {2, 0, 0, 0, 0, 1},
	.src_mac = {2, 0, 0, 0xfe, 0xff, 2},
	.source = {.lo = 0x0000ffffc6120001ULL},
};
static const struct frame_hop hop_v6 = {
	.dst_mac = {2, 0, 0, 0, 0, 1},
	.src_mac = {2, 0, 0, 0xfe, 0xff, 2},
	.source = {.hi = 0x20010db800000000ULL, .lo = 0x1},
};

enum shape { SHAPE_TCP, SHAPE_UDP_LIKE, SHAPE_ICMP, SHAPE_TARGET };

// Templates of every kind of layer 4 that exists, and odd ones: an odd length, no cookie, no ports.
static void make(struct frame_template *t, enum addr_family family, enum shape shape, size_t l4_len)
{
	static const uint8_t protocols[2][4] = {{6, 17, 1, 1}, {6, 17, 58, 58}};
	static const uint8_t csum_at[] = {16, 6, 2, 2};

	assert_int_equal(template_ip(t, family, 64, protocols[family][shape], l4_len), 0);

	uint8_t l4 = t->l4_off;

	t->l4_csum_off = (uint8_t)(l4 + csum_at[shape]);
	switch (shape) {
	case SHAPE_TCP:
	case SHAPE_UDP_LIKE:
		t->sport_off = l4;
		t->dport_off = (uint8_t)(l4 + 2);
		t->cookie_off = (uint8_t)(shape == SHAPE_TCP ? l4 + 4 : l4 + 8);
		break;
	case SHAPE_ICMP:
		t->sport_off = (uint8_t)(l4 + 4);
		t->dport_off = (uint8_t)(l4 + 6);
		t->cookie_off = (uint8_t)(l4 + 8);
		break;
	case SHAPE_TARGET:
		t->link = TEMPLATE_SOLICITED;
		t->target_off = (uint8_t)(l4 + 8);
		t->mac_off = (uint8_t)(l4 + 26);
		break;
	}
	t->bytes[l4 + l4_len - 1] = 0xab; // the last byte counts; no patched field reaches it
	template_seal(t);
}

static const struct {
	enum addr_family family;
	enum shape shape;
	size_t l4_len;
} shapes[] = {
	{ADDR_V4, SHAPE_TCP, 20},      {ADDR_V4, SHAPE_TCP, 24},  {ADDR_V4, SHAPE_TCP, 60},
	{ADDR_V4, SHAPE_UDP_LIKE, 13}, {ADDR_V4, SHAPE_ICMP, 14}, {ADDR_V4, SHAPE_ICMP, 21},
	{ADDR_V4, SHAPE_TCP, 108},     {ADDR_V6, SHAPE_TCP, 20},  {ADDR_V6, SHAPE_TCP, 24},
	{ADDR_V6, SHAPE_UDP_LIKE, 13}, {ADDR_V6, SHAPE_ICMP, 14}, {ADDR_V6, SHAPE_TARGET, 34},
	{ADDR_V6, SHAPE_UDP_LIKE, 27}, {ADDR_V6, SHAPE_TCP, 88},
};

static uint64_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return *state ^ *state >> 29;
}

static struct frame_desc random_desc(enum addr_family family, uint64_t *state)
{
	struct frame_desc d = {
		.cookie = (uint32_t)next_random(state),
		.sport = (uint16_t)next_random(state),
		.dport = (uint16_t)next_random(state),
		.dst_lo = next_random(state),
		.dst_hi = next_random(state),
	};

	if (family == ADDR_V4) {
		d.dst_hi = 0;
		d.dst_lo = 0x0000ffff00000000ULL | (uint32_t)d.dst_lo;
	}
	return d;
}

static void test_checksums(void **state)
{
	uint64_t seed = 7;

	(void)state;
	for (size_t i = 0; i < COUNT(shapes); i++) {
		const struct frame_hop *hop = shapes[i].family == ADDR_V4 ? &hop_v4 : &hop_v6;
		struct frame_template t;

		make(&t, shapes[i].family, shapes[i].shape, shapes[i].l4_len);
		for (int n = 0; n < 2000; n++) {
			struct frame_desc d = random_desc(shapes[i].family, &seed);
			uint8_t out[FRAME_MAX];

			assert_int_equal(frame_build(&t, hop, &d, false, out), t.len);
			if (shapes[i].family == ADDR_V4)
				assert_int_equal(craft_sum(0, out, 20), 0xffff);
			assert_int_equal(craft_l4_sum(out, t.len), 0xffff);
		}
	}
}

// The extremes of carrying: all fields zero, all ones.
static void test_checksum_extremes(void **state)
{
	static const struct frame_desc descs[] = {
		{.dst_lo = 0x0000ffff00000000ULL},
		{.dst_lo = 0x0000ffffffffffffULL, .cookie = 0xffffffff, .sport = 0xffff, .dport = 0xffff},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(descs); i++) {
		struct frame_template t;
		uint8_t out[FRAME_MAX];

		make(&t, ADDR_V4, SHAPE_TCP, 24);
		frame_build(&t, &hop_v4, &descs[i], false, out);
		assert_int_equal(craft_sum(0, out, 20), 0xffff);
		assert_int_equal(craft_l4_sum(out, t.len), 0xffff);
	}
}

static void test_every_byte_written(void **state)
{
	uint64_t seed = 11;

	(void)state;
	for (size_t i = 0; i < COUNT(shapes) * 2; i++) {
		enum addr_family family = shapes[i / 2].family;
		const struct frame_hop *hop = family == ADDR_V4 ? &hop_v4 : &hop_v6;
		struct frame_desc d = random_desc(family, &seed);
		struct frame_template t;
		uint8_t a[FRAME_MAX], b[FRAME_MAX];
		bool link = i & 1;

		make(&t, family, shapes[i / 2].shape, shapes[i / 2].l4_len);
		memset(a, 0xaa, sizeof(a));
		memset(b, 0x55, sizeof(b));

		size_t len = frame_build(&t, hop, &d, link, a);

		assert_int_equal(len, t.len + (link ? 14U : 0));
		assert_int_equal(frame_build(&t, hop, &d, link, b), len);
		assert_memory_equal(a, b, len);
	}
}

static void test_fields(void **state)
{
	struct frame_desc d = {
		.dst_lo = 0x0000ffffc6130203ULL, .cookie = 0x01020304, .sport = 0x1122, .dport = 80};
	struct frame_template t;
	uint8_t out[FRAME_MAX];
	static const uint8_t link[] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0xfe, 0xff, 2, 8, 0};
	static const uint8_t addresses[] = {198, 18, 0, 1, 198, 19, 2, 3, 0x11, 0x22, 0, 80, 1, 2, 3, 4};

	(void)state;
	make(&t, ADDR_V4, SHAPE_TCP, 20);
	assert_int_equal(frame_build(&t, &hop_v4, &d, true, out), 54);
	assert_memory_equal(out, link, sizeof(link));
	assert_memory_equal(out + 14 + 12, addresses, sizeof(addresses));
	assert_int_equal(out[14], 0x45);
	assert_int_equal(load_be16(out + 16), 40);
	assert_int_equal(load_be16(out + 20), 0); // no DF, no fragment
	assert_int_equal(out[22], 64);
}

static void test_solicited(void **state)
{
	struct frame_desc d = {.dst_hi = 0x20010db800000000ULL, .dst_lo = 0x00000000ab123456ULL};
	struct frame_template t;
	uint8_t out[FRAME_MAX];
	static const uint8_t link[] = {0x33, 0x33, 0xff, 0x12, 0x34, 0x56, 2,
				       0,    0,    0xfe, 0xff, 2,    0x86, 0xdd};
	static const uint8_t group[] = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0x12, 0x34, 0x56};
	static const uint8_t target[] = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xab, 0x12, 0x34, 0x56};

	(void)state;
	make(&t, ADDR_V6, SHAPE_TARGET, 34);
	assert_int_equal(frame_build(&t, &hop_v6, &d, true, out), 14 + 74);
	assert_memory_equal(out, link, sizeof(link));
	assert_memory_equal(out + 14 + 24, group, sizeof(group));
	assert_memory_equal(out + 14 + 48, target, sizeof(target));
	assert_memory_equal(out + 14 + 66, hop_v6.src_mac, 6);
}

// The kernel fills an identification of 0 in on raw sockets, and the checksum would no longer be ours.
static void test_ip_id(void **state)
{
	struct frame_template t;
	unsigned same = 0;
	uint16_t last = 0;

	(void)state;
	make(&t, ADDR_V4, SHAPE_TCP, 24);
	for (uint32_t i = 0; i < 200000; i++) {
		struct frame_desc d = {.dst_lo = 0x0000ffffc6130203ULL, .cookie = i * 40503U};
		uint8_t out[FRAME_MAX];

		frame_build(&t, &hop_v4, &d, false, out);

		uint16_t id = load_be16(out + 4);

		assert_int_not_equal(id, 0);
		same += id == last;
		last = id;
	}
	assert_true(same < 100);
}

static void test_template_limits(void **state)
{
	struct frame_template t;

	(void)state;
	assert_int_equal(template_ip(&t, ADDR_V4, 64, 6, TEMPLATE_MAX - 20), 0);
	assert_int_equal(t.len, TEMPLATE_MAX);
	assert_int_equal(template_ip(&t, ADDR_V4, 64, 6, TEMPLATE_MAX - 19), ERR_LIMIT);
	assert_int_equal(template_ip(&t, ADDR_V6, 64, 6, TEMPLATE_MAX - 40), 0);
	assert_int_equal(template_ip(&t, ADDR_V6, 64, 6, TEMPLATE_MAX - 39), ERR_LIMIT);
	assert_int_equal(template_ip(&t, ADDR_V6, 64, 6, SIZE_MAX), ERR_LIMIT);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_checksums),          cmocka_unit_test(test_checksum_extremes),
		cmocka_unit_test(test_every_byte_written), cmocka_unit_test(test_fields),
		cmocka_unit_test(test_solicited),          cmocka_unit_test(test_ip_id),
		cmocka_unit_test(test_template_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
