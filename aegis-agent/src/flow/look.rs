//! One body, message or event as it is looked through on its way, in either direction: the scanner's stream, and for what
//! comes back the marks of a prompt injection and the rule's bound.

use std::sync::Arc;

use aegis_audit::FindingEntry;
use aegis_dlp::{
    Deed, Described, Finding, Markers, MethodBody, OutputEncoding, Place, Profile, Stream, StreamFlow, Watch,
};
use http::header::{self, HeaderMap};

use super::stop::{Cause, Direction, Stop};
use super::tally::Tally;

/// What a response's head says of the very bytes of its body.
const DIGESTS: [&str; 5] = ["content-digest", "repr-digest", "digest", "content-md5", "accept-ranges"];

/// What is asked of everything that goes one way in an exchange.
#[derive(Clone, Debug)]
pub struct Rules {
    pub profile: Profile,
    pub direction: Direction,
    markers: Option<Markers>,
    most: Option<u64>,
    /// The path of the request, where descriptors may know it for a method.
    method: Option<Arc<str>>,
}

impl Rules {
    /// What is asked of a request with this profile; `None` where nothing is.
    #[must_use]
    pub fn out(profile: &Profile) -> Option<Self> {
        let profile = profile.clone();
        let rules = Self { profile, direction: Direction::Out, markers: None, most: None, method: None };
        (!rules.profile.is_empty()).then_some(rules)
    }

    /// What is asked of the response to such a request; `None` where nothing is.
    #[must_use]
    pub fn back(request: &Profile) -> Option<Self> {
        let (profile, rules) = (request.of_response()?, request.responses()?);
        // In shadow nothing is stopped.
        let markers = rules.markers.map(|markers| if profile.observing { Markers::Report } else { markers });
        let most = rules.max_bytes.filter(|_| !profile.observing);
        let asked = !profile.is_empty() || markers.is_some() || most.is_some();
        asked.then_some(Self { profile, direction: Direction::Back, markers, most, method: None })
    }

    /// The same for what belongs to a request to this path.
    #[must_use]
    pub fn of_call(self, path: &str) -> Self {
        let known = !self.profile.descriptors().is_empty();
        Self { method: known.then(|| path.into()), ..self }
    }

    /// The longest that may come back, in bytes.
    #[must_use]
    pub fn most(&self) -> Option<u64> {
        self.most
    }

    /// Whether sentences that give an agent orders are looked for.
    #[must_use]
    pub fn markers(&self) -> Option<Markers> {
        self.markers
    }

    /// Whether anything can be stopped or changed.
    #[must_use]
    pub fn enforces(&self) -> bool {
        self.profile.enforces() || self.markers == Some(Markers::Deny) || self.most.is_some()
    }
}

/// What is looked through.
pub struct Look {
    stream: Stream,
    watch: Option<(Watch, Markers)>,
    marked: Option<&'static str>,
    direction: Direction,
    most: Option<u64>,
    /// Bytes put out so far.
    passed: u64,
}

impl Look {
    /// A look at something with such a head.
    ///
    /// # Errors
    /// It is coded in a way that cannot be read, and the rule does not let that pass.
    pub fn new(rules: &Rules, described: &Described<'_>) -> Result<Self, Stop> {
        // In shadow the bytes pass as they came, whatever can be made of them.
        let decoded = !rules.profile.observing && (rules.markers.is_some() || rules.most.is_some());
        let described = Described { decoded: described.decoded || decoded, ..*described };
        let stream = Stream::new(&rules.profile, &described)
            .map_err(|opaque| Stop::content(aegis_dlp::Why::Opaque(opaque), &[], rules.direction))?;
        let watch = rules.markers.map(|markers| (Watch::new(), markers));
        Ok(Self { stream, watch, marked: None, direction: rules.direction, most: rules.most, passed: 0 })
    }

    /// A look at a body with these fields in its head; they are changed to fit what will be put out.
    ///
    /// # Errors
    /// As [`Look::new`].
    pub fn at_body(rules: &Rules, headers: &mut HeaderMap) -> Result<Self, Stop> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let codings = headers.get_all(header::CONTENT_ENCODING).iter();
        // What is no text names no coding that anybody knows.
        let codings: Vec<&str> = codings.map(|value| value.to_str().unwrap_or("unreadable")).collect();
        let described = Described {
            content_type: text("content-type"),
            content_encoding: &codings,
            grpc_encoding: text("grpc-encoding").or_else(|| text("connect-content-encoding")),
            method: rules.method.as_deref().map(match rules.direction {
                Direction::Out => MethodBody::Request,
                Direction::Back => MethodBody::Response,
            }),
            decoded: false,
        };
        let look = Self::new(rules, &described)?;
        if look.stream.output_encoding() == OutputEncoding::Identity {
            headers.remove(header::CONTENT_ENCODING);
        }
        if !look.stream.length_kept() {
            headers.remove(header::CONTENT_LENGTH);
            if rules.direction == Direction::Back {
                // They are about other bytes.
                for name in DIGESTS {
                    headers.remove(name);
                }
            }
        }
        Ok(look)
    }

    /// Takes the next bytes and appends to `out` what may go on.
    ///
    /// # Errors
    /// Why it must not go on; nothing of that has been put out.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), Stop> {
        let before = out.len();
        let flow = self.stream.push(chunk, out);
        self.after(flow, before, out)
    }

    /// Ends it and appends the rest to `out`.
    ///
    /// # Errors
    /// As [`Look::push`].
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Stop> {
        let before = out.len();
        let flow = self.stream.finish(out);
        self.after(flow, before, out)?;
        if let Some((watch, markers)) = &mut self.watch
            && let Some(marker) = watch.finish()
        {
            self.marked = Some(marker);
            if *markers == Markers::Deny {
                out.truncate(before);
                return Err(self.stop(Cause::Marker(marker)));
            }
        }
        Ok(())
    }

    fn after(&mut self, flow: StreamFlow, before: usize, out: &mut Vec<u8>) -> Result<(), Stop> {
        if let StreamFlow::Deny(why) = flow {
            return Err(Stop::content(why, self.stream.findings(), self.direction));
        }
        let new = out.get(before..).unwrap_or_default();
        if let Some((watch, markers)) = &mut self.watch
            && let Some(marker) = watch.push(new)
        {
            self.marked = Some(marker);
            if *markers == Markers::Deny {
                out.truncate(before);
                return Err(self.stop(Cause::Marker(marker)));
            }
        }
        self.passed = self.passed.saturating_add(new.len() as u64);
        match self.most {
            Some(most) if self.passed > most => {
                out.truncate(before);
                Err(self.stop(Cause::TooLong(most)))
            }
            _ => Ok(()),
        }
    }

    fn stop(&self, cause: Cause) -> Stop {
        let place = matches!(cause, Cause::Marker(_)).then(|| Place::at(self.passed));
        Stop { cause, place, direction: self.direction }
    }

    /// What was found.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        self.stream.findings()
    }

    /// What else the record should tell.
    #[must_use]
    pub fn notes(&self) -> Vec<FindingEntry> {
        let remark = |remark: &aegis_dlp::Remark| FindingEntry {
            detector: match remark.deed {
                Deed::Removed => "attachment".to_owned(),
                Deed::Unread => "unreadable".to_owned(),
            },
            action: match remark.deed {
                Deed::Removed => "redact".to_owned(),
                Deed::Unread => "report".to_owned(),
            },
            place: place(0, &remark.path),
            count: 1,
            ..FindingEntry::default()
        };
        let marker = self.marked.map(|_| FindingEntry {
            detector: "prompt_injection".to_owned(),
            action: if matches!(self.watch, Some((_, Markers::Deny))) { "deny" } else { "report" }.to_owned(),
            place: place(self.passed, ""),
            confidence: "low".to_owned(),
            count: 1,
        });
        self.stream.remarks().iter().map(remark).chain(marker).collect()
    }

    /// Tells what was found in a response.
    pub fn tell(&self, tally: &Tally) {
        tally.found(self.findings().iter().map(|finding| within(finding, "response")));
        tally.noted(self.notes());
    }

    /// What the head of what is put out says: see [`Stream`].
    #[must_use]
    pub fn stream(&self) -> &Stream {
        &self.stream
    }
}

fn place(offset: u64, path: &str) -> String {
    Place::Body { offset, path: (!path.is_empty()).then(|| path.into()) }.record()
}

/// A finding as the record places it: in a response, in which message.
#[must_use]
pub fn within(finding: &Finding, prefix: &str) -> Finding {
    Finding { place: placed(finding.place.clone(), prefix), ..finding.clone() }
}

/// A place within what `prefix` names.
#[must_use]
pub fn placed(place: Place, prefix: &str) -> Place {
    match place {
        Place::Body { offset, path } if !prefix.is_empty() => Place::Body {
            offset,
            path: Some(path.map_or_else(|| prefix.into(), |inner| format!("{prefix}!{inner}").into())),
        },
        other => other,
    }
}
