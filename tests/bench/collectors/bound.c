/* The upper bound: a collector that only receives whole lines and writes them, in one thread.
 *
 *     bound PORT FILE
 *
 * epoll, a recv of 256 KiB, memrchr for the last line feed, one write to a file opened with O_APPEND. What it
 * accepts is read at once, and watched only if it has not ended then. It never pauses reading, never syncs, and
 * drops unfinished lines: a bound for collectors, not a usable one.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ = 256 * 1024, TAIL = 64 * 1024, EVENTS = 512, MAX_DESCRIPTORS = 1 << 20 };

static char buffer[TAIL + READ];
static struct { char *data; size_t length; } tails[MAX_DESCRIPTORS]; /* unfinished lines, by descriptor */

static char is_open[MOST];

static void watch(int set, int descriptor)
{
    struct epoll_event event = { .events = EPOLLIN, .data.fd = descriptor };
    if (epoll_ctl(set, EPOLL_CTL_ADD, descriptor, &event))
        err(1, "epoll_ctl");
}

/* Read once; return 0 if there was nothing to read, or the connection has ended and is closed. */
static int receive(int connection, int file)
{
    size_t before = tails[connection].length;
    if (before)
        memcpy(buffer, tails[connection].data, before);
    ssize_t count = recv(connection, buffer + before, READ, 0);
    if (count <= 0) {
        if (count < 0 && errno == EAGAIN)
            return 0;
        close(connection);
        tails[connection].length = 0;
        is_open[connection] = 0;
        return 0;
    }
    char *last = memrchr(buffer + before, '\n', count);
    size_t whole = last ? last + 1 - buffer : 0, rest = before + count - whole;
    if (whole && write(file, buffer, whole) != (ssize_t)whole)
        err(1, "write");
    if (rest > TAIL)
        errx(1, "a line of more than %d bytes", TAIL);
    if (rest) {
        if (!tails[connection].data && !(tails[connection].data = malloc(TAIL)))
            err(1, "malloc");
        memcpy(tails[connection].data, buffer + whole, rest);
    }
    tails[connection].length = rest;
    return 1;
}

int main(int count, char **arguments)
{
    if (count != 3)
        errx(2, "usage: bound PORT FILE");
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    int file = open(arguments[2], O_WRONLY | O_CREAT | O_APPEND, 0644);
    int listener = socket(AF_INET, SOCK_STREAM, 0), set = epoll_create1(0), yes = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(atoi(arguments[1])) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (file < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096))
        err(1, "cannot start");
    watch(set, listener);
    for (;;) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(set, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            int descriptor = events[i].data.fd;
            if (descriptor != listener) {
                receive(descriptor, file);
                continue;
            }
            int connection = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
            if (connection >= MAX_DESCRIPTORS)
                errx(1, "too many connections");
            if (connection < 0)
                continue;
            is_open[connection] = 1;
            if (receive(connection, file))
                receive(connection, file);
            if (is_open[connection])
                watch(set, connection);
        }
    }
}
