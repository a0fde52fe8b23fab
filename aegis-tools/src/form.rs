//! `application/x-www-form-urlencoded`, as queries and some bodies are written (WHATWG URL, section 5.1).

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// All values of `name`, decoded. What is no UTF-8 is none.
pub(crate) fn values<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = String> + 'a {
    let pairs = text.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.filter_map(move |(key, value)| (decode(key)? == name).then(|| decode(value).map(Cow::into_owned)).flatten())
}

fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Some(Cow::Borrowed(text));
    }
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(|decoded| Cow::Owned(decoded.into_owned()))
}
