#include "responder/control.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "responder/commands.h"

enum { BACKLOG = 8, CALLER_MS = 100, ANSWER_S = 5 };

// The abstract socket of an interface's responder; returns its length.
static socklen_t address(struct sockaddr_un *sa, const char *iface)
{
	*sa = (struct sockaddr_un){.sun_family = AF_UNIX};
	int n = snprintf(sa->sun_path + 1, sizeof(sa->sun_path) - 1, "prtip-responder/%.32s", iface);

	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

int control_listen(const char *iface, struct err_text *e)
{
	struct sockaddr_un sa;
	socklen_t length = address(&sa, iface);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return err_set(e, -errno, "no socket to listen on: %s", strerror(errno));
	if (bind(fd, (struct sockaddr *)&sa, length) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	int rc = err_set(e, -errno, "%s: %s", iface,
			 errno == EADDRINUSE ? "a responder is there already" : strerror(errno));

	close(fd);
	return rc;
}

int control_take(int listener, struct control_request *request)
{
	const struct timeval limit = {.tv_usec = CALLER_MS * 1000};
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC), rc = 0;
	struct ucred who;
	socklen_t length = sizeof(who);

	if (fd < 0)
		return -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &length) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0)
		rc = -errno;
	else if (who.uid != 0 && who.uid != geteuid())
		rc = -EPERM;
	else if (recv(fd, request, sizeof(*request), 0) != sizeof(*request))
		rc = -EPROTO;
	if (rc < 0)
		close(fd);
	return rc < 0 ? rc : fd;
}

void control_reply(int connection, const struct control_reply *reply)
{
	// Who has gone away needs no answer.
	if (send(connection, reply, sizeof(*reply), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		fprintf(stderr, "responder: a caller was not answered: %s\n", strerror(errno));
	close(connection);
}

int control_ask(const char *iface, const struct control_request *request, struct control_reply *reply,
		struct err_text *e)
{
	const struct timeval limit = {.tv_sec = ANSWER_S};
	struct sockaddr_un sa;
	socklen_t length = address(&sa, iface);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), rc = 0;

	if (fd < 0)
		return err_set(e, -errno, "no socket: %s", strerror(errno));
	if (connect(fd, (struct sockaddr *)&sa, length) < 0) {
		rc = errno == ECONNREFUSED
			     ? err_set(e, -errno, "no responder runs on %s in this network namespace", iface)
			     : err_set(e, -errno, "%s: %s", iface, strerror(errno));
		goto out;
	}
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
	    send(fd, request, sizeof(*request), MSG_NOSIGNAL) != sizeof(*request) ||
	    recv(fd, reply, sizeof(*reply), 0) != sizeof(*reply)) {
		rc = err_set(e, -EPROTO, "the responder on %s does not answer", iface);
		goto out;
	}
	if (reply->error < 0)
		rc = err_set(e, reply->error, "%s: %s", iface, strerror(-reply->error));
out:
	close(fd);
	return rc;
}

static int read_pass(const char *text, uint32_t *pass, struct err_text *e)
{
	*pass = !text ? PASS_KEEP : strcmp(text, "on") == 0 ? PASS_ON : PASS_OFF;
	if (*pass == PASS_OFF && strcmp(text, "off") != 0)
		return err_set(e, ERR_SYNTAX, "--pass: \"%.80s\" is neither on nor off", text);
	return 0;
}

int command_set(const struct options *o)
{
	struct control_request request = {.op = CONTROL_READ};
	struct control_reply reply = {0};
	struct options both = *o;
	struct err_text e;
	int rc = control_ask(o->words[0], &request, &reply, &e);

	if (rc == 0) {
		both.settings = reply.settings;
		rc = options_parse(&both, o->argv, FOR_SET, &e);
	}
	if (rc == 0)
		rc = options_check(&both, FOR_SET, &e);
	if (rc == 0)
		rc = read_pass(both.pass, &request.pass, &e);
	if (rc == 0) {
		request.op = CONTROL_SET;
		request.settings = both.settings;
		rc = control_ask(o->words[0], &request, &reply, &e);
	}
	return rc < 0 ? command_fault(&e, rc) : 0;
}

static void print_counts(const char *family, const __u64 *n)
{
	static const char *const names[] = {
#define X(NAME, name) #name,
		RESPONDER_COUNTS(X)
#undef X
	};

	printf(",\n \"%s\": {", family);
	for (int i = 0; i < COUNT_KINDS; i++)
		printf("%s\"%s\": %llu", i ? ", " : "", names[i], n[i]);
	printf("}");
}

int command_stats(const struct options *o)
{
	struct control_request request = {.op = CONTROL_READ};
	struct control_reply reply = {0};
	struct err_text e;
	int rc = control_ask(o->words[0], &request, &reply, &e);
	const struct responder_settings *s = &reply.settings;

	if (rc < 0)
		return command_fault(&e, rc);
	printf("{\"settings\": {\"seed\": %llu, \"open\": %u, \"closed\": %u, \"up\": %u, \"loss_in\": %u, "
	       "\"loss_out\": %u, \"duplicate\": %u, \"wrong\": %u, \"late\": %u, \"late_by\": %u, \"pass\": "
	       "%s}",
	       (unsigned long long)s->seed, s->open_ppm, s->closed_ppm, s->up_ppm, s->loss_in_ppm,
	       s->loss_out_ppm, s->duplicate_ppm, s->wrong_ppm, s->late_ppm, s->late_ms,
	       reply.passing ? "true" : "false");
	print_counts("v4", reply.counts.v4);
	print_counts("v6", reply.counts.v6);
	printf(",\n \"extras\": {\"sent\": %llu, \"unsent\": %llu, \"waiting\": %llu}}\n",
	       (unsigned long long)reply.sent, (unsigned long long)reply.unsent,
	       (unsigned long long)reply.waiting);
	return fflush(stdout) == 0 ? 0 : 1;
}
