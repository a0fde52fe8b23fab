//! Connections that pass unread because a rule says so: TLS by its server name, or raw TCP by its address.

use std::sync::Arc;
use std::time::Duration;

use aegis_policy::{Denial, Permit};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::record::Recorder;
use super::refusal::Refusal;
use super::sniff::Replay;
use crate::upstream::Pools;

/// Bytes read at once in each direction.
const BUFFER: usize = 32 * 1024;

/// Relays both directions until both ends have closed or nothing has moved for `idle`.
///
/// The recorder is finished here in every case.
pub async fn run(pools: &Pools, permit: Permit, agent: Replay, idle: Duration, recorder: Recorder) {
    let grant = permit.consume();
    let tally = Arc::clone(recorder.tally());
    let origin = match pools.dialer(grant.private_ok).tcp(&grant.host, grant.port).await {
        Ok(origin) => origin,
        Err(error) => {
            let refusal = Refusal::from(Denial::unavailable(error.to_string(), &*grant.policy_version));
            recorder.refuse_silently(&refusal);
            return;
        }
    };
    let (from_agent, to_agent) = tokio::io::split(agent);
    let (from_origin, to_origin) = origin.into_split();
    let out = copy(from_agent, to_origin, idle, |bytes| tally.add_out(bytes));
    let back = copy(from_origin, to_agent, idle, |bytes| tally.add_in(bytes));
    let mut recorder = recorder;
    match tokio::try_join!(out, back) {
        Ok(_) => recorder.complete(),
        Err(error) => recorder.failed(&error.to_string()),
    }
}

async fn copy<R, W>(mut from: R, mut to: W, idle: Duration, count: impl Fn(u64)) -> std::io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut buffer = vec![0_u8; BUFFER];
    loop {
        let read = tokio::time::timeout(idle, from.read(&mut buffer)).await??;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
            return to.shutdown().await;
        };
        tokio::time::timeout(idle, to.write_all(bytes)).await??;
        count(read as u64);
    }
}
