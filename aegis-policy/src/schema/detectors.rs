//! A tenant's own detectors, as files declare them: read before everything that may name them.

use std::collections::HashMap;

use aegis_dlp::{Confidence, Dictionary, Finder, OwnDetector, OwnDetectors, OwnName, Pattern};

use crate::schema::words;
use crate::source::cursor::{Cursor, Fields};
use crate::source::diagnostics::Source;

/// Values that are written into the policy itself; more belong into a file.
const MOST_VALUES: usize = 1000;
/// Examples of one detector, each way.
const MOST_EXAMPLES: usize = 100;

/// The detectors of all files, while they are read.
#[derive(Default)]
pub(super) struct Detectors<'a> {
    found: Vec<OwnDetector>,
    /// Where each stands, and its examples.
    examples: Vec<(OwnName, Cursor<'a>, Option<Cursor<'a>>)>,
    /// In which file each name stands.
    files: HashMap<OwnName, String>,
}

impl<'a> Detectors<'a> {
    /// Reads the `detectors` of a file; `sources` hold the dictionaries.
    pub(super) fn read(&mut self, root: &Cursor<'a>, sources: &[Source]) {
        for item in root.child("detectors").map(|list| list.items()).unwrap_or_default() {
            self.detector(&item, sources);
        }
    }

    /// All of them, tried out on their examples.
    pub(super) fn finish(self) -> OwnDetectors {
        let own = OwnDetectors::new(self.found);
        for (name, at, examples) in &self.examples {
            try_out(&own, *name, at, examples.as_ref());
        }
        own
    }

    fn detector(&mut self, item: &Cursor<'a>, sources: &[Source]) {
        let fields = item.fields(&["name", "regex", "dictionary", "values", "confidence", "examples"]);
        let name = fields.require("name").and_then(|at| self.name(at));
        let levels = [Confidence::Low, Confidence::Medium, Confidence::High].map(|one| (one.name(), one));
        let confidence = fields.get("confidence").and_then(|at| words::one_of(at, &levels));
        let finder = finder(item, &fields, sources);
        let examples = fields.get("examples");
        let (Some(name), Some(finder)) = (name, finder) else { return };
        let (usual, tested) = match &finder {
            Finder::Pattern(_) => (Confidence::Medium, examples.is_some_and(|at| at.child("match").is_some())),
            Finder::Dictionary(_) => (Confidence::High, true),
        };
        if !tested {
            let fix =
                "add `examples: {match: [\"...\"], no_match: [\"...\"]}`: what it must find, and what it must not";
            item.problem_with("a regex without an example that it matches", "not tried out", fix);
        }
        self.examples.push((name, item.clone(), examples.cloned()));
        self.found.push(OwnDetector { name, confidence: confidence.unwrap_or(usual), finder });
    }

    fn name(&mut self, at: &Cursor<'_>) -> Option<OwnName> {
        let name = match OwnName::intern(at.string()?) {
            Ok(name) => name,
            Err(error) => {
                at.problem(error.to_string(), "not a name for it");
                return None;
            }
        };
        let file = at.problems().source().name.clone();
        if let Some(other) = self.files.insert(name, file) {
            at.problem_with(
                format!("detector `{}` is declared in {other} already", name.name()),
                "declared twice",
                "give one of the two another name",
            );
            return None;
        }
        Some(name)
    }
}

fn finder(item: &Cursor<'_>, fields: &Fields<'_>, sources: &[Source]) -> Option<Finder> {
    match (fields.get("regex"), fields.get("dictionary"), fields.get("values")) {
        (Some(at), None, None) => match Pattern::new(at.string()?) {
            Ok(pattern) => Some(Finder::Pattern(pattern)),
            Err(error) => {
                at.problem(error.to_string(), "not a regex for a stream");
                None
            }
        },
        (None, Some(at), None) => dictionary(at, sources).map(Finder::Dictionary),
        (None, None, Some(at)) => values(at).map(Finder::Dictionary),
        _ => {
            item.problem_with(
                "a detector has one of `regex`, `dictionary` and `values`",
                "what does it look for?",
                "`dictionary` names a file of values beside this one, such as customers.dict",
            );
            None
        }
    }
}

/// The file of that name in the directory of the file that names it.
fn dictionary(at: &Cursor<'_>, sources: &[Source]) -> Option<Dictionary> {
    let name = at.string()?;
    let here = &at.problems().source().name;
    let directory = here.rfind('/').map_or("", |slash| here.get(..=slash).unwrap_or_default());
    let path = format!("{directory}{name}");
    let file = sources.iter().find(|source| source.is_dictionary() && source.name == path);
    let Some(file) = file.filter(|_| !name.contains('/')) else {
        let fix = "it ends with .dict and lies beside this file; load the directory, or name both files";
        at.problem_with(format!("there is no dictionary `{name}`"), "not there", fix);
        return None;
    };
    match Dictionary::read(&file.text) {
        Ok(dictionary) => Some(dictionary),
        Err(error) => {
            at.problem(format!("{name}: {error}"), "not a dictionary");
            None
        }
    }
}

fn values(at: &Cursor<'_>) -> Option<Dictionary> {
    let items = at.items();
    if items.len() > MOST_VALUES {
        at.problem_with(
            format!("at most {MOST_VALUES} values can stand here"),
            "too many",
            "put them into a file: `dictionary: NAME.dict`",
        );
        return None;
    }
    let mut all = Vec::with_capacity(items.len());
    for item in &items {
        let value = item.string()?;
        if let Err(error) = Dictionary::of_values([0; 16], [(1, value)]) {
            let why = error.to_string();
            item.problem(why.trim_start_matches("line 1: ").to_owned(), "not a value");
            return None;
        }
        all.push(value);
    }
    Dictionary::read(&all.join("\n")).ok()
}

fn try_out(own: &OwnDetectors, name: OwnName, at: &Cursor<'_>, examples: Option<&Cursor<'_>>) {
    if let Some(mask) = own.matches_mask(name) {
        at.problem_with(
            format!("detector `{}` matches the mask {mask}, which Aegis writes itself", name.name()),
            "too wide",
            "let it ask for more: a prefix, or more characters",
        );
    }
    let Some(examples) = examples else { return };
    let fields = examples.fields(&["match", "no_match"]);
    for (key, wanted) in [("match", true), ("no_match", false)] {
        let items = fields.get(key).map(Cursor::items).unwrap_or_default();
        if items.len() > MOST_EXAMPLES {
            at.problem(format!("at most {MOST_EXAMPLES} examples are tried"), "too many");
        }
        for item in items.iter().take(MOST_EXAMPLES) {
            let Some(text) = item.string() else { continue };
            if own.finds(name, text) != wanted {
                let (what, label) = if wanted { ("does not find", "not found") } else { ("finds", "found") };
                item.problem_with(
                    format!("detector `{}` {what} this example", name.name()),
                    label,
                    "matches begin and end at the edge of a word and stay within a line",
                );
            }
        }
    }
}
