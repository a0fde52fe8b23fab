//! System calls that no crate in use offers. Each wrapper is safe to call.
#![allow(unsafe_code)] // Raw system calls; every pointer handed over outlives its call.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// `enum kcmp_type` of linux/kcmp.h: the tables of open files.
const KCMP_FILES: libc::c_long = 2;
/// asm-generic/socket.h.
const SO_LOCK_FILTER: libc::c_int = 44;

/// linux/sockios.h.
const SIOCGSKNS: libc::Ioctl = 0x894c;

/// A handle of the network namespace that a socket belongs to.
pub fn namespace(socket: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    // SAFETY: the request takes no argument.
    let descriptor = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCGSKNS) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Whether two tasks share one table of open files (kcmp(2)).
pub fn same_files(one: u32, other: u32) -> io::Result<bool> {
    let (one, other) = (libc::c_long::from(one), libc::c_long::from(other));
    let unused: libc::c_long = 0;
    // SAFETY: plain numbers; the kernel writes nothing.
    let result = unsafe { libc::syscall(libc::SYS_kcmp, one, other, KCMP_FILES, unused, unused) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result == 0) }
}

/// Makes the socket's filter final: nobody can take it off or put another in its place any more.
pub fn lock_filter(socket: BorrowedFd<'_>) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the pointer is to a live value of the size given.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_LOCK_FILTER,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
