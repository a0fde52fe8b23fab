//! Conditions on lists in the body, on lengths, on parts of strings, and on one value against another.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{ask, line, policy, snapshot};

/// What a rule that permits and one that refuses make of each body: `(body, permitted, refused)`.
fn both(condition: &str, cases: &[(&str, bool, bool)]) {
    for (decision, other, which) in [("allow", "deny", 0), ("deny", "allow", 1)] {
        let rules = format!(
            "- {{name: r, hosts: [a.test], body: [{condition}], decision: {decision}}}\n- {{name: other, hosts: [a.test], decision: {other}}}"
        );
        let snapshot = snapshot(&policy(&rules));
        for (body, permits, refuses) in cases {
            let request = match *body {
                "" => ask("POST https://a.test/"),
                body => ask("POST https://a.test/").body(body),
            };
            let met = if which == 0 { *permits } else { *refuses };
            let expected = if met { format!("{decision} p/r") } else { format!("{other} p/other") };
            assert_eq!(line(&request.decide(&snapshot)), expected, "{condition} on {body}");
        }
    }
}

#[test]
fn every_element_for_a_permit_any_for_a_refusal() {
    both(
        "{path: items.*.price, op: '<=', value: 100}",
        &[
            (r#"{"items": [{"price": 5}, {"price": 100}]}"#, true, true),
            (r#"{"items": [{"price": 5}, {"price": 101}]}"#, false, true),
            (r#"{"items": [{"price": 101}]}"#, false, false),
            (r#"{"items": [{"price": 101}, {"price": "5"}]}"#, false, true),
            (r#"{"items": [{"price": 5}, {}]}"#, false, true),
            (r#"{"items": [{}]}"#, false, false),
            (r#"{"items": []}"#, false, false),
            (r#"{"items": {"0": {"price": 5}}}"#, false, true),
            (r#"{"items": "x"}"#, false, true),
            (r#"{"other": 1}"#, false, false),
            ("[]", false, true),
            ("", false, false),
            ("not json", false, true),
        ],
    );
}

#[test]
fn lists_in_lists() {
    both(
        "{path: orders.*.items.*.sku, op: starts_with, value: ok-}",
        &[
            (
                r#"{"orders": [{"items": [{"sku": "ok-1"}]}, {"items": [{"sku": "ok-2"}, {"sku": "ok-3"}]}]}"#,
                true,
                true,
            ),
            (r#"{"orders": [{"items": [{"sku": "ok-1"}]}, {"items": [{"sku": "ok-2"}, {"sku": "no"}]}]}"#, false, true),
            (r#"{"orders": [{"items": [{"sku": "ok-1"}]}, {"items": []}]}"#, false, true),
            (r#"{"orders": [{"items": [{"sku": "no"}]}, {"items": 7}]}"#, false, true),
            (r#"{"orders": [{"items": [{"sku": "no"}]}, {}]}"#, false, false),
            (r#"{"orders": [[{"sku": "ok-1"}]]}"#, false, true),
        ],
    );
    both(
        "{path: '*.1', op: '==', value: 2}",
        &[
            ("[[1, 2], [3, 2]]", true, true),
            ("[[1, 2], [3]]", false, true),
            ("[[2, 1]]", false, false),
            ("{}", false, true),
        ],
    );
}

#[test]
fn something_there_nothing_there() {
    both(
        "{path: items.*.coupon, op: exists}",
        &[
            (r#"{"items": [{"coupon": 1}, {"coupon": null}]}"#, true, true),
            (r#"{"items": [{"coupon": 1}, {}]}"#, false, true),
            (r#"{"items": [{}, {}]}"#, false, false),
            (r#"{"items": 5}"#, false, true),
        ],
    );
    both(
        "{path: items.*.coupon, op: exists, value: false}",
        &[
            (r#"{"items": [{}, {"x": 1}]}"#, true, true),
            (r#"{"items": [{"coupon": 1}, {}]}"#, false, true),
            (r#"{"items": [{"coupon": 1}]}"#, false, false),
            (r#"{"items": []}"#, true, true),
            (r#"{}"#, true, true),
            ("", true, true),
            (r#"{"items": {"coupon": 1}}"#, false, true),
            ("not json", false, true),
        ],
    );
}

#[test]
fn what_a_list_has_in_it() {
    both(
        "{path: tags, op: contains, value: admin}",
        &[
            (r#"{"tags": ["x", "admin"]}"#, true, true),
            (r#"{"tags": ["x"]}"#, false, false),
            (r#"{"tags": []}"#, false, false),
            (r#"{"tags": ["admin", 7]}"#, true, true),
            (r#"{"tags": ["x", ["admin"]]}"#, false, true),
            (r#"{"tags": "admin"}"#, false, true),
            (r#"{"tags": null}"#, false, true),
            (r#"{}"#, false, false),
        ],
    );
    both(
        "{path: to, op: contains_any, value: [1, 2]}",
        &[("{\"to\": [3, 2.0]}", true, true), ("{\"to\": [3]}", false, false), ("{\"to\": [\"1\"]}", false, true)],
    );
    both(
        "{path: tags, op: subset_of, value: [a, b]}",
        &[
            (r#"{"tags": ["a", "b", "a"]}"#, true, true),
            (r#"{"tags": []}"#, true, true),
            (r#"{"tags": ["a", "c"]}"#, false, false),
            (r#"{"tags": ["a", 5]}"#, false, true),
            (r#"{"tags": [5, "c"]}"#, false, false),
            (r#"{"tags": {"a": 1}}"#, false, true),
            (r#"{}"#, false, false),
        ],
    );
}

#[test]
fn lengths_and_parts() {
    both(
        "{path: v, op: 'length <=', value: 2}",
        &[
            (r#"{"v": "éé"}"#, true, true),
            (r#"{"v": "abc"}"#, false, false),
            (r#"{"v": [1, [2]]}"#, true, true),
            (r#"{"v": [1, 2, 3]}"#, false, false),
            (r#"{"v": 1}"#, false, true),
            (r#"{"v": {"a": 1}}"#, false, true),
            (r#"{}"#, false, false),
        ],
    );
    both("{path: v, op: 'length ==', value: 0}", &[(r#"{"v": []}"#, true, true), (r#"{"v": " "}"#, false, false)]);
    both(
        "{path: v, op: ends_with, value: '@corp.example'}",
        &[
            (r#"{"v": "jo@corp.example"}"#, true, true),
            (r#"{"v": "jo@corp.example.evil"}"#, false, false),
            (r#"{"v": ["jo@corp.example"]}"#, false, true),
        ],
    );
    both(
        "{path: v, op: starts_with, value: '{%'}",
        &[(r#"{"v": "{% x"}"#, true, true), (r#"{"v": " {%"}"#, false, false)],
    );
}

#[test]
fn one_value_against_another() {
    both(
        "{path: refund, op: '<=', value_of: charge.amount}",
        &[
            (r#"{"refund": 5, "charge": {"amount": 5}}"#, true, true),
            (r#"{"refund": 9007199254740993, "charge": {"amount": 9007199254740992}}"#, false, false),
            (r#"{"refund": 5, "charge": {"amount": "9"}}"#, false, true),
            (r#"{"refund": 5}"#, false, true),
            (r#"{"charge": {"amount": 9}}"#, false, false),
            (r#"{"refund": "5", "charge": {"amount": 9}}"#, false, true),
        ],
    );
    both(
        "{path: to.*, op: '!=', value_of: from}",
        &[
            (r#"{"to": ["a", "b"], "from": "c"}"#, true, true),
            (r#"{"to": ["a", "c"], "from": "c"}"#, false, true),
            (r#"{"to": ["c"], "from": "c"}"#, false, false),
            (r#"{"to": ["a"], "from": 7}"#, false, true),
            (r#"{"to": [[1]], "from": [1]}"#, false, true),
        ],
    );
    both(
        "{path: a, op: '==', value_of: /b/0}",
        &[(r#"{"a": null, "b": [null]}"#, true, true), (r#"{"a": [], "b": [[]]}"#, false, true)],
    );
}

/// A list as long as an agent likes is no way around a rule, and an ordinary long one is no obstacle.
#[test]
fn a_long_list_is_decided_or_refused() {
    let rules = "- {name: no, hosts: [a.test], body: [{path: items.*.n, op: '>', value: 100}], decision: deny}
- {name: r, hosts: [a.test], decision: allow}";
    let snapshot = snapshot(&policy(rules));
    let long = |count: usize, last: u32| {
        let items = vec![r#"{"n":1}"#; count].join(",");
        line(&ask("POST https://a.test/").body(&format!(r#"{{"items":[{items},{{"n":{last}}}]}}"#)).decide(&snapshot))
    };
    assert_eq!(long(500, 1), "allow p/r");
    assert_eq!(long(500, 101), "deny p/no");
    assert!(long(400_000, 1).starts_with("deny"));
}
