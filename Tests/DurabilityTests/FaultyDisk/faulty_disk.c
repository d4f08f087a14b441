/* A disk that can be watched and made to fail: preloaded into a process, it stands between SQLite and the C library.
 *
 * It looks only at the vault named by DISK_VAULT, its -wal, and its directory. Calls are counted from the moment the
 * process writes "ready" to descriptor 1. One lock is held around each call and its record, so that the trace has the
 * order of the calls, and lines written to descriptor 1 stand in it between the calls they came between.
 *
 *   DISK_TRACE=FILE      append each call that succeeded, with its data, to FILE
 *   DISK_FAIL_SYNC=a,b   the a-th, b-th sync of the -wal fails with EIO
 *   DISK_FAIL_WRITE=a,b  the a-th, b-th write to the -wal fails with EIO
 *   DISK_FULL=a-b        writes a to b to the -wal fail with ENOSPC
 *   DISK_KILL=n          the process dies before its n-th call
 *   DISK_TEAR=1          ... and half of that call's data was written
 *   DISK_STOP=n          the process stops (SIGSTOP) before its n-th call
 *   DISK_NORMAL=1        SQLite is told synchronous = NORMAL where FULL was asked for
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char kinds[4096]; /* by descriptor: 'd' database, 'w' WAL, 'D' directory, 0 other */
static int trace = -1;
static int armed;
static long calls, syncs, writes;

static long number(const char *name) {
    const char *text = getenv(name);
    return text ? atol(text) : 0;
}

/* Whether n is in a list "a,b,c". */
static int listed(const char *name, long n) {
    for (const char *text = getenv(name); text && *text; text = strchr(text, ',')) {
        if (*text == ',') text++;
        if (atol(text) == n) return 1;
    }
    return 0;
}

static char kind_of(const char *path) {
    const char *vault = getenv("DISK_VAULT");
    if (!vault || !path) return 0;
    size_t length = strlen(vault);
    if (strncmp(path, vault, length) == 0) {
        if (path[length] == 0) return 'd';
        if (strcmp(path + length, "-wal") == 0) return 'w';
    }
    char copy[4096];
    snprintf(copy, sizeof copy, "%s", vault);
    return strcmp(path, dirname(copy)) == 0 ? 'D' : 0;
}

static char kind(int fd) { return fd >= 0 && fd < (int)sizeof kinds ? kinds[fd] : 0; }

static void record(char op, char file, int64_t offset, const void *data, uint32_t length) {
    const char *path = getenv("DISK_TRACE");
    if (!path) return;
    if (trace < 0) trace = REAL(open)(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    char head[14] = {op, file};
    memcpy(head + 2, &offset, 8);
    memcpy(head + 10, &length, 4);
    if (REAL(write)(trace, head, sizeof head) != sizeof head) abort();
    if (data && REAL(write)(trace, data, length) != (ssize_t)length) abort();
}

/* Counts a call and meets the fate set for it. 1: the process should die now, after half of it. */
static int is_last(void) {
    if (!armed) return 0;
    calls++;
    if (calls == number("DISK_STOP")) {
        kill(getpid(), SIGSTOP);
    }
    if (calls != number("DISK_KILL")) return 0;
    if (number("DISK_TEAR")) return 1;
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

static ssize_t put(int fd, const void *data, size_t count, off_t offset) {
    pthread_mutex_lock(&lock);
    char file = kind(fd);
    if (is_last()) {
        (void)!REAL(pwrite)(fd, data, count / 2, offset);
        kill(getpid(), SIGKILL);
        for (;;) pause();
    }
    const char *full = getenv("DISK_FULL");
    ssize_t result = -1;
    if (file == 'w' && armed) writes++;
    if (file == 'w' && armed && full && writes >= atol(full) && writes <= atol(strchr(full, '-') + 1)) {
        errno = ENOSPC;
    } else if (file == 'w' && armed && listed("DISK_FAIL_WRITE", writes)) {
        errno = EIO;
    } else {
        result = REAL(pwrite)(fd, data, count, offset);
        int code = errno;
        if (result > 0) record('W', file, offset, data, (uint32_t)result);
        errno = code;
    }
    pthread_mutex_unlock(&lock);
    return result;
}

ssize_t pwrite(int fd, const void *data, size_t count, off_t offset) {
    return kind(fd) ? put(fd, data, count, offset) : REAL(pwrite)(fd, data, count, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t count, off_t offset) { return pwrite(fd, data, count, offset); }

ssize_t write(int fd, const void *data, size_t count) {
    if (fd != 1 || !getenv("DISK_VAULT")) return REAL(write)(fd, data, count);
    pthread_mutex_lock(&lock);
    if (count >= 5 && memcmp(data, "ready", 5) == 0) armed = 1;
    record('A', 0, 0, data, (uint32_t)count);
    ssize_t result = REAL(write)(fd, data, count);
    pthread_mutex_unlock(&lock);
    return result;
}

static int synchronize(int fd, int (*real)(int)) {
    if (!kind(fd)) return real(fd);
    pthread_mutex_lock(&lock);
    if (is_last()) kill(getpid(), SIGKILL);
    int result = -1;
    if (kind(fd) == 'w' && armed && listed("DISK_FAIL_SYNC", ++syncs)) {
        errno = EIO;
    } else {
        result = real(fd);
        int code = errno;
        if (result == 0) record('S', kind(fd), 0, NULL, 0);
        errno = code;
    }
    pthread_mutex_unlock(&lock);
    return result;
}

int fdatasync(int fd) { return synchronize(fd, REAL(fdatasync)); }
int fsync(int fd) { return synchronize(fd, REAL(fsync)); }

int ftruncate64(int fd, off64_t size) {
    if (!kind(fd)) return REAL(ftruncate64)(fd, size);
    pthread_mutex_lock(&lock);
    if (is_last()) kill(getpid(), SIGKILL);
    int result = REAL(ftruncate64)(fd, size);
    if (result == 0) record('T', kind(fd), size, NULL, 0);
    pthread_mutex_unlock(&lock);
    return result;
}

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

int unlink(const char *path) {
    char file = kind_of(path);
    if (!file) return REAL(unlink)(path);
    pthread_mutex_lock(&lock);
    if (is_last()) kill(getpid(), SIGKILL);
    int result = REAL(unlink)(path);
    if (result == 0) record('U', file, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    return result;
}

int open64(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    char file = kind_of(path);
    if (!file) return REAL(open64)(path, flags, mode);
    pthread_mutex_lock(&lock);
    int is_new = (flags & O_CREAT) && access(path, F_OK) != 0;
    int fd = REAL(open64)(path, flags, mode);
    if (fd >= 0 && fd < (int)sizeof kinds) kinds[fd] = file;
    if (fd >= 0 && is_new) record('C', file, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    return fd;
}

int open(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return open64(path, flags, mode);
}

int close(int fd) {
    if (fd >= 0 && fd < (int)sizeof kinds) kinds[fd] = 0;
    return REAL(close)(fd);
}

/* The writer asks for FULL and reads it back: it is told what it wants to hear. */
int sqlite3_prepare_v3(void *db, const char *sql, int count, unsigned flags, void **statement, const char **rest) {
    int (*real)(void *, const char *, int, unsigned, void **, const char **) = dlsym(RTLD_NEXT, "sqlite3_prepare_v3");
    const char *lie = NULL;
    if (number("DISK_NORMAL") && sql) {
        if (strcmp(sql, "PRAGMA synchronous = 2") == 0) lie = "PRAGMA synchronous = 1";
        if (strcmp(sql, "PRAGMA synchronous") == 0) lie = "SELECT 2";
    }
    if (!lie) return real(db, sql, count, flags, statement, rest);
    int code = real(db, lie, -1, flags, statement, NULL);
    if (rest) *rest = sql + strlen(sql);
    return code;
}
