//! The few system calls that aya does not offer. Each wrapper is safe to call.
#![allow(unsafe_code)] // Raw system calls; every pointer handed over outlives its call.

use std::{
    ffi::CString,
    io,
    mem::{MaybeUninit, size_of},
    os::{
        fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

use aya::Pod;
use tokio::io::{Interest, unix::AsyncFd};

/// Commands of bpf(2), `enum bpf_cmd` of linux/bpf.h.
const MAP_LOOKUP_ELEM: libc::c_long = 1;
const MAP_UPDATE_ELEM: libc::c_long = 2;
const OBJ_PIN: libc::c_long = 6;
const OBJ_GET: libc::c_long = 7;
const OBJ_GET_INFO_BY_FD: libc::c_long = 15;
const MAP_LOOKUP_AND_DELETE_ELEM: libc::c_long = 21;
const LINK_CREATE: libc::c_long = 28;
const LINK_UPDATE: libc::c_long = 29;

/// `BPF_CGROUP_SETSOCKOPT` of `enum bpf_attach_type`.
pub(super) const CGROUP_SETSOCKOPT: u32 = 22;

/// asm-generic/socket.h; the libc crate lacks it for some targets.
const SO_NETNS_COOKIE: libc::c_int = 71;

/// bpf(2). `T` is the part of `union bpf_attr` that the command reads, without padding.
fn bpf<T>(command: libc::c_long, attributes: &mut T) -> io::Result<libc::c_long> {
    // SAFETY: the kernel reads (and for some commands writes) `size_of::<T>()` bytes at a live,
    // exclusively borrowed value.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attributes as *mut T, size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Opens a pinned object.
pub(super) fn obj_get(path: &Path) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct Attributes {
        path: u64,
        fd: u32,
        flags: u32,
    }
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut attributes = Attributes { path: path.as_ptr() as u64, fd: 0, flags: 0 };
    let fd = bpf(OBJ_GET, &mut attributes)?;
    let fd = i32::try_from(fd).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Attaches a program to a cgroup, beside others.
pub(super) fn link_create(program: BorrowedFd<'_>, cgroup: BorrowedFd<'_>, attach_type: u32) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct Attributes {
        program: i32,
        target: i32,
        attach_type: u32,
        flags: u32,
    }
    let mut attributes = Attributes { program: program.as_raw_fd(), target: cgroup.as_raw_fd(), attach_type, flags: 0 };
    let fd = bpf(LINK_CREATE, &mut attributes)?;
    let fd = i32::try_from(fd).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Pins an object.
pub(super) fn obj_pin(object: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    #[repr(C)]
    struct Attributes {
        path: u64,
        fd: u32,
        flags: u32,
    }
    let path = CString::new(path.as_os_str().as_bytes())?;
    let fd = u32::try_from(object.as_raw_fd()).map_err(io::Error::other)?;
    let mut attributes = Attributes { path: path.as_ptr() as u64, fd, flags: 0 };
    bpf(OBJ_PIN, &mut attributes).map(drop)
}

/// Puts another program into an attached link, atomically: no packet or call sees neither.
pub(super) fn link_update(link: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    #[repr(C)]
    struct Attributes {
        link: i32,
        program: i32,
        flags: u32,
        old_program: u32,
    }
    let mut attributes = Attributes { link: link.as_raw_fd(), program: program.as_raw_fd(), flags: 0, old_program: 0 };
    bpf(LINK_UPDATE, &mut attributes).map(drop)
}

/// The head of `struct bpf_link_info` for a cgroup's or an interface's link.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct LinkInfo {
    pub(super) kind: u32,
    pub(super) id: u32,
    pub(super) program_id: u32,
    pub(super) padding: u32,
    /// 0 when the kernel detached the link because its cgroup was removed.
    pub(super) cgroup_id: u64,
    pub(super) attach_type: u32,
    pub(super) tail: u32,
}

impl LinkInfo {
    /// The interface of a tcx link, which stands where a cgroup's id begins; 0 when the interface is gone.
    pub(super) fn ifindex(&self) -> u32 {
        let bytes = self.cgroup_id.to_ne_bytes();
        u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }
}

/// What the kernel says of a link.
pub(super) fn link_info(link: BorrowedFd<'_>) -> io::Result<LinkInfo> {
    #[repr(C)]
    struct Attributes {
        fd: i32,
        length: u32,
        info: u64,
    }
    let mut info = LinkInfo::default();
    let mut attributes =
        Attributes { fd: link.as_raw_fd(), length: size_of::<LinkInfo>() as u32, info: (&raw mut info) as u64 };
    bpf(OBJ_GET_INFO_BY_FD, &mut attributes)?;
    Ok(info)
}

/// What bpf(2) reads for an operation on one element of a map.
#[repr(C)]
struct Element {
    map: i32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// Leaves a note with a process, in a task storage: there the key is a pidfd.
pub(super) fn task_note<V: Pod>(map: BorrowedFd<'_>, process: BorrowedFd<'_>, note: &V) -> io::Result<()> {
    let key = process.as_raw_fd();
    let (key, value) = ((&raw const key) as u64, (note as *const V) as u64);
    bpf(MAP_UPDATE_ELEM, &mut Element { map: map.as_raw_fd(), padding: 0, key, value, flags: 0 }).map(drop)
}

/// The note that lies with a process, in a task storage, or with a socket, in a socket storage: there the key is its
/// descriptor.
pub(super) fn noted<V: Pod>(map: BorrowedFd<'_>, of: BorrowedFd<'_>) -> io::Result<Option<V>> {
    let key = of.as_raw_fd();
    let mut note = MaybeUninit::<V>::zeroed();
    let (key, value) = ((&raw const key) as u64, note.as_mut_ptr() as u64);
    match bpf(MAP_LOOKUP_ELEM, &mut Element { map: map.as_raw_fd(), padding: 0, key, value, flags: 0 }) {
        // SAFETY: `V` is plain data of the map's value size.
        Ok(_) => Ok(Some(unsafe { note.assume_init() })),
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A handle on a process that stays its, whatever becomes of the number.
pub(super) fn pidfd_open(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: no pointers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = i32::try_from(fd).ok().filter(|fd| *fd >= 0).ok_or_else(io::Error::last_os_error)?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Kills the process behind a handle. That it has ended already is as well.
pub(super) fn pidfd_kill(process: BorrowedFd<'_>) -> io::Result<()> {
    let no_details: *const libc::siginfo_t = std::ptr::null();
    // SAFETY: the null pointer asks for the details that kill(2) would send.
    let result =
        unsafe { libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), libc::SIGKILL, no_details, 0) };
    match io::Error::last_os_error() {
        error if result < 0 && error.raw_os_error() != Some(libc::ESRCH) => Err(error),
        _ => Ok(()),
    }
}

/// The identifiers of the security modules that the kernel asks (lsm_list_modules(2), Linux 6.8).
pub(super) fn security_modules() -> io::Result<Vec<u64>> {
    /// Not in the libc crate yet; the same on every architecture.
    const SYS_LSM_LIST_MODULES: libc::c_long = 461;
    let mut modules = [0u64; 64];
    let mut size = size_of_val(&modules) as u32;
    // SAFETY: both pointers are to live values of the sizes given.
    let count = unsafe { libc::syscall(SYS_LSM_LIST_MODULES, modules.as_mut_ptr(), &raw mut size, 0) };
    let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
    Ok(modules.into_iter().take(count).collect())
}

/// Looks an element up and deletes it in one operation (hash maps: Linux 5.14).
pub(super) fn map_take<K: Pod, V: Pod>(map: BorrowedFd<'_>, key: &K) -> io::Result<Option<V>> {
    let mut value = MaybeUninit::<V>::zeroed();
    let mut attributes = Element {
        map: map.as_raw_fd(),
        padding: 0,
        key: (key as *const K) as u64,
        value: value.as_mut_ptr() as u64,
        flags: 0,
    };
    match bpf(MAP_LOOKUP_AND_DELETE_ELEM, &mut attributes) {
        // SAFETY: `V` is plain data of the map's value size (aya checked it when opening).
        Ok(_) => Ok(Some(unsafe { value.assume_init() })),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The cookie of the network namespace a socket belongs to.
pub(super) fn netns_cookie(socket: BorrowedFd<'_>) -> io::Result<u64> {
    let mut cookie = 0u64;
    let mut length = size_of::<u64>() as libc::socklen_t;
    // SAFETY: both pointers are to live values of the sizes given.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(cookie) }
}

/// Watches one of aya's ring buffers for readability. Fails outside a tokio runtime.
pub(super) fn watch<T: RingDescriptor>(ring: T) -> io::Result<AsyncFd<T>> {
    tokio::runtime::Handle::try_current().map_err(io::Error::other)?;
    // SAFETY: the types of `RingDescriptor` own one map descriptor from their making to their
    // drop and always return that one.
    unsafe { AsyncFd::register_with_interest(ring, Interest::READABLE) }
        .map_err(|error| io::Error::other(error.to_string()))
}

/// The types that [`watch`] may be used with.
pub(super) trait RingDescriptor: AsRawFd {}
impl RingDescriptor for aya::maps::RingBuf<aya::maps::MapData> {}
impl<L> RingDescriptor for aya_log::EbpfLogger<L> {}
