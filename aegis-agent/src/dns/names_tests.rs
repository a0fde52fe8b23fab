#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::config::Config;

fn names(names_per_minute: u32, queries_per_minute: u32) -> Names {
    Names::new(DnsLimits { names_per_minute, queries_per_minute, ..Config::default().dns.limits })
}

fn agent(index: u32) -> AgentIndex {
    AgentIndex::new(index).unwrap()
}

/// `host.test` below `*.test`, its answer not at hand.
fn ask(names: &Names, index: u32, host: &str, now: Instant) -> Result<(), Excess> {
    let name = format!("{host}.test");
    names.admit(agent(index), &Asked::new(&name, &name, host.len(), true), now)
}

#[test]
fn new_names_are_counted_and_come_back_with_time() {
    let (names, start) = (names(6, 1000), Instant::now());
    let words = ["one", "two", "three", "four", "five", "six", "seven", "eight"];
    for word in &words[..6] {
        ask(&names, 1, word, start).unwrap();
    }
    assert_eq!(ask(&names, 1, "seven", start), Err(Excess::Names { limit: 6 }));
    for word in &words[..6] {
        ask(&names, 1, word, start).expect("a name that it asked for is not new");
    }
    ask(&names, 2, "seven", start).expect("each agent has its own");
    let later = start + Duration::from_secs(10);
    ask(&names, 1, "seven", later).unwrap();
    assert_eq!(ask(&names, 1, "eight", later), Err(Excess::Names { limit: 6 }));
    assert_eq!(ask(&names, 1, "eight", later), Err(Excess::Names { limit: 6 }), "what was refused is not known");
}

#[test]
fn questions_that_leave_are_counted_and_answers_at_hand_are_free() {
    let (names, start) = (names(1000, 3), Instant::now());
    for _ in 0..3 {
        ask(&names, 1, "www", start).unwrap();
    }
    assert_eq!(ask(&names, 1, "www", start), Err(Excess::Queries { limit: 3 }));
    names.admit(agent(1), &Asked::new("www.test", "www.test", 3, false), start).unwrap();
    ask(&names, 1, "www", start + Duration::from_secs(20)).unwrap();
}

#[test]
fn what_a_rule_spells_out_is_not_counted() {
    let (names, now) = (names(1, 1), Instant::now());
    for host in 0..100 {
        let name = format!("3639ac514e785e898d2646601fa951d5424c7224e9b0146f9a8808af95572{host}.test");
        names.admit(agent(1), &Asked::new(&name, &name, 0, true), now).unwrap();
    }
    assert!(names.agents.lock().unwrap().is_empty());
}

#[test]
fn a_name_is_forgotten_after_two_minutes_without_use() {
    let (names, start) = (names(1, 1000), Instant::now());
    ask(&names, 1, "www", start).unwrap();
    // Asked for again within each minute, it stays known.
    for minute in 1..5 {
        ask(&names, 1, "www", start + MEMORY * minute).unwrap();
    }
    let quiet = start + MEMORY * 4;
    ask(&names, 1, "other", quiet + MEMORY * 2).expect("the bucket is full again");
    assert_eq!(ask(&names, 1, "www", quiet + MEMORY * 2), Err(Excess::Names { limit: 1 }));
}

#[test]
fn memory_is_bounded_and_goes_with_the_agent() {
    let (names, start) = (names(u32::MAX, u32::MAX), Instant::now());
    for host in 0..3 * REMEMBERED {
        ask(&names, 1, &format!("host-{host}"), start).unwrap();
    }
    let sizes = |names: &Names| {
        let agents = names.agents.lock().unwrap();
        agents.get(&agent(1)).map(|usage| (usage.recent.len(), usage.older.len()))
    };
    assert!(sizes(&names).is_some_and(|(recent, older)| recent <= REMEMBERED && older <= REMEMBERED));
    names.forget(agent(1));
    assert_eq!(sizes(&names), None);
    // And one that is not removed but quiet makes room when another one comes.
    ask(&names, 1, "www", start).unwrap();
    ask(&names, 2, "www", start + MEMORY * 2).unwrap();
    assert_eq!(names.agents.lock().unwrap().len(), 1);
}

#[test]
fn time_that_goes_back_gives_nothing() {
    let (names, start) = (names(1, 1000), Instant::now());
    ask(&names, 1, "one", start + MEMORY).unwrap();
    assert_eq!(ask(&names, 1, "two", start), Err(Excess::Names { limit: 1 }));
    assert_eq!(ask(&names, 1, "two", start + MEMORY), Err(Excess::Names { limit: 1 }));
}
