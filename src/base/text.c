#include "base/text.h"

#include <stdbool.h>
#include <string.h>

#define DISTANCE_MAX_LEN 64

// RFC 3629, table of well-formed byte sequences in section 4.
size_t text_utf8_len(const uint8_t *p, size_t left)
{
	size_t need;
	uint8_t low = 0x80, high = 0xbf;

	if (left == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		need = 2;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		need = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		need = 4;
	else
		return 0;
	if (left < need)
		return 0;
	if (p[0] == 0xe0)
		low = 0xa0; // overlong
	else if (p[0] == 0xed)
		high = 0x9f; // surrogates
	else if (p[0] == 0xf0)
		low = 0x90; // overlong
	else if (p[0] == 0xf4)
		high = 0x8f; // above U+10FFFF
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < need; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	return need;
}

static uint32_t utf8_value(const uint8_t *p, size_t len)
{
	static const uint8_t lead_mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	uint32_t v = p[0] & lead_mask[len];
	for (size_t i = 1; i < len; i++)
		v = (v << 6) | (p[i] & 0x3f);
	return v;
}

// Controls, the marks that reorder or break lines (Unicode's Bidi_Control, U+2028, U+2029), and
// non-characters, which no XML document may hold.
static bool is_unsafe(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x061c || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff ||
	       (c >= 0xfdd0 && c <= 0xfdef) || (c & 0xfffe) == 0xfffe;
}

static size_t put_hex(char *dst, uint8_t byte)
{
	static const char digits[] = "0123456789abcdef";
	dst[0] = '\\';
	dst[1] = 'x';
	dst[2] = digits[byte >> 4];
	dst[3] = digits[byte & 15];
	return 4;
}

size_t text_escape(char *dst, size_t cap, const void *src, size_t len)
{
	const uint8_t *p = src;
	size_t out = 0;

	for (size_t i = 0; i < len;) {
		size_t unit = text_utf8_len(p + i, len - i);
		bool keep = unit > 0 && !is_unsafe(utf8_value(p + i, unit));
		if (unit == 0)
			unit = 1;
		size_t need = keep ? unit : 4 * unit;
		if (need >= cap - out)
			break;
		if (keep) {
			memcpy(dst + out, p + i, unit);
			out += unit;
		} else {
			for (size_t k = 0; k < unit; k++)
				out += put_hex(dst + out, p[i + k]);
		}
		i += unit;
	}
	dst[out] = '\0';
	return out;
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;
	return m < c ? m : c;
}

// Optimal string alignment with three rolling rows.
unsigned text_distance(const char *a, const char *b, unsigned cap)
{
	unsigned rows[3][DISTANCE_MAX_LEN + 1];
	unsigned *before = rows[0], *last = rows[1], *now = rows[2];
	size_t la = strlen(a), lb = strlen(b);

	if (la > DISTANCE_MAX_LEN || lb > DISTANCE_MAX_LEN)
		return strcmp(a, b) == 0 ? 0 : cap + 1;
	memset(rows, 0, sizeof(rows));
	for (size_t j = 0; j <= lb; j++)
		last[j] = (unsigned)j;
	for (size_t i = 1; i <= la; i++) {
		unsigned best = now[0] = (unsigned)i;
		for (size_t j = 1; j <= lb; j++) {
			unsigned cost = a[i - 1] != b[j - 1];
			now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + cost);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < now[j])
				now[j] = before[j - 2] + 1;
			if (now[j] < best)
				best = now[j];
		}
		if (best > cap + 1)
			return cap + 1;
		unsigned *spare = before;
		before = last;
		last = now;
		now = spare;
	}
	return last[lb] > cap ? cap + 1 : last[lb];
}
