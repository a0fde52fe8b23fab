//! Credentials in URLs, in HTTP's Basic scheme and of Braintree.

use super::password::stands_for_another;
use super::{Match, keys};
use crate::finding::Confidence;
use crate::view::{Eval, View};
use crate::{Detector, DetectorSet};

/// The longest that is looked for.
const LONGEST: usize = 256;

/// In the tokens of Braintree, before the letters.
pub(super) const BRAINTREE: &str = "$production$";

/// The user and password of a URL with credentials, of which the `://` ends at `at`.
pub(super) fn in_url(view: &View<'_>, at: usize, wanted: DetectorSet) -> Eval<Option<Match>> {
    let from = at + 1;
    let inside = |byte: u8| byte.is_ascii_graphic() && !b"/?#\"'`<>\\{}|[]()".contains(&byte) || !byte.is_ascii();
    let end = view.run(from, LONGEST, inside)?;
    let authority = view.slice(from, end);
    let (Some(colon), Some(sign)) =
        (authority.iter().position(|byte| *byte == b':'), authority.iter().rposition(|byte| *byte == b'@'))
    else {
        return Ok(None);
    };
    let password = authority.get(colon + 1..sign).unwrap_or_default();
    let scheme = view.before(from - "://".len()).is_some_and(|byte| byte.is_ascii_alphanumeric());
    let real = password.len() >= 3 && sign + 1 < authority.len() && !stands_for_another(password);
    if !scheme || !real || keys::examine(view, from + colon + 1, wanted)?.is_some() {
        // A key as the password is one of its issuer's.
        return Ok(None);
    }
    Ok(Some(Match::new(Detector::ConnectionString, Confidence::High, from, from + sign)))
}

/// A user and a password in base64 behind the `Basic ` that ends at `at` (RFC 7617).
pub(super) fn basic(view: &View<'_>, at: usize) -> Eval<Option<Match>> {
    let start = at + 1;
    let letters = view.run(start, LONGEST, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))?;
    let end = view.run(letters, 2, |byte| byte == b'=')?;
    let pair = decoded(view.slice(start, letters));
    let found = view.opens(start - "Basic ".len())
        && letters - start >= 8
        && pair.contains(&b':')
        && pair.iter().all(|byte| *byte >= b' ' && *byte != 0x7f);
    Ok(found.then(|| Match::new(Detector::BasicAuth, Confidence::High, start, end)))
}

/// The bytes of base64 (RFC 4648, section 4) without its padding.
fn decoded(text: &[u8]) -> Vec<u8> {
    let value = |byte: &u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let group = |letters: &[u8]| {
        let bits = letters
            .iter()
            .enumerate()
            .fold(0_u32, |bits, (at, letter)| bits | u32::from(value(letter)) << (18 - 6 * at));
        bits.to_be_bytes().into_iter().skip(1).take(letters.len() * 3 / 4)
    };
    text.chunks(4).flat_map(group).collect()
}

/// `access_token$production$`, 16 letters and digits, `$`, 32 hexadecimal digits; the second dollar sign is at `at`.
pub(super) fn braintree(view: &View<'_>, at: usize) -> Eval<Option<Match>> {
    const NAME: &[u8] = b"access_token";
    let Some(start) =
        (at + 1).checked_sub(BRAINTREE.len() + NAME.len()).filter(|start| view.slice(*start, at).starts_with(NAME))
    else {
        return Ok(None);
    };
    let merchant = at + 1;
    let dollar = view.run(merchant, 17, |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())?;
    if dollar - merchant != 16 || view.at(dollar)? != Some(b'$') {
        return Ok(None);
    }
    let end = view.run(dollar + 1, 33, |byte| byte.is_ascii_hexdigit())?;
    Ok((end - dollar == 33).then(|| Match::new(Detector::PaypalToken, Confidence::High, start, end)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn base64() {
        assert_eq!(decoded(b"QWxhZGRpbjpvcGVuIHNlc2FtZQ"), b"Aladdin:open sesame");
        assert_eq!(decoded(b"Zm86"), b"fo:");
    }
}
