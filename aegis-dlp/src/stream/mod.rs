//! A body as it goes over the wire: its content codings undone, its containers opened, all of it scanned.

mod content;
mod outcome;

use crate::coding::{self, Decoder, Stop};
use crate::container::Reader;
use crate::{Finding, Profile};

pub(crate) use content::{Content, Step, join};
pub use outcome::{Deed, Opaque, OutputEncoding, Reason, Remark, StreamFlow, Why};

/// Bytes that one stream holds at most, however long its body is: windows of the scanner and of decoders, and what is
/// held back. More is held only by what asks for it: Brotli and Zstandard (their windows, up to 16 and 8 MiB), a
/// message of gRPC or protobuf (its size, at most 4 MiB, and that of what it becomes), a file of a form where the rule
/// takes out large ones (at most 1 MiB), and the list of entries of an archive (24 bytes each).
pub const STREAM_MEMORY: usize = 256 * 1024;

/// What the head of a message says of its body.
#[derive(Copy, Clone, Debug, Default)]
pub struct Described<'a> {
    /// The value of `Content-Type`.
    pub content_type: Option<&'a str>,
    /// The values of `Content-Encoding`, each as it was sent: a value may be a list.
    pub content_encoding: &'a [&'a str],
    /// The value of `grpc-encoding`, or of Connect's `connect-content-encoding`.
    pub grpc_encoding: Option<&'a str>,
    /// Which method the body belongs to, where it may be one of gRPC or Connect.
    pub method: Option<MethodBody<'a>>,
    /// What is put out is to be the decoded body, whatever the profile says: somebody else reads it, too.
    pub decoded: bool,
}

/// A body of a method by the path of its request, `/SERVICE/METHOD`: descriptors say what its messages are.
#[derive(Copy, Clone, Debug)]
pub enum MethodBody<'a> {
    /// What is sent to it.
    Request(&'a str),
    /// What it answers.
    Response(&'a str),
}

/// Inspects one body in chunks of any size: undoes codings, opens containers, scans, and puts out what may leave.
///
/// Where the profile can change or stop something, what is put out is the decoded body and nothing but what was
/// scanned; a receiver that reads compressed data in another way than Aegis finds none. Where it only reports, the
/// bytes pass as they came, and a copy is read.
pub struct Stream {
    content: Content,
    decoders: Vec<Decoder>,
    /// `None` where nothing is read, or not any more.
    reader: Option<Reader>,
    /// What is put out is what the reader puts out, not what came in.
    enforcing: bool,
    stopped: Option<Why>,
    /// What a reader puts out that nobody sends.
    unsent: Vec<u8>,
}

impl Stream {
    /// A stream for a body with such a head.
    ///
    /// # Errors
    /// It is coded in a way that cannot be undone, and the rule does not let that pass.
    pub fn new(profile: &Profile, described: &Described<'_>) -> Result<Stream, Opaque> {
        let mut stream = Stream {
            content: Content::new(profile),
            decoders: Vec::new(),
            reader: None,
            enforcing: profile.enforces() || described.decoded,
            stopped: None,
            unsent: Vec::new(),
        };
        if profile.is_empty() && !described.decoded {
            return Ok(stream);
        }
        let decoders = coding::decoders(described.content_encoding);
        let readers = decoders.and_then(|decoders| Ok((decoders, Reader::for_body(described, profile)?)));
        match readers {
            // Nobody asks what is in it: only its codings are undone.
            Ok((decoders, _)) if profile.is_empty() => {
                (stream.decoders, stream.reader) = (decoders, Some(Reader::Unread));
            }
            Ok((decoders, reader)) => (stream.decoders, stream.reader) = (decoders, Some(reader)),
            Err(reason) => match stream.content.opaque(reason, "") {
                Err(Why::Opaque(opaque)) => return Err(opaque),
                Err(why) => stream.stopped = Some(why),
                Ok(()) => {}
            },
        }
        Ok(stream)
    }

    /// Takes the next bytes of the body and appends to `out` what may leave.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> StreamFlow {
        self.go(
            out,
            |stream, out| {
                stream.content.take(chunk.len());
                let (Some(reader), content) = (&mut stream.reader, &mut stream.content) else { return Ok(()) };
                if stream.decoders.is_empty() {
                    return reader.push(content, chunk, out);
                }
                let enforcing = stream.enforcing;
                let pushed = coding::push_through(&mut stream.decoders, chunk, &mut |piece| {
                    content.unfold(piece.len())?;
                    reader.push(content, piece, out).map_err(Stop::Why)?;
                    if !enforcing {
                        // Nobody sends it: it need not be there as a whole.
                        out.clear();
                    }
                    Ok(())
                });
                pushed.map_err(|stop| match stop {
                    Stop::Reason(reason) => content.broken(reason, ""),
                    Stop::Why(why) => why,
                })
            },
            chunk,
        )
    }

    /// Ends the body and appends the rest to `out`.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> StreamFlow {
        self.go(
            out,
            |stream, out| {
                let (Some(reader), content) = (&mut stream.reader, &mut stream.content) else { return Ok(()) };
                for decoder in &mut stream.decoders {
                    decoder.finish().map_err(|reason| content.broken(reason, ""))?;
                }
                reader.finish(content, out)
            },
            &[],
        )
    }

    /// Runs a step of the reader and sends what it puts out, or the bytes as they came.
    fn go(
        &mut self,
        out: &mut Vec<u8>,
        run: impl FnOnce(&mut Stream, &mut Vec<u8>) -> Step,
        came: &[u8],
    ) -> StreamFlow {
        if self.stopped.is_none() {
            if self.enforcing && self.reader.is_some() {
                self.stopped = run(self, out).err();
            } else {
                let mut unsent = std::mem::take(&mut self.unsent);
                if let Err(why) = run(self, &mut unsent) {
                    self.give_up(why);
                }
                unsent.clear();
                self.unsent = unsent;
                out.extend_from_slice(came);
            }
        }
        self.stopped.clone().map_or(StreamFlow::Continue, StreamFlow::Deny)
    }

    /// Nothing is stopped here: what cannot be read on passes unread.
    fn give_up(&mut self, why: Why) {
        if let Why::Opaque(Opaque { reason, path, .. }) = why {
            self.content.remark(Deed::Unread, reason, &path);
        }
        self.reader = None;
    }

    /// What was found so far, in order; see [`MAX_FINDINGS`](crate::MAX_FINDINGS).
    pub fn findings(&self) -> &[Finding] {
        self.content.findings()
    }

    /// What else was done so far: files taken out, content that passed unread.
    pub fn remarks(&self) -> &[Remark] {
        self.content.remarks()
    }

    /// Whether what is put out may be many times as long as what comes in. Known from the start.
    pub fn unfolds(&self) -> bool {
        self.output_encoding() == OutputEncoding::Identity
    }

    /// What the `Content-Encoding` of what is put out says. Known from the start.
    pub fn output_encoding(&self) -> OutputEncoding {
        if self.enforcing && !self.decoders.is_empty() { OutputEncoding::Identity } else { OutputEncoding::Same }
    }

    /// Whether what is put out is as long as what comes in, so that its `Content-Length` may stay. Known from the start.
    pub fn length_kept(&self) -> bool {
        !self.enforcing || self.decoders.is_empty() && !content::rewrites(&self.content.profile)
    }

    /// Whether nothing that was put out so far differs from what came in but by its coding: a body that is held as
    /// a whole may then be sent as it came, with the signature that it may have.
    pub fn untouched(&self) -> bool {
        let redacted = self.findings().iter().any(|finding| finding.action == crate::Action::Redact);
        let removed = self.remarks().iter().any(|remark| remark.deed == Deed::Removed);
        let hidden = self.content.hidden || self.decoders.iter().any(Decoder::hides);
        self.stopped.is_none() && !redacted && !removed && !hidden
    }

    /// Bytes of memory that it holds.
    pub fn held(&self) -> usize {
        let decoders: usize = self.decoders.iter().map(Decoder::held).sum();
        size_of::<Stream>() + decoders + self.reader.as_ref().map_or(0, Reader::held) + self.unsent.capacity()
    }
}
