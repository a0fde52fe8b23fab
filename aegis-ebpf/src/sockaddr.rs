//! The address a socket call names, read from and written to the context of a sock_addr program.
//! After reading, IPv4 and IPv6 are one.

use aegis_common::{Address, Endpoint};
use aya_ebpf::{
    bindings::{bpf_sock, bpf_sock_addr},
    helpers::generated::bpf_get_socket_cookie,
    programs::SockAddrContext,
};

/// Which fields of the context hold the address: `user_ip4` or `user_ip6`.
#[derive(Clone, Copy, PartialEq)]
pub enum Family {
    V4,
    V6,
}

/// One socket call.
pub struct Call<'a> {
    pub ctx: &'a SockAddrContext,
    pub family: Family,
}

impl Call<'_> {
    #[inline(always)]
    fn raw(&self) -> *mut bpf_sock_addr {
        self.ctx.sock_addr
    }

    #[inline(always)]
    pub fn socket(&self) -> *mut bpf_sock {
        // SAFETY: a field of the context.
        unsafe { (*self.raw()).__bindgen_anon_1.sk }
    }

    /// The socket's cookie: its number for as long as the host is up.
    #[inline(always)]
    pub fn cookie(&self) -> u64 {
        // SAFETY: plain helper on the context.
        unsafe { bpf_get_socket_cookie(self.raw().cast()) }
    }

    /// The socket's own end as far as it is bound. An unbound address is taken for the one that
    /// the kernel chooses towards `to`, which is on loopback.
    #[inline(always)]
    pub fn local_end(&self, to: &Endpoint) -> Endpoint {
        // SAFETY: fields of the context's socket, read one word at a time. Which fields depends on
        // the program only: an offset chosen at run time would not pass the verifier.
        let (address, port) = unsafe {
            let sk = self.socket();
            let address = match self.family {
                Family::V4 => Address::v4((&raw const (*sk).src_ip4).read_volatile()),
                Family::V6 => {
                    let words = (&raw const (*sk).src_ip6).cast::<u32>();
                    Address::v6([
                        words.read_volatile(),
                        words.add(1).read_volatile(),
                        words.add(2).read_volatile(),
                        words.add(3).read_volatile(),
                    ])
                }
            };
            (address, (&raw const (*sk).src_port).read_volatile() as u16)
        };
        if address.is_unspecified() {
            return Endpoint::new(to.address.loopback_of_family(), port);
        }
        Endpoint::new(address, port)
    }

    /// IP protocol number of the socket.
    #[inline(always)]
    pub fn protocol(&self) -> u8 {
        // SAFETY: a field of the context.
        unsafe { (*self.raw()).protocol as u8 }
    }

    /// The address the call names, or for recvmsg and getpeername the one it would answer.
    #[inline(always)]
    pub fn endpoint(&self) -> Endpoint {
        // SAFETY: fields of the context; read one word at a time because the verifier allows no
        // wider access everywhere.
        unsafe {
            let ctx = self.raw();
            let port = u16::from_be((&raw const (*ctx).user_port).read_volatile() as u16);
            let address = match self.family {
                Family::V4 => Address::v4((&raw const (*ctx).user_ip4).read_volatile()),
                Family::V6 => {
                    let words = (&raw const (*ctx).user_ip6).cast::<u32>();
                    Address::v6([
                        words.read_volatile(),
                        words.add(1).read_volatile(),
                        words.add(2).read_volatile(),
                        words.add(3).read_volatile(),
                    ])
                }
            };
            Endpoint::new(address, port)
        }
    }

    /// Puts another address in its place. An IPv4 call takes IPv4 only; the caller sees to it.
    #[inline(always)]
    pub fn set_endpoint(&self, to: &Endpoint) {
        // SAFETY: as above.
        unsafe {
            let ctx = self.raw();
            (&raw mut (*ctx).user_port).write_volatile(u32::from(to.port.to_be()));
            match self.family {
                Family::V4 => (&raw mut (*ctx).user_ip4).write_volatile(to.address.v4_word()),
                Family::V6 => {
                    let from = to.address.words();
                    let words = (&raw mut (*ctx).user_ip6).cast::<u32>();
                    words.write_volatile(from[0]);
                    words.add(1).write_volatile(from[1]);
                    words.add(2).write_volatile(from[2]);
                    words.add(3).write_volatile(from[3]);
                }
            }
        }
    }
}
