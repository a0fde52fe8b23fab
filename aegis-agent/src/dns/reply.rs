//! Answers to agents, on the wire.

use hickory_proto::op::{Edns, Message, OpCode, ResponseCode};
use hickory_proto::rr::Record;
use hickory_proto::rr::rdata::opt::EdnsOption;

use super::host::Transport;
use super::request::{Rejected, Request};

/// The largest datagram that is sent, whatever the client says it takes: it never leaves the loopback, but
/// must not be fragmented there either way.
const MAX_DATAGRAM: u16 = 4096;
/// EDNS option of Extended DNS Errors (RFC 8914).
const EXTENDED_ERROR: u16 = 15;
/// The longest text of an extended error, in bytes: an answer with it fits into 512.
const MAX_TEXT: usize = 160;

/// An extended DNS error (RFC 8914 section 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Explanation {
    code: u16,
    text: String,
}

impl Explanation {
    /// "Blocked": a policy of the server's operator.
    pub(super) fn blocked(reason: &str) -> Self {
        Self { code: 15, text: reason.to_owned() }
    }

    /// "Prohibited": the client may not use this server.
    pub(super) fn prohibited(reason: &str) -> Self {
        Self { code: 18, text: reason.to_owned() }
    }

    /// "No Reachable Authority".
    pub(super) fn unreachable(reason: &str) -> Self {
        Self { code: 22, text: reason.to_owned() }
    }

    fn option(&self) -> EdnsOption {
        let end = (0..=MAX_TEXT.min(self.text.len())).rev().find(|end| self.text.is_char_boundary(*end)).unwrap_or(0);
        let text = self.text.get(..end).unwrap_or_default();
        EdnsOption::Unknown(EXTENDED_ERROR, [&self.code.to_be_bytes(), text.as_bytes()].concat())
    }
}

/// What a request is answered with.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) rcode: ResponseCode,
    pub(super) records: Vec<Record>,
    pub(super) soa: Option<Record>,
    pub(super) explanation: Option<Explanation>,
}

impl Reply {
    pub(super) fn error(rcode: ResponseCode, explanation: Explanation) -> Self {
        Self { rcode, records: Vec::new(), soa: None, explanation: Some(explanation) }
    }

    /// The bytes for `request`; without records and with TC where they are too many. `None` only where the
    /// encoder fails on what it decoded itself.
    pub(super) fn encode(self, request: &Request, transport: Transport) -> Option<Vec<u8>> {
        let limit = match transport {
            Transport::Udp => usize::from(request.payload.unwrap_or(512).min(MAX_DATAGRAM)),
            Transport::Tcp => usize::from(u16::MAX),
        };
        let mut message = Message::response(request.id, OpCode::Query);
        message.metadata.recursion_desired = request.recursion_desired;
        message.metadata.recursion_available = true;
        message.metadata.response_code = self.rcode;
        message.add_query(request.question.clone());
        message.answers = self.records;
        message.authorities.extend(self.soa);
        if request.payload.is_some() {
            let mut edns = Edns::new();
            edns.set_max_payload(MAX_DATAGRAM);
            if let Some(explanation) = &self.explanation {
                edns.options_mut().insert(explanation.option());
            }
            message.set_edns(edns);
        }
        let bytes = message.to_vec().ok()?;
        if bytes.len() <= limit {
            return Some(bytes);
        }
        message.truncate().to_vec().ok().filter(|bytes| bytes.len() <= limit)
    }
}

/// The answer to what was no request.
pub(super) fn rejection(rejected: &Rejected) -> Option<Vec<u8>> {
    let Rejected::Code { id, op_code, rcode } = rejected else { return None };
    let mut message = Message::error_msg(*id, *op_code, *rcode);
    // BADVERS and its like do not fit into the header: their upper bits stand in the OPT record.
    if *rcode == ResponseCode::BADVERS {
        message.set_edns(Edns::new());
    }
    message.to_vec().ok()
}
