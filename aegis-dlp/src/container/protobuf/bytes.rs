//! What a field of bytes may hold.

use crate::Profile;
use crate::container::sniff;
use crate::text::has_clue;
use crate::wire::{Tokens, Value, is_message};

/// The longest text that is looked at before it is scanned.
const QUIET: usize = 512;

/// Whether bytes are a short text of ASCII which reads in one way only, and in which there is nothing to examine: most fields are
/// such, and need no scanner of their own.
pub(super) fn is_quiet(bytes: &[u8], profile: &Profile) -> bool {
    let plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r') && !matches!(byte, b'<' | b'&');
    bytes.len() <= QUIET
        && profile.own().is_empty()
        && bytes.iter().all(plain)
        && sniff::kind(bytes, true) == Some(sniff::Kind::Text)
        && std::str::from_utf8(bytes).is_ok_and(|text| !has_clue(profile, text))
}

/// Whether bytes are a message with fields that hold bytes, each of which was read by itself.
pub(super) fn has_fields(bytes: &[u8]) -> bool {
    is_message(bytes) && Tokens::of(bytes).map_while(Result::ok).any(|token| token.value == Value::Bytes)
}

/// Whether bytes could be text: UTF-8 without control characters other than blanks.
pub(super) fn is_text(bytes: &[u8]) -> bool {
    let control = |character: char| character.is_control() && !matches!(character, '\t' | '\n' | '\r');
    std::str::from_utf8(bytes).is_ok_and(|text| !text.chars().any(control))
}
