//! One question to one server: UDP, and TCP where the answer does not fit.
//!
//! Forged answers are kept out by the connected socket (only datagrams from the asked address and port reach
//! it), a random source port, a random id, and the question repeated in random letter case (0x20).

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::ProtoError;
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::{DNSClass, Name, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

/// What we say we can take over UDP: fits into one packet nearly everywhere (the DNS Flag Day value).
const UDP_PAYLOAD: u16 = 1232;
/// Larger than [`UDP_PAYLOAD`], for servers that do not care.
const UDP_BUFFER: usize = 4096;
/// Wrong datagrams that one try reads over. More is an attack: TCP cannot be guessed into.
const WRONG_DATAGRAMS: usize = 16;

#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    #[error("no answer in time")]
    Timeout,
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the server's answer does not fit the question")]
    Mismatch,
    #[error("the question cannot be written: {0}")]
    Encode(#[from] ProtoError),
}

/// How a question is put.
#[derive(Clone, Copy)]
pub(super) struct Manner {
    /// With EDNS(0). Old servers answer FORMERR to it.
    pub(super) edns: bool,
    /// In random letter case. A few servers do not give it back.
    pub(super) random_case: bool,
}

/// Asks `server`. The answer has the right id and question; its contents are not looked at here.
pub(super) async fn ask(
    server: SocketAddr,
    name: &Name,
    kind: RecordType,
    manner: Manner,
    timeout: Duration,
) -> Result<Message, AskError> {
    let question = question(name, kind, manner);
    let asked = async {
        match over_udp(server, &question).await? {
            Some(answer) if !answer.metadata.truncation => Ok(answer),
            _ => over_tcp(server, &question).await,
        }
    };
    tokio::time::timeout(timeout, asked).await.map_err(|_| AskError::Timeout)?
}

fn question(name: &Name, kind: RecordType, manner: Manner) -> Message {
    let mut name = name.clone();
    if manner.random_case {
        name.randomize_label_case();
    }
    let mut question = Message::query();
    question.metadata.recursion_desired = true;
    question.add_query(Query::query(name, kind));
    if manner.edns {
        let mut edns = Edns::new();
        edns.set_max_payload(UDP_PAYLOAD);
        question.set_edns(edns);
    }
    question
}

/// `None` where so many wrong datagrams came that TCP should be used.
async fn over_udp(server: SocketAddr, question: &Message) -> Result<Option<Message>, AskError> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    // A socket for each question: the system gives each a random port.
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(&question.to_vec()?).await?;
    let mut buffer = vec![0; UDP_BUFFER];
    for _ in 0..WRONG_DATAGRAMS {
        let n = socket.recv(&mut buffer).await?;
        let answer = buffer.get(..n).and_then(|datagram| Message::from_vec(datagram).ok());
        if let Some(answer) = answer.filter(|answer| answers(answer, question)) {
            return Ok(Some(answer));
        }
    }
    Ok(None)
}

async fn over_tcp(server: SocketAddr, question: &Message) -> Result<Message, AskError> {
    let mut stream = TcpStream::connect(server).await?;
    let bytes = question.to_vec()?;
    let length = u16::try_from(bytes.len()).map_err(|_| AskError::Mismatch)?;
    // One write: some servers want length and message in one segment.
    stream.write_all(&[&length.to_be_bytes(), bytes.as_slice()].concat()).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    let answer = Message::from_vec(&answer).map_err(|_| AskError::Mismatch)?;
    if answers(&answer, question) { Ok(answer) } else { Err(AskError::Mismatch) }
}

/// Whether `answer` is one to `question`: same id, same question to the letter's case (RFC 5452 section 9).
fn answers(answer: &Message, question: &Message) -> bool {
    let header = answer.metadata;
    let same_question = match (answer.queries.as_slice(), question.queries.as_slice()) {
        ([theirs], [ours]) => {
            theirs.name().eq_case(ours.name())
                && theirs.query_type() == ours.query_type()
                && theirs.query_class() == DNSClass::IN
        }
        _ => false,
    };
    header.id == question.metadata.id
        && header.message_type == MessageType::Response
        && header.op_code == OpCode::Query
        && same_question
}
