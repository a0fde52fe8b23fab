/* What every attack program shares.
 *
 *   PROGRAM MARKER TARGET4 TARGET6 PORT [ATTEMPT...]
 *
 * Each attempt runs in a process of its own, all at the same time, and tries to bring bytes that contain
 * "MARKER.ATTEMPT." to the target. It prints one line: "ATTEMPT: done", or the step that failed with its errno. The line says
 * that the attempt ran; whether it got out is for the packet capture to say. */
#ifndef ATTACK_H
#define ATTACK_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* Newer than the headers of some distributions. */
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_CORK
#define UDP_CORK 1
#endif
#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

struct attempt {
    const char *name;
    void (*body)(void);
};

/* Of the running attempt: what to send, as often as it fits, and where. */
static char marker[1024];
static struct sockaddr_in v4;
static struct sockaddr_in6 v6, mapped;
static int port;
static const char *current;

#define LINK "eth0"

static void __attribute__((noreturn, unused)) say(const char *what) {
    char line[256];
    int length = snprintf(line, sizeof line, "%s: %s\n", current, what);
    if (write(1, line, (size_t)length) < 0) _exit(2);
    _exit(0);
}

static void __attribute__((noreturn, unused)) failed(const char *step) {
    char what[128];
    snprintf(what, sizeof what, "%s: %s", step, strerrorname_np(errno) ? strerrorname_np(errno) : "?");
    say(what);
}

/* The value of a system call that must succeed for the attempt to go on. */
#define must(call) ({ long value_ = (long)(call); if (value_ < 0) failed(#call); (int)value_; })

static void timed_out(int signal) {
    (void)signal;
    say("timed out");
}

static void resolve(const char *text, void *address, size_t size) {
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST}, *found = NULL;
    if (getaddrinfo(text, NULL, &hints, &found) != 0 || found->ai_addrlen > size) {
        fprintf(stderr, "%s is no address\n", text);
        exit(2);
    }
    memcpy(address, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
}

static void prepare(const struct attempt *attempt, const char *prefix) {
    char one[256];
    size_t length = (size_t)snprintf(one, sizeof one, "%s.%s.", prefix, attempt->name);
    current = attempt->name;
    for (size_t at = 0; at < sizeof marker; at++) marker[at] = one[at % length];
}

/* Sends all of the marker on a connected socket, and waits a moment for an answer or the end: some stacks send the first
 * bytes only when the handshake is over. */
static void __attribute__((unused)) deliver(int fd) {
    must(send(fd, marker, sizeof marker, MSG_NOSIGNAL));
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    poll(&wait, 1, 1000);
    say("done");
}

static int __attribute__((unused)) wanted(const char *name, int argc, char **argv) {
    for (int at = 5; at < argc; at++)
        if (strcmp(argv[at], name) == 0) return 1;
    return argc <= 5;
}

static int run_attempts(int argc, char **argv, const struct attempt *attempts, size_t count) {
    if (argc < 5) {
        fprintf(stderr, "usage: %s MARKER TARGET4 TARGET6 PORT [ATTEMPT...]\n", argv[0]);
        return 2;
    }
    port = atoi(argv[4]);
    resolve(argv[2], &v4, sizeof v4);
    resolve(argv[3], &v6, sizeof v6);
    v4.sin_port = v6.sin6_port = htons((uint16_t)port);
    mapped = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = v4.sin_port};
    memcpy(mapped.sin6_addr.s6_addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
    memcpy(mapped.sin6_addr.s6_addr + 12, &v4.sin_addr, 4);
    for (size_t at = 0; at < count; at++) {
        if (!wanted(attempts[at].name, argc, argv)) continue;
        pid_t child = fork();
        if (child < 0) {
            perror("fork");
            return 2;
        }
        if (child == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            signal(SIGALRM, timed_out);
            /* Far above what any of them needs: machines that build meanwhile are slow. */
            alarm(8);
            prepare(&attempts[at], argv[1]);
            attempts[at].body();
            say("done");
        }
    }
    int status, crashed = 0;
    while (wait(&status) > 0)
        if (!WIFEXITED(status)) crashed = 1;
    return crashed;
}

#define MAIN(attempts) \
    int main(int argc, char **argv) { return run_attempts(argc, argv, attempts, sizeof attempts / sizeof attempts[0]); }

#define SOCKADDR(address) (struct sockaddr *)&(address), sizeof(address)

static int __attribute__((unused)) enable(int fd, int level, int option, int value) {
    return setsockopt(fd, level, option, &value, sizeof value);
}
#endif
