//! What a stream may do next, why it stops, and what was done to it besides redaction.

use std::fmt;

use crate::{Detector, Place};

/// What a [`Stream`](crate::Stream) may do next.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use = "a denied stream must not go on"]
pub enum StreamFlow {
    /// Send what was put out and go on.
    Continue,
    /// Stop. Nothing of what is the reason has been put out.
    Deny(Why),
}

/// Why a stream stops.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Why {
    /// A detector has matched whose action is deny, or whose match cannot be redacted where it stands.
    Detector(Detector),
    /// A detector has matched that a human has to approve.
    Approval(Detector),
    /// Content that cannot be looked into, or a file that may not be sent.
    Opaque(Opaque),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Detector(detector) => write!(f, "the body holds data that must not leave ({detector})"),
            Why::Approval(detector) => write!(f, "the body holds data that needs an approval ({detector})"),
            Why::Opaque(opaque) => opaque.fmt(f),
        }
    }
}

/// Content that is not let through because of what it is, not of what was found in it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub struct Opaque {
    /// What is the matter with it.
    pub reason: Reason,
    /// Whether the rule lets a human decide.
    pub approvable: bool,
    /// Which part of the body; empty for the body itself. Written as in [`Place::Body`](crate::Place::Body).
    pub path: Box<str>,
}

impl Opaque {
    /// What is the matter with what stands at this place.
    pub fn told_of(&self, place: Option<&Place>) -> String {
        match place {
            Some(place @ (Place::Url | Place::Header(_))) => format!("the {place} {}", self.reason),
            _ => self.to_string(),
        }
    }
}

impl fmt::Display for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.path {
            "" => write!(f, "the body {}", self.reason),
            path => write!(f, "the body's {path} {}", self.reason),
        }
    }
}

/// What is the matter with content that is not let through.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reason {
    /// A content coding, or a compression within, that Aegis does not know, by its name.
    UnknownCoding(Box<str>),
    /// More codings on top of each other than [`MAX_CODINGS`](crate::MAX_CODINGS).
    TooManyCodings,
    /// It is not what it says it is: `compressed data`, `multipart`, ...
    Broken(&'static str),
    /// Two readers could read it in two ways: `multipart`, ...
    Ambiguous(&'static str),
    /// It unfolds to more than the rule's bound or a bound of Aegis: which.
    TooLarge(&'static str),
    /// Encrypted.
    Encrypted,
    /// A kind of file that Aegis has no reader for, by its media type.
    Unreadable(&'static str),
    /// A file that the rule does not let out: because of its type, its name or its size.
    Attachment(&'static str),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::UnknownCoding(name) => write!(f, "is compressed in a way that Aegis does not know ({name})"),
            Reason::TooManyCodings => f.write_str("is compressed too many times over"),
            Reason::Broken(what) => write!(f, "is no whole {what}"),
            Reason::Ambiguous(what) => write!(f, "is {what} that can be read in more than one way"),
            Reason::TooLarge(bound) => write!(f, "is over a bound: {bound}"),
            Reason::Encrypted => f.write_str("is encrypted"),
            Reason::Unreadable(kind) => write!(f, "is of a kind that cannot be looked into ({kind})"),
            Reason::Attachment(which) => write!(f, "is a file that may not be sent (its {which})"),
        }
    }
}

/// Something that was done to a body besides redaction, for the record and whoever has to know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Remark {
    /// What was done.
    pub deed: Deed,
    /// Why.
    pub reason: Reason,
    /// Which part of the body; empty for the body itself.
    pub path: Box<str>,
}

/// What a [`Remark`] tells.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Deed {
    /// It passed, and was not or not wholly read.
    Unread,
    /// It was taken out, and a note put in its place.
    Removed,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let deed = match self.deed {
            Deed::Unread => "passed unread",
            Deed::Removed => "was removed",
        };
        let path = if self.path.is_empty() { "the body" } else { &*self.path };
        write!(f, "{path} {deed}: it {}", self.reason)
    }
}

/// What the `Content-Encoding` field of the output says.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum OutputEncoding {
    /// What the input's said.
    Same,
    /// Nothing: the codings were undone, and the field has to go.
    Identity,
}
