//! An answer's body, watched on its way to the agent.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use aegis_tools::Observer;
use aegis_tools::denial;
use aegis_tools::stream::{Block, Blocks, Event};
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use serde_json::Value;

use super::batch::Split;
use super::gate::{Checking, Gate};
use super::mailbox::Listening;
use super::merge;
use super::notes::Notes;
use crate::flow::response::{RelayError, ToAgent};

/// How an answer goes on.
pub(super) enum Mode {
    /// As it comes.
    Through,
    /// Event by event.
    Events { blocks: Blocks, gate: Option<Gate> },
    /// When all of it is there; `most` bytes of it.
    Whole { held: Vec<u8>, most: usize, over: bool, gate: Option<Gate>, merges: bool },
}

/// What came of a stream of events, or stands in its place.
enum Waiting {
    /// An event, still to be looked at.
    Event(Bytes),
    /// What goes on as it is.
    Passes(Bytes),
}

/// The body.
pub struct Watched {
    inner: ToAgent,
    mode: Mode,
    observer: Option<Observer>,
    notes: Option<Arc<Notes>>,
    split: Split,
    /// What goes on next.
    ready: VecDeque<Bytes>,
    /// What waits for what is before it.
    waiting: VecDeque<Waiting>,
    checking: Option<Checking>,
    listening: Option<Listening>,
    ended: bool,
    trailers: Option<HeaderMap>,
}

impl Mode {
    pub(super) fn events(gate: Option<Gate>) -> Self {
        Self::Events { blocks: Blocks::default(), gate }
    }

    pub(super) fn whole(gate: Option<Gate>, most: usize, merges: bool) -> Self {
        Self::Whole { held: Vec::new(), most, over: false, gate, merges }
    }
}

impl Watched {
    pub(super) fn new(
        inner: ToAgent,
        mode: Mode,
        observer: Option<Observer>,
        notes: Option<Arc<Notes>>,
        mut split: Split,
        merges: bool,
    ) -> Self {
        let mut ready = VecDeque::new();
        if merges && matches!(mode, Mode::Events { .. }) {
            // Answers come in any order.
            ready.extend(split.answers.drain(..).map(|answer| Bytes::from(denial::event(&answer))));
        }
        let waiting = VecDeque::new();
        Self {
            inner,
            mode,
            observer,
            notes,
            split,
            ready,
            waiting,
            checking: None,
            listening: None,
            ended: false,
            trailers: None,
        }
    }

    pub(super) fn listening(mut self, listening: Option<Listening>) -> Self {
        self.listening = listening;
        self
    }

    /// Takes what came; says what of it goes on at once.
    fn take(&mut self, data: Bytes) -> Option<Bytes> {
        if let Some(observer) = &mut self.observer {
            observer.push(&data);
        }
        match &mut self.mode {
            Mode::Through => return Some(data),
            Mode::Events { blocks, gate } => {
                let waiting = &mut self.waiting;
                blocks.push(&data, |block| match (block, &*gate) {
                    (Block::Whole(block), _) => waiting.push_back(Waiting::Event(Bytes::copy_from_slice(block))),
                    // Nobody can say what is in it.
                    (Block::Part { last, .. }, Some(gate)) if gate.pins.denies() => {
                        if last {
                            waiting.push_back(Waiting::Passes(gate.in_place_of_event("an event is too long")));
                        }
                    }
                    (Block::Part { bytes, .. }, _) => {
                        waiting.push_back(Waiting::Passes(Bytes::copy_from_slice(bytes)));
                    }
                });
            }
            Mode::Whole { over: true, .. } => {}
            Mode::Whole { held, most, over, gate, merges } if held.len() + data.len() > *most => {
                let mut held = std::mem::take(held);
                *over = true;
                if !*merges && !gate.as_ref().is_some_and(|gate| gate.pins.denies()) {
                    // Where nothing is withheld, nothing is held back beyond the bound.
                    self.mode = Mode::Through;
                    held.extend_from_slice(&data);
                    return Some(held.into());
                }
            }
            Mode::Whole { held, .. } => held.extend_from_slice(&data),
        }
        None
    }

    /// The next of what waits, or a check of it.
    fn advance(&mut self) {
        let block = match self.waiting.pop_front() {
            Some(Waiting::Event(block)) => block,
            Some(Waiting::Passes(bytes)) => return self.ready.push_back(bytes),
            None => return,
        };
        if let Some(listening) = &mut self.listening {
            listening.hears(&block);
        }
        let gate = match &self.mode {
            Mode::Events { gate, .. } => gate.as_ref().filter(|_| Gate::concerns(&block)),
            _ => None,
        };
        let message = gate.and_then(|_| Some(serde_json::from_str(Event::read(&block).data.as_deref()?)));
        match (gate, message) {
            (Some(gate), Some(Ok(message))) => match gate.check(message, block.clone(), denial::event) {
                Some(checking) => self.checking = Some(checking),
                None => self.ready.push_back(block),
            },
            // Clients may read what Aegis does not.
            (Some(gate), Some(Err(_))) if gate.pins.denies() => {
                self.ready.push_back(gate.in_place_of_event("an event is no JSON that all would read in the same way"));
            }
            _ => self.ready.push_back(block),
        }
    }

    /// All has come.
    fn end(&mut self) {
        self.ended = true;
        match &mut self.mode {
            Mode::Through => {}
            // An event without its end is none to clients, but it is the server's.
            Mode::Events { blocks, gate: Some(gate) } if blocks.overlong() && gate.pins.denies() => {
                self.ready.push_back(gate.in_place_of_event("an event is too long"));
            }
            Mode::Events { blocks, gate } => {
                let rest = blocks.rest();
                if !rest.is_empty() && !gate.as_ref().is_some_and(|gate| gate.pins.denies() && Gate::concerns(rest)) {
                    self.ready.push_back(Bytes::copy_from_slice(rest));
                }
            }
            Mode::Whole { held, over, gate, merges, .. } => {
                let (held, over) = (std::mem::take(held), *over);
                let whole = match (*merges, over) {
                    (true, true) => {
                        let lost = merge::lost(
                            &self.split.sent,
                            "the server's answer is too long, or of a kind that cannot be put together with others",
                        );
                        Value::Array(lost.into_iter().chain(self.split.answers.drain(..)).collect())
                            .to_string()
                            .into_bytes()
                    }
                    (true, false) => merge::json(&held, std::mem::take(&mut self.split.answers), &self.split.sent),
                    (false, _) => held,
                };
                let whole = Bytes::from(whole);
                let message = serde_json::from_slice(&whole).ok();
                match (gate.as_ref(), message) {
                    (Some(gate), _) if over && !*merges => {
                        self.ready.push_back(gate.in_place_of_answer("it is too long, or compressed"));
                    }
                    (Some(gate), Some(message)) => match gate.check(message, whole.clone(), Value::to_string) {
                        Some(checking) => self.checking = Some(checking),
                        None => self.ready.push_back(whole),
                    },
                    (Some(gate), None) if gate.pins.denies() && !whole.trim_ascii().is_empty() => {
                        self.ready
                            .push_back(gate.in_place_of_answer("it is no JSON that all would read in the same way"));
                    }
                    _ => self.ready.push_back(whole),
                }
            }
        }
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = RelayError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        let this = &mut *self;
        loop {
            if let Some(bytes) = this.ready.pop_front() {
                if bytes.is_empty() {
                    continue;
                }
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            if let Some(checking) = &mut this.checking {
                let bytes = ready!(checking.as_mut().poll(cx));
                this.checking = None;
                this.ready.push_back(bytes);
                continue;
            }
            if !this.waiting.is_empty() {
                this.advance();
                continue;
            }
            if let Some(said) = this.listening.as_ref().and_then(|listening| listening.next(cx)) {
                this.ready.push_back(said);
                continue;
            }
            if this.ended {
                return Poll::Ready(this.trailers.take().map(|fields| Ok(Frame::trailers(fields))));
            }
            match ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        if let Some(data) = this.take(data) {
                            return Poll::Ready(Some(Ok(Frame::data(data))));
                        }
                    }
                    Err(other) if matches!(this.mode, Mode::Through) => return Poll::Ready(Some(Ok(other))),
                    // They come last: what is held goes before them.
                    Err(other) => {
                        this.trailers = other.into_trailers().ok();
                        this.end();
                    }
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => this.end(),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.mode, Mode::Through) && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.mode {
            Mode::Through => self.inner.size_hint(),
            Mode::Events { .. } | Mode::Whole { .. } => SizeHint::default(),
        }
    }
}

impl Drop for Watched {
    /// Before the inner body goes, with which the record is written.
    fn drop(&mut self) {
        if let (Some(observer), Some(notes)) = (self.observer.take(), &self.notes) {
            notes.observed(observer.finish());
        }
    }
}
