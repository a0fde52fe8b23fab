//! Making, naming, connecting and closing sockets.

use std::os::fd::RawFd;

use nix::errno::Errno;
use nix::libc;

use super::{Actor, Outcome};
use crate::system::{self, Address};
use crate::targets;

/// Mostly what the wall lets be made; else anything.
pub fn socket(actor: &mut Actor<'_>) -> Outcome {
    let (family, kind, protocol) = kind(&mut actor.dice);
    let waits = actor.dice.u8(..8) == 0;
    let made = system::socket(family, kind | if waits { 0 } else { libc::SOCK_NONBLOCK }, protocol);
    let answer = made.map(|socket| {
        if waits {
            system::bound_waits(&socket);
        }
        actor.sockets.add(socket, &mut actor.dice);
        0
    });
    Some((format!("{family} {kind} {protocol} waits={waits}"), answer))
}

pub fn kind(dice: &mut fastrand::Rng) -> (i32, i32, i32) {
    let family = if dice.bool() { libc::AF_INET } else { libc::AF_INET6 };
    match dice.u8(..10) {
        0..=3 => (family, libc::SOCK_STREAM, 0),
        4..=7 => (family, libc::SOCK_DGRAM, 0),
        8 => {
            let protocols = [0, 1, 2, 6, 17, 33, 46, 47, 58, 103, 115, 132, 136, 255, 256, 262, dice.i32(0..300)];
            (family, dice.i32(1..=6), protocols[dice.usize(..protocols.len())])
        }
        _ => (other_family(dice), dice.i32(1..=6), [0, 0, 0, 3, 6, 17, dice.i32(0..300)][dice.usize(..7)]),
    }
}

/// Any but AF_VSOCK: that leads out of the laboratory, to the hypervisor of the machine.
fn other_family(dice: &mut fastrand::Rng) -> i32 {
    let family = dice.i32(0..46);
    if family == libc::AF_VSOCK { libc::AF_UNIX } else { family }
}

pub fn bind(actor: &mut Actor<'_>) -> Outcome {
    let socket = actor.sockets.any(&mut actor.dice)?;
    let address = targets::own(&mut actor.dice);
    Some((format!("{socket} {address}"), system::bind(socket, &Address::from(address))))
}

pub fn connect(actor: &mut Actor<'_>) -> Outcome {
    let socket = actor.sockets.any(&mut actor.dice)?;
    if actor.dice.u8(..6) == 0 {
        return to_each_other(actor, socket);
    }
    let address = targets::destination(&mut actor.dice);
    let mut given = Address::from(address);
    if actor.dice.u8(..32) == 0 {
        given.set_length(actor.dice.u32(..32));
    }
    Some((format!("{socket} {address}"), system::connect(socket, &given)))
}

/// To where another one of the table's sockets listens or receives.
fn to_each_other(actor: &mut Actor<'_>, socket: RawFd) -> Outcome {
    let other = actor.sockets.any(&mut actor.dice)?;
    let answer = system::name(other).and_then(|address| system::connect(socket, &address));
    Some((format!("{socket} to {other}"), answer))
}

/// Undoes a connection, so that the socket is free for another.
pub fn disconnect(actor: &mut Actor<'_>) -> Outcome {
    let socket = actor.sockets.any(&mut actor.dice)?;
    let address = targets::destination(&mut actor.dice);
    let mut given = Address::from(address);
    given.set_family(libc::AF_UNSPEC);
    Some((format!("{socket} {address}"), system::connect(socket, &given)))
}

pub fn listen(actor: &mut Actor<'_>) -> Outcome {
    let socket = actor.sockets.any(&mut actor.dice)?;
    Some((format!("{socket}"), system::listen(socket, actor.dice.i32(0..16))))
}

pub fn accept(actor: &mut Actor<'_>) -> Outcome {
    let socket = actor.sockets.any(&mut actor.dice)?;
    let accepted = system::accept(socket).map(|socket| actor.sockets.add(socket, &mut actor.dice));
    Some((format!("{socket}"), accepted.map(|()| 0)))
}

pub fn shutdown(actor: &mut Actor<'_>) -> Outcome {
    let (socket, how) = (actor.sockets.any(&mut actor.dice)?, actor.dice.i32(0..3));
    Some((format!("{socket} {how}"), system::shutdown(socket, how)))
}

pub fn close(actor: &mut Actor<'_>) -> Outcome {
    actor.sockets.remove(&mut actor.dice).map(|socket| (format!("{socket:?}"), Ok(0)))
}

pub fn duplicate(actor: &mut Actor<'_>) -> Outcome {
    let socket = actor.sockets.any(&mut actor.dice)?;
    let copied = system::duplicate(socket).map(|copy| actor.sockets.add(copy, &mut actor.dice));
    Some((format!("{socket}"), copied.map(|()| 0)))
}

/// Puts one socket in the place of another that may be in use.
pub fn replace(actor: &mut Actor<'_>) -> Outcome {
    let (from, to) = (actor.sockets.any(&mut actor.dice)?, actor.sockets.any(&mut actor.dice)?);
    let answer = if from == to { Err(Errno::EINVAL) } else { system::replace(from, to) };
    Some((format!("{from} {to}"), answer))
}

pub fn peer(actor: &mut Actor<'_>) -> Outcome {
    let socket = actor.sockets.any(&mut actor.dice)?;
    Some((format!("{socket}"), system::peer(socket)))
}
