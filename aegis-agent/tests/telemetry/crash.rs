//! Daemons that do not end as they should, and logs that somebody was at.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use aegis_agent::telemetry::OpenError;
use aegis_audit::{Decision, Why};

use crate::support::{check, draft, eventually, log_path, open, records, try_open, verified};

const CHILD: &str = "AEGIS_TEST_AUDIT_DIR";

/// Not a test by itself: the process that `kill -9` hits.
#[test]
fn child_that_writes_without_end() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    let log = open(Path::new(&dir));
    for number in 0.. {
        if let Ok(slot) = log.reserve() {
            slot.commit(draft(number));
        }
    }
}

#[tokio::test]
async fn a_killed_daemon_leaves_a_log_that_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = log_path(dir.path());
    let mut written = 0;
    for round in 0..4 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::child_that_writes_without_end", "--nocapture"])
            .env(CHILD, dir.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let enough = |length: u64| length > 50_000 * (round + 1);
        eventually("the child writing", || fs::metadata(&path).is_ok_and(|meta| enough(meta.len())));
        child.kill().unwrap();
        child.wait().unwrap();
        let log = open(dir.path());
        log.reserve().unwrap().commit(draft(round));
        log.drain().await;
        drop(log);
        let report = verified(dir.path());
        assert!(report.records > written);
        written = report.records;
    }
}

/// A log of `count` records in `dir`, closed.
async fn written(dir: &Path, count: u64) -> PathBuf {
    let log = open(dir);
    for number in 0..count {
        log.reserve().unwrap().commit(draft(number));
    }
    log.drain().await;
    log_path(dir)
}

#[tokio::test]
async fn a_torn_line_is_moved_aside_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = written(dir.path(), 5).await;
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"ts\":\"2026-11-23T01:2").unwrap();
    assert_eq!(check(dir.path(), std::slice::from_ref(&path)).unwrap_err().why, Why::Truncated);
    drop(open(dir.path()));
    assert_eq!(fs::read(path.with_extension("jsonl.torn")).unwrap(), b"{\"ts\":\"2026-11-23T01:2\n");
    let last = records(&path).pop().unwrap();
    assert_eq!((last.seq, last.decision), (6, Decision::None));
    assert!(last.reason.contains("torn line of 22 bytes"), "{}", last.reason);
    assert_eq!(verified(dir.path()).records, 6);
}

#[tokio::test]
async fn zeros_of_a_power_cut_are_a_torn_line_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = written(dir.path(), 5).await;
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(&[0; 100_000]).unwrap();
    drop(open(dir.path()));
    assert_eq!(verified(dir.path()).records, 6);
}

#[tokio::test]
async fn a_cut_log_is_kept_as_evidence_and_its_gap_stays_visible() {
    let dir = tempfile::tempdir().unwrap();
    let path = written(dir.path(), 5).await;
    let text = fs::read_to_string(&path).unwrap();
    let cut: String = text.split_inclusive('\n').take(3).collect();
    fs::write(&path, &cut).unwrap();
    assert_eq!(
        check(dir.path(), std::slice::from_ref(&path)).unwrap_err().why,
        Why::TailCut { last: 3, checkpoint: 5 }
    );
    drop(open(dir.path()));
    let aside = fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().contains(".cut-"))
        .expect("the cut file is kept");
    assert_eq!(fs::read_to_string(&aside).unwrap(), cut);
    let note = records(&path).pop().unwrap();
    assert_eq!((note.seq, note.decision), (6, Decision::None));
    assert!(note.reason.contains("ended at record 3, but record 5 was signed"), "{}", note.reason);
    assert_eq!(check(dir.path(), &[aside, path]).unwrap_err().why, Why::Missing { from: 4, to: 5 });
}

#[tokio::test]
async fn a_log_that_is_gone_is_not_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let path = written(dir.path(), 5).await;
    fs::remove_file(&path).unwrap();
    drop(open(dir.path()));
    let note = records(&path).pop().unwrap();
    assert_eq!(note.seq, 6);
    assert!(note.reason.contains("record 5 is the last that was signed"), "{}", note.reason);
    assert_eq!(check(dir.path(), &[path]).unwrap_err().why, Why::Missing { from: 1, to: 5 });
}

#[tokio::test]
async fn an_edited_last_line_is_not_buried_under_new_ones() {
    let dir = tempfile::tempdir().unwrap();
    let path = written(dir.path(), 5).await;
    let text = fs::read_to_string(&path).unwrap().replace("decision-4", "decision-9");
    fs::write(&path, text).unwrap();
    let Err(error) = try_open(dir.path()) else { panic!("it opened") };
    assert!(matches!(error, OpenError::NotContinuable { .. }), "{error}");
    assert!(error.to_string().contains("fix: keep it as evidence"), "{error}");
}
