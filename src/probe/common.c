#include "probe/common.h"

uint32_t probe_cookie(const struct probe_env *env, uint8_t technique, const struct addr *dst, uint16_t sport,
		      uint16_t dport)
{
	uint64_t words[3] = {(uint64_t)technique << 32 | (uint32_t)sport << 16 | dport, dst->lo, dst->hi};

	// The mapped form's upper half says nothing: one block less to hash for IPv4, and another length.
	if (addr_is_v4(dst))
		return (uint32_t)hash_keyed(&env->cookie_key, words, sizeof(words[0]) * 2);
	return (uint32_t)hash_keyed(&env->cookie_key, words, sizeof(words));
}

uint16_t probe_sport(const struct probe_env *env, unsigned try_no)
{
	unsigned t = try_no ? try_no - 1 : 0;

	if (env->sport_fixed || !env->sport_tries)
		return env->sport_base;
	if (t >= env->sport_tries)
		t = env->sport_tries - 1U;
	return (uint16_t)(env->sport_base + t);
}

bool probe_try(const struct probe_env *env, uint16_t sport, uint8_t *try_no)
{
	unsigned t = (uint16_t)(sport - env->sport_base);

	if (env->sport_fixed) {
		*try_no = 0;
		return t == 0;
	}
	if (t >= env->sport_tries)
		return false;
	*try_no = (uint8_t)(t + 1);
	return true;
}
