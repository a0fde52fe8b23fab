//! What rules say of sensitive data: actions, masks, files, responses, and detectors of their own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::BTreeMap;
use std::time::SystemTime;

use aegis_dlp::{Action, Detector, Mask, MaskSecret, Unreadable};
use aegis_policy::{Agent, Decision, Sample, Snapshot, Source, Usage, compile, explain_sample};
use common::{policy, source};

const OWN: &str = "
detectors:
  - name: dlp_customer
    regex: 'CUST-[0-9]{8}'
    confidence: low
    examples: {match: ['order of CUST-00112233.'], no_match: ['CUST-1', 'XCUST-00112233']}
  - name: dlp_project
    values: [Bluebird, Red Kite]
  - name: dlp_people
    dictionary: people.dict
";

fn files(rules: &str) -> Vec<Source> {
    vec![
        source("p/own.yaml", OWN),
        source("p/people.dict", "# names\nJane O'Brien\nACME-0012 34\n"),
        source("p/rules.yaml", &policy(rules)),
    ]
}

fn compiled(rules: &str) -> Snapshot {
    compile(&files(rules)).unwrap_or_else(|problems| panic!("{:#?}", problems.problems()))
}

/// What becomes of a text in the body of a request.
fn sent(snapshot: &Snapshot, body: &str) -> (Decision, Option<String>, String) {
    let agent = Agent { name: "a".into(), tenant: "acme".into(), ..Agent::default() };
    let (headers, now) = (BTreeMap::new(), SystemTime::UNIX_EPOCH);
    let sample = Sample {
        method: "POST",
        url: "https://a.test/",
        headers: &headers,
        body,
        tool: None,
        now,
        usage: Usage::default(),
    };
    let told = explain_sample(snapshot, &agent, &sample).unwrap();
    (told.decision, told.sent.map(|sent| sent.body), told.text)
}

/// The messages that compiling these files gives.
fn problems(sources: &[Source]) -> String {
    let found = compile(sources).unwrap_err();
    found.problems().iter().map(|one| format!("{} ({})\n", one.message, one.help.as_deref().unwrap_or(""))).collect()
}

#[test]
fn own_detectors_are_found_and_masked() {
    let snapshot = compiled("- {name: r, hosts: [a.test], decision: allow, dlp: {redact: [own, ssn]}}");
    let (decision, body, text) =
        sent(&snapshot, "CUST-00112233 and jane obrien of blue-bird: acme/0012-34, 536-22-8741; mybluebird");
    assert_eq!(decision, Decision::Sanitize);
    assert_eq!(
        body.unwrap(),
        "[DLP_CUSTOMER] and [DLP_PEOPLE] of blue-bird: [DLP_PEOPLE], [SSN]; mybluebird"
            .replace("blue-bird", "[DLP_PROJECT]")
    );
    assert!(text.contains("found dlp_customer in body at 0, 1 time(s)"), "{text}");
}

#[test]
fn only_what_a_rule_names_is_looked_for() {
    let snapshot = compiled("- {name: r, hosts: [a.test], decision: allow, dlp: {deny: [dlp_project]}}");
    assert_eq!(sent(&snapshot, "CUST-00112233").1.unwrap(), "CUST-00112233");
    let (decision, body, text) = sent(&snapshot, "the Red Kite is late");
    assert_eq!((decision, body), (Decision::Deny, None));
    assert!(text.contains("dlp_project") && !text.contains("Kite"), "{text}");
}

#[test]
fn a_finding_may_need_approval_and_what_is_denied_stays_denied() {
    let snapshot = compiled(
        "- {name: r, hosts: [a.test], decision: allow, dlp: {approve: [email], deny: [dlp_project], redact: [all]}}",
    );
    let (decision, body, text) = sent(&snapshot, "to jane.doe@corp.example");
    assert_eq!((decision, body), (Decision::ApprovalNeeded, None));
    assert!(text.contains("needs the approval of a human: email"), "{text}");
    assert_eq!(sent(&snapshot, "bluebird").0, Decision::Deny);
    assert_eq!(sent(&snapshot, "536-22-8741").1.unwrap(), "[SSN]");
}

#[test]
fn masks_are_chosen_by_detector_and_group() {
    let rules = "- {name: r, hosts: [a.test], decision: allow, dlp: {redact: [all, dlp_customer], \
         masks: {default: fixed, financial: keep_last_4, ssn: token, dlp_customer: typed}}}";
    let body = "4111 1111 1111 1111, 536-22-8741 and 536 22 8741, jane.doe@corp.example, CUST-00112233";
    let plain = sent(&compiled(rules), body).1.unwrap();
    assert_eq!(plain, "[CARD:*1111], [SSN] and [SSN], [REDACTED], [DLP_CUSTOMER]", "no key, no token");
    let keyed = |secret| sent(&compiled(rules).with_mask_secret(MaskSecret::new([secret; 32])), body).1.unwrap();
    let parts: Vec<String> =
        keyed(1).split([',', ' ']).filter(|part| part.starts_with("[SSN:")).map(str::to_owned).collect();
    assert!(parts.len() == 2 && parts[0] == parts[1], "{}", keyed(1));
    assert_eq!(keyed(1), keyed(1));
    assert_ne!(keyed(1), keyed(2));
    // What was masked is masked for good.
    assert_eq!(sent(&compiled(rules), &keyed(1)).1.unwrap(), keyed(1));
}

#[test]
fn a_rule_takes_from_its_policy_what_it_does_not_say() {
    let text = "
policies:
  - name: p
    agents: [a]
    dlp:
      redact: [ssn]
      masks: {ssn: keep_last_4}
      attachments: {strip: {types: ['image/*'], names: ['*.docx'], over: 1MiB}, deny: {names: ['*.exe']}}
      unreadable: approve
      nesting: 5
      responses: {deny: [secrets], max_bytes: 10MB, markers: report}
      tell: true
    rules:
      - {name: all, hosts: [all.test], decision: allow}
      - {name: some, hosts: [some.test], decision: allow, dlp: {unreadable: pass, max_unfolded: 64KiB, tell: false}}
";
    let snapshot = compile(&[source("p.yaml", text)]).unwrap();
    let profile = |host: &str| {
        let verdict = common::ask(&format!("a GET https://{host}/")).decide(&snapshot);
        match verdict {
            aegis_policy::Verdict::Permit(permit) => (permit.decision(), permit.profile().clone()),
            aegis_policy::Verdict::Denial(denial) => panic!("{denial:?}"),
        }
    };
    let (decision, all) = profile("all.test");
    assert_eq!(decision, Decision::Sanitize);
    assert_eq!((all.action(Detector::Ssn), all.mask(Detector::Ssn)), (Some(Action::Redact), Mask::KeepLast4));
    let content = all.content();
    assert!(content.attachments.strip.has_type(["image/png"]) && content.attachments.strip.has_size((1 << 20) + 1));
    assert!(content.attachments.deny.has_name("A.EXE") && !content.attachments.deny.has_name("a.docx"));
    assert_eq!((content.unreadable, content.nesting, all.tell()), (Unreadable::Approve, 5, true));
    let responses = all.responses().unwrap();
    assert_eq!((responses.max_bytes, responses.deny.contains(Detector::AwsKey)), (Some(10_000_000), true));
    let (_, some) = profile("some.test");
    assert_eq!((some.content().unreadable, some.content().nesting, some.tell()), (Unreadable::Pass, 5, false));
    assert_eq!((some.content().unfolded, some.mask(Detector::Ssn)), (65536, Mask::KeepLast4));
    assert!(some.responses().is_some());
}

#[test]
fn what_is_wrong_is_told_with_its_fix() {
    let rule = "- {name: r, hosts: [a.test], decision: allow}";
    let with = |own: &str| {
        problems(&[source("p/own.yaml", &format!("detectors:\n{own}")), source("p/rules.yaml", &policy(rule))])
    };
    for (own, says) in [
        ("  - {name: x, values: [bluebird]}", "2 to 48 of a-z"),
        ("  - {name: ssn, values: [bluebird]}", "built-in"),
        ("  - {name: dlp_wrong, regex: 'CUST-[0-9]+', examples: {match: [CUST-1]}}", "give repetitions an end"),
        ("  - {name: dlp_wrong, regex: 'CUST-[0-9]{4}'}", "without an example"),
        ("  - {name: dlp_wrong, regex: 'CUST-[0-9]{4}', examples: {match: [CUST-12]}}", "does not find this example"),
        (
            "  - {name: dlp_wrong, regex: 'CUST-[0-9]{4}', examples: {match: [CUST-1234], no_match: [CUST-1234]}}",
            "finds this example",
        ),
        ("  - {name: dlp_wrong, values: [email]}", "matches the mask [EMAIL]"),
        ("  - {name: dlp_wrong, values: [abc]}", "fewer than 4"),
        ("  - {name: dlp_wrong, dictionary: none.dict}", "there is no dictionary `none.dict`"),
        ("  - {name: dlp_wrong, dictionary: ../p/own.dict}", "there is no dictionary"),
        ("  - {name: dlp_wrong}", "one of `regex`, `dictionary` and `values`"),
        (
            "  - {name: dlp_twice, values: [bluebird]}\n  - {name: dlp_twice, values: [redkite]}",
            "declared in p/own.yaml already",
        ),
    ] {
        assert!(with(own).contains(says), "{own}: {}", with(own));
    }
    for (dlp, says) in [
        ("redact: [dlp_undeclared]", "unknown detector `dlp_undeclared`"),
        ("redact: [own]", "no detector is declared"),
        ("redact: [ssn], masks: {ssn: half}", "one of: typed"),
        ("attachments: {strip: {}}", "no file is named"),
        ("attachments: {strip: {types: [pdf]}}", "not a media type"),
        ("attachments: {strip: {over: big}}", "expected a size"),
        ("nesting: 9", "9 is not a number of layers"),
    ] {
        let text = policy(&format!("- {{name: r, hosts: [a.test], decision: allow, dlp: {{{dlp}}}}}"));
        let found = problems(&[source("p.yaml", &text)]);
        assert!(found.contains(says), "{dlp}: {found}");
    }
    let team = format!("{OWN}\npolicies: []");
    let found = problems(&[source("delegated/red/own.yaml", &team), source("p.yaml", &policy(rule))]);
    assert!(found.contains("unknown key `detectors`"), "{found}");
}

/// A detector that another policy of this process has declared is none of this one's.
#[test]
fn a_name_that_is_known_is_not_declared() {
    compiled("- {name: r, hosts: [a.test], decision: allow, dlp: {report: [own]}}");
    let text = policy("- {name: r, hosts: [a.test], decision: allow, dlp: {deny: [dlp_project]}}");
    assert!(problems(&[source("p.yaml", &text)]).contains("declare `dlp_project`"));
}
