use std::sync::atomic::Ordering;
use std::time::Duration;

use aegis_agent::config;
use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::rdata::svcb::{Alpn, EchConfigList, SvcParamKey, SvcParamValue};
use hickory_proto::rr::rdata::{HTTPS, SVCB};
use hickory_proto::rr::{RData, Record, RecordType};
use proptest::prelude::*;

use super::client::{ask, ask_tcp, exchange, question, receive, udp, with_edns};
use super::host::{Entry, Running, settings};
use super::origin::{Answer, Origin, a, name, reply};

fn entry(agent: Option<u32>, host: &str, kind: RecordType, rcode: ResponseCode, outcome: &str) -> Entry {
    Entry { agent, host: host.to_owned(), kind, rcode, outcome: outcome.to_owned() }
}

/// The extended error (RFC 8914) of an answer: code and text.
fn explanation(answer: &Message) -> (u16, String) {
    match answer.edns.as_ref().unwrap().option(EdnsCode::Unknown(15)).expect("an extended error") {
        EdnsOption::Unknown(15, data) => {
            (u16::from_be_bytes([data[0], data[1]]), String::from_utf8(data[2..].to_vec()).unwrap())
        }
        other => panic!("{other:?}"),
    }
}

fn explanation_if(answer: &Message) -> Option<(u16, String)> {
    answer.edns.as_ref()?.option(EdnsCode::Unknown(15))?;
    Some(explanation(answer))
}

#[tokio::test]
async fn allowed_names_are_answered_and_recorded() {
    let origin = Origin::zone().await;
    let server = Running::start(&settings(&[origin.address]));
    let answer = ask(&server, Some(1), &question("Api.Test.", RecordType::A)).await;
    assert_eq!(answer.metadata.id, 4711);
    assert!(answer.metadata.recursion_available);
    assert!(answer.queries[0].name().eq_case(&name("Api.Test.")), "the question as it was put");
    assert_eq!(answer.answers, [a("api.test.", 1)]);
    let answers =
        ask_tcp(&server, Some(1), &[question("api.test.", RecordType::AAAA), question("alias.test.", RecordType::A)])
            .await;
    assert_eq!((answers[0].answers.len(), answers[1].answers.len()), (1, 2));
    let expected = [
        entry(Some(1), "api.test", RecordType::A, ResponseCode::NoError, "answered 1"),
        entry(Some(1), "api.test", RecordType::AAAA, ResponseCode::NoError, "answered 1"),
        entry(Some(1), "alias.test", RecordType::A, ResponseCode::NoError, "answered 2"),
    ];
    assert_eq!(server.records.entries(), expected);
}

#[tokio::test]
async fn a_name_that_does_not_exist_says_so_with_the_soa() {
    let origin = Origin::zone().await;
    let server = Running::start(&settings(&[origin.address]));
    let answer = ask(&server, Some(1), &question("nobody.test.", RecordType::A)).await;
    assert_eq!((answer.metadata.response_code, answer.authorities.len()), (ResponseCode::NXDomain, 1));
}

#[tokio::test]
async fn negative_answers_are_kept_and_told_apart() {
    let origin = Origin::zone().await;
    let server = Running::start(&settings(&[origin.address]));
    let table = [("nobody.test.", ResponseCode::NXDomain, 0), ("alias.test.", ResponseCode::NoError, 0)];
    for (name, rcode, answers) in table {
        for _ in 0..3 {
            let answer = ask(&server, Some(1), &question(name, RecordType::HTTPS)).await;
            assert_eq!((answer.metadata.response_code, answer.answers.len()), (rcode, answers), "{name}");
            let soa = &answer.authorities[0];
            assert_eq!(soa.record_type(), RecordType::SOA);
            assert!(soa.ttl <= 30, "the zone's minimum, not the record's own {}", soa.ttl);
        }
    }
    assert_eq!(origin.count(), 2, "each was asked once");
}

#[tokio::test]
async fn names_beyond_a_limit_cause_no_packet() {
    let origin = Origin::zone().await;
    let limits = config::DnsLimits { names_per_minute: 3, queries_per_minute: 7, ..settings(&[]).limits };
    let server = Running::start(&config::Dns { limits, ..settings(&[origin.address]) });
    let code = async |name: &str, kind| {
        let answer = ask(&server, Some(1), &with_edns(question(name, kind), 1232)).await;
        (answer.metadata.response_code, explanation_if(&answer))
    };
    let refused = |why: &str| (ResponseCode::Refused, Some((15, why.to_owned())));
    let hex = "2d2d2d2d2d424547494e205253412050524956415445.test.";
    let (rcode, why) = code(hex, RecordType::A).await;
    assert!(rcode == ResponseCode::Refused && why.unwrap().1.contains("dns.limits.entropy_bits"));
    assert_eq!(origin.count(), 0);
    // Three new names; the fourth is one too many. What was asked for, and what is spelled out, goes on.
    for name in ["alias.test.", "away.test.", "nobody.test."] {
        assert_ne!(code(name, RecordType::A).await.0, ResponseCode::Refused, "{name}");
    }
    let names = "the agent asks for more new names below wildcards than 3 a minute (dns.limits.names_per_minute)";
    assert_eq!(code("fourth.test.", RecordType::A).await, refused(names));
    assert_eq!(code("alias.test.", RecordType::HTTPS).await.0, ResponseCode::NoError);
    assert_eq!(code("api.test.", RecordType::A).await.0, ResponseCode::NoError);
    assert!(!origin.asked().iter().any(|(name, ..)| name == "fourth.test." || name == hex));
    // Seven questions below the wildcard left so far or were counted; answers at hand are free, others are refused.
    let mut last = ResponseCode::NoError;
    for kind in [RecordType::AAAA, RecordType::CNAME, RecordType::SVCB] {
        last = code("away.test.", kind).await.0;
    }
    assert_eq!(last, ResponseCode::Refused);
    assert_eq!(code("alias.test.", RecordType::A).await.0, ResponseCode::NoError);
    // Another port of a service is another name, also before a host that is spelled out.
    assert_eq!(code("_8443._https.api.test.", RecordType::HTTPS).await.0, ResponseCode::Refused);
    let entry = server.records.entries().pop().unwrap();
    assert!(entry.outcome.starts_with("refused the agent asks for"), "{entry:?}");
}

#[tokio::test]
async fn what_policy_does_not_allow_causes_no_packet() {
    let origin = Origin::zone().await;
    let server = Running::start(&settings(&[origin.address]));
    let refused = [
        (Some(1), question("evil.example.", RecordType::A)),
        (Some(1), question("stolen-data.secret.test.", RecordType::A)),
        (Some(2), question("api.test.", RecordType::A)),
        (Some(1), question("api.test.", RecordType::TXT)),
        (Some(1), question("api.test.", RecordType::NULL)),
        (Some(1), question("api.test.", RecordType::ANY)),
        (Some(1), question("api.test.", RecordType::AXFR)),
        (Some(1), question("api.test.", RecordType::SRV)),
        (Some(1), question("1.2.0.192.in-addr.arpa.", RecordType::PTR)),
        (Some(1), question("_stolen._https.api.test.", RecordType::HTTPS)),
        (Some(1), question("_tcp.api.test.", RecordType::A)),
        (Some(1), question("stolen\\.data.test.", RecordType::A)),
        (Some(1), question(".", RecordType::A)),
        (None, question("api.test.", RecordType::A)),
    ];
    for (agent, message) in &refused {
        let answer = ask(&server, *agent, &with_edns(message.clone(), 1232)).await;
        assert_eq!(answer.metadata.response_code, ResponseCode::Refused, "{message:?}");
        assert!(answer.answers.is_empty());
        assert_eq!(explanation(&answer).0, if agent.is_some() { 15 } else { 18 });
        let over_tcp = ask_tcp(&server, *agent, std::slice::from_ref(message)).await;
        assert_eq!(over_tcp[0].metadata.response_code, ResponseCode::Refused);
    }
    assert_eq!(origin.count(), 0);
    let entries = server.records.entries();
    assert_eq!(entries.len(), refused.len() * 2);
    let outcome = "refused no rule allows this host";
    assert_eq!(entries[0], entry(Some(1), "evil.example", RecordType::A, ResponseCode::Refused, outcome));
    let outcome = "refused the kernel knows no agent behind this query";
    assert_eq!(entries.last().unwrap(), &entry(None, "api.test", RecordType::A, ResponseCode::Refused, outcome));
}

#[tokio::test]
async fn the_agent_is_told_why() {
    let origin = Origin::zone().await;
    let server = Running::start(&settings(&[origin.address]));
    let answer = ask(&server, Some(1), &with_edns(question("evil.example.", RecordType::A), 1232)).await;
    assert_eq!(explanation(&answer), (15, "no rule allows this host".to_owned()));
    let plain = ask(&server, Some(1), &question("evil.example.", RecordType::A)).await;
    assert!(plain.edns.is_none(), "no OPT for those who do not speak EDNS");
}

#[tokio::test]
async fn another_agents_answer_in_the_cache_is_still_refused() {
    let origin = Origin::zone().await;
    let server = Running::start(&settings(&[origin.address]));
    let query = question("api.test.", RecordType::A);
    assert_eq!(ask(&server, Some(1), &query).await.answers.len(), 1);
    assert_eq!(ask(&server, Some(2), &query).await.metadata.response_code, ResponseCode::Refused);
}

#[tokio::test]
async fn nothing_is_asked_that_cannot_be_recorded() {
    let origin = Origin::zone().await;
    let server = Running::start(&settings(&[origin.address]));
    for cannot in [&server.records.full, &server.records.unnotable] {
        cannot.store(true, Ordering::SeqCst);
        let answer = ask(&server, Some(1), &question("api.test.", RecordType::A)).await;
        assert_eq!(answer.metadata.response_code, ResponseCode::ServFail);
        assert_eq!(origin.count(), 0);
        cannot.store(false, Ordering::SeqCst);
    }
    let outcomes: Vec<String> = server.records.entries().into_iter().map(|entry| entry.outcome).collect();
    assert_eq!(outcomes, ["refused the decision cannot be recorded"]);
}

fn https(params: Vec<(SvcParamKey, SvcParamValue)>) -> Record {
    Record::from_rdata(name("api.test."), 60, RData::HTTPS(HTTPS(SVCB::new(1, name("."), params))))
}

fn alpn(protocols: &[&str]) -> (SvcParamKey, SvcParamValue) {
    (SvcParamKey::Alpn, SvcParamValue::Alpn(Alpn(protocols.iter().map(|p| (*p).to_owned()).collect())))
}

fn ech() -> (SvcParamKey, SvcParamValue) {
    (SvcParamKey::EchConfigList, SvcParamValue::EchConfigList(EchConfigList(b"hidden name".to_vec())))
}

#[tokio::test]
async fn ech_and_h3_do_not_reach_the_agent() {
    let origin = Origin::start(|question, _| {
        let mut message = reply(question);
        message.answers = vec![https(vec![alpn(&["h3", "h2"]), ech()])];
        message.additionals = vec![https(vec![alpn(&["h3"]), ech()])];
        Answer::Messages(vec![message])
    })
    .await;
    let server = Running::start(&settings(&[origin.address]));
    let socket = udp(&server, Some(1)).await;
    let query = with_edns(question("api.test.", RecordType::HTTPS), 4096).to_vec().unwrap();
    socket.send(&query).await.unwrap();
    let mut buffer = [0; 4096];
    let n = socket.recv(&mut buffer).await.unwrap();
    assert!(!buffer[..n].windows(6).any(|w| w == b"hidden"), "nowhere in the packet");
    let answer = Message::from_vec(&buffer[..n]).unwrap();
    assert_eq!(answer.answers, [https(vec![alpn(&["h2"])])]);
    assert!(answer.additionals.is_empty());
}

#[tokio::test]
async fn a_silent_upstream_is_a_servfail() {
    let origin = Origin::start(|_, _| Answer::Silence).await;
    let config = config::Dns { timeout: Duration::from_millis(50), ..settings(&[origin.address]) };
    let server = Running::start(&config);
    let answer = ask(&server, Some(1), &with_edns(question("api.test.", RecordType::A), 1232)).await;
    assert_eq!(answer.metadata.response_code, ResponseCode::ServFail);
    assert_eq!(explanation(&answer).0, 22);
    assert_eq!(origin.count(), 2, "as many tries as configured");
    let again = ask(&server, Some(1), &question("api.test.", RecordType::A)).await;
    assert_eq!(again.metadata.response_code, ResponseCode::ServFail);
}

#[tokio::test]
async fn large_answers_are_cut_to_what_the_client_takes() {
    let origin = Origin::start(|question, _| {
        let mut message = reply(question);
        message.answers = (1..=60).map(|last| a("api.test.", last)).collect();
        Answer::Messages(vec![message])
    })
    .await;
    let server = Running::start(&settings(&[origin.address]));
    let query = question("api.test.", RecordType::A);
    let plain = ask(&server, Some(1), &query).await;
    assert!(plain.metadata.truncation && plain.answers.is_empty());
    let small = ask(&server, Some(1), &with_edns(query.clone(), 600)).await;
    assert!(small.metadata.truncation && small.answers.is_empty());
    let roomy = ask(&server, Some(1), &with_edns(query.clone(), 4096)).await;
    assert!(!roomy.metadata.truncation);
    assert_eq!(roomy.answers.len(), 60);
    assert_eq!(ask_tcp(&server, Some(1), &[query]).await[0].answers.len(), 60);
}

#[tokio::test]
async fn malformed_queries_get_their_codes() {
    let origin = Origin::zone().await;
    let server = Running::start(&settings(&[origin.address]));
    let change = |f: &dyn Fn(&mut Message)| {
        let mut message = question("api.test.", RecordType::A);
        f(&mut message);
        message
    };
    let table = [
        (change(&|m| m.metadata.op_code = OpCode::Update), ResponseCode::NotImp),
        (change(&|m| m.queries.push(m.queries[0].clone())), ResponseCode::FormErr),
        (change(&|m| m.queries.clear()), ResponseCode::FormErr),
        (change(&|m| m.queries[0].query_class = hickory_proto::rr::DNSClass::CH), ResponseCode::Refused),
    ];
    for (message, rcode) in table {
        assert_eq!(ask(&server, Some(1), &message).await.metadata.response_code, rcode, "{message:?}");
    }
    assert_eq!(origin.count(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever bytes an agent sends, the server lives and nothing goes upstream. The names that random queries may
    /// hold are not in the agent's policy: only `.test` is.
    #[test]
    fn random_bytes_never_reach_upstream(
        packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..600), 1..32),
        flips in prop::collection::vec((0_usize..29, any::<u8>()), 1..32),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let origin = Origin::zone().await;
            let server = Running::start(&settings(&[origin.address]));
            let socket = udp(&server, Some(1)).await;
            for packet in &packets {
                socket.send(packet).await.unwrap();
            }
            let valid = question("evil.example.", RecordType::A).to_vec().unwrap();
            for (at, byte) in &flips {
                let mut damaged = valid.clone();
                let at = at % damaged.len();
                damaged[at] = *byte;
                socket.send(&damaged).await.unwrap();
            }
            // Alive, and everything before it has been handled: one socket, one order.
            let mut query = question("evil.example.", RecordType::A);
            query.metadata.id = 1;
            let mut answer = exchange(&socket, &query).await;
            while answer.metadata.id != 1 {
                answer = receive(&socket).await;
            }
            assert_eq!(answer.metadata.response_code, ResponseCode::Refused);
            assert_eq!(origin.count(), 0);
        });
    }
}
