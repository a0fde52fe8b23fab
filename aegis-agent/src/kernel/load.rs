//! Loading the programs, attaching them, and taking over from an earlier daemon without a gap.

use std::{
    fs::File,
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use aegis_common::{
    ABI_VERSION, Endpoint, GROUP_LEADER, KILL_DEPARTED, LAYOUT, Meta, SETTINGS, Settings, map_name, setting,
};
use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, Map},
    programs::{
        CgroupAttachMode, CgroupSkbAttachType, Program, ProgramError,
        links::{FdLink, LinkError},
    },
};

use super::{
    KernelConfig, KernelError, OnDeparture, Unenrolled, cgroup, cgroup::Cgroup, layout::Layout, pins::Pins, syscall,
};

/// The object that `build.rs` made of `aegis-ebpf`.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/aegis-ebpf"));

/// A program in its place.
pub(super) struct Hook {
    pub(super) name: String,
    pub(super) link: OwnedFd,
}

/// What the programs are told beyond the configuration.
pub(super) struct Scope {
    pub(super) root_cgroup_id: u64,
    pub(super) root_level: u32,
    pub(super) generation: u32,
    pub(super) layout: Layout,
}

/// Loads the object with the pinned maps (made if missing) and this daemon's settings.
pub(super) fn object(cfg: &KernelConfig, pins: &Pins, scope: &Scope) -> Result<Ebpf, KernelError> {
    let settings = settings(cfg, scope);
    let mut loader = EbpfLoader::new();
    loader.override_global(SETTINGS, &settings, true);
    // Level 0 is below every level: the verifier then removes the logging code altogether.
    let log_level: u8 = if cfg.log { aya_log::Level::Debug as u8 } else { 0 };
    loader.override_global(aya_log::LEVEL, &log_level, true);
    loader.override_global(LAYOUT, &scope.layout.kernel, true);
    loader.override_global(GROUP_LEADER, &scope.layout.group_leader, true);
    let kill_departed = u32::from(cfg.on_departure == OnDeparture::Kill);
    loader.override_global(KILL_DEPARTED, &kill_departed, true);
    // aya knows task storages by their number only.
    loader.allow_unsupported_maps();
    for name in map_name::ALL {
        loader.map_pin_path(name, pins.map(name));
    }
    loader.load(OBJECT).map_err(KernelError::bpf("load the kernel programs"))
}

fn settings(cfg: &KernelConfig, scope: &Scope) -> Settings {
    Settings {
        root_cgroup_id: scope.root_cgroup_id,
        proxy_v4: std::net::SocketAddr::V4(cfg.proxy_v4).into(),
        proxy_v6: cfg.proxy_v6.map_or(Endpoint::default(), |listener| std::net::SocketAddr::V6(listener).into()),
        dns_port: cfg.dns_port,
        padding: 0,
        root_level: scope.root_level,
        flags: match cfg.unenrolled {
            Unenrolled::Deny => 0,
            Unenrolled::Pass => setting::PASS_UNENROLLED,
        },
        generation: scope.generation,
        connections_per_agent: cfg.limits.connections,
        events_per_second: cfg.limits.events_per_second,
    }
}

/// Writes what the maps are for; the last step of making them.
pub(super) fn write_meta(object: &mut Ebpf, root: &Cgroup) -> Result<(), KernelError> {
    let action = "write the version of the pinned maps";
    let mut meta: Array<_, Meta> = map(object, map_name::META)?.try_into().map_err(KernelError::bpf(action))?;
    let value = Meta { root_cgroup_id: root.id, abi_version: ABI_VERSION, padding: 0 };
    meta.set(0, value, 0).map_err(KernelError::bpf(action))
}

/// Takes a map out of the object.
pub(super) fn map(object: &mut Ebpf, name: &str) -> Result<Map, KernelError> {
    object.take_map(name).ok_or_else(|| KernelError::Bpf {
        action: format!("find the map {name}"),
        source: "the object does not have it".into(),
    })
}

/// Loads every program of the cgroup, then puts each into its pinned link, or makes the link. Nothing changes
/// when the kernel refuses one of them.
pub(super) fn attach_all(object: &mut Ebpf, pins: &Pins, root: &Cgroup) -> Result<Vec<Hook>, KernelError> {
    let cgroup = File::open(&root.path).map_err(KernelError::io(format!("open the cgroup {}", root.path.display())))?;
    for (name, program) in object.programs_mut().filter(of_cgroup) {
        load(program).map_err(KernelError::bpf(format!("load the program {name}")))?;
    }
    let mut hooks = Vec::new();
    for (name, program) in object.programs_mut().filter(of_cgroup) {
        let pin = pins.link(name);
        if pin.exists() {
            replace(program, &pin).map_err(KernelError::bpf(format!("replace the program {name}")))?;
        } else {
            attach(program, &cgroup, &pin).map_err(KernelError::bpf(format!("attach the program {name}")))?;
        }
        let link = syscall::obj_get(&pin).map_err(KernelError::io(format!("open the link of {name}")))?;
        hooks.push(Hook { name: name.to_owned(), link });
    }
    hooks.sort_by(|one, other| one.name.cmp(&other.name));
    pins.keep_links(|name| hooks.iter().any(|hook| hook.name == name))?;
    Ok(hooks)
}

/// The others have their own place: see `guards` and `host_link`.
fn of_cgroup((_, program): &(&str, &mut Program)) -> bool {
    !matches!(program, Program::Lsm(_) | Program::BtfTracePoint(_) | Program::SchedClassifier(_))
}

fn load(program: &mut Program) -> Result<(), ProgramError> {
    match program {
        Program::CgroupSock(program) => program.load(),
        Program::CgroupSockAddr(program) => program.load(),
        Program::SockOps(program) => program.load(),
        Program::CgroupSkb(program) => program.load(),
        Program::CgroupSockopt(program) => program.load(),
        _ => Err(ProgramError::UnexpectedProgramType),
    }
}

/// `Single` is the kernel's plain link: other links may sit beside it and none can replace it.
fn attach(program: &mut Program, cgroup: &File, pin: &Path) -> Result<(), ProgramError> {
    let mode = CgroupAttachMode::Single;
    let link: Result<FdLink, LinkError> = match program {
        Program::CgroupSock(program) => {
            let id = program.attach(cgroup, mode)?;
            program.take_link(id)?.try_into()
        }
        Program::CgroupSockAddr(program) => {
            let id = program.attach(cgroup, mode)?;
            program.take_link(id)?.try_into()
        }
        Program::SockOps(program) => {
            let id = program.attach(cgroup, mode)?;
            program.take_link(id)?.try_into()
        }
        // aya can attach it, but gives no link that could be pinned.
        Program::CgroupSockopt(program) => {
            let link = syscall::link_create(program.fd()?.as_fd(), cgroup.as_fd(), syscall::CGROUP_SETSOCKOPT)?;
            return Ok(syscall::obj_pin(link.as_fd(), pin)?);
        }
        Program::CgroupSkb(program) => {
            let id = program.attach(cgroup, CgroupSkbAttachType::Egress, mode)?;
            program.take_link(id)?.try_into()
        }
        _ => return Err(ProgramError::UnexpectedProgramType),
    };
    let link = link.map_err(|error| ProgramError::IOError(std::io::Error::other(error)))?;
    link.pin(pin).map_err(|error| ProgramError::IOError(std::io::Error::other(error)))?;
    Ok(())
}

/// The earlier daemon's link stays where it is and gets the new program: there is no moment with
/// none and none with two.
fn replace(program: &Program, pin: &Path) -> Result<(), ProgramError> {
    let link = syscall::obj_get(pin)?;
    let program = program.fd()?;
    Ok(syscall::link_update(link.as_fd(), program.as_fd())?)
}

/// The depth of the enforced root, refused when it is the root of the hierarchy.
pub(super) fn root_level(cgroup_root: &Path) -> Result<u32, KernelError> {
    let mount = cgroup::mount_point().map_err(KernelError::io("read /proc/self/mountinfo"))?.unwrap_or_default();
    cgroup::depth(&mount, cgroup_root).filter(|depth| *depth > 0).ok_or_else(|| KernelError::Preflight {
        problem: format!("{} is not below the cgroup v2 mount {}", cgroup_root.display(), mount.display()),
        fix: "set cgroup_root to a cgroup of Aegis' own below that mount".to_owned(),
    })
}
