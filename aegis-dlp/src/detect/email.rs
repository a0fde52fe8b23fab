//! E-mail addresses: the addr-spec of RFC 5322 as it is used, internationalised ones (RFC 6531) included.

use super::{Match, TOKEN};
use crate::Detector;
use crate::finding::Confidence;
use crate::view::{Eval, View};

/// The longest domain name (RFC 1035, section 2.3.4).
const DOMAIN: usize = 253;
/// Ends of the names of systemd's units; none is a top-level domain.
const UNITS: [&[u8]; 7] = [b".service", b".socket", b".timer", b".slice", b".scope", b".mount", b".target"];

/// The address around the `@` at `at`.
pub(super) fn examine(view: &View<'_>, at: usize) -> Eval<Option<Match>> {
    let start = local_part(view, at);
    if start == at {
        return Ok(None);
    }
    let Some(end) = domain(view, at + 1)? else {
        return Ok(None);
    };
    // `git@github.com:` is how SSH remotes are written, `icon@2x.png` how images for dense screens are named.
    let ssh = view.slice(start, at) == b"git";
    let density = matches!(view.slice(at + 1, at + 4), [b'1'..=b'9', b'x', b'.']);
    // `agent@3.service` is how systemd writes instances of a unit.
    let unit = UNITS.iter().any(|unit| view.slice(at + 1, end).ends_with(unit));
    // In what is no text, any byte may stand beside an `@`.
    let text = is_text(view.slice(start, at)) && is_text(view.slice(at + 1, end));
    Ok((!ssh && !density && !unit && text).then(|| Match::new(Detector::Email, Confidence::High, start, end)))
}

/// The start of the local part that ends before `at`; `at` itself where there is none.
fn local_part(view: &View<'_>, at: usize) -> usize {
    // Letters beyond ASCII count only where the part ends in one: languages that do not put spaces run
    // into the addresses after them.
    let wide = view.before(at).is_some_and(|byte| !byte.is_ascii());
    let class = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-') || wide && !byte.is_ascii()
    };
    let mut start = view.run_back(at, TOKEN, class);
    if view.before(start).is_some_and(class) {
        // Longer than a local part may be (RFC 5321, section 4.5.3.1.1): the address begins further on.
        let glue = |byte: &u8| matches!(byte, b'_' | b'%' | b'+');
        start += view.slice(start, at).iter().position(glue).unwrap_or(at - start);
    } else if view.before(start) == Some(b'\\') && matches!(view.seen(start), Some(b'n' | b'r' | b't')) {
        // The letter of an escape that stayed in the content is none of the address.
        start += 1;
    }
    if wide {
        // Bytes that are no UTF-8 are none of it.
        let text = view.slice(start, at).utf8_chunks().last().filter(|last| last.invalid().is_empty());
        start = at - text.map_or(0, |text| text.valid().len());
    }
    let first = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || !byte.is_ascii();
    view.slice(start, at).iter().position(first).map_or(at, |skipped| start + skipped)
}

/// Whether what is not ASCII is letters and marks in UTF-8.
fn is_text(part: &[u8]) -> bool {
    part.is_ascii()
        || std::str::from_utf8(part)
            .is_ok_and(|part| part.chars().all(|char| char.is_ascii() || char.is_alphanumeric()))
}

/// The end of the domain at `from`: dot-separated labels, the last of them of letters.
fn domain(view: &View<'_>, from: usize) -> Eval<Option<usize>> {
    let letter = |byte: u8| byte.is_ascii_alphabetic() || !byte.is_ascii();
    let label = |byte: u8| letter(byte) || byte.is_ascii_digit() || byte == b'-';
    let stop = view.run(from, DOMAIN, |byte| label(byte) || byte == b'.')?;
    let mut end = None;
    let mut position = from;
    for part in view.slice(from, stop).split(|byte| *byte == b'.') {
        if part.is_empty() || part.first() == Some(&b'-') {
            break;
        }
        let letters = part.iter().take_while(|byte| letter(**byte)).count();
        let punycode = part.get(..4).is_some_and(|head| head.eq_ignore_ascii_case(b"xn--"));
        if position > from && punycode {
            end = Some(position + part.len());
        } else if position > from && letters >= 2 {
            end = Some(position + letters);
        }
        position += part.len() + 1;
    }
    Ok(end)
}
