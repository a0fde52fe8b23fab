//! Everything that can be done to a log from outside, and what the verifier says to it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use aegis_audit::{Broken, Chain, CheckpointError, Draft, Expect, FindingEntry, Report, SigningKey, Why, verify};
use proptest::prelude::*;

const INSTANCE: &str = "default";

struct Log {
    lines: Vec<String>,
    checkpoints: Vec<String>,
    key: SigningKey,
}

impl Log {
    /// `records` records, signed after each `every`.
    fn new(records: usize, every: usize) -> Self {
        let key = SigningKey::generate().unwrap();
        let mut log = Self { lines: Vec::new(), checkpoints: Vec::new(), key };
        let mut chain = Chain::genesis(INSTANCE);
        for number in 1..=records {
            log.lines.push(chain.seal(draft(number)).unwrap().line);
            if number % every == 0 {
                log.checkpoints.push(chain.checkpoint(&log.key, SystemTime::UNIX_EPOCH).unwrap());
            }
        }
        log
    }

    fn text(&self) -> Vec<u8> {
        self.lines.concat().into_bytes()
    }

    fn check(&self) -> Result<Report, Broken> {
        self.check_bytes(&self.text())
    }

    fn check_bytes(&self, log: &[u8]) -> Result<Report, Broken> {
        let expect = Expect { instance: Some(INSTANCE), key: Some(self.key.public()), continued: false };
        verify(log, self.checkpoints.concat().as_bytes(), expect)
    }

    fn broken(&self) -> (u64, Option<u64>, Why) {
        let broken = self.check().unwrap_err();
        (broken.line, broken.seq, broken.why)
    }
}

fn draft(number: usize) -> Draft {
    Draft {
        agent_id: format!("agent-{number}"),
        path: Some(format!("/v1/charges?\"ü\\{number}")),
        findings: vec![FindingEntry {
            detector: "ssn".into(),
            action: "redact".into(),
            place: "body:7".into(),
            confidence: "high".into(),
            count: 1,
        }],
        duration_ms: 0.123_456,
        ..Draft::default()
    }
}

#[test]
fn an_untouched_log_is_right() {
    let report = Log::new(10, 4).check().unwrap();
    assert_eq!((report.records, report.first_seq, report.last_seq), (10, 1, 10));
    assert_eq!((report.checkpoints, report.after_last_checkpoint, report.signed), (2, 2, true));
    assert_eq!(verify(&b""[..], &b""[..], Expect::default()).unwrap().records, 0);
}

#[test]
fn an_edit_is_found_where_it_is() {
    let mut log = Log::new(10, 4);
    log.lines[4] = log.lines[4].replace("agent-5", "agent-6");
    assert!(matches!(log.broken(), (5, Some(5), Why::Edited(_))));
}

#[test]
fn an_edit_with_a_new_hash_is_found_at_the_next_line() {
    let mut log = Log::new(10, 4);
    let mut forger = Chain::resume(&log.lines[3]).unwrap();
    log.lines[4] = forger.seal(Draft { agent_id: "nobody".into(), ..draft(5) }).unwrap().line;
    assert_eq!(log.broken(), (6, Some(6), Why::Replaced));
}

#[test]
fn a_log_written_anew_is_found_at_the_checkpoint() {
    let mut log = Log::new(10, 4);
    let mut forger = Chain::resume(&log.lines[3]).unwrap();
    for number in 5..=10 {
        log.lines[number - 1] = forger.seal(draft(number + 100)).unwrap().line;
    }
    assert_eq!(log.broken(), (8, Some(8), Why::Rewritten));
}

#[test]
fn missing_moved_and_doubled_lines_are_told_apart() {
    let mut log = Log::new(10, 4);
    log.lines.remove(2);
    log.lines.remove(2);
    assert_eq!(log.broken(), (3, Some(5), Why::Missing { from: 3, to: 4 }));

    let mut log = Log::new(10, 4);
    log.lines.swap(2, 6);
    assert_eq!(log.broken(), (3, Some(7), Why::Reordered { expected: 3 }));

    let mut log = Log::new(10, 4);
    let again = log.lines[4].clone();
    log.lines.insert(5, again);
    assert_eq!(log.broken(), (6, Some(5), Why::Duplicate));

    let mut log = Log::new(10, 4);
    log.lines.remove(0);
    assert_eq!(log.broken(), (1, Some(2), Why::Missing { from: 1, to: 1 }));
}

#[test]
fn a_cut_tail_is_found_by_the_checkpoint() {
    let mut log = Log::new(10, 4);
    log.lines.truncate(7);
    assert_eq!(log.broken(), (7, Some(7), Why::TailCut { last: 7, checkpoint: 8 }));
    log.lines.clear();
    assert_eq!(log.broken(), (0, None, Why::TailCut { last: 0, checkpoint: 8 }));
}

#[test]
fn a_torn_line_is_named_as_such() {
    let log = Log::new(3, 4);
    let text = log.text();
    for cut in [1, 40] {
        let broken = log.check_bytes(&text[..text.len() - cut]).unwrap_err();
        assert_eq!((broken.line, broken.why), (3, Why::Truncated));
    }
}

#[test]
fn checkpoints_have_to_be_whole_ours_and_in_order() {
    let bad = |change: &dyn Fn(&mut Log)| {
        let mut log = Log::new(10, 4);
        change(&mut log);
        match log.check().unwrap_err() {
            Broken { line, why: Why::BadCheckpoint(error), .. } => (line, error),
            other => panic!("{other}"),
        }
    };
    assert_eq!(
        bad(&|log| log.checkpoints[1] = log.checkpoints[1].replace("\"seq\":8", "\"seq\":9")),
        (2, CheckpointError::Signature)
    );
    assert!(matches!(bad(&|log| log.key = SigningKey::generate().unwrap()), (1, CheckpointError::UnknownKey(_))));
    assert_eq!(bad(&|log| log.checkpoints.swap(0, 1)), (2, CheckpointError::Order { seq: 4, after: 8 }));
    assert!(matches!(bad(&|log| log.checkpoints[1].truncate(30)), (2, CheckpointError::NotACheckpoint(_))));
    let again = bad(&|log| log.checkpoints[0] = log.checkpoints[0].replace("\"sig\"", " \"sig\""));
    assert!(matches!(again, (1, CheckpointError::NotACheckpoint(_))));
}

#[test]
fn a_rotated_file_is_checked_with_its_predecessor_or_by_leave() {
    let mut log = Log::new(10, 4);
    log.lines.drain(..6);
    assert_eq!(log.broken(), (1, Some(7), Why::Missing { from: 1, to: 6 }));
    let expect = Expect { instance: Some(INSTANCE), key: Some(log.key.public()), continued: true };
    let report = verify(log.text().as_slice(), log.checkpoints.concat().as_bytes(), expect).unwrap();
    assert_eq!((report.first_seq, report.last_seq, report.checkpoints), (7, 10, 1));
}

#[test]
fn the_log_of_another_instance_is_not_taken_for_ours() {
    let log = Log::new(2, 4);
    let broken =
        verify(log.text().as_slice(), &b""[..], Expect { instance: Some("other"), ..Expect::default() }).unwrap_err();
    assert_eq!(broken.why, Why::ForeignGenesis("other".into()));
}

#[test]
fn what_is_no_log_is_no_log() {
    for junk in [&b"\n"[..], b"{}\n", b"\xff\xfe\n", &[b'x'; 20_000], b"{\"seq\":1,\"hash\":\"00\"}\n"] {
        let broken = verify(junk, &b""[..], Expect::default()).unwrap_err();
        assert_eq!(broken.line, 1);
    }
}

/// The verifier of docs/audit.md, run as it stands there.
#[test]
fn a_third_party_can_verify_with_the_documented_program() {
    let log = Log::new(25, 10);
    assert_eq!(python(&log, &log.text()), Ok("25\n".into()));
    let mut edited = log.text();
    let at = edited.iter().position(|byte| *byte == b'5').unwrap();
    edited[at] = b'6';
    assert!(python(&log, &edited).unwrap_err().contains("edited"));
    let cut = log.lines[..15].concat();
    assert!(python(&log, cut.as_bytes()).unwrap_err().contains("tail cut: 15 records, 20 were signed"));
    let mut gap = log.lines.clone();
    gap.remove(7);
    assert!(python(&log, gap.concat().as_bytes()).unwrap_err().contains("line 8: a record is missing"));
}

fn python(log: &Log, text: &[u8]) -> Result<String, String> {
    let page = include_str!("../../docs/audit.md");
    let program = page
        .split("```python\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .expect("docs/audit.md shows a program");
    let checkpoints = serde_json::to_string(&log.checkpoints).unwrap();
    let program = format!("{program}\nprint(verify(sys.stdin.buffer, {INSTANCE:?}, json.loads({checkpoints:?})))\n");
    let mut child = Command::new("python3")
        .args(["-c", &program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3 runs");
    // It stops reading at the first line that is wrong.
    let _ = child.stdin.take().unwrap().write_all(text);
    let output = child.wait_with_output().unwrap();
    let said = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(said(output.stdout)) } else { Err(said(output.stderr)) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_changed_byte_is_found(at in any::<prop::sample::Index>(), change in 1u8..=255) {
        let log = shared();
        let mut text = log.text();
        let at = at.index(text.len());
        let line = 1 + text[..at].iter().filter(|byte| **byte == b'\n').count() as u64;
        text[at] ^= change;
        let broken = log.check_bytes(&text).unwrap_err();
        prop_assert_eq!(broken.line, line, "{}", broken);
    }

    #[test]
    fn any_removed_or_added_byte_is_found(at in any::<prop::sample::Index>(), added in any::<Option<u8>>()) {
        let log = shared();
        let mut text = log.text();
        let at = at.index(text.len());
        match added {
            Some(byte) => text.insert(at, byte),
            None => drop(text.remove(at)),
        }
        prop_assert!(log.check_bytes(&text).is_err());
    }

    #[test]
    fn any_cut_is_found(at in any::<prop::sample::Index>()) {
        let log = shared();
        let text = log.text();
        let at = at.index(text.len());
        prop_assert!(log.check_bytes(&text[..at]).is_err());
    }

    #[test]
    fn a_changed_checkpoint_does_not_verify(at in any::<prop::sample::Index>(), change in 1u8..=255) {
        let log = shared();
        let mut signed = log.checkpoints.concat().into_bytes();
        let at = at.index(signed.len());
        signed[at] ^= change;
        let expect = Expect { instance: Some(INSTANCE), key: Some(log.key.public()), continued: false };
        prop_assert!(verify(log.text().as_slice(), signed.as_slice(), expect).is_err());
    }
}

/// Six records, the last one signed: so no cut goes unseen.
fn shared() -> &'static Log {
    static LOG: std::sync::OnceLock<Log> = std::sync::OnceLock::new();
    LOG.get_or_init(|| Log::new(6, 3))
}
