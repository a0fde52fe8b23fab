/* What is neither TCP nor UDP: raw IP, ping, other transports, and frames below IP. */
#include "attack.h"
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/if_xdp.h>
#include <net/ethernet.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <sys/ioctl.h>

#ifndef AF_XDP
#define AF_XDP 44
#define SOL_XDP 283
#endif
#ifndef IPPROTO_DCCP
#define IPPROTO_DCCP 33
#endif

/* A protocol number that stands for experiments (RFC 3692). */
#define EXPERIMENT 253
#define ETHERTYPE 0x88b5

static void raw_to(int family, int protocol, struct sockaddr *to, socklen_t length) {
    int fd = must(socket(family, SOCK_RAW, protocol));
    must(sendto(fd, marker, sizeof marker, 0, to, length));
}

/* Raw sockets take no port. */
static struct sockaddr_in6 v6_address(void) {
    struct sockaddr_in6 to = v6;
    to.sin6_port = 0;
    return to;
}

static void raw_v4(void) { raw_to(AF_INET, EXPERIMENT, SOCKADDR(v4)); }
static void raw_v4_udp(void) { raw_to(AF_INET, IPPROTO_UDP, SOCKADDR(v4)); }
static void raw_v4_tcp(void) { raw_to(AF_INET, IPPROTO_TCP, SOCKADDR(v4)); }
static void raw_v4_icmp(void) { raw_to(AF_INET, IPPROTO_ICMP, SOCKADDR(v4)); }

static void raw_v6(void) {
    struct sockaddr_in6 to = v6_address();
    raw_to(AF_INET6, EXPERIMENT, SOCKADDR(to));
}

static void raw_v6_icmp(void) {
    struct sockaddr_in6 to = v6_address();
    raw_to(AF_INET6, IPPROTO_ICMPV6, SOCKADDR(to));
}

static void raw_connected(void) {
    int fd = must(socket(AF_INET, SOCK_RAW, EXPERIMENT));
    must(connect(fd, SOCKADDR(v4)));
    must(send(fd, marker, sizeof marker, 0));
}

/* The IP header is the agent's own. */
static void header_included(void) {
    struct {
        struct iphdr ip;
        char data[512];
    } packet = {.ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP, .saddr = htonl(0xc6336402), .daddr = v4.sin_addr.s_addr}};
    memcpy(packet.data, marker, sizeof packet.data);
    int fd = must(socket(AF_INET, SOCK_RAW, IPPROTO_RAW));
    must(sendto(fd, &packet, sizeof packet, 0, SOCKADDR(v4)));
}

static void header_included_by_option(void) {
    struct {
        struct iphdr ip;
        char data[512];
    } packet = {.ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP, .saddr = htonl(0xc6336402), .daddr = v4.sin_addr.s_addr}};
    memcpy(packet.data, marker, sizeof packet.data);
    int fd = must(socket(AF_INET, SOCK_RAW, IPPROTO_TCP));
    must(enable(fd, IPPROTO_IP, IP_HDRINCL, 1));
    must(sendto(fd, &packet, sizeof packet, 0, SOCKADDR(v4)));
}

static void header_included_v6(void) {
    struct {
        struct ip6_hdr ip;
        char data[512];
    } packet = {.ip = {.ip6_ctlun.ip6_un1 = {.ip6_un1_flow = htonl(6u << 28), .ip6_un1_plen = htons(512), .ip6_un1_nxt = 59, .ip6_un1_hlim = 64}}};
    struct sockaddr_in6 to = v6_address();
    inet_pton(AF_INET6, "2001:db8:1::2", &packet.ip.ip6_src);
    packet.ip.ip6_dst = v6.sin6_addr;
    memcpy(packet.data, marker, sizeof packet.data);
    int fd = must(socket(AF_INET6, SOCK_RAW, IPPROTO_RAW));
    must(enable(fd, IPPROTO_IPV6, 36 /* IPV6_HDRINCL */, 1));
    must(sendto(fd, &packet, sizeof packet, 0, SOCKADDR(to)));
}

/* An echo request by a socket that needs no capability where net.ipv4.ping_group_range allows it. */
static void ping(int family, int protocol, char type, struct sockaddr *to, socklen_t length) {
    char request[512] = {type};
    memcpy(request + 8, marker, sizeof request - 8);
    int fd = must(socket(family, SOCK_DGRAM, protocol));
    must(sendto(fd, request, sizeof request, 0, to, length));
}

static void ping_v4(void) { ping(AF_INET, IPPROTO_ICMP, 8, SOCKADDR(v4)); }

static void ping_v6(void) {
    struct sockaddr_in6 to = v6_address();
    ping(AF_INET6, IPPROTO_ICMPV6, (char)128, SOCKADDR(to));
}

static void transport(int type, int protocol) {
    int fd = must(socket(AF_INET, type, protocol));
    must(connect(fd, SOCKADDR(v4)));
    deliver(fd);
}

static void sctp(void) { transport(SOCK_STREAM, IPPROTO_SCTP); }
static void sctp_datagrams(void) { transport(SOCK_SEQPACKET, IPPROTO_SCTP); }
static void dccp(void) { transport(6 /* SOCK_DCCP */, IPPROTO_DCCP); }
static void smc(void) {
    int fd = must(socket(43 /* AF_SMC */, SOCK_STREAM, 0));
    must(connect(fd, SOCKADDR(v4)));
    deliver(fd);
}

static void tipc(void) {
    int fd = must(socket(AF_TIPC, SOCK_RDM, 0));
    must(send(fd, marker, sizeof marker, 0));
}

/* Every kind of IP socket that there is or will be. */
static void every_ip_protocol(void) {
    struct sockaddr_in6 to6 = v6_address();
    for (int type = 1; type <= 6; type++)
        for (int protocol = 0; protocol < 300; protocol++) {
            if (type == SOCK_STREAM && (protocol == 0 || protocol == IPPROTO_TCP)) continue;
            int four = socket(AF_INET, type | SOCK_NONBLOCK, protocol), six = socket(AF_INET6, type | SOCK_NONBLOCK, protocol);
            sendto(four, marker, sizeof marker, MSG_NOSIGNAL, SOCKADDR(v4));
            sendto(six, marker, sizeof marker, MSG_NOSIGNAL, SOCKADDR(to6));
            close(four);
            close(six);
        }
}

static struct sockaddr_ll link_address(void) {
    return (struct sockaddr_ll){.sll_family = AF_PACKET, .sll_protocol = htons(ETHERTYPE), .sll_ifindex = (int)if_nametoindex(LINK), .sll_halen = 6, .sll_addr = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
}

struct frame {
    struct ether_header head;
    char data[512];
};

static struct frame frame(void) {
    struct frame made = {.head = {.ether_dhost = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, .ether_shost = {2, 0, 0, 0, 0, 2}, .ether_type = htons(ETHERTYPE)}};
    memcpy(made.data, marker, sizeof made.data);
    return made;
}

static void packet_raw(void) {
    struct frame sent = frame();
    struct sockaddr_ll to = link_address();
    int fd = must(socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)));
    must(sendto(fd, &sent, sizeof sent, 0, SOCKADDR(to)));
}

static void packet_cooked(void) {
    struct sockaddr_ll to = link_address();
    int fd = must(socket(AF_PACKET, SOCK_DGRAM, htons(ETHERTYPE)));
    must(sendto(fd, marker, sizeof marker, 0, SOCKADDR(to)));
}

static void packet_ring(void) {
    struct frame sent = frame();
    struct sockaddr_ll to = link_address();
    struct tpacket_req size = {.tp_block_size = 4096, .tp_block_nr = 1, .tp_frame_size = 2048, .tp_frame_nr = 2};
    int fd = must(socket(AF_PACKET, SOCK_RAW, 0));
    must(setsockopt(fd, SOL_PACKET, PACKET_TX_RING, &size, sizeof size));
    struct tpacket_hdr *slot = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (slot == MAP_FAILED) failed("mmap");
    must(bind(fd, SOCKADDR(to)));
    memcpy((char *)slot + TPACKET_HDRLEN - sizeof(struct sockaddr_ll), &sent, sizeof sent);
    slot->tp_len = sizeof sent;
    slot->tp_status = TP_STATUS_SEND_REQUEST;
    must(send(fd, NULL, 0, 0));
}

/* Frames from user memory straight to the device. */
static void express(void) {
    struct xdp_umem_reg memory = {.len = 16 * 4096, .chunk_size = 4096};
    struct frame sent = frame();
    char *area = mmap(NULL, memory.len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    int fd = must(socket(AF_XDP, SOCK_RAW, 0)), entries = 8;
    memory.addr = (uintptr_t)area;
    must(setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &memory, sizeof memory));
    must(setsockopt(fd, SOL_XDP, XDP_UMEM_FILL_RING, &entries, sizeof entries));
    must(setsockopt(fd, SOL_XDP, XDP_UMEM_COMPLETION_RING, &entries, sizeof entries));
    must(setsockopt(fd, SOL_XDP, XDP_TX_RING, &entries, sizeof entries));
    struct xdp_mmap_offsets offsets;
    socklen_t length = sizeof offsets;
    must(getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &length));
    size_t size = offsets.tx.desc + (size_t)entries * sizeof(struct xdp_desc);
    char *ring = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, XDP_PGOFF_TX_RING);
    if (ring == MAP_FAILED) failed("mmap");
    struct sockaddr_xdp at = {.sxdp_family = AF_XDP, .sxdp_ifindex = if_nametoindex(LINK), .sxdp_flags = XDP_COPY};
    must(bind(fd, SOCKADDR(at)));
    memcpy(area, &sent, sizeof sent);
    *(struct xdp_desc *)(ring + offsets.tx.desc) = (struct xdp_desc){.addr = 0, .len = sizeof sent};
    __atomic_store_n((unsigned *)(ring + offsets.tx.producer), 1, __ATOMIC_RELEASE);
    must(sendto(fd, NULL, 0, MSG_DONTWAIT, NULL, 0));
    poll(NULL, 0, 100);
}

/* Makes the host forward for us: frames written to a device of our own are received by its IP stack. */
static void tunnel_device(void) {
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    snprintf(request.ifr_name, sizeof request.ifr_name, "atk%d", getpid() % 100000);
    int fd = must(open("/dev/net/tun", O_RDWR));
    must(ioctl(fd, TUNSETIFF, &request));
    int control = must(socket(AF_INET, SOCK_DGRAM, 0));
    must(ioctl(control, SIOCGIFFLAGS, &request));
    request.ifr_flags |= IFF_UP;
    must(ioctl(control, SIOCSIFFLAGS, &request));
    int forward = must(open("/proc/sys/net/ipv4/ip_forward", O_WRONLY));
    must(write(forward, "1", 1));
    char filter[96];
    snprintf(filter, sizeof filter, "/proc/sys/net/ipv4/conf/%s/rp_filter", request.ifr_name);
    int strict = open(filter, O_WRONLY);
    if (strict >= 0) must(write(strict, "0", 1));
    struct {
        struct iphdr ip;
        char data[512];
    } packet = {.ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = EXPERIMENT, .tot_len = htons(sizeof packet), .saddr = htonl(0x0a090807), .daddr = v4.sin_addr.s_addr}};
    memcpy(packet.data, marker, sizeof packet.data);
    unsigned sum = 0;
    for (unsigned at = 0; at < 10; at++) sum += ((uint16_t *)&packet)[at];
    packet.ip.check = (uint16_t)~((sum & 0xffff) + (sum >> 16));
    must(write(fd, &packet, sizeof packet));
    poll(NULL, 0, 100);
}

static const struct attempt attempts[] = {
    {"raw_v4", raw_v4},
    {"raw_v4_udp", raw_v4_udp},
    {"raw_v4_tcp", raw_v4_tcp},
    {"raw_v4_icmp", raw_v4_icmp},
    {"raw_v6", raw_v6},
    {"raw_v6_icmp", raw_v6_icmp},
    {"raw_connected", raw_connected},
    {"header_included", header_included},
    {"header_included_by_option", header_included_by_option},
    {"header_included_v6", header_included_v6},
    {"ping_v4", ping_v4},
    {"ping_v6", ping_v6},
    {"sctp", sctp},
    {"sctp_datagrams", sctp_datagrams},
    {"dccp", dccp},
    {"smc", smc},
    {"tipc", tipc},
    {"every_ip_protocol", every_ip_protocol},
    {"packet_raw", packet_raw},
    {"packet_cooked", packet_cooked},
    {"packet_ring", packet_ring},
    {"express", express},
    {"tunnel_device", tunnel_device},
};

MAIN(attempts)
