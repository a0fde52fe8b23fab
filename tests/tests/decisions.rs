//! The decision log on a real daemon: explained by id, replayed through a candidate, turned into a policy; never in the way.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;
use std::time::Duration;

use aegis_tests::lab::wait_for;
use aegis_tests::{AGENT, Daemon, Lab, Settings};
use serde_json::{Value, json};

const HOST: &str = "https://api.allowed.test";

fn read(path: &std::path::Path) -> String {
    let files: Vec<PathBuf> = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect()
}

/// Events that the daemon says it has written.
fn written(daemon: &Daemon<'_>) -> u64 {
    daemon.status().unwrap()["decision_log"]["written"].as_u64().unwrap()
}

fn await_written(daemon: &Daemon<'_>, events: u64) {
    let enough = || (written(daemon) >= events).then_some(());
    wait_for(Duration::from_secs(10), enough).unwrap_or_else(|| panic!("{}", daemon.status().unwrap()["decision_log"]));
}

const EXPLAINED: &str = r#"
version: explained-1
policies:
  - name: p
    agents: [tester]
    rules:
      - {name: small, hosts: [api.allowed.test], methods: [POST], headers: {x-team: blue}, body: [{path: amount, op: "<=", value: 100}], decision: allow}
      - {name: large, hosts: [api.allowed.test], methods: [POST], body: [{path: amount, op: ">", value: 1000}], decision: deny, reason: "too much"}
      - {name: reads, hosts: [api.allowed.test], methods: [GET], decision: allow}
"#;

#[test]
fn a_refusal_is_explained_by_its_id_after_the_policy_has_changed_too() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::policy(EXPLAINED)).unwrap();
    let post = ["-d", r#"{"amount": 500}"#, "-H", "x-team: blue", &format!("{HOST}/pay")];
    let refused = lab.agent(AGENT).curl(&post).unwrap();
    assert!(refused.is_denial(), "{refused:?}");
    let id = refused.field("decision_id");

    let told = lab.ctl(&["policy", "explain", &id]).unwrap();
    assert_eq!(told.code, 1, "{told:?}");
    for part in [
        "deny: no rule of agent tester allows this POST request",
        "p/small (allow) did not hold",
        "yes header x-team == blue   (saw [\"blue\"])",
        "NO  body /amount <= 100   (saw 500)",
        "NO  body /amount > 1000   (saw 500)",
        "explained with the policy in force",
    ] {
        assert!(told.stdout.contains(part), "{part} is not in\n{}", told.stdout);
    }

    // Another policy is in force; the one that decided is kept, and found by what it decides.
    std::fs::write(lab.path("policy.yaml"), EXPLAINED.replace("explained-1", "explained-2").replace("100}", "999}"))
        .unwrap();
    assert!(lab.ctl(&["policy", "reload"]).unwrap().ok());
    let told = lab.ctl(&["policy", "explain", &id, "--output", "json"]).unwrap();
    let answer: Value = serde_json::from_str(&told.stdout).unwrap_or_else(|_| panic!("{told:?}"));
    assert!(answer["explained_by"].as_str().unwrap().starts_with("version "), "{answer}");
    assert_eq!(answer["account"]["agrees"], true, "{answer}");
    assert_eq!(answer["event"]["bundles"]["aegis"]["revision"], "explained-1");

    // A trace id finds it, too; what is not there is said.
    let record = daemon.record(|record| record["decision_id"] == json!(id)).unwrap();
    let by_trace = lab.ctl(&["policy", "explain", record["trace_id"].as_str().unwrap()]).unwrap();
    assert!(by_trace.stdout.contains(&id), "{by_trace:?}");
    let none = lab.ctl(&["policy", "explain", "00000000-0000-7000-8000-000000000000"]).unwrap();
    assert!(none.code == 1 && none.stderr.contains("is not in the decision log"), "{none:?}");
    // Offline, from the files.
    let logs = lab.path("state").join("decisions");
    let offline = lab.ctl(&["policy", "explain", &id, "--log", logs.to_str().unwrap()]).unwrap();
    assert!(offline.stdout.contains("give the policy that decided with --policy"), "{offline:?}");
}

#[test]
fn a_candidate_is_replayed_over_what_was_decided() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::policy(EXPLAINED)).unwrap();
    let script = format!(
        "for n in 10 60 90; do curl -sS -o /dev/null -H 'x-team: blue' -d '{{\"amount\": '$n'}}' {HOST}/pay; done; \
         for n in 1 2 3 4; do curl -sS -o /dev/null {HOST}/hello/$n; done; curl -sS -o /dev/null -X PUT {HOST}/x"
    );
    assert!(lab.agent(AGENT).shell(&script).unwrap().ok());
    await_written(&daemon, 8);
    let candidate = |name: &str, text: String| {
        let path = lab.path(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let same = candidate("same.yaml", EXPLAINED.to_owned());
    let outcome = lab.ctl(&["policy", "replay", "--policy", &same, "--fail-on-change"]).unwrap();
    assert!(outcome.ok() && outcome.stdout.contains("of 8 decisions 0 change"), "{outcome:?}");

    let tighter = candidate("tighter.yaml", EXPLAINED.replace("value: 100}", "value: 50}"));
    let outcome =
        lab.ctl(&["policy", "replay", "--policy", &tighter, "--max-changes", "1", "--output", "json"]).unwrap();
    let answer: Value = serde_json::from_str(&outcome.stdout).unwrap_or_else(|_| panic!("{outcome:?}"));
    assert_eq!((outcome.code, &answer["changes"], &answer["undecidable"]), (1, &json!(2), &json!(0)), "{answer}");
    let row = &answer["rows"][0];
    assert_eq!(
        (&row["live_rule"], &row["candidate_rule"], &row["count"]),
        (&json!("p/small"), &Value::Null, &json!(2))
    );
    let example = lab.ctl(&["policy", "explain", row["example"].as_str().unwrap()]).unwrap();
    assert!(example.ok() && example.stdout.contains("p/small (allow) decided"), "{example:?}");
    assert!(lab.ctl(&["policy", "replay", "--policy", &tighter, "--max-changes", "2"]).unwrap().ok());
    let later = lab.ctl(&["policy", "replay", "--policy", &tighter, "--since", "2100-01-01T00:00:00Z"]).unwrap();
    assert!(later.stdout.contains("of 0 decisions"), "{later:?}");

    // A value that no rule read is not guessed at, and of audit records less is known.
    let unread = candidate("unread.yaml", EXPLAINED.replace("path: amount", "path: currency"));
    let outcome = lab.ctl(&["policy", "replay", "--policy", &unread]).unwrap();
    assert!(outcome.stdout.contains("because of body /currency"), "{outcome:?}");
    let audit = lab.path("state").join("audit/audit.jsonl");
    let outcome = lab.ctl(&["policy", "replay", "--policy", &same, "--log", audit.to_str().unwrap()]).unwrap();
    assert!(outcome.stdout.contains("3 are undecidable") && outcome.stdout.contains("0 change"), "{outcome:?}");
}

const TRIAL: &str = r#"
version: trial-1
policies:
  - name: trial
    agents: [tester]
    mode: shadow
    rules: [{name: nothing, hosts: [nothing.allowed.test], decision: allow}]
"#;

#[test]
fn a_policy_is_suggested_from_shadow_and_holds_for_the_same_traffic() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::policy(TRIAL)).unwrap();
    let script = format!(
        "for n in 11 12 13; do curl -sS -o /dev/null {HOST}/users/$n/photo; done; curl -sS -o /dev/null -d x {HOST}/sink"
    );
    assert!(lab.agent(AGENT).shell(&script).unwrap().ok());
    await_written(&daemon, 4);
    let suggested = lab.ctl(&["policy", "suggest", "--agent", AGENT]).unwrap();
    assert!(suggested.ok(), "{suggested:?}");
    for line in ["paths: [\"/users/*/photo\"]", "paths: [\"/sink\"]", "# 3 passed", "methods: [POST]"] {
        assert!(suggested.stdout.contains(line), "{line} is not in\n{}", suggested.stdout);
    }
    assert!(suggested.stderr.contains("4 permitted, 0 that passed are not, 0 undecidable"), "{suggested:?}");

    // In force, the same traffic passes and other does not.
    std::fs::write(lab.path("policy.yaml"), &suggested.stdout).unwrap();
    assert!(lab.ctl(&["policy", "reload"]).unwrap().ok());
    // The origin has no such page, and was asked.
    assert_eq!(lab.agent(AGENT).curl(&[&format!("{HOST}/users/99/photo")]).unwrap().status, 404);
    assert_eq!(lab.agent(AGENT).curl(&["-d", "x", &format!("{HOST}/sink")]).unwrap().status, 200);
    assert!(lab.agent(AGENT).curl(&[&format!("{HOST}/users/99/secrets")]).unwrap().is_denial());
    let nobody = lab.ctl(&["policy", "suggest", "--agent", "nobody"]).unwrap();
    assert!(nobody.code == 1 && nobody.stderr.contains("nothing to permit was seen"), "{nobody:?}");
}

#[test]
fn nothing_planted_is_in_the_decision_log() {
    let policy = r#"
version: reads-1
policies:
  - name: p
    agents: [tester]
    rules:
      - {name: r, hosts: [api.allowed.test], headers: {x-note: {matches: zzz}, authorization: {matches: zzz}}, query: {q: {matches: zzz}}, body: [{path: note, op: matches, value: zzz}, {path: user.password, op: matches, value: zzz}], decision: deny}
      - {name: rest, hosts: [api.allowed.test], decision: allow}
"#;
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &Settings::policy(policy)).unwrap();
    let answer = lab.agent(AGENT).curl(&[
        "-H",
        "x-note: my ssn is 536-22-8741",
        "-H",
        "authorization: Bearer planted-token",
        "-H",
        "x-unread: planted-unread",
        "-d",
        r#"{"note": "AKIAQ3EGRTZYXNMB2LKJ", "user": {"password": "planted-password"}, "unread": "planted-body"}"#,
        &format!("{HOST}/u/jane.doe%40corp.example?q=4111111111111111&planted=planted-parameter"),
    ]);
    assert_eq!(answer.unwrap().status, 404, "the origin's own answer");
    await_written(&daemon, 1);
    let log = read(&lab.path("state").join("decisions"));
    let secrets = [
        "8741",
        "planted-token",
        "planted-unread",
        "AKIA",
        "planted-password",
        "planted-body",
        "jane.doe",
        "411111",
        "planted-parameter",
    ];
    for secret in secrets {
        assert!(!log.contains(secret), "{secret} is in {log}");
    }
    let event: Value = serde_json::from_str(log.lines().find(|line| line.contains("/u/")).unwrap()).unwrap();
    let erased = event["erased"].as_array().unwrap();
    assert!(
        erased.contains(&json!("/input/headers/authorization")) && erased.contains(&json!("/input/body/user/password")),
        "{event}"
    );
    let masked = event["masked"].as_array().unwrap();
    for pointer in ["/input/headers/x-note/0", "/input/query/q/0", "/input/body/note", "/input/path"] {
        assert!(masked.contains(&json!(pointer)), "{pointer} is not told: {event}");
    }
}

#[test]
fn a_full_disk_loses_events_and_no_request() {
    let lab = Lab::new().unwrap();
    let disk = lab.small_disk(1024 * 1024).unwrap();
    std::fs::create_dir_all(lab.path("state")).unwrap();
    std::os::unix::fs::symlink(&disk, lab.path("state").join("decisions")).unwrap();
    let daemon = Daemon::start(&lab, &Settings::default()).unwrap();
    let ask = |from: u32| {
        let script = format!(
            "for n in $(seq {from} {}); do curl -sS -o /dev/null -w '%{{http_code}}\\n' {HOST}/hello/$n; done",
            from + 9
        );
        let outcome = lab.agent(AGENT).shell(&script).unwrap();
        assert_eq!(outcome.stdout, "200\n".repeat(10), "{outcome:?}");
    };
    ask(0);
    await_written(&daemon, 10);
    let _ = lab.bystander().shell(&format!("cat /dev/zero > {}/fill", disk.display())).unwrap();
    let dropped = || daemon.status().unwrap()["decision_log"]["dropped"].as_u64().filter(|dropped| *dropped >= 1);
    // What the file's last page still takes is written; then no more.
    let mut from = 10;
    while dropped().is_none() && from < 500 {
        ask(from);
        from += 10;
    }
    assert!(dropped().is_some(), "{}", daemon.status().unwrap()["decision_log"]);
    assert!(daemon.status().unwrap()["decision_log"]["last_error"].as_str().unwrap().contains("No space left"));
    let lost = daemon.metric("aegis_decision_log_events_dropped_total{reason=\"not_written\"}").unwrap();
    assert!(lost.unwrap_or_default() >= 1.0, "{lost:?}");
    // The record is whole, and the log goes on when there is room again.
    assert!(lab.ctl(&["audit", "verify"]).unwrap().ok());
    std::fs::remove_file(disk.join("fill")).unwrap();
    let before = written(&daemon);
    let goes_on = wait_for(Duration::from_secs(30), || {
        ask(1000);
        (written(&daemon) > before).then_some(())
    });
    assert!(goes_on.is_some(), "{}", daemon.status().unwrap()["decision_log"]);
}
