#ifndef CVAULTSHIMS_H
#define CVAULTSHIMS_H

#include <stdint.h>
#include <sys/types.h>

// What Swift cannot call by itself: variadic C functions and macros. Each returns 0, or an errno value.

/// No core dumps of this process and no ptrace by its equals: PR_SET_DUMPABLE 0, RLIMIT_CORE 0.
int tv_disable_core_dumps(void);

/// Takes (without waiting) the open-file-description lock on one byte of `fd`. EAGAIN: somebody holds it.
int tv_lock_byte(int fd, int64_t offset, int exclusive);

/// Gives that byte's lock up.
int tv_unlock_byte(int fd, int64_t offset);

/// Whether somebody else holds a lock on that byte, without taking it: 1 or 0, or an errno value negated.
int tv_byte_is_locked(int fd, int64_t offset);

/// Tells the kernel to forget the cached pages of `fd`, so that the next read asks the disk.
int tv_drop_cached_pages(int fd);

/// Starts `path` without arguments, in a session of its own, with `environment` and nothing open but `input`, `output`
/// and our standard error.
int tv_start_program(const char *path, char *const environment[], int input, int output, pid_t *process);

/// Starts this program again, under the name `tokenvault`, with the one argument `name`, an empty environment, and
/// nothing open but `socket`, as its three standard descriptors: what a library prints goes nowhere else.
int tv_start_self(const char *name, int socket, pid_t *process);

/// Two ends of a connection that keeps the bounds of messages; no other program inherits them.
int tv_socket_pair(int ends[2]);

/// What holds for a process that has confined itself.
enum {
    /// Landlock: no file but those that resolving a name takes.
    TV_CONFINED_FILES = 1,
    /// Landlock: TCP to ports 443 and 53 only.
    TV_CONFINED_PORTS = 2,
    /// seccomp: no program, no process, no listening, no writing of files, no executable memory.
    TV_CONFINED_CALLS = 4,
};

/// For good, and before there is a second thread: takes from this process what fetching documents does not need.
/// Returns the bits above that hold, as far as the kernel can, or an errno value negated.
int tv_confine_fetcher(void);

/// The version of Landlock that this kernel has; 0: none.
int tv_landlock_version(void);

/// Whether this kernel has filters of system calls: 1 or 0.
int tv_filters_calls(void);

/// A pipe whose ends no other program inherits: ends[0] is read, ends[1] written.
int tv_private_pipe(int ends[2]);

/// Undoes the compression of gzip or zlib, whichever it is, into `room` octets. Returns how many there are; -1: damaged,
/// cut off, followed by anything, or too many.
ssize_t tv_inflate(const uint8_t *bytes, size_t count, uint8_t *output, size_t room);

/// Reserves `bytes` of disk for `fd`.
int tv_reserve(int fd, int64_t bytes);

/// Gives a file another name unless that is taken (EEXIST), in one step. EINVAL, ENOSYS: this file system cannot.
int tv_rename_new(const char *from, const char *to);

/// What lies at a path now, a symbolic link itself included.
struct tv_file {
    uint64_t device;
    uint64_t inode;
    uint64_t links;
    int64_t size;
    /// The file is mounted by itself, as `mount --bind` of a single file does. 0 where the system does not say.
    int is_mount;
};

int tv_look_at(const char *path, struct tv_file *file);

/// The magic number of the file system that a file lies on, or an errno value negated.
int64_t tv_file_system(const char *path);

/// Puts a `sqlite3 *` into defensive mode with an untrusted schema. Returns SQLite's result code.
int tv_sqlite_harden(void *connection);

/// Makes a `sqlite3 *` leave the WAL alone when it closes. Returns SQLite's result code.
int tv_sqlite_keep_wal(void *connection);

/// How long the WAL must be to hold every frame that its index (the shared memory) knows. The caller has read by this
/// connection, and keeps writers away. Returns SQLite's result code.
int tv_sqlite_wal_bytes(void *connection, int64_t *bytes);

#endif
