//! The same calls by io_uring: in the caller's context, by its worker threads or by its polling thread, on sockets in the
//! table or on ones that no descriptor names.

use std::io;
use std::os::fd::RawFd;

use io_uring::squeue::{Entry, Flags};
use io_uring::types::{DestinationSlot, Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, opcode};
use nix::errno::Errno;
use nix::libc;

use super::{Actor, Call, Outcome, setting_up};
use crate::system::{self, Prepared};
use crate::targets;

const ENTRIES: u32 = 8;
/// The slot of the socket without a descriptor.
const SLOT: u32 = 0;
const WAIT: Timespec = Timespec::new().nsec(5_000_000);
const POLLING_IDLE_MS: u32 = 5;
/// Bursts whose buffers are kept: the kernel may read on for a moment behind the end of a ring.
const KEPT: usize = 64;

/// A few operations on one ring.
pub fn burst(actor: &mut Actor<'_>) -> Outcome {
    let polled = actor.dice.u8(..16) == 0;
    let mut builder = IoUring::builder();
    if polled {
        builder.setup_sqpoll(POLLING_IDLE_MS);
    }
    let outcome = builder.build(ENTRIES).and_then(|mut ring| run(&mut ring, actor));
    Some((format!("polled={polled}"), outcome.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))))
}

fn run(ring: &mut IoUring, actor: &mut Actor<'_>) -> io::Result<i64> {
    ring.submitter().register_files_sparse(1)?;
    let to = targets::destination(&mut actor.dice);
    let mut bytes = targets::payload(&actor.name, actor.number, to.port(), &mut actor.dice);
    bytes.truncate(2000);
    let given = Prepared::new(to.into(), bytes);
    let operations = if actor.dice.bool() { nameless(actor, &given) } else { single(actor, &given) };
    actor.prepared.push_front(given);
    actor.prepared.truncate(KEPT);
    for (number, (_, entry)) in operations.iter().enumerate() {
        system::push(ring, &entry.clone().user_data(number as u64));
    }
    // Not all of them may end in time: a connection that nobody answers.
    let _ = ring.submitter().submit_with_args(operations.len(), &SubmitArgs::new().timespec(&WAIT));
    let ends: Vec<(u64, i32)> = ring.completion().map(|end| (end.user_data(), end.result())).collect();
    for (number, result) in ends {
        let Some((call, _)) = operations.get(number as usize) else { continue };
        let answer = if result < 0 { Err(Errno::from_raw(-result)) } else { Ok(i64::from(result)) };
        actor.note(*call, &to.to_string(), answer);
        if *call == Call::RingSocket && result > 0 {
            actor.sockets.add(system::owned(result), &mut actor.dice);
        }
    }
    Ok(0)
}

/// A socket in the ring's own table, connected and written to in one chain.
fn nameless(actor: &mut Actor<'_>, given: &Prepared) -> Vec<(Call, Entry)> {
    let (family, kind, protocol) = setting_up::kind(&mut actor.dice);
    let slot = DestinationSlot::try_from_slot_target(SLOT).ok();
    let socket = opcode::Socket::new(family, kind, protocol).file_index(slot).build();
    let socket = socket.flags(Flags::IO_LINK | detour(actor));
    let connect = connect(SLOT as RawFd, given).flags(Flags::IO_LINK | Flags::FIXED_FILE | detour(actor));
    let (call, send) = send(SLOT as RawFd, given, actor);
    let send = send.flags(Flags::FIXED_FILE | detour(actor));
    let mut operations = vec![(Call::RingSocket, socket), (Call::RingConnect, connect), (call, send)];
    if actor.dice.bool() {
        operations.remove(1);
    }
    operations
}

/// A socket for the table, or something with one of the table's.
fn single(actor: &mut Actor<'_>, given: &Prepared) -> Vec<(Call, Entry)> {
    let Some(socket) = actor.sockets.any(&mut actor.dice) else { return Vec::new() };
    let (call, entry) = match actor.dice.u8(..3) {
        0 => {
            let (family, kind, protocol) = setting_up::kind(&mut actor.dice);
            (Call::RingSocket, opcode::Socket::new(family, kind | libc::SOCK_NONBLOCK, protocol).build())
        }
        1 => (Call::RingConnect, connect(socket, given)),
        _ => send(socket, given, actor),
    };
    vec![(call, entry.flags(detour(actor)))]
}

/// By a worker thread at once, or by whoever comes by.
fn detour(actor: &mut Actor<'_>) -> Flags {
    if actor.dice.u8(..4) == 0 { Flags::ASYNC } else { Flags::empty() }
}

fn connect(socket: RawFd, given: &Prepared) -> Entry {
    opcode::Connect::new(Fd(socket), given.to.pointer(), given.to.length()).build()
}

fn send(socket: RawFd, given: &Prepared, actor: &mut Actor<'_>) -> (Call, Entry) {
    let (bytes, length) = (given.bytes.as_ptr(), given.bytes.len() as u32);
    let (to, to_length) = (given.to.pointer(), given.to.length());
    let entry = match actor.dice.u8(..4) {
        0 => opcode::Send::new(Fd(socket), bytes, length).build(),
        1 => opcode::Send::new(Fd(socket), bytes, length).dest_addr(to).dest_addr_len(to_length).build(),
        2 => opcode::SendZc::new(Fd(socket), bytes, length).dest_addr(to).dest_addr_len(to_length).build(),
        _ => return (Call::RingSendMsg, opcode::SendMsg::new(Fd(socket), given.message()).build()),
    };
    (Call::RingSend, entry)
}
