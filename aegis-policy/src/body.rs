//! The body of a request as conditions see it.

use http::HeaderMap;
use serde_json::Value;

use crate::{JSON_DEPTH, Snapshot, parse_strict_json};

/// A body that was read for a decision.
#[derive(Clone, Debug, PartialEq)]
pub enum ReadBody {
    /// It is JSON.
    Json(Value),
    /// It is the one message that is sent to a method that the policies' descriptors know: as JSON.
    Message(Value),
    /// It is neither, or could be read in two ways.
    Invalid,
}

impl Snapshot {
    /// Reads the whole body of a request to `path` with these header fields.
    ///
    /// Where a descriptor set has the method and the content is of gRPC or Connect it is a message: of a unary call, with no field
    /// twice, in one reading. Anything else is read as strict JSON whatever its head says: an origin may do so too.
    pub fn read_body(&self, path: &str, headers: &HeaderMap, bytes: &[u8]) -> ReadBody {
        let json = || parse_strict_json(bytes, JSON_DEPTH).ok();
        let header = |name: &str| {
            let mut values = headers.get_all(name).iter();
            let (first, others) = (values.next()?, values.next());
            // Of several codings nobody knows which is meant; no coding has this name.
            if others.is_some() { Some("several") } else { first.to_str().ok() }
        };
        match self.catalog.descriptors.request_json(path, header, bytes) {
            None => json().map_or(ReadBody::Invalid, ReadBody::Json),
            Some(Ok(message)) if json().is_none() => ReadBody::Message(message),
            Some(_) => ReadBody::Invalid,
        }
    }
}
