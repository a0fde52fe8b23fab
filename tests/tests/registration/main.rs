//! Who becomes an agent, and how: by the control API, as a systemd unit, as a container; and which policies apply to it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod runtime;

use std::path::PathBuf;
use std::time::Duration;

use aegis_tests::lab::{Answer, wait_for};
use aegis_tests::{Daemon, Lab, Settings};
use runtime::Runtime;
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(20);

/// What the patterns below name, and something that everybody may: who names policies gets only those.
const POLICY: &str = r#"
version: registration-1
policies:
  - name: coders
    agents: ["*"]
    tenants: [research]
    labels: {kind: coder}
    rules: [{name: read, hosts: [api.allowed.test], methods: [GET], decision: allow}]
  - name: writers
    agents: ["*"]
    rules: [{name: write, hosts: [api.allowed.test], methods: [PUT, POST], decision: allow}]
"#;

fn spec() -> Value {
    json!({"tenant": "research", "labels": {"kind": "coder"}, "policies": ["coders"]})
}

fn units() -> Value {
    json!({"units": [{"match": "claude-*.service", "agent": "{unit}", "spec": spec()}]})
}

fn settings(discovery: Value) -> Settings {
    let agents = json!([{"name": "claude-boss"}]);
    Settings { config: json!({"agents": agents, "discovery": discovery}), policy: Some(POLICY.to_owned()) }
}

/// A cgroup as systemd or a runtime makes one.
fn make(lab: &Lab, place: &str) -> PathBuf {
    let cgroup = lab.cgroup().unwrap().join(place);
    std::fs::create_dir_all(&cgroup).unwrap();
    cgroup
}

/// Removes an empty cgroup; its last process may still be leaving it.
fn unmake(lab: &Lab, place: &str) {
    let cgroup = lab.cgroup().unwrap().join(place);
    wait_for(LIMIT, || std::fs::remove_dir(&cgroup).ok()).unwrap_or_else(|| panic!("{place} is still in use"));
}

fn agent(daemon: &Daemon<'_>, name: &str) -> Option<Value> {
    let status = daemon.status().ok()?;
    status["agents"].as_array()?.iter().find(|agent| agent["name"] == name).cloned()
}

fn appears(daemon: &Daemon<'_>, name: &str) -> Value {
    wait_for(LIMIT, || agent(daemon, name)).unwrap_or_else(|| panic!("{name} is no agent:\n{}", daemon.log()))
}

fn goes(daemon: &Daemon<'_>, name: &str) {
    wait_for(LIMIT, || agent(daemon, name).is_none().then_some(()))
        .unwrap_or_else(|| panic!("{name} is still an agent"));
}

/// Waits until `place` is refused, and gives why.
fn refused(daemon: &Daemon<'_>, place: &str) -> String {
    let why = || {
        let status = daemon.status().ok()?;
        let all = status["refused"].as_array()?.clone();
        let refused = all.iter().find(|refused| refused["cgroup"].as_str().unwrap_or_default().ends_with(place))?;
        refused["why"].as_str().map(str::to_owned)
    };
    wait_for(LIMIT, why).unwrap_or_else(|| panic!("{place} is not refused:\n{}", daemon.log()))
}

/// A request from a process in the cgroup at `place`.
fn curl(lab: &Lab, place: &str, arguments: &[&str]) -> Answer {
    let mut all = vec!["-k", "--max-time", "10"];
    all.extend(arguments);
    lab.raw(place).curl(&all).unwrap()
}

const READ: [&str; 1] = ["https://api.allowed.test/hello"];
const WRITE: [&str; 3] = ["-d", "x", "https://api.allowed.test/sink"];

#[test]
fn a_unit_that_fits_a_pattern_is_an_agent_as_long_as_it_runs() {
    let lab = Lab::new().unwrap();
    let mut daemon = Daemon::start(&lab, &settings(units())).unwrap();
    let place = "aegis-research.slice/claude-a.service";
    let other = "aegis-research.slice/other.service";
    make(&lab, other);
    let cgroup = make(&lab, place);
    let found = appears(&daemon, "claude-a");
    assert_eq!((&found["origin"], &found["cgroup"]), (&json!("discovered"), &json!(cgroup)));
    assert_eq!((&found["tenant"], &found["policies"]), (&json!("research"), &json!(["coders"])));
    assert_eq!(curl(&lab, place, &READ).status, 200);
    let denied = curl(&lab, place, &WRITE);
    assert!(denied.is_denial() && denied.field("agent_id") == "claude-a", "{denied:?}");
    assert_eq!(curl(&lab, other, &READ).status, 0, "a unit that fits nothing gets nothing out");
    assert_eq!(lab.internet.requests.all().len(), 1);

    // A restart of the daemon cuts nobody off, and a list of agents that was saved names none as registered.
    assert!(daemon.stop().unwrap().success());
    drop(daemon);
    let daemon = Daemon::resume(&lab).unwrap();
    assert_eq!(agent(&daemon, "claude-a").unwrap()["origin"], "discovered");
    assert_eq!(curl(&lab, place, &READ).status, 200);

    unmake(&lab, place);
    goes(&daemon, "claude-a");
    // The same name, another cgroup: a restart of the unit.
    make(&lab, place);
    appears(&daemon, "claude-a");
    assert_eq!(curl(&lab, place, &READ).status, 200);
    let refused = lab.ctl(&["agents", "remove", "claude-a"]).unwrap();
    assert!(refused.code == 1 && refused.stderr.contains("is a unit or container that runs now"), "{refused:?}");
}

#[test]
fn nobody_gets_a_name_that_is_not_his() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &settings(units())).unwrap();
    make(&lab, "claude-a.service");
    appears(&daemon, "claude-a");
    // An agent that can make cgroups makes some below its own: what runs there is still itself.
    let below = "claude-a.service/claude-b.service";
    make(&lab, below);
    let inside = curl(&lab, below, &WRITE);
    assert_eq!(inside.field("agent_id"), "claude-a", "{inside:?}");
    // The same in the cgroup of a unit that is nobody's.
    let stray = "other.service/claude-c.service";
    make(&lab, stray);
    // A folder that somebody else owns.
    let theirs = make(&lab, "theirs");
    std::os::unix::fs::chown(&theirs, Some(65_534), None).unwrap();
    make(&lab, "theirs/claude-d.service");
    // Somebody else's name: of the configuration, and of a unit that lives.
    make(&lab, "claude-boss.service");
    make(&lab, "x.slice/claude-a.service");
    assert!(refused(&daemon, "/claude-boss.service").contains("the name claude-boss is taken by the agent in"));
    assert!(refused(&daemon, "x.slice/claude-a.service").contains("the name claude-a is taken by the agent in"));
    assert!(refused(&daemon, "/theirs").contains("others than root can make cgroups in it"));
    for place in [stray, "theirs/claude-d.service", "claude-boss.service", "x.slice/claude-a.service"] {
        assert_eq!(curl(&lab, place, &READ).status, 0, "{place}");
    }
    // A look has been taken after all of this: the last one that is made is found.
    make(&lab, "x.slice/claude-e.service");
    appears(&daemon, "claude-e");
    for name in ["claude-b", "claude-c", "claude-d"] {
        assert_eq!(agent(&daemon, name), None);
    }
    // When its owner goes, the name is free.
    unmake(&lab, below);
    unmake(&lab, "claude-a.service");
    let moved = lab.cgroup().unwrap().join("x.slice/claude-a.service");
    let moved = || agent(&daemon, "claude-a").filter(|agent| agent["cgroup"] == json!(moved));
    wait_for(LIMIT, moved).expect("the name is taken over");
    assert_eq!(curl(&lab, "x.slice/claude-a.service", &READ).status, 200);
    assert!(lab.ctl(&["doctor"]).unwrap().stdout.contains("claude-boss.service is no agent"));
}

#[test]
fn a_container_is_the_agent_that_its_label_names() {
    let lab = Lab::new().unwrap();
    let (docker, mute) = (lab.path("docker.sock"), lab.path("mute.sock"));
    let runtime = Runtime::serve(&docker, true);
    let _mute = Runtime::serve(&mute, false);
    let pattern = |socket: &PathBuf, key: &str| {
        json!({"labels": {key: "*"}, "agent": format!("ctr-{{label:{key}}}"), "socket": socket,
               "spec": {"tenant": "research", "labels": {"kind": "{label:kind}"}, "policies": ["coders"]}})
    };
    // The runtime that never answers comes first: it holds up nobody else's containers.
    let discovery = json!({"containers": [pattern(&mute, "mute"), pattern(&docker, "aegis.dev/agent")]});
    let daemon = Daemon::start(&lab, &settings(discovery)).unwrap();
    let [good, bare, bad, late] = ["a", "b", "c", "d"].map(|digit| digit.repeat(64));
    runtime.knows(&good, &json!({"aegis.dev/agent": "coder", "kind": "coder"}));
    runtime.knows(&bare, &json!({"something": "else"}));
    runtime.knows(&bad, &json!({"aegis.dev/agent": "../Evil", "kind": "coder"}));
    let place = |id: &str| format!("aegis-research.slice/docker-{id}.scope");
    for id in [&good, &bare, &bad] {
        make(&lab, &place(id));
    }
    // cgroupfs instead of systemd, and a runtime that tells of it only later.
    make(&lab, &late);
    let found = appears(&daemon, "ctr-coder");
    assert_eq!((&found["origin"], &found["labels"]), (&json!("discovered"), &json!({"kind": "coder"})));
    assert_eq!(curl(&lab, &place(&good), &READ).status, 200);
    let denied = curl(&lab, &place(&good), &WRITE);
    assert!(denied.is_denial() && denied.field("agent_id") == "ctr-coder", "{denied:?}");
    assert!(refused(&daemon, &place(&bad)).contains("label aegis.dev/agent is no DNS label"));
    for id in [&bare, &bad, &late] {
        let place = if *id == late { late.clone() } else { place(id) };
        assert_eq!(curl(&lab, &place, &READ).status, 0, "{place}");
    }
    assert_eq!(lab.internet.requests.all().len(), 1);
    runtime.knows(&late, &json!({"aegis.dev/agent": "late", "kind": "coder"}));
    appears(&daemon, "ctr-late");
    assert_eq!(curl(&lab, &late, &READ).status, 200);
    unmake(&lab, &place(&good));
    goes(&daemon, "ctr-coder");
}

#[test]
fn an_update_takes_effect_on_what_is_under_way() {
    let lab = Lab::new().unwrap();
    let daemon = Daemon::start(&lab, &settings(json!({}))).unwrap();
    std::fs::write(lab.path("worker.yaml"), "tenant: research\nlabels: {kind: coder}\npolicies: [coders, writers]\n")
        .unwrap();
    let file = lab.path("worker.yaml").to_str().unwrap().to_owned();
    let registered = lab.ctl(&["agents", "register", "worker", "--file", &file, "--policy", "nonsense"]).unwrap();
    assert!(
        registered.ok() && registered.stderr.contains("no policy in force is named \"nonsense\""),
        "{registered:?}"
    );
    // Not even the name resolves.
    assert_eq!(lab.agent("worker").curl(&READ).unwrap().status, 0, "a policy that there is not gives nothing");
    let updated = lab.ctl(&["agents", "update", "worker", "--policy", "coders", "--policy", "writers"]).unwrap();
    assert!(updated.ok(), "{updated:?}");
    assert_eq!(lab.agent("worker").curl(&READ).unwrap().status, 200);

    let script = "while printf %0200d 0; do sleep 0.01; done | curl -sS -k -N --max-time 100 -T - https://api.allowed.test/sink/long";
    let running = lab.agent("worker").limit(Duration::from_secs(120)).start(&["sh", "-c", script]).unwrap();
    let arrived =
        || lab.internet.requests.all().iter().find(|seen| seen.path == "/sink/long").map(|seen| seen.body_len);
    wait_for(LIMIT, || arrived().filter(|bytes| *bytes > 0)).unwrap();
    // A change that leaves it allowed does not touch it.
    assert!(lab.ctl(&["agents", "update", "worker", "--label", "x=y"]).unwrap().ok());
    let before = arrived().unwrap();
    wait_for(LIMIT, || arrived().filter(|bytes| *bytes > before + 500)).expect("it goes on");
    assert_eq!(daemon.metric("aegis_flows_cut_off_total").unwrap(), Some(0.0));
    assert!(lab.ctl(&["agents", "update", "worker", "--policy", "coders"]).unwrap().ok());
    let ended = |seen: &aegis_tests::SeenRequest| seen.path == "/sink/long" && !seen.body_sha256.is_empty();
    let seen = lab.internet.requests.wait(LIMIT, ended).expect("it is cut off");
    assert!(!seen.complete);
    drop(running);
    assert_eq!(agent(&daemon, "worker").unwrap()["labels"], json!({"kind": "coder", "x": "y"}));
    assert_eq!(lab.agent("worker").curl(&READ).unwrap().status, 200, "it was never without enrolment");
    assert!(lab.agent("worker").curl(&WRITE).unwrap().is_denial());
    // What the configuration describes is changed there.
    let refused = lab.ctl(&["agents", "update", "claude-boss", "--policy", "coders"]).unwrap();
    assert!(refused.code == 1 && refused.stderr.contains("comes from the configuration file"), "{refused:?}");
}
