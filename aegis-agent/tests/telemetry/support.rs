//! A log in a directory of its own, and what an outsider sees of it.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use aegis_agent::config::{Audit, Fsync};
use aegis_agent::telemetry::{AuditLog, OpenError};
use aegis_audit::{Broken, Decision, Draft, Expect, Record, Report, VerifyingKey, verify};

pub const INSTANCE: &str = "test";

pub fn config(dir: &Path) -> Audit {
    Audit { path: dir.join("audit/audit.jsonl"), queue: 4096, fsync: Fsync::Never, checkpoint_every: 100 }
}

pub fn open(dir: &Path) -> AuditLog {
    try_open(dir).unwrap()
}

pub fn try_open(dir: &Path) -> Result<AuditLog, OpenError> {
    AuditLog::open(&config(dir), INSTANCE, &dir.join("state"))
}

pub fn draft(number: u64) -> Draft {
    Draft {
        ts: SystemTime::now(),
        decision_id: format!("decision-{number}"),
        trace_id: format!("{number:032x}"),
        agent_id: "agent".into(),
        path: Some("/v1/charges".into()),
        decision: Decision::Allow,
        ..Draft::default()
    }
}

pub fn log_path(dir: &Path) -> PathBuf {
    config(dir).path
}

/// What `aegisctl audit verify` would say.
pub fn check(dir: &Path, files: &[PathBuf]) -> Result<Report, Broken> {
    let key = VerifyingKey::from_pem(&fs::read_to_string(dir.join("state/audit.pub")).unwrap()).unwrap();
    let log: Vec<u8> = files.iter().flat_map(|file| fs::read(file).unwrap()).collect();
    let expect = Expect { instance: Some(INSTANCE), key: Some(&key), continued: false };
    match File::open(dir.join("audit/audit.checkpoints.jsonl")) {
        Ok(signed) => verify(log.as_slice(), BufReader::new(signed), expect),
        Err(_) => verify(log.as_slice(), std::io::empty(), expect),
    }
}

pub fn verified(dir: &Path) -> Report {
    check(dir, &[log_path(dir)]).unwrap_or_else(|broken| panic!("{broken}"))
}

pub fn records(path: &Path) -> Vec<Record> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Waits for something that another thread brings about.
pub fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(10);
    while !happened() {
        assert!(Instant::now() < until, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}
