#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::mpsc;
use std::time::Duration;

use aegis_policy::decision_log::{Connection, Decided, Event};
use aegis_policy::{Agent, Decision, Mode};
use tempfile::TempDir;

use super::queue::{MAX_BYTES, MAX_EVENTS};
use super::{DecisionLog, files, share};
use crate::config::Decisions;

fn config() -> Decisions {
    Decisions { enabled: true, max_bytes: 64 << 20, keep: Duration::from_secs(3600), sample: 1.0 }
}

fn event(id: &str) -> Event {
    traced(id, "4bf92f3577b34da6a3ce929d0e0e4736")
}

fn traced(id: &str, trace_id: &str) -> Event {
    let decided = Decided {
        labels: ("test", "0"),
        decision_id: id,
        trace_id,
        trace_is_foreign: true,
        took: Duration::ZERO,
        decision: Decision::Deny,
        mode: Mode::Enforce,
        rule: None,
        tool: None,
        reason: "no",
        kind: None,
        policy_version: "v1",
        findings: Vec::new(),
        masks: &aegis_dlp::Profile::NONE,
    };
    let connection = Connection { host: None, destination: ([192, 0, 2, 1], 443).into(), protocol: None };
    Event::of_connection(decided, &Agent::default(), std::time::SystemTime::now(), connection)
}

fn id() -> String {
    uuid::Uuid::now_v7().to_string()
}

#[test]
fn what_is_handed_over_is_found_at_once_and_by_its_trace_too() {
    let dir = TempDir::new().unwrap();
    let log = DecisionLog::open(&config(), dir.path());
    let ids: Vec<String> = (0..300).map(|_| id()).collect();
    for id in ids.clone() {
        log.offer(10, move || event(&id));
    }
    for id in &ids {
        assert_eq!(log.find(id).unwrap().unwrap().decision_id, *id);
    }
    assert!(log.find("4bf92f3577b34da6a3ce929d0e0e4736").unwrap().is_some());
    assert_eq!(log.find(&id()).unwrap(), None);
    let health = log.health();
    assert_eq!((health.written, health.dropped_full, health.dropped_unwritten), (300, 0, 0));
    // After a restart they are there still.
    drop(log);
    let log = DecisionLog::open(&config(), dir.path());
    assert!(log.find(&ids[0]).unwrap().is_some());
}

#[test]
fn a_trace_id_that_looks_as_if_it_told_a_time_is_found_all_the_same() {
    // An agent chooses it: as a UUIDv7 this one would be of the year 10889.
    const TRACE: &str = "ffffffffffff7da6a3ce929d0e0e4736";
    let dir = TempDir::new().unwrap();
    let log = DecisionLog::open(&config(), dir.path());
    log.offer(10, || traced("first", TRACE));
    assert!(log.find("first").unwrap().is_some());
    drop(log);
    let log = DecisionLog::open(&config(), dir.path());
    log.offer(10, || event("second"));
    assert!(log.find("second").unwrap().is_some());
    assert_eq!(std::fs::read_dir(dir.path().join("decisions")).unwrap().count(), 2, "a file each");
    assert_eq!(log.find(TRACE).unwrap().unwrap().decision_id, "first");
}

#[test]
fn a_full_queue_drops_and_counts_and_never_waits() {
    let dir = TempDir::new().unwrap();
    let log = DecisionLog::open(&config(), dir.path());
    // The writer is held up by an event that is not ready.
    let (go, wait) = mpsc::channel::<()>();
    let (started, running) = mpsc::channel();
    log.offer(0, move || {
        started.send(()).unwrap();
        wait.recv().unwrap();
        event("held")
    });
    running.recv().unwrap();
    for _ in 0..MAX_EVENTS + 10 {
        log.offer(0, || event("x"));
    }
    assert_eq!(log.health().dropped_full, 10);
    go.send(()).unwrap();
    assert!(log.find("held").unwrap().is_some());
    assert_eq!(log.health().written, u64::try_from(MAX_EVENTS).unwrap() + 1);
    // So it is for bytes.
    log.offer(MAX_BYTES + 1, || event("heavy"));
    assert_eq!(log.health().dropped_full, 11);
    assert_eq!(log.find("heavy").unwrap(), None);
}

#[test]
fn what_the_disk_refuses_is_dropped_and_counted_until_it_does_not() {
    let dir = TempDir::new().unwrap();
    let place = dir.path().join("decisions");
    std::fs::write(&place, "a file where the directory should be").unwrap();
    let log = DecisionLog::open(&config(), dir.path());
    log.offer(0, || event("lost"));
    assert!(log.find("lost").is_err());
    let health = log.health();
    assert_eq!((health.written, health.dropped_unwritten), (0, 1));
    assert!(health.error.is_some());
    std::fs::remove_file(&place).unwrap();
    // The disk is left alone for a moment after a failure; what comes meanwhile is dropped too.
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while log.health().written == 0 && std::time::Instant::now() < end {
        log.offer(0, || event("kept"));
        let _ = log.find("kept");
    }
    assert!(log.find("kept").unwrap().is_some());
    assert_eq!(log.health().error, None);
}

#[test]
fn the_log_stays_within_its_bytes_and_its_age() {
    let dir = TempDir::new().unwrap();
    let small = Decisions { max_bytes: 64 << 10, ..config() };
    let log = DecisionLog::open(&small, dir.path());
    let ids: Vec<String> = (0..2000).map(|_| id()).collect();
    for id in ids.clone() {
        log.offer(0, move || event(&id));
    }
    assert!(log.find(&ids[1999]).unwrap().is_some());
    assert_eq!(log.find(&ids[0]).unwrap(), None, "the oldest goes first");
    let bytes = |path: &std::path::Path| -> u64 {
        std::fs::read_dir(path).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum()
    };
    let place = dir.path().join("decisions");
    // One batch may be larger than the share of a file.
    assert!(bytes(&place) <= (64 << 10) + 256 * 1024, "{} bytes", bytes(&place));
    drop(log);
    let before = std::fs::read_dir(&place).unwrap().count();
    let mut directory = files::Directory::new(&place, 1 << 30, Duration::ZERO);
    directory.tidy();
    assert!(before > 0 && std::fs::read_dir(&place).unwrap().count() == 0);
}

#[test]
fn a_torn_line_hides_no_other() {
    let dir = TempDir::new().unwrap();
    let log = DecisionLog::open(&config(), dir.path());
    log.offer(0, || event("whole"));
    assert!(log.find("whole").unwrap().is_some());
    let file = std::fs::read_dir(dir.path().join("decisions")).unwrap().next().unwrap().unwrap().path();
    let whole = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{}\n{whole}", &whole[..whole.len() / 2])).unwrap();
    assert!(log.find("whole").unwrap().is_some());
}

#[test]
fn a_sample_is_an_even_share_and_none_is_none() {
    let log = DecisionLog::open(&Decisions { sample: 0.25, ..config() }, TempDir::new().unwrap().path());
    let ids: Vec<String> = (0..4000).map(|_| id()).collect();
    let taken = ids.iter().filter(|id| log.wants(id)).count();
    assert!((700..1300).contains(&taken), "{taken} of 4000");
    assert!(ids.iter().all(|id| (0.0..1.0).contains(&share(id))));
    let off = DecisionLog::open(&Decisions { enabled: false, ..config() }, TempDir::new().unwrap().path());
    assert!(!off.wants(&ids[0]));
}
