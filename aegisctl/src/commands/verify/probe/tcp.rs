//! Attempts by connections.

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use socket2::{Protocol, Socket, Type};

use super::super::channel::{Order, Refused};
use super::{Done, Tried, tried};

/// How long a connect that blocks may.
const CONNECT: Duration = Duration::from_millis(50);

/// How long somebody who took the connection may think; Aegis' proxy does, and must have decided before the sink looks.
const ANSWER: Duration = Duration::from_millis(500);

pub fn socket(order: &Order) -> Result<Socket, Refused> {
    super::socket(order.to, Type::STREAM, Some(Protocol::TCP))
}

/// `connect` as most programs call it.
pub fn connect_blocking(order: &Order) -> Tried {
    let socket = socket(order)?;
    tried("setsockopt", socket.set_write_timeout(Some(CONNECT)))?;
    reach(&socket, order)
}

/// `connect` as event loops call it.
pub fn connect(socket: &Socket, order: &Order) -> Tried {
    tried("fcntl", socket.set_nonblocking(true))?;
    reach(socket, order)
}

/// With data in the first packet.
pub fn fast_open(order: &Order) -> Tried {
    let socket = socket(order)?;
    tried("fcntl", socket.set_nonblocking(true))?;
    match socket.send_to_with_flags(&request(order), &order.to.into(), libc::MSG_FASTOPEN) {
        Ok(_) => Ok(Done::default()),
        Err(error) if under_way(&error) => Ok(Done::default()),
        Err(error) => Err(Refused::new("sendto", &error)),
    }
}

/// Past the routing table, which would otherwise keep a redirected connection on this host.
pub fn bound_to_device(order: &Order) -> Tried {
    let socket = socket(order)?;
    tried("SO_BINDTODEVICE", socket.bind_device(Some(order.device.as_bytes())))?;
    connect(&socket, order)
}

/// Connections of another protocol.
pub fn other(order: &Order, kind: Type, protocol: Protocol) -> Tried {
    connect(&super::socket(order.to, kind, Some(protocol))?, order)
}

/// Waits for somebody to connect.
pub fn listen(order: &Order) -> Tried {
    let socket = super::socket(order.from, Type::STREAM, Some(Protocol::TCP))?;
    tried("setsockopt", socket.set_reuse_address(true))?;
    tried("bind", socket.bind(&order.from.into()))?;
    tried("listen", socket.listen(8))?;
    Ok(Done { note: Some("the answer to a connection from outside was dropped".to_owned()), kept: Some(socket) })
}

fn reach(socket: &Socket, order: &Order) -> Tried {
    match socket.connect(&order.to.into()) {
        Ok(()) => Ok(Done { note: Some(converse(socket, order)), kept: None }),
        Err(error) if under_way(&error) => Ok(Done::default()),
        Err(error) => Err(Refused::new("connect", &error)),
    }
}

fn under_way(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(libc::EINPROGRESS) || error.kind() == ErrorKind::WouldBlock
}

/// Somebody took the connection. In the agent's cgroup it is Aegis' proxy: it gets a request to send on.
fn converse(mut socket: &Socket, order: &Order) -> String {
    let mut speak = || -> std::io::Result<Vec<u8>> {
        let mut answer = [0; 256];
        socket.set_nonblocking(false)?;
        socket.set_write_timeout(Some(ANSWER))?;
        socket.set_read_timeout(Some(ANSWER))?;
        socket.write_all(&request(order))?;
        let length = socket.read(&mut answer)?;
        Ok(answer.get(..length).unwrap_or_default().to_vec())
    };
    match speak() {
        Ok(answer) if answer.is_empty() => "redirected, and closed by the proxy".to_owned(),
        Ok(answer) => {
            let text = String::from_utf8_lossy(&answer);
            format!("redirected; the proxy answered {}", text.lines().next().unwrap_or_default())
        }
        Err(error) => format!("redirected, and not answered ({error})"),
    }
}

fn request(order: &Order) -> Vec<u8> {
    let (to, marker) = (order.to, &order.marker);
    format!("GET / HTTP/1.1\r\nhost: {to}\r\nx-verify: {marker}\r\nconnection: close\r\n\r\n").into_bytes()
}
