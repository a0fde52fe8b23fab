//! What a rule says of content, through the daemon: files that are taken out, questions to a human, what cannot be read, masks, a million
//! values of a tenant's own. Judged by what the origin got.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::time::Instant;

use aegis_tests::lab::Answer;
use aegis_tests::{AGENT, Daemon, Lab, Settings};
use serde_json::{Value, json};

const POLICY: &str = r#"version: content-1
policies:
  - name: content
    agents: ["*"]
    rules:
      - {name: files, hosts: [api.allowed.test], paths: [/hello/files], decision: allow,
         dlp: {redact: [pii], tell: true, attachments: {
           strip: {types: ["image/*"], names: ["*.docx"], over: 64KiB}, deny: {types: [application/x-executable], names: ["*.key"]}}}}
      - {name: asked, hosts: [api.allowed.test], paths: [/hello/asked], decision: allow,
         dlp: {report: [phone], redact: [email], approve: [ssn, payment_card], deny: [secrets]}}
      - {name: unread-denied, hosts: [api.allowed.test], paths: [/hello/unread/deny], decision: allow, dlp: {deny: [secrets]}}
      - {name: unread-asked, hosts: [api.allowed.test], paths: [/hello/unread/approve], decision: allow,
         dlp: {deny: [secrets], unreadable: approve}}
      - {name: unread-passed, hosts: [api.allowed.test], paths: [/hello/unread/pass], decision: allow,
         dlp: {deny: [secrets], unreadable: pass}}
      - {name: masks, hosts: [api.allowed.test], paths: [/echo], decision: sanitize,
         dlp: {redact: [pii], masks: {default: fixed, financial: keep_last_4, ssn: typed}}}
"#;

const KEY: &str = "AKIAQ3EGRTZYXNMB2LKJ";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0";

fn start(lab: &Lab) -> Daemon<'_> {
    Daemon::start(lab, &Settings::policy(POLICY)).unwrap()
}

fn post(lab: &Lab, path: &str, options: &[&str]) -> Answer {
    let url = format!("https://api.allowed.test{path}");
    lab.agent(AGENT).curl(&[options, &[url.as_str()]].concat()).unwrap()
}

fn contains(body: &[u8], part: &[u8]) -> bool {
    body.windows(part.len()).any(|window| window == part)
}

#[test]
fn files_are_taken_out_or_refused_by_what_they_are_called_and_large() {
    let lab = Lab::new().unwrap();
    let daemon = start(&lab);
    let home = lab.path("home");
    fs::write(home.join("note.txt"), PNG).unwrap();
    fs::write(home.join("report.docx"), "no archive at all").unwrap();
    fs::write(home.join("long.txt"), "a line of words\n".repeat(5000)).unwrap();
    fs::write(home.join("program.txt"), b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0").unwrap();
    fs::write(home.join("fine.txt"), "plain words, ssn 536-22-8741").unwrap();
    // curl writes the forms; a body of unknown length streams.
    for streamed in [&[][..], &["-H", "Transfer-Encoding: chunked"]] {
        for (form, why) in [
            ("file=@note.txt;type=text/plain", "because of its type"),
            ("file=@report.docx;type=text/plain", "because of its name"),
            ("file=@long.txt;type=text/plain", "because of its size"),
        ] {
            lab.internet.requests.clear();
            let answer = post(&lab, "/hello/files", &[streamed, &["-F", "note=ssn 536-22-8741", "-F", form]].concat());
            assert_eq!((answer.status, answer.header("aegis-decision")), (200, "sanitize"), "{form}: {answer:?}");
            assert_eq!(answer.header("aegis-removed"), "attachment=1, ssn=1", "{form} {streamed:?}: {answer:?}");
            let seen = &lab.internet.requests.all()[0];
            let text = seen.text();
            assert!(seen.complete && text.contains("ssn [SSN]") && text.contains("removed.txt"), "{form}: {text}");
            assert!(text.contains(why) && text.contains("name=\"file\""), "{form}: {text}");
            assert!(!contains(&seen.body, &PNG[..4]) && !text.contains("no archive") && !text.contains("a line of"));
        }
        lab.internet.requests.clear();
        let answer = post(&lab, "/hello/files", &[streamed, &["-F", "file=@fine.txt"]].concat());
        assert_eq!((answer.status, answer.header("aegis-removed")), (200, "ssn=1"), "{answer:?}");
        assert!(lab.internet.requests.all()[0].text().contains("plain words, ssn [SSN]"));
        lab.internet.requests.clear();
        for (form, why) in [("file=@program.txt", "type"), ("file=@fine.txt;filename=server.key", "name")] {
            let answer = post(&lab, "/hello/files", &[streamed, &["-F", form]].concat());
            assert!(answer.status >= 400, "{form}: {answer:?}");
            assert!(answer.field("reason").contains(why) && answer.field("reason").contains("part:file"), "{answer:?}");
            assert!(!lab.internet.requests.all().iter().any(|seen| seen.complete || seen.text().contains("plain")));
        }
    }
    let record = daemon.record(|record| record["rule"] == "content/files" && record["decision"] == "sanitize").unwrap();
    let taken = json!({"detector": "attachment", "action": "redact", "count": 1});
    let found = record["findings"].as_array().unwrap().iter().find(|one| one["detector"] == "attachment");
    let found = found.unwrap_or_else(|| panic!("{record}"));
    for (key, value) in taken.as_object().unwrap() {
        assert_eq!(&found[key], value, "{record}");
    }
    assert!(found["place"].as_str().unwrap().contains("part:file"), "{record}");
}

#[test]
fn each_detector_has_the_action_that_the_rule_gives_it() {
    let lab = Lab::new().unwrap();
    let daemon = start(&lab);
    // Short bodies are judged before anything is sent, long ones while they stream.
    for pad in [0, 300_000] {
        for (text, decision, detector) in [
            ("call +1 415 555 2671 today", "allow", "phone"),
            ("to jane.doe@corp.example", "sanitize", "email"),
            ("my ssn is 536-22-8741", "approval_needed", "ssn"),
            ("card 4111 1111 1111 1111, to jane.doe@corp.example", "approval_needed", "payment_card"),
            // The first of the two that must not go on.
            (&format!("{KEY}, my ssn is 536-22-8741"), "deny", "aws_key"),
            (KEY, "deny", "aws_key"),
        ] {
            lab.internet.requests.clear();
            let path = lab.path("home").join("body");
            fs::write(&path, format!("{}{text}", "words ".repeat(pad / 6))).unwrap();
            let answer = post(&lab, "/hello/asked", &["-H", "Content-Type: text/plain", "--data-binary", "@body"]);
            let seen = lab.internet.requests.all();
            assert!(!seen.iter().any(|seen| seen.text().contains(KEY) || seen.text().contains("536-22")), "{text}");
            if matches!(decision, "allow" | "sanitize") {
                assert_eq!(answer.status, 200, "{text}: {answer:?}");
                assert!(seen.len() == 1 && seen[0].complete, "{text}: {seen:?}");
                continue;
            }
            let problem = answer.json();
            assert_eq!((answer.status, answer.header("aegis-decision")), (403, decision), "{text}: {answer:?}");
            assert!(!seen.iter().any(|seen| seen.complete), "{text}: {seen:?}");
            assert_eq!(problem["detector"], detector, "{problem}");
            assert!(problem["place"].as_str().unwrap().starts_with("body:"), "{problem}");
            assert!(!answer.body.contains("536-22") && !answer.body.contains(KEY), "{answer:?}");
            if decision == "approval_needed" {
                assert!(problem["approval_id"].is_string(), "{problem}");
                assert!(problem["next_steps"][0].as_str().unwrap().contains("ask a human"), "{problem}");
            }
        }
    }
    let actions = |decision: &str| -> Vec<Value> {
        let record =
            daemon.record(|record| record["path"] == "/hello/asked" && record["decision"] == decision).unwrap();
        let findings = record["findings"].as_array().unwrap();
        findings.iter().map(|finding| json!([finding["detector"], finding["action"]])).collect()
    };
    assert!(actions("approval_needed").contains(&json!(["ssn", "approve"])), "{:?}", actions("approval_needed"));
    assert!(
        actions("sanitize").contains(&json!(["phone", "report"]))
            || actions("allow").contains(&json!(["phone", "report"]))
    );
}

#[test]
fn what_cannot_be_read_is_what_the_rule_says() {
    let lab = Lab::new().unwrap();
    let daemon = start(&lab);
    fs::write(lab.path("home").join("paper.pdf"), "%PDF-1.7\n1 0 obj\n<<>>\nendobj\n").unwrap();
    let send = |choice: &str, more: &[&str]| {
        lab.internet.requests.clear();
        let answer = post(&lab, &format!("/hello/unread/{choice}"), more);
        let whole = lab.internet.requests.all().iter().filter(|seen| seen.complete).count();
        (answer.status, answer.header("aegis-decision").to_owned(), whole, answer)
    };
    let pdf = ["-H", "Content-Type: application/pdf", "--data-binary", "@paper.pdf"];
    let coded = ["-H", "Content-Encoding: x-own", "--data-binary", "words"];
    let part = ["-F", "file=@paper.pdf"];
    for what in [&pdf[..], &coded, &part] {
        let (status, decision, whole, answer) = send("deny", what);
        assert_eq!((status, decision.as_str(), whole), (413, "deny", 0), "{answer:?}");
        assert!(answer.field("reason").contains("cannot be inspected"), "{answer:?}");
        let (status, decision, whole, answer) = send("approve", what);
        assert_eq!((status >= 400, decision.as_str(), whole), (true, "approval_needed", 0), "{answer:?}");
        assert!(answer.json()["approval_id"].is_string(), "{answer:?}");
        let (status, _, whole, answer) = send("pass", what);
        assert_eq!((status, whole), (200, 1), "{answer:?}");
        assert!(lab.internet.requests.all()[0].text().contains(if what == coded { "words" } else { "%PDF-1.7" }));
    }
    // What passes unread is looked through as text all the same, and the record says that nobody read it.
    let hidden = format!("%PDF-1.7 {KEY}");
    let (status, _, whole, answer) = send("pass", &["-H", "Content-Type: application/pdf", "-d", &hidden]);
    assert_eq!((status, whole), (403, 0), "{answer:?}");
    let record = daemon.record(|record| record["rule"] == "content/unread-passed" && record["status"] == 200).unwrap();
    assert!(record["findings"].to_string().contains("\"unreadable\""), "{record}");
}

#[test]
fn masks_are_those_that_the_rule_names() {
    let lab = Lab::new().unwrap();
    let _daemon = start(&lab);
    let body = r#"{"ssn":"536-22-8741","card":4111111111111111,"to":"jane.doe@corp.example"}"#;
    let answer = post(&lab, "/echo", &["-H", "Content-Type: application/json", "-d", body]);
    assert_eq!(answer.body, r#"{"ssn":"[SSN]","card":"[CARD:*1111]","to":"[REDACTED]"}"#, "{answer:?}");
}

/// docs/dlp.md: a million values, in a file of hashes, through `aegisctl`, the policy and the daemon.
#[test]
fn a_million_values_of_a_tenants_own_are_looked_for() {
    let lab = Lab::new().unwrap();
    let home = lab.path("home");
    let list: String = (0..1_000_000u32).map(|number| format!("CUST-{:07}\n", number * 7)).collect();
    fs::write(home.join("customers.txt"), list).unwrap();
    let policies = lab.path("policies");
    fs::create_dir(&policies).unwrap();
    let dictionary = policies.join("customers.dict");
    let hashed = lab
        .ctl(&["dlp", "hash", home.join("customers.txt").to_str().unwrap(), "--file", dictionary.to_str().unwrap()])
        .unwrap();
    assert!(hashed.ok() && !hashed.stdout.contains("CUST-"), "{hashed:?}");
    assert!(!contains(&fs::read(&dictionary).unwrap(), b"CUST-"), "values stand in the file of hashes");
    let policy = "version: million-1\ndetectors: [{name: customer, dictionary: customers.dict}]\npolicies:\n  \
        - {name: own, agents: [\"*\"], rules: [{name: all, hosts: [api.allowed.test], decision: allow, dlp: {deny: [customer]}}]}\n";
    let small = policy.replace("dictionary: customers.dict", "values: [CUST-0000007]");
    // The same with one value and with a million: what lies between is theirs.
    let start = |text: &str| {
        fs::write(policies.join("policy.yaml"), text).unwrap();
        let settings = Settings { policy: None, ..Settings::with(json!({"policies": policies})) };
        let begun = Instant::now();
        (Daemon::start(&lab, &settings).unwrap(), begun.elapsed())
    };
    let (mut daemon, _) = start(&small);
    let before = daemon.resident().unwrap();
    daemon.stop().unwrap();
    drop(daemon);
    let (daemon, took) = start(policy);
    let send = |text: &str| post(&lab, "/hello/own", &["-H", "Content-Type: text/plain", "-d", text]);
    let answer = send("about cust 6999993, as said");
    assert_eq!((answer.status, answer.field("detector").as_str()), (403, "customer"), "{answer:?}");
    assert!(!answer.body.to_lowercase().contains("6999993"), "{answer:?}");
    assert_eq!(send("about CUST-6999994, as said").status, 200);
    let grown = daemon.resident().unwrap().saturating_sub(before);
    eprintln!("a million values: started in {took:?}, {} KiB more", grown >> 10);
    assert!(grown < 64 << 20, "{} MiB", grown >> 20);
}
