#include "target/parse.h"

#include <ctype.h>
#include <string.h>

#include "base/text.h"
#include "target/octets.h"

#define TEXT_BYTES 512 // longest target that is looked at
#define NAME_BYTES 253 // RFC 1035, without the final dot
#define LABEL_MAX  63

int target_bad(const char *text, const char *why, int code, struct err_text *e)
{
	char shown[160];

	text_escape(shown, sizeof(shown), text, strlen(text));
	return err_set(e, code, "target \"%s\": %s", shown, why);
}

// "/24" whole; -1 when it is no number up to `max`.
static int parse_prefix(const char *slash, int max)
{
	size_t n = strspn(slash + 1, "0123456789");

	if (n == 0 || n > 3 || slash[1 + n] != '\0')
		return -1;
	int prefix = 0;
	for (size_t i = 1; i <= n; i++)
		prefix = prefix * 10 + (slash[i] - '0');
	return prefix <= max ? prefix : -1;
}

// The host bits of a prefix in the 128-bit value; prefix 0 apart, since a shift by 128 is undefined.
static u128 host_mask(int prefix)
{
	return prefix == 0 ? ~(u128)0 : ((u128)1 << (128 - prefix)) - 1;
}

static int parse_v6(const char *text, struct addrset *set, struct err_text *e)
{
	const char *slash = strchr(text, '/');
	char address[TEXT_BYTES];
	struct addr a;
	int prefix = 128;

	memcpy(address, text, strlen(text) + 1);
	if (slash != NULL) {
		address[slash - text] = '\0';
		prefix = parse_prefix(slash, 128);
		if (prefix < 0)
			return target_bad(text, "expected a prefix length of 0 to 128 after the /",
					  ERR_SYNTAX, e);
	}
	int r = addr_parse(address, &a, e);
	if (r != 0)
		return r;
	if (addr_is_v4(&a) && prefix < 96)
		return target_bad(text, "a prefix shorter than 96 leaves the IPv4-mapped addresses",
				  ERR_SYNTAX, e);
	struct addr first = addr_of_value(addr_value(&a) & ~host_mask(prefix), a.scope);
	struct addr last = addr_of_value(addr_value(&a) | host_mask(prefix), a.scope);
	if (addr_is_v4(&last) && !addr_is_v4(&first)) // ::/80 and the like end with the IPv4-mapped block
		last = addr_of_value(addr_value(&last) - UINT32_MAX - 1, a.scope);
	r = addrset_add(set, &first, &last);
	return r != 0 ? target_bad(text, err_name(r), r, e) : 0;
}

static int parse_v4(const char *text, struct addrset *set, struct err_text *e)
{
	struct octets octets;
	const char *slash = strchr(text, '/');

	int r = octets_parse(&octets, text, slash != NULL ? (size_t)(slash - text) : strlen(text), e);
	if (r != 0)
		return r;
	if (slash != NULL) {
		int prefix = parse_prefix(slash, 32);
		if (prefix < 0)
			return target_bad(text, "expected a prefix length of 0 to 32 after the /", ERR_SYNTAX,
					  e);
		octets_mask(&octets, (unsigned)prefix);
	}
	r = octets_add(&octets, set);
	if (r == ERR_LIMIT)
		return target_bad(text, "makes too many separate ranges; name fewer values or whole prefixes",
				  r, e);
	return r != 0 ? target_bad(text, err_name(r), r, e) : 0;
}

// Would an address parser of some library take this label, the last one, for a number?
static bool looks_numeric(const char *label, size_t len)
{
	size_t digits = strspn(label, "0123456789");

	if (digits >= len)
		return true;
	return len >= 2 && label[0] == '0' && (label[1] | 32) == 'x' &&
	       2 + strspn(label + 2, "0123456789abcdefABCDEF") >= len;
}

static const char *label_fault(const char *label, size_t len, bool last)
{
	if (len == 0 || len > LABEL_MAX)
		return "a part of the host name is empty or longer than 63 characters";
	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)label[i]) && label[i] != '-' && label[i] != '_')
			return "neither an address nor a host name";
	}
	if (label[0] == '-' || label[len - 1] == '-')
		return "a part of the host name begins or ends with a hyphen";
	if (last && looks_numeric(label, len))
		return "neither an IPv4 address (four parts) nor a host name (does not end in a number)";
	return NULL;
}

// What is wrong with a host name of `len` bytes, or NULL.
static const char *name_fault(const char *name, size_t len)
{
	if (len != 0 && name[len - 1] == '.')
		len--;
	if (len == 0 || len > NAME_BYTES)
		return "a host name has 1 to 253 characters";
	for (const char *label = name, *end = name + len;;) {
		const char *dot = memchr(label, '.', (size_t)(end - label));
		const char *fault =
			label_fault(label, (size_t)((dot != NULL ? dot : end) - label), dot == NULL);
		if (fault != NULL || dot == NULL)
			return fault;
		label = dot + 1;
	}
}

static int parse_name(const char *text, struct target_name *name, struct err_text *e)
{
	const char *slash = strchr(text, '/');
	size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
	const char *fault = name_fault(text, len);

	if (fault != NULL)
		return target_bad(text, fault, ERR_SYNTAX, e);
	name->prefix = slash != NULL ? parse_prefix(slash, 128) : -1;
	if (slash != NULL && name->prefix < 0)
		return target_bad(text, "expected a prefix length after the /", ERR_SYNTAX, e);
	memcpy(name->name, text, len);
	name->name[len] = '\0';
	return 0;
}

int target_parse(const char *text, struct addrset *set, enum target_kind *kind, struct target_name *name,
		 struct err_text *e)
{
	size_t len = strnlen(text, TEXT_BYTES);

	if (len == 0)
		return err_set(e, ERR_SYNTAX, "an empty target");
	if (len == TEXT_BYTES)
		return target_bad(text, "too long", ERR_SYNTAX, e);
	*kind = TARGET_RANGES;
	if (strchr(text, ':') != NULL)
		return parse_v6(text, set, e);
	if (strspn(text, "0123456789.,-*/") == len && strspn(text, "./") < len)
		return parse_v4(text, set, e);
	*kind = TARGET_NAME;
	return parse_name(text, name, e);
}
