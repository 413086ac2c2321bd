#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err_text *e, int code, const char *fmt, ...)
{
	if (e) {
		va_list ap;
		va_start(ap, fmt);
		vsnprintf(e->text, sizeof(e->text), fmt, ap);
		va_end(ap);
	}
	return code;
}

const char *err_name(int code)
{
	switch (code) {
#define X(name, value, text) \
	case ERR_##name:     \
		return text;
		PRTIP_ERRORS(X)
#undef X
	default:
		return strerror(code < 0 ? -code : code);
	}
}
