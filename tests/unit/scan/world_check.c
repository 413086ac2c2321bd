#include "unit/scan/world_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

void world_check_sums(const struct world_result *r)
{
	const struct scan_counters *c = &r->sum.c;
	assert_int_equal(c->positions, c->answered + c->silent + c->unsent);
	assert_int_equal(c->frames, c->first_tries + c->resends);
	assert_int_equal(c->answers, c->records + c->duplicates + c->late + c->rejected);
}
