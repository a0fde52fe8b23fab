//! The system calls, with any numbers as arguments: no library lets a caller ask for what does not exist.

// Raw calls are what this program is for. Every pointer is to memory that outlives its call and is as long as said.
#![allow(unsafe_code)]

use std::net::SocketAddr;
use std::ops::Deref;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixDatagram;
use std::ptr;
use std::time::{Duration, Instant};

use io_uring::IoUring;
use io_uring::squeue::Entry;
use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// A socket address of any family and length.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub struct Address {
    bytes: [u8; 28],
    length: u32,
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        let mut bytes = [0; 28];
        bytes[2..4].copy_from_slice(&address.port().to_be_bytes());
        let (family, length) = match address {
            SocketAddr::V4(address) => {
                bytes[4..8].copy_from_slice(&address.ip().octets());
                (libc::AF_INET, 16)
            }
            SocketAddr::V6(address) => {
                bytes[4..8].copy_from_slice(&address.flowinfo().to_be_bytes());
                bytes[8..24].copy_from_slice(&address.ip().octets());
                bytes[24..28].copy_from_slice(&address.scope_id().to_ne_bytes());
                (libc::AF_INET6, 28)
            }
        };
        let mut address = Address { bytes, length };
        address.set_family(family);
        address
    }
}

impl Address {
    pub fn set_family(&mut self, family: i32) {
        self.bytes[..2].copy_from_slice(&(family as u16).to_ne_bytes());
    }

    pub fn set_length(&mut self, length: u32) {
        self.length = length.min(28);
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn pointer(&self) -> *const libc::sockaddr {
        self.bytes.as_ptr().cast()
    }

    pub fn length(&self) -> u32 {
        self.length
    }
}

/// A message whose parts stay where they are as long as it lives.
pub struct Prepared {
    pub to: Address,
    pub bytes: Vec<u8>,
    part: libc::iovec,
    header: libc::msghdr,
}

impl Prepared {
    pub fn new(to: Address, bytes: Vec<u8>) -> Box<Prepared> {
        let part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
        let mut prepared = Box::new(Prepared { to, bytes, part, header: empty_header() });
        prepared.header.msg_name = (&raw mut prepared.to.bytes).cast();
        prepared.header.msg_namelen = prepared.to.length;
        prepared.header.msg_iov = &raw mut prepared.part;
        prepared.header.msg_iovlen = 1;
        prepared
    }

    pub fn message(&self) -> *const libc::msghdr {
        &raw const self.header
    }
}

fn empty_header() -> libc::msghdr {
    // SAFETY: zeros are a header without anything.
    unsafe { std::mem::zeroed() }
}

fn answer(result: isize) -> nix::Result<i64> {
    Errno::result(result).map(|value| value as i64)
}

/// Takes over a descriptor that the kernel has just made.
pub fn owned(descriptor: RawFd) -> OwnedFd {
    // SAFETY: nobody else has it yet.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}

pub fn socket(family: i32, kind: i32, protocol: i32) -> nix::Result<OwnedFd> {
    // SAFETY: numbers only.
    Errno::result(unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, protocol) }).map(owned)
}

/// Calls on this socket give up after a moment.
pub fn bound_waits(socket: &OwnedFd) {
    let time = [0i64.to_ne_bytes(), 20_000i64.to_ne_bytes()].concat();
    for name in [libc::SO_SNDTIMEO, libc::SO_RCVTIMEO] {
        let _ = set_option(socket.as_raw_fd(), libc::SOL_SOCKET, name, &time);
    }
}

pub fn bind(socket: RawFd, to: &Address) -> nix::Result<i64> {
    // SAFETY: see the head of this file.
    answer(unsafe { libc::bind(socket, to.pointer(), to.length) } as isize)
}

pub fn connect(socket: RawFd, to: &Address) -> nix::Result<i64> {
    // SAFETY: see the head of this file.
    answer(unsafe { libc::connect(socket, to.pointer(), to.length) } as isize)
}

pub fn listen(socket: RawFd, backlog: i32) -> nix::Result<i64> {
    // SAFETY: numbers only.
    answer(unsafe { libc::listen(socket, backlog) } as isize)
}

pub fn accept(socket: RawFd) -> nix::Result<OwnedFd> {
    // SAFETY: no address is asked for.
    Errno::result(unsafe { libc::accept4(socket, ptr::null_mut(), ptr::null_mut(), libc::SOCK_NONBLOCK) }).map(owned)
}

pub fn shutdown(socket: RawFd, how: i32) -> nix::Result<i64> {
    // SAFETY: numbers only.
    answer(unsafe { libc::shutdown(socket, how) } as isize)
}

pub fn duplicate(socket: RawFd) -> nix::Result<OwnedFd> {
    // SAFETY: numbers only.
    Errno::result(unsafe { libc::fcntl(socket, libc::F_DUPFD_CLOEXEC, 3) }).map(owned)
}

pub fn replace(from: RawFd, to: RawFd) -> nix::Result<i64> {
    // SAFETY: `to` is a socket of the table and stays its own descriptor, of another socket.
    answer(unsafe { libc::dup3(from, to, libc::O_CLOEXEC) } as isize)
}

/// The socket's own name.
pub fn name(socket: RawFd) -> nix::Result<Address> {
    let mut address = Address { bytes: [0; 28], length: 28 };
    // SAFETY: see the head of this file.
    let named = unsafe { libc::getsockname(socket, address.bytes.as_mut_ptr().cast(), &mut address.length) };
    address.set_length(address.length);
    Errno::result(named).map(|_| address)
}

/// The other end's name.
pub fn peer(socket: RawFd) -> nix::Result<i64> {
    let (mut bytes, mut length) = ([0u8; 128], 128);
    // SAFETY: see the head of this file.
    answer(unsafe { libc::getpeername(socket, bytes.as_mut_ptr().cast(), &mut length) } as isize)
}

pub fn send_to(socket: RawFd, bytes: &[u8], flags: i32, to: Option<&Address>) -> nix::Result<i64> {
    let (name, length) = to.map_or((ptr::null(), 0), |to| (to.pointer(), to.length));
    // SAFETY: see the head of this file.
    answer(unsafe { libc::sendto(socket, bytes.as_ptr().cast(), bytes.len(), flags, name, length) })
}

pub fn send_msg(socket: RawFd, bytes: &[u8], flags: i32, to: Option<&Address>, control: &[u8]) -> nix::Result<i64> {
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let header = header(&mut part, to, control);
    // SAFETY: see the head of this file.
    answer(unsafe { libc::sendmsg(socket, &header, flags) })
}

/// The same bytes to several addresses in one call.
pub fn send_many(socket: RawFd, bytes: &[u8], flags: i32, places: &[Address]) -> nix::Result<i64> {
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let mut messages: Vec<libc::mmsghdr> = (places.iter())
        .map(|place| libc::mmsghdr { msg_hdr: header(&mut part, Some(place), &[]), msg_len: 0 })
        .collect();
    // SAFETY: see the head of this file.
    answer(unsafe { libc::sendmmsg(socket, messages.as_mut_ptr(), messages.len() as u32, flags) } as isize)
}

fn header(part: &mut libc::iovec, to: Option<&Address>, control: &[u8]) -> libc::msghdr {
    let mut header = empty_header();
    if let Some(to) = to {
        header.msg_name = to.pointer().cast_mut().cast();
        header.msg_namelen = to.length;
    }
    header.msg_iov = part;
    header.msg_iovlen = 1;
    header.msg_control = control.as_ptr().cast_mut().cast();
    header.msg_controllen = control.len();
    header
}

pub fn receive(socket: RawFd) -> nix::Result<i64> {
    let mut bytes = [0u8; 2048];
    // SAFETY: see the head of this file.
    answer(unsafe { libc::recv(socket, bytes.as_mut_ptr().cast(), bytes.len(), libc::MSG_DONTWAIT) })
}

pub fn set_option(socket: RawFd, level: i32, name: i32, value: &[u8]) -> nix::Result<i64> {
    // SAFETY: see the head of this file.
    answer(unsafe { libc::setsockopt(socket, level, name, value.as_ptr().cast(), value.len() as u32) } as isize)
}

pub fn get_option(socket: RawFd, level: i32, name: i32) -> nix::Result<i64> {
    let (mut bytes, mut length) = ([0u8; 512], 512);
    // SAFETY: see the head of this file.
    answer(unsafe { libc::getsockopt(socket, level, name, bytes.as_mut_ptr().cast(), &mut length) } as isize)
}

/// A pipe that never waits: read end, write end.
pub fn pipe() -> nix::Result<(OwnedFd, OwnedFd)> {
    nix::unistd::pipe2(nix::fcntl::OFlag::O_NONBLOCK | nix::fcntl::OFlag::O_CLOEXEC)
}

pub fn memory_file() -> nix::Result<OwnedFd> {
    // SAFETY: the name is a literal.
    Errno::result(unsafe { libc::memfd_create(c"wall-fuzz".as_ptr(), libc::MFD_CLOEXEC) }).map(owned)
}

/// Moves bytes by way of a pipe; what the socket does not take is thrown away.
pub fn splice(write: &OwnedFd, read: &OwnedFd, bytes: &[u8], socket: RawFd) -> nix::Result<i64> {
    let length = nix::unistd::write(write, bytes)?;
    let flags = libc::SPLICE_F_NONBLOCK | libc::SPLICE_F_MOVE;
    // SAFETY: descriptors and null pointers only.
    let moved = unsafe { libc::splice(read.as_raw_fd(), ptr::null_mut(), socket, ptr::null_mut(), length, flags) };
    let moved = answer(moved);
    let mut rest = vec![0; length];
    let _ = nix::unistd::read(read, &mut rest);
    moved
}

pub fn send_file(file: &OwnedFd, bytes: &[u8], socket: RawFd) -> nix::Result<i64> {
    nix::sys::uio::pwrite(file, bytes, 0)?;
    let mut from = 0;
    // SAFETY: see the head of this file.
    answer(unsafe { libc::sendfile(socket, file.as_raw_fd(), &mut from, bytes.len()) })
}

/// Hands a socket over.
pub fn pass(way: &UnixDatagram, socket: RawFd) -> nix::Result<i64> {
    use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg};
    let sockets = [socket];
    let control = [ControlMessage::ScmRights(&sockets)];
    let part = [std::io::IoSlice::new(b"socket")];
    sendmsg::<UnixAddr>(way.as_raw_fd(), &part, &control, MsgFlags::MSG_DONTWAIT, None).map(|sent| sent as i64)
}

/// Takes a socket that was handed over.
pub fn take(way: &UnixDatagram) -> nix::Result<OwnedFd> {
    use nix::sys::socket::{ControlMessageOwned, MsgFlags, UnixAddr, recvmsg};
    let mut text = [0; 16];
    let mut part = [std::io::IoSliceMut::new(&mut text)];
    let mut control = nix::cmsg_space!([RawFd; 1]);
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<UnixAddr>(way.as_raw_fd(), &mut part, Some(&mut control), flags)?;
    let taken = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::ScmRights(sockets) => sockets.first().copied().map(owned),
        _ => None,
    });
    taken.ok_or(Errno::ENOMSG)
}

/// Puts an operation into a ring; one that finds no room is dropped.
pub fn push(ring: &mut IoUring, entry: &Entry) {
    // SAFETY: what the operation points to is kept for many bursts (`Actor::prepared`).
    let _ = unsafe { ring.submission().push(entry) };
}

/// Memory shared with every later child. The kernel's zeros must be a proper `T`.
pub struct Shared<T>(ptr::NonNull<T>);

impl<T> Shared<T> {
    pub fn new() -> nix::Result<Shared<T>> {
        let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping, zeroed by the kernel and never unmapped.
        let memory = unsafe { libc::mmap(ptr::null_mut(), size_of::<T>(), access, kind, -1, 0) };
        if memory == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        ptr::NonNull::new(memory.cast::<T>()).map(Shared).ok_or(Errno::ENOMEM)
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: mapped for good; `T` has atomics only, for which zeros are proper.
        unsafe { self.0.as_ref() }
    }
}

// SAFETY: `T` is shared between processes already, so it is made for it.
unsafe impl<T: Sync> Sync for Shared<T> {}

/// Does `work` in a child that ends with it, and at the latest with its parent.
pub fn fork(work: impl FnOnce()) -> nix::Result<Pid> {
    // SAFETY: the calling process has one thread here, so the child has all of its locks and memory in order.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: numbers only.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        let _ = SigSet::all().thread_unblock();
        work();
        // SAFETY: ends at once, without what its parent would do at its end.
        unsafe { libc::_exit(0) };
    }
    Errno::result(pid).map(Pid::from_raw)
}

/// The kernel ends this process after so many seconds (SIGALRM).
pub fn end_after(seconds: u32) {
    // SAFETY: a number only.
    unsafe { libc::alarm(seconds) };
}

/// Takes ended children out of the list and says how many are left.
pub fn living(children: &mut Vec<Pid>) -> usize {
    children.retain(|child| matches!(waitpid(*child, Some(WaitPidFlag::WNOHANG)), Ok(WaitStatus::StillAlive)));
    children.len()
}

/// From now on SIGTERM and SIGINT wait for [`await_termination`]; children of children become ours.
pub fn catch_termination() -> nix::Result<SigSet> {
    // SAFETY: numbers only.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) };
    let ends: SigSet = [Signal::SIGTERM, Signal::SIGINT].into_iter().collect();
    ends.thread_block()?;
    Ok(ends)
}

/// Returns at `deadline`, or earlier when asked to end.
pub fn await_termination(ends: &SigSet, deadline: Instant) {
    let left = deadline.saturating_duration_since(Instant::now());
    let time = libc::timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
    // SAFETY: see the head of this file.
    unsafe { libc::sigtimedwait(ends.as_ref(), ptr::null_mut(), &time) };
}

/// Waits for the workers' own end, then ends them and whoever is left of their children.
pub fn end_all(workers: &[Pid], grace: Duration) {
    let (mut left, deadline) = (workers.to_vec(), Instant::now() + grace);
    while living(&mut left) > 0 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    for worker in &left {
        let _ = kill(*worker, Signal::SIGKILL);
    }
    // Orphans come to us, and end by themselves soon.
    while waitpid(None, None).is_ok() {}
}
