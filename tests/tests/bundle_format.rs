//! The format of bundles, seen by somebody else: Python's tarfile reads one, PyJWT verifies it, and rego-cpp decides by its
//! Rego as Aegis decides by its YAML. (Rules for networks are left out: rego-cpp has no `net.cidr_contains`.)

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use aegis_policy::bundle::{Bundle, SignatureAlgorithm, Signer};
use aegis_policy::{Agent, Content, Intent, JSON_DEPTH, JsonBody, Source, Usage, parse_strict_json};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

const POLICY: &str = r#"
version: second-reader-1
policies:
  - name: payments
    agents: ["fin-*"]
    rules:
      - {name: large, hosts: [api.pay.test], methods: [POST], body: [{path: amount, op: ">", value: 5000}], decision: approval_needed}
      - name: small
        hosts: [api.pay.test]
        methods: [POST]
        paths: ["/v1/charges", "/v1/refunds/**"]
        body: [{path: amount, op: "<=", value: 5000}, {path: currency, op: in, value: [usd, eur]}]
        decision: allow
      - {name: no-coupon, hosts: [shop.test], body: [{path: order.coupon, op: exists, value: false}], decision: allow}
  - name: reading
    agents: ["*"]
    rules:
      - {name: admin, hosts: ["*.docs.test"], paths: ["/admin/**"], decision: deny, reason: "\"quoted\" \u2028 and {braces}"}
      - name: tagged
        hosts: ["*.docs.test"]
        headers: {x-env: prod, x-id: {matches: "^[0-9a-f]{4}$"}}
        query: {view: summary}
        decision: allow
      - {name: trial, hosts: [new.test], mode: shadow, decision: deny}
  - name: tenants
    agents: ["*"]
    tenants: [red]
    labels: {team: "a*"}
    priority: 5
    rules:
      - {name: own, hosts: [own.test], ports: [443, 8443], rego: "input.port == 8443", decision: allow}
"#;

/// Agent, tenant, method, URL's host, port, path and query, headers, body; and the rule that decides.
type Case = (
    &'static str,
    &'static str,
    (&'static str, u16),
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
    Option<&'static str>,
);

const PROD: &[(&str, &str)] = &[("x-env", "prod"), ("x-id", "00ff")];

const CASES: &[Case] = &[
    (
        "fin-1",
        "POST",
        ("api.pay.test", 443),
        "/v1/charges",
        &[],
        r#"{"amount": 5001, "currency": "usd"}"#,
        Some("payments/large"),
    ),
    (
        "fin-1",
        "POST",
        ("api.pay.test", 443),
        "/v1/charges",
        &[],
        r#"{"amount": 5000, "currency": "usd"}"#,
        Some("payments/small"),
    ),
    (
        "fin-1",
        "POST",
        ("api.pay.test", 443),
        "/v1/refunds/a/b",
        &[],
        r#"{"amount": 0.5, "currency": "eur"}"#,
        Some("payments/small"),
    ),
    ("fin-1", "POST", ("api.pay.test", 443), "/v1/refunds", &[], r#"{"amount": 1, "currency": "eur"}"#, None),
    ("fin-1", "POST", ("api.pay.test", 443), "/v1/charges", &[], r#"{"amount": 1, "currency": "gbp"}"#, None),
    (
        "fin-1",
        "POST",
        ("api.pay.test", 443),
        "/v1/charges",
        &[],
        r#"{"amount": "1", "currency": "usd"}"#,
        Some("payments/large"),
    ),
    ("fin-1", "POST", ("api.pay.test", 443), "/v1/charges", &[], "not json", Some("payments/large")),
    ("fin-1", "GET", ("api.pay.test", 443), "/v1/charges", &[], "", None),
    ("other", "POST", ("api.pay.test", 443), "/v1/charges", &[], r#"{"amount": 1, "currency": "usd"}"#, None),
    ("fin-1", "POST", ("shop.test", 443), "/", &[], r#"{"order": {"n": 1}}"#, Some("payments/no-coupon")),
    ("fin-1", "POST", ("shop.test", 443), "/", &[], r#"{"order": {"coupon": null}}"#, None),
    ("any", "GET", ("a.docs.test", 443), "/admin/x", PROD, "", Some("reading/admin")),
    ("any", "GET", ("a.docs.test", 443), "/a/../admin/x", PROD, "", Some("reading/admin")),
    ("any", "GET", ("a.b.docs.test", 443), "/read?view=summary", PROD, "", Some("reading/tagged")),
    ("any", "GET", ("a.docs.test", 443), "/read?view=summary&view=all", PROD, "", None),
    ("any", "GET", ("a.docs.test", 443), "/read?view=summary", &[("x-env", "prod"), ("x-id", "00FF")], "", None),
    ("any", "GET", ("docs.test", 443), "/read?view=summary", PROD, "", None),
    ("any", "GET", ("new.test", 443), "/", &[], "", Some("reading/trial")),
    ("any", "GET", ("own.test", 8443), "/", &[], "", Some("tenants/own")),
    ("red", "GET", ("own.test", 8443), "/", &[], "", None),
    ("any", "GET", ("own.test", 443), "/", &[], "", None),
];

fn bundle() -> Bundle {
    let source = Source { name: "policy.yaml".into(), text: POLICY.into() };
    Bundle::build(vec![source], Some("r-\u{fc}\"1"), 7).unwrap_or_else(|error| panic!("{error}"))
}

/// What Aegis says of a case, and the document that it would give to another engine.
fn asked(bundle: &Bundle, case: &Case) -> (Option<String>, Value) {
    let (agent, method, (host, port), target, fields, body, _) = case;
    let agent = Agent {
        name: (*agent).into(),
        tenant: if *agent == "any" { "red".into() } else { String::new() },
        labels: [("team".to_owned(), "alpha".to_owned())].into(),
        ..Agent::default()
    };
    let header =
        |(name, value): &(&str, &str)| (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap());
    let headers: HeaderMap = fields.iter().map(header).collect();
    let (path, query) = target.split_once('?').map_or((*target, None), |(path, query)| (path, Some(query)));
    let intent = Intent {
        agent: &agent,
        scheme: "https",
        host,
        port: *port,
        method,
        path,
        query,
        headers: &headers,
        tool: None,
        tool_in_doubt: false,
        now: SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000),
        usage: Usage::default(),
    };
    let parsed = (!body.is_empty()).then(|| parse_strict_json(body.as_bytes(), JSON_DEPTH));
    let json = match &parsed {
        None => JsonBody::None,
        Some(Ok(value)) => JsonBody::Value(value),
        Some(Err(_)) => JsonBody::Invalid,
    };
    let content = Content { json, findings: &[] };
    let rule = bundle.snapshot.explain(&intent, &content).rule.map(|rule| rule.to_string());
    (rule, bundle.snapshot.input_document(&intent, &content))
}

fn keys(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../aegis-policy/tests/keys").join(name)
}

fn second_reader(bundle: &Path, key: &Path, algorithm: &str, documents: &[Value]) -> Result<Value, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut python = Command::new(root.join("../target/test-env/bin/python"));
    python.arg(root.join("tests/second_reader.py")).arg(bundle).arg(key).args([algorithm, "k1"]);
    let mut child = python.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let input = serde_json::to_vec(documents).unwrap();
    // A reader that gives up early closes its end: what it said of it is what counts.
    let _ = child.stdin.take().unwrap().write_all(&input);
    let output = child.wait_with_output().unwrap();
    if output.status.success() {
        Ok(serde_json::from_slice(&output.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

#[test]
fn another_engine_decides_the_same() {
    let bundle = bundle();
    let mut documents = Vec::new();
    for case in CASES {
        let (rule, document) = asked(&bundle, case);
        assert_eq!(rule.as_deref(), case.6, "{case:?}");
        documents.push(document);
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bundle.tar.gz");
    for (algorithm, name) in [
        (SignatureAlgorithm::Es256, "es256"),
        (SignatureAlgorithm::Rs256, "rs256"),
        (SignatureAlgorithm::EdDsa, "ed25519"),
    ] {
        let private = std::fs::read_to_string(keys(&format!("{name}.pem"))).unwrap();
        let signer = Signer::from_pem("k1", algorithm, &private, None).unwrap();
        std::fs::write(&file, bundle.write(Some(&signer)).unwrap()).unwrap();
        let public = keys(&format!("{name}.pub.pem"));
        let read =
            second_reader(&file, &public, algorithm.name(), &documents).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(read["manifest"]["revision"], "r-\u{fc}\"1");
        assert_eq!(read["manifest"]["metadata"]["aegis_serial"], 7);
        let decisions = read["decisions"].as_array().unwrap();
        assert_eq!(decisions.len(), CASES.len());
        for (decision, case) in decisions.iter().zip(CASES) {
            assert_eq!(decision.as_str(), case.6, "{case:?}");
        }
    }
    // And it does verify: with another key it takes nothing.
    let told = second_reader(&file, &keys("es256.pub.pem"), "ES256", &documents).unwrap_err();
    assert!(told.contains("InvalidAlgorithmError"), "{told}");
}
