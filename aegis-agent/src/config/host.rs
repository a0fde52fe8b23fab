//! Where the daemon sits on the host: ports, sockets, cgroups, pins.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use super::problems::Checker;
use super::raw::{RawBpf, RawControl, RawEnrolment, RawListen};
use crate::kernel::{OnDeparture, Unenrolled};

/// The listeners. Proxy and DNS are on 127.0.0.1 and ::1, where the kernel sends agents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    pub proxy_port: u16,
    pub dns_port: u16,
    /// `/metrics`, `/healthz`, `/readyz`, `/.well-known/jwks.json`.
    pub http: SocketAddr,
}

impl Listen {
    pub(super) fn check(raw: &RawListen, p: &mut Checker) -> Self {
        let http = raw.http.parse().ok().filter(|addr: &SocketAddr| addr.port() != 0);
        if http.is_none() {
            let wanted = "give an address and a port, such as 127.0.0.1:15090 or [::1]:15090";
            p.problem("listen.http", format!("`{}` is not an address to listen on; {wanted}", raw.http));
        }
        let listen = Self {
            proxy_port: p.port("listen.proxy_port", raw.proxy_port),
            dns_port: p.port("listen.dns_port", raw.dns_port),
            http: http.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 15090))),
        };
        // DNS also listens on TCP, so the two ports do collide.
        if listen.proxy_port == listen.dns_port {
            p.problem("listen.dns_port", format!("{} is the proxy's port too; choose another", listen.dns_port));
        }
        if [listen.proxy_port, listen.dns_port].contains(&listen.http.port()) {
            p.problem(
                "listen.http",
                format!("port {} is taken by the proxy or DNS; choose another", listen.http.port()),
            );
        }
        listen
    }
}

/// The control API's socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    pub socket: PathBuf,
    /// A group whose members may make admin calls beside root.
    pub group: Option<String>,
}

/// `sockaddr_un.sun_path` holds 108 bytes with the terminating zero (unix(7)).
const SUN_PATH: usize = 107;

impl Control {
    pub(super) fn check(raw: &RawControl, p: &mut Checker) -> Self {
        let socket = p.path("control.socket", &raw.socket);
        let length = socket.as_os_str().len();
        if length > SUN_PATH {
            p.problem("control.socket", format!("is {length} bytes long; a unix socket's path has at most {SUN_PATH}"));
        }
        if raw.group.as_deref() == Some("") {
            p.problem("control.group", "is empty; give a group's name, or null for root alone");
        }
        Self { socket, group: raw.group.clone() }
    }
}

/// The kernel side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bpf {
    /// Where links and maps are pinned: on a bpffs, one directory an instance.
    pub pin_dir: PathBuf,
    /// Whether aya-log is on in the kernel programs.
    pub log: bool,
    /// How long after its last sign of life the daemon counts as gone.
    pub heartbeat_timeout: Duration,
}

impl Bpf {
    pub(super) fn check(raw: &RawBpf, p: &mut Checker) -> Self {
        Self {
            pin_dir: p.path("bpf.pin_dir", &raw.pin_dir),
            log: raw.log,
            heartbeat_timeout: p.millis("bpf.heartbeat_timeout_ms", raw.heartbeat_timeout_ms, 500..=60_000),
        }
    }
}

/// What becomes of processes below `cgroup_root` that are no agent's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolment {
    pub unenrolled: Unenrolled,
    /// Relative to `cgroup_root`: whoever is not enrolled there is denied all the same.
    pub closed: Vec<PathBuf>,
    pub on_departure: OnDeparture,
}

impl Enrolment {
    pub(super) fn check(raw: &RawEnrolment, p: &mut Checker) -> Self {
        let words = [("deny", Unenrolled::Deny), ("pass", Unenrolled::Pass)];
        let unenrolled = p.one_of("enrolment.unenrolled", &raw.unenrolled, &words, Unenrolled::Deny);
        for (i, path) in raw.closed.iter().enumerate() {
            let plain = path.components().all(|c| matches!(c, Component::Normal(_)));
            if !plain || path.as_os_str().is_empty() {
                let wanted = "name a cgroup below cgroup_root, such as `team-a`, without a leading `/`, `.` and `..`";
                p.problem(format!("enrolment.closed[{i}]"), format!("`{}` cannot be used; {wanted}", path.display()));
            }
        }
        if unenrolled == Unenrolled::Deny && !raw.closed.is_empty() {
            p.problem("enrolment.closed", "has no meaning with `unenrolled: deny`, which closes all; leave it out");
        }
        let words = [("kill", OnDeparture::Kill), ("report", OnDeparture::Report)];
        let on_departure = p.one_of("enrolment.on_departure", &raw.on_departure, &words, OnDeparture::Kill);
        Self { unenrolled, closed: raw.closed.clone(), on_departure }
    }
}

/// The root must name a cgroup *below* the mount: attached to the hierarchy's root, the programs would catch
/// every process of the machine.
pub(super) fn check_cgroup_root(raw: &Path, p: &mut Checker) -> PathBuf {
    let named = raw.components().any(|c| matches!(c, Component::Normal(_)));
    let plain = raw.components().all(|c| matches!(c, Component::Normal(_) | Component::RootDir));
    if !named || !plain {
        let wanted = "name a cgroup below the cgroup2 mount, such as `aegis` or `system.slice/aegis`";
        p.problem("cgroup_root", format!("`{}` cannot be used; {wanted}, without `.` and `..`", raw.display()));
    } else if raw.is_absolute() && cgroup2_mount().is_ok_and(|mount| mount == raw || !raw.starts_with(&mount)) {
        p.problem("cgroup_root", format!("{} does not lie below the cgroup2 mount; give it relative", raw.display()));
    }
    raw.to_owned()
}

/// Where the cgroup v2 hierarchy is mounted.
///
/// # Errors
/// One line with the fix where it is mounted nowhere.
pub fn cgroup2_mount() -> Result<PathBuf, String> {
    let mount = crate::kernel::cgroup::mount_point()
        .map_err(|error| format!("/proc/self/mountinfo cannot be read: {error}; mount /proc"))?;
    mount.ok_or_else(|| "no cgroup v2 hierarchy is mounted; mount one: mount -t cgroup2 none /sys/fs/cgroup".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_of_the_hierarchy_is_refused() {
        for bad in ["/", "", "..", "a/../..", "."] {
            let mut p = Checker::new(Path::new("/"));
            check_cgroup_root(Path::new(bad), &mut p);
            assert_eq!(p.problems.len(), 1, "{bad}");
        }
    }
}
