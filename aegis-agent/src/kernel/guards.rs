//! The programs that the kernel runs for every process and not for a cgroup's: BPF LSM and tracing. They look after what
//! the cgroup hooks cannot see. A kernel may lack them; then enforcement goes on without, and each says why it is absent.

use std::{
    fs,
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use aya::{
    Btf, Ebpf,
    programs::{Program, ProgramError, links::FdLink},
};

use super::{Kernel, KernelError, error, lsm, pins::Pins, preflight::Finding, syscall};

/// What a program is attached to.
#[derive(Clone, Copy)]
enum Place {
    Lsm(&'static str),
    Tracepoint(&'static str),
}

/// Program, place, and what it closes.
const PROGRAMS: [(&str, Place, &str); 9] = [
    ("lsm_socket_create", Place::Lsm("socket_create"), "sockets of families that no cgroup hook sees"),
    ("lsm_file_receive", Place::Lsm("file_receive"), "sockets handed in from elsewhere"),
    ("lsm_file_open", Place::Lsm("file_open"), "moving out of the agent's cgroup"),
    ("lsm_task_alloc", Place::Lsm("task_alloc"), "children made in other cgroups"),
    ("lsm_bpf", Place::Lsm("bpf"), "bpf(2)"),
    ("lsm_ptrace_access_check", Place::Lsm("ptrace_access_check"), "other processes' memory and files"),
    ("departure_move", Place::Tracepoint("cgroup_attach_task"), "processes moved out of the subtree"),
    ("departure_fork", Place::Tracepoint("sched_process_fork"), "children that begin outside of the subtree"),
    ("departure_exec", Place::Tracepoint("sched_process_exec"), "programs that lose their process' first thread"),
];

/// One of them, in force or not.
pub(super) struct Guard {
    name: &'static str,
    closes: &'static str,
    /// Its link, or why there is none.
    link: Result<OwnedFd, String>,
}

/// One program beyond the cgroup hooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardStatus {
    pub name: String,
    pub in_force: bool,
    /// What it closes, or why it is absent.
    pub detail: String,
}

impl Kernel {
    /// The programs beyond the cgroup's hooks (BPF LSM, tracing), which a kernel may lack.
    #[must_use]
    pub fn guards(&self) -> Vec<GuardStatus> {
        self.guards.iter().map(Guard::status).collect()
    }

    /// What `doctor` says of them.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        findings(&self.guards())
    }
}

impl Guard {
    fn status(&self) -> GuardStatus {
        let (in_force, detail) = match &self.link {
            Ok(link) if syscall::link_info(link.as_fd()).is_ok() => (true, self.closes.to_owned()),
            Ok(_) => (false, "its link is gone".to_owned()),
            Err(why) => (false, why.clone()),
        };
        GuardStatus { name: self.name.to_owned(), in_force, detail }
    }
}

/// Loads, attaches and pins what this kernel takes. `unreadable`: why its structures cannot be read, if so.
pub(super) fn attach_all(object: &mut Ebpf, pins: &Pins, unreadable: Option<&str>) -> Result<Vec<Guard>, KernelError> {
    let btf = match unreadable {
        Some(why) => Err(why.to_owned()),
        None => Btf::from_sys_fs().map_err(|error| error::chain(&error)),
    };
    let lsm = lsm::running();
    let mut guards = Vec::new();
    for (name, place, closes) in PROGRAMS {
        let refused = match (place, &btf, &lsm) {
            (_, Err(why), _) => Some(why.clone()),
            (Place::Lsm(_), Ok(_), Err((detail, _))) => Some(detail.clone()),
            _ => None,
        };
        let link = match (refused, &btf, object.program_mut(name)) {
            (None, Ok(btf), Some(program)) => attach((name, program), place, btf, &pins.guard(name)),
            (Some(why), ..) => Err(why),
            _ => Err("the object does not have it".to_owned()),
        };
        guards.push(Guard { name, closes, link });
    }
    pins.keep_guards(|name| guards.iter().any(|guard| guard.name == name && guard.link.is_ok()))?;
    Ok(guards)
}

/// These links cannot change their program. So the new one is put beside an earlier daemon's, which then goes: there is no
/// moment with none, and in one with both the stricter answer holds.
fn attach((name, program): (&str, &mut Program), place: Place, btf: &Btf, pin: &Path) -> Result<OwnedFd, String> {
    let link = attached(program, place, btf).map_err(|error| error::chain(&error))?;
    // A name with a dot the bpf file system would refuse.
    let fresh = pin.with_file_name(format!("{name}_fresh"));
    // Left over from a start that was cut short.
    let _ = fs::remove_file(&fresh);
    link.pin(&fresh).map_err(|error| error::chain(&error))?;
    fs::rename(&fresh, pin).map_err(|error| format!("cannot pin {}: {error}", pin.display()))?;
    syscall::obj_get(pin).map_err(|error| format!("cannot open {}: {error}", pin.display()))
}

fn attached(program: &mut Program, place: Place, btf: &Btf) -> Result<FdLink, ProgramError> {
    Ok(match (program, place) {
        (Program::Lsm(program), Place::Lsm(hook)) => {
            program.load(hook, btf)?;
            let id = program.attach()?;
            program.take_link(id)?.into()
        }
        (Program::BtfTracePoint(program), Place::Tracepoint(name)) => {
            program.load(name, btf)?;
            let id = program.attach()?;
            program.take_link(id)?.into()
        }
        _ => return Err(ProgramError::UnexpectedProgramType),
    })
}

/// What `doctor` says of them: one line for what is in force, one for each that is not.
fn findings(guards: &[GuardStatus]) -> Vec<Finding> {
    let (there, absent): (Vec<_>, Vec<_>) = guards.iter().partition(|guard| guard.in_force);
    let names = |guards: &[&GuardStatus]| guards.iter().map(|guard| guard.name.as_str()).collect::<Vec<_>>().join(", ");
    let mut findings = Vec::new();
    if !there.is_empty() {
        findings.push(Finding::new("guards", false, Ok(names(&there))));
    }
    // What is absent for one reason makes one line.
    let mut reasons: Vec<&str> = absent.iter().map(|guard| guard.detail.as_str()).collect();
    reasons.dedup();
    for reason in reasons {
        let of_it: Vec<&GuardStatus> = absent.iter().copied().filter(|guard| guard.detail == reason).collect();
        let detail = format!("absent ({}): {reason}", names(&of_it));
        findings.push(Finding::new("guards", false, Err((detail, FIX.to_owned()))));
    }
    findings
}

const FIX: &str = "what then holds instead is in docs/operations.md, \"BPF LSM\"";

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn absent_guards_are_told_by_their_reason() {
        let guard = |name: &str, in_force, detail: &str| GuardStatus {
            name: name.to_owned(),
            in_force,
            detail: detail.to_owned(),
        };
        let found = findings(&[
            guard("one", true, "closes one"),
            guard("two", false, "not there"),
            guard("three", false, "not there"),
            guard("four", false, "refused"),
        ]);
        let told: Vec<(bool, &str)> = found.iter().map(|finding| (finding.ok, finding.detail.as_str())).collect();
        assert_eq!(
            told,
            [(true, "one"), (false, "absent (two, three): not there"), (false, "absent (four): refused"),]
        );
        assert!(found.iter().all(|finding| !finding.required && finding.ok == finding.fix.is_none()));
        assert_eq!(findings(&[guard("one", true, "")]).len(), 1);
    }
}
