/* A process that is nobody's agent and sends what it is made to: the stand-in for every helper of the host.
 *
 *   victim TARGET4 PORT REPORT
 *
 * It writes "PID ADDRESS DESCRIPTOR" to the file REPORT: what it finds at ADDRESS (8 slots of 64 bytes) it sends, what comes to
 * its abstract unix socket "atk-PID" it sends, and its descriptor is a UDP socket connected to the target. */
#include <arpa/inet.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static volatile char slots[8][64];

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
    struct sockaddr_un here = {.sun_family = AF_UNIX};
    inet_pton(AF_INET, argv[1], &to.sin_addr);
    int out = socket(AF_INET, SOCK_DGRAM, 0), ear = socket(AF_UNIX, SOCK_DGRAM, 0);
    if (connect(out, (struct sockaddr *)&to, sizeof to) < 0) return 3;
    int length = snprintf(here.sun_path + 1, sizeof here.sun_path - 1, "atk-%d", getpid());
    if (bind(ear, (struct sockaddr *)&here, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length)) < 0) return 4;
    char draft[256];
    snprintf(draft, sizeof draft, "%s.draft", argv[3]);
    FILE *report = fopen(draft, "w");
    if (report == NULL) return 5;
    fprintf(report, "%d %p %d\n", getpid(), (void *)slots, out);
    fclose(report);
    if (rename(draft, argv[3]) != 0) return 6;
    for (;;) {
        struct pollfd wait = {.fd = ear, .events = POLLIN};
        if (poll(&wait, 1, 10) > 0) {
            char heard[64];
            ssize_t size = recv(ear, heard, sizeof heard, 0);
            if (size > 0) send(out, heard, (size_t)size, 0);
        }
        for (int at = 0; at < 8; at++)
            if (slots[at][0] != 0) {
                send(out, (const void *)slots[at], sizeof slots[at], 0);
                slots[at][0] = 0;
            }
    }
}
