/* Sockets made before the process was an agent, and used by the agent. The environment says how they change hands:
 *
 *   HOLD=DIRECTORY   all in one process, which waits between: it writes DIRECTORY/ready.ATTEMPT, and goes on when there is a
 *                    DIRECTORY/go. Who enrols the process meanwhile is not its affair.
 *   RUN=COMMAND      the socket is inherited by COMMAND (words), which executes this program again to use it.
 *   neither          used at once. */
#include "attack.h"
#include <net/ethernet.h>
#include <linux/if_packet.h>
#include <sys/stat.h>

/* Where the second half finds the socket. */
#define INHERITED 100

struct pair {
    const char *name;
    int (*make)(void);
    void (*use)(int fd);
};

static int unconnected_tcp(void) { return must(socket(AF_INET, SOCK_STREAM, 0)); }
static int unconnected_tcp6(void) { return must(socket(AF_INET6, SOCK_STREAM, 0)); }
static int unconnected_udp(void) { return must(socket(AF_INET, SOCK_DGRAM, 0)); }
static int unconnected_udp6(void) { return must(socket(AF_INET6, SOCK_DGRAM, 0)); }
static int raw_ip(void) { return must(socket(AF_INET, SOCK_RAW, 253)); }
static int multipath(void) { return must(socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP)); }
static int packet(void) { return must(socket(AF_PACKET, SOCK_DGRAM, 0)); }

static int connected_tcp(void) {
    int fd = unconnected_tcp();
    must(connect(fd, SOCKADDR(v4)));
    return fd;
}

static int connected_tcp6(void) {
    int fd = unconnected_tcp6();
    must(connect(fd, SOCKADDR(v6)));
    return fd;
}

static int connected_udp(void) {
    int fd = unconnected_udp();
    must(connect(fd, SOCKADDR(v4)));
    return fd;
}

static void use_connected(int fd) { deliver(fd); }

static void use_tcp(int fd) {
    must(connect(fd, SOCKADDR(v4)));
    deliver(fd);
}

static void use_tcp6(int fd) {
    must(connect(fd, SOCKADDR(v6)));
    deliver(fd);
}

static void use_fastopen(int fd) {
    enable(fd, IPPROTO_TCP, 34 /* TCP_FASTOPEN_NO_COOKIE */, 1);
    must(sendto(fd, marker, sizeof marker, MSG_FASTOPEN | MSG_NOSIGNAL, SOCKADDR(v4)));
    deliver(fd);
}

static void use_datagram(int fd) { must(sendto(fd, marker, sizeof marker, 0, SOCKADDR(v4))); }
static void use_datagram6(int fd) { must(sendto(fd, marker, sizeof marker, 0, SOCKADDR(v6))); }
static void use_connected_datagram(int fd) { must(send(fd, marker, sizeof marker, 0)); }

static void use_packet(int fd) {
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = htons(0x88b5), .sll_ifindex = (int)if_nametoindex(LINK), .sll_halen = 6, .sll_addr = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
    must(sendto(fd, marker, sizeof marker, 0, SOCKADDR(to)));
}

static const struct pair pairs[] = {
    {"tcp", unconnected_tcp, use_tcp},
    {"tcp6", unconnected_tcp6, use_tcp6},
    {"fastopen", unconnected_tcp, use_fastopen},
    {"tcp_connected", connected_tcp, use_connected},
    {"tcp6_connected", connected_tcp6, use_connected},
    {"multipath", multipath, use_tcp},
    {"udp", unconnected_udp, use_datagram},
    {"udp6", unconnected_udp6, use_datagram6},
    {"udp_connected", connected_udp, use_connected_datagram},
    {"udp_connected_elsewhere", connected_udp, use_datagram},
    {"raw_ip", raw_ip, use_datagram},
    {"packet", packet, use_packet},
};
#define PAIRS (sizeof pairs / sizeof pairs[0])

static char **arguments;

static void hold(const char *directory) {
    char path[256];
    struct stat go;
    snprintf(path, sizeof path, "%s/ready.%s", directory, current);
    must(open(path, O_CREAT | O_WRONLY, 0600));
    snprintf(path, sizeof path, "%s/go", directory);
    alarm(25);
    while (stat(path, &go) != 0) poll(NULL, 0, 10);
    alarm(3);
}

/* Becomes COMMAND PROGRAM ... ATTEMPT, to which STAGE says that the socket is there. */
static void hand_over(int fd, const char *command) {
    char words[512], *all[32];
    size_t count = 0;
    snprintf(words, sizeof words, "%s", command);
    for (char *word = strtok(words, " "); word != NULL && count < 20; word = strtok(NULL, " ")) all[count++] = word;
    for (size_t at = 0; at < 5; at++) all[count++] = arguments[at];
    all[count++] = (char *)current;
    all[count] = NULL;
    must(dup2(fd, INHERITED));
    if (getenv("STREAM")) must(dup2(fd, 0));
    setenv("STAGE", "use", 1);
    alarm(0);
    execv(all[0], all);
    failed("execv");
}

static void perform(void) {
    for (size_t at = 0; at < PAIRS; at++) {
        if (strcmp(pairs[at].name, current) != 0) continue;
        if (getenv("STAGE")) {
            pairs[at].use(getenv("STREAM") ? 0 : INHERITED);
            say("done");
        }
        int fd = pairs[at].make();
        if (getenv("RUN")) hand_over(fd, getenv("RUN"));
        if (getenv("HOLD")) hold(getenv("HOLD"));
        pairs[at].use(fd);
        say("done");
    }
}

int main(int argc, char **argv) {
    struct attempt attempts[PAIRS];
    arguments = argv;
    for (size_t at = 0; at < PAIRS; at++) attempts[at] = (struct attempt){pairs[at].name, perform};
    return run_attempts(argc, argv, attempts, PAIRS);
}
