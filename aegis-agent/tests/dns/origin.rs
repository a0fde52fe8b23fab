//! A DNS server that answers as a test tells it to and keeps every question that reached it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use hickory_proto::op::{Message, OpCode, Query};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

/// What a server does with one question.
pub enum Answer {
    /// These messages, one after the other.
    Messages(Vec<Message>),
    /// Nothing at all.
    Silence,
}

type Behaviour = dyn Fn(&Message, Over) -> Answer + Send + Sync;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Over {
    Udp,
    Tcp,
}

/// A running server; UDP and TCP on one port.
pub struct Origin {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<(Name, RecordType, Over)>>>,
}

impl Origin {
    pub async fn start(behaviour: impl Fn(&Message, Over) -> Answer + Send + Sync + 'static) -> Self {
        let (udp, tcp) = pair().await;
        let address = udp.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let behaviour: Arc<Behaviour> = Arc::new(behaviour);
        tokio::spawn(datagrams(udp, Arc::clone(&asked), Arc::clone(&behaviour)));
        tokio::spawn(connections(tcp, Arc::clone(&asked), behaviour));
        Self { address, asked }
    }

    /// A server with an ordinary zone.
    pub async fn zone() -> Self {
        Self::start(|question, _| Answer::Messages(vec![zone(question)])).await
    }

    pub fn asked(&self) -> Vec<(String, RecordType, Over)> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|(name, kind, over)| (name.to_lowercase().to_ascii(), *kind, *over)).collect()
    }

    pub fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    /// The names in the letter case that they came in.
    pub fn spelled(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|(name, ..)| name.to_ascii()).collect()
    }
}

async fn pair() -> (UdpSocket, TcpListener) {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            return (udp, tcp);
        }
    }
}

type Asked = Arc<Mutex<Vec<(Name, RecordType, Over)>>>;

fn note(asked: &Asked, question: &Message, over: Over) {
    let query = &question.queries[0];
    asked.lock().unwrap().push((query.name().clone(), query.query_type(), over));
}

async fn datagrams(socket: UdpSocket, asked: Asked, behaviour: Arc<Behaviour>) {
    let mut buffer = [0; 4096];
    while let Ok((n, peer)) = socket.recv_from(&mut buffer).await {
        let question = Message::from_vec(&buffer[..n]).unwrap();
        note(&asked, &question, Over::Udp);
        if let Answer::Messages(messages) = behaviour(&question, Over::Udp) {
            for message in messages {
                socket.send_to(&message.to_vec().unwrap(), peer).await.unwrap();
            }
        }
    }
}

async fn connections(listener: TcpListener, asked: Asked, behaviour: Arc<Behaviour>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut question = vec![0; usize::from(stream.read_u16().await.unwrap())];
        stream.read_exact(&mut question).await.unwrap();
        let question = Message::from_vec(&question).unwrap();
        note(&asked, &question, Over::Tcp);
        if let Answer::Messages(messages) = behaviour(&question, Over::Tcp) {
            for message in messages {
                let bytes = message.to_vec().unwrap();
                stream.write_u16(u16::try_from(bytes.len()).unwrap()).await.unwrap();
                stream.write_all(&bytes).await.unwrap();
            }
        }
    }
}

/// An empty answer to `question`.
pub fn reply(question: &Message) -> Message {
    let mut reply = Message::response(question.metadata.id, OpCode::Query);
    reply.metadata.recursion_available = true;
    reply.queries.clone_from(&question.queries);
    reply
}

pub fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

pub fn query(text: &str, kind: RecordType) -> Query {
    Query::query(name(text), kind)
}

pub fn a(owner: &str, last: u8) -> Record {
    Record::from_rdata(name(owner), 60, RData::A(A::new(192, 0, 2, last)))
}

pub fn aaaa(owner: &str, last: u16) -> Record {
    Record::from_rdata(name(owner), 60, RData::AAAA(AAAA::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last)))
}

pub fn cname(owner: &str, target: &str) -> Record {
    Record::from_rdata(name(owner), 60, RData::CNAME(CNAME(name(target))))
}

pub fn soa(owner: &str) -> Record {
    Record::from_rdata(name(owner), 60, RData::SOA(SOA::new(name(owner), name(owner), 1, 1, 1, 1, 30)))
}

/// `api.test` has both families, `alias.test` leads to it inside the answer, `away.test` leads outside of it,
/// `circle.test` to itself; anything else under `test` does not exist.
fn zone(question: &Message) -> Message {
    use hickory_proto::op::ResponseCode::NXDomain;
    let mut answer = reply(question);
    let query = &question.queries[0];
    let owner = query.name().to_lowercase().to_ascii();
    match (owner.as_str(), query.query_type()) {
        ("api.test.", RecordType::A) => answer.answers = vec![a("api.test.", 1)],
        ("api.test.", RecordType::AAAA) => answer.answers = vec![aaaa("api.test.", 1)],
        ("alias.test.", RecordType::A) => answer.answers = vec![cname("alias.test.", "api.test."), a("api.test.", 1)],
        ("away.test.", _) => answer.answers = vec![cname("away.test.", "api.test.")],
        ("one.circle.test.", _) => answer.answers = vec![cname("one.circle.test.", "two.circle.test.")],
        ("two.circle.test.", _) => answer.answers = vec![cname("two.circle.test.", "one.circle.test.")],
        ("api.test." | "alias.test.", _) => answer.authorities = vec![soa("test.")],
        _ => {
            answer.metadata.response_code = NXDomain;
            answer.authorities = vec![soa("test.")];
        }
    }
    answer
}
