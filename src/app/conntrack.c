#include "app/conntrack.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"

static bool read_number(const char *dir, const char *name, uint64_t *out)
{
	char path[256], text[32];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return num_parse_u64(text, 0, UINT64_MAX, name, out, NULL) == 0;
}

void conntrack_read(struct conntrack *ct, const char *dir)
{
	*ct = (struct conntrack){0};
	ct->present = read_number(dir, "nf_conntrack_max", &ct->max) &&
		      read_number(dir, "nf_conntrack_count", &ct->count);
}

bool conntrack_overflows(const struct conntrack *ct, uint64_t connections, struct err_text *e)
{
	if (!ct->present || ct->max == 0) // 0: no limit
		return false;
	uint64_t left = ct->count < ct->max ? ct->max - ct->count : 0;
	if (connections <= left)
		return false;
	err_set(e, ERR_LIMIT,
		"this host tracks connections and its table has room for %llu more (of %llu): a full table "
		"drops everybody's packets. Scan slower, exempt the scan from tracking (nft notrack), or "
		"raise "
		"net.netfilter.nf_conntrack_max",
		(unsigned long long)left, (unsigned long long)ct->max);
	return true;
}
