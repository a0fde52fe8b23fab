//! Long words that are keys without a prefix of their own: by their shape, or by what is said of them.

use super::keys::shape::{
    alnum, base32, dotted, hex, hex_any, hyphenated, mixed, parts, upper, url_safe, uuid, varied,
};
use super::named::{self, Named};
use super::number::opens;
use super::{Match, hashed, mask_at, wallet};
use crate::finding::Confidence;
use crate::prefilter::{WORD, in_word};
use crate::view::{Eval, View};
use crate::{Detector, DetectorSet};

/// Words longer than this are data, or keys with a prefix.
const LONGEST: usize = 200;

/// The key that is the word at `start`, or begins it.
pub(super) fn examine(view: &View<'_>, start: usize, wanted: DetectorSet) -> Eval<Option<Match>> {
    if view.run(start, WORD, in_word)? - start < WORD {
        return Ok(None);
    }
    for (detector, attempt) in &ATTEMPTS {
        if wanted.contains(*detector)
            && let Some((start, end)) = attempt(view, start)?
            && !mask_at(view, end)?
        {
            return Ok(Some(Match::new(*detector, Confidence::High, start, end)));
        }
    }
    if !wanted.intersects(named::DETECTORS) {
        return Ok(None);
    }
    let end = view.run(start, LONGEST, in_word)?;
    if end - start >= LONGEST || mask_at(view, end)? || view.before(start) == Some(b']') {
        return Ok(None);
    }
    // What ends a sentence is none of the word, nor is the letter of an escape that stayed in the content.
    let word = view.slice(start, end).trim_ascii_end();
    let length = word.iter().rposition(|byte| *byte != b'.').map_or(0, |last| last + 1);
    let escape = view.before(start) == Some(b'\\') && matches!(word.first(), Some(b'n' | b'r' | b't'));
    let named = Named { view, start: start + usize::from(escape), end: start + length };
    Ok(named.examine(wanted))
}

/// What a long word may be by its shape alone, in this order.
static ATTEMPTS: [(Detector, Attempt); 19] = [
    (Detector::PrivateKey, rest_of_private_key),
    (Detector::TelegramToken, telegram),
    (Detector::DiscordToken, discord),
    (Detector::MailchimpKey, mailchimp),
    (Detector::TwilioKey, twilio),
    (Detector::TerraformToken, terraform),
    (Detector::NewrelicKey, new_relic),
    (Detector::AzureClientSecret, azure_client_secret),
    (Detector::AzureKey, azure_key),
    (Detector::AzureSasToken, azure_signature),
    (Detector::SalesforceToken, salesforce),
    (Detector::MailgunKey, mailgun),
    (Detector::DropboxToken, dropbox),
    (Detector::MetaToken, meta),
    (Detector::ServiceKey, maxmind),
    (Detector::ServiceKey, nats),
    (Detector::PasswordHash, hashed::password),
    (Detector::CryptoWallet, wallet::address),
    (Detector::PrivateKey, wallet::private_key),
];

/// Tries to make a key of the word at a position; gives its bounds.
type Attempt = fn(&View<'_>, usize) -> Eval<Option<(usize, usize)>>;

/// The bounds of so many bytes of a class, when what goes on is none of it.
fn exactly(view: &View<'_>, start: usize, length: usize, class: fn(u8) -> bool) -> Eval<Option<usize>> {
    let end = view.run(start, length + 1, class)?;
    Ok((end - start == length).then_some(end))
}

/// A line of base64 right behind a private key, or the header of one, that something other than a line end divides from it:
/// the elements of an array, lines of a quoted message, breaks of a page. What was found before is a mask now.
fn rest_of_private_key(view: &View<'_>, start: usize) -> Eval<Option<(usize, usize)>> {
    if !behind_private_key(view, start) {
        return Ok(None);
    }
    let end = view.run(start, LONGEST, |byte| alnum(byte) || matches!(byte, b'+' | b'/' | b'='))?;
    Ok((end - start >= WORD).then_some((start, end)))
}

/// Whether nothing but what divides lines is between a private key and `start`.
fn behind_private_key(view: &View<'_>, start: usize) -> bool {
    let mut at = start;
    for _ in 0..16 {
        let before = view.slice(at.saturating_sub(40), at);
        let mask = before.strip_suffix(b"]").and_then(|rest| rest.rsplit(|byte| *byte == b'[').next());
        let masked = mask.is_some_and(|name| name.starts_with(b"PRIVATE_KEY") || name == b"REDACTED");
        if masked || before.ends_with(b"PRIVATE KEY-----") {
            return true;
        }
        at = match before {
            [.., b'\\', b'n' | b'r' | b't'] => at - 2,
            [head @ .., b'>'] if head.contains(&b'<') => {
                at - 1 - head.iter().rev().take_while(|byte| **byte != b'<').count() - 1
            }
            [
                ..,
                b' ' | b'\t' | b'\r' | b'\n' | b'"' | b'\'' | b',' | b';' | b'|' | b'>' | b'[' | b']' | b'\\' | b'+',
            ] => at - 1,
            _ => return false,
        };
    }
    false
}

/// 8 to 10 digits, a colon, `AA` and about 33 characters; the word begins after the colon.
fn telegram(view: &View<'_>, start: usize) -> Eval<Option<(usize, usize)>> {
    if view.slice(start, start + 2) != b"AA" || view.before(start) != Some(b':') {
        return Ok(None);
    }
    let bot = view.run_back(start - 1, 11, |byte| byte.is_ascii_digit());
    let opens = opens(view, bot) || view.slice(bot.saturating_sub(4), bot) == b"/bot";
    if !opens || !(8..=10).contains(&(start - 1 - bot)) {
        return Ok(None);
    }
    let end = view.run(start, 37, url_safe)?;
    Ok(((34..=36).contains(&(end - start)) && mixed(view.slice(start, end))).then_some((bot, end)))
}

/// The bot's number in base64, 6 characters, and 27 or more, with dots between.
fn discord(view: &View<'_>, start: usize) -> Eval<Option<(usize, usize)>> {
    if !matches!(view.at(start)?, Some(b'M' | b'N' | b'O')) {
        return Ok(None);
    }
    let end = view.run(start, 80, dotted)?;
    let word = view.slice(start, end);
    let mut parts = word.split(|byte| *byte == b'.');
    let (Some(number), Some(time), Some(code), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Ok(None);
    };
    let sizes = (23..=28).contains(&number.len()) && time.len() == 6 && (27..=40).contains(&code.len());
    Ok((sizes && digits_in_base64(number) && mixed(code)).then_some((start, end)))
}

/// Whether these are digits in base64: every third of them begins with one of few letters.
fn digits_in_base64(text: &[u8]) -> bool {
    text.chunks(4).all(|group| match group {
        [first, second, ..] => {
            matches!(first, b'M' | b'N' | b'O') && matches!(second, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9')
        }
        rest => rest.iter().all(|byte| matches!(byte, b'M' | b'N' | b'O')),
    })
}

/// 32 hexadecimal digits and the data centre.
fn mailchimp(view: &View<'_>, start: usize) -> Eval<Option<(usize, usize)>> {
    if view.seen(start + 32).is_some_and(|byte| byte != b'-') {
        return Ok(None);
    }
    let end = view.run(start, 40, hyphenated)?;
    let word = view.slice(start, end);
    let key = word.get(..32).filter(|key| key.iter().all(|byte| hex(*byte)) && mixed(key));
    let centre = word.get(32..).and_then(|rest| rest.strip_prefix(b"-us")).unwrap_or_default();
    let right = (1..=2).contains(&centre.len()) && centre.iter().all(u8::is_ascii_digit);
    Ok((key.is_some() && right).then_some((start, end)))
}

/// 32, 8 and 8 hexadecimal digits.
fn mailgun(view: &View<'_>, start: usize) -> Eval<Option<(usize, usize)>> {
    if view.seen(start + 32).is_some_and(|byte| byte != b'-') {
        return Ok(None);
    }
    let end = view.run(start, 51, hyphenated)?;
    let word = view.slice(start, end);
    let right = parts(word, b'-').eq([32, 8, 8]) && word.iter().all(|byte| hex(*byte) || *byte == b'-');
    Ok((right && mixed(word)).then_some((start, end)))
}

/// Tokens of Dropbox that do not end: 11 letters and digits, ten times `A`, 43 characters.
fn dropbox(view: &View<'_>, start: usize) -> Eval<Option<(usize, usize)>> {
    const MIDDLE: &[u8] = b"AAAAAAAAAA";
    if view.seen(start + 11).is_some_and(|byte| byte != b'A') {
        return Ok(None);
    }
    let Some(end) = exactly(view, start, 64, url_safe)? else {
        return Ok(None);
    };
    let (head, tail) = (view.slice(start, start + 11), view.slice(start + 21, end));
    let right = view.slice(start + 11, start + 21) == MIDDLE && head.iter().all(|byte| alnum(*byte));
    Ok((right && varied(head) && mixed(tail)).then_some((start, end)))
}

/// The token of an app of Facebook: its number, `|`, 27 characters; the word begins after the `|`.
fn meta(view: &View<'_>, start: usize) -> Eval<Option<(usize, usize)>> {
    if view.before(start) != Some(b'|') {
        return Ok(None);
    }
    let app = view.run_back(start - 1, 17, |byte| byte.is_ascii_digit());
    if !matches!(start - 1 - app, 15 | 16) || !opens(view, app) {
        return Ok(None);
    }
    let end = exactly(view, start, 27, url_safe)?;
    Ok(end.filter(|end| mixed(view.slice(start, *end))).map(|end| (app, end)))
}

/// A licence key of MaxMind: 6 letters and digits, `_`, 29 of them, `_mmk`.
fn maxmind(view: &View<'_>, start: usize) -> Eval<Option<(usize, usize)>> {
    if view.seen(start + 6).is_some_and(|byte| byte != b'_') {
        return Ok(None);
    }
    let end = view.run(start, 41, |byte| alnum(byte) || byte == b'_')?;
    let word = view.slice(start, end);
    Ok((word.ends_with(b"_mmk") && parts(word, b'_').eq([6, 29, 3]) && mixed(word)).then_some((start, end)))
}

/// The seed of a key of NATS: `S`, a letter that says whose, 56 characters of base32.
fn nats(view: &View<'_>, start: usize) -> Eval<Option<(usize, usize)>> {
    if !matches!(view.slice(start, start + 2), [b'S', b'U' | b'A' | b'C' | b'N' | b'O' | b'P' | b'X']) {
        return Ok(None);
    }
    let end = exactly(view, start, 58, upper)?;
    Ok(end.filter(|end| base32(view.slice(start, *end)) && mixed(view.slice(start, *end))).map(|end| (start, end)))
}

/// `SK` and 32 hexadecimal digits.
fn twilio(view: &View<'_>, start: usize) -> Eval<Option<(usize, usize)>> {
    if view.slice(start, start + 2) != b"SK" {
        return Ok(None);
    }
    let end = view.run(start + 2, 33, hex_any)?;
    let closes = !view.at(end)?.is_some_and(|byte| byte.is_ascii_alphanumeric());
    Ok((end - start == 34 && closes && mixed(view.slice(start + 2, end))).then_some((start, end)))
}

/// 14 characters, `.atlasv1.`, and at least 60.
fn terraform(view: &View<'_>, start: usize) -> Eval<Option<(usize, usize)>> {
    const MARK: &[u8] = b".atlasv1.";
    if view.seen(start + 14).is_some_and(|byte| byte != b'.') {
        return Ok(None);
    }
    if view.run(start, 15, alnum)? - start != 14 {
        return Ok(None);
    }
    let body = start + 14 + MARK.len();
    view.run(start, 14 + MARK.len(), dotted)?;
    if view.slice(start + 14, body) != MARK {
        return Ok(None);
    }
    let end = view.run(body, 100, url_safe)?;
    Ok((end - body >= 60 && mixed(view.slice(body, end))).then_some((start, end)))
}

/// A licence key: 36 letters and digits, and `NRAL`.
fn new_relic(view: &View<'_>, start: usize) -> Eval<Option<(usize, usize)>> {
    if view.seen(start + 39).is_some_and(|byte| byte != b'L') {
        return Ok(None);
    }
    let Some(end) = exactly(view, start, 40, alnum)? else {
        return Ok(None);
    };
    let digits = view.slice(start, end).strip_suffix(b"NRAL").unwrap_or_default();
    // With the region in front where it is not the first.
    let digits = digits.strip_prefix(b"eu01x").or(digits.strip_prefix(b"gov01x")).unwrap_or(digits);
    let digits = digits.strip_prefix(b"x").unwrap_or(digits);
    let right = digits.get(..26).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
    Ok((right && varied(digits)).then_some((start, end)))
}

/// Three characters, a digit, `Q~`, and 31 to 34 characters.
fn azure_client_secret(view: &View<'_>, start: usize) -> Eval<Option<(usize, usize)>> {
    if !matches!(view.slice(start + 3, start + 6), [b'0'..=b'9', b'Q', b'~']) {
        return Ok(None);
    }
    let class = |byte: u8| dotted(byte) || byte == b'~';
    let end = view.run(start, 41, class)?;
    let word = view.slice(start, end);
    Ok(((37..=40).contains(&word.len()) && mixed(word)).then_some((start, end)))
}

/// Keys with the mark of their service where Azure puts one since 2022, and tokens of Azure DevOps.
fn azure_key(view: &View<'_>, start: usize) -> Eval<Option<(usize, usize)>> {
    let class = |byte: u8| alnum(byte) || matches!(byte, b'+' | b'/');
    let end = view.run(start, 90, class)?;
    let word = view.slice(start, end);
    let mark = |at: usize, marks: &[&[u8]]| marks.iter().any(|mark| word.get(at..at + mark.len()) == Some(*mark));
    let marked = match word.len() {
        84 => mark(52, &[b"JQQJ99"]) || mark(76, &[b"AZDO"]),
        80..=86 => mark(75, &[b"+ASt", b"+ABa"]) || mark(76, &[b"+ASt", b"+ABa", b"ACDb", b"AzSe", b"APIM", b"AzFu"]),
        42..=43 => mark(33, &[b"+ASb", b"+AEh", b"+ARm", b"AIoT"]) || mark(32, &[b"+ASb", b"+AEh", b"+ARm"]),
        52 => mark(42, &[b"AzSe", b"ACRs", b"AzCa"]) || mark(44, &[b"AzFu"]),
        _ => false,
    };
    Ok((marked && mixed(word)).then_some((start, end)))
}

/// The signature of a shared access signature: `sig=`, beside other fields, and 32 bytes in base64.
fn azure_signature(view: &View<'_>, start: usize) -> Eval<Option<(usize, usize)>> {
    let Some(from) = start.checked_sub(5) else {
        return Ok(None);
    };
    if !matches!(view.slice(from, start), [b'?' | b'&' | b';' | b' ', b's', b'i', b'g', b'=']) {
        return Ok(None);
    }
    let end = view.run(start, 45, |byte| url_safe(byte) || matches!(byte, b'+' | b'/'))?;
    Ok((end - start == 43 && mixed(view.slice(start, end))).then_some((start, end)))
}

/// `00D` and the rest of an organisation's id, `!`, and at least 80 characters: the word begins after the `!`.
fn salesforce(view: &View<'_>, start: usize) -> Eval<Option<(usize, usize)>> {
    if view.before(start) != Some(b'!') {
        return Ok(None);
    }
    let id = view.run_back(start - 1, 19, alnum);
    let organisation = matches!(start - 1 - id, 15 | 18) && view.slice(id, start).starts_with(b"00D");
    if !organisation {
        return Ok(None);
    }
    let end = view.run(start, 120, dotted)?;
    Ok((end - start >= 80 && mixed(view.slice(start, end))).then_some((id, end)))
}

/// Whether a word is one that a key could be, by nothing but its looks: letters and digits in no order.
pub(super) fn random(word: &[u8]) -> bool {
    let kind = |byte: &u8| match byte {
        b'0'..=b'9' => 0,
        b'a'..=b'z' => 1,
        b'A'..=b'Z' => 2,
        _ => 3,
    };
    let digits = word.iter().filter(|byte| byte.is_ascii_digit()).count();
    let letters = word.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    let signs = word.len() - digits - letters;
    let changes = word
        .windows(2)
        .filter(|pair| matches!(pair, [one, other] if kind(one).max(kind(other)) < 3 && kind(one) != kind(other)))
        .count();
    let shaped = uuid(word) || signs * 6 <= word.len() && changes * 6 >= word.len();
    // With one digit only where capitals and small letters take turns as in no name.
    let digits = digits >= 2 || digits == 1 && changes * 5 >= word.len() * 2;
    digits && letters >= 2 && shaped && varied(word)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn random_is_what_no_one_would_write() {
        for word in [
            "9fceb02d0ae598e95dc970b74767f193",
            "wJalrXUtnFEMI7MDENG2bPxRfiCYEXAMPLE",
            "550e8400-e29b-41d4-a716-446655440000",
        ] {
            assert!(random(word.as_bytes()), "{word}");
        }
        for word in [
            "max_completion_tokens_2024",
            "text-embedding-3-large-preview",
            "2026-11-23T01:22:05",
            "your-secret-key-goes-here",
            "00000000000000000000",
        ] {
            assert!(!random(word.as_bytes()), "{word}");
        }
    }
}
