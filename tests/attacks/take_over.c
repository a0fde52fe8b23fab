/* Makes a process that is nobody's agent speak: by its memory, its descriptors, its sockets. VICTIM is what it reported. */
#include "attack.h"
#include <inttypes.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/un.h>

static pid_t victim;
static uintptr_t slots;
static int descriptor;

static void find_victim(void) {
    const char *report = getenv("VICTIM");
    if (report == NULL || sscanf(report, "%d 0x%" SCNxPTR " %d", &victim, &slots, &descriptor) != 3) say("no VICTIM");
}

static void by_process_vm_writev(void) {
    find_victim();
    struct iovec from = {marker, 63}, to = {(void *)slots, 63};
    must(process_vm_writev(victim, &from, 1, &to, 1, 0));
}

static void by_ptrace(void) {
    find_victim();
    must(ptrace(PTRACE_ATTACH, victim, NULL, NULL));
    must(waitpid(victim, NULL, __WALL));
    for (size_t at = 0; at < 56; at += sizeof(long)) {
        long word;
        memcpy(&word, marker + at, sizeof word);
        must(ptrace(PTRACE_POKEDATA, victim, (void *)(slots + 64 + at), (void *)word));
    }
    must(ptrace(PTRACE_DETACH, victim, NULL, NULL));
}

static void by_memory_file(void) {
    find_victim();
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", victim);
    int fd = must(open(path, O_RDWR));
    must(pwrite(fd, marker, 63, (off_t)(slots + 128)));
}

static void by_descriptor(void) {
    find_victim();
    int handle = must(syscall(SYS_pidfd_open, victim, 0));
    int fd = must(syscall(SYS_pidfd_getfd, handle, descriptor, 0));
    must(send(fd, marker, sizeof marker, 0));
}

static void by_abstract_socket(void) {
    find_victim();
    struct sockaddr_un there = {.sun_family = AF_UNIX};
    int length = snprintf(there.sun_path + 1, sizeof there.sun_path - 1, "atk-%d", victim);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
    must(sendto(must(socket(AF_UNIX, SOCK_DGRAM, 0)), marker, 64, 0, (struct sockaddr *)&there, size));
}

static const struct attempt attempts[] = {
    {"by_process_vm_writev", by_process_vm_writev},
    {"by_ptrace", by_ptrace},
    {"by_memory_file", by_memory_file},
    {"by_descriptor", by_descriptor},
    {"by_abstract_socket", by_abstract_socket},
};

MAIN(attempts)
