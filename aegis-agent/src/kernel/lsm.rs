//! Whether the kernel asks BPF programs as a security module (LSM). That they can be loaded proves nothing: without
//! `bpf` among the modules they are never asked.

use std::fs;

use super::syscall;

/// `LSM_ID_BPF` of linux/lsm.h.
const BPF: u64 = 109;
const LIST: &str = "/sys/kernel/security/lsm";

/// What was seen; or why it is not there, and what to do.
pub(super) type Outcome = Result<String, (String, String)>;

/// Asks the kernel (Linux 6.8), or reads its list.
pub(super) fn running() -> Outcome {
    match syscall::security_modules() {
        Ok(modules) => judge(modules.contains(&BPF)),
        Err(_) => match fs::read_to_string(LIST) {
            Ok(list) => judge(named(&list)),
            Err(_) => Err((
                format!("unknown: {LIST} cannot be read"),
                "mount -t securityfs securityfs /sys/kernel/security".to_owned(),
            )),
        },
    }
}

fn judge(active: bool) -> Outcome {
    if active {
        return Ok("the kernel asks BPF programs".to_owned());
    }
    Err((
        "not active: other socket families, sockets handed in and moves between cgroups must be closed by `aegisctl run` \
         or the container runtime (seccomp, no CAP_NET_RAW, a read-only cgroup file system)"
            .to_owned(),
        "boot with lsm=...,bpf on the kernel command line".to_owned(),
    ))
}

fn named(list: &str) -> bool {
    list.trim().split(',').any(|name| name == "bpf")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn the_module_is_found_by_its_name() {
        assert!(named("lockdown,capability,landlock,bpf\n"));
        assert!(named("bpf"));
        for list in ["", "lockdown,capability", "lockdown,bpfilter", "xbpf"] {
            assert!(!named(list), "{list}");
        }
        let (detail, fix) = judge(false).unwrap_err();
        assert!(detail.starts_with("not active") && fix.contains("lsm="));
    }
}
