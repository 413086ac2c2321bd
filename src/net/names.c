#include "net/names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/text.h"

static bool is_label_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
	       c == '_';
}

bool names_is_valid(const char *name)
{
	size_t len = strlen(name);
	if (len && name[len - 1] == '.')
		len--;
	if (len == 0 || len > 253)
		return false;
	size_t start = 0;
	for (size_t i = 0; i <= len; i++) {
		if (i < len && name[i] != '.') {
			if (!is_label_char(name[i]))
				return false;
			continue;
		}
		size_t label = i - start;
		if (label == 0 || label > 63 || name[start] == '-' || name[i - 1] == '-')
			return false;
		start = i + 1;
	}
	return true;
}

void names_escape(char *dst, size_t cap, const char *name)
{
	static const char hex[] = "0123456789abcdef";
	size_t at = 0, len = strlen(name);
	if (len > 1 && name[len - 1] == '.')
		len--;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)name[i];
		bool plain = is_label_char((char)c) || c == '.';
		if (at + (plain ? 1 : 4) >= cap)
			break;
		if (plain) {
			dst[at++] = (char)c;
			continue;
		}
		dst[at++] = '\\';
		dst[at++] = 'x';
		dst[at++] = hex[c >> 4];
		dst[at++] = hex[c & 15];
	}
	dst[at] = '\0';
}

// ---- servers

static int bad_server(const char *text, size_t len, struct err_text *e)
{
	char shown[128];
	text_escape(shown, sizeof(shown), text, len < 64 ? len : 64);
	return err_set(e, ERR_SYNTAX, "malformed DNS server \"%s\": expected ADDRESS[:PORT]", shown);
}

// Splits "addr", "addr:port", "v6", "[v6]", "[v6]:port" in place; the port is NULL when there is none.
static bool split_server(char *item, char **addr, char **port)
{
	*port = NULL;
	if (item[0] == '[') {
		char *end = strchr(item, ']');
		if (!end || (end[1] && end[1] != ':'))
			return false;
		*end = '\0';
		*addr = item + 1;
		if (end[1])
			*port = end + 2;
		return strchr(*addr, ':') != NULL;
	}
	char *colon = strchr(item, ':');
	*addr = item;
	if (colon && !strchr(colon + 1, ':')) {
		*colon = '\0';
		*port = colon + 1;
	}
	return true;
}

int names_parse_server(const char *text, const char **next, struct addr *addr, uint16_t *port,
		       struct err_text *e)
{
	size_t len = strcspn(text, ",");
	char item[ADDR_TEXT_MAX + 16];
	char *addr_text, *port_text;
	uint64_t number = 53;
	if (len == 0 || len >= sizeof(item))
		return bad_server(text, len, e);
	memcpy(item, text, len);
	item[len] = '\0';
	if (!split_server(item, &addr_text, &port_text) || addr_parse(addr_text, addr, NULL))
		return bad_server(text, len, e);
	if (port_text) {
		int rc = num_parse_u64(port_text, 1, 65535, "DNS server port", &number, e);
		if (rc)
			return rc;
	}
	*port = (uint16_t)number;
	*next = text + len + (text[len] == ',');
	if (text[len] == ',' && text[len + 1] == '\0')
		return err_set(e, ERR_SYNTAX, "the list of DNS servers ends in a comma");
	return 0;
}

// ---- a few names, now

static void on_done(void *ctx, const struct names_result *r)
{
	struct names_lookup *l = (struct names_lookup *)ctx + r->token;
	l->status = r->status;
	if (r->status != NAMES_OK) {
		snprintf(l->reason, sizeof(l->reason), "%s", r->reason);
		return;
	}
	l->addrs = malloc(r->addr_count * sizeof(*l->addrs));
	if (!l->addrs) {
		l->status = NAMES_SERVER;
		snprintf(l->reason, sizeof(l->reason), "out of memory");
		return;
	}
	memcpy(l->addrs, r->addrs, r->addr_count * sizeof(*l->addrs));
	l->count = r->addr_count;
}

static void start_all(const struct names_ops *ops, struct names *n, struct names_lookup *lookups,
		      unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		int rc = ops->forward(n, i, lookups[i].name, lookups[i].families);
		if (rc) {
			lookups[i].status = NAMES_MALFORMED;
			snprintf(lookups[i].reason, sizeof(lookups[i].reason), "%s",
				 rc == ERR_SYNTAX ? "not a host name" : err_name(rc));
		}
	}
}

static void wait_all(const struct names_ops *ops, struct names *n)
{
	struct pollfd fds[NAMES_FDS_MAX];
	while (ops->pending(n) > 0) {
		int64_t timeout_ns;
		unsigned used = ops->fds(n, fds, NAMES_FDS_MAX, &timeout_ns);
		int ms = timeout_ns < 0 ? -1 : (int)((timeout_ns + NS_PER_MS - 1) / NS_PER_MS);
		int rc = poll(fds, used, ms);
		if (rc < 0 && errno != EINTR)
			ops->cancel(n);
		else
			ops->process(n, fds, rc > 0 ? used : 0);
	}
}

int names_resolve(const struct names_ops *ops, const struct names_config *cfg, struct names_lookup *lookups,
		  unsigned count, struct err_text *e)
{
	struct names *n;
	for (unsigned i = 0; i < count; i++) {
		lookups[i].addrs = NULL;
		lookups[i].count = 0;
		lookups[i].reason[0] = '\0';
	}
	int rc = ops->open(&n, cfg, on_done, lookups, e);
	if (rc)
		return rc;
	start_all(ops, n, lookups, count);
	wait_all(ops, n);
	ops->close(n);
	return 0;
}

void names_lookup_free(struct names_lookup *lookups, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		free(lookups[i].addrs);
		lookups[i].addrs = NULL;
	}
}
