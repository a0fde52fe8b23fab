//! Names that end in "key" and are a credential's: `acme_key`, `ACME_KEY`, `acmeKey`, and `key` in a query.

use crate::view::View;

/// The longest name that is looked at.
const LONGEST: usize = 48;
/// How far the name may be from its value: a quote, a sign, blanks.
const GAP: usize = 8;

/// Words before "key" in names of what is no credential: of a cache, a table, a map, a picture, of what anybody may know.
#[rustfmt::skip]
const OTHERS: [&[u8]; 64] = [
    b"public", b"pub", b"cache", b"primary", b"partition", b"sort", b"foreign", b"idempotency", b"idempotent", b"object", b"hash",
    b"lookup", b"row", b"unique", b"routing", b"storage", b"react", b"group", b"translation", b"message", b"dedup", b"deduplication",
    b"index", b"shard", b"range", b"order", b"map", b"dict", b"item", b"entry", b"file", b"image", b"cookie", b"state", b"query",
    b"content", b"thumb", b"asset", b"media", b"join", b"filter", b"column", b"field", b"node", b"edge", b"component", b"element",
    b"list", b"data", b"meta", b"tag", b"label", b"resource", b"trace", b"span", b"event", b"restore", b"upload", b"bucket", b"issue",
    b"build", b"composite", b"surrogate", b"s3",
];

/// Whether the value at `start` has such a name right before it.
pub(super) fn is_called_a_key(view: &View<'_>, start: usize) -> bool {
    let gap = view.run_back(start, GAP, |byte| b" \t\"'`:=>\\(".contains(&byte));
    let signs = view.slice(gap, start);
    // Nothing is given to the name but by a sign.
    if !signs.iter().any(|byte| matches!(byte, b'=' | b':')) || !ends_in_key(view.slice(gap.saturating_sub(3), gap)) {
        return false;
    }
    let from = view.run_back(gap, LONGEST, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    let name = view.slice(from, gap);
    let head = name.get(..name.len().saturating_sub(3)).unwrap_or_default();
    if head.is_empty() {
        // By itself it says so in a query, and in settings; what JSON and lists call a key is a name.
        return signs.starts_with(b"=") && !signs.contains(&b'>');
    }
    let key = name.get(head.len()..).unwrap_or_default();
    let divided = head.ends_with(b"_") || head.ends_with(b"-") || head.ends_with(b".");
    // `acmeKey`, `ACMEKEY`; not `monkey`.
    let humped = key.starts_with(b"K") && head.last().is_some_and(u8::is_ascii_alphanumeric);
    let word = head.trim_ascii_end();
    let word = word.strip_suffix(b"_").or(word.strip_suffix(b"-")).or(word.strip_suffix(b".")).unwrap_or(word);
    (divided || humped) && !OTHERS.iter().any(|other| ends_with(word, other))
}

fn ends_in_key(tail: &[u8]) -> bool {
    matches!(tail, b"key" | b"Key" | b"KEY")
}

fn ends_with(word: &[u8], tail: &[u8]) -> bool {
    word.len().checked_sub(tail.len()).and_then(|at| word.get(at..)).is_some_and(|end| end.eq_ignore_ascii_case(tail))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let called = |text: &str| {
            let view = View { bytes: text.as_bytes(), end: true, json: false, rows: false, heading: b"" };
            is_called_a_key(&view, text.len())
        };
        for text in [
            "acme_key = \"",
            "ACME_KEY=",
            "acmeKey: '",
            "{\"acmeKey\":\"",
            "sumoKey := \"",
            "x?page=2&key=",
            "Using Key=",
            "acme-key: ",
            "app.key=",
        ] {
            assert!(called(text), "{text}");
        }
        for text in [
            "monkey: ",
            "\"key\":\"",
            "cacheKey: \"",
            "primary_key=",
            "idempotency-key: ",
            "PUBLIC_KEY=",
            "key ",
            "acme_key ",
            "<li key=>",
            "keys=",
            "the key is ",
        ] {
            assert!(!called(text), "{text}");
        }
    }
}
