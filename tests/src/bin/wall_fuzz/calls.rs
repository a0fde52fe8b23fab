//! The calls, and how often each is made.

mod options;
mod passing;
mod ring;
mod sending;
mod setting_up;

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use fastrand::Rng;

use crate::board::Board;
use crate::sockets::{Exchange, Sockets};
use crate::system::{self, Prepared};

macro_rules! calls {
    ($($call:ident $name:literal $weight:literal,)*) => {
        /// A kind of call.
        #[derive(Clone, Copy, PartialEq)]
        pub enum Call { $($call,)* }

        impl Call {
            pub const ALL: [Call; [$($weight),*].len()] = [$(Call::$call),*];
            /// How often each is chosen; 0 for what is made in another one's course.
            const WEIGHTS: [u32; Call::ALL.len()] = [$($weight),*];

            pub fn name(self) -> &'static str {
                match self { $(Call::$call => $name,)* }
            }
        }
    };
}

calls! {
    Socket "socket" 16,
    Bind "bind" 7,
    Connect "connect" 14,
    Disconnect "connect(AF_UNSPEC)" 3,
    Listen "listen" 4,
    Accept "accept" 4,
    Shutdown "shutdown" 2,
    Close "close" 5,
    Duplicate "dup" 3,
    Replace "dup2" 2,
    Peer "getpeername" 2,
    Send "send" 8,
    SendTo "sendto" 10,
    SendMsg "sendmsg" 8,
    SendMany "sendmmsg" 4,
    Receive "recv" 4,
    Splice "splice" 2,
    SendFile "sendfile" 2,
    SetOption "setsockopt" 16,
    GetOption "getsockopt" 3,
    Pass "sendmsg(SCM_RIGHTS)" 2,
    Take "recvmsg(SCM_RIGHTS)" 3,
    Ring "io_uring" 2,
    RingSocket "io_uring socket" 0,
    RingConnect "io_uring connect" 0,
    RingSend "io_uring send" 0,
    RingSendMsg "io_uring sendmsg" 0,
    Fork "fork" 0,
}

impl Call {
    pub fn any(dice: &mut Rng) -> Call {
        let mut place = dice.u32(..Call::WEIGHTS.iter().sum::<u32>());
        for (call, weight) in Call::ALL.into_iter().zip(Call::WEIGHTS) {
            match place.checked_sub(weight) {
                Some(rest) => place = rest,
                None => return call,
            }
        }
        Call::Socket
    }
}

/// One thread that makes calls.
pub struct Actor<'a> {
    pub name: String,
    pub number: u64,
    pub dice: Rng,
    pub board: &'a Board,
    pub exchange: &'a Exchange,
    pub sockets: &'a Sockets,
    /// What is spliced and sent from.
    pipe: Option<(OwnedFd, OwnedFd)>,
    file: Option<OwnedFd>,
    /// What rings were given of late.
    prepared: VecDeque<Box<Prepared>>,
}

impl<'a> Actor<'a> {
    pub fn new(name: String, dice: Rng, board: &'a Board, exchange: &'a Exchange, sockets: &'a Sockets) -> Actor<'a> {
        let (pipe, file) = (system::pipe().ok(), system::memory_file().ok());
        Actor { name, number: 0, dice, board, exchange, sockets, pipe, file, prepared: VecDeque::new() }
    }

    pub fn note(&self, call: Call, what: &str, answer: nix::Result<i64>) {
        self.board.note(&self.name, self.number, call, what, answer);
    }
}

/// What was called, for the trace, and the kernel's answer; none where there is no socket to call it on.
type Outcome = Option<(String, nix::Result<i64>)>;

/// Makes one call and notes it.
pub fn perform(actor: &mut Actor<'_>, call: Call) {
    actor.number += 1;
    let outcome = match call {
        Call::Socket => setting_up::socket(actor),
        Call::Bind => setting_up::bind(actor),
        Call::Connect => setting_up::connect(actor),
        Call::Disconnect => setting_up::disconnect(actor),
        Call::Listen => setting_up::listen(actor),
        Call::Accept => setting_up::accept(actor),
        Call::Shutdown => setting_up::shutdown(actor),
        Call::Close => setting_up::close(actor),
        Call::Duplicate => setting_up::duplicate(actor),
        Call::Replace => setting_up::replace(actor),
        Call::Peer => setting_up::peer(actor),
        Call::Send => sending::send(actor),
        Call::SendTo => sending::send_to(actor),
        Call::SendMsg => sending::send_msg(actor),
        Call::SendMany => sending::send_many(actor),
        Call::Receive => sending::receive(actor),
        Call::Splice => sending::splice(actor),
        Call::SendFile => sending::send_file(actor),
        Call::SetOption => options::set(actor),
        Call::GetOption => options::get(actor),
        Call::Pass => passing::pass(actor),
        Call::Take => passing::take(actor),
        Call::Ring => ring::burst(actor),
        Call::RingSocket | Call::RingConnect | Call::RingSend | Call::RingSendMsg | Call::Fork => None,
    };
    if let Some((what, answer)) = outcome {
        actor.note(call, &what, answer);
    }
}
