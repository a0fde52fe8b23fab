//! The host's ends of the cables into agents' network namespaces.

use std::{
    fs, io,
    os::fd::AsFd,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use aya::{
    Ebpf,
    programs::{
        LinkOrder, Program, ProgramError, SchedClassifier, TcAttachType,
        links::FdLink,
        tc::{self, NlOptions, SchedClassifierLink, TcAttachOptions, TcHandle},
    },
};
use nix::net::if_::if_indextoname;

use super::{Kernel, KernelError, pins::Pins, syscall};

const PROGRAM: &str = "host_link";
/// Where the program is among the filters of an interface that has no links (Linux before 6.6): first, and always the
/// same, so that a later daemon finds it.
const PRIORITY: u16 = 1;
const HANDLE: TcHandle = TcHandle::new(0, 0xae15);

impl Kernel {
    /// From now on only what agents may send comes out of this interface: the host's end of a cable into an agent's
    /// network namespace. It outlives the daemon. Repeating it is harmless. Must be called in the interface's own network
    /// namespace.
    ///
    /// # Errors
    /// When there is no such interface, or the kernel refuses the program.
    pub fn guard_link(&self, ifindex: u32) -> Result<(), KernelError> {
        self.host_links.guard(ifindex, &self.pins.host_link(ifindex))
    }

    /// The interfaces that are guarded by a pinned link, also by an earlier daemon's.
    ///
    /// # Errors
    /// When the pins cannot be read.
    pub fn guarded_links(&self) -> Result<Vec<u32>, KernelError> {
        let number = |pin: &PathBuf| pin.file_name()?.to_str()?.parse().ok();
        Ok(self.pins.host_links()?.iter().filter_map(number).collect())
    }

    /// Takes [`Kernel::guard_link`] back.
    pub fn unguard_link(&self, ifindex: u32) {
        self.host_links.unguard(ifindex, &self.pins.host_link(ifindex));
    }
}

/// The program, loaded, and the object that it lives in.
pub(super) struct HostLinks(Mutex<Ebpf>);

impl HostLinks {
    /// Loads the program and puts it into the links that an earlier daemon left; those whose interface is gone go too.
    pub(super) fn adopt(mut object: Ebpf, pins: &Pins) -> Result<Self, KernelError> {
        let failed = || KernelError::bpf(format!("load the program {PROGRAM}"));
        let program = classifier(&mut object).map_err(failed())?;
        program.load().map_err(failed())?;
        let fd = program.fd().map_err(failed())?;
        for pin in pins.host_links()? {
            let failed = |what: &str| KernelError::io(format!("{what} the pinned {}", pin.display()));
            let link = syscall::obj_get(&pin).map_err(failed("open"))?;
            if syscall::link_info(link.as_fd()).map_err(failed("look at"))?.ifindex() == 0 {
                fs::remove_file(&pin).map_err(failed("remove"))?;
            } else {
                syscall::link_update(link.as_fd(), fd.as_fd()).map_err(failed("replace the program of"))?;
            }
        }
        Ok(Self(Mutex::new(object)))
    }

    /// Must be called in the interface's network namespace.
    pub(super) fn guard(&self, ifindex: u32, pin: &Path) -> Result<(), KernelError> {
        if in_force(pin, ifindex) {
            return Ok(());
        }
        let mut object = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        attach(&mut object, ifindex, pin).map_err(KernelError::bpf(format!("guard the interface {ifindex}")))
    }

    /// Must be called in the interface's network namespace. That it is not guarded, or gone, is as well.
    pub(super) fn unguard(&self, ifindex: u32, pin: &Path) {
        if fs::remove_file(pin).is_ok() {
            return;
        }
        if let Ok(name) = if_indextoname(ifindex)
            && let Ok(link) = filter(&name.to_string_lossy())
        {
            drop(link);
        }
    }
}

fn classifier(object: &mut Ebpf) -> Result<&mut SchedClassifier, ProgramError> {
    match object.program_mut(PROGRAM) {
        Some(Program::SchedClassifier(program)) => Ok(program),
        _ => Err(ProgramError::UnexpectedProgramType),
    }
}

fn attach(object: &mut Ebpf, ifindex: u32, pin: &Path) -> Result<(), ProgramError> {
    let name = if_indextoname(ifindex).map_err(io::Error::from)?;
    let name = name.to_string_lossy();
    let program = classifier(object)?;
    match by_link(program, &name) {
        Ok(link) => {
            // Of an interface that had this number before.
            let _ = fs::remove_file(pin);
            link.pin(pin).map(drop).map_err(|error| ProgramError::IOError(io::Error::other(error)))
        }
        Err(error) if is_unknown(&error) => by_filter(program, &name),
        Err(error) => Err(error),
    }
}

fn in_force(pin: &Path, ifindex: u32) -> bool {
    syscall::obj_get(pin).and_then(|link| syscall::link_info(link.as_fd())).is_ok_and(|info| info.ifindex() == ifindex)
}

/// Before whatever else looks at what comes in there.
fn by_link(program: &mut SchedClassifier, name: &str) -> Result<FdLink, ProgramError> {
    let options = TcAttachOptions::TcxOrder(LinkOrder::first());
    let id = program.attach_with_options(name, TcAttachType::Ingress, options)?;
    let link: Result<FdLink, _> = program.take_link(id)?.try_into();
    link.map_err(|error| ProgramError::IOError(io::Error::other(error)))
}

/// A kernel without links for interfaces takes the command's number or its attach type for nonsense.
fn is_unknown(error: &ProgramError) -> bool {
    matches!(error, ProgramError::SyscallError(error) if error.io_error.raw_os_error() == Some(libc::EINVAL))
}

/// As a filter, which stays with the interface without a pin. One from before gets this program.
fn by_filter(program: &mut SchedClassifier, name: &str) -> Result<(), ProgramError> {
    // Fails where it is there already; if it fails otherwise, so does the next step.
    let _ = tc::qdisc_add_clsact(name);
    let options = NlOptions { priority: PRIORITY, handle: HANDLE, classid: None };
    let id = match program.attach_with_options(name, TcAttachType::Ingress, TcAttachOptions::Netlink(options)) {
        Err(_) => program.attach_to_link(filter(name)?)?,
        Ok(id) => id,
    };
    // Dropping it would take the filter away.
    std::mem::forget(program.take_link(id)?);
    Ok(())
}

fn filter(name: &str) -> io::Result<SchedClassifierLink> {
    SchedClassifierLink::attached(name, TcAttachType::Ingress, PRIORITY, HANDLE, None)
}
