//! What a note costs a request: `cargo run --release -p aegis-agent --example note_bench -- DIRECTORY`.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use aegis_agent::config::{Audit, Fsync};
use aegis_agent::telemetry::AuditLog;
use aegis_audit::{Decision, Draft};

const ROUNDS: usize = 400;
/// Requests under way at one time.
const AT_ONCE: usize = 250;

fn main() {
    let dir = std::env::args().nth(1).unwrap_or_else(|| "/tmp/aegis-note-bench".to_owned());
    let dir = Path::new(&dir);
    let path = dir.join("audit/audit.jsonl");
    let config = Audit { path, queue: 4096, fsync: Fsync::Batch, checkpoint_every: 1000 };
    let log = AuditLog::open(&config, "bench", &dir.join("state")).unwrap();
    let mut times = Vec::with_capacity(ROUNDS * AT_ONCE);
    for _ in 0..ROUNDS {
        let mut under_way = Vec::with_capacity(AT_ONCE);
        for _ in 0..AT_ONCE {
            let mut slot = log.reserve().unwrap();
            let mut draft = draft();
            let begin = Instant::now();
            let _ = slot.note(&mut draft).unwrap();
            times.push(begin.elapsed());
            under_way.push((slot, draft));
        }
        for (slot, draft) in under_way {
            slot.commit(draft);
        }
        // The writer forces to disk meanwhile, as it does under load.
        std::thread::sleep(Duration::from_millis(5));
    }
    times.sort_unstable();
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).map_or(0, Duration::as_nanos);
    println!("{} notes, ns: p50 {}, p90 {}, p99 {}, p99.9 {}", times.len(), at(0.5), at(0.9), at(0.99), at(0.999));
}

fn draft() -> Draft {
    Draft {
        ts: SystemTime::now(),
        decision_id: uuid::Uuid::now_v7().to_string(),
        trace_id: uuid::Uuid::new_v4().simple().to_string(),
        org: "laboratory".into(),
        tenant: "tests".into(),
        agent_id: "assistant".into(),
        method: Some("POST".into()),
        scheme: Some("https".into()),
        host: Some("api.allowed.test".into()),
        port: Some(443),
        path: Some("/v1/charges/0193a5e7".into()),
        decision: Decision::Allow,
        reason: "the rule allows this call".into(),
        rule: Some("payments/charge".into()),
        policy_version: "sha256:0123456789abcdef".into(),
        duration_ms: 0.003,
        pid: 4711,
        exe: "/usr/bin/python3".into(),
        cgroup: "/sys/fs/cgroup/agents/assistant".into(),
        ..Draft::default()
    }
}
