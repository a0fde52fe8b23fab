//! Connections that pass unread because a rule says so: TLS by its server name, or raw TCP by its address.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use aegis_policy::Permit;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use super::record::Recorder;
use super::sniff::Replay;
use super::standing::Ongoing;
use super::tally::Tally;
use crate::daemon::Aegis;
use crate::upstream::Way;

/// Bytes read at once in each direction.
const BUFFER: usize = 32 * 1024;

/// Relays both directions until both ends have closed, nothing has moved for `idle` in either, the agent is removed, a new
/// policy does not allow it, or the daemon drains: nobody can tell when such a connection would be done.
///
/// The recorder is finished here in every case.
pub async fn run(
    aegis: &Aegis,
    ongoing: &Ongoing,
    way: Way,
    permit: Permit,
    stream: Replay,
    mut recorder: Recorder,
    drain: &CancellationToken,
) {
    let noted = match recorder.note(permit.policy_version()) {
        Ok(noted) => noted,
        Err(refusal) => return recorder.refuse_connection(&refusal),
    };
    let grant = permit.consume();
    let idle = aegis.config.limits.idle_timeout;
    let tally = Arc::clone(recorder.tally());
    let dialer = aegis.pools.dialer(ongoing.agent(), way, grant.private_ok, &noted);
    let dialled = tokio::select! {
        // A cut that is known already must not be overtaken by a fast dial.
        biased;
        denial = ongoing.cut_off() => return recorder.failed(&denial.reason),
        dialled = dialer.tcp(&grant.host, grant.port) => dialled,
    };
    let origin = match dialled {
        Ok(origin) => origin,
        Err(error) => return recorder.failed(&error.to_string()),
    };
    let (from_agent, to_agent) = tokio::io::split(stream);
    let (from_origin, to_origin) = origin.into_split();
    let out = copy(from_agent, to_origin, idle, &tally, |bytes| tally.add_out(bytes));
    let back = copy(from_origin, to_agent, idle, &tally, |bytes| tally.add_in(bytes));
    let ended = tokio::select! {
        moved = async { tokio::try_join!(out, back) } => moved.map(drop).map_err(|error| error.to_string()),
        denial = ongoing.cut_off() => Err(denial.reason.clone()),
        () = drain.cancelled() => Err("the daemon was stopped".to_owned()),
    };
    match ended {
        Ok(()) => recorder.complete(),
        Err(why) => recorder.failed(&why),
    }
}

async fn copy<R, W>(mut from: R, mut to: W, idle: Duration, tally: &Tally, count: impl Fn(u64)) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut buffer = vec![0_u8; BUFFER];
    loop {
        let read = while_moving(idle, tally, from.read(&mut buffer)).await?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
            return to.shutdown().await;
        };
        while_moving(idle, tally, to.write_all(bytes)).await?;
        count(read as u64);
    }
}

/// Waits for one side as long as bytes move on either: a download has a quiet request side.
async fn while_moving<T>(idle: Duration, tally: &Tally, step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let mut step = std::pin::pin!(step);
    loop {
        let before = tally.moved();
        match tokio::time::timeout(idle, &mut step).await {
            Ok(done) => return done,
            Err(_) if tally.moved() == before => return Err(io::ErrorKind::TimedOut.into()),
            Err(_) => {}
        }
    }
}
