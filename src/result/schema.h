// The field table of a record: name, type and how to get the value, in output order. Formats with a line a
// record (JSON Lines, later CSV) are written from it. docs/output.md describes each field.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/addr.h"
#include "result/record.h"

#define SCHEMA_VERSION 1

enum schema_type {
	SCHEMA_UINT,
	SCHEMA_BOOL,
	SCHEMA_WORD, // one of our own constant words: printable ASCII, needs no escaping
	SCHEMA_ADDR, // address text
	SCHEMA_TIME, // wall clock, nanoseconds
	SCHEMA_HEX,  // bytes, written in hexadecimal
};

struct schema_value {
	bool present; // false: not known, or the usual case that need not be said
	union {
		uint64_t u;
		bool b;
		const char *word;
		struct addr addr;
		int64_t ns;
		struct {
			const uint8_t *data;
			size_t len;
		} hex;
	};
};

struct schema_field {
	const char *name;
	enum schema_type type;
	void (*get)(const struct record *r, struct schema_value *out);
};

extern const struct schema_field schema_fields[];
extern const size_t schema_field_count;

// RFC 3339 in UTC with microseconds, "2026-11-24T20:00:00.123456Z"; returns the length. `cache` (zeroed at
// first) saves the calendar work for times of the same second.
#define SCHEMA_TIME_MAX 32
struct schema_time {
	int64_t second;
	bool valid;
	char text[SCHEMA_TIME_MAX];
};
size_t schema_time_format(struct schema_time *cache, int64_t wall_ns, char out[SCHEMA_TIME_MAX]);
