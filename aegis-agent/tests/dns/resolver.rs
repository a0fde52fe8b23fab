use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aegis_agent::dns::{ResolveError, Resolver};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use tokio::net::UdpSocket;

use super::host::settings;
use super::origin::{Answer, Origin, Over, a, cname, query, reply, soa};

fn resolver(origin: &Origin) -> Resolver {
    Resolver::new(&settings(&[origin.address])).unwrap()
}

fn ips(text: &[&str]) -> Vec<IpAddr> {
    text.iter().map(|ip| ip.parse().unwrap()).collect()
}

#[tokio::test]
async fn both_families_are_asked_and_kept() {
    let origin = Origin::zone().await;
    let resolver = resolver(&origin);
    for _ in 0..3 {
        let found = resolver.resolve("API.test.").await.unwrap();
        assert_eq!(found.to_vec(), ips(&["192.0.2.1", "2001:db8::1"]));
    }
    let mut asked = origin.asked();
    asked.sort();
    let expected = [RecordType::A, RecordType::AAAA].map(|kind| ("api.test.".to_owned(), kind, Over::Udp));
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn aliases_are_followed_within_and_beyond_the_answer() {
    let origin = Origin::zone().await;
    let resolver = resolver(&origin);
    assert_eq!(resolver.resolve("alias.test").await.unwrap().to_vec(), ips(&["192.0.2.1"]));
    assert_eq!(resolver.resolve("away.test").await.unwrap().to_vec(), ips(&["192.0.2.1", "2001:db8::1"]));
}

#[tokio::test]
async fn a_circle_of_aliases_ends() {
    let origin = Origin::zone().await;
    assert_eq!(resolver(&origin).resolve("one.circle.test").await.unwrap_err(), ResolveError::Chain);
    assert!(origin.count() <= 4, "{}", origin.count());
}

#[tokio::test]
async fn what_does_not_exist_is_remembered() {
    let origin = Origin::zone().await;
    let resolver = resolver(&origin);
    for _ in 0..3 {
        assert_eq!(resolver.resolve("nobody.test").await.unwrap_err(), ResolveError::NotFound);
    }
    assert_eq!(origin.count(), 2, "one A, one AAAA");
}

#[tokio::test]
async fn a_negative_answer_without_soa_is_not_kept() {
    let origin = Origin::start(|question, _| Answer::Messages(vec![reply(question)])).await;
    let resolver = resolver(&origin);
    for _ in 0..2 {
        assert_eq!(resolver.resolve("empty.test").await.unwrap_err(), ResolveError::NoAddress);
    }
    assert_eq!(origin.count(), 4);
}

#[tokio::test]
async fn literals_localhost_and_bad_names_ask_nobody() {
    let origin = Origin::zone().await;
    let resolver = resolver(&origin);
    assert_eq!(resolver.resolve("192.0.2.9").await.unwrap().to_vec(), ips(&["192.0.2.9"]));
    assert_eq!(resolver.resolve("app.localhost").await.unwrap().to_vec(), ips(&["127.0.0.1", "::1"]));
    for bad in ["", "a b.test", "a..test", &"a.".repeat(200)] {
        assert!(matches!(resolver.resolve(bad).await, Err(ResolveError::BadName(_))), "{bad}");
    }
    assert_eq!(origin.count(), 0);
}

#[tokio::test]
async fn many_who_ask_cause_one_packet_each_family() {
    let (release, gate) = tokio::sync::watch::channel(false);
    let origin = Origin::zone().await;
    let slow = forward_when(gate, origin.address).await;
    let resolver = Arc::new(Resolver::new(&settings(&[slow])).unwrap());
    let askers: Vec<_> = (0..200)
        .map(|_| {
            let resolver = Arc::clone(&resolver);
            tokio::spawn(async move { resolver.resolve("api.test").await })
        })
        .collect();
    release.send(true).unwrap();
    for asker in askers {
        assert_eq!(asker.await.unwrap().unwrap().len(), 2);
    }
    assert_eq!(origin.count(), 2);
}

/// A hop that holds datagrams back until `gate` opens.
async fn forward_when(mut gate: tokio::sync::watch::Receiver<bool>, to: std::net::SocketAddr) -> std::net::SocketAddr {
    let front = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let address = front.local_addr().unwrap();
    tokio::spawn(async move {
        gate.wait_for(|open| *open).await.unwrap();
        let mut buffer = [0; 4096];
        while let Ok((n, peer)) = front.recv_from(&mut buffer).await {
            let back = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            back.send_to(&buffer[..n], to).await.unwrap();
            let n = back.recv(&mut buffer).await.unwrap();
            front.send_to(&buffer[..n], peer).await.unwrap();
        }
    });
    address
}

#[tokio::test]
async fn one_who_leaves_does_not_fail_the_others() {
    let (release, gate) = tokio::sync::watch::channel(false);
    let origin = Origin::zone().await;
    let slow = forward_when(gate, origin.address).await;
    let resolver = Arc::new(Resolver::new(&settings(&[slow])).unwrap());
    let mut first = Box::pin(resolver.resolve("api.test"));
    assert!(futures_util::poll!(&mut first).is_pending());
    let second = tokio::spawn({
        let resolver = Arc::clone(&resolver);
        async move { resolver.resolve("api.test").await }
    });
    drop(first);
    release.send(true).unwrap();
    assert_eq!(second.await.unwrap().unwrap().len(), 2);
}

#[tokio::test]
async fn forged_answers_are_read_over() {
    let origin = Origin::start(|question, _| {
        let owner = question.queries[0].name().to_ascii();
        let truth = |last| {
            let mut message = reply(question);
            message.answers = vec![a(&owner, last)];
            message
        };
        let mut wrong_id = truth(66);
        wrong_id.metadata.id = question.metadata.id.wrapping_add(1);
        let mut other_name = truth(67);
        other_name.queries = vec![query("evil.test.", question.queries[0].query_type())];
        let mut other_kind = truth(68);
        other_kind.queries[0].set_query_type(RecordType::TXT);
        let mut other_case = truth(69);
        let flipped: String = owner.chars().map(flip).collect();
        other_case.queries = vec![query(&flipped, question.queries[0].query_type())];
        let mut no_answer = truth(70);
        no_answer.metadata.message_type = hickory_proto::op::MessageType::Query;
        let mut no_question = truth(71);
        no_question.queries.clear();
        Answer::Messages(vec![wrong_id, other_name, other_kind, other_case, no_answer, no_question, truth(1)])
    })
    .await;
    let found = resolver(&origin).resolve("api.test").await.unwrap();
    assert!(found.iter().all(|ip| *ip == ips(&["192.0.2.1"])[0]), "{found:?}");
}

fn flip(c: char) -> char {
    if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
}

/// The true server says nothing; a stranger, who even knows id and question, answers from another port.
#[tokio::test]
async fn an_answer_from_elsewhere_does_not_count() {
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let config = aegis_agent::config::Dns {
        timeout: Duration::from_millis(200),
        attempts: 1,
        ..settings(&[server.local_addr().unwrap()])
    };
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok((n, peer)) = server.recv_from(&mut buffer).await {
            let question = hickory_proto::op::Message::from_vec(&buffer[..n]).unwrap();
            let mut forged = reply(&question);
            forged.answers = vec![a(&question.queries[0].name().to_ascii(), 66)];
            stranger.send_to(&forged.to_vec().unwrap(), peer).await.unwrap();
        }
    });
    let resolver = Resolver::new(&config).unwrap();
    assert_eq!(resolver.resolve("api.test").await.unwrap_err(), ResolveError::Timeout);
}

#[tokio::test]
async fn records_of_other_names_are_not_taken() {
    let origin = Origin::start(|question, _| {
        let mut message = reply(question);
        message.answers = vec![a("evil.test.", 66), cname("evil.test.", "api.test.")];
        message.authorities = vec![soa("test.")];
        message.additionals = vec![a("api.test.", 67)];
        Answer::Messages(vec![message])
    })
    .await;
    assert_eq!(resolver(&origin).resolve("api.test").await.unwrap_err(), ResolveError::NoAddress);
}

#[tokio::test]
async fn a_truncated_answer_is_asked_for_over_tcp() {
    let origin = Origin::start(|question, over| {
        let mut message = reply(question);
        if over == Over::Udp {
            message.metadata.truncation = true;
        } else if question.queries[0].query_type() == RecordType::A {
            message.answers = (1..=200).map(|last| a(&question.queries[0].name().to_ascii(), last)).collect();
        }
        Answer::Messages(vec![message])
    })
    .await;
    assert_eq!(resolver(&origin).resolve("big.test").await.unwrap().len(), 200);
    assert!(origin.asked().contains(&("big.test.".to_owned(), RecordType::A, Over::Tcp)));
}

#[tokio::test]
async fn the_next_server_is_asked_when_one_is_silent_or_broken_and_stays_preferred() {
    let silent = Origin::start(|_, _| Answer::Silence).await;
    let good = Origin::zone().await;
    let config =
        aegis_agent::config::Dns { timeout: Duration::from_millis(150), ..settings(&[silent.address, good.address]) };
    let resolver = Resolver::new(&config).unwrap();
    assert_eq!(resolver.resolve("api.test").await.unwrap().len(), 2);
    let before = silent.count();
    assert_eq!(resolver.resolve("away.test").await.unwrap().len(), 2);
    assert_eq!(silent.count(), before);

    let broken = Origin::start(|question, _| {
        let mut message = reply(question);
        message.metadata.response_code = ResponseCode::ServFail;
        Answer::Messages(vec![message])
    })
    .await;
    let resolver = Resolver::new(&settings(&[broken.address, good.address])).unwrap();
    assert_eq!(resolver.resolve("api.test").await.unwrap().len(), 2);
    let resolver = Resolver::new(&settings(&[broken.address])).unwrap();
    assert_eq!(resolver.resolve("api.test").await.unwrap_err(), ResolveError::Refused(ResponseCode::ServFail));
}

#[tokio::test]
async fn old_servers_are_asked_again_without_edns() {
    let without = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&without);
    let origin = Origin::start(move |question, _| {
        let mut message = reply(question);
        if question.edns.is_some() {
            message.metadata.response_code = ResponseCode::FormErr;
        } else {
            seen.fetch_add(1, Ordering::SeqCst);
            message.answers = vec![a(&question.queries[0].name().to_ascii(), 1)];
        }
        Answer::Messages(vec![message])
    })
    .await;
    assert_eq!(resolver(&origin).resolve("api.test").await.unwrap().to_vec(), ips(&["192.0.2.1"]));
    assert_eq!(without.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn servers_are_told_what_fits_into_a_packet() {
    let (told, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (payloads, questions) = (Arc::clone(&told), Arc::clone(&seen));
    let origin = Origin::start(move |question, _| {
        questions.fetch_add(1, Ordering::SeqCst);
        let payload = question.edns.as_ref().map_or(0, |edns| edns.max_payload());
        payloads.fetch_add(usize::from(payload == 1232), Ordering::SeqCst);
        let mut message = reply(question);
        // As large as that allows, and more than a question without EDNS would get.
        message.answers = (1..=60).map(|last| a(&question.queries[0].name().to_ascii(), last)).collect();
        Answer::Messages(vec![message])
    })
    .await;
    assert_eq!(resolver(&origin).resolve("api.test").await.unwrap().len(), 60);
    assert_eq!((seen.load(Ordering::SeqCst), told.load(Ordering::SeqCst)), (2, 2));
    assert!(origin.asked().iter().all(|(.., over)| *over == Over::Udp));
}

#[tokio::test]
async fn questions_go_out_in_random_letter_case() {
    let origin = Origin::zone().await;
    let resolver = resolver(&origin);
    let host = "a-long-name-with-many-letters-in-it.test";
    assert_eq!(resolver.resolve(host).await.unwrap_err(), ResolveError::NotFound);
    assert!(origin.spelled().iter().all(|name| name.trim_end_matches('.') != host), "{:?}", origin.spelled());
}
