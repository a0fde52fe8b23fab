/* The same calls by io_uring: by the calling thread, by a kernel worker (IOSQE_ASYNC), by the polling thread (SQPOLL), on sockets
 * made by the ring itself. Raw system calls: no library. */
#include "attack.h"
#include <linux/io_uring.h>

struct ring {
    int fd;
    unsigned flags;
    unsigned *sq_tail, *sq_mask, *sq_array, *sq_flags, *cq_head, *cq_tail, *cq_mask;
    struct io_uring_sqe *entries;
    struct io_uring_cqe *results;
};

static struct ring ring_with(unsigned flags) {
    struct io_uring_params params = {.flags = flags, .sq_thread_idle = 100};
    struct ring ring = {.flags = flags};
    ring.fd = must(syscall(SYS_io_uring_setup, 8, &params));
    size_t sq_size = params.sq_off.array + params.sq_entries * sizeof(unsigned);
    size_t cq_size = params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe);
    int access = PROT_READ | PROT_WRITE, kind = MAP_SHARED | MAP_POPULATE;
    char *sq = mmap(NULL, sq_size, access, kind, ring.fd, IORING_OFF_SQ_RING);
    char *cq = mmap(NULL, cq_size, access, kind, ring.fd, IORING_OFF_CQ_RING);
    ring.entries = mmap(NULL, params.sq_entries * sizeof(struct io_uring_sqe), access, kind, ring.fd, IORING_OFF_SQES);
    if (sq == MAP_FAILED || cq == MAP_FAILED || ring.entries == MAP_FAILED) failed("mmap");
    ring.sq_tail = (unsigned *)(sq + params.sq_off.tail);
    ring.sq_mask = (unsigned *)(sq + params.sq_off.ring_mask);
    ring.sq_flags = (unsigned *)(sq + params.sq_off.flags);
    ring.sq_array = (unsigned *)(sq + params.sq_off.array);
    ring.cq_head = (unsigned *)(cq + params.cq_off.head);
    ring.cq_tail = (unsigned *)(cq + params.cq_off.tail);
    ring.cq_mask = (unsigned *)(cq + params.cq_off.ring_mask);
    ring.results = (struct io_uring_cqe *)(cq + params.cq_off.cqes);
    return ring;
}

/* Submits one entry and waits for its result, which must be a success. */
static int perform(struct ring *ring, const char *step, struct io_uring_sqe entry) {
    unsigned tail = *ring->sq_tail, at = tail & *ring->sq_mask;
    ring->entries[at] = entry;
    ring->sq_array[at] = at;
    __atomic_store_n(ring->sq_tail, tail + 1, __ATOMIC_RELEASE);
    unsigned enter = IORING_ENTER_GETEVENTS;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (ring->flags & IORING_SETUP_SQPOLL && __atomic_load_n(ring->sq_flags, __ATOMIC_RELAXED) & IORING_SQ_NEED_WAKEUP)
        enter |= IORING_ENTER_SQ_WAKEUP;
    must(syscall(SYS_io_uring_enter, ring->fd, 1, 1, enter, NULL, 0));
    unsigned head = *ring->cq_head;
    if (head == __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE)) say("io_uring_enter: no result");
    int result = ring->results[head & *ring->cq_mask].res;
    __atomic_store_n(ring->cq_head, head + 1, __ATOMIC_RELEASE);
    if (result < 0) {
        errno = -result;
        failed(step);
    }
    return result;
}

static struct io_uring_sqe entry(int operation, int fd, const void *address, unsigned length) {
    return (struct io_uring_sqe){.opcode = (uint8_t)operation, .fd = fd, .addr = (uintptr_t)address, .len = length};
}

static int make_socket(struct ring *ring, int family, int type, int flags) {
    struct io_uring_sqe make = entry(IORING_OP_SOCKET, family, NULL, 0);
    make.off = (unsigned)type;
    make.flags = (uint8_t)flags;
    return perform(ring, "socket()", make);
}

static void connect_and_send(struct ring *ring, int fd, int flags) {
    struct io_uring_sqe step = entry(IORING_OP_CONNECT, fd, &v4, 0);
    step.off = sizeof v4;
    step.flags = (uint8_t)flags;
    perform(ring, "connect", step);
    step = entry(IORING_OP_SEND, fd, marker, sizeof marker);
    step.msg_flags = MSG_NOSIGNAL;
    step.flags = (uint8_t)flags;
    perform(ring, "send", step);
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    poll(&wait, 1, 1000);
}

static void tcp_by(unsigned setup, int flags) {
    struct ring ring = ring_with(setup);
    connect_and_send(&ring, must(socket(AF_INET, SOCK_STREAM, 0)), flags);
}

static void tcp(void) { tcp_by(0, 0); }
static void tcp_by_worker(void) { tcp_by(0, IOSQE_ASYNC); }
static void tcp_by_poller(void) { tcp_by(IORING_SETUP_SQPOLL, 0); }
static void tcp_by_poller_and_worker(void) { tcp_by(IORING_SETUP_SQPOLL, IOSQE_ASYNC); }

static void own_socket_by(unsigned setup, int flags) {
    struct ring ring = ring_with(setup);
    connect_and_send(&ring, make_socket(&ring, AF_INET, SOCK_STREAM, flags), flags);
}

static void own_socket(void) { own_socket_by(0, 0); }
static void own_socket_by_worker(void) { own_socket_by(0, IOSQE_ASYNC); }
static void own_socket_by_poller(void) { own_socket_by(IORING_SETUP_SQPOLL, 0); }

/* A socket that has no descriptor at all. */
static void direct_descriptor(void) {
    struct ring ring = ring_with(0);
    int slots[1] = {-1};
    must(syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_FILES, slots, 1));
    struct io_uring_sqe make = entry(IORING_OP_SOCKET, AF_INET, NULL, 0);
    make.off = SOCK_STREAM;
    make.file_index = 1;
    perform(&ring, "socket()", make);
    struct io_uring_sqe step = entry(IORING_OP_CONNECT, 0, &v4, 0);
    step.off = sizeof v4;
    step.flags = IOSQE_FIXED_FILE;
    perform(&ring, "connect", step);
    step = entry(IORING_OP_SEND, 0, marker, sizeof marker);
    step.msg_flags = MSG_NOSIGNAL;
    step.flags = IOSQE_FIXED_FILE;
    perform(&ring, "send", step);
    poll(NULL, 0, 200);
}

static void sendmsg_by(unsigned setup, int operation, int flags) {
    struct ring ring = ring_with(setup);
    int fd = make_socket(&ring, AF_INET, SOCK_DGRAM, 0);
    struct iovec part = {marker, sizeof marker};
    struct msghdr message = {.msg_name = &v4, .msg_namelen = sizeof v4, .msg_iov = &part, .msg_iovlen = 1};
    struct io_uring_sqe step = entry(operation, fd, &message, 1);
    step.flags = (uint8_t)flags;
    perform(&ring, "sendmsg", step);
}

static void udp_sendmsg(void) { sendmsg_by(0, IORING_OP_SENDMSG, 0); }
static void udp_sendmsg_by_worker(void) { sendmsg_by(0, IORING_OP_SENDMSG, IOSQE_ASYNC); }
static void udp_sendmsg_by_poller(void) { sendmsg_by(IORING_SETUP_SQPOLL, IORING_OP_SENDMSG, 0); }
static void udp_sendmsg_zerocopy(void) { sendmsg_by(0, IORING_OP_SENDMSG_ZC, 0); }

static void sendto_by(unsigned setup, int operation) {
    struct ring ring = ring_with(setup);
    int fd = must(socket(AF_INET6, SOCK_DGRAM, 0));
    struct io_uring_sqe step = entry(operation, fd, marker, sizeof marker);
    step.addr2 = (uintptr_t)&v6;
    step.addr_len = sizeof v6;
    perform(&ring, "send", step);
}

static void udp_sendto(void) { sendto_by(0, IORING_OP_SEND); }
static void udp_sendto_by_poller(void) { sendto_by(IORING_SETUP_SQPOLL, IORING_OP_SEND); }
static void udp_sendto_zerocopy(void) { sendto_by(0, IORING_OP_SEND_ZC); }

static void udp_write(void) {
    struct ring ring = ring_with(0);
    int fd = must(socket(AF_INET, SOCK_DGRAM, 0));
    struct io_uring_sqe step = entry(IORING_OP_CONNECT, fd, &v4, 0);
    step.off = sizeof v4;
    perform(&ring, "connect", step);
    perform(&ring, "write", entry(IORING_OP_WRITE, fd, marker, sizeof marker));
}

static void fastopen(void) {
    struct ring ring = ring_with(0);
    int fd = must(socket(AF_INET, SOCK_STREAM, 0));
    enable(fd, IPPROTO_TCP, 34 /* TCP_FASTOPEN_NO_COOKIE */, 1);
    struct iovec part = {marker, sizeof marker};
    struct msghdr message = {.msg_name = &v4, .msg_namelen = sizeof v4, .msg_iov = &part, .msg_iovlen = 1};
    struct io_uring_sqe step = entry(IORING_OP_SENDMSG, fd, &message, 1);
    step.msg_flags = MSG_FASTOPEN | MSG_NOSIGNAL;
    perform(&ring, "sendmsg", step);
    poll(NULL, 0, 200);
}

/* The ring was set up by the parent, the child submits. */
static void inherited_ring(void) {
    struct ring ring = ring_with(0);
    pid_t child = must(fork());
    if (child == 0) {
        connect_and_send(&ring, make_socket(&ring, AF_INET, SOCK_STREAM, 0), 0);
        _exit(0);
    }
    waitpid(child, NULL, 0);
}

static const struct attempt attempts[] = {
    {"tcp", tcp},
    {"tcp_by_worker", tcp_by_worker},
    {"tcp_by_poller", tcp_by_poller},
    {"tcp_by_poller_and_worker", tcp_by_poller_and_worker},
    {"own_socket", own_socket},
    {"own_socket_by_worker", own_socket_by_worker},
    {"own_socket_by_poller", own_socket_by_poller},
    {"direct_descriptor", direct_descriptor},
    {"udp_sendmsg", udp_sendmsg},
    {"udp_sendmsg_by_worker", udp_sendmsg_by_worker},
    {"udp_sendmsg_by_poller", udp_sendmsg_by_poller},
    {"udp_sendmsg_zerocopy", udp_sendmsg_zerocopy},
    {"udp_sendto", udp_sendto},
    {"udp_sendto_by_poller", udp_sendto_by_poller},
    {"udp_sendto_zerocopy", udp_sendto_zerocopy},
    {"udp_write", udp_write},
    {"fastopen", fastopen},
    {"inherited_ring", inherited_ring},
};

MAIN(attempts)
