#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use hickory_proto::op::OpCode;
use hickory_proto::rr::rdata::{A, CNAME, SOA};

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn a(owner: &str, ttl: u32) -> Record {
    Record::from_rdata(name(owner), ttl, RData::A(A::new(192, 0, 2, 1)))
}

fn cname(owner: &str, target: &str) -> Record {
    Record::from_rdata(name(owner), 60, RData::CNAME(CNAME(name(target))))
}

fn soa(owner: &str, ttl: u32, minimum: u32) -> Record {
    Record::from_rdata(name(owner), ttl, RData::SOA(SOA::new(name(owner), name(owner), 1, 1, 1, 1, minimum)))
}

fn of(answers: Vec<Record>, authorities: Vec<Record>) -> Answer {
    let mut message = Message::response(1, OpCode::Query);
    message.answers = answers;
    message.authorities = authorities;
    Answer::of(message, &name("a.test."), RecordType::A, HOUR, Instant::now())
}

fn owners(answer: &Answer) -> Vec<String> {
    answer.records.iter().map(|r| r.name.to_ascii()).collect()
}

#[test]
fn only_the_chain_and_its_end_are_taken() {
    let links = [cname("b.test.", "c.test."), cname("a.test.", "b.test.")];
    let answer =
        of([vec![a("evil.test.", 9), a("c.test.", 90)], links.to_vec(), vec![a("a.test.", 9)]].concat(), vec![]);
    assert_eq!(owners(&answer), ["a.test.", "b.test.", "c.test."]);
    assert_eq!(answer.holds, Duration::from_secs(60));
    assert!(!answer.leads_on(RecordType::A));
}

#[test]
fn a_chain_that_leaves_the_answer_leads_on_and_a_circle_ends() {
    assert!(of(vec![cname("a.test.", "b.test.")], vec![]).leads_on(RecordType::A));
    let circle = of(vec![cname("a.test.", "b.test."), cname("b.test.", "a.test.")], vec![]);
    assert_eq!(owners(&circle), ["a.test.", "b.test."]);
    assert!(circle.is_circle());
    let mut long = vec![cname("a.test.", "0.test.")];
    long.extend((0..100).map(|n| cname(&format!("{n}.test."), &format!("{}.test.", n + 1))));
    assert_eq!(of(long, vec![]).records.len(), MAX_CHAIN);
}

#[test]
fn negative_answers_hold_as_the_zone_says() {
    assert_eq!(of(vec![], vec![soa("test.", 50, 900)]).holds, Duration::from_secs(50));
    assert_eq!(of(vec![], vec![soa("test.", 900, 30)]).holds, Duration::from_secs(30));
    assert_eq!(of(vec![], vec![soa("test.", 90_000, 90_000)]).holds, HOUR);
    assert_eq!(of(vec![], vec![]).holds, Duration::ZERO);
    assert_eq!(of(vec![], vec![soa("other.", 50, 50)]).holds, Duration::ZERO, "another zone's SOA says nothing");
}

#[test]
fn time_passes_for_negative_answers_too() {
    let answer = of(vec![], vec![soa("test.", 900, 30)]);
    let ttl = |later| answer.soa_at(answer.fetched + Duration::from_secs(later)).unwrap().ttl;
    assert_eq!([ttl(0), ttl(10), ttl(31)], [30, 20, 0]);
}

#[test]
fn time_passes_for_records_that_are_given_again() {
    let answer = of(vec![a("a.test.", 7200)], vec![]);
    assert_eq!(answer.holds, HOUR);
    let later = answer.fetched + Duration::from_secs(100);
    let ttls: Vec<u32> = answer.records_at(later, HOUR).map(|r| r.ttl).collect();
    assert_eq!(ttls, [3500]);
}
