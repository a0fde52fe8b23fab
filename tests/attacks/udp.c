/* UDP: every call that sends a datagram. */
#include "attack.h"
#include <linux/errqueue.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <sys/sendfile.h>

#ifndef SO_ZEROCOPY
#define SO_ZEROCOPY 60
#define MSG_ZEROCOPY 0x4000000
#endif
#ifndef IPPROTO_UDPLITE
#define IPPROTO_UDPLITE 136
#endif

static int udp(int family) { return must(socket(family, SOCK_DGRAM, 0)); }

static int connected(void) {
    int fd = udp(AF_INET);
    must(connect(fd, SOCKADDR(v4)));
    return fd;
}

static void to(int fd, struct sockaddr *address, socklen_t length) {
    must(sendto(fd, marker, sizeof marker, 0, address, length));
}

static void sendto_v4(void) { to(udp(AF_INET), SOCKADDR(v4)); }
static void sendto_v6(void) { to(udp(AF_INET6), SOCKADDR(v6)); }
static void sendto_mapped(void) { to(udp(AF_INET6), SOCKADDR(mapped)); }

static void sendto_scoped(void) {
    struct sockaddr_in6 scoped = v6;
    scoped.sin6_scope_id = if_nametoindex(LINK);
    to(udp(AF_INET6), SOCKADDR(scoped));
}

static void connected_send(void) { must(send(connected(), marker, sizeof marker, 0)); }
static void connected_write(void) { must(write(connected(), marker, sizeof marker)); }

static void connected_v6(void) {
    int fd = udp(AF_INET6);
    must(connect(fd, SOCKADDR(v6)));
    must(send(fd, marker, sizeof marker, 0));
}

static void connected_mapped(void) {
    int fd = udp(AF_INET6);
    must(connect(fd, SOCKADDR(mapped)));
    must(send(fd, marker, sizeof marker, 0));
}

/* Where every agent may connect to: a resolver. */
static struct sockaddr_in resolver(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(53)};
    inet_pton(AF_INET, "203.0.113.54", &address.sin_addr);
    return address;
}

static void connected_elsewhere(void) {
    int fd = udp(AF_INET);
    struct sockaddr_in first = resolver();
    must(connect(fd, SOCKADDR(first)));
    to(fd, SOCKADDR(v4));
}

static void disconnected(void) {
    int fd = udp(AF_INET);
    struct sockaddr_in first = resolver();
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    must(connect(fd, SOCKADDR(first)));
    must(connect(fd, &none, sizeof none));
    must(connect(fd, SOCKADDR(v4)));
    must(send(fd, marker, sizeof marker, 0));
}

/* AF_UNSPEC in place of a family: Linux takes it for IPv4 in sendto. */
static void family_unspecified(void) {
    struct sockaddr_in address = v4;
    address.sin_family = AF_UNSPEC;
    to(udp(AF_INET), SOCKADDR(address));
}

/* An IPv4 address given to an IPv6 socket. */
static void family_v4_on_v6(void) { to(udp(AF_INET6), SOCKADDR(v4)); }

static void send_message(int fd, void *name, socklen_t length, void *control, size_t size, int flags) {
    struct iovec part = {marker, sizeof marker};
    struct msghdr message = {
        .msg_name = name, .msg_namelen = length, .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = size};
    must(sendmsg(fd, &message, flags));
}

static void sendmsg_v4(void) { send_message(udp(AF_INET), &v4, sizeof v4, NULL, 0, 0); }
static void sendmsg_v6(void) { send_message(udp(AF_INET6), &v6, sizeof v6, NULL, 0, 0); }

/* The first to what is redirected, the second to the target. */
static void sendmmsg_second(void) {
    struct sockaddr_in first = resolver();
    struct iovec part = {marker, sizeof marker};
    struct mmsghdr messages[2] = {
        {.msg_hdr = {.msg_name = &first, .msg_namelen = sizeof first, .msg_iov = &part, .msg_iovlen = 1}},
        {.msg_hdr = {.msg_name = &v4, .msg_namelen = sizeof v4, .msg_iov = &part, .msg_iovlen = 1}},
    };
    must(sendmmsg(udp(AF_INET), messages, 2, 0));
}

static void sendmmsg_connected(void) {
    struct iovec part = {marker, sizeof marker};
    struct mmsghdr messages[2] = {{.msg_hdr = {.msg_iov = &part, .msg_iovlen = 1}}, {.msg_hdr = {.msg_iov = &part, .msg_iovlen = 1}}};
    must(sendmmsg(connected(), messages, 2, 0));
}

/* One control message of one value. */
struct ancillary {
    union {
        char bytes[CMSG_SPACE(64)];
        struct cmsghdr align;
    };
    size_t size;
};

static struct ancillary ancillary(int level, int type, const void *value, size_t length) {
    struct ancillary made = {.size = CMSG_SPACE(length)};
    struct cmsghdr *head = (struct cmsghdr *)made.bytes;
    head->cmsg_level = level;
    head->cmsg_type = type;
    head->cmsg_len = CMSG_LEN(length);
    memcpy(CMSG_DATA(head), value, length);
    return made;
}

/* One call, several datagrams. */
static void segmented_by_message(void) {
    uint16_t size = 512;
    struct ancillary control = ancillary(IPPROTO_UDP, UDP_SEGMENT, &size, sizeof size);
    send_message(udp(AF_INET), &v4, sizeof v4, control.bytes, control.size, 0);
}

static void segmented_by_option(void) {
    int fd = udp(AF_INET6);
    must(enable(fd, IPPROTO_UDP, UDP_SEGMENT, 512));
    to(fd, SOCKADDR(v6));
}

static void segmented_connected(void) {
    int fd = connected();
    must(enable(fd, IPPROTO_UDP, UDP_SEGMENT, 512));
    must(send(fd, marker, sizeof marker, 0));
}

static void fragmented(void) {
    static char large[8000];
    for (size_t at = 0; at < sizeof large; at++) large[at] = marker[at % sizeof marker];
    must(sendto(udp(AF_INET), large, sizeof large, 0, SOCKADDR(v4)));
}

static void corked_by_flag(void) {
    int fd = udp(AF_INET);
    must(sendto(fd, marker, 512, MSG_MORE, SOCKADDR(v4)));
    must(sendto(fd, marker + 512, 512, 0, SOCKADDR(v4)));
}

static void corked_by_option(void) {
    int fd = connected();
    must(enable(fd, IPPROTO_UDP, UDP_CORK, 1));
    must(send(fd, marker, sizeof marker, 0));
    must(enable(fd, IPPROTO_UDP, UDP_CORK, 0));
}

/* Begun towards what is redirected, finished towards the target. */
static void corked_then_elsewhere(void) {
    int fd = udp(AF_INET);
    struct sockaddr_in first = resolver();
    must(sendto(fd, marker, 512, MSG_MORE, SOCKADDR(first)));
    connect(fd, SOCKADDR(v4));
    must(sendto(fd, marker + 512, 512, 0, SOCKADDR(v4)));
    must(send(fd, marker, sizeof marker, 0));
}

static void zerocopy(void) {
    int fd = connected();
    must(enable(fd, SOL_SOCKET, SO_ZEROCOPY, 1));
    must(send(fd, marker, sizeof marker, MSG_ZEROCOPY));
}

static void by_sendfile(void) {
    int fd = connected(), file = must(memfd_create("payload", 0));
    must(write(file, marker, sizeof marker));
    off_t from = 0;
    must(sendfile(fd, file, &from, sizeof marker));
}

static void by_splice(void) {
    int fd = connected(), ends[2];
    must(pipe(ends));
    must(write(ends[1], marker, sizeof marker));
    must(splice(ends[0], NULL, fd, NULL, sizeof marker, 0));
}

static void by_vmsplice(void) {
    int fd = connected(), ends[2];
    struct iovec part = {marker, sizeof marker};
    must(pipe(ends));
    must(vmsplice(ends[1], &part, 1, SPLICE_F_GIFT));
    must(splice(ends[0], NULL, fd, NULL, sizeof marker, 0));
}

static void broadcast(void) {
    int fd = udp(AF_INET);
    struct sockaddr_in all = v4;
    inet_pton(AF_INET, "198.51.100.255", &all.sin_addr);
    must(enable(fd, SOL_SOCKET, SO_BROADCAST, 1));
    to(fd, SOCKADDR(all));
}

static void limited_broadcast(void) {
    int fd = udp(AF_INET);
    struct sockaddr_in all = v4;
    all.sin_addr.s_addr = INADDR_BROADCAST;
    must(enable(fd, SOL_SOCKET, SO_BROADCAST, 1));
    to(fd, SOCKADDR(all));
}

static void multicast_v4(void) {
    int fd = udp(AF_INET);
    struct sockaddr_in group = v4;
    struct ip_mreqn through = {.imr_ifindex = (int)if_nametoindex(LINK)};
    inet_pton(AF_INET, "239.1.2.3", &group.sin_addr);
    must(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &through, sizeof through));
    to(fd, SOCKADDR(group));
}

static void multicast_v6(void) {
    struct sockaddr_in6 group = v6;
    inet_pton(AF_INET6, "ff02::fb", &group.sin6_addr);
    group.sin6_scope_id = if_nametoindex(LINK);
    to(udp(AF_INET6), SOCKADDR(group));
}

static void packet_info_v4(void) {
    struct in_pktinfo info = {.ipi_ifindex = (int)if_nametoindex(LINK)};
    struct ancillary control = ancillary(IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    send_message(udp(AF_INET), &v4, sizeof v4, control.bytes, control.size, 0);
}

static void packet_info_v6(void) {
    struct in6_pktinfo info = {.ipi6_ifindex = if_nametoindex(LINK)};
    struct ancillary control = ancillary(IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
    send_message(udp(AF_INET6), &v6, sizeof v6, control.bytes, control.size, 0);
}

/* Past the routing table. */
static void dont_route(void) {
    int fd = udp(AF_INET6);
    struct sockaddr_in6 neighbour = v6;
    inet_pton(AF_INET6, "2001:db8:1::1", &neighbour.sin6_addr);
    must(sendto(fd, marker, sizeof marker, MSG_DONTROUTE, SOCKADDR(neighbour)));
}

static void bound_to_device(void) {
    int fd = udp(AF_INET);
    must(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, LINK, sizeof LINK));
    to(fd, SOCKADDR(v4));
}

/* What is redirected to the host itself, and what is the agent's own, but by the cable. */
static void resolver_through_device(void) {
    int fd = udp(AF_INET);
    struct sockaddr_in first = resolver();
    must(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, LINK, sizeof LINK));
    to(fd, SOCKADDR(first));
}

static void resolver_by_packet_info(void) {
    struct sockaddr_in first = resolver();
    struct in_pktinfo info = {.ipi_ifindex = (int)if_nametoindex(LINK)};
    struct ancillary control = ancillary(IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    send_message(udp(AF_INET), &first, sizeof first, control.bytes, control.size, 0);
}

static void loopback_through_device(void) {
    int fd = udp(AF_INET), listener = udp(AF_INET);
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof own;
    must(bind(listener, SOCKADDR(own)));
    must(getsockname(listener, (struct sockaddr *)&own, &length));
    must(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, LINK, sizeof LINK));
    to(fd, SOCKADDR(own));
}

/* From an address of others; the second to what is redirected, whose answer would go there. */
static int bound_freely(const char *source) {
    int fd = udp(AF_INET6);
    struct sockaddr_in6 foreign = {.sin6_family = AF_INET6};
    inet_pton(AF_INET6, source, &foreign.sin6_addr);
    must(enable(fd, IPPROTO_IP, IP_FREEBIND, 1));
    must(bind(fd, SOCKADDR(foreign)));
    return fd;
}

static void freebind(void) { to(bound_freely("2001:db8:2::d"), SOCKADDR(v6)); }

static void freebind_to_resolver(void) {
    /* A question that parses: for the name that the marker is. */
    unsigned char query[128] = {0x12, 0x34, 1, 0, 0, 1};
    size_t length = strcspn(marker, ".") + 1;
    query[12] = (unsigned char)(length - 1);
    memcpy(query + 13, marker, length - 1);
    query[14 + length] = query[16 + length] = 1;
    struct sockaddr_in6 first = v6;
    first.sin6_port = htons(53);
    int fd = bound_freely("2001:db8:2::d");
    must(sendto(fd, query, 17 + length, 0, SOCKADDR(first)));
    poll(NULL, 0, 300);
}

static void transparent(void) {
    int fd = udp(AF_INET);
    struct sockaddr_in foreign = {.sin_family = AF_INET};
    inet_pton(AF_INET, "198.51.100.77", &foreign.sin_addr);
    must(enable(fd, IPPROTO_IP, IP_TRANSPARENT, 1));
    must(bind(fd, SOCKADDR(foreign)));
    to(fd, SOCKADDR(v4));
}

static void marked(void) {
    uint32_t mark = 0x1234;
    struct ancillary control = ancillary(SOL_SOCKET, SO_MARK, &mark, sizeof mark);
    send_message(udp(AF_INET), &v4, sizeof v4, control.bytes, control.size, 0);
}

static void lite_v4(void) { to(must(socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE)), SOCKADDR(v4)); }
static void lite_v6(void) { to(must(socket(AF_INET6, SOCK_DGRAM, IPPROTO_UDPLITE)), SOCKADDR(v6)); }

static int raced;

static void *between(void *unused) {
    struct sockaddr_in first = resolver();
    for (int turn = 0; turn < 500; turn++) connect(raced, SOCKADDR(first));
    return unused;
}

/* The socket is connected to and fro while it sends. */
static void reconnect_race(void) {
    pthread_t other;
    raced = udp(AF_INET);
    if (pthread_create(&other, NULL, between, NULL) != 0) say("pthread_create");
    for (int turn = 0; turn < 500; turn++) {
        connect(raced, SOCKADDR(v4));
        send(raced, marker, sizeof marker, MSG_DONTWAIT);
        sendto(raced, marker, sizeof marker, MSG_DONTWAIT, SOCKADDR(v4));
    }
    pthread_join(other, NULL);
}

static const struct attempt attempts[] = {
    {"sendto_v4", sendto_v4},
    {"sendto_v6", sendto_v6},
    {"sendto_mapped", sendto_mapped},
    {"sendto_scoped", sendto_scoped},
    {"connected_send", connected_send},
    {"connected_write", connected_write},
    {"connected_v6", connected_v6},
    {"connected_mapped", connected_mapped},
    {"connected_elsewhere", connected_elsewhere},
    {"disconnected", disconnected},
    {"family_unspecified", family_unspecified},
    {"family_v4_on_v6", family_v4_on_v6},
    {"sendmsg_v4", sendmsg_v4},
    {"sendmsg_v6", sendmsg_v6},
    {"sendmmsg_second", sendmmsg_second},
    {"sendmmsg_connected", sendmmsg_connected},
    {"segmented_by_message", segmented_by_message},
    {"segmented_by_option", segmented_by_option},
    {"segmented_connected", segmented_connected},
    {"fragmented", fragmented},
    {"corked_by_flag", corked_by_flag},
    {"corked_by_option", corked_by_option},
    {"corked_then_elsewhere", corked_then_elsewhere},
    {"zerocopy", zerocopy},
    {"by_sendfile", by_sendfile},
    {"by_splice", by_splice},
    {"by_vmsplice", by_vmsplice},
    {"broadcast", broadcast},
    {"limited_broadcast", limited_broadcast},
    {"multicast_v4", multicast_v4},
    {"multicast_v6", multicast_v6},
    {"packet_info_v4", packet_info_v4},
    {"packet_info_v6", packet_info_v6},
    {"dont_route", dont_route},
    {"bound_to_device", bound_to_device},
    {"resolver_through_device", resolver_through_device},
    {"resolver_by_packet_info", resolver_by_packet_info},
    {"loopback_through_device", loopback_through_device},
    {"freebind", freebind},
    {"freebind_to_resolver", freebind_to_resolver},
    {"transparent", transparent},
    {"marked", marked},
    {"lite_v4", lite_v4},
    {"lite_v6", lite_v6},
    {"reconnect_race", reconnect_race},
};

MAIN(attempts)
