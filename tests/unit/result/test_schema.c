#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "result/schema.h"
#include "target/ports.h"

static void test_names(void **state)
{
	(void)state;
	static const char *const protos[] = {"tcp", "udp", "sctp"};

	assert_string_equal(state_name(STATE_OPEN_FILTERED), "open|filtered");
	assert_string_equal(state_name((enum port_state)200), "unknown");
	assert_string_equal(reason_name(REASON_SYN_ACK), "syn-ack");
	assert_string_equal(reason_name((enum reason)200), "unknown-response");
	assert_int_equal(PROTO_COUNT, 3);
	assert_string_equal(record_proto_name(PROTO_TCP), protos[PROTO_TCP]);
	assert_string_equal(record_proto_name(PROTO_UDP), protos[PROTO_UDP]);
	assert_string_equal(record_proto_name(PROTO_SCTP), protos[PROTO_SCTP]);
	assert_string_equal(record_proto_name(77), "ip");
}

static void test_fields_are_distinct(void **state)
{
	(void)state;
	for (size_t i = 0; i < schema_field_count; i++) {
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(schema_fields[i].name, schema_fields[k].name);
	}
}

static const struct schema_field *field(const char *name)
{
	for (size_t i = 0; i < schema_field_count; i++) {
		if (strcmp(schema_fields[i].name, name) == 0)
			return &schema_fields[i];
	}
	fail_msg("no field %s", name);
	return NULL;
}

static void test_what_is_not_known_is_absent(void **state)
{
	(void)state;
	static const char *const optional[] = {"ttl",   "rtt_us", "window", "tcp_options",
					       "tries", "late",   "from"};
	struct record none = {.addr = addr_v4(1)};
	struct record all = {.addr = addr_v4(1),
			     .from = addr_v4(2),
			     .rtt_us = 1,
			     .reason = REASON_SYN_ACK,
			     .ttl = 1,
			     .tries = 1,
			     .late = true,
			     .options_len = 255}; // longer than there is room for: clipped
	for (size_t i = 0; i < sizeof(optional) / sizeof(optional[0]); i++) {
		struct schema_value v = {0};
		field(optional[i])->get(&none, &v);
		assert_false(v.present);
		field(optional[i])->get(&all, &v);
		assert_true(v.present);
	}
	struct schema_value v = {0};
	field("tcp_options")->get(&all, &v);
	assert_int_equal(v.hex.len, RECORD_TCP_OPTIONS_MAX);
}

static void test_time(void **state)
{
	(void)state;
	static const struct {
		int64_t ns;
		const char *text;
	} rows[] = {
		{0, "1970-01-01T00:00:00.000000Z"},
		{1795552262123456789, "2026-11-24T20:31:02.123456Z"},
		{1795552262000001000, "2026-11-24T20:31:02.000001Z"},
		{1795552263900000000, "2026-11-24T20:31:03.900000Z"},
		{INT64_MIN, "1677-09-21T00:12:43.145224Z"},
		{INT64_MAX, "2262-04-11T23:47:16.854775Z"},
		{-1000, "1969-12-31T23:59:59.999999Z"},
	};
	struct schema_time cache = {0};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char out[SCHEMA_TIME_MAX];
		assert_int_equal(schema_time_format(&cache, rows[i].ns, out), strlen(rows[i].text));
		assert_string_equal(out, rows[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_fields_are_distinct),
		cmocka_unit_test(test_what_is_not_known_is_absent),
		cmocka_unit_test(test_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
