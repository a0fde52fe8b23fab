#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::config::Config;

fn parse(yaml: &str) -> Result<Policies, Vec<String>> {
    let dir = tempfile::tempdir().unwrap();
    for file in ["k.pem", "p.yaml", "b.tar.gz", "token"] {
        std::fs::write(dir.path().join(file), "").unwrap();
    }
    match Config::parse(yaml, dir.path()) {
        Ok(config) => Ok(config.policies),
        Err(problems) => Err(problems.problems.iter().map(ToString::to_string).collect()),
    }
}

#[test]
fn a_path_says_by_its_name_what_it_is() {
    assert_eq!(parse("policies: null"), Ok(Policies::Embedded));
    assert!(matches!(parse("policies: p.yaml"), Ok(Policies::Files(_))));
    assert!(matches!(parse("policies: ."), Ok(Policies::Files(_))));
    let Ok(Policies::Bundle(bundle)) = parse("policies: b.tar.gz") else { panic!("no bundle") };
    assert!(bundle.keys.is_empty() && matches!(bundle.place, BundlePlace::File(_)));
}

#[test]
fn a_server_needs_keys() {
    let url = "https://policies.test/bundle.tar.gz";
    let key = "{id: k1, file: k.pem, algorithm: ES256}";
    let Ok(Policies::Bundle(bundle)) =
        parse(&format!("policies:\n  bundle: {url}\n  keys: [{key}]\n  poll_s: 5\n  token_file: token\n"))
    else {
        panic!("no bundle")
    };
    assert_eq!((bundle.place, bundle.poll), (BundlePlace::Url(url.into()), Duration::from_secs(5)));
    assert_eq!((bundle.keys[0].id.as_str(), bundle.keys[0].algorithm), ("k1", SignatureAlgorithm::Es256));
    assert!(parse(&format!("policies: {{bundle: '{url}', unsigned: true}}")).is_ok());
    for (yaml, told) in [
        (format!("{{bundle: '{url}'}}"), "policies.keys (line 1): is empty; name the keys"),
        (format!("{{bundle: '{url}', keys: [{key}], unsigned: true}}"), "policies.unsigned (line 1): contradicts"),
        ("{keys: []}".to_owned(), "policies.bundle (line 1): is missing"),
        (format!("{{bundle: 'https://', keys: [{key}]}}"), "policies.bundle (line 1): `https://` is no URL"),
        (format!("{{bundle: 'ftp://x/y', keys: [{key}]}}"), "policies.bundle (line 1): `ftp://x/y` is no URL"),
        (format!("{{bundle: 'https://u:p@x/', keys: [{key}]}}"), "policies.bundle (line 1): holds a user or password"),
        (
            format!("{{bundle: 'http://x/', keys: [{key}], token_file: token}}"),
            "policies.token_file (line 1): would send",
        ),
        ("{bundle: nowhere.tar.gz}".to_owned(), "policies.bundle (line 1): "),
        ("{bundle: b.tar.gz, token_file: token}".to_owned(), "policies.token_file (line 1): has no meaning"),
        (format!("{{bundle: '{url}', keys: [{key}, {key}]}}"), "policies.keys[1].id (line 1): `k1` is another key's"),
        (
            format!("{{bundle: '{url}', keys: [{{id: k, file: k.pem, algorithm: HS256}}]}}"),
            "policies.keys[0].algorithm",
        ),
        (format!("{{bundle: '{url}', keys: [{{id: '', file: k.pem, algorithm: ES256}}]}}"), "policies.keys[0].id"),
        (
            format!("{{bundle: '{url}', keys: [{{id: k, fil: k.pem}}]}}"),
            "policies.keys[0].fil (line 1): unknown key; did you mean `file`?",
        ),
        (
            format!("{{bundle: '{url}', keys: [{key}], pol_s: 5}}"),
            "policies.pol_s (line 1): unknown key; did you mean `poll_s`?",
        ),
        (format!("{{bundle: '{url}', keys: [{key}], poll_s: 0}}"), "policies.poll_s (line 1): 0 is out of range"),
        (format!("{{bundle: '{url}', keys: [{key}], poll_s: often}}"), "policies.poll_s (line 1): invalid type"),
        ("7".to_owned(), "policies (line 1): invalid type: integer `7`, expected a path, null, or `bundle:`"),
    ] {
        let found = parse(&format!("policies: {yaml}")).unwrap_err();
        assert!(found.iter().any(|line| line.starts_with(told)), "{yaml}: {found:#?}");
    }
}
