//! Step 2: the accepted socket, and what the kernel wrote down about it when the agent connected.

use std::net::SocketAddr;
use std::time::Instant;

use crate::kernel::{FlowRecord, FlowTable};

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
    #[error("the flow table cannot be read: {0}")]
    Table(String),
}

/// Takes the kernel's record of the connection from `peer`.
///
/// # Errors
/// When there is none, or when the table cannot be read.
pub fn origin(flows: &dyn FlowTable, peer: SocketAddr) -> Result<Origin, Unattributed> {
    match flows.take(peer) {
        Ok(Some(record)) => Ok(Origin { record, accepted: Instant::now() }),
        Ok(None) => Err(Unattributed::NoRecord),
        Err(error) => Err(Unattributed::Table(error.to_string())),
    }
}
