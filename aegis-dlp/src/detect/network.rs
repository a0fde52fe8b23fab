//! Addresses of the Internet Protocol, of both versions, and of hardware.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::Match;
use crate::Detector;
use crate::finding::Confidence;
use crate::view::{Eval, View};

/// The longest way to write an address of version 6, with one of version 4 at its end.
const LONGEST: usize = 45;

/// The dotted address whose first digits are at `start`.
pub(super) fn version_4(view: &View<'_>, start: usize) -> Eval<Option<Match>> {
    let end = view.run(start, 16, |byte| byte.is_ascii_digit() || byte == b'.')?;
    let text = without_full_stop(view.slice(start, end));
    if !text.contains(&b'.') {
        return Ok(None);
    }
    // Not part of a version, nor of a longer row of numbers.
    let opens = view.opens(start) && view.before(start) != Some(b'.');
    let closes = !view.at(start + text.len())?.is_some_and(|byte| byte.is_ascii_alphanumeric());
    Ok((opens && closes && parsed::<Ipv4Addr>(text)).then(|| found(start, text)))
}

/// The address in groups of hexadecimal digits of which a colon is at `colon`: the first one.
pub(super) fn version_6(view: &View<'_>, colon: usize) -> Eval<Option<Match>> {
    let start = view.run_back(colon, 4, |byte| byte.is_ascii_hexdigit());
    if !view.opens(start) || view.before(start) == Some(b':') {
        return Ok(None);
    }
    let end = view.run(start, LONGEST, |byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'))?;
    let text = without_full_stop(view.slice(start, end));
    // Eight groups, the last two of which may be an address of version 4, or fewer around `::`: no time of day.
    let colons = text.iter().filter(|byte| **byte == b':').count();
    if colons < 6 && !text.windows(2).any(|pair| pair == b"::") {
        return Ok(None);
    }
    let closes = !view.at(start + text.len())?.is_some_and(|byte| byte.is_ascii_alphanumeric());
    // Without a digit it is a path of a language more often than an address.
    let digits = text.iter().any(u8::is_ascii_digit);
    Ok((closes && digits && parsed::<Ipv6Addr>(text)).then(|| found(start, text)))
}

/// The hardware address at `start`: six pairs of hexadecimal digits with colons or hyphens between, or three fours with points
/// (IEEE 802). Those of everybody and of nobody are no one's.
pub(super) fn hardware(view: &View<'_>, start: usize) -> Eval<Option<Match>> {
    let (separator, size, length) = match (view.at(start + 2)?, view.at(start + 4)?) {
        (Some(separator @ (b':' | b'-')), _) => (separator, 2, 17),
        (_, Some(b'.')) => (b'.', 4, 14),
        _ => return Ok(None),
    };
    let end = view.run(start, length, |byte| byte.is_ascii_hexdigit() || byte == separator)?;
    let text = view.slice(start, end);
    let right =
        |(at, byte): (usize, &u8)| if at % (size + 1) == size { *byte == separator } else { byte.is_ascii_hexdigit() };
    let opens = view.opens(start) && view.before(start) != Some(separator);
    if !opens || text.len() != length || !text.iter().enumerate().all(right) {
        return Ok(None);
    }
    let uniform = text.iter().filter(|byte| byte.is_ascii_hexdigit()).all(|byte| Some(byte) == text.first());
    // Of nothing but digits, numbers in groups are written so, too.
    let lettered = separator == b':' || text.iter().any(u8::is_ascii_alphabetic);
    let closes = match view.at(end)? {
        Some(byte) if byte == separator => !view.at(end + 1)?.is_some_and(|byte| byte.is_ascii_alphanumeric()),
        byte => !byte.is_some_and(|byte| byte.is_ascii_alphanumeric()),
    };
    Ok((closes && lettered && !uniform).then(|| Match::new(Detector::MacAddress, Confidence::High, start, end)))
}

fn without_full_stop(text: &[u8]) -> &[u8] {
    text.strip_suffix(b".").unwrap_or(text)
}

fn parsed<A: std::str::FromStr>(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| text.parse::<A>().is_ok())
}

fn found(start: usize, text: &[u8]) -> Match {
    Match::new(Detector::IpAddress, Confidence::High, start, start + text.len())
}
