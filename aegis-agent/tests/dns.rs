//! The resolver and the DNS server over real sockets on loopback, against a DNS server that counts what reaches it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod dns {
    mod client;
    mod host;
    mod origin;

    mod resolver;
    mod server;
}
