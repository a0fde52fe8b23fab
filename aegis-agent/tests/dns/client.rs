//! An agent that asks.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::RecordType;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, UdpSocket};

use super::host::{Running, flow};
use super::origin::query;

/// An answer takes far less; a test that runs into this has failed.
const PATIENCE: Duration = Duration::from_secs(20);

pub fn question(name: &str, kind: RecordType) -> Message {
    with_query(query(name, kind))
}

pub fn with_query(query: Query) -> Message {
    let mut message = Message::new(4711, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(query);
    message
}

pub fn with_edns(mut message: Message, payload: u16) -> Message {
    let mut edns = Edns::new();
    edns.set_max_payload(payload);
    message.set_edns(edns);
    message
}

/// A socket that the kernel attributes to `agent`.
pub async fn udp(server: &Running, agent: Option<u32>) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    if let Some(agent) = agent {
        server.flows.insert_dns_client(socket.local_addr().unwrap(), flow(agent));
    }
    socket.connect(server.udp).await.unwrap();
    socket
}

pub async fn exchange(socket: &UdpSocket, message: &Message) -> Message {
    socket.send(&message.to_vec().unwrap()).await.unwrap();
    receive(socket).await
}

pub async fn receive(socket: &UdpSocket) -> Message {
    let mut buffer = [0; 65_535];
    let n = tokio::time::timeout(PATIENCE, socket.recv(&mut buffer)).await.expect("an answer").unwrap();
    Message::from_vec(&buffer[..n]).unwrap()
}

pub async fn ask(server: &Running, agent: Option<u32>, message: &Message) -> Message {
    exchange(&udp(server, agent).await, message).await
}

pub async fn ask_tcp(server: &Running, agent: Option<u32>, messages: &[Message]) -> Vec<Message> {
    let socket = TcpSocket::new_v4().unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(any).unwrap();
    if let Some(agent) = agent {
        server.flows.insert_dns(socket.local_addr().unwrap(), flow(agent));
    }
    let mut stream = socket.connect(server.tcp).await.unwrap();
    let mut answers = Vec::new();
    for message in messages {
        let bytes = message.to_vec().unwrap();
        stream.write_u16(u16::try_from(bytes.len()).unwrap()).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        let length = tokio::time::timeout(PATIENCE, stream.read_u16()).await.expect("an answer").unwrap();
        let mut answer = vec![0; usize::from(length)];
        stream.read_exact(&mut answer).await.unwrap();
        answers.push(Message::from_vec(&answer).unwrap());
    }
    answers
}
