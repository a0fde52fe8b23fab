//! The detectors: from a clue to a match.

mod aws_secret;
mod card;
mod date;
mod email;
mod keys;
mod number;
mod pem;
mod ssn;

use crate::prefilter::{Anchor, Clue};
use crate::view::{Eval, View};
use crate::{Detector, DetectorSet};

/// The longest stretch before a clue that may belong to its match, apart from date words.
const TOKEN: usize = 64;

/// No literal is longer.
pub(crate) const LONGEST_LITERAL: usize = 11;

/// A stretch of sensitive data.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Match {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) detector: Detector,
    /// What of the following also belongs to it, however long that is.
    pub(crate) tail: Option<Tail>,
}

impl Match {
    fn new(detector: Detector, start: usize, end: usize) -> Self {
        Match { start, end, detector, tail: None }
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
    /// The prefix of the key format of this number.
    Key(usize),
    /// Part of a PEM header.
    Begin,
    /// Part of the word "secret".
    Secret,
}

/// Every literal; of equal ones the first counts.
pub(crate) fn literals() -> impl Iterator<Item = (&'static str, Literal)> {
    let keys = keys::FORMATS.iter().enumerate().map(|(number, format)| (format.prefix, Literal::Key(number)));
    let others = [(pem::CLUE, Literal::Begin), ("ecret", Literal::Secret), ("ECRET", Literal::Secret)];
    keys.chain(others)
}

/// The match that a clue points to, of one of the detectors wanted.
pub(crate) fn examine(view: &View<'_>, anchor: Anchor, wanted: DetectorSet) -> Eval<Option<Match>> {
    let at = anchor.at;
    match anchor.clue {
        Clue::At if wanted.contains(Detector::Email) => email::examine(view, at),
        Clue::Digits => number::examine(view, at, wanted),
        Clue::Literal(Literal::Key(number)) => keys::examine(view, at, number, wanted),
        Clue::Literal(Literal::Begin) if wanted.contains(Detector::PrivateKey) => pem::examine(view, at),
        Clue::Literal(Literal::Secret) if wanted.contains(Detector::AwsKey) => aws_secret::examine(view, at),
        _ => Ok(None),
    }
}

/// The earliest position at which a match may start whose clue is at `to` or comes later: what stands
/// before it is decided. Normally the start of the token that ends at `to`; for a date or a number in
/// groups also the up to two short words before.
pub(crate) fn earliest(view: &View<'_>, to: usize) -> usize {
    let mut start =
        view.run_back(to, TOKEN, |byte| byte.is_ascii_alphanumeric() || !byte.is_ascii() || b"._%+-/".contains(&byte));
    for _ in 0..2 {
        let word = view.run_back(start, 2, |byte| matches!(byte, b' ' | b','));
        let from = view.run_back(word, 12, |byte| byte.is_ascii_alphanumeric() || byte == b'.');
        if word == start || from == word || !date::may_be_part(view.slice(from, word)) {
            break;
        }
        start = from;
    }
    start
}
