//! A query as agents may put it: one question, class IN, nothing behind it. Anything else gets an error
//! answer that is made from the header alone, or no answer.

use hickory_proto::op::{Header, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

/// A query larger than this is not one: a name has 255 bytes, and options are few.
pub(super) const MAX_QUERY: usize = 4096;
/// A header (RFC 1035 section 4.1.1).
const HEADER: usize = 12;
/// The least that everybody takes over UDP (RFC 1035 section 4.2.1).
const MIN_PAYLOAD: u16 = 512;

/// A query that was understood.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) id: u16,
    pub(super) recursion_desired: bool,
    pub(super) question: Query,
    /// The size of datagram that the client takes; `None` where it does not speak EDNS.
    pub(super) payload: Option<u16>,
}

/// What to do with bytes that are no query to be answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Rejected {
    /// Say nothing: an answer, or too little to answer to.
    Silent,
    /// An error for this id.
    Code { id: u16, op_code: OpCode, rcode: ResponseCode },
}

pub(super) fn parse(bytes: &[u8]) -> Result<Request, Rejected> {
    if bytes.len() < HEADER || bytes.len() > MAX_QUERY {
        return Err(Rejected::Silent);
    }
    let mut decoder = BinDecoder::new(bytes);
    let header = Header::read(&mut decoder).map_err(|_| Rejected::Silent)?.metadata;
    // An answer to an answer could go round forever.
    if header.message_type == MessageType::Response {
        return Err(Rejected::Silent);
    }
    let reject = |rcode| Rejected::Code { id: header.id, op_code: header.op_code, rcode };
    if header.op_code != OpCode::Query {
        return Err(reject(ResponseCode::NotImp));
    }
    let mut decoder = BinDecoder::new(bytes);
    let message = Message::read(&mut decoder).map_err(|_| reject(ResponseCode::FormErr))?;
    if !decoder.is_empty() || header.truncation {
        return Err(reject(ResponseCode::FormErr));
    }
    let Message { queries, answers, authorities, additionals, edns, .. } = message;
    let [question] = <[Query; 1]>::try_from(queries).map_err(|_| reject(ResponseCode::FormErr))?;
    // TSIG and the like stand in the additional section: nothing that we could check.
    if !answers.is_empty() || !authorities.is_empty() || !additionals.is_empty() {
        return Err(reject(ResponseCode::FormErr));
    }
    if edns.as_ref().is_some_and(|edns| edns.version() != 0) {
        return Err(reject(ResponseCode::BADVERS));
    }
    if question.query_class() != DNSClass::IN {
        return Err(reject(ResponseCode::Refused));
    }
    Ok(Request {
        id: header.id,
        recursion_desired: header.recursion_desired,
        question,
        payload: edns.map(|edns| edns.max_payload().max(MIN_PAYLOAD)),
    })
}

impl Request {
    pub(super) fn kind(&self) -> RecordType {
        self.question.query_type()
    }
}

/// The types that agents may ask for. TXT, NULL, ANY, AXFR and their like carry data more than addresses.
pub(super) fn is_answered(kind: RecordType) -> bool {
    use RecordType::{A, AAAA, CNAME, HTTPS, SVCB};
    matches!(kind, A | AAAA | CNAME | HTTPS | SVCB)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use hickory_proto::op::Edns;
    use hickory_proto::rr::rdata::A;
    use hickory_proto::rr::{Name, RData, Record};

    use super::*;

    fn query(change: impl FnOnce(&mut Message)) -> Vec<u8> {
        let mut message = Message::new(7, MessageType::Query, OpCode::Query);
        message.add_query(Query::query(Name::from_ascii("a.test.").unwrap(), RecordType::A));
        change(&mut message);
        message.to_vec().unwrap()
    }

    fn code(change: impl FnOnce(&mut Message)) -> ResponseCode {
        match parse(&query(change)).expect_err("must be rejected") {
            Rejected::Code { id: 7, rcode, .. } => rcode,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_plain_query_is_understood() {
        let request = parse(&query(|_| {})).unwrap();
        assert_eq!((request.id, request.kind(), request.payload), (7, RecordType::A, None));
        let with_edns = query(|m| {
            let mut edns = Edns::new();
            edns.set_max_payload(100);
            m.set_edns(edns);
        });
        assert_eq!(parse(&with_edns).unwrap().payload, Some(512));
    }

    #[test]
    fn what_is_not_one_is_rejected() {
        let record = || Record::from_rdata(Name::root(), 0, RData::A(A::new(1, 1, 1, 1)));
        assert_eq!(code(|m| m.metadata.op_code = OpCode::Notify), ResponseCode::NotImp);
        assert_eq!(code(|m| m.queries.clear()), ResponseCode::FormErr);
        assert_eq!(code(|m| m.queries.push(m.queries[0].clone())), ResponseCode::FormErr);
        assert_eq!(code(|m| m.answers.push(record())), ResponseCode::FormErr);
        assert_eq!(code(|m| m.authorities.push(record())), ResponseCode::FormErr);
        assert_eq!(code(|m| m.additionals.push(record())), ResponseCode::FormErr);
        assert_eq!(code(|m| m.queries[0].query_class = DNSClass::CH), ResponseCode::Refused);
        assert_eq!(
            code(|m| {
                m.set_edns(Edns::new()).edns.as_mut().unwrap().set_version(1);
            }),
            ResponseCode::BADVERS
        );
    }

    #[test]
    fn rubbish_gets_no_answer_and_trailing_bytes_an_error() {
        assert_eq!(parse(&[]).unwrap_err(), Rejected::Silent);
        assert_eq!(parse(&[0; 11]).unwrap_err(), Rejected::Silent);
        assert_eq!(parse(&[0; MAX_QUERY + 1]).unwrap_err(), Rejected::Silent);
        assert_eq!(parse(&query(|m| m.metadata.message_type = MessageType::Response)).unwrap_err(), Rejected::Silent);
        let mut trailing = query(|_| {});
        trailing.extend_from_slice(b"data");
        assert!(matches!(parse(&trailing), Err(Rejected::Code { rcode: ResponseCode::FormErr, .. })));
    }
}
