#include "app/seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCH       AUDIT_ARCH_X86_64
#define FOREIGN_NR 0x40000000u // the x32 calls
#elif defined(__aarch64__)
#define ARCH       AUDIT_ARCH_AARCH64
#define FOREIGN_NR UINT32_MAX
#endif

#ifdef ARCH

// What a scanner never does: start programs, look into processes, change the system. Most of it needs rights
// that are gone by then; a fault in the kernel's checks should not bring them back.
static const uint16_t denied[] = {
	SYS_execve,
	SYS_execveat,
	SYS_kill,
	SYS_tkill,
	SYS_pidfd_open,
	SYS_pidfd_getfd,
	SYS_pidfd_send_signal,
	SYS_ptrace,
	SYS_process_vm_readv,
	SYS_process_vm_writev,
	SYS_kcmp,
	SYS_process_madvise,
	SYS_mount,
	SYS_umount2,
	SYS_pivot_root,
	SYS_chroot,
	SYS_move_mount,
	SYS_open_tree,
	SYS_fsopen,
	SYS_fsconfig,
	SYS_fsmount,
	SYS_fspick,
	SYS_mount_setattr,
	SYS_init_module,
	SYS_finit_module,
	SYS_delete_module,
	SYS_kexec_load,
	SYS_kexec_file_load,
	SYS_setns,
	SYS_unshare,
	SYS_reboot,
	SYS_swapon,
	SYS_swapoff,
	SYS_add_key,
	SYS_request_key,
	SYS_keyctl,
	SYS_perf_event_open,
	SYS_userfaultfd,
	SYS_open_by_handle_at,
	SYS_name_to_handle_at,
	SYS_acct,
	SYS_settimeofday,
	SYS_clock_settime,
	SYS_clock_adjtime,
	SYS_adjtimex,
	SYS_sethostname,
	SYS_setdomainname,
	SYS_quotactl,
	SYS_syslog,
	SYS_personality,
	SYS_fanotify_init,
	SYS_mbind,
	SYS_migrate_pages,
	SYS_move_pages,
#ifdef SYS_iopl
	SYS_iopl,
	SYS_ioperm,
	SYS_modify_ldt,
#endif
};

#define DENIED (sizeof(denied) / sizeof(denied[0]))
#define NAMESPACES                                                                                    \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | \
	 CLONE_NEWNET)

// Where a jump goes; NEXT is the instruction that follows.
enum label {
	NEXT,
	CHECK_NUMBER,
	CHECK_SOCKET,
	CHECK_CLONE,
	ALLOW,
	DENY,
	NO_SUCH_CALL,
	NO_SUCH_FAMILY,
	LABELS
};

struct program {
	struct sock_filter code[DENIED + 32];
	uint8_t if_true[DENIED + 32]; // enum label, of jumps
	unsigned short at[LABELS];
	unsigned short len;
};

static void put(struct program *p, struct sock_filter f)
{
	p->code[p->len++] = f;
}

static void label(struct program *p, enum label l)
{
	p->at[l] = p->len;
}

static void load(struct program *p, size_t offset)
{
	put(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

static void jump(struct program *p, unsigned comparison, uint32_t value, enum label to)
{
	p->if_true[p->len] = (uint8_t)to;
	put(p, (struct sock_filter)BPF_JUMP(BPF_JMP | comparison | BPF_K, value, 0, 0));
}

static void jump_equal(struct program *p, uint32_t value, enum label to)
{
	jump(p, BPF_JEQ, value, to);
}

static void end(struct program *p, enum label l, uint32_t action)
{
	label(p, l);
	put(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

#define REFUSE(err) (SECCOMP_RET_ERRNO | (err))

static void resolve(struct program *p)
{
	for (unsigned i = 0; i < p->len; i++)
		if (p->if_true[i] != NEXT)
			p->code[i].jt = (uint8_t)(p->at[p->if_true[i]] - i - 1);
}

// Most calls are judged by their number alone, so that the kernel remembers the verdict (Linux 5.11).
static void write_program(struct program *p, bool allow_bpf, bool allow_uring)
{
	load(p, offsetof(struct seccomp_data, arch));
	jump_equal(p, ARCH, CHECK_NUMBER);
	end(p, NEXT, SECCOMP_RET_KILL_PROCESS);

	label(p, CHECK_NUMBER);
	load(p, offsetof(struct seccomp_data, nr));
	jump(p, BPF_JGE, FOREIGN_NR, DENY);
	jump_equal(p, SYS_clone3, NO_SUCH_CALL); // its flags are in memory: the C library falls back to clone
	jump_equal(p, SYS_socket, CHECK_SOCKET);
	jump_equal(p, SYS_clone, CHECK_CLONE);
	for (size_t i = 0; i < DENIED; i++)
		jump_equal(p, denied[i], DENY);
	if (!allow_bpf)
		jump_equal(p, SYS_bpf, DENY);
	if (!allow_uring)
		jump_equal(p, SYS_io_uring_setup, DENY);
	end(p, NEXT, SECCOMP_RET_ALLOW);

	label(p, CHECK_SOCKET);
	load(p, offsetof(struct seccomp_data, args[0]));
	jump_equal(p, AF_INET, ALLOW);
	jump_equal(p, AF_INET6, ALLOW);
	jump_equal(p, AF_NETLINK, ALLOW);
	end(p, NO_SUCH_FAMILY, REFUSE(EAFNOSUPPORT));

	label(p, CHECK_CLONE);
	load(p, offsetof(struct seccomp_data, args[0]));
	jump(p, BPF_JSET, NAMESPACES, DENY);
	end(p, ALLOW, SECCOMP_RET_ALLOW);
	end(p, DENY, REFUSE(EPERM));
	end(p, NO_SUCH_CALL, REFUSE(ENOSYS));
	resolve(p);
}

int seccomp_install(bool allow_bpf, bool allow_uring)
{
	struct program p = {.len = 0};
	write_program(&p, allow_bpf, allow_uring);
	struct sock_fprog prog = {.len = p.len, .filter = p.code};
	long rc = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &prog);
	if (rc > 0)
		return -ESRCH; // a thread that could not be brought along
	if (rc == 0)
		return 0;
	return errno == ENOSYS || errno == EINVAL ? ERR_UNSUPPORTED : -errno;
}

#else

int seccomp_install(bool allow_bpf, bool allow_uring)
{
	(void)allow_bpf;
	(void)allow_uring;
	return ERR_UNSUPPORTED;
}

#endif
