//! What a logged decision knows of its request, and what it does not: nothing that is missing is ever guessed.

use std::collections::BTreeSet;

use aegis_dlp::DetectorSet;
use serde_json::Value;

use super::past::Asked;
use crate::Mode;
use crate::decision_log::{BodyKnown, Context, Event, escaped};
use crate::explain::step;
use crate::rego::Probe;
use crate::rule::Segment;

/// How much of the question was written down.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    context: Context,
    body: Option<Value>,
    ambiguous_query: bool,
    /// Pointers to what was masked or erased.
    altered: BTreeSet<String>,
    /// Nothing is known of header fields, parameters, labels, scopes and usage: an audit record.
    bare: bool,
    /// Whether the agent itself is in shadow is not known.
    mode_unknown: bool,
}

impl Known {
    pub(super) fn of_event(event: &Event) -> Known {
        Known {
            context: event.custom.clone(),
            body: event.input.get("body").cloned(),
            ambiguous_query: event.input.get("ambiguous").is_some_and(|marks| marks.get("query").is_some()),
            altered: event.masked.iter().chain(&event.erased).cloned().collect(),
            bare: false,
            mode_unknown: false,
        }
    }

    /// An audit record says nothing of the content, and its path is redacted.
    pub(super) fn of_audit(asked: &Asked, mode: Mode) -> Known {
        let mut known = Known { bare: true, mode_unknown: mode == Mode::Shadow, ..Known::default() };
        if let Asked::Request(request) = asked {
            // What has two readings and what was cut short or masked look alike.
            if request.path.as_deref().is_none_or(|path| path.contains("%5B")) {
                known.altered.insert("/input/path".to_owned());
            }
            if request.method == "OTHER" {
                known.altered.insert("/input/method".to_owned());
            }
            if request.host.contains('[') {
                known.altered.insert("/input/host".to_owned());
            }
        }
        known
    }

    /// Whether nothing is known of the content.
    pub(super) fn bare(&self) -> bool {
        self.bare
    }

    /// What of host, method and path is not known as it was.
    pub(super) fn unknown_target(&self) -> Option<&'static str> {
        ["host", "method", "path"].into_iter().find(|part| self.altered.contains(&format!("/input/{part}")))
    }

    /// What of the agent and host, which choose the rules, is not known.
    pub(super) fn missing_of_index(&self, labels_matter: bool) -> Option<String> {
        if self.altered.contains("/input/host") {
            return Some("the host".to_owned());
        }
        if self.mode_unknown {
            return Some("whether the agent was in shadow".to_owned());
        }
        let agent = self.altered.iter().any(|pointer| pointer.starts_with("/input/agent"));
        ((self.bare && labels_matter) || agent).then(|| "the agent's labels".to_owned())
    }

    /// What is not known of the value that a condition looks at; `None` where all is.
    pub(super) fn missing(&self, probe: &Probe) -> Option<String> {
        match probe {
            Probe::Index | Probe::Port | Probe::Region | Probe::Time(_) => None,
            Probe::Scopes => self.bare.then(|| "the agent's scopes".to_owned()),
            Probe::Actor => self.bare.then(|| "the sub-agent".to_owned()),
            Probe::Tool if self.bare || self.context.tool_unread => Some("the tool".to_owned()),
            // By the place that it was declared for.
            Probe::Tool => self.missing(&Probe::Method).or_else(|| self.missing(&Probe::Path)),
            Probe::Usage(..) => self.context.usage.is_none().then(|| "usage so far".to_owned()),
            Probe::Rego => Some("whatever its Rego reads".to_owned()),
            Probe::Method => self.altered.contains("/input/method").then(|| "method".to_owned()),
            Probe::Path => self.altered.contains("/input/path").then(|| "path".to_owned()),
            Probe::Header(name) => {
                self.missing_field("headers", name, &self.context.header_names, &self.context.reads.headers)
            }
            Probe::Query(_) if self.ambiguous_query => None,
            Probe::Query(name) => {
                self.missing_field("query", name, &self.context.query_names, &self.context.reads.query)
            }
            Probe::Body(paths) => {
                paths.iter().find(|path| !self.knows_body(path)).map(|path| format!("body {}", pointer(path)))
            }
        }
    }

    /// The detectors of `wanted` of which it is not known whether they would have found something.
    pub(super) fn not_looked_for(&self, wanted: DetectorSet, found: DetectorSet) -> Option<String> {
        let looked = self.context.detectors();
        let unknown: Vec<&str> =
            wanted.iter().filter(|one| !looked.contains(*one) && !found.contains(*one)).map(|one| one.name()).collect();
        (!unknown.is_empty()).then(|| format!("dlp {}", unknown.join(" ")))
    }

    /// Whether there was a body in a content coding, of which nobody knows whether it could have been inspected.
    pub(super) fn may_be_encoded(&self) -> bool {
        let coded = self.context.header_names.iter().any(|name| name == "content-encoding");
        self.context.body != BodyKnown::None && (coded || self.context.names_cut)
    }

    fn missing_field(&self, part: &str, name: &str, present: &[String], read: &[String]) -> Option<String> {
        let at = format!("/input/{part}/{}", escaped(name));
        let whole = format!("/input/{part}");
        let touched = self.touched(&at) || self.altered.contains(&whole);
        let absent = !self.bare && !self.context.names_cut && !present.iter().any(|known| known == name);
        let held = !self.bare && read.iter().any(|known| known == name) && !touched;
        let what = if part == "headers" { "header" } else { part };
        (!absent && !held).then(|| format!("{what} {name}"))
    }

    fn knows_body(&self, path: &[Segment]) -> bool {
        match self.context.body {
            BodyKnown::None | BodyKnown::Invalid | BodyKnown::TooLarge => return !self.bare,
            BodyKnown::Unread => return false,
            BodyKnown::Json => {}
        }
        !self.altered.iter().any(|altered| lies_on(altered, path))
            && self.context.reads.body.iter().any(|read| self.says(read, path))
    }

    /// Whether what was read at `read` tells what is at `path`.
    fn says(&self, read: &[Segment], path: &[Segment]) -> bool {
        let leads = |(read, path): (&Segment, &Segment)| {
            read == path || matches!((read, path), (Segment::Every, Segment::Index(_)))
        };
        if !read.iter().zip(path).all(leads) {
            return false;
        }
        if path.len() <= read.len() {
            // The values on the way to what was read are there with their types.
            return true;
        }
        // Below a value that is no object and no array there is nothing.
        !read.contains(&Segment::Every)
            && self
                .body
                .as_ref()
                .and_then(|body| step(body, read))
                .is_none_or(|value| !value.is_object() && !value.is_array())
    }

    fn touched(&self, at: &str) -> bool {
        self.altered.iter().any(|pointer| pointer == at || pointer.starts_with(&format!("{at}/")))
    }
}

/// Whether an altered value lies on the way to `path`, or is what it leads to.
fn lies_on(altered: &str, path: &[Segment]) -> bool {
    let Some(steps) = altered.strip_prefix("/input/body") else { return false };
    let steps: Vec<&str> = steps.split('/').skip(1).collect();
    let same = |(step, segment): (&&str, &Segment)| match segment {
        Segment::Key(key) => **step == escaped(key),
        Segment::Index(index) => **step == index.to_string(),
        Segment::Every => true,
    };
    steps.len() <= path.len() && steps.iter().zip(path).all(same)
}

fn pointer(path: &[Segment]) -> String {
    let step = |segment: &Segment| match segment {
        Segment::Key(key) => format!("/{}", escaped(key)),
        Segment::Index(index) => format!("/{index}"),
        Segment::Every => "/*".to_owned(),
    };
    path.iter().map(step).collect()
}
