/* Clients that make a connection for each line, as `echo LINE | nc` does.
 *
 *     churn PORT RUN SIZE loop CLIENTS SECONDS
 *     churn PORT RUN SIZE burst CONNECTIONS MILLISECONDS
 *
 * Each connection sends one line of SIZE bytes (`nodelog verify` knows them by RUN), shuts down its side and
 * waits until the collector has closed, too. In a loop each client is a thread that makes one connection after
 * the other; in a burst all connections begin within some milliseconds, whatever became of those before.
 * Prints what `nodelog load --json` prints, as far as `nodelog verify` and the benchmark need it: a latency is
 * the time from connect() to the end of the stream.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LONGEST = 65536, MOST = 65536, PATIENCE = 20, SOURCES = 8, EVENTS = 256 };

struct client { /* or, in a burst, a connection */
    pthread_t thread;
    int number, socket;
    long sent, start;
    long *latencies, room; /* nanoseconds */
};

static struct sockaddr_in target = { .sin_family = AF_INET };
static const char *run;
static int size, count;
static long end_at, failed;
static struct client clients[MOST];

static long now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000L + time.tv_nsec;
}

/* The same line as nodelog.load.line_format makes. */
static void format(char *line, int connection, long number)
{
    static const char letters[] = "ghjkmnpqrstuvwxy";
    char head[64], digits[16], tail[64];
    int before = sprintf(head, "<%s %d> %04x %010lx ", run, size, connection, number);
    sprintf(digits, "%04x%010lx", connection, number);
    for (char *at = digits; *at; at++)
        *at = letters[*at <= '9' ? *at - '0' : *at - 'a' + 10];
    int after = sprintf(tail, "%s <%s %d>\n", digits, run, size);
    if (before + after > size)
        errx(2, "a line takes %d bytes at least", before + after);
    memset(line, '.', size);
    memcpy(line, head, before);
    memcpy(line + size - after, tail, after);
}

/* Return a socket with a source address of its own, as one has only 28,000 ports. */
static int open_socket(int number, int flags)
{
    int made = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0), yes = 1;
    struct sockaddr_in source = { .sin_family = AF_INET };
    source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + number % SOURCES);
    if (made < 0 || setsockopt(made, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes)
        || bind(made, (struct sockaddr *)&source, sizeof source))
        err(1, "socket");
    return made;
}

static void note(struct client *client)
{
    if (client->sent == client->room) {
        client->room = client->room ? 2 * client->room : 1;
        if (!(client->latencies = realloc(client->latencies, client->room * sizeof(long))))
            err(1, "malloc");
    }
    client->latencies[client->sent++] = now() - client->start;
}

static void *loop(void *argument)
{
    struct client *client = argument;
    char line[LONGEST], rest[64];
    while ((client->start = now()) < end_at) {
        format(line, client->number, client->sent);
        int made = open_socket(client->number, 0);
        struct timeval patience = { .tv_sec = PATIENCE };
        setsockopt(made, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        if (connect(made, (struct sockaddr *)&target, sizeof target) || send(made, line, size, MSG_NOSIGNAL) != size
            || shutdown(made, SHUT_WR) || recv(made, rest, sizeof rest, 0) != 0)
            __atomic_add_fetch(&failed, 1, __ATOMIC_RELAXED);
        else
            note(client);
        close(made);
    }
    return NULL;
}

/* Send the line of a connection of the burst and wait for its end; return 0 if it is not established yet. */
static int send_line(int set, struct client *client, int operation)
{
    char line[LONGEST];
    format(line, client->number, 0);
    int sent = send(client->socket, line, size, MSG_NOSIGNAL) == size && !shutdown(client->socket, SHUT_WR);
    struct epoll_event event = { .events = sent ? EPOLLIN : EPOLLOUT, .data.ptr = client };
    if (epoll_ctl(set, operation, client->socket, &event))
        err(1, "epoll_ctl");
    return sent;
}

static void begin(int set, struct client *client)
{
    client->socket = open_socket(client->number, SOCK_NONBLOCK);
    client->start = now();
    if (connect(client->socket, (struct sockaddr *)&target, sizeof target) && errno != EINPROGRESS)
        err(1, "connect");
    send_line(set, client, EPOLL_CTL_ADD); /* over the loopback it is established by now */
}

/* Take a connection of the burst a step further; return 1 if it has ended. */
static int go_on(int set, struct client *client, int events)
{
    char rest[64];
    if (events & EPOLLOUT && send_line(set, client, EPOLL_CTL_MOD))
        return 0;
    if (!(events & EPOLLOUT) && recv(client->socket, rest, sizeof rest, 0) == 0)
        note(client);
    else
        failed++;
    close(client->socket);
    return 1;
}

static void burst(long start, long span)
{
    int set = epoll_create1(EPOLL_CLOEXEC), begun = 0, ended = 0;
    while (ended < count && now() < start + PATIENCE * 1000000000L) {
        long due = span ? (now() - start) * count / span : count;
        for (; begun < count && begun <= due; begun++)
            begin(set, &clients[begun]);
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(set, events, EVENTS, begun < count ? 0 : 100);
        for (int at = 0; at < ready; at++)
            ended += go_on(set, events[at].data.ptr, events[at].events);
    }
    failed += count - ended;
}

static int ascending(const void *one, const void *other)
{
    long a = *(const long *)one, b = *(const long *)other;
    return a < b ? -1 : a > b;
}

static void report(long start, long end, double cpu)
{
    long total = 0;
    for (int at = 0; at < count; at++)
        total += clients[at].sent;
    long *all = malloc((total + 1) * sizeof(long)), filled = 0;
    for (int at = 0; at < count; at++) {
        memcpy(all + filled, clients[at].latencies, clients[at].sent * sizeof(long));
        filled += clients[at].sent;
    }
    qsort(all, total, sizeof(long), ascending);
    double seconds = (end - start) / 1e9;
    printf("{\"run\": \"%s\", \"start\": %ld, \"lines\": %ld, \"bytes\": %ld, \"seconds\": %.6f, \"cpu\": %.3f, \"failed\": %ld,",
           run, start, total, total * size, seconds, cpu, failed);
    printf(" \"latency_us\": {\"p50\": %.1f, \"p99\": %.1f, \"max\": %.1f}, \"sent\": {", total ? all[total / 2] / 1e3 : 0,
           total ? all[total * 99 / 100] / 1e3 : 0, total ? all[total - 1] / 1e3 : 0);
    for (int at = 0; at < count; at++)
        printf("%s\"%d\": %ld", at ? ", " : "", at, clients[at].sent);
    puts("}}");
}

int main(int arguments, char **argument)
{
    if (arguments != 7 || (strcmp(argument[4], "loop") && strcmp(argument[4], "burst")))
        errx(2, "usage: churn PORT RUN SIZE loop CLIENTS SECONDS | churn PORT RUN SIZE burst CONNECTIONS MILLISECONDS");
    target.sin_port = htons(atoi(argument[1]));
    target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    run = argument[2];
    size = atoi(argument[3]);
    count = atoi(argument[5]);
    if (size > LONGEST || count < 1 || count > MOST || strlen(run) > 16)
        errx(2, "at most %d bytes, %d clients and a run of 16 letters", LONGEST, MOST);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    for (int at = 0; at < count; at++)
        clients[at].number = at;
    long start = now(), last = atol(argument[6]);
    if (!strcmp(argument[4], "burst"))
        burst(start, last * 1000000L);
    else {
        end_at = start + last * 1000000000L;
        for (int at = 0; at < count; at++)
            if (pthread_create(&clients[at].thread, NULL, loop, &clients[at]))
                errx(1, "cannot start a thread");
        for (int at = 0; at < count; at++)
            pthread_join(clients[at].thread, NULL);
    }
    long end = now();
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    report(start, end, usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
    return 0;
}
