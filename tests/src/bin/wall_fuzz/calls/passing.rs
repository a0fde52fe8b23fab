//! Sockets that change hands between the fuzzer's own processes.

use super::{Actor, Outcome};
use crate::system;

pub fn pass(actor: &mut Actor<'_>) -> Outcome {
    let socket = actor.sockets.any(&mut actor.dice)?;
    Some((format!("{socket}"), system::pass(&actor.exchange.inlet, socket)))
}

pub fn take(actor: &mut Actor<'_>) -> Outcome {
    let taken = system::take(&actor.exchange.outlet).map(|socket| actor.sockets.add(socket, &mut actor.dice));
    Some((String::new(), taken.map(|()| 0)))
}
