#define _GNU_SOURCE
#include "CVaultShims.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#if defined(__has_include)
#if __has_include(<linux/seccomp.h>) && __has_include(<linux/filter.h>) && __has_include(<linux/audit.h>)
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#if defined(__x86_64__)
#define TV_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define TV_ARCHITECTURE AUDIT_ARCH_AARCH64
#endif
#endif
#endif

// Landlock: https://docs.kernel.org/userspace-api/landlock.html. Headers are often older than the kernel.
enum { landlock_create = 444, landlock_add = 445, landlock_restrict = 446 };
enum { rule_path = 1, rule_port = 2 };
enum { right_read_file = 1 << 2, right_connect = 1 << 1, all_net = 3, all_scopes = 3 };
struct landlock_ruleset { uint64_t files, net, scoped; };
struct landlock_path { uint64_t allowed; int32_t parent; } __attribute__((packed));
struct landlock_port { uint64_t allowed, port; };

int tv_landlock_version(void) {
    long version = syscall(landlock_create, NULL, 0, 1);
    return version < 0 ? 0 : (int)version;
}

static int restrict_files_and_ports(void) {
    // What the C library reads to resolve a name; the authorities were read before.
    static const char *const readable[] = {
        "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf",
    };
    // HTTPS, and DNS where an answer is too long for a datagram.
    static const uint64_t ports[] = {443, 53};
    int version = tv_landlock_version(), done = TV_CONFINED_FILES;
    if (version < 1) return 0;
    struct landlock_ruleset set = {0x1FFF, 0, 0};
    size_t size = sizeof set.files;
    if (version >= 2) set.files |= 1 << 13;
    if (version >= 3) set.files |= 1 << 14;
    if (version >= 5) set.files |= 1 << 15;
    if (version >= 4) set.net = all_net, size += sizeof set.net, done |= TV_CONFINED_PORTS;
    if (version >= 6) set.scoped = all_scopes, size += sizeof set.scoped;
    int rules = (int)syscall(landlock_create, &set, size, 0);
    if (rules < 0) return 0;
    int failed = 0;
    for (size_t index = 0; index < sizeof readable / sizeof *readable; index++) {
        struct landlock_path path = {right_read_file, open(readable[index], O_PATH | O_CLOEXEC)};
        if (path.parent < 0) continue;
        failed |= syscall(landlock_add, rules, rule_path, &path, 0) != 0;
        close(path.parent);
    }
    for (size_t index = 0; version >= 4 && index < sizeof ports / sizeof *ports; index++) {
        struct landlock_port port = {right_connect, ports[index]};
        failed |= syscall(landlock_add, rules, rule_port, &port, 0) != 0;
    }
    failed |= syscall(landlock_restrict, rules, 0) != 0;
    close(rules);
    return failed ? 0 : done;
}

#ifdef TV_ARCHITECTURE
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
// The lower half of an argument: both machines are little-endian.
#define ARGUMENT(number) LOAD(args[number])
#define UPPER(number) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[number]) + 4)
#define EQUAL(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), yes, no)
#define ANY_BIT(mask, yes, no) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (uint32_t)(mask), yes, no)
#define ABOVE(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (uint32_t)(value), yes, no)
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, value)
#define REFUSE(number) RETURN(SECCOMP_RET_ERRNO | (number))
#define ALLOWED RETURN(SECCOMP_RET_ALLOW)
#define ALLOW(name) EQUAL(__NR_##name, 0, 1), ALLOWED
/// Allowed unless `mask` has a bit of the argument.
#define ALLOW_WITHOUT(name, number, mask, code) \
    EQUAL(__NR_##name, 0, 4), ARGUMENT(number), ANY_BIT(mask, 0, 1), REFUSE(code), ALLOWED
/// Allowed if the argument is `value`.
#define ALLOW_WITH(name, number, value) \
    EQUAL(__NR_##name, 0, 4), ARGUMENT(number), EQUAL(value, 1, 0), REFUSE(EPERM), ALLOWED

static int restrict_calls(void) {
    enum { fast_open = 0x20000000 };
    struct sock_filter filter[] = {
        LOAD(arch), EQUAL(TV_ARCHITECTURE, 1, 0), RETURN(SECCOMP_RET_KILL_PROCESS), LOAD(nr),
        // Connections and waiting for them.
        ALLOW(read), ALLOW(write), ALLOW(readv), ALLOW(writev), ALLOW(recvfrom), ALLOW(recvmsg), ALLOW(recvmmsg),
        ALLOW(connect), ALLOW(bind), ALLOW(shutdown), ALLOW(getsockname),
        ALLOW(getpeername), ALLOW(getsockopt), ALLOW(setsockopt), ALLOW(close), ALLOW(ppoll),
        ALLOW(epoll_create1), ALLOW(epoll_ctl), ALLOW(epoll_pwait), ALLOW(eventfd2), ALLOW(timerfd_create),
        ALLOW(timerfd_settime),
        // Sending alone, not connecting by it (MSG_FASTOPEN): the port rules of Landlock do not see that.
        ALLOW_WITHOUT(sendto, 3, fast_open, EPERM), ALLOW_WITHOUT(sendmsg, 2, fast_open, EPERM),
        ALLOW_WITHOUT(sendmmsg, 3, fast_open, EPERM),
        // F_GETFD to F_SETFL: no signals to others (F_SETOWN), no copies.
        EQUAL(__NR_fcntl, 0, 5), ARGUMENT(1), EQUAL(F_DUPFD, 1, 0), ABOVE(F_SETFL, 0, 1), REFUSE(EPERM), ALLOWED,
        // Files: only to read, and Landlock says which.
        ALLOW(fstat), ALLOW(lseek), ALLOW(statx),
        // Memory and threads of its own.
        ALLOW(brk), ALLOW(munmap), ALLOW(mremap), ALLOW(madvise), ALLOW(futex), ALLOW(set_robust_list),
        ALLOW(sched_yield), ALLOW(sched_getaffinity), ALLOW(gettid), ALLOW(getpid), ALLOW(exit), ALLOW(exit_group),
        ALLOW(rt_sigaction), ALLOW(rt_sigprocmask), ALLOW(rt_sigreturn), ALLOW(sigaltstack), ALLOW(restart_syscall),
        // Facts.
        ALLOW(clock_gettime), ALLOW(clock_getres), ALLOW(clock_nanosleep), ALLOW(nanosleep), ALLOW(gettimeofday),
        ALLOW(getrandom), ALLOW(uname), ALLOW(sysinfo), ALLOW(getuid), ALLOW(geteuid), ALLOW(getgid), ALLOW(getegid),
#ifdef __NR_poll
        ALLOW(poll), ALLOW(epoll_create), ALLOW(epoll_wait), ALLOW(stat), ALLOW(lstat),
        ALLOW_WITHOUT(open, 1, O_ACCMODE | O_CREAT | O_TRUNC, EACCES),
#endif
#ifdef __NR_newfstatat
        ALLOW(newfstatat),
#endif
#ifdef __NR_rseq
        ALLOW(rseq),
#endif
        ALLOW_WITHOUT(openat, 2, O_ACCMODE | O_CREAT | O_TRUNC, EACCES),
        ALLOW_WITHOUT(mmap, 2, PROT_EXEC, EPERM),
        ALLOW_WITHOUT(mprotect, 2, PROT_EXEC, EPERM),
        ALLOW_WITH(tgkill, 0, getpid()),
        ALLOW_WITH(prctl, 0, PR_SET_NAME),
        ALLOW_WITH(ioctl, 1, FIONREAD),
        // To read a limit, not to set one.
        EQUAL(__NR_prlimit64, 0, 6), ARGUMENT(2), EQUAL(0, 0, 3), UPPER(2), EQUAL(0, 0, 1), ALLOWED, REFUSE(EPERM),
        // Threads only. `clone3` hides its flags; without it the C library takes `clone`.
        EQUAL(__NR_clone, 0, 4), ARGUMENT(0), ANY_BIT(CLONE_THREAD, 1, 0), REFUSE(EPERM), ALLOWED,
        // TCP and UDP by their own names: the port rules of Landlock know no other protocol.
        EQUAL(__NR_socket, 0, 13), ARGUMENT(0), EQUAL(AF_INET, 1, 0), EQUAL(AF_INET6, 0, 9), ARGUMENT(1),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xF), EQUAL(SOCK_STREAM, 1, 0), EQUAL(SOCK_DGRAM, 0, 5), ARGUMENT(2),
        EQUAL(0, 2, 0), EQUAL(IPPROTO_TCP, 1, 0), EQUAL(IPPROTO_UDP, 0, 1), ALLOWED, REFUSE(EAFNOSUPPORT),
        // As of a kernel that does not know the call: libraries have another way then.
        REFUSE(ENOSYS),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0 ? TV_CONFINED_CALLS : 0;
}
#else
static int restrict_calls(void) { return 0; }
#endif

int tv_filters_calls(void) {
#ifdef TV_ARCHITECTURE
    // EFAULT: the kernel looked for the program, so it knows the mode.
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0) != 0 && errno == EFAULT;
#else
    return 0;
#endif
}

/// Landlock holds for the calling thread alone, and for those that it starts.
static int is_only_thread(void) {
    DIR *threads = opendir("/proc/self/task");
    if (threads == NULL) return 0;
    int count = 0;
    for (struct dirent *entry; (entry = readdir(threads)) != NULL;) count += entry->d_name[0] != '.';
    closedir(threads);
    return count == 1;
}

int tv_confine_fetcher(void) {
    // No file is written, no descriptor is open but those of connections, and memory is for sixteen short answers.
    struct rlimit none = {0, 0}, files = {256, 256}, memory = {1 << 30, 1 << 30};
    if (!is_only_thread()) return -EBUSY;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -errno;
    int code = tv_disable_core_dumps();
    if (code != 0) return -code;
    if (setrlimit(RLIMIT_FSIZE, &none) != 0 || setrlimit(RLIMIT_NOFILE, &files) != 0) return -errno;
    if (setrlimit(RLIMIT_DATA, &memory) != 0) return -errno;
    // It dies with the thread that started it, also when it does not listen any more.
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return -errno;
    // It ends with the service, whose signals a supervisor sends to it too, and keeps no folder in use.
    static const int ignored[] = {SIGPIPE, SIGTERM, SIGINT, SIGHUP};
    for (size_t index = 0; index < sizeof ignored / sizeof *ignored; index++) signal(ignored[index], SIG_IGN);
    if (chdir("/") != 0) return -errno;
    int done = restrict_files_and_ports();
    return done | restrict_calls();
}

int tv_socket_pair(int ends[2]) {
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0 ? 0 : errno;
}
