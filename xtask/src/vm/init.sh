#!/bin/busybox sh
# The first program in the guest: makes what the tests expect of a machine, runs each of them, and turns the machine off.
/bin/busybox mkdir -p /proc /sys /dev /tmp /run /var/tmp /root
/bin/busybox --install -s /bin
export PATH=/usr/bin:/bin HOME=/root AEGIS_BIN_DIR=/tests
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /run
mount -t securityfs securityfs /sys/kernel/security
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
chmod 1777 /tmp /dev/shm
hostname aegis
ip link set lo up

for module in /modules/*; do
    insmod "$module"
done
echo "security modules: $(cat /sys/kernel/security/lsm), expected BPF LSM: $AEGIS_EXPECT_LSM"

# The console is the kernel's; the tests have the second line.
exec >/dev/ttyS1 2>&1
while read -r program name; do
    echo "@aegis begin $program $name"
    timeout -s KILL 240 "/tests/$program" "$name" --exact >/tmp/output 2>&1 </dev/null
    status=$?
    [ "$status" = 0 ] || cat /tmp/output
    echo "@aegis end $program $name $status"
done <"/tests/plan-$AEGIS_PLAN"
echo "@aegis done"
sync
reboot -f
