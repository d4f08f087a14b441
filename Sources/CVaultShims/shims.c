#define _GNU_SOURCE
#include "CVaultShims.h"

#include <sqlite3.h>
#include <zlib.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/prctl.h>
#include <sys/vfs.h>

// Since Linux 5.8; not every C library has heard of it.
#ifndef STATX_ATTR_MOUNT_ROOT
#define STATX_ATTR_MOUNT_ROOT 0x2000
#endif

int tv_disable_core_dumps(void) {
    struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) != 0) return errno;
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return errno;
    return 0;
}

static int set_lock(int fd, int64_t offset, short type) {
    struct flock lock;
    memset(&lock, 0, sizeof lock);
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = offset;
    lock.l_len = 1;
    if (fcntl(fd, F_OFD_SETLK, &lock) == 0) return 0;
    return errno == EACCES ? EAGAIN : errno;
}

int tv_lock_byte(int fd, int64_t offset, int exclusive) {
    return set_lock(fd, offset, exclusive ? F_WRLCK : F_RDLCK);
}

int tv_rename_new(const char *from, const char *to) {
#ifdef RENAME_NOREPLACE
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0 ? 0 : errno;
#else
    (void)from;
    (void)to;
    return ENOSYS;
#endif
}

int tv_unlock_byte(int fd, int64_t offset) {
    return set_lock(fd, offset, F_UNLCK);
}

int tv_byte_is_locked(int fd, int64_t offset) {
    struct flock lock;
    memset(&lock, 0, sizeof lock);
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = offset;
    lock.l_len = 1;
    if (fcntl(fd, F_OFD_GETLK, &lock) != 0) return -errno;
    return lock.l_type != F_UNLCK;
}

int tv_drop_cached_pages(int fd) {
    return posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

int tv_reserve(int fd, int64_t bytes) {
    return posix_fallocate(fd, 0, bytes);
}

int tv_look_at(const char *path, struct tv_file *file) {
    struct statx found;
    if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &found) != 0) return errno;
    file->device = (uint64_t)found.stx_dev_major << 32 | found.stx_dev_minor;
    file->inode = found.stx_ino;
    file->links = found.stx_nlink;
    file->size = (int64_t)found.stx_size;
    file->is_mount = (found.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
    return 0;
}

int64_t tv_file_system(const char *path) {
    struct statfs found;
    return statfs(path, &found) == 0 ? (int64_t)(uint32_t)found.f_type : -errno;
}

int tv_private_pipe(int ends[2]) {
    return pipe2(ends, O_CLOEXEC) == 0 ? 0 : errno;
}

/// Nothing stays open but the three standard descriptors; `error` of -1 leaves ours.
static int start(
    const char *path, char *const arguments[], char *const environment[], int input, int output, int error,
    pid_t *process
) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t all, none;
    int code = posix_spawn_file_actions_init(&actions);
    if (code != 0) return code;
    code = posix_spawnattr_init(&attributes);
    if (code != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return code;
    }
    sigfillset(&all);
    sigemptyset(&none);
    short flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID;
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setsigmask(&attributes, &none);
    code = posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    if (code == 0) code = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    if (code == 0 && error >= 0) code = posix_spawn_file_actions_adddup2(&actions, error, STDERR_FILENO);
    // Other C libraries have no such action: what this process opens has O_CLOEXEC.
#ifdef __GLIBC__
#if __GLIBC_PREREQ(2, 34)
    if (code == 0) code = posix_spawn_file_actions_addclosefrom_np(&actions, 3);
#endif
#endif
    posix_spawnattr_setflags(&attributes, flags);
    if (code == 0) code = posix_spawn(process, path, &actions, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return code;
}

int tv_start_program(const char *path, char *const environment[], int input, int output, pid_t *process) {
    char *const arguments[] = {(char *)path, NULL};
    return start(path, arguments, environment, input, output, -1, process);
}

int tv_start_self(const char *name, int socket, pid_t *process) {
    char *const arguments[] = {(char *)"tokenvault", (char *)name, NULL};
    char *const environment[] = {NULL};
    return start("/proc/self/exe", arguments, environment, socket, socket, socket, process);
}

int tv_sqlite_harden(void *connection) {
    int code = sqlite3_db_config((sqlite3 *)connection, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)0);
    if (code != SQLITE_OK) return code;
    return sqlite3_db_config((sqlite3 *)connection, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, (int *)0);
}

int tv_sqlite_keep_wal(void *connection) {
    return sqlite3_db_config((sqlite3 *)connection, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)0);
}

int tv_sqlite_wal_bytes(void *connection, int64_t *bytes) {
    // https://sqlite.org/walformat.html section 2.1: the header of the index, in the machine's byte order.
    enum { region = 32768, page_size = 14, last_frame = 16 };
    sqlite3_file *file = NULL;
    void volatile *index = NULL;
    uint16_t size;
    uint32_t frames;
    int code = sqlite3_file_control((sqlite3 *)connection, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (code != SQLITE_OK) return code;
    if (file == NULL || file->pMethods == NULL || file->pMethods->iVersion < 2) return SQLITE_MISUSE;
    code = file->pMethods->xShmMap(file, 0, region, 0, &index);
    if (code != SQLITE_OK) return code;
    if (index == NULL) return SQLITE_MISUSE;
    memcpy(&size, (const char *)index + page_size, sizeof size);
    memcpy(&frames, (const char *)index + last_frame, sizeof frames);
    // A header of 32 bytes, and one of 24 before each page; a size of 1 stands for 65,536.
    *bytes = frames == 0 ? 0 : 32 + (int64_t)frames * (24 + (size == 1 ? 65536 : size));
    return SQLITE_OK;
}

ssize_t tv_inflate(const uint8_t *bytes, size_t count, uint8_t *output, size_t room) {
    z_stream stream = {0};
    // A window of 15 bits, the largest there is; 32 more: the form says its header.
    if (inflateInit2(&stream, 15 + 32) != Z_OK) return -1;
    stream.next_in = (Bytef *)bytes;
    stream.avail_in = (uInt)count;
    stream.next_out = output;
    stream.avail_out = (uInt)room;
    int result = inflate(&stream, Z_FINISH);
    ssize_t length = result == Z_STREAM_END && stream.avail_in == 0 ? (ssize_t)stream.total_out : -1;
    inflateEnd(&stream);
    return length;
}
