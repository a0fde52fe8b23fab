//! Streaming detection and redaction of sensitive data in what an agent sends.
//!
//! A [`Scanner`] takes a body in chunks of any size and gives back the same bytes with every match of a
//! redacting detector replaced by its mask, [`scan_field`] does the same for a header value and
//! [`scan_url`] for a path and query. All three run the same detectors over the *decoded* content (JSON
//! escapes, percent encoding) and map what they find back onto the bytes that were sent, so whatever is
//! not part of a match leaves byte for byte as it came.
//!
//! The crate is pure: no I/O, no clock, no threads. What a stream yields depends on its bytes alone,
//! never on how they were cut into chunks. `docs/dlp.md` describes each detector with examples.

mod coding;
mod container;
mod content;
mod context;
mod descriptor;
mod detect;
mod detector;
mod finding;
mod format;
mod lanes;
mod markers;
mod mask;
mod nested;
mod opening;
mod own;
mod place;
mod prefilter;
mod profile;
mod scanner;
mod seam;
mod stream;
mod text;
mod url;
mod view;
mod wire;

pub use coding::MAX_CODINGS;
pub use content::{Attachment, Attachments, ContentRules, Markers, ResponseRules, Unreadable};
pub use descriptor::{DescriptorError, Descriptors, MessageType, NotOneMessage};
pub use detector::{Detector, DetectorSet, Group, UnknownDetector};
pub use finding::{Confidence, Finding, MAX_FINDINGS, Place};
pub use format::Format;
pub use markers::Watch;
pub use mask::{Mask, MaskKey, MaskSecret, Masks};
pub use own::{
    Dictionary, DictionaryBuilder, DictionaryError, Finder, OwnDetector, OwnDetectors, OwnName, OwnNameError, Pattern,
    PatternError,
};
pub use profile::{Action, Details, Profile};
pub use scanner::{Flow, HOLD_BACK, Scanner};
pub use seam::{Joined, SEAM, Seam};
pub use stream::{
    Deed, Described, MethodBody, Opaque, OutputEncoding, Reason, Remark, STREAM_MEMORY, Stream, StreamFlow, Why,
};
pub use text::{Scanned, masked, scan_field, scan_json, scan_text};
pub use url::scan_url;
pub use view::Charset;
