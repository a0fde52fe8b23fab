/* TCP: every way to make a connection, and every way to send on one. */
#include "attack.h"
#include <ifaddrs.h>
#include <linux/errqueue.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/sendfile.h>
#include <time.h>

#ifndef TCP_FASTOPEN_CONNECT
#define TCP_FASTOPEN_CONNECT 30
#endif
#ifndef TCP_FASTOPEN_NO_COOKIE
#define TCP_FASTOPEN_NO_COOKIE 34
#endif
#ifndef SO_ZEROCOPY
#define SO_ZEROCOPY 60
#define MSG_ZEROCOPY 0x4000000
#endif

static int tcp(int family) { return must(socket(family, SOCK_STREAM, 0)); }

static int connected(void) {
    int fd = tcp(AF_INET);
    must(connect(fd, SOCKADDR(v4)));
    return fd;
}

static void connect_v4(void) { deliver(connected()); }

static void connect_v6(void) {
    int fd = tcp(AF_INET6);
    must(connect(fd, SOCKADDR(v6)));
    deliver(fd);
}

static void connect_mapped(void) {
    int fd = tcp(AF_INET6);
    must(connect(fd, SOCKADDR(mapped)));
    deliver(fd);
}

/* A zone on an address that needs none. */
static void connect_scoped(void) {
    int fd = tcp(AF_INET6);
    struct sockaddr_in6 to = v6;
    to.sin6_scope_id = if_nametoindex(LINK);
    must(connect(fd, SOCKADDR(to)));
    deliver(fd);
}

/* The length of an IPv6 address on an IPv4 socket's, and the other way round by IPV6_ADDRFORM. */
static void connect_addrform(void) {
    int fd = tcp(AF_INET6);
    must(connect(fd, SOCKADDR(mapped)));
    must(enable(fd, IPPROTO_IPV6, 1 /* IPV6_ADDRFORM */, AF_INET));
    deliver(fd);
}

static void nonblocking(void) {
    int fd = must(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    if (connect(fd, SOCKADDR(v4)) < 0 && errno != EINPROGRESS) failed("connect");
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    must(poll(&ready, 1, 2000));
    must(fcntl(fd, F_SETFL, 0));
    deliver(fd);
}

static void fastopen(int family, struct sockaddr *to, socklen_t length) {
    int fd = tcp(family);
    enable(fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1);
    must(sendto(fd, marker, sizeof marker, MSG_FASTOPEN | MSG_NOSIGNAL, to, length));
    deliver(fd);
}

static void fastopen_v4(void) { fastopen(AF_INET, SOCKADDR(v4)); }
static void fastopen_v6(void) { fastopen(AF_INET6, SOCKADDR(v6)); }
static void fastopen_mapped(void) { fastopen(AF_INET6, SOCKADDR(mapped)); }

static void fastopen_sendmsg(void) {
    int fd = tcp(AF_INET);
    enable(fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1);
    struct iovec part = {marker, sizeof marker};
    struct msghdr message = {.msg_name = &v4, .msg_namelen = sizeof v4, .msg_iov = &part, .msg_iovlen = 1};
    must(sendmsg(fd, &message, MSG_FASTOPEN | MSG_NOSIGNAL));
    deliver(fd);
}

/* connect() returns at once, the SYN leaves with the first write. */
static void fastopen_connect(void) {
    int fd = tcp(AF_INET);
    enable(fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1);
    must(enable(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1));
    must(connect(fd, SOCKADDR(v4)));
    deliver(fd);
}

/* connect() to what is allowed is deferred; is it still that when the SYN leaves? */
static void fastopen_deferred_then_elsewhere(void) {
    int fd = tcp(AF_INET);
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof own;
    int listener = tcp(AF_INET);
    must(bind(listener, SOCKADDR(own)));
    must(listen(listener, 1));
    must(getsockname(listener, (struct sockaddr *)&own, &length));
    enable(fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1);
    must(enable(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1));
    must(connect(fd, SOCKADDR(own)));
    sendto(fd, marker, sizeof marker, MSG_FASTOPEN | MSG_NOSIGNAL, SOCKADDR(v4));
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    must(connect(fd, &none, sizeof none));
    must(connect(fd, SOCKADDR(v4)));
    deliver(fd);
}

/* A socket whose first connection was to the agent itself, used again. */
static void reconnect(void) {
    int listener = tcp(AF_INET), fd = tcp(AF_INET);
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    socklen_t length = sizeof own;
    must(bind(listener, SOCKADDR(own)));
    must(listen(listener, 1));
    must(getsockname(listener, (struct sockaddr *)&own, &length));
    must(connect(fd, SOCKADDR(own)));
    must(connect(fd, &none, sizeof none));
    must(connect(fd, SOCKADDR(v4)));
    deliver(fd);
}

static volatile int racing = 1;
static int raced;
static struct sockaddr_in own_end;

static void *to_ourselves(void *unused) {
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    while (racing) {
        connect(raced, SOCKADDR(own_end));
        connect(raced, &none, sizeof none);
    }
    return unused;
}

/* Two threads connect one socket, to what is allowed and to what is not, while it sends. */
static void reconnect_race(void) {
    int listener = tcp(AF_INET);
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof own;
    must(bind(listener, SOCKADDR(own)));
    must(listen(listener, 64));
    must(getsockname(listener, (struct sockaddr *)&own, &length));
    own_end = own;
    raced = must(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    pthread_t other;
    if (pthread_create(&other, NULL, to_ourselves, NULL) != 0) say("pthread_create");
    struct timespec now, until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += 1;
    for (int turn = 0; turn < 500; turn++) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec > until.tv_sec || (now.tv_sec == until.tv_sec && now.tv_nsec > until.tv_nsec)) break;
        connect(raced, SOCKADDR(v4));
        send(raced, marker, sizeof marker, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    racing = 0;
    pthread_join(other, NULL);
    /* Without enforcement the last one wins. */
    int fd = connected();
    deliver(fd);
}

/* Where no answer comes, the data travels in the SYN. */
static void one_way(int fd, struct sockaddr *to, socklen_t length) {
    enable(fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1);
    long sent = sendto(fd, marker, sizeof marker, MSG_FASTOPEN | MSG_NOSIGNAL | MSG_DONTWAIT, to, length);
    if (sent < 0 && errno != EINPROGRESS) failed("sendto");
    say("done");
}

static void bound_to_device(void) {
    int fd = tcp(AF_INET);
    must(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, LINK, sizeof LINK));
    must(connect(fd, SOCKADDR(v4)));
    deliver(fd);
}

/* To ourselves, but by the cable. */
static void loopback_through_device(void) {
    int fd = tcp(AF_INET), listener = tcp(AF_INET);
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof own;
    must(bind(listener, SOCKADDR(own)));
    must(listen(listener, 1));
    must(getsockname(listener, (struct sockaddr *)&own, &length));
    must(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, LINK, sizeof LINK));
    one_way(fd, SOCKADDR(own));
}

/* The same without an option: a link-local address of the host names the device. */
static void loopback_through_scope(void) {
    struct ifaddrs *all = NULL;
    struct sockaddr_in6 local = {0}, own = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t length = sizeof own;
    must(getifaddrs(&all));
    for (struct ifaddrs *at = all; at != NULL; at = at->ifa_next) {
        struct sockaddr_in6 *address = (struct sockaddr_in6 *)at->ifa_addr;
        if (address == NULL || address->sin6_family != AF_INET6 || strcmp(at->ifa_name, LINK) != 0) continue;
        if (IN6_IS_ADDR_LINKLOCAL(&address->sin6_addr)) local = *address;
    }
    if (local.sin6_family == 0) say("no link-local address");
    int fd = tcp(AF_INET6), listener = tcp(AF_INET6);
    must(bind(listener, SOCKADDR(own)));
    must(listen(listener, 1));
    must(getsockname(listener, (struct sockaddr *)&own, &length));
    /* The host may still be asking whether anybody else has the address. */
    for (int turn = 0; turn < 60 && bind(fd, SOCKADDR(local)) < 0; turn++) {
        if (errno != EADDRNOTAVAIL) failed("bind");
        poll(NULL, 0, 50);
    }
    one_way(fd, SOCKADDR(own));
}

static void fastopen_through_device(void) {
    int fd = tcp(AF_INET);
    must(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, LINK, sizeof LINK));
    one_way(fd, SOCKADDR(v4));
}

static void unicast_if(void) {
    int fd = tcp(AF_INET);
    must(enable(fd, IPPROTO_IP, IP_UNICAST_IF, (int)htonl(if_nametoindex(LINK))));
    must(connect(fd, SOCKADDR(v4)));
    deliver(fd);
}

/* From an address of others: ours would answer to it. */
static void bound_freely(const char *source) {
    int fd = tcp(AF_INET6);
    struct sockaddr_in6 foreign = {.sin6_family = AF_INET6};
    inet_pton(AF_INET6, source, &foreign.sin6_addr);
    must(enable(fd, IPPROTO_IP, IP_FREEBIND, 1));
    must(bind(fd, SOCKADDR(foreign)));
    one_way(fd, SOCKADDR(v6));
}

static void freebind(void) { bound_freely("2001:db8:2::d"); }
static void freebind_neighbour(void) { bound_freely("2001:db8:1::77"); }

static void transparent(void) {
    int fd = tcp(AF_INET);
    struct sockaddr_in foreign = {.sin_family = AF_INET};
    inet_pton(AF_INET, "198.51.100.77", &foreign.sin_addr);
    must(enable(fd, IPPROTO_IP, IP_TRANSPARENT, 1));
    must(bind(fd, SOCKADDR(foreign)));
    one_way(fd, SOCKADDR(v4));
}

static void marked(void) {
    int fd = tcp(AF_INET);
    must(enable(fd, SOL_SOCKET, SO_MARK, 0x1234));
    must(connect(fd, SOCKADDR(v4)));
    deliver(fd);
}

/* A connection that exists without a handshake, to where nobody contradicts. */
static void repair(void) {
    int fd = tcp(AF_INET);
    struct sockaddr_in silent = v4;
    inet_pton(AF_INET, "203.0.113.99", &silent.sin_addr);
    must(enable(fd, IPPROTO_TCP, TCP_REPAIR, 1));
    must(connect(fd, SOCKADDR(silent)));
    /* What the other side would have allowed us to send. */
    struct tcp_repair_window window = {.snd_wnd = 65535, .max_window = 65535, .rcv_wnd = 65535};
    must(setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, &window, sizeof window));
    must(enable(fd, IPPROTO_TCP, TCP_REPAIR, 0));
    deliver(fd);
}

static void zerocopy(void) {
    int fd = connected();
    must(enable(fd, SOL_SOCKET, SO_ZEROCOPY, 1));
    must(send(fd, marker, sizeof marker, MSG_ZEROCOPY | MSG_NOSIGNAL));
    deliver(fd);
}

static void by_sendfile(void) {
    int fd = connected(), file = must(memfd_create("payload", 0));
    must(write(file, marker, sizeof marker));
    off_t from = 0;
    must(sendfile(fd, file, &from, sizeof marker));
    deliver(fd);
}

static void by_splice(void) {
    int fd = connected(), ends[2];
    must(pipe(ends));
    must(write(ends[1], marker, sizeof marker));
    must(splice(ends[0], NULL, fd, NULL, sizeof marker, 0));
    deliver(fd);
}

static void by_vmsplice(void) {
    int fd = connected(), ends[2];
    struct iovec part = {marker, sizeof marker};
    must(pipe(ends));
    must(vmsplice(ends[1], &part, 1, SPLICE_F_GIFT));
    must(splice(ends[0], NULL, fd, NULL, sizeof marker, SPLICE_F_MORE));
    deliver(fd);
}

static void out_of_band(void) {
    int fd = connected();
    must(send(fd, marker, sizeof marker, MSG_OOB | MSG_NOSIGNAL));
    deliver(fd);
}

static void by_write(void) {
    int fd = connected();
    must(write(fd, marker, sizeof marker));
    deliver(fd);
}

static void after_fork_and_dup(void) {
    int fd = dup(connected());
    pid_t child = must(fork());
    if (child == 0) {
        current = "child";
        must(send(fd, marker, sizeof marker, MSG_NOSIGNAL));
        _exit(0);
    }
    waitpid(child, NULL, 0);
    deliver(fd);
}

static void multipath(void) {
    int fd = must(socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP));
    must(connect(fd, SOCKADDR(v4)));
    deliver(fd);
}

static void multipath_v6(void) {
    int fd = must(socket(AF_INET6, SOCK_STREAM, IPPROTO_MPTCP));
    must(connect(fd, SOCKADDR(v6)));
    deliver(fd);
}

static void multipath_fastopen(void) {
    int fd = must(socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP));
    must(sendto(fd, marker, sizeof marker, MSG_FASTOPEN | MSG_NOSIGNAL, SOCKADDR(v4)));
    deliver(fd);
}

/* To an IPv6 address that somebody on the way takes for the IPv4 target. Nobody answers there in the laboratory: one socket
 * knocks, another sends its data in the SYN. */
static void in_disguise(const char *prefix, int at) {
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = v4.sin_port};
    inet_pton(AF_INET6, prefix, &to.sin6_addr);
    memcpy(to.sin6_addr.s6_addr + at, &v4.sin_addr, 4);
    int knock = must(socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0)), fd = must(socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0));
    connect(knock, SOCKADDR(to));
    enable(fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1);
    sendto(fd, marker, sizeof marker, MSG_FASTOPEN | MSG_NOSIGNAL, SOCKADDR(to));
    struct pollfd ready[2] = {{.fd = knock, .events = POLLOUT}, {.fd = fd, .events = POLLOUT}};
    poll(ready, 2, 200);
    send(knock, marker, sizeof marker, MSG_NOSIGNAL);
    say("done");
}

static void nat64(void) { in_disguise("64:ff9b::", 12); }
static void nat64_local_use(void) { in_disguise("64:ff9b:1::", 12); }
static void six_to_four(void) { in_disguise("2002::1", 2); }
static void teredo(void) { in_disguise("2001::", 4); }
static void isatap(void) { in_disguise("2001:db8:7::5efe:0:0", 12); }
static void v4_compatible(void) { in_disguise("::", 12); }

static const struct attempt attempts[] = {
    {"connect_v4", connect_v4},
    {"connect_v6", connect_v6},
    {"connect_mapped", connect_mapped},
    {"connect_scoped", connect_scoped},
    {"connect_addrform", connect_addrform},
    {"nonblocking", nonblocking},
    {"fastopen_v4", fastopen_v4},
    {"fastopen_v6", fastopen_v6},
    {"fastopen_mapped", fastopen_mapped},
    {"fastopen_sendmsg", fastopen_sendmsg},
    {"fastopen_connect", fastopen_connect},
    {"fastopen_deferred_then_elsewhere", fastopen_deferred_then_elsewhere},
    {"reconnect", reconnect},
    {"reconnect_race", reconnect_race},
    {"bound_to_device", bound_to_device},
    {"loopback_through_device", loopback_through_device},
    {"loopback_through_scope", loopback_through_scope},
    {"fastopen_through_device", fastopen_through_device},
    {"unicast_if", unicast_if},
    {"freebind", freebind},
    {"freebind_neighbour", freebind_neighbour},
    {"transparent", transparent},
    {"marked", marked},
    {"repair", repair},
    {"zerocopy", zerocopy},
    {"by_sendfile", by_sendfile},
    {"by_splice", by_splice},
    {"by_vmsplice", by_vmsplice},
    {"out_of_band", out_of_band},
    {"by_write", by_write},
    {"after_fork_and_dup", after_fork_and_dup},
    {"nat64", nat64},
    {"nat64_local_use", nat64_local_use},
    {"six_to_four", six_to_four},
    {"teredo", teredo},
    {"isatap", isatap},
    {"v4_compatible", v4_compatible},
    {"multipath", multipath},
    {"multipath_v6", multipath_v6},
    {"multipath_fastopen", multipath_fastopen},
};

MAIN(attempts)
