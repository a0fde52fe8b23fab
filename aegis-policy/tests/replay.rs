//! Past decisions asked again: of the same policy nothing changes, of another one what changes is found, and what the log does
//! not hold is never guessed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
mod events;

use aegis_dlp::Detector;
use aegis_policy::replay::{Account, Comparison, Past, Replayed, Replayer};
use aegis_policy::suggest::Observations;
use aegis_policy::{Snapshot, Usage, Used};
use common::{Ask, ask, policy, snapshot};
use events::{event, past, replayed};
use proptest::prelude::*;

const LIVE: &str = "\
- {name: shop, hosts: [shop.test], methods: [POST], headers: {x-env: prod}, body: [{path: amount, op: '<=', value: 100}], decision: allow}
- {name: search, hosts: [shop.test], methods: [GET], query: {lang: en}, decision: allow, dlp: {deny: [ssn]}}
- {name: late, hosts: [night.test], when: [{from: 2026-01-01, until: 2026-02-01}], decision: allow}";

fn pay(amount: &str) -> Ask {
    ask("POST https://shop.test/buy")
        .header("x-env", "prod")
        .header("x-id", "7")
        .body(&format!(r#"{{"amount": {amount}, "to": "x"}}"#))
}

fn candidate(rules: &str) -> Snapshot {
    snapshot(&policy(rules))
}

/// What `rules` make of a request that was decided under [`LIVE`].
fn under(rules: &str, ask: &Ask) -> String {
    replayed(&candidate(rules), &past(&snapshot(&policy(LIVE)), ask))
}

#[test]
fn a_tighter_bound_changes_what_is_above_it() {
    let tighter = LIVE.replace("100", "50");
    assert_eq!(under(&tighter, &pay("40")), "allow p/shop");
    assert_eq!(under(&tighter, &pay("60")), "deny");
    assert_eq!(under(&LIVE.replace("prod", "dev"), &pay("60")), "deny");
    assert_eq!(under(&LIVE.replace("lang: en", "lang: de"), &ask("GET https://shop.test/?lang=en")), "deny");
}

#[test]
fn what_no_rule_read_is_not_known_and_not_guessed() {
    let read = |condition: &str| format!("- {{name: r, hosts: [shop.test], {condition}, decision: allow}}");
    assert_eq!(under(&read("body: [{path: to, op: '==', value: x}]"), &pay("40")), "? body /to");
    assert_eq!(under(&read("headers: {x-id: '7'}"), &pay("40")), "? header x-id");
    // What was not there is known not to have been there.
    assert_eq!(under(&read("headers: {x-none: '7'}"), &pay("40")), "deny");
    assert_eq!(under(&read("query: {page: '1'}"), &pay("40")), "deny");
    // Below a number there is nothing.
    assert_eq!(under(&read("body: [{path: amount.value, op: exists}]"), &pay("40")), "deny");
    assert_eq!(under(&read("body: [{path: amount, op: exists}]"), &pay("40")), "allow p/r");
    assert_eq!(under(&read("rego: 'input.body.to == \"x\"'"), &pay("40")), "? whatever its Rego reads");
}

#[test]
fn an_unknown_value_matters_only_where_the_decision_hangs_on_it() {
    let unknown = "body: [{path: to, op: '==', value: x}]";
    let rules = |first: &str| format!("{first}\n- {{name: r, hosts: [shop.test], {unknown}, decision: allow}}");
    // An earlier rule decides, or another condition of the same rule does not hold.
    assert_eq!(
        under(&rules("- {name: no, hosts: [shop.test], methods: [POST], decision: deny}"), &pay("1")),
        "deny p/no"
    );
    assert_eq!(
        under(&rules("- {name: no, hosts: [shop.test], methods: [GET], decision: deny}"), &pay("1")),
        "? body /to"
    );
    let both = format!("- {{name: r, hosts: [shop.test], methods: [GET], {unknown}, decision: allow}}");
    assert_eq!(under(&both, &pay("1")), "deny");
    // A rule in shadow decides nothing alone: the enforced one behind it counts.
    let shadow = rules("- {name: trial, hosts: [shop.test], mode: shadow, decision: deny}");
    assert_eq!(under(&shadow, &pay("1")), "? body /to");
}

#[test]
fn what_was_redacted_or_left_out_is_not_known() {
    let live = "- {name: r, hosts: [api.test], headers: {x-note: a, authorization: b}, decision: allow}";
    let snapshot = candidate(live);
    let clean = ask("GET https://api.test/").header("x-note", "a").header("authorization", "b");
    assert_eq!(replayed(&snapshot, &past(&snapshot, &clean)), "? header authorization");
    let note = candidate("- {name: r, hosts: [api.test], headers: {x-note: a}, decision: allow}");
    let masked = ask("GET https://api.test/").header("x-note", "ssn 536-22-8741");
    assert_eq!(replayed(&note, &past(&note, &masked)), "? header x-note");
    let path = candidate("- {name: r, hosts: [api.test], paths: ['/u/**'], decision: allow}");
    let masked = ask("GET https://api.test/u/jane.doe%40corp.example");
    assert_eq!(replayed(&path, &past(&path, &masked)), "? path");
}

#[test]
fn data_that_nobody_looked_for_may_or_may_not_have_been_there() {
    let request = ask("GET https://shop.test/?lang=en");
    assert_eq!(under(&LIVE.replace("[ssn]", "[ssn, email]"), &request), "? dlp email");
    assert_eq!(under(&LIVE.replace("{deny: [ssn]}", "{report: [email]}"), &request), "allow p/search");
    let found = request.clone().found(Detector::Ssn);
    assert_eq!(under(LIVE, &found), "deny p/search");
    assert_eq!(under(&LIVE.replace("{deny: [ssn]}", "{redact: [ssn]}"), &found), "sanitize p/search");
    assert_eq!(under(&LIVE.replace("{deny: [ssn]}", "{deny: [ssn, email]}"), &found), "deny p/search");
}

/// The log of a version that knew other detectors: what its groups stood for is not known here.
#[test]
fn groups_count_where_they_mean_the_same() {
    let live = snapshot(&policy(&LIVE.replace("{deny: [ssn]}", "{redact: [pii]}")));
    let line = serde_json::to_string(&event(&live, &ask("GET https://shop.test/?lang=en"), "id")).unwrap();
    assert!(line.contains("\"looked_for\":[\"pii\"]"), "{line}");
    let strict = snapshot(&policy(&LIVE.replace("{deny: [ssn]}", "{deny: [email]}")));
    assert_eq!(replayed(&strict, &Past::of_line(&line).unwrap().unwrap()), "allow p/search");
    let older = line.replace(aegis_dlp::DetectorSet::catalogue(), "0123456789abcdef");
    assert_ne!(older, line);
    assert_eq!(replayed(&strict, &Past::of_line(&older).unwrap().unwrap()), "? dlp email");
}

/// The log of a host whose policy declares detectors that the candidate does not.
#[test]
fn what_a_detector_found_that_the_candidate_does_not_declare_is_undecidable() {
    let live = snapshot(&policy(LIVE));
    let request = ask("GET https://shop.test/?lang=en").found(Detector::Ssn);
    let line = serde_json::to_string(&event(&live, &request, "id")).unwrap();
    let logged = |found: &str, looked: &str| {
        let line = line.replace("\"detector\":\"ssn\"", &format!("\"detector\":\"{found}\""));
        let line = line.replace("\"looked_for\":[", &format!("\"looked_for\":[\"{looked}\""));
        Past::of_line(&line).unwrap().unwrap()
    };
    let stranger = logged("nobody_knows_this_one", "nor_this_one");
    let told = "? what `nobody_knows_this_one` would find: the policy declares no such detector";
    assert_eq!(replayed(&live, &stranger), told);
    let mut seen = Observations::default();
    seen.observe(&stranger);
    seen.observe(&past(&live, &ask("GET https://shop.test/list?lang=en")));
    let suggestion = seen.suggest("s");
    assert!(suggestion.yaml.contains("and are in no rule here: nobody_knows_this_one."), "{}", suggestion.yaml);
    snapshot(&suggestion.yaml);
    // One that found nothing decides nothing.
    assert_eq!(replayed(&live, &logged("ssn", "nor_this_one")), "deny p/search");
    // Known to the process, for another policy declares it: still not to this one.
    let declares = format!("detectors: [{{name: replay_ledger, values: [acme-0012]}}]\n{}", policy(LIVE));
    let other = snapshot(&declares);
    let of_other = logged("replay_ledger", "ssn");
    assert!(replayed(&live, &of_other).starts_with("? what `replay_ledger` would find"));
    assert!(!replayed(&other, &of_other).starts_with('?'), "{}", replayed(&other, &of_other));
    // Notes of the daemon are no detector's findings.
    assert_eq!(replayed(&live, &logged("attachment", "ssn")), "allow p/search");
}

#[test]
fn time_and_use_are_those_of_then() {
    let then = ask("GET https://night.test/").at("2026-01-15T12:00:00Z");
    assert_eq!(under(LIVE, &then), "allow p/late");
    assert_eq!(under(&LIVE.replace("2026-02-01", "2026-01-10"), &then), "deny");
    let used = Used { requests: 50, ..Used::default() };
    let busy = pay("1").used(Usage { minute: used, ..Usage::default() });
    let limit =
        "- {name: r, hosts: [shop.test], usage: [{of: requests, per: minute, op: '<', value: 10}], decision: allow}";
    assert_eq!(under(limit, &busy), "deny");
    assert_eq!(under(limit, &pay("1")), "allow p/r");
}

#[test]
fn a_rule_that_relays_takes_the_request_with_it() {
    assert_eq!(under("- {name: r, hosts: [shop.test], tls: passthrough, decision: allow}", &pay("1")), "allow p/r");
    let raw = "- {name: r, hosts: [192.0.2.0/24], ports: [443], tcp: true, decision: allow}";
    assert_eq!(under(raw, &pay("1")), "allow p/r");
}

/// A line of the audit log, with what a replay reads.
fn record(method: &str, path: &str, decision: &str, rule: &str) -> Past {
    let line = format!(
        r#"{{"ts":"2026-11-22T10:00:00.000000Z","seq":1,"decision_id":"d","trace_id":"t","org":"","tenant":"","agent_id":"a/child","parent_agent_id":null,"tool":null,"method":"{method}","scheme":"https","host":"shop.test","port":443,"path":"{path}","decision":"{decision}","mode":"enforce","reason":"","rule":{rule},"policy_version":"v0","approval_id":null,"findings":[],"duration_ms":0.1,"estimated_cost_usd":null,"pid":1,"exe":"","cgroup":"","bytes_out":0,"bytes_in":0,"status":null,"error":null,"prev_hash":"","hash":""}}"#
    );
    Past::of_line(&line).unwrap().unwrap()
}

#[test]
fn audit_records_know_the_first_line_only() {
    let rules = "- {name: r, hosts: [shop.test], methods: [GET], paths: ['/v1/**'], decision: allow}";
    let by_line = candidate(rules);
    assert_eq!(replayed(&by_line, &record("GET", "/v1/x", "allow", "\"p/r\"")), "allow p/r");
    assert_eq!(replayed(&by_line, &record("GET", "/v2/x", "allow", "\"p/r\"")), "deny");
    assert_eq!(replayed(&by_line, &record("GET", "/v1/%5BEMAIL%5D", "allow", "\"p/r\"")), "? path");
    assert_eq!(replayed(&by_line, &record("OTHER", "/v1/x", "deny", "null")), "? method");
    let by_content =
        |condition: &str| candidate(&format!("- {{name: r, hosts: [shop.test], {condition}, decision: allow}}"));
    assert_eq!(replayed(&by_content("headers: {x-a: b}"), &record("GET", "/", "allow", "null")), "? header x-a");
    assert_eq!(
        replayed(&by_content("body: [{path: a, op: exists}]"), &record("GET", "/", "allow", "null")),
        "? body /a"
    );
    assert_eq!(replayed(&by_content("scopes: [s]"), &record("GET", "/", "allow", "null")), "? the agent's scopes");
    let labelled = snapshot(
        "policies: [{name: p, agents: [a], labels: {env: prod}, rules: [{name: r, hosts: [shop.test], decision: allow}]}]",
    );
    assert_eq!(replayed(&labelled, &record("GET", "/", "allow", "null")), "? the agent's labels");
}

#[test]
fn lines_of_other_things_are_told_apart() {
    assert!(Past::of_line("{}").is_err() && Past::of_line("no json").is_err());
    let about_itself = record("GET", "/", "allow", "null");
    assert_eq!(about_itself.agent().name, "a", "policies are for the agent, not for its child");
    let none = r#"{"ts":"2026-11-22T10:00:00Z","decision_id":"d","org":"","tenant":"","agent_id":"a","decision":"none","mode":"enforce","reason":"","policy_version":"","prev_hash":""}"#;
    assert!(Past::of_line(none).unwrap().is_none());
}

#[test]
fn changes_are_counted_by_agent_and_rule() {
    let live = snapshot(&policy(LIVE));
    let tighter = candidate(&LIVE.replace("100", "50").replace("[ssn]", "[ssn, email]"));
    let mut comparison = Comparison::default();
    let mut replayer = Replayer::new(&tighter);
    let requests = [pay("40"), pay("60"), pay("99"), pay("101"), ask("GET https://shop.test/?lang=en")];
    for (number, request) in requests.iter().enumerate() {
        let line = serde_json::to_string(&event(&live, request, &format!("d{number}"))).unwrap();
        let past = Past::of_line(&line).unwrap().unwrap();
        let replayed = replayer.decide(&past);
        comparison.add(&past, &replayed);
    }
    let comparison = comparison.finish();
    assert_eq!(comparison.summary(), "of 5 decisions 2 change (2 allow -> deny)");
    assert_eq!((comparison.same, comparison.undecidable), (2, 1));
    assert_eq!(comparison.because.keys().collect::<Vec<_>>(), ["dlp email"]);
    let row = &comparison.rows[0];
    assert_eq!((row.agent.as_str(), row.count, row.example.as_str()), ("a", 2, "d1"));
    assert_eq!((row.live_rule.as_deref(), row.candidate_rule.as_deref()), (Some("p/shop"), None));
}

fn account(rules: &str, request: &Ask) -> Account {
    let snapshot = candidate(rules);
    snapshot.account(&past(&snapshot, request))
}

#[test]
fn an_account_tells_which_condition_failed_with_which_value() {
    let told = account(LIVE, &pay("500"));
    assert_eq!((told.decision.as_str(), told.rule.as_deref(), told.agrees), ("deny", None, Some(true)));
    let text = told.text();
    assert!(text.contains("p/shop (allow) did not hold\n"), "{text}");
    assert!(text.contains("NO  body /amount <= 100   (saw 500)"), "{text}");
    assert!(text.contains("yes method in POST"), "{text}");
    assert!(text.contains("none: default deny"), "{text}");
    let told = account(LIVE, &ask("GET https://shop.test/?lang=en").found(Detector::Ssn));
    assert!(
        told.text().contains("p/search (allow) decided") && told.text().contains("found ssn in url"),
        "{}",
        told.text()
    );
    assert_eq!(told.rules.iter().map(|tried| tried.rule.as_str()).collect::<Vec<_>>(), ["p/shop", "p/search"]);
}

/// A terminal would obey them; the person at it is root.
#[test]
fn an_account_shows_no_character_that_a_terminal_obeys() {
    let rules = "- {name: r, hosts: [shop.test], body: [{path: to, op: '==', value: x}], decision: allow}";
    let sent = ask("POST https://shop.test/").body(r#"{"to": "\u001b[2J\ninjected\u202e\u009b1m"}"#);
    let text = account(rules, &sent).text();
    assert!(text.contains("(saw \u{fffd}[2J\u{fffd}injected\u{fffd}\u{fffd}1m)"), "{text:?}");
}

#[test]
fn an_account_by_another_policy_of_the_same_version_says_so() {
    let made = past(&candidate(LIVE), &pay("60"));
    let told = candidate(&LIVE.replace("100", "50")).account(&made);
    assert_eq!(told.agrees, Some(false));
    assert!(told.text().contains("is not the one that decided"), "{}", told.text());
}

const HOSTS: [&str; 4] = ["a.test", "*.a.test", "*", "203.0.113.0/24"];

fn rule() -> impl Strategy<Value = String> {
    let condition = prop::sample::select(vec![
        "",
        "methods: [GET], ",
        "paths: ['/x/*'], ",
        "headers: {x-h: '1'}, ",
        "headers: {x-h: {matches: '^[12]$'}}, ",
        "query: {q: '1'}, ",
        "body: [{path: v, op: '==', value: 5}], ",
        "body: [{path: v, op: exists, value: false}], ",
        "body: [{path: v.w, op: in, value: [a, b]}], ",
        "body: [{path: 'list.*', op: '==', value: 1}], ",
        "body: [{path: list.0, op: '<', value: 2}], ",
        "scopes: [s], ",
    ]);
    let dlp = prop::sample::select(vec!["", "dlp: {deny: [ssn]}, ", "dlp: {redact: [email], report: [ssn]}, "]);
    let decision = prop::sample::select(vec!["allow", "deny", "approval_needed"]);
    (
        prop::sample::select(&HOSTS[..]),
        condition,
        dlp,
        decision,
        prop::bool::weighted(0.2),
        prop::sample::select(vec!["a", "b", "'*'"]),
    )
        .prop_map(|(host, condition, dlp, decision, shadow, agent)| {
            let dlp = if decision == "allow" { dlp } else { "" };
            let mode = if shadow { "shadow" } else { "enforce" };
            format!("{agent}|hosts: ['{host}'], {condition}{dlp}mode: {mode}, decision: {decision}")
        })
}

fn policies(rules: &[String]) -> String {
    let policy = |(number, rule): (usize, &String)| {
        let (agent, rule) = rule.split_once('|').unwrap();
        format!("  - {{name: p{number}, agents: [{agent}], rules: [{{name: r, {rule}}}]}}\n")
    };
    let all: String = rules.iter().enumerate().map(policy).collect();
    format!("version: v1\npolicies:\n{all}")
}

fn request() -> impl Strategy<Value = Ask> {
    let body = prop::sample::select(vec![
        None,
        Some(r#"{"v": 5}"#),
        Some(r#"{"v": {"w": "a"}}"#),
        Some(r#"{"v": [5], "list": [1, 1]}"#),
        Some(r#"{"list": [1, 2, {"x": 3}]}"#),
        Some("[]"),
        Some("5"),
        Some("not json"),
    ]);
    (
        prop::sample::select(vec!["a", "b", "c"]),
        prop::sample::select(vec!["GET", "POST"]),
        prop::sample::select(vec!["a.test", "x.a.test", "c.test", "203.0.113.5", "198.51.100.5"]),
        prop::sample::select(vec!["/", "/x/y", "/x/../y", "/%78/y?q=1", "/x?q=1&q=2", "/x?q=;"]),
        prop::collection::vec(prop::sample::select(vec!["1", "2", "3", "\u{e9}"]), 0..3),
        body,
        prop::collection::vec(prop::sample::select(vec![Detector::Ssn, Detector::Email]), 0..2),
        (prop::bool::weighted(0.2), any::<bool>()),
    )
        .prop_map(|(agent, method, host, path, headers, body, found, (shadow, scoped))| {
            let mut request = ask(&format!("{method} https://{host}{path}")).by(agent);
            request = headers.into_iter().fold(request, |request, value| request.header("x-h", value));
            request = body.map_or(request.clone(), |body| request.body(body));
            request = if shadow { request.in_shadow() } else { request };
            request = if scoped { request.scopes(&["s"]) } else { request };
            found.into_iter().fold(request, Ask::found)
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    /// Nothing in these requests is redacted, so everything is known of them, and nothing changes.
    #[test]
    fn the_same_policy_changes_nothing(
        rules in prop::collection::vec(rule(), 1..6),
        requests in prop::collection::vec(request(), 1..12),
    ) {
        let snapshot = snapshot(&policies(&rules));
        let mut replayer = Replayer::new(&snapshot);
        for request in &requests {
            let past = past(&snapshot, request);
            match replayer.decide(&past) {
                Replayed::Decided(answer) => {
                    let now = (answer.decision, answer.mode, &answer.rule);
                    prop_assert_eq!(now, (past.live.decision, past.live.mode, &past.live.rule), "{:?}", request);
                }
                Replayed::NotAsked => prop_assert!(!past.live.by_policy, "{request:?}"),
                Replayed::Undecidable(because) => prop_assert!(false, "{because:?} {request:?}"),
            }
        }
    }

    /// Whatever another policy says of the event, it would have said of the request itself; or it says that it cannot know.
    #[test]
    fn another_policy_decides_the_event_as_the_request_or_says_that_it_cannot(
        live in prop::collection::vec(rule(), 1..5),
        other in prop::collection::vec(rule(), 1..5),
        requests in prop::collection::vec(request(), 1..12),
    ) {
        let (live, other) = (snapshot(&policies(&live)), snapshot(&policies(&other)));
        let mut replayer = Replayer::new(&other);
        for request in &requests {
            let decided = past(&other, request).live;
            if let Replayed::Decided(answer) = replayer.decide(&past(&live, request)) {
                let said = (answer.decision, answer.mode, &answer.rule);
                prop_assert_eq!(said, (decided.decision, decided.mode, &decided.rule), "{:?}", request);
            }
        }
    }
}
