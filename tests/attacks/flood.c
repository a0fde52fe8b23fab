// One agent that makes as many sockets as it can: TCP towards denied and allowed hosts, questions to a resolver,
// datagrams that are refused, sockets that are none of its business. They are held open as long as there is room.
//
// flood TOTAL SECONDS PROCESSES: TOTAL sockets, spread over SECONDS (longer where the machine is slow), by PROCESSES
// that each hold as many as their limit allows. Prints what became of them, one line for each process.

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// Descriptors of one process; the first few are its own.
#define LIMIT 4096
#define HELD (LIMIT - 16)
// How long it waits at most, in multiples of the time it was given.
#define PATIENCE 4

struct counts {
    long made, connected, sent, refused, failed;
};

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static struct sockaddr_in place(const char *host, int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, host, &address.sin_addr);
    return address;
}

static void note(struct counts *counts, long result, long *good) {
    if (result >= 0 || errno == EINPROGRESS)
        (*good)++;
    else if (errno == EPERM || errno == ECONNREFUSED)
        counts->refused++;
    else
        counts->failed++;
}

// A question for a name of its own, RFC 1035 section 4.
static int question(unsigned char *bytes, unsigned number) {
    static const unsigned char head[] = {0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 14};
    static const unsigned char tail[] = {6, 'd', 'e', 'n', 'i', 'e', 'd', 4, 't', 'e', 's', 't', 0, 0, 1, 0, 1};
    memcpy(bytes, head, sizeof head);
    char label[15];
    snprintf(label, sizeof label, "flood-%08u", number % 100000000);
    memcpy(bytes + sizeof head, label, 14);
    memcpy(bytes + sizeof head + 14, tail, sizeof tail);
    return sizeof head + 14 + sizeof tail;
}

static int one(unsigned number, struct counts *counts) {
    struct sockaddr_in denied = place("203.0.113.66", 443), allowed = place("203.0.113.10", 443);
    struct sockaddr_in resolver = place("203.0.113.53", 53);
    unsigned char bytes[64];
    int kind = number % 8 < 4 ? SOCK_STREAM : SOCK_DGRAM;
    int fd = socket(AF_INET, kind | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        counts->failed++;
        return -1;
    }
    counts->made++;
    if (kind == SOCK_STREAM) {
        struct sockaddr_in *to = number & 1 ? &denied : &allowed;
        note(counts, connect(fd, (struct sockaddr *)to, sizeof *to), &counts->connected);
    } else {
        struct sockaddr_in *to = number % 8 < 7 ? &resolver : &denied;
        int length = question(bytes, number);
        note(counts, sendto(fd, bytes, length, 0, (struct sockaddr *)to, sizeof *to), &counts->sent);
    }
    return fd;
}

static void flood(unsigned share, double seconds, unsigned first) {
    static int held[HELD];
    struct counts counts = {0};
    double start = now();
    memset(held, -1, sizeof held);
    for (unsigned n = 0; n < share && now() - start < seconds * PATIENCE; n++) {
        int *place = &held[n % HELD];
        if (*place >= 0)
            close(*place);
        *place = one(first + n, &counts);
        double ahead = start + seconds * n / share - now();
        if (ahead > 0)
            usleep(ahead * 1e6);
    }
    printf("made %ld connected %ld sent %ld refused %ld failed %ld in %.1f s\n", counts.made, counts.connected, counts.sent,
           counts.refused, counts.failed, now() - start);
}

int main(int count, char **words) {
    if (count != 4) {
        fprintf(stderr, "usage: flood TOTAL SECONDS PROCESSES\n");
        return 2;
    }
    unsigned total = atoi(words[1]), processes = atoi(words[3]);
    double seconds = atof(words[2]);
    struct rlimit limit = {LIMIT, LIMIT};
    if (setrlimit(RLIMIT_NOFILE, &limit))
        perror("setrlimit");
    for (unsigned n = 0; n < processes; n++) {
        if (fork() == 0) {
            flood(total / processes, seconds, n * (total / processes));
            return 0;
        }
    }
    while (wait(NULL) > 0)
        ;
    return 0;
}
