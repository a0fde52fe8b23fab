//! A TUN interface: what is routed to it comes out of its descriptor, and it is gone when the descriptor is closed, however
//! its owner dies.
#![allow(unsafe_code)] // ioctl(2) and a packet socket's address; every pointer handed over outlives its call.

use std::fs::File;
use std::io;
use std::mem;
use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use socket2::{Domain, SockAddr, Socket, Type};

/// Makes the interface in the calling thread's network namespace; it takes and gives IP packets without any header before
/// them.
pub fn open(name: &str) -> io::Result<File> {
    let tun = File::options().read(true).write(true).open("/dev/net/tun")?;
    let mut request = request(name)?;
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short;
    ioctl(tun.as_fd(), libc::TUNSETIFF, &mut request)?;
    Ok(tun)
}

/// Gives an interface its IPv4 address.
pub fn set_address_v4(name: &str, address: Ipv4Addr, mask: Ipv4Addr) -> io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).or_else(|_| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)))?;
    for (call, value) in [(libc::SIOCSIFADDR, address), (libc::SIOCSIFNETMASK, mask)] {
        let mut request = request(name)?;
        request.ifr_ifru.ifru_addr = socket_address(value);
        ioctl(socket.as_fd(), call, &mut request)?;
    }
    Ok(())
}

/// Gives an interface its IPv6 address.
pub fn set_address_v6(name: &str, address: Ipv6Addr, prefix: u32) -> io::Result<()> {
    let socket = Socket::new(Domain::IPV6, Type::DGRAM, None)?;
    let index = i32::try_from(nix::net::if_::if_nametoindex(name)?).map_err(io::Error::other)?;
    let mut request = libc::in6_ifreq {
        ifr6_addr: libc::in6_addr { s6_addr: address.octets() },
        ifr6_prefixlen: prefix,
        ifr6_ifindex: index,
    };
    ioctl(socket.as_fd(), libc::SIOCSIFADDR, &mut request)
}

/// Switches an interface on.
pub fn bring_up(name: &str) -> io::Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    let mut request = request(name)?;
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    ioctl(socket.as_fd(), libc::SIOCSIFFLAGS, &mut request)
}

/// Where a packet socket sends IPv4 packets as they are.
pub fn link_address(interface: u32) -> io::Result<SockAddr> {
    let interface = i32::try_from(interface).map_err(io::Error::other)?;
    let init = |storage: *mut socket2::SockAddrStorage, length: *mut libc::socklen_t| {
        // SAFETY: the storage is larger than any address, aligned for each, and zeroed, which is valid for this one.
        unsafe {
            let address = &mut *storage.cast::<libc::sockaddr_ll>();
            address.sll_family = libc::AF_PACKET as libc::sa_family_t;
            address.sll_protocol = (libc::ETH_P_IP as u16).to_be();
            address.sll_ifindex = interface;
            *length = mem::size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        }
        Ok(())
    };
    // SAFETY: the closure fills in the address and its length.
    unsafe { SockAddr::try_init(init) }.map(|((), address)| address)
}

fn request(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: plain data, for which zeros are a value.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    if name.len() >= request.ifr_name.len() {
        return Err(io::Error::other(format!("{name} is too long for an interface's name")));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    Ok(request)
}

fn socket_address(address: Ipv4Addr) -> libc::sockaddr {
    let address = libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: 0,
        sin_addr: libc::in_addr { s_addr: u32::from(address).to_be() },
        sin_zero: [0; 8],
    };
    // SAFETY: the same size, plain data; `sockaddr` is the general form of it.
    unsafe { mem::transmute::<libc::sockaddr_in, libc::sockaddr>(address) }
}

fn ioctl<T>(descriptor: BorrowedFd<'_>, call: libc::Ioctl, argument: &mut T) -> io::Result<()> {
    // SAFETY: each call above reads (and may write) one `T` at a live, exclusively borrowed value.
    let result = unsafe { libc::ioctl(descriptor.as_raw_fd(), call, std::ptr::from_mut(argument)) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
