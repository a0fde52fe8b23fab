//! What a rule, or its policy for all of them, says of sensitive data and of content.

use std::sync::Arc;

use aegis_dlp::{
    Attachment, Attachments, ContentRules, Descriptors, Details, Detector, DetectorSet, Markers, Mask, Masks,
    MessageType, OwnDetectors, Profile, ResponseRules, Unreadable,
};

use crate::schema::descriptors::message;
use crate::schema::words;
use crate::source::cursor::{Cursor, Fields};
use crate::source::node::Node;

const KEYS: [&str; 12] = [
    "redact",
    "deny",
    "approve",
    "report",
    "masks",
    "attachments",
    "unreadable",
    "nesting",
    "max_unfolded",
    "responses",
    "message",
    "tell",
];

/// Types and names of attachments in one list, and the bytes of each.
const MOST_PATTERNS: usize = 100;
const LONGEST_PATTERN: usize = 128;

/// What stands in `dlp`. `None` where the key is not given.
#[derive(Debug, Default, Clone)]
pub(crate) struct Dlp {
    pub(crate) sets: Sets,
    masks: Option<Masks>,
    attachments: Option<Attachments>,
    unreadable: Option<Unreadable>,
    nesting: Option<u8>,
    unfolded: Option<u64>,
    responses: Option<ResponseRules>,
    message: Option<MessageType>,
    tell: Option<bool>,
}

/// Detectors by what a match of theirs leads to. `None` where the key is not given.
#[derive(Debug, Default, Copy, Clone)]
pub(crate) struct Sets {
    pub(crate) redact: Option<DetectorSet>,
    pub(crate) deny: Option<DetectorSet>,
    pub(crate) approve: Option<DetectorSet>,
    pub(crate) report: Option<DetectorSet>,
}

/// Reads a `dlp`; `own` are the detectors and `descriptors` the message types that the policies declare.
pub(super) fn read(at: &Cursor<'_>, own: &OwnDetectors, descriptors: &Descriptors) -> Dlp {
    let fields = at.fields(&KEYS);
    Dlp {
        sets: sets(&fields, own),
        masks: fields.get("masks").map(|at| masks(at, own)),
        attachments: fields.get("attachments").map(attachments),
        unreadable: fields.get("unreadable").and_then(unreadable),
        nesting: fields.get("nesting").and_then(nesting),
        unfolded: fields.get("max_unfolded").and_then(size),
        responses: fields.get("responses").map(|at| responses(at, own)),
        message: fields.get("message").and_then(|at| message(at, descriptors)),
        tell: fields.get("tell").and_then(Cursor::boolean),
    }
}

/// Reads a `must_dlp`, which asks for detectors alone.
pub(crate) fn must(at: &Cursor<'_>, own: &OwnDetectors) -> Sets {
    sets(&at.fields(&["redact", "deny", "approve", "report"]), own)
}

fn sets(fields: &Fields<'_>, own: &OwnDetectors) -> Sets {
    let set = |key| detectors(fields, key, own);
    Sets { redact: set("redact"), deny: set("deny"), approve: set("approve"), report: set("report") }
}

fn detectors(fields: &Fields<'_>, key: &str, own: &OwnDetectors) -> Option<DetectorSet> {
    fields.get(key)?;
    let sets = fields.list(key, |item| named(item, item.string()?, own));
    Some(sets.into_iter().fold(DetectorSet::EMPTY, DetectorSet::union))
}

/// A detector or a group of them. Of a tenant's own only those that these policies declare: others that the process has heard
/// of are none of theirs.
fn named(at: &Cursor<'_>, name: &str, own: &OwnDetectors) -> Option<DetectorSet> {
    if name == "own" {
        if own.is_empty() {
            at.problem_with("no detector is declared", "none", "declare some: `detectors:` at the top of a file");
        }
        return Some(own.names());
    }
    let declared = own.all().iter().find(|one| one.name.name() == name);
    if let Some(one) = declared {
        return Some(Detector::Own(one.name).into());
    }
    match DetectorSet::parse(name) {
        Ok(set) if set.iter().all(|one| !matches!(one, Detector::Own(_))) => Some(set),
        known => {
            let help = match known {
                Err(unknown) => unknown.to_string(),
                Ok(_) => format!("declare `{name}` under `detectors` at the top of a file"),
            };
            at.problem_with(format!("unknown detector `{name}`"), "unknown detector", help);
            None
        }
    }
}

/// Groups first, so that what is said of a single detector holds.
fn masks(at: &Cursor<'_>, own: &OwnDetectors) -> Masks {
    let (mut usual, mut groups, mut single) = (Mask::Typed, Vec::new(), Vec::new());
    for (name, key, value) in at.entries() {
        let Some(mask) = words::one_of(&value, &Mask::WORDS) else { continue };
        if name == "default" {
            usual = mask;
            continue;
        }
        let Some(set) = named(&key, name, own) else { continue };
        let listed = if set.iter().nth(1).is_some() { &mut groups } else { &mut single };
        listed.extend(set.iter().map(|detector| (detector, mask)));
    }
    Masks::new(usual, groups.into_iter().chain(single))
}

fn attachments(at: &Cursor<'_>) -> Attachments {
    let fields = at.fields(&["strip", "deny"]);
    let which = |key| fields.get(key).map(attachment).unwrap_or_default();
    Attachments { strip: which("strip"), deny: which("deny") }
}

fn attachment(at: &Cursor<'_>) -> Attachment {
    let fields = at.fields(&["types", "names", "over"]);
    for key in ["types", "names"] {
        if let Some(at) = fields.get(key).filter(|at| at.list().len() > MOST_PATTERNS) {
            at.problem(format!("at most {MOST_PATTERNS} can be named"), "too many");
        }
    }
    let over = fields.get("over").and_then(size);
    let which = Attachment { types: fields.list("types", media_type), names: fields.list("names", file_name), over };
    if which.is_empty() {
        at.problem_with("no file is named", "nothing in it", "name `types`, `names` or `over`: any of them counts");
    }
    which
}

fn media_type(at: &Cursor<'_>) -> Option<Box<str>> {
    let text = at.string()?.to_ascii_lowercase();
    let part = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&^_.+-*".contains(&byte))
    };
    let formed = text == "*" || text.split_once('/').is_some_and(|(kind, subtype)| part(kind) && part(subtype));
    if !formed || text.len() > LONGEST_PATTERN {
        at.problem_with(format!("`{text}` is not a media type"), "not a type", "such as application/pdf or image/*");
        return None;
    }
    Some(text.into())
}

fn file_name(at: &Cursor<'_>) -> Option<Box<str>> {
    let text = at.string()?.to_lowercase();
    if text.is_empty()
        || text.len() > LONGEST_PATTERN
        || text.contains(['/', '\\'])
        || text.chars().any(char::is_control)
    {
        at.problem_with(
            "not a pattern for a file's name",
            "not a name",
            "such as *.docx: no path, `*` for any characters",
        );
        return None;
    }
    Some(text.into())
}

fn unreadable(at: &Cursor<'_>) -> Option<Unreadable> {
    words::one_of(at, &[("deny", Unreadable::Deny), ("approve", Unreadable::Approve), ("pass", Unreadable::Pass)])
}

fn nesting(at: &Cursor<'_>) -> Option<u8> {
    let what = format!("a number of layers, 0 to {}", ContentRules::DEEPEST);
    let layers: u8 = at.integer(&what)?;
    if layers > ContentRules::DEEPEST {
        at.problem(format!("{layers} is not {what}"), "too deep");
    }
    Some(layers)
}

fn responses(at: &Cursor<'_>, own: &OwnDetectors) -> ResponseRules {
    let fields = at.fields(&["redact", "deny", "report", "max_bytes", "markers"]);
    let set = |key| detectors(&fields, key, own).unwrap_or_default();
    let words = [("report", Markers::Report), ("deny", Markers::Deny)];
    ResponseRules {
        redact: set("redact"),
        deny: set("deny"),
        report: set("report"),
        max_bytes: fields.get("max_bytes").and_then(size),
        markers: fields.get("markers").and_then(|at| words::one_of(at, &words)),
    }
}

/// A number of bytes, or with a unit: `1MiB`.
fn size(at: &Cursor<'_>) -> Option<u64> {
    const UNITS: [(&str, u64); 6] =
        [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("kB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000)];
    let bytes = match at.node {
        Node::Number(number) => number.as_u64(),
        Node::String(text) => UNITS.iter().find_map(|(unit, factor)| {
            let number = text.strip_suffix(unit)?.trim_end();
            let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
            number.parse::<u64>().ok().filter(|_| digits)?.checked_mul(*factor)
        }),
        _ => None,
    };
    if bytes.is_none() {
        at.problem_with("expected a size", "not a size", "a number of bytes, or such as 64KiB, 10MB, 1GiB");
    }
    bytes
}

impl Dlp {
    /// What holds for a rule: its own, key by key, else its policy's.
    pub(super) fn profile(self, policy: &Dlp, own: &OwnDetectors, descriptors: &Descriptors) -> Profile {
        let sets = (self.sets, policy.sets);
        let pick = |of: fn(&Sets) -> Option<DetectorSet>| of(&sets.0).or(of(&sets.1)).unwrap_or_default();
        let mut profile = Profile {
            redact: pick(|sets| sets.redact),
            deny: pick(|sets| sets.deny),
            approve: pick(|sets| sets.approve),
            report: pick(|sets| sets.report),
            ..Profile::default()
        };
        let usual = ContentRules::default();
        let responses = self.responses.or_else(|| policy.responses.clone());
        let in_responses = responses.as_ref().map(|rules| rules.redact.union(rules.deny).union(rules.report));
        let wanted = profile.detectors().union(in_responses.unwrap_or_default());
        let details = Details {
            masks: self.masks.or_else(|| policy.masks.clone()).unwrap_or_default(),
            content: ContentRules {
                attachments: self.attachments.or_else(|| policy.attachments.clone()).unwrap_or_default(),
                unreadable: self.unreadable.or(policy.unreadable).unwrap_or_default(),
                nesting: self.nesting.or(policy.nesting).unwrap_or(usual.nesting),
                unfolded: self.unfolded.or(policy.unfolded).unwrap_or(usual.unfolded),
                responses,
            },
            own: if wanted.intersects(own.names()) { own.clone() } else { OwnDetectors::NONE },
            descriptors: if wanted.is_empty() { Descriptors::NONE } else { descriptors.clone() },
            message: self.message.or_else(|| policy.message.clone()),
            tell: self.tell.or(policy.tell).unwrap_or_default(),
        };
        if details != Details::default() {
            profile.details = Some(Arc::new(details));
        }
        profile
    }
}
