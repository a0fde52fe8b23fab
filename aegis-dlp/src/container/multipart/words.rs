//! Header fields as their readers see them: encoded words (RFC 2047), and parameters in pieces (RFC 2231).

use data_encoding::{BASE64, BASE64_NOPAD};

use crate::Charset;
use crate::stream::Reason;
use crate::view::is_known_charset;

use super::super::media::{parameters, percent_decoded};

/// What a line says besides what it says as it is written.
///
/// # Errors
/// A word of it is in a charset that is not read.
pub(super) fn readings(line: &str) -> Result<Vec<String>, Reason> {
    let mut readings = Vec::new();
    if line.contains("=?") {
        readings.extend(words(line)?);
    }
    if line.contains('*') {
        readings.extend(pieces(line));
    }
    Ok(readings)
}

/// The line with its encoded words decoded; those with only blanks between them are one.
fn words(line: &str) -> Result<Option<String>, Reason> {
    let mut text = String::new();
    let (mut rest, mut any) = (line, false);
    while let Some((before, word)) = rest.split_once("=?") {
        let mut parts = word.splitn(3, '?');
        let (charset, encoding) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let Some((content, after)) = parts.next().and_then(|content| content.split_once("?=")) else { break };
        if !any || !before.trim().is_empty() {
            text.push_str(before);
        }
        text.push_str(&decoded(charset, encoding, content)?);
        (rest, any) = (after, true);
    }
    text.push_str(rest);
    Ok(any.then_some(text))
}

fn decoded(charset: &str, encoding: &str, content: &str) -> Result<String, Reason> {
    let unread = || Reason::Unreadable("text in a charset that Aegis does not read");
    // A language may stand behind the charset.
    let name = charset.split('*').next().unwrap_or_default().to_ascii_lowercase();
    let wide = Charset::named(name.trim()).is_some_and(|known| known != Charset::Utf8);
    if !is_known_charset(&name) || wide {
        return Err(unread());
    }
    let bytes = match encoding {
        "B" | "b" => {
            let content = content.trim_end_matches('=').as_bytes();
            // What is broken is read as far as it goes.
            let whole = content.get(..content.len() / 4 * 4).unwrap_or_default();
            BASE64_NOPAD.decode(content).or_else(|_| BASE64.decode(whole)).unwrap_or_default()
        }
        _ => return Ok(percent_decoded(&content.replace('%', "%25").replace('=', "%").replace('_', " "))),
    };
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Parameters that are written in pieces (`name*0="a"; name*1*=b`), each put together.
fn pieces(line: &str) -> Vec<String> {
    let mut all: Vec<(String, u32, String)> = Vec::new();
    for (name, value) in parameters(line) {
        let Some((base, number)) = name.split_once('*') else { continue };
        let encoded = number.ends_with('*');
        let number = number.trim_end_matches('*').parse().unwrap_or(0);
        let value = if encoded || name.ends_with('*') {
            let value = if number == 0 { value.rsplit('\'').next().unwrap_or_default() } else { &value };
            percent_decoded(value)
        } else {
            value
        };
        all.push((base.to_owned(), number, value));
    }
    all.sort_by(|one, other| (&one.0, one.1).cmp(&(&other.0, other.1)));
    let mut joined: Vec<(String, String)> = Vec::new();
    for (base, _, value) in all {
        match joined.last_mut() {
            Some((last, text)) if *last == base => text.push_str(&value),
            _ => joined.push((base, value)),
        }
    }
    joined.into_iter().map(|(name, text)| format!("{name}={text}")).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn what_readers_see() {
        for (line, seen) in [
            ("Subject: =?utf-8?Q?123=2D45=2D6789?=", vec!["Subject: 123-45-6789"]),
            (
                "Subject: =?utf-8?q?a_=25?= and =?UTF-8?B?NTM2LTIyLQ==?= =?UTF-8*de?b?ODc0MQ?=.",
                vec!["Subject: a % and 536-22-8741."],
            ),
            ("X: =?utf-8?Q?open", vec![]),
            ("D: attachment; filename*1=\"6789\"; filename*0=\"123-45-\"", vec!["filename=123-45-6789"]),
            ("D: attachment; filename*0*=utf-8''123%2D; filename*1*=45; n=\"a*b\"", vec!["filename=123-45"]),
            ("D: attachment; filename*=utf-8'en'a%20b", vec!["filename=a b"]),
            ("X: 2 * 3", vec![]),
        ] {
            assert_eq!(readings(line).unwrap(), seen, "{line}");
        }
        for line in ["S: =?utf-7?Q?x?=", "S: =?utf-16?B?AAAA?=", "S: =?ibm037?Q?=F1?="] {
            assert!(readings(line).is_err(), "{line}");
        }
    }
}
