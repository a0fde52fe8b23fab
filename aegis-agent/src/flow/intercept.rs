//! Step 2: the accepted socket, and what the kernel wrote down about it when the agent connected.

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Instant;

use socket2::SockRef;

use crate::kernel::{FlowRecord, FlowTable, NetnsCookie};

/// A connection with a kernel record. There is no other way to one: what has no record is refused.
#[derive(Debug)]
pub struct Origin {
    pub record: FlowRecord,
    pub accepted: Instant,
}

/// Why a connection is nobody's.
#[derive(Debug, thiserror::Error)]
pub enum Unattributed {
    #[error("no kernel record: the connection was not redirected here, somebody dialled the listener")]
    NoRecord,
    #[error("the connection's network namespace is not told: {0}")]
    Namespace(String),
    #[error("the flow table cannot be read: {0}")]
    Table(String),
    #[error("it was reset before it was attributed: the record may be of the next connection from its port")]
    Reset,
}

/// Takes the kernel's record of the accepted connection `stream` from `peer`. The key is of the network namespace that the
/// socket is in, which is its listener's.
///
/// # Errors
/// When there is none, or when the table cannot be read.
pub fn origin(flows: &dyn FlowTable, stream: &impl AsFd, peer: SocketAddr) -> Result<Origin, Unattributed> {
    let namespace = NetnsCookie::of(stream).map_err(|error| Unattributed::Namespace(error.to_string()))?;
    match flows.take(namespace, peer) {
        // Looked at after the record was taken: as long as this connection lives, nobody else connects from its port. One
        // that was reset leaves what it sent to be read, while its port and the record may be another agent's already.
        Ok(Some(_)) if !matches!(SockRef::from(stream).take_error(), Ok(None)) => Err(Unattributed::Reset),
        Ok(Some(record)) => Ok(Origin { record, accepted: Instant::now() }),
        Ok(None) => Err(Unattributed::NoRecord),
        Err(error) => Err(Unattributed::Table(error.to_string())),
    }
}
