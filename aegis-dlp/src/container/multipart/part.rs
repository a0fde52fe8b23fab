//! One part: judged by what it is, read, and sent or replaced.

use crate::coding::Stop;
use crate::stream::{Content, Deed, Reason, Step};

use super::super::media::parameters;
use super::super::transfer::{self, Encoding};
use super::super::{Reader, Transfer, Within, sniff};
use super::delimiter::Newline;
use super::headers::Headers;
use super::{AMBIGUOUS, MessageKind};

/// Bytes that tell what a file is, encoded or not.
const LOOKED_AT: usize = sniff::LOOKED_AT * 3 / 2;
/// The most bytes that wait for a file's size to be known where the rule takes large ones out.
pub(super) const WEIGHED: u64 = 1024 * 1024;

pub(super) struct Part {
    headers: Headers,
    within: Within,
    newline: Newline,
    encoding: Encoding,
    reader: Reader,
    state: State,
    /// Bytes of content, as they came.
    size: u64,
    file: bool,
    sniffed: Option<&'static str>,
}

enum State {
    /// First bytes, until it is known what it is.
    Looking(Vec<u8>),
    /// Sent as it is read.
    Open,
    /// What would be sent, until it is known how large it is.
    Weighing(Vec<u8>),
    /// Taken out: why.
    Removed(&'static str),
}

impl Part {
    pub(super) fn new(
        content: &Content,
        headers: Headers,
        within: Within,
        newline: Newline,
        form: bool,
    ) -> Result<Self, Stop> {
        let encoding = Encoding::named(headers.get("content-transfer-encoding").unwrap_or_default())?;
        let media = headers.media();
        // What no browser sends, half of the servers ignore; and nothing encodes a multipart as a whole.
        if encoding != Encoding::None && (form || media.essence().starts_with("multipart/")) {
            return Err(AMBIGUOUS.into());
        }
        // No form is sent so, and some servers undo it. A gzip file is told by its first bytes.
        let coding = headers.get("content-encoding").unwrap_or_default().trim().to_ascii_lowercase();
        if !matches!(&*coding, "" | "identity" | "gzip" | "x-gzip") {
            let name = coding.chars().filter(char::is_ascii_graphic).take(32).collect();
            return Err(Reason::UnknownCoding(name).into());
        }
        let holds_parts = media.essence().starts_with("multipart/") || MessageKind::of(media.essence()).is_some();
        if holds_parts && within.depth >= content.rules().nesting {
            return Err(Reason::TooLarge("messages and multipart within each other").into());
        }
        // What a field of a form is called says what its value is, as a key of JSON does.
        let heading = if headers.file_names.is_empty() { headers.field_name() } else { Box::default() };
        let reader = Reader::declared(&media, Within { heading, ..within.clone() })?;
        let reader = match encoding {
            Encoding::None => reader,
            _ => Reader::Transfer(Box::new(Transfer::new(encoding, reader, &within))),
        };
        Ok(Part {
            state: State::Looking(Vec::new()),
            headers,
            within,
            newline,
            encoding,
            reader,
            size: 0,
            file: false,
            sniffed: None,
        })
    }

    pub(super) fn push(&mut self, content: &mut Content, bytes: &[u8], out: &mut Vec<u8>) -> Step {
        self.size = self.size.saturating_add(bytes.len() as u64);
        if let State::Looking(held) = &mut self.state {
            held.extend_from_slice(bytes);
            if !content.rules().attachments.is_empty() && held.len() < LOOKED_AT {
                return Ok(());
            }
            return self.look(content, out);
        }
        self.read(content, bytes, out)
    }

    pub(super) fn finish(&mut self, content: &mut Content, out: &mut Vec<u8>) -> Step {
        if let State::Looking(_) = self.state {
            self.look(content, out)?;
        }
        match &mut self.state {
            State::Removed(why) => {
                let why = *why;
                content.remark(Deed::Removed, Reason::Attachment(why), &self.within.path);
                self.replace(why, out);
                Ok(())
            }
            State::Weighing(held) => {
                self.reader.finish(content, held)?;
                out.append(held);
                Ok(())
            }
            State::Open | State::Looking(_) => self.reader.finish(content, out),
        }
    }

    /// Decides by the first bytes, and reads them.
    fn look(&mut self, content: &mut Content, out: &mut Vec<u8>) -> Step {
        let State::Looking(held) = std::mem::replace(&mut self.state, State::Open) else { return Ok(()) };
        self.judge(content, &held)?;
        let over = content.rules().attachments.strip.over;
        match &mut self.state {
            State::Removed(_) => return Ok(()),
            state if self.file && over.is_some_and(|over| over <= WEIGHED) => {
                *state = State::Weighing(self.headers.sent.clone());
            }
            _ => out.extend_from_slice(&self.headers.sent),
        }
        self.read(content, &held, out)
    }

    fn judge(&mut self, content: &Content, held: &[u8]) -> Step {
        let rules = &content.rules().attachments;
        if rules.is_empty() {
            return Ok(());
        }
        let opening = transfer::opening(self.encoding, held);
        let kind = sniff::kind(&opening, true).unwrap_or(sniff::Kind::Text);
        self.sniffed = sniff::media_type(&opening, kind);
        let media = self.headers.media();
        self.file = !self.headers.file_names.is_empty() || self.sniffed.is_some() || !media.is_textual();
        if !self.file {
            return Ok(());
        }
        let types = || [Some(media.essence()), self.sniffed].into_iter().flatten();
        let named = |which: &crate::Attachment| self.headers.file_names.iter().any(|name| which.has_name(name));
        if rules.deny.has_type(types()) {
            return Err(content.attachment("type", &self.within.path));
        }
        if named(&rules.deny) {
            return Err(content.attachment("name", &self.within.path));
        }
        if rules.strip.has_type(types()) {
            self.state = State::Removed("type");
        } else if named(&rules.strip) {
            self.state = State::Removed("name");
        }
        Ok(())
    }

    fn read(&mut self, content: &mut Content, bytes: &[u8], out: &mut Vec<u8>) -> Step {
        let size = self.encoding.decoded_size(self.size);
        if self.file && content.rules().attachments.deny.has_size(size) {
            return Err(content.attachment("size", &self.within.path));
        }
        let heavy = self.file && content.rules().attachments.strip.has_size(size);
        match &mut self.state {
            State::Removed(_) => Ok(()),
            State::Weighing(_) if heavy => {
                self.state = State::Removed("size");
                Ok(())
            }
            // Too much of it has left for the rest to be taken out.
            _ if heavy => Err(content.attachment("size", &self.within.path)),
            State::Weighing(held) => self.reader.push(content, bytes, held),
            State::Open | State::Looking(_) => self.reader.push(content, bytes, out),
        }
    }

    /// Puts a short text in the place of the part, under its name.
    fn replace(&self, why: &str, out: &mut Vec<u8>) {
        let newline = self.newline.text();
        let disposition = self.headers.get("content-disposition").unwrap_or("attachment");
        let kind: String = disposition.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        let name = parameters(disposition).into_iter().find(|(name, _)| name == "name");
        let name = name.map(|(_, name)| format!("; name=\"{}\"", name.replace('"', "%22").replace('\\', "%5C")));
        let id = self.headers.get("content-id").map(|id| format!("Content-ID: {id}{newline}"));
        let what = self.sniffed.map(str::to_owned).unwrap_or_else(|| self.headers.media().essence().to_owned());
        let text = format!(
            "Content-Disposition: {kind}{}; filename=\"removed.txt\"{newline}{}Content-Type: text/plain{newline}{newline}\
             [Aegis removed a file of {} bytes ({what}) because of its {why}.]",
            name.unwrap_or_default(),
            id.unwrap_or_default(),
            self.encoding.decoded_size(self.size),
        );
        out.extend_from_slice(text.as_bytes());
    }

    pub(super) fn held(&self) -> usize {
        let waiting = match &self.state {
            State::Looking(held) | State::Weighing(held) => held.capacity(),
            State::Open | State::Removed(_) => 0,
        };
        size_of::<Part>() + waiting + self.headers.sent.capacity() + self.reader.held()
    }
}
