// Whatever arrives: the first byte picks the ethertype, the rest is the packet. Everything that parses goes
// through every technique; what the views point at must lie inside the packet.
#include "fuzz.h"
#include "packet/parse.h"
#include "probe/probe.h"

static void check_inside(const uint8_t *data, size_t size, const uint8_t *p, size_t len)
{
	if (len)
		FUZZ_CHECK(p >= data && p <= data + size && len <= (size_t)(data + size - p));
}

static void check_answer(const struct probe_answer *a)
{
	FUZZ_CHECK(a->state > STATE_UNKNOWN && a->state < STATE_COUNT);
	FUZZ_CHECK(a->reason > REASON_NONE && a->reason < REASON_COUNT);
	FUZZ_CHECK(a->technique < TECHNIQUE_COUNT);
}

static void classify_all(const struct packet_view *v, const uint8_t *data, size_t size)
{
	// The key is fixed, so that answers with right numbers in the corpus stay right.
	struct probe_env env = {.sport_base = 40000, .sport_tries = 10};
	struct probe_answer a;

	for (int fixed = 0; fixed < 2; fixed++) {
		env.sport_fixed = fixed;
		for (unsigned t = 0; t < TECHNIQUE_COUNT; t++) {
			if (probe_classify(&env, 1U << t, v, &a) != PROBE_ANSWER)
				continue;
			check_answer(&a);
			check_inside(data, size, a.options, a.options_len);
		}
		(void)probe_classify(&env, UINT32_MAX, v, &a);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint16_t ethertypes[] = {ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_ARP, 0x8100};
	struct packet_view v;

	if (size < 1)
		return 0;

	uint16_t ethertype = ethertypes[data[0] % 4];

	data++;
	size--;
	if (packet_parse(data, size, ethertype, &v))
		return 0;
	check_inside(data, size, v.options, v.options_len);
	check_inside(data, size, v.payload, v.payload_len);
	classify_all(&v, data, size);
	return 0;
}
