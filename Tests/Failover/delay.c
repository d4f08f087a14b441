// A TCP proxy that holds every byte back, each way. When it is killed, what it holds is lost, as what was on its way is
// when a machine dies. Prints "ready" when it listens.
//
//     delay ADDRESS PORT TO-ADDRESS TO-PORT MICROSECONDS
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 512, PIECE = 1 << 18 };

struct piece {
    struct piece *next;
    long long due;
    size_t size, sent;
    char bytes[];
};

// One direction of a connection; the other one is its neighbour. Nothing is read after `ended`.
struct way {
    int from, to, ended;
    struct piece *first, **last;
};

static struct way ways[MOST];
static int count;

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000LL + time.tv_nsec / 1000;
}

static struct sockaddr_in place(const char *address, const char *port) {
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    inet_pton(AF_INET, address, &place.sin_addr);
    return place;
}

static void add(int client, const struct sockaddr_in *target) {
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1, slot = 0;
    while (slot < count && ways[slot].from >= 0) slot += 2;
    if (slot >= MOST || connect(server, (const void *)target, sizeof *target)) {
        close(client);
        close(server);
        return;
    }
    int ends[2] = {client, server};
    for (int side = 0; side < 2; side++) {
        setsockopt(ends[side], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        fcntl(ends[side], F_SETFL, O_NONBLOCK);
        struct way *way = &ways[slot + side];
        *way = (struct way){.from = ends[side], .to = ends[1 - side]};
        way->last = &way->first;
    }
    if (slot == count) count += 2;
}

static void take(struct way *way, long long delay) {
    static char buffer[PIECE];
    ssize_t size = read(way->from, buffer, sizeof buffer);
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0) {
        way->ended = 1;
        return;
    }
    struct piece *piece = malloc(sizeof *piece + (size_t)size);
    *piece = (struct piece){.due = now() + delay, .size = (size_t)size};
    memcpy(piece->bytes, buffer, (size_t)size);
    *way->last = piece;
    way->last = &piece->next;
}

static void pass(struct way *way) {
    while (way->first && way->first->due <= now()) {
        struct piece *piece = way->first;
        ssize_t sent = way->ended == 2 ? (ssize_t)(piece->size - piece->sent)
                                       : write(way->to, piece->bytes + piece->sent, piece->size - piece->sent);
        if (sent < 0 && errno == EAGAIN) {
            piece->due = now() + 20;
            return;
        }
        if (sent < 0) {
            way->ended = 2;
            continue;
        }
        piece->sent += (size_t)sent;
        if (piece->sent < piece->size) continue;
        way->first = piece->next;
        if (!way->first) way->last = &way->first;
        free(piece);
    }
}

// As soon as one side has ended and its last byte was passed on, the other is told.
static void end(int pair) {
    for (int side = 0; side < 2; side++) {
        struct way *way = &ways[pair + side];
        if (way->ended && !way->first) {
            shutdown(way->to, SHUT_RDWR);
            ways[pair + 1 - side].ended = 2;
        }
    }
    if (ways[pair].ended && !ways[pair].first && ways[pair + 1].ended && !ways[pair + 1].first) {
        close(ways[pair].from);
        close(ways[pair].to);
        ways[pair].from = ways[pair + 1].from = -1;
    }
}

int main(int argc, char **argv) {
    if (argc != 6) return 2;
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1000);
    struct sockaddr_in own = place(argv[1], argv[2]), target = place(argv[3], argv[4]);
    long long delay = atoll(argv[5]);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (void *)&own, sizeof own) || listen(listener, 64)) {
        perror("delay");
        return 1;
    }
    puts("ready");
    fflush(stdout);
    for (;;) {
        struct pollfd polled[MOST + 1] = {{.fd = listener, .events = POLLIN}};
        long long wait = -1;
        for (int i = 0; i < count; i++) {
            struct way *way = &ways[i];
            polled[i + 1] = (struct pollfd){.fd = way->from < 0 || way->ended ? -1 : way->from, .events = POLLIN};
            if (way->from < 0 || !way->first) continue;
            long long left = way->first->due - now();
            if (left < 0) left = 0;
            if (wait < 0 || left < wait) wait = left;
        }
        struct timespec rest = {wait / 1000000, wait % 1000000 * 1000};
        int known = count;
        if (ppoll(polled, (nfds_t)known + 1, wait < 0 ? NULL : &rest, NULL) < 0) continue;
        if (polled[0].revents & POLLIN) {
            int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
            if (client >= 0) add(client, &target);
        }
        for (int i = 0; i < known; i++) {
            if (ways[i].from < 0) continue;
            if (polled[i + 1].fd >= 0 && polled[i + 1].fd == ways[i].from && polled[i + 1].revents) take(&ways[i], delay);
            pass(&ways[i]);
        }
        for (int i = 0; i < known; i += 2)
            if (ways[i].from >= 0) end(i);
    }
}
