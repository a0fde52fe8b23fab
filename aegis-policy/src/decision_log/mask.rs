//! Nothing sensitive is written: every value goes through all detectors, credentials are left out, and all is short.

use std::collections::BTreeSet;
use std::fmt;

use aegis_dlp::{Place, Profile, masked, scan_json};
use serde_json::{Map, Value};

/// Bytes of a value that are kept; the path may be longer.
const VALUE: usize = 256;
const PATH: usize = 2048;

/// Bytes of the input as JSON. What is longer loses the values that rules read.
const INPUT: usize = 32 * 1024;

/// The parts of the input that the request brought with it and that can be done without.
const CONTENT: [&str; 3] = ["headers", "query", "body"];

/// What is masked, and what was taken away, as JSON pointers.
#[derive(Debug)]
pub(super) struct Taken<'a> {
    /// All that is looked for, a tenant's own detectors too.
    pub(super) all: &'a Profile,
    pub(super) erased: BTreeSet<String>,
    pub(super) masked: BTreeSet<String>,
}

impl<'a> Taken<'a> {
    pub(super) fn new(all: &'a Profile) -> Self {
        Taken { all, erased: BTreeSet::new(), masked: BTreeSet::new() }
    }
}

/// Where a value stands: made into a JSON pointer only where there is something to tell.
#[derive(Clone, Copy)]
enum At<'a> {
    Input,
    Key(&'a At<'a>, &'a str),
    Index(&'a At<'a>, usize),
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            At::Input => f.write_str("/input"),
            At::Key(above, key) => write!(f, "{above}/{}", escaped(key)),
            At::Index(above, index) => write!(f, "{above}/{index}"),
        }
    }
}

/// Makes `input` fit to be written; pointers are told as below `/input`.
pub(super) fn clean(input: &mut Map<String, Value>, taken: &mut Taken<'_>) {
    for part in CONTENT {
        if let Some(value) = input.get_mut(part) {
            erase_credentials(value, At::Key(&At::Input, part), taken);
        }
    }
    for (key, value) in input.iter_mut() {
        let bound = if key == "path" { PATH } else { VALUE };
        shorten(value, bound, At::Key(&At::Input, key), taken);
    }
    if redact(input, taken).is_none_or(|length| length > INPUT) {
        // Still something to be found, or too much: what rules read of the request goes as a whole.
        for part in CONTENT {
            if input.remove(part).is_some() {
                taken.erased.insert(format!("/input/{part}"));
            }
        }
        if redact(input, taken).is_none() && input.remove("path").is_some() {
            taken.erased.insert("/input/path".to_owned());
        }
    }
}

/// A text with everything sensitive masked, at most `bound` bytes.
pub(super) fn text(all: &Profile, text: &str, bound: usize) -> String {
    let mut clean = masked(all, text).into_owned();
    cut(&mut clean, bound);
    clean
}

/// Redacts the document as a body would be, keys as context included; gives its length as JSON, none where something is still to
/// be found.
fn redact(input: &mut Map<String, Value>, taken: &mut Taken<'_>) -> Option<usize> {
    let json = serde_json::to_string(input).ok()?;
    let Some(redacted) = scanned(taken.all, &json) else { return Some(json.len()) };
    let Ok(Value::Object(redacted)) = serde_json::from_str::<Value>(&redacted) else { return None };
    let before = std::mem::replace(input, redacted);
    differences(&Value::Object(before), &Value::Object(input.clone()), At::Input, &mut taken.masked);
    let json = serde_json::to_string(input).ok()?;
    scanned(taken.all, &json).is_none().then_some(json.len())
}

/// The document with masks; `None` where nothing was found. What cannot be read to its bottom is no document any more.
fn scanned(all: &Profile, json: &str) -> Option<String> {
    let scanned = scan_json(all, Place::Url, json);
    if scanned.stopped.is_some() {
        return Some(String::new());
    }
    (!scanned.findings.is_empty()).then(|| scanned.text.into_owned())
}

/// Pointers to the values that differ. An object whose keys differ counts as a whole.
fn differences(before: &Value, after: &Value, at: At<'_>, into: &mut BTreeSet<String>) {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) if old.keys().eq(new.keys()) => {
            for ((key, old), new) in old.iter().zip(new.values()) {
                differences(old, new, At::Key(&at, key), into);
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                differences(old, new, At::Index(&at, index), into);
            }
        }
        (old, new) if old == new => {}
        _ => drop(into.insert(at.to_string())),
    }
}

fn shorten(value: &mut Value, bound: usize, at: At<'_>, taken: &mut Taken<'_>) {
    match value {
        Value::String(text) if text.len() > bound => {
            // What is cut before it is looked at could end in half of a secret.
            *text = self::text(taken.all, text, bound);
            taken.masked.insert(at.to_string());
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                shorten(item, bound, At::Index(&at, index), taken);
            }
        }
        Value::Object(fields) => {
            for (key, field) in fields.iter_mut() {
                shorten(field, bound, At::Key(&at, key), taken);
            }
        }
        _ => {}
    }
}

/// Takes out what its name calls a credential, whatever it holds.
fn erase_credentials(value: &mut Value, at: At<'_>, taken: &mut Taken<'_>) {
    match value {
        Value::Object(fields) => {
            let credentials = fields.iter().filter(|(name, value)| is_credential(name) || are_tokens(name, value));
            let names: Vec<String> = credentials.map(|(name, _)| name.clone()).collect();
            for name in names {
                fields.remove(&name);
                taken.erased.insert(At::Key(&at, &name).to_string());
            }
            for (key, field) in fields.iter_mut() {
                erase_credentials(field, At::Key(&at, key), taken);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                erase_credentials(item, At::Index(&at, index), taken);
            }
        }
        _ => {}
    }
}

/// Whether a header, a parameter or a key of this name holds a credential.
pub(crate) fn is_credential(name: &str) -> bool {
    let plain = letters(name);
    let whole = ["sig", "auth", "pwd", "pass", "passphrase", "code"];
    let ends = [
        "token",
        "apikey",
        "apikeys",
        "secretkey",
        "accesskey",
        "privatekey",
        "signature",
        "jwt",
        "pin",
        "otp",
        "cvc",
        "cvv",
    ];
    let holds =
        ["authorization", "cookie", "password", "passwd", "secret", "credential", "bearer", "xauth", "sessionid"];
    whole.contains(&plain.as_str())
        || ends.iter().any(|end| plain.ends_with(end))
        || holds.iter().any(|part| plain.contains(part))
}

/// Whether a name in the plural holds credentials: `max_tokens` is a number, and none.
fn are_tokens(name: &str, value: &Value) -> bool {
    letters(name).ends_with("tokens") && !is_number(value)
}

/// A number, also as a text, as parameters have it.
fn is_number(value: &Value) -> bool {
    match value {
        Value::Number(_) | Value::Null | Value::Bool(_) => true,
        Value::String(text) => text.parse::<u32>().is_ok(),
        Value::Array(items) => items.iter().all(is_number),
        Value::Object(_) => false,
    }
}

/// A name without what stands between its words.
fn letters(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

fn cut(text: &mut String, bound: usize) {
    if text.len() > bound {
        let end = (0..=bound).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        text.truncate(end);
        text.push('…');
    }
}

/// A key as a step of a JSON pointer (RFC 6901).
pub(crate) fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use serde_json::json;

    fn cleaned(input: Value) -> (Value, Vec<String>, Vec<String>) {
        let Value::Object(mut input) = input else { panic!("an object is needed") };
        let all = Profile::redacting(aegis_dlp::DetectorSet::ALL);
        let mut taken = Taken::new(&all);
        clean(&mut input, &mut taken);
        (Value::Object(input), taken.erased.into_iter().collect(), taken.masked.into_iter().collect())
    }

    #[test]
    fn what_is_found_is_masked_and_told() {
        let (input, erased, masked) = cleaned(json!({
            "host": "api.test",
            "headers": {"x-note": ["mail jane.doe@corp.example", "plain"]},
            "query": {"q": ["AKIAQ3EGRTZYXNMB2LKJ"]},
            "body": {"card": 4_111_111_111_111_111_u64, "order": {"ssn": "536-22-8741", "amount": 7}, "dob": "1990-02-03"},
        }));
        assert_eq!(erased, Vec::<String>::new());
        assert_eq!(
            masked,
            [
                "/input/body/card",
                "/input/body/dob",
                "/input/body/order/ssn",
                "/input/headers/x-note/0",
                "/input/query/q/0"
            ]
        );
        assert_eq!(input["headers"]["x-note"], json!(["mail [EMAIL]", "plain"]));
        assert_eq!(input["body"], json!({"card": "[CARD]", "order": {"ssn": "[SSN]", "amount": 7}, "dob": "[DOB]"}));
    }

    #[test]
    fn credentials_are_left_out_by_name_wherever_they_stand() {
        let (input, erased, masked) = cleaned(json!({
            "headers": {"authorization": ["Bearer abc"], "x-api-key": ["k"], "aegis-token": ["t"], "x-env": ["prod"]},
            "query": {"access_token": ["t"], "page": ["1"]},
            "body": {"user": {"password": "hunter2"}, "max_tokens": 100, "items": [{"client_secret": "s"}]},
        }));
        assert_eq!(input["headers"], json!({"x-env": ["prod"]}));
        assert_eq!(input["query"], json!({"page": ["1"]}));
        assert_eq!(input["body"], json!({"user": {}, "max_tokens": 100, "items": [{}]}));
        assert_eq!(
            erased,
            [
                "/input/body/items/0/client_secret",
                "/input/body/user/password",
                "/input/headers/aegis-token",
                "/input/headers/authorization",
                "/input/headers/x-api-key",
                "/input/query/access_token"
            ]
        );
        assert!(masked.is_empty(), "{masked:?}");
    }

    #[test]
    fn short_names_are_credentials_as_a_whole_and_tokens_unless_they_are_a_number() {
        let (input, erased, _) = cleaned(json!({
            "query": {"sig": ["s"], "code": ["c"], "design": ["d"], "max_tokens": ["100"], "tokens": ["t"]},
            "body": {"auth": "a", "pwd": "p", "pass": "p", "passphrase": "p", "passage": "x", "author": "y", "zipcode": "z",
                "api_keys": ["k"], "refresh_tokens": ["t"], "max_tokens": 100, "usage": {"tokens": {"a": "t"}}},
        }));
        assert_eq!(input["query"], json!({"design": ["d"], "max_tokens": ["100"]}));
        let kept = json!({"passage": "x", "author": "y", "zipcode": "z", "max_tokens": 100, "usage": {}});
        assert_eq!((&input["body"], erased.len()), (&kept, 10));
    }

    #[test]
    fn what_is_wrapped_too_often_to_be_read_goes() {
        let wrapped = |levels: u8| {
            (0..levels)
                .fold("jane.doe@corp.example".to_owned(), |text, _| data_encoding::BASE64.encode(text.as_bytes()))
        };
        for part in ["headers", "query", "body"] {
            let (input, erased, _) = cleaned(json!({"host": "api.test", part: {"x": [wrapped(4)]}}));
            assert_eq!((input, erased), (json!({"host": "api.test"}), vec![format!("/input/{part}")]));
            // So long a value is looked at by itself, to be cut.
            let long = wrapped(12);
            let (input, _, masked) = cleaned(json!({"host": "api.test", part: {"x": [long]}}));
            let kept = input[part]["x"][0].as_str().unwrap();
            assert_eq!(kept, "[REDACTED]");
            assert_eq!(masked, [format!("/input/{part}/x/0")]);
        }
    }

    #[test]
    fn long_values_are_cut_and_too_many_go() {
        // The secret stands across the place where it is cut.
        let long = format!("{}AKIAQ3EGRTZYXNMB2LKJ{}", "x ".repeat(VALUE / 2 - 5), " y".repeat(VALUE));
        let (input, _, masked) = cleaned(json!({"body": {"text": long}}));
        let kept = input["body"]["text"].as_str().unwrap();
        assert!(kept.len() <= VALUE + 3 && kept.ends_with('…') && !kept.contains("AKIA"), "{kept}");
        assert_eq!(masked, ["/input/body/text"]);

        let many: Map<String, Value> = (0..1000).map(|n| (format!("k{n}"), json!("v".repeat(100)))).collect();
        let (input, erased, _) = cleaned(json!({"host": "api.test", "body": many}));
        assert_eq!(input, json!({"host": "api.test"}));
        assert_eq!(erased, ["/input/body"]);
    }
}
