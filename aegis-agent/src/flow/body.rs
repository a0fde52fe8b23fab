//! Bodies on their way: streamed, counted, scanned; never collected beyond what the plan asked for.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use aegis_dlp::{Detector, Finding, Flow, Scanner};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;

use super::ending::Ending;
use super::standing::Side;

/// What both directions of one exchange tell the record.
#[derive(Debug, Default)]
pub struct Tally {
    bytes_out: AtomicU64,
    bytes_in: AtomicU64,
    findings: Mutex<Vec<Finding>>,
    refused: OnceLock<Detector>,
}

impl Tally {
    /// Body bytes that went to the origin, after redaction.
    pub fn bytes_out(&self) -> u64 {
        self.bytes_out.load(Ordering::Relaxed)
    }
    /// Body bytes that came back.
    pub fn bytes_in(&self) -> u64 {
        self.bytes_in.load(Ordering::Relaxed)
    }
    pub fn add_out(&self, bytes: u64) {
        self.bytes_out.fetch_add(bytes, Ordering::Relaxed);
    }
    pub fn add_in(&self, bytes: u64) {
        self.bytes_in.fetch_add(bytes, Ordering::Relaxed);
    }
    /// What was found while the body streamed.
    pub fn findings(&self) -> Vec<Finding> {
        self.findings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// The detector that stopped the stream, where one did.
    pub fn refused(&self) -> Option<Detector> {
        self.refused.get().copied()
    }
    /// Grows whenever a byte moves, in either direction.
    pub fn moved(&self) -> u64 {
        self.bytes_out().wrapping_add(self.bytes_in())
    }
    fn found(&self, findings: &[Finding]) {
        if !findings.is_empty() {
            self.findings.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(findings);
        }
    }
}

/// Why a request body ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    #[error("the agent's body broke off: {0}")]
    Agent(#[from] hyper::Error),
    #[error("the body holds data that must not leave ({})", .0.name())]
    Refused(Detector),
    #[error("no body bytes for {0:?}")]
    Idle(Duration),
    #[error("{0}")]
    Cut(String),
}

/// A request body on its way to the origin.
pub enum ToOrigin {
    Empty,
    /// Inspected in memory; its length is known.
    Whole(Bytes, Arc<Ending>),
    /// No rule looks into it.
    Untouched {
        inner: Incoming,
        idle: Idle,
        ending: Arc<Ending>,
    },
    /// Scanned while it flows; its length is not known any more.
    Scanned(Box<ScannedBody>),
}

impl Body for ToOrigin {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Whole(bytes, ending) => {
                if bytes.is_empty() {
                    return Poll::Ready(None);
                }
                ending.tally().add_out(bytes.len() as u64);
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes)))))
            }
            Self::Untouched { inner, idle, ending } => loop {
                if let Some(why) = ending.poll_cut(Side::ToOrigin, cx) {
                    return Poll::Ready(Some(Err(BodyError::Cut(why))));
                }
                let tally = ending.tally();
                let Poll::Ready(frame) = Pin::new(&mut *inner).poll_frame(cx) else {
                    return idle.poll(cx, tally).map(|limit| Some(Err(BodyError::Idle(limit))));
                };
                idle.rest();
                let Some(frame) = frame.transpose()? else { return Poll::Ready(None) };
                // Trailers of requests are content that no rule has seen; no agent's client sends them.
                if let Ok(data) = frame.into_data() {
                    tally.add_out(data.len() as u64);
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
            },
            Self::Scanned(body) => body.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Whole(bytes, _) => bytes.is_empty(),
            Self::Untouched { inner, .. } => inner.is_end_stream(),
            Self::Scanned(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Whole(bytes, _) => SizeHint::with_exact(bytes.len() as u64),
            Self::Untouched { inner, .. } => inner.size_hint(),
            Self::Scanned(_) => SizeHint::default(),
        }
    }
}

/// A body that passes through the scanner.
pub struct ScannedBody {
    inner: Incoming,
    scanner: Scanner,
    idle: Idle,
    ending: Arc<Ending>,
    done: bool,
}

impl ScannedBody {
    pub fn new(inner: Incoming, scanner: Scanner, idle: Idle, ending: Arc<Ending>) -> Self {
        Self { inner, scanner, idle, ending, done: false }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            if self.done {
                return Poll::Ready(None);
            }
            if let Some(why) = self.ending.poll_cut(Side::ToOrigin, cx) {
                return Poll::Ready(Some(Err(BodyError::Cut(why))));
            }
            let mut out = Vec::new();
            let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(cx) else {
                return self.idle.poll(cx, self.ending.tally()).map(|limit| Some(Err(BodyError::Idle(limit))));
            };
            self.idle.rest();
            let flow = match frame.transpose()? {
                Some(frame) => match frame.into_data() {
                    Ok(data) => self.scan(&data, &mut out),
                    Err(_) => Flow::Continue,
                },
                None => self.end(&mut out),
            };
            if let Flow::Deny(detector) | Flow::Approve(detector) = flow {
                self.end_with(detector);
                return Poll::Ready(Some(Err(BodyError::Refused(detector))));
            }
            if !out.is_empty() {
                self.ending.tally().add_out(out.len() as u64);
                return Poll::Ready(Some(Ok(Frame::data(Bytes::from(out)))));
            }
        }
    }

    fn scan(&mut self, data: &[u8], out: &mut Vec<u8>) -> Flow {
        out.reserve(data.len());
        self.scanner.push(data, out)
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Flow {
        self.done = true;
        let flow = self.scanner.finish(out);
        self.ending.tally().found(self.scanner.findings());
        flow
    }

    fn end_with(&mut self, detector: Detector) {
        if !self.done {
            self.ending.tally().found(self.scanner.findings());
        }
        self.done = true;
        let _ = self.ending.tally().refused.set(detector);
    }
}

/// Runs out when an exchange stands still for too long, in both directions: a watch may be quiet on one side for hours.
/// Costs a timer only while its own side waits.
pub struct Idle {
    limit: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    moved: u64,
}

impl Idle {
    #[must_use]
    pub fn new(limit: Duration) -> Self {
        Self { limit, sleep: None, moved: 0 }
    }

    fn rest(&mut self) {
        self.sleep = None;
    }

    fn poll(&mut self, cx: &mut Context<'_>, tally: &Tally) -> Poll<Duration> {
        let limit = self.limit;
        if self.sleep.is_none() {
            self.moved = tally.moved();
        }
        loop {
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
            std::task::ready!(sleep.as_mut().poll(cx));
            self.sleep = None;
            let moved = tally.moved();
            if moved == self.moved {
                return Poll::Ready(limit);
            }
            self.moved = moved;
        }
    }
}

/// A response body on its way to the agent.
pub enum ToAgent {
    /// Aegis' own answer.
    Own(Bytes),
    /// The origin's answer.
    Relayed { inner: Incoming, idle: Idle, ending: Arc<Ending> },
}

impl Body for ToAgent {
    type Data = Bytes;
    type Error = RelayError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        match &mut *self {
            Self::Own(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Own(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Relayed { inner, idle, ending } => {
                if let Some(why) = ending.poll_cut(Side::ToAgent, cx) {
                    return Poll::Ready(Some(Err(RelayError::Cut(why))));
                }
                let Poll::Ready(frame) = Pin::new(&mut *inner).poll_frame(cx) else {
                    return idle.poll(cx, ending.tally()).map(|limit| {
                        ending.response_failed("the origin stopped sending");
                        Some(Err(RelayError::Idle(limit)))
                    });
                };
                idle.rest();
                if let Some(Ok(frame)) = &frame {
                    ending.tally().add_in(frame.data_ref().map_or(0, |data| data.len() as u64));
                }
                match &frame {
                    Some(Err(error)) => ending.response_failed(&format!("the origin's body broke off: {error}")),
                    // A body of known length is not polled again once it is all there.
                    Some(Ok(_)) if !inner.is_end_stream() => {}
                    _ => ending.response_complete(),
                }
                Poll::Ready(frame.map(|frame| frame.map_err(RelayError::Origin)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(bytes) => bytes.is_empty(),
            Self::Relayed { inner, .. } => inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Relayed { inner, .. } => inner.size_hint(),
        }
    }
}

/// Why a response body ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    #[error("the origin's body broke off: {0}")]
    Origin(#[from] hyper::Error),
    #[error("no bytes from the origin for {0:?}")]
    Idle(Duration),
    #[error("{0}")]
    Cut(String),
}
