// Which kernel this is, by what distributions say of theirs; the rule of data/xdp-bad.txt on each of its
// branches; and that its lines can be met.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/netns.h"
#include "transport/xdp/faults.h"
#include "transport/xdp/known_bad.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

// ---- the release

struct told {
	const char *release, *version, *signature;
	struct kernel_release is; // x is 0: not known
};

static const struct told told[] = {
	// Debian 12, backports, 13, unstable before a release, Raspberry Pi OS
	{"6.1.0-37-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.147-1 (2025-08-02)", "", {6, 1, 147}},
	{"6.12.12+bpo-amd64",
	 "#1 SMP PREEMPT_DYNAMIC Debian 6.12.12-1~bpo12+1 (2025-02-23)",
	 "",
	 {6, 12, 12}},
	{"6.12.38+deb13-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.12.38-1 (2025-07-16)", "", {6, 12, 38}},
	{"6.16-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.16-1~exp1 (2025-07-28)", "", {6, 16, 0}},
	{"6.17-rc5-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.17~rc5-1~exp1 (2025-09-08)", "", {0}},
	{"6.6.51+rpt-rpi-v8", "#1 SMP PREEMPT Debian 1:6.6.51-1+rpt3 (2024-10-08)", "", {6, 6, 51}},
	// cut off by the kernel at 64 characters
	{"6.1.0-37-rt-amd64", "#1 SMP PREEMPT_RT with a very long text before Debian 6.1.14", "", {0}},
	{"6.1.0-37-amd64", "#1 SMP Debian ", "", {0}},
	{"6.1.0-37-amd64", "#1 SMP Debian", "", {0}},
	// Debian's z is its own; a rebuild that does not tell it
	{"6.1.0-37-amd64", "#1 SMP PREEMPT_DYNAMIC", "", {0}},
	// Ubuntu: with its signature, and where /proc does not show it
	{"5.15.0-101-generic",
	 "#111-Ubuntu SMP Tue Mar 5 20:16:58 UTC 2024",
	 "Ubuntu 5.15.0-101.111-generic 5.15.143\n",
	 {5, 15, 143}},
	{"6.5.0-27-generic",
	 "#28~22.04.1-Ubuntu SMP PREEMPT_DYNAMIC",
	 "Ubuntu 6.5.0-27.28~22.04.1-generic 6.5.13",
	 {6, 5, 13}},
	{"6.8.0-1012-azure", "#14-Ubuntu SMP", "Ubuntu 6.8.0-1012.14-azure 6.8.8 \n", {6, 8, 8}},
	{"6.8.0-31-generic", "#31-Ubuntu SMP PREEMPT_DYNAMIC", "", {0}},
	{"6.8.5", "#31-Ubuntu SMP", "Ubuntu 6.8.0-31.31-generic 6.8.0-rc3\n", {0}},
	{"6.8.5", "#31-Ubuntu SMP", "Ubuntu", {0}},
	{"6.8.5", "#31-Ubuntu SMP", " \n", {0}},
	{"6.8.5", "#31-Ubuntu SMP", "6.8", {0}},
	// Fedora, Arch, WSL2, Amazon, Kali, Proxmox, elrepo, a virtual machine's, one's own
	{"6.8.9-300.fc40.x86_64", "#1 SMP PREEMPT_DYNAMIC Thu May  2 18:59:06 UTC 2024", "", {6, 8, 9}},
	{"6.8.0-0.rc1.12.fc40.x86_64", "#1 SMP PREEMPT_DYNAMIC", "", {0}},
	{"6.12.1-arch1-1", "#1 SMP PREEMPT_DYNAMIC", "", {6, 12, 1}},
	{"6.9.0-arch1-1", "#1 SMP PREEMPT_DYNAMIC", "", {6, 9, 0}},
	{"6.6.87.2-microsoft-standard-WSL2", "#1 SMP PREEMPT_DYNAMIC Thu Jun  5 18:30:46", "", {6, 6, 87}},
	{"6.1.82-99.168.amzn2023.x86_64", "#1 SMP PREEMPT_DYNAMIC Mon Mar 25", "", {6, 1, 82}},
	{"6.12.25-amd64", "#1 SMP PREEMPT_DYNAMIC Kali 6.12.25-1kali1 (2025-04-30)", "", {6, 12, 25}},
	{"6.8.12-4-pve", "#1 SMP PREEMPT_DYNAMIC PMX 6.8.12-4 (2024-11-06T15:04Z)", "", {6, 8, 12}},
	{"6.8.1-1.el9.elrepo.x86_64", "#1 SMP PREEMPT_DYNAMIC", "", {6, 8, 1}},
	{"6.18.44-fc-v669", "#1 SMP PREEMPT_DYNAMIC @0", "", {6, 18, 44}},
	{"6.8.0", "#3", "", {6, 8, 0}},
	{"6.8.0+", "#3", "", {6, 8, 0}},
	{"6.8.0.1-microsoft-standard-WSL2", "#3", "", {6, 8, 0}},
	{"10.0.1", "#3", "", {10, 0, 1}},
	// RHEL, SLE, Oracle: a count of their own
	{"5.14.0-427.13.1.el9_4.x86_64", "#1 SMP PREEMPT_DYNAMIC Wed Apr 10 10:29:16 EDT 2024", "", {0}},
	{"6.12.0-55.9.1.el10_0.x86_64", "#1 SMP PREEMPT_DYNAMIC", "", {0}},
	{"6.4.0-150600.21-default", "#1 SMP PREEMPT_DYNAMIC", "", {0}},
	{"6.12.0-100.28.2.el9uek.x86_64", "#1 SMP PREEMPT_DYNAMIC", "", {0}},
	// candidates
	{"6.8.0-rc3", "#1", "", {0}},
	{"6.6.22-rc1-dirty", "#1", "", {0}},
	// neither
	{"", "", "", {0}},
	{"6", "", "", {0}},
	{"6.", "", "", {0}},
	{"6.8", "", "", {0}},
	{"6.8.", "", "", {0}},
	{"6.8.x", "", "", {0}},
	{".8.1", "", "", {0}},
	{"6..1", "", "", {0}},
	{"-6.8.1", "", "", {0}},
	{" 6.8.1", "", "", {0}},
	{"6.8.1abc", "", "", {0}},
	{"6.8.1 ", "", "", {0}},
	{"6.8.10000", "", "", {0}},
	{"4294967302.8.1", "", "", {0}},
	{"6.99999999999999999999.1", "", "", {0}},
	{"Linux", "Linux", "", {0}},
	{"\x1b[31m6.8.1", "\xff\xfe", "", {0}},
};

static void releases(void **state)
{
	(void)state;
	for (unsigned i = 0; i < COUNT(told); i++) {
		const struct told *t = &told[i];
		struct kernel_release r;
		bool known = known_bad_release(&r, t->release, t->version, t->signature);
		if (known != (t->is.x != 0))
			fail_msg("\"%s\", \"%s\", \"%s\": %s", t->release, t->version, t->signature,
				 known ? "known" : "not known");
		if (known && (r.x != t->is.x || r.y != t->is.y || r.z != t->is.z))
			fail_msg("\"%s\", \"%s\", \"%s\": %u.%u.%u", t->release, t->version, t->signature,
				 r.x, r.y, r.z);
	}
}

// Cut short at every byte, in memory of that size: nothing behind it is read (ASan, valgrind).
static void cut_short(void **state)
{
	(void)state;
	for (unsigned i = 0; i < COUNT(told); i++) {
		const char *texts[] = {told[i].release, told[i].version, told[i].signature};
		for (unsigned which = 0; which < COUNT(texts); which++) {
			for (size_t n = strlen(texts[which]); n > 0; n--) {
				const char *now[] = {texts[0], texts[1], texts[2]};
				char *shorter = strndup(texts[which], n - 1);
				struct kernel_release r;
				assert_non_null(shorter);
				now[which] = shorter;
				bool known = known_bad_release(&r, now[0], now[1], now[2]);
				assert_true(!known || (r.x > 0 && r.x < 10000 && r.y < 10000 && r.z < 10000));
				free(shorter);
			}
		}
	}
}

// ---- the rule

enum { REPAIRED, ON_TRUNK, NEVER, ANY, MANY_CPUS, TRANSLATED, ALONE };

static const struct known_bad entries[] = {
	[REPAIRED] = {.driver = "a_b",
		      .from = {6, 2, 3},
		      .good = {{6, 8, 0}, {6, 7, 10}, {6, 6, 22}},
		      .good_count = 3,
		      .reason = "r"},
	[ON_TRUNK] =
		{.driver = "a_b", .from = {5, 18, 0}, .good = {{6, 8, 0}}, .good_count = 1, .reason = "r"},
	[NEVER] = {.driver = "a_b", .from = {5, 18, 0}, .reason = "r"},
	[ANY] = {.driver = "*", .from = {5, 18, 0}, .good = {{6, 8, 0}}, .good_count = 1, .reason = "r"},
	[MANY_CPUS] =
		{.driver = "a_b", .when = KNOWN_BAD_CPUS, .cpus = 64, .from = {5, 18, 0}, .reason = "r"},
	[TRANSLATED] = {.driver = "a_b", .when = KNOWN_BAD_IOMMU, .from = {5, 18, 0}, .reason = "r"},
	[ALONE] = {.driver = "a_b", .when = KNOWN_BAD_NO_PROGRAM, .from = {5, 18, 0}, .reason = "r"},
};

static const struct {
	unsigned entry;
	struct known_bad_place at;
	bool applies;
	const char *text; // when it does; NULL: not compared
} rule[] = {
	// older than bad from, and just not
	{REPAIRED, {.driver = "a_b", .release = {5, 19, 9}}, false, NULL},
	{REPAIRED, {.driver = "a_b", .release = {6, 2, 2}}, false, NULL},
	{REPAIRED,
	 {.driver = "a_b", .release = {6, 2, 3}},
	 true,
	 "driver a_b of Linux 6.2.3: r (repaired in 6.8)"},
	{NEVER, {.driver = "a_b", .release = {5, 17, 99}}, false, NULL},
	{NEVER, {.driver = "a_b", .release = {4, 99, 0}}, false, NULL},
	// a branch with an entry
	{REPAIRED,
	 {.driver = "a_b", .release = {6, 6, 21}},
	 true,
	 "driver a_b of Linux 6.6.21: r (repaired in 6.6.22)"},
	{REPAIRED, {.driver = "a_b", .release = {6, 6, 22}}, false, NULL},
	{REPAIRED, {.driver = "a_b", .release = {6, 6, 100}}, false, NULL},
	{REPAIRED, {.driver = "a_b", .release = {6, 7, 9}}, true, NULL},
	{REPAIRED, {.driver = "a_b", .release = {6, 7, 10}}, false, NULL},
	// a branch without: bad until mainline, whatever its z
	{REPAIRED, {.driver = "a_b", .release = {6, 5, 13}}, true, NULL},
	{REPAIRED, {.driver = "a_b", .release = {6, 3, 999}}, true, NULL},
	{ON_TRUNK, {.driver = "a_b", .release = {6, 7, 999}}, true, NULL},
	// mainline and later
	{REPAIRED, {.driver = "a_b", .release = {6, 8, 0}}, false, NULL},
	{REPAIRED, {.driver = "a_b", .release = {6, 9, 0}}, false, NULL},
	{REPAIRED, {.driver = "a_b", .release = {7, 0, 0}}, false, NULL},
	// no repair is known
	{NEVER,
	 {.driver = "a_b", .release = {5, 18, 0}},
	 true,
	 "driver a_b of Linux 5.18.0: r (no repair is known)"},
	{NEVER, {.driver = "a_b", .release = {99, 0, 0}}, true, NULL},
	// drivers: ethtool may write - where sysfs has _
	{NEVER,
	 {.driver = "a-b", .release = {6, 1, 0}},
	 true,
	 "driver a-b of Linux 6.1.0: r (no repair is known)"},
	{NEVER, {.driver = "a_b_c", .release = {6, 1, 0}}, false, NULL},
	{NEVER, {.driver = "a_", .release = {6, 1, 0}}, false, NULL},
	{NEVER, {.driver = "a.b", .release = {6, 1, 0}}, false, NULL},
	{NEVER, {.driver = "", .release = {6, 1, 0}}, false, NULL},
	{NEVER, {.driver = "*", .release = {6, 1, 0}}, false, NULL},
	{ANY, {.driver = "?", .release = {6, 1, 0}}, true, "driver ? of Linux 6.1.0: r (repaired in 6.8)"},
	{ANY, {.driver = "veth", .release = {6, 8, 1}}, false, NULL},
	// facts
	{MANY_CPUS, {.driver = "a_b", .release = {6, 1, 0}, .cpus = 64}, false, NULL},
	{MANY_CPUS, {.driver = "a_b", .release = {6, 1, 0}, .cpus = 65}, true, NULL},
	{TRANSLATED, {.driver = "a_b", .release = {6, 1, 0}, .iommu = false}, false, NULL},
	{TRANSLATED, {.driver = "a_b", .release = {6, 1, 0}, .iommu = true}, true, NULL},
	{ALONE, {.driver = "a_b", .release = {6, 1, 0}, .program = true}, false, NULL},
	{ALONE, {.driver = "a_b", .release = {6, 1, 0}, .program = false}, true, NULL},
};

static void the_rule(void **state)
{
	(void)state;
	for (unsigned i = 0; i < COUNT(rule); i++) {
		struct err_text said;
		const struct known_bad *b = &entries[rule[i].entry];
		if (known_bad_applies(b, &rule[i].at) != rule[i].applies)
			fail_msg("line %u of the table: %s", i,
				 rule[i].applies ? "does not apply" : "applies");
		if (!rule[i].text)
			continue;
		known_bad_text(b, &rule[i].at, &said);
		assert_string_equal(said.text, rule[i].text);
	}
}

// ---- the real table

static bool found(const struct known_bad *b, const struct known_bad_place *at)
{
	for (const struct known_bad *k = NULL; (k = known_bad_next(k, at));)
		if (k == b)
			return true;
	return false;
}

// Where an entry applies, but for the release.
static struct known_bad_place place(const struct known_bad *b, struct kernel_release r)
{
	return (struct known_bad_place){.driver = b->driver[0] == '*' ? "veth" : b->driver,
					.release = r,
					.cpus = b->cpus + 1,
					.iommu = b->when == KNOWN_BAD_IOMMU};
}

static void every_line_is_met(void **state)
{
	(void)state;
	assert_true(known_bad_count > 0);
	for (unsigned i = 0; i < known_bad_count; i++) {
		const struct known_bad *b = &known_bad_table[i];
		struct known_bad_place at = place(b, b->from);
		assert_true(found(b, &at));
		for (unsigned k = 0; k < b->good_count; k++) {
			at = place(b, b->good[k]);
			assert_false(found(b, &at));
			if (at.release.z-- == 0)
				continue;
			assert_true(found(b, &at));
		}
	}
}

#define NONE (-1)
static const struct {
	const char *driver;
	struct kernel_release release;
	unsigned cpus;
	bool iommu;
	int worst; // enum known_bad_action
} drivers[] = {
	{"igc", {6, 1, 81}, 4, false, KNOWN_BAD_REFUSE},
	{"igc", {6, 1, 147}, 4, false, KNOWN_BAD_NOTE}, // *
	{"igc", {6, 1, 160}, 4, false, NONE},
	{"ixgbe", {6, 1, 28}, 64, false, KNOWN_BAD_NOTE},
	{"ixgbe", {6, 1, 28}, 65, false, KNOWN_BAD_REFUSE},
	{"bnxt_en", {6, 1, 145}, 4, true, KNOWN_BAD_REFUSE},
	{"bnxt_en", {6, 1, 145}, 4, false, KNOWN_BAD_NOTE},
	{"gve", {6, 12, 8}, 4, false, KNOWN_BAD_NOTE}, // a program is attached
	{"fec", {6, 2, 0}, 4, false, KNOWN_BAD_WARN},
	{"fec", {6, 1, 0}, 4, false, KNOWN_BAD_NOTE},
	{"rvu-nicpf", {7, 2, 13}, 4, false, KNOWN_BAD_REFUSE},
	{"atlantic", {7, 2, 13}, 4, false, KNOWN_BAD_WARN},
	{"veth", {6, 18, 44}, 2, false, NONE},
	{"ice", {6, 16, 0}, 256, true, NONE},
};

static void the_worst(void **state)
{
	(void)state;
	for (unsigned i = 0; i < COUNT(drivers); i++) {
		const struct known_bad_place at = {.driver = drivers[i].driver,
						   .release = drivers[i].release,
						   .cpus = drivers[i].cpus,
						   .iommu = drivers[i].iommu,
						   .program = true};
		int worst = NONE;
		for (const struct known_bad *b = NULL; (b = known_bad_next(b, &at));)
			worst = (int)b->action > worst ? (int)b->action : worst;
		if (worst != drivers[i].worst)
			fail_msg("%s: %d, not %d", at.driver, worst, drivers[i].worst);
	}
}

// ---- this machine

static void driver_of_an_interface(void **state)
{
	(void)state;
	char name[FAULTS_DRIVER];
	faults_driver("no-such", name);
	assert_string_equal(name, "?");
	if (!netns_enter())
		skip();
	assert_true(netns_run("ip link add v0 type veth peer name v1"));
	faults_driver("v0", name);
	assert_string_equal(name, "veth");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(releases),  cmocka_unit_test(cut_short),
		cmocka_unit_test(the_rule),  cmocka_unit_test(every_line_is_met),
		cmocka_unit_test(the_worst), cmocka_unit_test(driver_of_an_interface),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
