//! The authoritative DNS server of `test.`, over UDP and TCP; it remembers every question.
//!
//! Of a UDP answer that does not fit into what the question says it takes, only the head goes out, with TC.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::svcb::{Alpn, EchConfigList, SVCB, SvcParamKey, SvcParamValue};
use hickory_proto::rr::rdata::{A, AAAA, HTTPS, SOA, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use super::World;
use crate::lab::wiring;

/// A host with so many addresses that its answer fits into no UDP packet; they are 192.0.2.1 and up.
pub const LARGE: (&str, u8) = ("large.allowed.test", 120);
/// How long it holds that a name or its record does not exist, in seconds.
const NEGATIVE_TTL: u32 = 30;

/// What the `ech` parameter of the HTTPS records holds; it must never reach an agent.
pub const ECH_CONFIG: &[u8] = b"laboratory-ech-config";

/// Every question asked: name in lower case without the final dot, and type.
#[derive(Clone, Default)]
pub struct Queries(Arc<Mutex<Vec<(String, String)>>>);

impl Queries {
    /// All of them, in order.
    pub fn all(&self) -> Vec<(String, String)> {
        self.0.lock().unwrap().clone()
    }

    /// How often a name that contains `part` was asked for, whatever the type.
    pub fn count(&self, part: &str) -> usize {
        self.all().iter().filter(|(name, _)| name.contains(part)).count()
    }
}

pub(super) async fn start(world: &World) -> Result<()> {
    for address in [wiring::DNS_V4, wiring::OTHER_DNS_V4] {
        let udp = UdpSocket::bind((address, 53)).await.context("the laboratory's DNS server, UDP")?;
        let tcp = TcpListener::bind((address, 53)).await.context("the laboratory's DNS server, TCP")?;
        tokio::spawn(datagrams(udp, world.queries.clone()));
        tokio::spawn(connections(tcp, world.queries.clone()));
    }
    Ok(())
}

async fn datagrams(socket: UdpSocket, queries: Queries) {
    let mut buffer = [0; 4096];
    loop {
        let Ok((length, peer)): std::io::Result<(usize, SocketAddr)> = socket.recv_from(&mut buffer).await else {
            continue;
        };
        if let Some(answer) = answer(&buffer[..length], &queries, Over::Udp) {
            let _ = socket.send_to(&answer, peer).await;
        }
    }
}

async fn connections(listener: TcpListener, queries: Queries) {
    while let Ok((stream, _)) = listener.accept().await {
        let queries = queries.clone();
        tokio::spawn(async move {
            let _ = connection(stream, queries).await;
        });
    }
}

async fn connection(mut stream: TcpStream, queries: Queries) -> Result<()> {
    loop {
        let length = stream.read_u16().await?;
        let mut question = vec![0; usize::from(length)];
        stream.read_exact(&mut question).await?;
        let answer = answer(&question, &queries, Over::Tcp).context("not a DNS message")?;
        stream.write_u16(u16::try_from(answer.len())?).await?;
        stream.write_all(&answer).await?;
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Over {
    Udp,
    Tcp,
}

fn answer(question: &[u8], queries: &Queries, over: Over) -> Option<Vec<u8>> {
    let request = Message::from_vec(question).ok()?;
    let query = request.queries.first()?.clone();
    let name = query.name().to_ascii().trim_end_matches('.').to_ascii_lowercase();
    queries.0.lock().unwrap().push((name.clone(), query.query_type().to_string()));
    let mut response = Message::response(request.metadata.id, request.metadata.op_code);
    response.metadata.authoritative = true;
    response.metadata.recursion_desired = request.metadata.recursion_desired;
    response.metadata.recursion_available = true;
    match found(&name, query.query_type()) {
        None => response.metadata.response_code = ResponseCode::NXDomain,
        Some(all) => {
            for data in all {
                response.add_answer(Record::from_rdata(query.name().clone(), 60, data));
            }
        }
    }
    if response.answers.is_empty() {
        response.authorities.push(negative());
    }
    response.add_query(query);
    let bytes = response.to_vec().ok()?;
    let takes = request.edns.as_ref().map_or(512, |edns| edns.max_payload());
    if over == Over::Tcp || bytes.len() <= usize::from(takes) {
        return Some(bytes);
    }
    response.truncate().to_vec().ok()
}

/// The records of a name; `None` where there is no such name.
fn found(name: &str, kind: RecordType) -> Option<Vec<RData>> {
    if name == LARGE.0 {
        let all = (1..=LARGE.1).map(|last| RData::A(A::new(192, 0, 2, last)));
        return Some(if kind == RecordType::A { all.collect() } else { Vec::new() });
    }
    let (_, (v4, v6)) = wiring::HOSTS.iter().find(|(host, _)| *host == name)?;
    Some(records(kind, *v4, AAAA(*v6)))
}

/// The zone's SOA: its last field bounds how long a negative answer is kept (RFC 2308).
fn negative() -> Record {
    let zone = Name::from_ascii("test.").unwrap_or_default();
    let soa = SOA::new(zone.clone(), zone.clone(), 1, 3600, 600, 86_400, NEGATIVE_TTL);
    Record::from_rdata(zone, 60, RData::SOA(soa))
}

fn records(kind: RecordType, v4: Ipv4Addr, v6: AAAA) -> Vec<RData> {
    match kind {
        RecordType::A => vec![RData::A(A(v4))],
        RecordType::AAAA => vec![RData::AAAA(v6)],
        RecordType::TXT => vec![RData::TXT(TXT::new(vec!["laboratory".to_owned()]))],
        RecordType::HTTPS => vec![RData::HTTPS(HTTPS(service_binding()))],
        _ => Vec::new(),
    }
}

fn service_binding() -> SVCB {
    let parameters = vec![
        (SvcParamKey::Alpn, SvcParamValue::Alpn(Alpn(vec!["h2".to_owned(), "http/1.1".to_owned()]))),
        (SvcParamKey::EchConfigList, SvcParamValue::EchConfigList(EchConfigList(ECH_CONFIG.to_vec()))),
    ];
    SVCB::new(1, Name::root(), parameters)
}
