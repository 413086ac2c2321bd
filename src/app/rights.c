#include "app/rights.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/seccomp.h"

static int try_raw(int family)
{
	int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP);
	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

void rights_try(struct rights *r)
{
	r->raw_v4 = try_raw(AF_INET);
	r->raw_v6 = try_raw(AF_INET6);
}

uint64_t rights_raise_fds(void)
{
	struct rlimit lim;
	if (getrlimit(RLIMIT_NOFILE, &lim))
		return 0;
	rlim_t before = lim.rlim_cur;
	lim.rlim_cur = lim.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &lim) ? before : lim.rlim_max;
}

static int failed(struct err_text *e, const char *step, int err)
{
	return err_set(e, -err, "cannot give up rights: %s: %s", step, err_name(err));
}

// Capabilities belong to threads: another one would keep them.
static int check_alone(struct err_text *e)
{
	struct stat st;
	if (stat("/proc/self/task", &st) == 0 && st.st_nlink > 3)
		return err_set(e, ERR_PRIVILEGE, "cannot give up rights: other threads are running");
	return 0;
}

// Does this user namespace have the user? Where /proc does not tell, setuid will.
static bool has_nobody(void)
{
	unsigned first, outside, count;
	bool found = false;
	FILE *f = fopen("/proc/self/uid_map", "re");
	if (!f)
		return true;
	// NOLINTNEXTLINE(cert-err34-c): the kernel wrote it
	while (!found && fscanf(f, "%u %u %u", &first, &outside, &count) == 3)
		found = RIGHTS_NOBODY >= first && RIGHTS_NOBODY - first < count;
	fclose(f);
	return found;
}

static int give_up_user(struct err_text *e)
{
	uid_t r, f, s;
	if (setgroups(0, NULL))
		return failed(e, "setgroups", errno);
	if (setresgid(RIGHTS_NOBODY, RIGHTS_NOBODY, RIGHTS_NOBODY))
		return failed(e, "setgid", errno);
	if (setresuid(RIGHTS_NOBODY, RIGHTS_NOBODY, RIGHTS_NOBODY))
		return failed(e, "setuid", errno);
	if (getresuid(&r, &f, &s) || r != RIGHTS_NOBODY || f != RIGHTS_NOBODY || s != RIGHTS_NOBODY)
		return failed(e, "setuid had no effect", EPERM);
	if (setresuid((uid_t)-1, 0, (uid_t)-1) == 0)
		return failed(e, "the way back to root stayed open", EPERM);
	return 0;
}

static int give_up_capabilities(bool keep_bind, struct err_text *e)
{
	const capng_type_t both = (capng_type_t)(CAPNG_EFFECTIVE | CAPNG_PERMITTED);
	capng_clear(CAPNG_SELECT_CAPS);
	if (keep_bind)
		capng_update(CAPNG_ADD, both, CAP_NET_BIND_SERVICE);
	if (capng_apply(CAPNG_SELECT_CAPS))
		return failed(e, "capabilities", errno ? errno : EPERM);
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) && errno != EINVAL)
		return failed(e, "ambient capabilities", errno);
	if (capng_get_caps_process())
		return failed(e, "capabilities stayed", EPERM);
	if (keep_bind)
		capng_update(CAPNG_DROP, both, CAP_NET_BIND_SERVICE); // from the copy: what else is there?
	if (capng_have_capabilities(CAPNG_SELECT_CAPS) != CAPNG_NONE)
		return failed(e, "capabilities stayed", EPERM);
	return 0;
}

static bool may_bind(void)
{
	return capng_get_caps_process() == 0 && capng_have_capability(CAPNG_PERMITTED, CAP_NET_BIND_SERVICE);
}

static int give_up_new_rights(struct err_text *e)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return failed(e, "no_new_privs", errno);
	return 0;
}

static int give_up_calls(const struct rights_drop *cfg, struct rights_dropped *done, struct err_text *e)
{
	if (cfg->no_filter)
		return 0;
	int rc = seccomp_install(cfg->allow_bpf, cfg->allow_uring);
	done->filter = rc == 0;
	return rc && rc != ERR_UNSUPPORTED ? failed(e, "seccomp", -rc) : 0;
}

int rights_give_up(const struct rights_drop *cfg, struct rights_dropped *done, struct err_text *e)
{
	*done = (struct rights_dropped){0};
	bool keep_bind = cfg->keep_bind && may_bind();
	int rc = check_alone(e);
	if (rc == 0 && keep_bind && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)) // else setuid clears them all
		rc = failed(e, "keepcaps", errno);
	if (rc == 0 && geteuid() == 0 && !cfg->keep_user && has_nobody()) {
		rc = give_up_user(e);
		done->user = rc == 0;
	}
	if (rc == 0)
		rc = give_up_capabilities(keep_bind, e);
	if (rc == 0)
		rc = give_up_new_rights(e);
	if (rc == 0)
		rc = give_up_calls(cfg, done, e);
	return rc;
}
