//! `application/x-www-form-urlencoded`, as queries and some bodies are written (WHATWG URL, section 5.1).

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// All values of `name`, decoded. What is no UTF-8 has U+FFFD in its place: servers read the rest of such a value, too.
pub(crate) fn values<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = String> + 'a {
    pairs(text).filter(move |(key, _)| decode(key) == name).map(|(_, value)| decode(value).into_owned())
}

/// Whether any of `names` is there.
pub(crate) fn has_any(text: &str, names: &[&str]) -> bool {
    pairs(text).any(|(key, _)| names.contains(&&*decode(key)))
}

fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text);
    }
    let spaced = text.replace('+', " ");
    Cow::Owned(percent_decode_str(&spaced).decode_utf8_lossy().into_owned())
}
