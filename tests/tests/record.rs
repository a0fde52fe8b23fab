//! The record: exactly one a decision, provably unaltered, and no forwarding without it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use aegis_tests::lab::wait_for;
use aegis_tests::{AGENT, Daemon, Lab, Settings};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// The fields that design and documentation promise.
const FIELDS: &str = "ts seq decision_id trace_id org tenant agent_id parent_agent_id tool method scheme host path decision mode reason rule \
    policy_version approval_id findings duration_ms estimated_cost_usd pid exe cgroup bytes_out bytes_in prev_hash hash";

fn requests_in(records: &[Value]) -> Vec<&Value> {
    records.iter().filter(|record| matches!(record["scheme"].as_str(), Some("http" | "https"))).collect()
}

#[test]
fn every_decision_has_exactly_one_record_with_all_fields() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let script = "for n in 1 2 3; do for path in hello forbidden; do curl -sS -o /dev/null https://api.allowed.test/$path/$n; done; done; \
        curl -sS -o /dev/null https://api.allowed.test/hello/4 https://api.allowed.test/forbidden/4";
    assert!(lab.agent(AGENT).shell(script).unwrap().ok());
    let all = || daemon.records().ok().filter(|records| requests_in(records).len() >= 8);
    let records = wait_for(Duration::from_secs(5), all).unwrap_or_else(|| panic!("{:?}", daemon.records()));
    let requests = requests_in(&records);
    assert_eq!(requests.len(), 8, "{requests:?}");
    for n in 1..=4 {
        for (path, decision) in [("hello", "allow"), ("forbidden", "deny")] {
            let path = format!("/{path}/{n}");
            let found: Vec<_> = requests.iter().filter(|record| record["path"] == json!(path)).collect();
            assert_eq!(found.len(), 1, "{path}");
            assert_eq!((found[0]["decision"].as_str(), found[0]["agent_id"].as_str()), (Some(decision), Some(AGENT)));
        }
    }
    let ids: BTreeSet<&str> = requests.iter().map(|record| record["decision_id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 8);
    for record in &requests {
        let missing: Vec<&str> = FIELDS.split_whitespace().filter(|field| record.get(field).is_none()).collect();
        assert!(missing.is_empty(), "{missing:?} are missing in {record}");
        assert_eq!(record["trace_id"].as_str().unwrap().len(), 32);
    }
    let sequence: Vec<u64> = records.iter().map(|record| record["seq"].as_u64().unwrap()).collect();
    assert!(sequence.windows(2).all(|pair| pair[0] < pair[1]), "{sequence:?}");
}

#[test]
fn an_altered_record_is_found_and_named() {
    let lab = Lab::new().unwrap();
    let mut daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    for n in 0..4 {
        lab.agent(AGENT).curl(&[&format!("https://api.allowed.test/hello/{n}")]).unwrap();
    }
    daemon.record(|record| record["path"] == "/hello/3").unwrap();
    let verified = lab.ctl(&["audit", "verify"]).unwrap();
    assert!(verified.ok(), "{verified:?}");
    daemon.stop().unwrap();
    let path = lab.path("state").join("audit/audit.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let line = text.lines().position(|line| line.contains("/hello/1")).unwrap() + 1;
    std::fs::write(&path, text.replace("/hello/1", "/hello/9")).unwrap();
    let audit = path.to_str().unwrap();
    let broken = lab.ctl(&["audit", "verify", audit]).unwrap();
    assert_eq!(broken.code, 1, "{broken:?}");
    assert!(format!("{}{}", broken.stdout, broken.stderr).contains(&line.to_string()), "line {line}: {broken:?}");
    // A line taken out of the middle is no better.
    let shorter: String =
        text.lines().enumerate().filter(|(index, _)| index + 1 != line).map(|(_, line)| format!("{line}\n")).collect();
    std::fs::write(&path, shorter).unwrap();
    assert_eq!(lab.ctl(&["audit", "verify", audit]).unwrap().code, 1);
    std::fs::write(&path, text).unwrap();
    assert!(lab.ctl(&["audit", "verify", audit]).unwrap().ok());
}

#[test]
fn the_chain_goes_on_over_restarts_and_crashes() {
    let lab = Lab::new().unwrap();
    let mut daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    lab.agent(AGENT).curl(&["https://api.allowed.test/hello/before"]).unwrap();
    daemon.record(|record| record["path"] == "/hello/before").unwrap();
    daemon.kill().unwrap();
    drop(daemon);
    let daemon = Daemon::resume(&lab).unwrap();
    lab.agent(AGENT).curl(&["https://api.allowed.test/hello/after"]).unwrap();
    daemon.record(|record| record["path"] == "/hello/after").unwrap();
    let verified = lab.ctl(&["audit", "verify"]).unwrap();
    assert!(verified.ok(), "{verified:?}");
}

#[test]
fn a_request_that_cannot_be_recorded_is_not_forwarded() {
    let lab = Lab::new().unwrap();
    let disk = lab.small_disk(4 * 1024 * 1024).unwrap();
    let audit = json!({"audit": {"path": disk.join("audit.jsonl")}});
    let daemon = Daemon::start(&lab, &Settings::with(audit)).unwrap();
    assert_eq!(lab.agent(AGENT).curl(&["https://api.allowed.test/hello"]).unwrap().status, 200);
    // Fill the disk, then ask until what was set aside is used up: first many at a time, then one by one, because
    // each request under way holds room for the longest record.
    let _ = lab.bystander().shell(&format!("cat /dev/zero > {}/fill", disk.display())).unwrap();
    let ask = |parallel: &str, count: u32| {
        let script = format!(
            "i=0; while [ $i -lt {count} ]; do i=$((i+1)); echo \"url=https://api.allowed.test/hello/$i\"; echo 'output=/dev/null'; done | \
            curl -sS {parallel} --resolve api.allowed.test:443:203.0.113.10 -w '%{{http_code}}\\n' -K - | sort | uniq -c"
        );
        lab.agent(AGENT).limit(Duration::from_secs(120)).shell(&script).unwrap()
    };
    ask("--parallel --parallel-max 8", 2000);
    let outcome = ask("", 2000);
    let last = lab.agent(AGENT).curl(&["https://api.allowed.test/hello/last"]).unwrap();
    // Refused by the proxy, or already by the name server: neither may answer without a record.
    assert!(matches!(last.status, 0 | 503), "{last:?} after {outcome:?}");
    assert!(outcome.stdout.contains(" 503\n"), "the disk was never full: {outcome:?}");
    assert!(lab.internet.requests.all().iter().all(|request| request.path != "/hello/last"));
    let forwarded = lab.internet.requests.all().len();
    let written = std::fs::read_to_string(disk.join("audit.jsonl")).unwrap();
    let recorded = written
        .lines()
        .filter(|line| line.contains("\"decision\":\"allow\"") && !line.contains("\"scheme\":\"dns\""))
        .count();
    assert!(forwarded <= recorded, "{forwarded} forwarded, {recorded} recorded");
    drop(daemon);
}
