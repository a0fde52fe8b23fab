//! Requests under way when the daemon is killed: what was noted gets its record from the next one, once.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use aegis_audit::{Decision, Record};

use crate::support::{draft, eventually, log_path, open, records, verified};

const CHILD: &str = "AEGIS_TEST_NOTES_DIR";
const FIRST: &str = "AEGIS_TEST_NOTES_FIRST";
const UNDER_WAY: &str = "the daemon ended before this exchange did";

fn notes_path(dir: &Path) -> PathBuf {
    dir.join("audit/audit.open")
}

/// What the child "sent", a number a line.
fn sent_path(dir: &Path) -> PathBuf {
    dir.join("sent")
}

fn child(test: &str, dir: &Path, first: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("notes::{test}"), "--nocapture"])
        .env(CHILD, dir)
        .env(FIRST, first.to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn times(records: &[Record]) -> BTreeMap<&str, usize> {
    records.iter().fold(BTreeMap::new(), |mut times, record| {
        *times.entry(record.decision_id.as_str()).or_default() += 1;
        times
    })
}

fn noted(dir: &Path) -> Vec<Record> {
    records(&log_path(dir)).into_iter().filter(|record| record.error.as_deref() == Some(UNDER_WAY)).collect()
}

/// Not a test by itself: notes twenty requests, ends every other one, and is killed.
#[tokio::test]
async fn child_with_requests_under_way() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    let log = open(Path::new(&dir));
    let mut under_way = Vec::new();
    for number in 0..20 {
        let mut slot = log.reserve().unwrap();
        let mut draft = draft(number);
        let _ = slot.note(&mut draft).unwrap();
        if number % 2 == 0 {
            slot.commit(draft);
        } else {
            under_way.push(slot);
        }
    }
    log.drain().await;
    fs::write(sent_path(Path::new(&dir)), "all").unwrap();
    loop {
        std::thread::park();
    }
}

#[tokio::test]
async fn what_is_under_way_when_the_daemon_is_killed_gets_its_record() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = child("child_with_requests_under_way", dir.path(), 0);
    eventually("the child's requests", || sent_path(dir.path()).exists());
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(fs::metadata(notes_path(dir.path())).unwrap().permissions().mode() & 0o777, 0o600);
    let log = open(dir.path());
    log.reserve().unwrap().commit(draft(100));
    log.drain().await;
    drop(log);
    let all = records(&log_path(dir.path()));
    assert_eq!(all.len(), 21);
    assert!(times(&all).values().all(|times| *times == 1), "{all:?}");
    let recovered = noted(dir.path());
    assert_eq!(recovered.len(), 10);
    for (record, number) in recovered.iter().zip((1..20).step_by(2)) {
        assert_eq!(record.decision_id, format!("decision-{number}"));
        assert_eq!((record.decision, record.path.as_deref()), (Decision::Allow, Some("/v1/charges")));
        assert_eq!((record.bytes_out, record.bytes_in, record.status), (0, 0, None));
    }
    assert_eq!(all.last().unwrap().decision_id, "decision-100", "new records come after those");
    drop(open(dir.path()));
    assert_eq!(verified(dir.path()).records, 21, "they are recorded once");
    assert_eq!(fs::metadata(notes_path(dir.path())).unwrap().len(), 0, "the slots are given back");
}

/// Not a test by itself: sends without end on four threads, and says what it sent only once it may be sent.
#[test]
fn child_that_sends_without_end() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    let dir = Path::new(&dir);
    let first: u64 = std::env::var(FIRST).unwrap().parse().unwrap();
    let log = open(dir);
    let sent = Mutex::new(fs::OpenOptions::new().append(true).create(true).open(sent_path(dir)).unwrap());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (log, sent) = (log.clone(), &sent);
            scope.spawn(move || {
                for number in (first + thread..).step_by(4) {
                    let Ok(mut slot) = log.reserve() else { continue };
                    let mut draft = draft(number);
                    if slot.note(&mut draft).is_ok() {
                        sent.lock().unwrap().write_all(format!("{number}\n").as_bytes()).unwrap();
                    }
                    slot.commit(draft);
                }
            });
        }
    });
}

#[tokio::test]
async fn whenever_the_daemon_is_killed_what_was_sent_has_one_record() {
    const EACH: u64 = 1 << 32;
    // In memory: opening a log forces files to disk, and others keep the disk busy.
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    for round in 1..=6 {
        let mut child = child("child_that_sends_without_end", dir.path(), round * EACH);
        let enough = |length: u64| length > 20_000 * round;
        eventually("the child sending", || fs::metadata(sent_path(dir.path())).is_ok_and(|meta| enough(meta.len())));
        child.kill().unwrap();
        child.wait().unwrap();
        drop(open(dir.path()));
    }
    verified(dir.path());
    let all = records(&log_path(dir.path()));
    let times = times(&all);
    let doubled: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
    assert!(doubled.is_empty(), "{doubled:?}");
    let sent = fs::read_to_string(sent_path(dir.path())).unwrap();
    let lost: Vec<_> = sent.lines().filter(|n| !times.contains_key(format!("decision-{n}").as_str())).collect();
    assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), sent.lines().count());
    assert!(!noted(dir.path()).is_empty(), "no kill met a request under way");
}

/// A log with one record, and the file of notes as it was while that was under way.
async fn with_note(dir: &Path) -> Vec<u8> {
    let log = open(dir);
    let mut slot = log.reserve().unwrap();
    let mut draft = draft(1);
    let _ = slot.note(&mut draft).unwrap();
    let notes = fs::read(notes_path(dir)).unwrap();
    slot.commit(draft);
    log.drain().await;
    notes
}

#[tokio::test]
async fn a_note_whose_line_is_written_makes_no_second_record() {
    let dir = tempfile::tempdir().unwrap();
    let notes = with_note(dir.path()).await;
    fs::write(notes_path(dir.path()), notes).unwrap();
    drop(open(dir.path()));
    assert_eq!(verified(dir.path()).records, 1);
    assert!(noted(dir.path()).is_empty());
}

#[tokio::test]
async fn a_note_whose_line_is_torn_makes_its_record() {
    let dir = tempfile::tempdir().unwrap();
    let notes = with_note(dir.path()).await;
    let log = open(dir.path());
    let mut slot = log.reserve().unwrap();
    let mut second = draft(2);
    let _ = slot.note(&mut second).unwrap();
    let torn = fs::read(notes_path(dir.path())).unwrap();
    assert_eq!(torn.len(), notes.len(), "the slot was free again");
    slot.commit(second);
    log.drain().await;
    drop(log);
    // The line of the second is cut in two, and its checkpoint was never written.
    let path = log_path(dir.path());
    let text = fs::read(&path).unwrap();
    fs::write(&path, text.get(..text.len() - 1).unwrap()).unwrap();
    fs::remove_file(dir.path().join("audit/audit.checkpoints.jsonl")).unwrap();
    fs::write(notes_path(dir.path()), torn).unwrap();
    drop(open(dir.path()));
    let all = records(&path);
    assert_eq!(all.len(), 3, "{all:?}");
    assert_eq!(all.iter().filter(|record| record.decision_id == "decision-2").count(), 1);
    assert_eq!(noted(dir.path()).len(), 1);
}

#[tokio::test]
async fn torn_notes_are_left_out_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let whole = with_note(dir.path()).await;
    let mut altered = whole.clone();
    *altered.last_mut().unwrap() ^= 1;
    let mut too_long = whole.clone();
    too_long[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    let short = whole.get(..whole.len() / 2).unwrap().to_vec();
    let stub = whole.get(..3).unwrap().to_vec();
    for (torn, before) in [(altered, 1), (too_long, 2), (short, 3), (stub, 4), (vec![0xff; 20_000], 5)] {
        fs::write(notes_path(dir.path()), torn).unwrap();
        drop(open(dir.path()));
        assert_eq!(verified(dir.path()).records, before + 1);
        let told = records(&log_path(dir.path())).pop().unwrap();
        assert_eq!(told.decision, Decision::None);
        assert!(told.reason.contains("torn notes"), "{}", told.reason);
        drop(open(dir.path()));
        assert_eq!(verified(dir.path()).records, before + 1, "it is told once");
    }
}
