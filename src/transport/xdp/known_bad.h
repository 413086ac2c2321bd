// Kernels and drivers that are known not to bear frames from an XDP program: data/xdp-bad.txt, made into a
// table by data/gen_xdp_bad.py, and the rule of that file's head. Nothing here asks the system.
#pragma once

#include <stdbool.h>

#include "base/err.h"

// A release of kernel.org, x.y.z.
struct kernel_release {
	unsigned x, y, z;
};

// Which release a kernel is made from. What distributions call 6.1.0-49 is not z, so each text has a say:
// `release` (uname -r) is not believed when it is x.y.0-DIGIT, a distribution's own count, or a candidate
// (-rc); `version` (uname -v) of Debian says "Debian 6.1.147-1"; `signature` (/proc/version_signature) of
// Ubuntu ends with it, and is "" where there is none.
// False: not known (RHEL's never is, and nor are odd texts). Then nothing can be said about its faults.
bool known_bad_release(struct kernel_release *out, const char *release, const char *version,
		       const char *signature);

enum known_bad_action {
	KNOWN_BAD_NOTE,  // for -d
	KNOWN_BAD_WARN,  // frames are lost, or the device stalls
	KNOWN_BAD_REFUSE // memory is corrupted, or the device reset
};

enum known_bad_when { KNOWN_BAD_ALWAYS, KNOWN_BAD_CPUS, KNOWN_BAD_IOMMU, KNOWN_BAD_NO_PROGRAM };

#define KNOWN_BAD_REPAIRS 8

struct known_bad {
	const char *driver; // "*": every one
	enum known_bad_action action;
	enum known_bad_when when;
	unsigned cpus;              // KNOWN_BAD_CPUS: more than these
	struct kernel_release from; // first bad
	// With the repair, newest first: mainline (z is 0), then older branches.
	struct kernel_release good[KNOWN_BAD_REPAIRS];
	unsigned good_count; // 0: none is known
	const char *reason;  // printable
};

extern const struct known_bad known_bad_table[];
extern const unsigned known_bad_count;

// Where frames are to be sent from.
struct known_bad_place {
	const char *driver; // as ethtool or sysfs name it: they differ in - and _
	struct kernel_release release;
	unsigned cpus;
	bool iommu;   // one may translate what the device reads
	bool program; // an XDP program is attached to the interface while frames leave
};

bool known_bad_applies(const struct known_bad *b, const struct known_bad_place *at);

// The entry after `last` (NULL: the first) that applies there; NULL when there is none any more.
const struct known_bad *known_bad_next(const struct known_bad *last, const struct known_bad_place *at);

// One line for people about an entry that applies: driver, kernel, reason, and the release that repairs it.
void known_bad_text(const struct known_bad *b, const struct known_bad_place *at, struct err_text *out);
