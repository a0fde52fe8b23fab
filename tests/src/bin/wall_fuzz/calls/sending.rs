//! Every way to make the kernel send bytes.

use std::net::SocketAddr;
use std::os::fd::RawFd;

use fastrand::Rng;
use nix::errno::Errno;
use nix::libc;

use super::{Actor, Outcome, options};
use crate::system::{self, Address};
use crate::targets;

const FLAGS: [i32; 9] =
    [0, 0, 0, 0, libc::MSG_DONTROUTE, libc::MSG_MORE, libc::MSG_ZEROCOPY, libc::MSG_FASTOPEN, libc::MSG_CONFIRM];

/// What is about to be sent, where, how.
struct Shot {
    socket: RawFd,
    to: SocketAddr,
    bytes: Vec<u8>,
    flags: i32,
}

impl Shot {
    fn aim(actor: &mut Actor<'_>) -> Option<Shot> {
        let socket = actor.sockets.any(&mut actor.dice)?;
        let to = targets::destination(&mut actor.dice);
        let bytes = targets::payload(&actor.name, actor.number, to.port(), &mut actor.dice);
        let flags = flags(&mut actor.dice);
        Some(Shot { socket, to, bytes, flags })
    }

    fn text(&self) -> String {
        format!("{} {} {} bytes flags={:#x}", self.socket, self.to, self.bytes.len(), self.flags)
    }
}

fn flags(dice: &mut Rng) -> i32 {
    let flags = if dice.u8(..32) == 0 { dice.i32(..) & !libc::MSG_OOB } else { FLAGS[dice.usize(..FLAGS.len())] };
    flags | libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL
}

pub fn send(actor: &mut Actor<'_>) -> Outcome {
    let shot = Shot::aim(actor)?;
    Some((shot.text(), system::send_to(shot.socket, &shot.bytes, shot.flags, None)))
}

pub fn send_to(actor: &mut Actor<'_>) -> Outcome {
    let shot = Shot::aim(actor)?;
    Some((shot.text(), system::send_to(shot.socket, &shot.bytes, shot.flags, Some(&Address::from(shot.to)))))
}

pub fn send_msg(actor: &mut Actor<'_>) -> Outcome {
    let shot = Shot::aim(actor)?;
    let control = options::control(&mut actor.dice);
    let to = (actor.dice.u8(..4) > 0).then(|| Address::from(shot.to));
    let answer = system::send_msg(shot.socket, &shot.bytes, shot.flags, to.as_ref(), &control);
    Some((format!("{} control {control:02x?}", shot.text()), answer))
}

/// One call that sends to several places.
pub fn send_many(actor: &mut Actor<'_>) -> Outcome {
    let shot = Shot::aim(actor)?;
    let places: Vec<Address> = (0..4).map(|_| targets::destination(&mut actor.dice).into()).collect();
    Some((shot.text(), system::send_many(shot.socket, &shot.bytes, shot.flags, &places)))
}

pub fn receive(actor: &mut Actor<'_>) -> Outcome {
    let socket = actor.sockets.any(&mut actor.dice)?;
    Some((format!("{socket}"), system::receive(socket)))
}

pub fn splice(actor: &mut Actor<'_>) -> Outcome {
    let shot = Shot::aim(actor)?;
    let (read, write) = actor.pipe.as_ref()?;
    Some((shot.text(), system::splice(write, read, &shot.bytes, shot.socket)))
}

pub fn send_file(actor: &mut Actor<'_>) -> Outcome {
    let shot = Shot::aim(actor)?;
    let file = actor.file.as_ref()?;
    let answer =
        if shot.bytes.is_empty() { Err(Errno::EINVAL) } else { system::send_file(file, &shot.bytes, shot.socket) };
    Some((shot.text(), answer))
}
