//! The processes that make the calls: crowds of threads that share sockets, and parents whose children inherit them.

use std::thread;

use fastrand::Rng;

use crate::board::Board;
use crate::calls::{self, Actor, Call};
use crate::sockets::{Exchange, Sockets};
use crate::system;

const THREADS: u64 = 3;
/// Children of one parent that live at one time.
const CHILDREN: usize = 3;
/// A child that hangs in a call is ended by the kernel.
const CHILD_SECONDS: u32 = 2;

/// Threads that share one table of sockets.
pub fn crowd(number: u64, mut dice: Rng, board: &Board, exchange: &Exchange) {
    let sockets = Sockets::default();
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (dice, sockets) = (dice.fork(), &sockets);
            scope.spawn(move || {
                let mut actor = Actor::new(format!("w{number}.t{thread}"), dice, board, exchange, sockets);
                while !board.stopped() {
                    let call = Call::any(&mut actor.dice);
                    calls::perform(&mut actor, call);
                }
            });
        }
    });
}

/// One thread, whose children go on with copies of its sockets.
pub fn parent(number: u64, dice: Rng, board: &Board, exchange: &Exchange) {
    let sockets = Sockets::default();
    let mut actor = Actor::new(format!("w{number}"), dice, board, exchange, &sockets);
    let mut children = Vec::new();
    while !board.stopped() {
        if actor.dice.u8(..64) > 0 {
            let call = Call::any(&mut actor.dice);
            calls::perform(&mut actor, call);
        } else if system::living(&mut children) < CHILDREN {
            fork(&mut actor, &mut children);
        }
    }
}

fn fork(actor: &mut Actor<'_>, children: &mut Vec<nix::unistd::Pid>) {
    let (dice, calls) = (actor.dice.fork(), actor.dice.usize(1..40));
    let name = format!("{}.c{}", actor.name, actor.number);
    let child = system::fork(|| {
        system::end_after(CHILD_SECONDS);
        let mut child = Actor::new(name, dice, actor.board, actor.exchange, actor.sockets);
        for _ in 0..calls {
            let call = Call::any(&mut child.dice);
            calls::perform(&mut child, call);
        }
    });
    actor.note(Call::Fork, "", child.map(|pid| pid.as_raw().into()));
    children.extend(child.ok());
}
