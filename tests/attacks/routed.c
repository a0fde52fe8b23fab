/* Packets whose options or extension headers say more than their address: source routes, and room for data. Aimed at what is
 * allowed, so that only the headers are in question. */
#include "attack.h"

/* One call with ancillary data of one kind. */
static void with_header(int fd, void *to, socklen_t length, int type, const void *value, size_t size) {
    union {
        char bytes[CMSG_SPACE(512)];
        struct cmsghdr align;
    } control = {0};
    struct cmsghdr *head = &control.align;
    head->cmsg_level = IPPROTO_IPV6;
    head->cmsg_type = type;
    head->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(head), value, size);
    struct iovec part = {marker, sizeof marker};
    struct msghdr message = {.msg_name = to, .msg_namelen = length, .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(size)};
    must(sendmsg(fd, &message, 0));
}

/* 256 bytes of options that hold the marker (type 0x1e: experimental, to be skipped). */
struct options {
    unsigned char next, length, type, size;
    char data[252];
};

static struct options options(void) {
    struct options made = {.length = 31, .type = 0x1e, .size = 252};
    memcpy(made.data, marker, sizeof made.data);
    return made;
}

/* RFC 8754: by way of the target. */
struct segments {
    unsigned char next, length, type, left, last, flags;
    uint16_t tag;
    struct in6_addr list[2];
};

static struct segments segments(void) {
    struct segments made = {.length = 4, .type = 4, .left = 1, .last = 1};
    made.list[0] = v6.sin6_addr;
    inet_pton(AF_INET6, "2001:db8:2::42", &made.list[1]);
    return made;
}

static int udp6(void) { return must(socket(AF_INET6, SOCK_DGRAM, 0)); }

static void by_message(int type, const void *value, size_t size) { with_header(udp6(), &v6, sizeof v6, type, value, size); }

static void by_option(int type, const void *value, size_t size) {
    int fd = udp6();
    must(setsockopt(fd, IPPROTO_IPV6, type, value, (socklen_t)size));
    must(sendto(fd, marker, sizeof marker, 0, SOCKADDR(v6)));
}

/* The header goes on the SYN and on what follows. */
static void on_stream(int type, const void *value, size_t size) {
    int fd = must(socket(AF_INET6, SOCK_STREAM, 0));
    must(setsockopt(fd, IPPROTO_IPV6, type, value, (socklen_t)size));
    enable(fd, IPPROTO_TCP, 34 /* TCP_FASTOPEN_NO_COOKIE */, 1);
    must(sendto(fd, marker, sizeof marker, MSG_FASTOPEN | MSG_NOSIGNAL | MSG_DONTWAIT, SOCKADDR(v6)) < 0 && errno != EINPROGRESS ? -1 : 0);
    poll(NULL, 0, 100);
}

#define HEADER(name, type, made)                                             \
    static void name##_by_message(void) {                                    \
        __typeof__(made()) value = made();                                   \
        by_message(type, &value, sizeof value);                              \
    }                                                                        \
    static void name##_by_option(void) {                                     \
        __typeof__(made()) value = made();                                   \
        by_option(type, &value, sizeof value);                               \
    }                                                                        \
    static void name##_on_stream(void) {                                     \
        __typeof__(made()) value = made();                                   \
        on_stream(type, &value, sizeof value);                               \
    }

HEADER(hop_by_hop, IPV6_HOPOPTS, options)
HEADER(destination, IPV6_DSTOPTS, options)

/* Linux takes this one for a socket, not for a message. */
static void segment_route_by_option(void) {
    struct segments value = segments();
    by_option(IPV6_RTHDR, &value, sizeof value);
}

static void segment_route_on_stream(void) {
    struct segments value = segments();
    on_stream(IPV6_RTHDR, &value, sizeof value);
}

/* Options that are sent only before a route. */
static void before_routing_with_route(void) {
    struct options value = options();
    struct segments route = segments();
    int fd = udp6();
    must(setsockopt(fd, IPPROTO_IPV6, IPV6_RTHDR, &route, sizeof route));
    must(setsockopt(fd, IPPROTO_IPV6, IPV6_RTHDRDSTOPTS, &value, sizeof value));
    must(sendto(fd, marker, sizeof marker, 0, SOCKADDR(v6)));
}

/* Types that the kernel makes for nobody: 0 (forbidden by RFC 5095), 2 (mobility) and 3 (RPL), by hand. */
static void by_hand(unsigned char type) {
    struct {
        unsigned char next, length, type, left;
        uint32_t reserved;
        struct in6_addr address;
        char data[512];
    } packet = {.next = 59, .length = 2, .type = type, .left = 1};
    struct sockaddr_in6 to = v6;
    to.sin6_port = 0;
    inet_pton(AF_INET6, "2001:db8:2::42", &packet.address);
    memcpy(packet.data, marker, sizeof packet.data);
    int fd = must(socket(AF_INET6, SOCK_RAW, IPPROTO_ROUTING));
    must(sendto(fd, &packet, sizeof packet, 0, SOCKADDR(to)));
}

static void route_of_type_0(void) { by_hand(0); }
static void route_of_type_2(void) { by_hand(2); }
static void route_of_type_3(void) { by_hand(3); }

/* IPv4: by way of the gateway, loose (131) and strict (137); and a record of the route (7), which is room for data. */
static void v4_options(int fd, unsigned char type) {
    unsigned char value[12] = {type, 11, 4};
    inet_pton(AF_INET, "198.51.100.1", value + 3);
    if (type != 7) memcpy(value + 7, &v4.sin_addr, 4);
    must(setsockopt(fd, IPPROTO_IP, IP_OPTIONS, value, sizeof value));
}

static void v4_datagram(unsigned char type) {
    int fd = must(socket(AF_INET, SOCK_DGRAM, 0));
    v4_options(fd, type);
    must(sendto(fd, marker, sizeof marker, 0, SOCKADDR(v4)));
}

static void v4_stream(unsigned char type) {
    int fd = must(socket(AF_INET, SOCK_STREAM, 0));
    v4_options(fd, type);
    enable(fd, IPPROTO_TCP, 34 /* TCP_FASTOPEN_NO_COOKIE */, 1);
    must(sendto(fd, marker, sizeof marker, MSG_FASTOPEN | MSG_NOSIGNAL | MSG_DONTWAIT, SOCKADDR(v4)) < 0 && errno != EINPROGRESS ? -1 : 0);
    poll(NULL, 0, 100);
}

static void loose_route(void) { v4_datagram(131); }
static void strict_route(void) { v4_datagram(137); }
static void record_route(void) { v4_datagram(7); }
static void loose_route_on_stream(void) { v4_stream(131); }
static void strict_route_on_stream(void) { v4_stream(137); }
static void record_route_on_stream(void) { v4_stream(7); }

static void loose_route_by_message(void) {
    union {
        char bytes[CMSG_SPACE(12)];
        struct cmsghdr align;
    } control = {0};
    unsigned char value[12] = {131, 11, 4};
    inet_pton(AF_INET, "198.51.100.1", value + 3);
    memcpy(value + 7, &v4.sin_addr, 4);
    control.align.cmsg_level = IPPROTO_IP;
    control.align.cmsg_type = IP_RETOPTS;
    control.align.cmsg_len = CMSG_LEN(12);
    memcpy(CMSG_DATA(&control.align), value, 12);
    struct iovec part = {marker, sizeof marker};
    struct msghdr message = {.msg_name = &v4, .msg_namelen = sizeof v4, .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    must(sendmsg(must(socket(AF_INET, SOCK_DGRAM, 0)), &message, 0));
}

/* Options put on after the connection was admitted. */
static void route_after_connect(void) {
    int fd = must(socket(AF_INET, SOCK_DGRAM, 0));
    must(connect(fd, SOCKADDR(v4)));
    v4_options(fd, 131);
    must(send(fd, marker, sizeof marker, 0));
}

static const struct attempt attempts[] = {
    {"hop_by_hop_by_message", hop_by_hop_by_message},
    {"hop_by_hop_by_option", hop_by_hop_by_option},
    {"hop_by_hop_on_stream", hop_by_hop_on_stream},
    {"destination_by_message", destination_by_message},
    {"destination_by_option", destination_by_option},
    {"destination_on_stream", destination_on_stream},
    {"before_routing_with_route", before_routing_with_route},
    {"segment_route_by_option", segment_route_by_option},
    {"segment_route_on_stream", segment_route_on_stream},
    {"route_of_type_0", route_of_type_0},
    {"route_of_type_2", route_of_type_2},
    {"route_of_type_3", route_of_type_3},
    {"loose_route", loose_route},
    {"strict_route", strict_route},
    {"record_route", record_route},
    {"loose_route_on_stream", loose_route_on_stream},
    {"strict_route_on_stream", strict_route_on_stream},
    {"record_route_on_stream", record_route_on_stream},
    {"loose_route_by_message", loose_route_by_message},
    {"route_after_connect", route_after_connect},
};

MAIN(attempts)
