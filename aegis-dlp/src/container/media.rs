//! Media types and the parameters of header values (RFC 2045, RFC 2183, RFC 8187).

use crate::descriptor::{Descriptors, MessageType};

/// A media type as a header declares it.
pub(crate) struct Media<'a> {
    /// The value as it was sent.
    pub(crate) value: Option<&'a str>,
    essence: String,
}

impl<'a> Media<'a> {
    pub(crate) fn of(value: Option<&'a str>) -> Self {
        let essence = value.and_then(|value| value.split(';').next()).unwrap_or_default();
        Media { value, essence: essence.trim().to_ascii_lowercase() }
    }

    /// Type and subtype in small letters; empty where none is declared.
    pub(crate) fn essence(&self) -> &str {
        &self.essence
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        let mut all = parameters(self.value?).into_iter().filter(|(known, _)| known == name);
        let first = all.next()?;
        // Twice the same: who reads it may take either.
        all.next().is_none().then_some(first.1)
    }

    /// The message type that it names, where it is one of these and the content is one message.
    pub(crate) fn message(&self, descriptors: &Descriptors) -> Option<MessageType> {
        let delimited = self.parameter("encoding").is_some_and(|encoding| encoding.eq_ignore_ascii_case("delimited"));
        let name = ["messagetype", "proto"].into_iter().find_map(|name| self.parameter(name));
        name.filter(|_| !delimited && !descriptors.is_empty()).and_then(|name| descriptors.message(&name))
    }

    /// Whether it is declared to be something that is read as text and sent as such, not as a file.
    pub(crate) fn is_textual(&self) -> bool {
        let (kind, subtype) = self.essence.split_once('/').unwrap_or_default();
        let known = ["json", "xml", "x-www-form-urlencoded", "x-ndjson", "graphql", "javascript", "yaml", "http"];
        self.essence.is_empty()
            || matches!(kind, "text" | "multipart" | "message")
            || known.contains(&subtype)
            || subtype.ends_with("+json")
            || subtype.ends_with("+xml")
    }
}

/// The parameters behind the first `;` of a header value, names in small letters, quotes and escapes undone.
pub(crate) fn parameters(value: &str) -> Vec<(String, String)> {
    let mut parameters = Vec::new();
    let mut rest = value.split_once(';').map_or("", |(_, rest)| rest);
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim_matches(|c: char| c == ';' || c.is_ascii_whitespace()).to_ascii_lowercase();
        let after = after.trim_start();
        let (text, left) = match after.strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => {
                let (token, left) = after.split_once(';').unwrap_or((after, ""));
                (token.trim_end().to_owned(), left)
            }
        };
        parameters.push((name, text));
        rest = left;
    }
    parameters
}

/// The text up to the closing quote, and what follows.
fn unquote(quoted: &str) -> (String, &str) {
    let mut text = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => {
                let rest = quoted.get(at + 1..).unwrap_or_default();
                return (text, rest.split_once(';').map_or("", |(_, rest)| rest));
            }
            '\\' => text.extend(characters.next().map(|(_, escaped)| escaped)),
            other => text.push(other),
        }
    }
    (text, "")
}

/// Percent escapes undone; what is no escape stays.
pub(crate) fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let digits = text.get(at + 1..at + 3).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match digits.filter(|_| byte == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(escaped) => {
                decoded.push(escaped);
                at += 3;
            }
            None => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_values() {
        let of = |value| parameters(value);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(of("form-data; name=\"a\"; filename=\"b;c.txt\""), [pair("name", "a"), pair("filename", "b;c.txt")]);
        assert_eq!(of("x; Name = a ;b=\"q\\\"r\" ; c"), [pair("name", "a"), pair("b", "q\"r")]);
        assert_eq!(of("x"), []);
        assert_eq!(of("x; a=\"open"), [pair("a", "open")]);
        let media = Media::of(Some("Multipart/Form-Data; boundary=\"x y\"; charset=a; charset=b"));
        assert_eq!(media.essence(), "multipart/form-data");
        assert_eq!((media.parameter("boundary").as_deref(), media.parameter("charset")), (Some("x y"), None));
    }

    #[test]
    fn percent() {
        assert_eq!(percent_decoded("UTF-8''a%20b%zz%4"), "UTF-8''a b%zz%4");
        assert_eq!(percent_decoded("%c3%bc%"), "ü%");
    }
}
