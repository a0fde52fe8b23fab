//! What becomes of content that detectors do not decide on: attachments, what cannot be read, responses.

use crate::DetectorSet;

/// How often encodings within encodings are undone, where a rule says nothing else.
const NESTING: u8 = 3;
/// Bytes that one stream's content codings and containers may unfold to, where a rule says nothing else.
const UNFOLDED: u64 = 256 * 1024 * 1024;

/// How content is treated.
#[derive(Clone, Debug, PartialEq)]
pub struct ContentRules {
    /// Files that a request carries.
    pub attachments: Attachments,
    /// What cannot be looked into: an unknown content coding, an encrypted or broken archive, what is over a bound.
    pub unreadable: Unreadable,
    /// Layers of base64, percent encoding and JSON in JSON that are undone, at most [`ContentRules::DEEPEST`].
    pub nesting: u8,
    /// Bytes that content codings and containers of one stream may unfold to; what is over it counts as unreadable.
    pub unfolded: u64,
    /// What responses are looked through for; `None` where they pass unread.
    pub responses: Option<ResponseRules>,
}

/// What becomes of content that cannot be looked into.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq, Hash)]
pub enum Unreadable {
    /// The request is refused.
    #[default]
    Deny,
    /// A human decides.
    Approve,
    /// It passes as it is, and the record says so.
    Pass,
}

/// What becomes of files that a request carries, by what they are. Refusing wins over taking away.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Attachments {
    /// These are taken away; the rest of the request passes.
    pub strip: Attachment,
    /// The request is refused because of these.
    pub deny: Attachment,
}

/// Which files: those that any of these holds for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Attachment {
    /// Media types in small letters, as declared or as the bytes say: `application/pdf`, `image/*`, `*`.
    pub types: Vec<Box<str>>,
    /// File names in small letters, `*` for any characters: `*.docx`.
    pub names: Vec<Box<str>>,
    /// Larger than so many bytes.
    pub over: Option<u64>,
}

/// What a response is looked through for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResponseRules {
    /// Replaced by a mask.
    pub redact: DetectorSet,
    /// Stops the response.
    pub deny: DetectorSet,
    /// Recorded only.
    pub report: DetectorSet,
    /// The longest body that may come back, in bytes.
    pub max_bytes: Option<u64>,
    /// What becomes of text that reads like orders to an agent; `None`: nobody looks.
    pub markers: Option<Markers>,
}

/// What becomes of a response with the marks of a prompt injection.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash)]
pub enum Markers {
    /// It passes and is recorded.
    Report,
    /// It is stopped.
    Deny,
}

impl ContentRules {
    /// No more layers of encoding are ever undone.
    pub const DEEPEST: u8 = 8;

    /// As it is where a rule says nothing but this.
    pub const fn plain(unreadable: Unreadable) -> ContentRules {
        ContentRules {
            attachments: Attachments { strip: Attachment::NONE, deny: Attachment::NONE },
            unreadable,
            nesting: NESTING,
            unfolded: UNFOLDED,
            responses: None,
        }
    }
}

impl Default for ContentRules {
    fn default() -> Self {
        ContentRules::plain(Unreadable::Deny)
    }
}

impl Attachments {
    /// Whether nothing is asked about files.
    pub fn is_empty(&self) -> bool {
        self.strip.is_empty() && self.deny.is_empty()
    }
}

impl Attachment {
    const NONE: Attachment = Attachment { types: Vec::new(), names: Vec::new(), over: None };

    /// Whether it is no file at all.
    pub fn is_empty(&self) -> bool {
        self.types.is_empty() && self.names.is_empty() && self.over.is_none()
    }

    /// Whether a file of one of these media types (declared, sniffed) is among them. Parameters of a type and case do not matter.
    pub fn has_type<'t>(&self, types: impl IntoIterator<Item = &'t str>) -> bool {
        !self.types.is_empty()
            && types.into_iter().any(|one| {
                let essence = one.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
                self.types.iter().any(|pattern| wild(pattern.as_bytes(), essence.as_bytes()))
            })
    }

    /// Whether a file of this name is among them. A path before the name does not matter, nor does case.
    pub fn has_name(&self, name: &str) -> bool {
        let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
        // As Windows does: blanks and dots at the end are no part of a name.
        let last = last.trim().trim_end_matches(['.', ' ']).to_lowercase();
        self.names.iter().any(|pattern| wild(pattern.as_bytes(), last.as_bytes()))
    }

    /// Whether a file of so many bytes is among them.
    pub fn has_size(&self, bytes: u64) -> bool {
        self.over.is_some_and(|over| bytes > over)
    }
}

/// Whether a pattern with `*` for any bytes matches the whole text, in time of at most their lengths' product.
fn wild(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    // The last star and where its stretch ends so far.
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = text.get(from) {
        match (pattern.get(at), star) {
            (Some(b'*'), _) => {
                star = Some((at + 1, from));
                at += 1;
            }
            (Some(same), _) if same == byte => (at, from) = (at + 1, from + 1),
            (_, Some((after, reached))) => {
                star = Some((after, reached + 1));
                (at, from) = (after, reached + 1);
            }
            (_, None) => return false,
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|rest| *rest == b'*')
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn stars() {
        for (pattern, text, yes) in [
            ("*", "", true),
            ("*", "a/b", true),
            ("image/*", "image/png", true),
            ("image/*", "images/png", false),
            ("*.docx", "a.docx", true),
            ("*.docx", "a.docx.txt", false),
            ("*secret*", "my-secret-file", true),
            ("a*b*c", "aXbXbYc", true),
            ("a*b*c", "aXbXbY", false),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(wild(pattern.as_bytes(), text.as_bytes()), yes, "{pattern} {text}");
        }
    }

    #[test]
    fn files() {
        let which = Attachment {
            types: vec!["application/pdf".into(), "image/*".into()],
            names: vec!["*.docx".into()],
            over: Some(100),
        };
        assert!(which.has_type(["text/plain", "Application/PDF; x=1"]));
        assert!(!which.has_type(["text/plain"]) && !which.has_type([]));
        assert!(which.has_name("C:\\docs\\A.DOCX") && which.has_name("a.docx. ") && !which.has_name("a.docx/b"));
        assert!(which.has_size(101) && !which.has_size(100) && !Attachment::default().has_size(u64::MAX));
        assert!(Attachment::default().is_empty() && !Attachment::default().has_name(""));
    }
}
