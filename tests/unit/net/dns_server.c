#include "dns_server.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TYPE_A = 1, TYPE_CNAME = 5, TYPE_PTR = 12, TYPE_AAAA = 28 };

struct message {
	uint8_t bytes[1024];
	size_t len, question_len; // of header and question
	unsigned type;
	char label[64];
};

static bool read_question(struct message *m)
{
	size_t at = 12;
	if (m->len < 17)
		return false;
	uint8_t first = m->bytes[12];
	if (first >= sizeof(m->label) || 13u + first > m->len)
		return false;
	memcpy(m->label, m->bytes + 13, first);
	m->label[first] = '\0';
	while (at < m->len && m->bytes[at])
		at += m->bytes[at] + 1u;
	if (at + 5 > m->len)
		return false;
	m->type = (unsigned)(m->bytes[at + 1] << 8 | m->bytes[at + 2]);
	m->question_len = at + 5;
	return true;
}

static void begin(struct message *m, unsigned rcode)
{
	m->len = m->question_len;
	m->bytes[2] = 0x81;
	m->bytes[3] = (uint8_t)(0x80 | rcode);
	memset(m->bytes + 6, 0, 6);
}

static void put(struct message *m, const void *data, size_t len)
{
	if (m->len + len > sizeof(m->bytes))
		abort();
	memcpy(m->bytes + m->len, data, len);
	m->len += len;
}

static void record(struct message *m, unsigned type, const void *data, size_t len)
{
	uint8_t head[12] = {0xc0, 12, 0, (uint8_t)type, 0, 1, 0, 0, 0, 60, (uint8_t)(len >> 8), (uint8_t)len};
	put(m, head, sizeof(head));
	put(m, data, len);
	m->bytes[7]++;
}

static void record_v4(struct message *m, uint8_t last)
{
	const uint8_t addr[4] = {198, 18, 0, last};
	record(m, TYPE_A, addr, sizeof(addr));
}

static void answer_ok(struct message *m)
{
	if (m->type == TYPE_A) {
		record_v4(m, 5);
		record_v4(m, 6);
		record_v4(m, 5);
	} else if (m->type == TYPE_AAAA) {
		const uint8_t addr[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 5};
		record(m, TYPE_AAAA, addr, sizeof(addr));
	}
}

static void answer_alias(struct message *m)
{
	static const uint8_t target[] = "\002ok\007example\004test";
	size_t at = m->len + 12;
	record(m, TYPE_CNAME, target, sizeof(target));
	if (m->type != TYPE_A)
		return;
	uint8_t head[12] = {(uint8_t)(0xc0 | at >> 8), (uint8_t)at, 0, TYPE_A, 0, 1, 0, 0, 0, 60, 0, 4};
	const uint8_t addr[4] = {198, 18, 0, 5};
	put(m, head, sizeof(head));
	put(m, addr, sizeof(addr));
	m->bytes[7]++;
}

static void answer_long(struct message *m)
{
	record_v4(m, 5);
	m->bytes[m->len - 5] = 200;
}

static void answer_loop(struct message *m)
{
	uint8_t self[2] = {(uint8_t)(0xc0 | m->len >> 8), (uint8_t)m->len};
	uint8_t rest[10] = {0, (uint8_t)m->type, 0, 1, 0, 0, 0, 60, 0, 0};
	put(m, self, sizeof(self));
	put(m, rest, sizeof(rest));
	m->bytes[7]++;
}

// Length of the answer to send, 0 for none.
static size_t answer_forward(struct message *m)
{
	const char *label = m->label;
	begin(m, strcmp(label, "none") == 0 ? 3 : strcmp(label, "refused") == 0 ? 5 : 0);
	if (strcmp(label, "silent") == 0)
		return 0;
	if (strcmp(label, "ok") == 0)
		answer_ok(m);
	else if (strcmp(label, "v4only") == 0 && m->type == TYPE_A)
		record_v4(m, 7);
	else if (strcmp(label, "many") == 0 && m->type == TYPE_A)
		for (uint8_t i = 0; i < 25; i++)
			record_v4(m, (uint8_t)(100 + i));
	else if (strcmp(label, "alias") == 0)
		answer_alias(m);
	else if (strcmp(label, "loop") == 0)
		answer_loop(m);
	else if (strcmp(label, "long") == 0)
		answer_long(m);
	else if (strcmp(label, "wrongid") == 0) {
		answer_ok(m);
		m->bytes[0] ^= 0x55;
	} else if (strncmp(label, "cut", 3) == 0) {
		size_t n = (size_t)atoi(label + 3);
		answer_ok(m);
		return n < m->len ? n : m->len;
	} else if (strncmp(label, "flip", 4) == 0) {
		size_t n = (size_t)atoi(label + 4);
		answer_ok(m);
		if (n < m->len)
			m->bytes[n] ^= 0xff;
	}
	return m->len;
}

#define PTR(m, text) record((m), TYPE_PTR, (text), sizeof(text))

static size_t answer_reverse(struct message *m)
{
	int last = atoi(m->label);
	begin(m, last == 15 ? 3 : 0);
	switch (last) {
	case 10:
		PTR(m, "\007host-10\007example\004test");
		break;
	case 11:
		PTR(m, "\010under_11\007example\004test");
		break;
	case 12:
		PTR(m, "\010\033[31mred\007example\004test");
		break;
	case 13:
		PTR(m, "\012<b> & </b>\004test");
		break;
	case 14:
		PTR(m, "\003one\007example\004test");
		PTR(m, "\003two\007example\004test");
		break;
	case 16:
		answer_loop(m);
		break;
	case 17:
		PTR(m, "");
		break;
	case 18:
		PTR(m, "\004\377\377\377\377\004test");
		break;
	default:
		break;
	}
	return m->len;
}

static void *serve(void *arg)
{
	struct dns_server *s = arg;
	for (;;) {
		struct message m = {.len = 0};
		struct sockaddr_in from;
		socklen_t from_len = sizeof(from);
		ssize_t n = recvfrom(s->fd, m.bytes, 512, 0, (struct sockaddr *)&from, &from_len);
		if (n <= 0)
			return NULL; // an empty datagram ends it
		m.len = (size_t)n;
		if (!read_question(&m))
			continue;
		size_t len = m.type == TYPE_PTR ? answer_reverse(&m) : answer_forward(&m);
		bool empty = strcmp(m.label, "cut0") == 0;
		if (len || empty)
			sendto(s->fd, m.bytes, len, 0, (struct sockaddr *)&from, from_len);
	}
}

bool dns_server_start(struct dns_server *s)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s->fd < 0 || bind(s->fd, (struct sockaddr *)&a, sizeof(a)) ||
	    getsockname(s->fd, (struct sockaddr *)&a, &len))
		return false;
	s->port = ntohs(a.sin_port);
	return pthread_create(&s->thread, NULL, serve, s) == 0;
}

void dns_server_stop(struct dns_server *s)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(s->port)};
	sendto(s->fd, "", 0, 0, (struct sockaddr *)&a, sizeof(a));
	pthread_join(s->thread, NULL);
	close(s->fd);
}
