#include "transport/xdp/faults.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/text.h"
#include "transport/xdp/known_bad.h"

#define SIGNATURE_TEXT 256

// By ioctl, since /sys/class/net is that of the network namespace in which /sys was mounted.
void faults_driver(const char *interface, char out[FAULTS_DRIVER])
{
	struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
	struct ifreq request = {.ifr_data = (char *)&info};
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool known = fd >= 0 && ioctl(fd, SIOCETHTOOL, &request) == 0 && info.driver[0];
	if (fd >= 0)
		close(fd);
	if (known)
		text_escape(out, FAULTS_DRIVER, info.driver, strnlen(info.driver, sizeof(info.driver)));
	else
		snprintf(out, FAULTS_DRIVER, "?");
}

// Is one in charge of anything? Whether it translates for this device or passes addresses on (iommu=pt) is
// not looked at, so that a fault that needs translation is believed too often rather than too seldom. Without
// /sys: no.
static bool iommu_in_use(void)
{
	DIR *d = opendir("/sys/class/iommu");
	bool any = false;
	for (struct dirent *entry; d && !any && (entry = readdir(d));)
		any = entry->d_name[0] != '.';
	if (d)
		closedir(d);
	return any;
}

static bool this_release(struct kernel_release *out, struct utsname *u)
{
	char signature[SIGNATURE_TEXT] = "";
	int fd = open("/proc/version_signature", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, signature, sizeof(signature) - 1);
	signature[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
	return uname(u) == 0 && known_bad_release(out, u->release, u->version, signature);
}

static void tell(const char *interface, const struct known_bad_place *at, const struct log *log)
{
	struct err_text text;
	for (const struct known_bad *b = NULL; log && (b = known_bad_next(b, at));) {
		known_bad_text(b, at, &text);
		log_at(log, b->action == KNOWN_BAD_WARN ? LOG_WARN : LOG_DEBUG, "%s: %s", interface,
		       text.text);
	}
}

int faults_check(const char *interface, const struct log *log, struct err_text *e)
{
	char driver[FAULTS_DRIVER];
	struct utsname u = {{0}};
	struct err_text text;
	// CPUs that are offline count as well: rings are chosen by a CPU's number. The receiver is attached
	// before the first frame leaves, so what happens without a program never does here.
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	struct known_bad_place at = {.driver = driver,
				     .cpus = cpus > 0 ? (unsigned)cpus : 1,
				     .iommu = iommu_in_use(),
				     .program = true};
	faults_driver(interface, driver);
	if (!this_release(&at.release, &u)) {
		if (log)
			log_debug(log,
				  "%s: which release of Linux \"%s\" is made from is not known, so known "
				  "faults "
				  "of driver %s are not looked for",
				  interface, u.release, driver);
		return 0;
	}
	for (const struct known_bad *b = NULL; (b = known_bad_next(b, &at));) {
		if (b->action != KNOWN_BAD_REFUSE)
			continue;
		known_bad_text(b, &at, &text);
		return err_set(e, ERR_UNSUPPORTED, "%s: %s", interface, text.text);
	}
	tell(interface, &at, log);
	return 0;
}
