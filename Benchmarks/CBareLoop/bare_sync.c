// The disk alone: how often 4 KiB reach it for good.
#define _GNU_SOURCE
#include "CBareLoop.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

double bare_sync_rate(const char *path, double seconds) {
    static const char block[4096] = {1};
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return -1;
    double start = now(), elapsed = 0;
    long count = 0;
    do {
        if (write(fd, block, sizeof block) != sizeof block || fdatasync(fd) != 0) {
            close(fd);
            return -1;
        }
        count++;
        elapsed = now() - start;
    } while (elapsed < seconds);
    close(fd);
    unlink(path);
    return (double)count / elapsed;
}
