//! One body, message or event as it is looked through on its way, in either direction: the scanner's stream, and for what
//! comes back the marks of a prompt injection and the rule's bound.

use std::sync::Arc;

use aegis_audit::FindingEntry;
use aegis_dlp::{
    Deed, Described, Finding, Markers, MethodBody, OutputEncoding, Place, Profile, Stream, StreamFlow, Watch,
};
use bytes::Bytes;
use http::header::{self, HeaderMap};

use super::stop::{Cause, Direction, Stop};
use super::tally::Tally;

/// What comes out with a chunk beyond its own length, most often: what was held back before it, and masks that are longer than what they
/// stand for. In bytes.
const HELD_BACK: usize = 4 * 1024;

/// Bytes that go on in one piece: at so many what has come out goes first.
const FRAME: usize = 64 * 1024;
/// Coded bytes that are taken at once: deflate may make 1032 of each, others more.
const CODED_STEP: usize = 256;

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

    /// Takes from the beginning of `chunk` what makes a frame, most often all of it, and appends to `out` what may go on. What is left
    /// has to be taken next: of coded bytes a few unfold to many, and no stream may hold all of them at once.
    ///
    /// # Errors
    /// As [`Look::push`].
    pub fn take(&mut self, chunk: &mut Bytes, out: &mut Vec<u8>) -> Result<(), Stop> {
        let step = if self.stream.unfolds() { CODED_STEP } else { chunk.len() };
        while !chunk.is_empty() && out.len() < FRAME {
            self.push(&chunk.split_to(step.min(chunk.len())), out)?;
        }
        Ok(())
    }

    /// An empty buffer with room for what such a chunk puts out.
    #[must_use]
    pub fn room(chunk: &[u8]) -> Vec<u8> {
        Vec::with_capacity(chunk.len() + HELD_BACK)
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write;

    use aegis_dlp::DetectorSet;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn what_a_few_coded_bytes_unfold_to_goes_on_in_pieces() {
        let text = "the same words again and again, ".repeat(28_000);
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text.as_bytes()).unwrap();
        let mut chunk = Bytes::from(encoder.finish().unwrap());
        assert!(chunk.len() < FRAME, "it comes in one frame");
        let rules = Rules::out(&Profile::redacting(DetectorSet::ALL)).unwrap();
        let described =
            Described { content_type: Some("text/plain"), content_encoding: &["gzip"], ..Described::default() };
        let mut look = Look::new(&rules, &described).unwrap();
        let (mut whole, mut pieces) = (Vec::new(), 0);
        while !chunk.is_empty() {
            let mut out = Look::room(&chunk);
            look.take(&mut chunk, &mut out).unwrap();
            assert!(out.len() <= FRAME + 1032 * CODED_STEP, "{}", out.len());
            whole.append(&mut out);
            pieces += 1;
        }
        look.finish(&mut whole).unwrap();
        assert!(whole == text.as_bytes() && pieces > 2, "{pieces}");
    }
}
