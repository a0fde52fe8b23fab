//! A WebSocket under way: each direction by itself, so that neither waits for the other; and its end, of which each side is told.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::close::{self, Violation};
use super::frame::Opcode;
use super::gate::{Gate, Held};
use super::message::{Assembly, Event, Frames, Piece};
use super::wire::Wire;
use crate::flow::ending::Ending;
use crate::flow::stop::Direction;

/// Bytes read at once.
const READ: usize = 16 * 1024;
/// How long the other side may take for its part of the closing handshake, and for what was being written.
const CLOSING: Duration = Duration::from_secs(5);
/// How long either side may take to close its connection behind the close frame.
const LINGER: Duration = Duration::from_secs(2);

/// How a direction, and so the WebSocket, ended.
#[derive(Debug)]
pub enum End {
    /// A close frame went on.
    Closed,
    /// A side went away without one.
    Gone(String),
    /// A side takes nothing any more; what it has said before is still to be passed on.
    Deaf(String),
    /// The sender of this direction broke the protocol.
    Broke(Violation),
    /// A message that may not pass.
    Stopped,
    /// The policy does not allow it any more.
    Cut(String),
    /// The daemon stops.
    Draining,
    /// Nothing came for this long.
    Idle(Duration),
    /// The other direction has ended.
    Asked,
}

/// What a direction does with messages.
pub enum Manner {
    /// Puts them together and looks into them.
    Look(Box<Gate>, Assembly),
    /// Passes them on in pieces.
    Pass,
}

/// One direction: where from, and what is done.
pub struct Way<R> {
    pub from: R,
    pub frames: Frames,
    pub manner: Manner,
    pub direction: Direction,
}

/// What both directions share.
pub struct Shared {
    pub ending: Arc<Ending>,
    pub drain: CancellationToken,
    pub idle: Duration,
    /// Bytes that came, from either side.
    moved: AtomicU64,
    stop: CancellationToken,
}

impl Shared {
    #[must_use]
    pub fn new(ending: Arc<Ending>, drain: CancellationToken, idle: Duration) -> Self {
        Self { ending, drain, idle, moved: AtomicU64::new(0), stop: CancellationToken::new() }
    }
}

/// Runs until both sides have closed, or one of them, the policy or the daemon ends it. `agent` and `origin` are where is
/// written to.
pub async fn run<R, A, O>(
    shared: &Shared,
    mut out: Way<R>,
    mut back: Way<A>,
    agent: &mut Wire<O>,
    origin: &mut Wire<O>,
) -> End
where
    R: AsyncRead + Unpin,
    A: AsyncRead + Unpin,
    O: AsyncWrite + Unpin,
{
    let end = {
        let mut out = std::pin::pin!(way(shared, &mut out, origin));
        let mut back = std::pin::pin!(way(shared, &mut back, agent));
        let (first, by_agent) = tokio::select! {
            end = &mut out => (end, Some(true)),
            end = &mut back => (end, Some(false)),
            end = outside(shared) => (end, None),
        };
        let draining = matches!(first, End::Closed | End::Deaf(_));
        if !draining {
            shared.stop.cancel();
        }
        // What is being written is written to its end, so that a close frame can follow it.
        let rest = async {
            match by_agent {
                Some(true) => Some((&mut back).await),
                Some(false) => Some((&mut out).await),
                None => {
                    tokio::join!(&mut out, &mut back);
                    None
                }
            }
        };
        let second = tokio::select! {
            second = timeout(CLOSING, rest) => second.ok().flatten(),
            end = outside(shared), if draining => Some(end),
        };
        match (first, second) {
            (End::Closed | End::Deaf(_), Some(second)) => second,
            (first, _) => first,
        }
    };
    farewell(&end, shared, agent, origin).await;
    // What is closed with bytes unread is reset, and a reset may overtake the close frame.
    let unread = async { tokio::join!(discard(&mut out.from), discard(&mut back.from)) };
    let _ = timeout(LINGER, unread).await;
    end
}

/// Reads until the other side has closed, too.
async fn discard(mut from: impl AsyncRead + Unpin) {
    let mut buffer = [0; 4096];
    while from.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
}

/// What ends a WebSocket from outside of it.
async fn outside(shared: &Shared) -> End {
    tokio::select! {
        denial = shared.ending.ongoing().cut_off() => End::Cut(denial.reason.clone()),
        () = shared.drain.cancelled() => End::Draining,
        idle = stalled(shared) => End::Idle(idle),
    }
}

async fn stalled(shared: &Shared) -> Duration {
    loop {
        let before = shared.moved.load(Ordering::Relaxed);
        tokio::time::sleep(shared.idle).await;
        if shared.moved.load(Ordering::Relaxed) == before {
            return shared.idle;
        }
    }
}

/// Tells both sides why it ends, in the codes that there are for it.
async fn farewell<W: AsyncWrite + Unpin>(end: &End, shared: &Shared, agent: &mut Wire<W>, origin: &mut Wire<W>) {
    let both = async {
        match end {
            End::Closed | End::Asked | End::Gone(_) | End::Deaf(_) => {}
            End::Broke(violation) => {
                let payload = close::payload(violation.code, violation.why);
                agent.close(&payload).await;
                origin.close(&payload).await;
            }
            End::Stopped | End::Cut(_) => {
                let why = shared.ending.stopped().or_else(|| shared.ending.ongoing().denial());
                let reason = why.map(|denial| denial.reason.clone()).unwrap_or_default();
                agent.close(&close::payload(close::POLICY, &reason)).await;
                // Why is nobody's business outside.
                origin.close(&close::payload(close::POLICY, "")).await;
            }
            End::Draining | End::Idle(_) => {
                let payload = close::payload(close::GOING_AWAY, "");
                agent.close(&payload).await;
                origin.close(&payload).await;
            }
        }
        agent.shutdown().await;
        origin.shutdown().await;
    };
    let _ = timeout(CLOSING, both).await;
}

async fn way<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(shared: &Shared, way: &mut Way<R>, to: &mut Wire<W>) -> End {
    let mut buffer = BytesMut::new();
    loop {
        loop {
            let event = match way.frames.next(&mut buffer) {
                Ok(Some(event)) => event,
                Ok(None) => break,
                Err(violation) => return End::Broke(violation),
            };
            match pass(shared, way, event, to).await {
                Ok(false) => {}
                Ok(true) => return End::Closed,
                Err(end) => return end,
            }
            if shared.stop.is_cancelled() {
                return End::Asked;
            }
        }
        buffer.reserve(READ);
        let read = tokio::select! {
            biased;
            () = shared.stop.cancelled() => return End::Asked,
            read = way.from.read_buf(&mut buffer) => read,
        };
        match read {
            Ok(0) => return End::Gone(gone(way.direction, "closed without a close frame")),
            Ok(bytes) => _ = shared.moved.fetch_add(bytes as u64, Ordering::Relaxed),
            Err(error) => return End::Gone(gone(way.direction, &error.to_string())),
        }
    }
}

fn gone(direction: Direction, why: &str) -> String {
    let who = if direction == Direction::Out { "agent" } else { "origin" };
    format!("the {who}'s side broke off: {why}")
}

/// Passes one event on; says whether it was the close frame.
async fn pass<R, W: AsyncWrite + Unpin>(
    shared: &Shared,
    way: &mut Way<R>,
    event: Event,
    to: &mut Wire<W>,
) -> Result<bool, End> {
    let direction = way.direction;
    match event {
        Event::Control(opcode, payload) => {
            let payload = match &mut way.manner {
                Manner::Look(gate, _) => gate.control(opcode, payload).map_err(|held| held.end(shared))?,
                Manner::Pass => payload,
            };
            written(direction, to.control(opcode, &payload).await)?;
            Ok(opcode == Opcode::Close)
        }
        Event::Piece(piece) => {
            match &mut way.manner {
                Manner::Pass => passed(shared, direction, &piece, to).await?,
                Manner::Look(gate, assembly) => {
                    let Some(message) = assembly.take(&piece).map_err(End::Broke)? else { return Ok(false) };
                    let message = gate.message(message).map_err(|held| held.end(shared))?;
                    count(shared, direction, message.data.len(), true);
                    let (kind, compressed) = (message.kind, message.compressed);
                    let data = Bytes::from(message.data);
                    let whole = Piece { kind, compressed, data, first: true, last: true };
                    written(direction, to.piece(&whole).await)?;
                }
            }
            Ok(false)
        }
    }
}

async fn passed<W: AsyncWrite + Unpin>(
    shared: &Shared,
    direction: Direction,
    piece: &Piece,
    to: &mut Wire<W>,
) -> Result<(), End> {
    count(shared, direction, piece.data.len(), piece.last);
    written(direction, to.piece(piece).await)
}

fn count(shared: &Shared, direction: Direction, bytes: usize, whole: bool) {
    shared.ending.tally().message(direction, bytes as u64, whole);
}

/// Who did not take what was written is the receiver of this direction.
fn written(direction: Direction, result: io::Result<()>) -> Result<(), End> {
    let other = if direction == Direction::Out { Direction::Back } else { Direction::Out };
    result.map_err(|error| End::Deaf(gone(other, &error.to_string())))
}

impl Held {
    fn end(self, shared: &Shared) -> End {
        match self {
            Self::Violation(violation) => End::Broke(violation),
            Self::Stop(stop) => {
                shared.ending.stop(&stop);
                End::Stopped
            }
        }
    }
}
