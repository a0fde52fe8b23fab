//! The life of a policy: pushed, listed, compared, rolled back; and a candidate on its way from shadow to all agents, or back.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use aegis_tests::lab::wait_for;
use aegis_tests::{Daemon, Lab, Outcome, Settings};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(20);
const AGENTS: [&str; 6] = ["ann", "bob", "cat", "dan", "eve", "fay"];

/// A policy that allows reading from these hosts.
fn policy(version: &str, hosts: &str) -> String {
    format!(
        "version: {version}\npolicies:\n  - name: readers\n    agents: [\"*\"]\n    rules:\n      \
         - {{name: read, hosts: [{hosts}], methods: [GET], decision: allow}}\n"
    )
}

const WIDE: &str = "api.allowed.test, index.allowed.test";
const NARROW: &str = "api.allowed.test";

fn settings() -> Settings {
    let agents: Vec<Value> =
        AGENTS.iter().map(|name| json!({"name": name, "org": "laboratory", "tenant": "tests"})).collect();
    Settings { config: json!({"agents": agents}), policy: Some(policy("v1", WIDE)) }
}

fn write(lab: &Lab, name: &str, text: &str) -> String {
    let path = lab.path(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn ctl(lab: &Lab, arguments: &[&str]) -> Outcome {
    let outcome = lab.ctl(arguments).unwrap();
    assert!(outcome.ok(), "{arguments:?}: {outcome:?}");
    outcome
}

fn ctl_json(lab: &Lab, arguments: &[&str]) -> Value {
    let outcome = ctl(lab, &[&["--output", "json"], arguments].concat());
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}: {outcome:?}"))
}

fn get(lab: &Lab, agent: &str, host: &str) -> u16 {
    lab.agent(agent).curl(&[&format!("https://{host}/hello")]).unwrap().status
}

fn recorded(daemon: &Daemon<'_>, says: &str) -> Value {
    let found =
        daemon.record(|record| record["decision"] == "none" && record["reason"].as_str().unwrap().contains(says));
    found.unwrap_or_else(|error| panic!("{says}: {error}"))
}

#[test]
fn a_policy_is_pushed_listed_compared_and_rolled_back() {
    let lab = Lab::new().unwrap();
    let mut daemon = Daemon::start(&lab, &settings()).unwrap();
    recorded(&daemon, "policy: version 1 (v1) is live, at the daemon's start");
    assert_eq!(get(&lab, "ann", "index.allowed.test"), 200);

    let narrow = write(&lab, "narrow.yaml", &policy("v2", NARROW));
    let tried = ctl(&lab, &["policy", "push", &narrow, "--dry-run"]);
    assert!(
        tried.stdout.contains("v2 compiles; nothing was changed") && tried.stdout.contains("readers/read"),
        "{tried:?}"
    );
    assert_eq!(get(&lab, "ann", "index.allowed.test"), 200);
    let pushed = ctl(&lab, &["policy", "push", &narrow, "--note", "only the API", "--if-version", "1"]);
    assert!(pushed.stdout.contains("version 2 (v2) is live"), "{pushed:?}");
    assert_eq!(get(&lab, "ann", "index.allowed.test"), 0, "the name is refused");
    assert_eq!(get(&lab, "ann", "api.allowed.test"), 200);
    let record = recorded(&daemon, "policy: version 2 (v2) is live instead of version 1 (v1), pushed by uid 0 (pid ");
    assert_eq!(record["policy_version"], "v2");
    assert!(record["reason"].as_str().unwrap().ends_with("): only the API"), "{record}");

    let late = lab.ctl(&["policy", "push", &narrow, "--if-version", "1"]).unwrap();
    assert!(late.code == 1 && late.stderr.contains("version 2 is live, not 1"), "{late:?}");
    let broken = write(&lab, "broken.yaml", &policy("v3", NARROW).replace("decision: allow", "decision: alow"));
    let refused = lab.ctl(&["policy", "push", &broken]).unwrap();
    assert!(
        refused.code == 1 && refused.stderr.contains("broken.yaml:6:") && refused.stderr.contains("alow"),
        "{refused:?}"
    );

    let list = ctl_json(&lab, &["policy", "list"]);
    assert_eq!((&list["live"], &list["pinned"]), (&json!(2), &json!(true)));
    let two = &list["versions"][0];
    assert_eq!(
        (&two["source"], &two["uid"], &two["note"], &two["state"]),
        (&json!("push"), &json!(0), &json!("only the API"), &json!("live"))
    );
    assert!(ctl(&lab, &["policy", "list"]).stdout.contains("live, pinned"));
    let diff = ctl_json(&lab, &["policy", "diff", "--text"]);
    assert_eq!(diff["changed"][0]["name"], "readers/read");
    assert_eq!(diff["changed"][0]["keys"][0]["key"], "hosts");
    assert!(diff["text"].as_str().unwrap().contains("\n+version: v2\n"), "{diff}");

    // Pinned: it stays over a restart for as long as the source is what it was.
    daemon.stop().unwrap();
    drop(daemon);
    let mut daemon = Daemon::resume(&lab).unwrap();
    assert_eq!(daemon.status().unwrap()["policy"]["version"], "v2");
    ctl(&lab, &["policy", "rollback", "--note", "the index is needed"]);
    assert_eq!(get(&lab, "ann", "index.allowed.test"), 200);
    recorded(&daemon, "policy: version 1 (v1) is live instead of version 2 (v2), rolled back by uid 0");
    ctl(&lab, &["policy", "rollback", "2"]);
    let none = lab.ctl(&["policy", "rollback", "9"]).unwrap();
    assert!(none.code == 1 && none.stderr.contains("there is no policy version 9"), "{none:?}");
    ctl(&lab, &["policy", "reload"]);
    let status = daemon.status().unwrap();
    assert_eq!(
        (&status["policy"]["version"], &status["policy"]["pinned"]),
        (&json!("v1"), &json!(false)),
        "a reload unpins"
    );

    ctl(&lab, &["policy", "rollback", "2"]);
    daemon.stop().unwrap();
    drop(daemon);
    write(&lab, "policy.yaml", &policy("v4", WIDE));
    let daemon = Daemon::resume(&lab).unwrap();
    assert_eq!(daemon.status().unwrap()["policy"]["version"], "v4", "a source that has changed wins over a pin");
    recorded(
        &daemon,
        "policy: version 3 (v4) is live instead of version 2 (v2), at the daemon's start, the source had changed",
    );
}

#[test]
fn agents_do_not_touch_policies() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &settings()).unwrap();
    let wide = write(&lab, "home/all.yaml", &policy("mine", "\"*\""));
    let aegisctl = aegis_tests::lab::binary("aegisctl").unwrap();
    for arguments in [vec!["push", &wide], vec!["rollback", "1"], vec!["rollout", "abort"], vec!["list"]] {
        // In the cgroup alone, with the control socket in reach: what an agent that runs as root could try.
        let mut words = vec![aegisctl.to_str().unwrap(), "policy"];
        words.extend(arguments);
        let outcome = lab.raw("ann").run(&words).unwrap();
        assert!(outcome.code != 0, "{words:?}: {outcome:?}");
    }
    assert_eq!(ctl_json(&lab, &["policy", "list"])["versions"].as_array().unwrap().len(), 1);
    drop(daemon);
}

/// Whom the candidate is tried on, and who is left alone.
fn halves(lab: &Lab) -> (Vec<String>, Vec<String>) {
    let status = ctl_json(lab, &["policy", "rollout", "status"]);
    let covered: Vec<String> = serde_json::from_value(status["agents"].clone()).unwrap();
    let others = AGENTS.iter().map(|name| (*name).to_owned()).filter(|name| !covered.contains(name)).collect();
    (covered, others)
}

/// Pushes candidates that say the same until one of them is tried on some agents and not on others: who is chosen is a
/// matter of the candidate's digest.
fn stage(lab: &Lab, hosts: &str, more: &[&str]) -> (Vec<String>, Vec<String>) {
    for attempt in 0..40 {
        let file = write(lab, "candidate.yaml", &format!("# {attempt}\n{}", policy("v2", hosts)));
        ctl(lab, &[&["policy", "push", &file, "--canary", "50%"], more].concat());
        let (covered, others) = halves(lab);
        if !covered.is_empty() && !others.is_empty() {
            return (covered, others);
        }
        ctl(lab, &["policy", "rollout", "abort"]);
    }
    panic!("forty times all agents or none");
}

#[test]
fn a_candidate_in_shadow_changes_nothing_and_tells_what_it_would() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &settings()).unwrap();
    let (covered, others) = stage(&lab, NARROW, &["--min-decisions", "1000"]);
    let busy = lab.ctl(&["policy", "push", lab.path("candidate.yaml").to_str().unwrap(), "--canary", "1%"]).unwrap();
    assert!(busy.code == 1 && busy.stderr.contains("is under way"), "{busy:?}");
    for agent in [&covered[0], &others[0]] {
        assert_eq!(get(&lab, agent, "index.allowed.test"), 200, "in shadow nobody is refused");
        assert_eq!(get(&lab, agent, "api.allowed.test"), 200);
    }
    let status = wait_for(LIMIT, || {
        let status = ctl_json(&lab, &["policy", "rollout", "status"]);
        (status["decisions_changed"].as_u64().unwrap() >= 2).then_some(status)
    });
    let status =
        status.unwrap_or_else(|| panic!("no difference: {}", ctl_json(&lab, &["policy", "rollout", "status"])));
    let differences = status["differences"].as_array().unwrap();
    assert!(differences.iter().all(|way| way["agent"] == covered[0].as_str()), "{status}");
    let way =
        differences.iter().find(|way| way["live"]["rule"] == "readers/read").unwrap_or_else(|| panic!("{status}"));
    assert_eq!((&way["live"]["decision"], &way["candidate"]["decision"]), (&json!("allow"), &json!("deny")));
    let about: Vec<&str> =
        status["recent"].as_array().unwrap().iter().map(|one| one["about"].as_str().unwrap()).collect();
    assert!(
        about.contains(&"GET https://index.allowed.test:443/hello") && about.contains(&"dns index.allowed.test"),
        "{about:?}"
    );
    let table = ctl(&lab, &["policy", "rollout", "status"]).stdout;
    assert!(
        table.contains("asked, decides nothing for 50 % of the agents") && table.contains("allow by readers/read"),
        "{table}"
    );
    assert_eq!(daemon.metric("aegis_policy_rollout_percent{phase=\"shadow\"}").unwrap(), Some(50.0));
    assert!(daemon.metric("aegis_policy_rollout_decisions_total{result=\"other_decision\"}").unwrap().unwrap() >= 2.0);
    assert!(ctl(&lab, &["status"]).stdout.contains("in shadow on 50 % of the agents"));
    ctl(&lab, &["policy", "rollout", "abort"]);
    assert_eq!(lab.ctl(&["policy", "rollout", "status"]).unwrap().code, 1, "none is under way");
    recorded(&daemon, "aborted by uid 0");
}

#[test]
fn a_candidate_that_denies_too_much_is_rolled_back_by_itself() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &settings()).unwrap();
    for phase in ["shadow", "enforced"] {
        let (covered, _) = stage(&lab, NARROW, &["--max-deny-delta", "10%", "--min-decisions", "6"]);
        if phase == "enforced" {
            ctl(&lab, &["policy", "rollout", "promote"]);
        }
        if covered.len() > 1 {
            // What one agent asks does not end it: the others may be served well.
            for _ in 0..10 {
                get(&lab, &covered[0], "index.allowed.test");
            }
            assert!(ctl_json(&lab, &["policy", "rollout", "status"])["compared"].as_u64().unwrap() >= 6, "{phase}");
        }
        let gone = wait_for(LIMIT, || {
            for agent in &covered {
                get(&lab, agent, "index.allowed.test");
            }
            lab.ctl(&["policy", "rollout", "status"]).unwrap().code.eq(&1).then_some(())
        });
        assert!(gone.is_some(), "{phase}: {}", ctl_json(&lab, &["policy", "rollout", "status"]));
        assert_eq!(get(&lab, &covered[0], "index.allowed.test"), 200, "{phase}: the live policy decides again");
    }
    let record = recorded(&daemon, "decides for all agents; rolled back: of 6 decisions it denies");
    assert_eq!(record["policy_version"], "v1");
    assert_eq!(daemon.metric("aegis_policy_rollout_steps_total{step=\"rolled_back\"}").unwrap(), Some(2.0));
}

#[test]
fn a_promoted_candidate_decides_for_its_agents_alone_and_then_for_all() {
    let lab = Lab::new().unwrap();
    let mut daemon = Daemon::start(&lab, &settings()).unwrap();
    let (covered, others) = stage(&lab, NARROW, &["--min-decisions", "1000"]);
    // Something of each is under way when the candidate begins to decide.
    let slow = |agent: &str| {
        let script = "curl -sS 'https://index.allowed.test/slow?ms=4000'";
        lab.agent(agent).limit(Duration::from_secs(60)).start(&["sh", "-c", script]).unwrap()
    };
    let (cut, kept) = (slow(&covered[0]), slow(&others[0]));
    wait_for(LIMIT, || (lab.internet.requests.all().len() == 2).then_some(())).expect("two are under way");
    ctl(&lab, &["policy", "rollout", "promote"]);
    let cut = cut.finish().unwrap();
    assert!(cut.stdout.contains("cut off: policy v2 does not allow it any more"), "{cut:?}");
    assert_eq!(kept.finish().unwrap().stdout, "at last\n");

    let check = |daemon: &Daemon<'_>| {
        assert_eq!(get(&lab, &covered[0], "index.allowed.test"), 0, "its name is refused by the candidate");
        assert_eq!(get(&lab, &others[0], "index.allowed.test"), 200);
        // The same choice for the name, the connection and its record.
        let of = |agent: &str| daemon.records().unwrap().into_iter().rfind(|r| r["agent_id"] == agent).unwrap();
        let refused = daemon
            .record(|r| r["agent_id"] == covered[0].as_str() && r["scheme"] == "dns" && r["decision"] == "deny")
            .unwrap();
        assert_eq!(refused["policy_version"], "v2");
        let allowed = wait_for(LIMIT, || Some(of(&others[0])).filter(|r| r["path"] == "/hello")).unwrap();
        assert_eq!(allowed["policy_version"], "v1");
        let posted = lab.agent(&covered[0]).curl(&["-d", "x", "https://api.allowed.test/sink"]).unwrap();
        assert_eq!((posted.status, posted.field("policy_version").as_str()), (403, "v2"));
    };
    check(&daemon);
    daemon.stop().unwrap();
    drop(daemon);
    let daemon = Daemon::resume(&lab).unwrap();
    check(&daemon);

    ctl(&lab, &["policy", "rollout", "promote"]);
    for agent in [&covered[0], &others[0]] {
        assert_eq!(get(&lab, agent, "index.allowed.test"), 0);
        assert_eq!(get(&lab, agent, "api.allowed.test"), 200);
    }
    assert_eq!(daemon.status().unwrap()["policy"]["version"], "v2");
    recorded(&daemon, "its rollout is complete, promoted by uid 0");
}
