//! What this machine can and cannot do, each with the fix.

use std::{fs, path::Path};

use nix::sys::statfs::{self, BPF_FS_MAGIC};

use super::{KernelConfig, KernelError, cgroup, load, lsm};

/// One thing looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub name: String,
    pub ok: bool,
    /// Whether enforcement is impossible without it; otherwise it only weakens or informs.
    pub required: bool,
    /// What was seen.
    pub detail: String,
    /// What to do about it, when it is not ok.
    pub fix: Option<String>,
}

impl Finding {
    pub(super) fn new(name: &str, required: bool, outcome: Result<String, (String, String)>) -> Self {
        let (ok, detail, fix) = match outcome {
            Ok(detail) => (true, detail, None),
            Err((detail, fix)) => (false, detail, Some(fix)),
        };
        Self { name: name.to_owned(), ok, required, detail, fix }
    }
}

/// The oldest kernel that the programs are tested on (`cargo xtask test --kernel 6.1`).
const OLDEST: (u32, u32) = (6, 1);

/// Looks at everything, changes nothing.
#[must_use]
pub fn check(cfg: &KernelConfig) -> Vec<Finding> {
    vec![
        Finding::new("kernel version", true, kernel_version()),
        Finding::new("privilege", true, privilege()),
        Finding::new("cgroup v2", true, cgroup_v2()),
        Finding::new("cgroup root", true, cgroup_root(cfg)),
        Finding::new("listeners", true, listeners(cfg)),
        Finding::new("bpf file system", true, bpf_fs(&cfg.pin_dir)),
        Finding::new("kernel BTF", true, btf()),
        Finding::new("lockdown", true, lockdown()),
        Finding::new("BPF JIT", false, jit()),
        Finding::new("unprivileged BPF", false, unprivileged_bpf()),
        Finding::new("BPF LSM", false, lsm::running()),
        Finding::new("IPv6", false, ipv6(cfg)),
    ]
}

/// The first required finding that is not ok, as an error.
pub(super) fn require(cfg: &KernelConfig) -> Result<(), KernelError> {
    none_missing(check(cfg))
}

fn none_missing(findings: Vec<Finding>) -> Result<(), KernelError> {
    match findings.into_iter().find(|finding| finding.required && !finding.ok) {
        None => Ok(()),
        Some(finding) => Err(KernelError::Preflight {
            problem: format!("{}: {}", finding.name, finding.detail),
            fix: finding.fix.unwrap_or_else(|| "aegisctl doctor".to_owned()),
        }),
    }
}

type Outcome = Result<String, (String, String)>;

fn no(detail: impl Into<String>, fix: impl Into<String>) -> Outcome {
    Err((detail.into(), fix.into()))
}

fn kernel_version() -> Outcome {
    match nix::sys::utsname::uname() {
        Ok(uname) => new_enough(&uname.release().to_string_lossy()),
        Err(error) => no(format!("unknown ({error})"), newer_kernel()),
    }
}

fn new_enough(release: &str) -> Outcome {
    match parse_release(release) {
        Some(version) if version >= OLDEST => Ok(release.to_owned()),
        Some(_) => no(format!("{release} is too old"), newer_kernel()),
        None => no(format!("{release} is no release of Linux that is known"), newer_kernel()),
    }
}

fn newer_kernel() -> String {
    format!("boot Linux {}.{} or newer", OLDEST.0, OLDEST.1)
}

fn parse_release(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn privilege() -> Outcome {
    use caps::{CapSet, Capability};
    let has = |cap| caps::has_cap(None, CapSet::Effective, cap).unwrap_or(false);
    // CAP_SYS_ADMIN holds what the other two were split from.
    let needed: &[Capability] = if has(Capability::CAP_SYS_ADMIN) {
        &[Capability::CAP_NET_ADMIN]
    } else {
        &[Capability::CAP_NET_ADMIN, Capability::CAP_BPF, Capability::CAP_PERFMON]
    };
    let missing: Vec<String> = needed.iter().filter(|cap| !has(**cap)).map(ToString::to_string).collect();
    if missing.is_empty() {
        return Ok("may load and attach programs".to_owned());
    }
    no(format!("missing {}", missing.join(", ")), "run as root (sudo)")
}

fn cgroup_v2() -> Outcome {
    let fix = "mount -t cgroup2 none /sys/fs/cgroup/unified (or boot with systemd.unified_cgroup_hierarchy=1)";
    match cgroup::mount_point() {
        Ok(Some(mount)) => Ok(mount.display().to_string()),
        Ok(None) => no("not mounted", fix),
        Err(error) => no(format!("cannot read /proc/self/mountinfo: {error}"), "mount /proc"),
    }
}

fn cgroup_root(cfg: &KernelConfig) -> Outcome {
    match load::root_level(&cfg.cgroup_root) {
        Ok(_) => Ok(cfg.cgroup_root.display().to_string()),
        Err(KernelError::Preflight { problem, fix }) => no(problem, fix),
        Err(error) => no(error.to_string(), "mount /proc"),
    }
}

/// The programs tell the listeners apart by port and trust nothing but loopback.
fn listeners(cfg: &KernelConfig) -> Outcome {
    let v6_port = cfg.proxy_v6.map_or(cfg.proxy_v4.port(), |listener| listener.port());
    let ports = [cfg.proxy_v4.port(), v6_port, cfg.dns_port];
    let loopback = cfg.proxy_v4.ip().is_loopback() && cfg.proxy_v6.is_none_or(|listener| listener.ip().is_loopback());
    if !loopback {
        return no("the proxy does not listen on loopback", "let it listen on 127.0.0.1 and ::1");
    }
    if ports.contains(&0) || ports[..2].contains(&cfg.dns_port) {
        return no(
            "the proxy's and the resolver's port must be set and differ",
            "change listen.proxy_port or listen.dns_port",
        );
    }
    Ok(format!("proxy {}, resolver port {}", cfg.proxy_v4, cfg.dns_port))
}

fn bpf_fs(pin_dir: &Path) -> Outcome {
    let existing = pin_dir.ancestors().find(|dir| dir.exists()).unwrap_or(Path::new("/"));
    match statfs::statfs(existing) {
        Ok(found) if found.filesystem_type() == BPF_FS_MAGIC => Ok(pin_dir.display().to_string()),
        Ok(_) => {
            let mount = if pin_dir.starts_with("/sys/fs/bpf") {
                Path::new("/sys/fs/bpf")
            } else {
                pin_dir.parent().unwrap_or(pin_dir)
            };
            no(
                format!("{} is not on a bpf file system", pin_dir.display()),
                format!("mount -t bpf bpf {}", mount.display()),
            )
        }
        Err(error) => no(
            format!("cannot look at {}: {error}", existing.display()),
            "set bpf.pin_dir to a directory on a bpf file system",
        ),
    }
}

fn btf() -> Outcome {
    let path = "/sys/kernel/btf/vmlinux";
    if Path::new(path).exists() {
        return Ok(path.to_owned());
    }
    no(format!("{path} is missing"), "use a kernel built with CONFIG_DEBUG_INFO_BTF=y (every distribution's is)")
}

/// kernel_lockdown(7): the chosen mode stands in brackets.
fn lockdown() -> Outcome {
    let text = fs::read_to_string("/sys/kernel/security/lockdown").unwrap_or_default();
    let mode = text.split(['[', ']']).nth(1).unwrap_or("none");
    if mode == "confidentiality" {
        return no("confidentiality: the kernel refuses BPF programs", "boot with lockdown=integrity or none");
    }
    Ok(mode.to_owned())
}

fn sysctl(name: &str) -> Option<String> {
    fs::read_to_string(Path::new("/proc/sys").join(name)).ok().map(|text| text.trim().to_owned())
}

fn jit() -> Outcome {
    match sysctl("net/core/bpf_jit_enable").as_deref() {
        Some("0") => no("off: the programs are interpreted", "sysctl -w net.core.bpf_jit_enable=1"),
        Some(_) | None => Ok("on".to_owned()),
    }
}

fn unprivileged_bpf() -> Outcome {
    match sysctl("kernel/unprivileged_bpf_disabled").as_deref() {
        Some("0") => no("any user may load BPF programs", "sysctl -w kernel.unprivileged_bpf_disabled=1"),
        Some(_) | None => Ok("off".to_owned()),
    }
}

fn ipv6(cfg: &KernelConfig) -> Outcome {
    if cfg.proxy_v6.is_none() {
        return no(
            "no IPv6 listener: agents' IPv6 connections go to the IPv4 listener or fail",
            "enable IPv6 on the loopback interface",
        );
    }
    match sysctl("net/ipv6/conf/lo/disable_ipv6").as_deref() {
        Some("0") => Ok("on loopback".to_owned()),
        _ => no("not on loopback: agents' IPv6 connections fail", "sysctl -w net.ipv6.conf.lo.disable_ipv6=0"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_read_as_numbers() {
        let table = [
            ("6.18.44-fc-v669", Some((6, 18))),
            ("6.1.0-18-cloud-amd64", Some((6, 1))),
            ("5.15.0", Some((5, 15))),
            ("10.0", Some((10, 0))),
            ("x", None),
            ("", None),
        ];
        for (release, expected) in table {
            assert_eq!(parse_release(release), expected, "{release}");
        }
    }

    #[test]
    fn a_kernel_that_is_too_old_stops_the_start_and_the_error_has_the_fix() {
        for release in ["5.15.0-91-generic", "6.0.19", "4.4", "custom"] {
            let finding = Finding::new("kernel version", true, new_enough(release));
            assert_eq!((finding.ok, finding.fix.as_deref()), (false, Some("boot Linux 6.1 or newer")), "{release}");
            let error = none_missing(vec![finding]).unwrap_err().to_string();
            assert!(error.starts_with(&format!("kernel version: {release} is ")), "{error}");
            assert!(error.ends_with("; fix: boot Linux 6.1 or newer"), "{error}");
        }
        for release in ["6.1.0-56-cloud-amd64", "6.12.117+deb12-cloud-amd64", "7.0"] {
            none_missing(vec![Finding::new("kernel version", true, new_enough(release))]).unwrap();
        }
    }
}
