//! The detectors: from a clue to a match.

mod card;
mod credentials;
mod date;
mod email;
mod hashed;
mod iban;
mod key_name;
mod keys;
mod named;
mod network;
mod number;
mod password;
mod pem;
mod phone;
mod place;
mod ssn;
mod travel;
mod wallet;
mod words;

use crate::finding::Confidence;
use crate::prefilter::{Anchor, Clue, Sign, WORD, in_word};
use crate::view::{Eval, View};
use crate::{Detector, DetectorSet, OwnName};

pub(crate) use keys::may_begin_key;
pub(crate) use number::may_go_on;
pub(crate) use travel::small_lead;

/// The longest stretch before a clue that may belong to its match, apart from words of a date and groups of a number.
const TOKEN: usize = 64;

/// A stretch of sensitive data.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Match {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) detector: Detector,
    pub(crate) confidence: Confidence,
    /// What of the following also belongs to it, however long that is.
    pub(crate) tail: Option<Tail>,
}

impl Match {
    fn new(detector: Detector, confidence: Confidence, start: usize, end: usize) -> Self {
        Match { start, end, detector, confidence, tail: None }
    }
}

/// The rest of a match, consumed as it comes.
#[derive(Copy, Clone, Debug)]
pub(crate) enum Tail {
    /// As long as bytes are of this class.
    Run(fn(u8) -> bool),
    /// Up to the end of the PEM block, at most so many bytes.
    Pem(usize),
}

impl Tail {
    /// Where the tail ends when it goes on at `from`, or as far as can be said (`Err`): then the tail to go on with.
    pub(crate) fn follow(self, view: &View<'_>, from: usize) -> Result<usize, (usize, Tail)> {
        match self {
            Tail::Run(class) => {
                let rest = view.slice(from, view.bytes.len());
                match rest.iter().position(|byte| !class(*byte)) {
                    Some(length) => Ok(from + length),
                    None if view.end => Ok(view.bytes.len()),
                    None => Err((view.bytes.len(), self)),
                }
            }
            Tail::Pem(budget) => pem::follow(view, from, budget).map_err(|(at, left)| (at, Tail::Pem(left))),
        }
    }
}

/// A literal that points to a secret.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Literal {
    /// Part of a PEM header.
    Begin,
    /// After the scheme of a URL.
    Scheme,
    /// Part of "password", "passwd", "pass", "pwd", "pw".
    Password,
    /// Before the password of a user of a database.
    Identified,
    /// Before the user and password that a program is called with.
    User,
    /// Before credentials of HTTP's Basic scheme.
    Basic,
    /// Inside of an access token of Braintree.
    Braintree,
}

/// Every literal. They are few, or else the search for them gets slow.
pub(crate) const LITERALS: &[(&str, Literal)] = &[
    (pem::CLUE, Literal::Begin),
    ("://", Literal::Scheme),
    ("pass", Literal::Password),
    ("Pass", Literal::Password),
    ("PASS", Literal::Password),
    ("pw:", Literal::Password),
    ("pw=", Literal::Password),
    ("pw\"", Literal::Password),
    ("PW:", Literal::Password),
    ("PW=", Literal::Password),
    ("PW\"", Literal::Password),
    ("IDENTIFIED", Literal::Identified),
    ("identified", Literal::Identified),
    ("-u ", Literal::User),
    ("--user ", Literal::User),
    ("pwd", Literal::Password),
    ("Pwd", Literal::Password),
    ("PWD", Literal::Password),
    ("Basic ", Literal::Basic),
    (credentials::BRAINTREE, Literal::Braintree),
];

/// The match that a clue points to, of one of the detectors wanted.
pub(crate) fn examine(view: &View<'_>, anchor: Anchor, wanted: DetectorSet) -> Eval<Option<Match>> {
    let at = anchor.at;
    if let Clue::Literal(literal) = anchor.clue
        && !stands(view, at, literal)
    {
        return Ok(None);
    }
    match anchor.clue {
        Clue::Signs(sign) => examine_signs(view, at, sign, wanted),
        Clue::Literal(Literal::Begin) if wanted.contains(Detector::PrivateKey) => pem::examine(view, at),
        Clue::Literal(Literal::Scheme) if wanted.contains(Detector::ConnectionString) => {
            credentials::in_url(view, at, wanted)
        }
        Clue::Literal(Literal::Password) => password::named(view, at, wanted),
        Clue::Literal(Literal::Identified) => password::identified(view, at, wanted),
        Clue::Literal(Literal::User) if wanted.contains(Detector::Password) => password::of_user(view, at),
        Clue::Literal(Literal::Basic) if wanted.contains(Detector::BasicAuth) => credentials::basic(view, at),
        Clue::Literal(Literal::Braintree) if wanted.contains(Detector::PaypalToken) => credentials::braintree(view, at),
        Clue::Literal(_) => Ok(None),
    }
}

/// Whether the literal that ends at `at` is still there, not part of what was replaced.
fn stands(view: &View<'_>, at: usize, literal: Literal) -> bool {
    let ends =
        |text: &str| (at + 1).checked_sub(text.len()).is_some_and(|start| view.slice(start, at + 1) == text.as_bytes());
    LITERALS.iter().any(|(text, other)| *other == literal && ends(text))
}

fn examine_signs(view: &View<'_>, at: usize, sign: Sign, wanted: DetectorSet) -> Eval<Option<Match>> {
    if sign.has(Sign::HARDWARE)
        && let Some(found) = network::hardware(view, at)?
    {
        return Ok(Some(found));
    }
    if sign.has(Sign::KEY)
        && let Some(found) = keys::examine(view, at, wanted)?
    {
        return Ok(Some(found));
    }
    if sign.has(Sign::WORD)
        && let Some(found) = words::examine(view, at, wanted)?
    {
        return Ok(Some(found));
    }
    if sign.has(Sign::AT) && wanted.contains(Detector::Email) {
        return email::examine(view, at);
    }
    if sign.has(Sign::PLUS) && wanted.contains(Detector::Phone) {
        return phone::international(view, at);
    }
    if sign.has(Sign::COLON) && wanted.contains(Detector::IpAddress) {
        return network::version_6(view, at);
    }
    if sign.has(Sign::DIGITS) || sign.has(Sign::GROUPS) {
        return number::examine(view, at, sign.has(Sign::DIGITS), wanted);
    }
    Ok(None)
}

/// The earliest position at which a match may start whose clue is at `to` or comes later: what stands
/// before it is decided. Normally the start of the token that ends at `to`; for a date or a number in
/// groups also the up to four short words before.
pub(crate) fn earliest(view: &View<'_>, to: usize) -> usize {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || !byte.is_ascii() || b"._%+-/~:<$(!".contains(&byte);
    let mut start = view.run_back(to, TOKEN, token);
    for _ in 0..4 {
        let word = view.run_back(start, 2, |byte| matches!(byte, b' ' | b',' | b')'));
        let from =
            view.run_back(word, 12, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'(' | b'+' | b'-'));
        // Letters of a number stand alone, whatever sign is before them.
        let letters = view.run_back(word, 5, |byte| byte.is_ascii_uppercase());
        let alone = (1..5).contains(&(word - letters)) && view.opens(letters);
        if word == start || from == word {
            break;
        } else if may_be_part(view.slice(from, word)) {
            start = from;
        } else if alone {
            start = letters;
        } else {
            break;
        }
    }
    start
}

/// Whether a word may be the day or month of a date, or a group of a number, that goes on after it.
fn may_be_part(word: &[u8]) -> bool {
    date::is_month(word) || word.iter().any(u8::is_ascii_digit)
}

/// Waits for the bytes after a match that could complete a clue begun inside of it.
pub(crate) fn settled(view: &View<'_>, end: usize) -> Eval<()> {
    let after = view.run(end, WORD, in_word)?;
    // Groups of a number, and a literal with a blank or a sign in it.
    view.run(after, 6, |byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'-'..=b'/' | b'(' | b')' | b':' | b'$' | b'=')
    })?;
    Ok(())
}

/// Whether the byte at `at` is inside of a mask as Aegis writes them: its words say nothing of what follows, for the
/// output must hold nothing to be found.
pub(crate) fn is_mask(text: &[u8], at: usize) -> bool {
    let name = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
    let before = text.get(..at).unwrap_or_default();
    let open = before.iter().rposition(|byte| !name(byte));
    let Some(open) = open.filter(|open| text.get(*open) == Some(&b'[')) else {
        return false;
    };
    let rest = text.get(open + 1..).unwrap_or_default();
    let length = rest.iter().position(|byte| !name(byte)).unwrap_or(rest.len());
    matches!(rest.get(length), Some(b']' | b':')) && is_mask_name(rest.get(..length).unwrap_or_default())
}

/// Whether masks have this name.
fn is_mask_name(name: &[u8]) -> bool {
    let is = |mask: &str| mask.as_bytes().get(1..mask.len() - 1) == Some(name);
    name == b"REDACTED"
        || Detector::ALL.into_iter().any(|detector| is(detector.mask()))
        || OwnName::all().any(|own| is(own.mask()))
}

/// Whether a mask begins at `position`.
fn mask_at(view: &View<'_>, position: usize) -> Eval<bool> {
    // With a quote where JSON needs one.
    let position = position + usize::from(view.json && view.at(position)? == Some(b'"'));
    if view.at(position)? != Some(b'[') {
        return Ok(false);
    }
    let end =
        view.run(position + 1, TOKEN, |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')?;
    let closes = matches!(view.at(end)?, Some(b']' | b':'));
    Ok(closes && is_mask_name(view.slice(position + 1, end)))
}
