//! Request bodies on their way: streamed, counted, looked through; never collected beyond what the plan asked for.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::ending::Ending;
use super::framing::{self, Framing};
use super::idle::Idle;
use super::look::{Look, Rules};
use super::standing::Side;
use super::stop::Stop;
use super::trailers;

/// Why a request body ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    #[error("the agent's body broke off: {0}")]
    Agent(#[from] hyper::Error),
    #[error("{0}")]
    Stopped(String),
    #[error("no body bytes for {0:?}")]
    Idle(Duration),
    #[error("{0}")]
    Cut(String),
}

/// A request body on its way to the origin.
pub enum ToOrigin {
    Empty,
    /// Inspected in memory; its length is known.
    Whole {
        bytes: Bytes,
        trailers: Option<HeaderMap>,
        ending: Arc<Ending>,
    },
    /// No rule looks into it.
    Untouched {
        inner: Incoming,
        framing: Option<Framing>,
        idle: Idle,
        ending: Arc<Ending>,
    },
    /// Looked through while it flows.
    Inspected(Box<InspectedBody>),
}

impl ToOrigin {
    /// Looks at what has come already of a body that streams: what that refuses needs no stream at the origin, which would
    /// have to be reset, and of many resets origins make an end.
    ///
    /// # Errors
    /// Why the body must not go on.
    pub async fn look_ahead(&mut self) -> Result<(), BodyError> {
        match self {
            // Of a body whose length is said that length goes ahead, and what was taken would be missing in it.
            Self::Inspected(body) if body.inner.size_hint().exact().is_none() => {
                poll_fn(|cx| Poll::Ready(body.look_ahead(cx))).await
            }
            _ => Ok(()),
        }
    }
}

impl Body for ToOrigin {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Whole { bytes, trailers, ending } => {
                if bytes.is_empty() {
                    return Poll::Ready(trailers.take().map(|fields| Ok(Frame::trailers(fields))));
                }
                ending.tally().add_out(bytes.len() as u64);
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes)))))
            }
            Self::Untouched { inner, framing, idle, ending } => loop {
                if let Some(why) = ending.poll_cut(Side::ToOrigin, cx) {
                    return Poll::Ready(Some(Err(BodyError::Cut(why))));
                }
                let tally = ending.tally();
                let Poll::Ready(frame) = Pin::new(&mut *inner).poll_frame(cx) else {
                    return idle.poll(cx, tally).map(|limit| Some(Err(BodyError::Idle(limit))));
                };
                idle.rest();
                let frame = frame.transpose()?.map(Frame::into_data);
                if let Some(Ok(data)) = &frame {
                    framing::check(framing.as_mut(), data).map_err(|stop| stopped(ending, &stop))?;
                }
                // Of a body of known length nobody asks for more than that.
                if !matches!(frame, Some(Ok(_))) || inner.is_end_stream() {
                    framing::ended(framing.as_ref()).map_err(|stop| stopped(ending, &stop))?;
                    ending.ongoing().sent();
                }
                let frame = match frame {
                    None => return Poll::Ready(None),
                    Some(Ok(data)) => {
                        tally.add_out(data.len() as u64);
                        Some(Frame::data(data))
                    }
                    Some(Err(frame)) => trailing_frame(frame, None, ending)?.map(Frame::trailers),
                };
                if let Some(frame) = frame {
                    return Poll::Ready(Some(Ok(frame)));
                }
            },
            Self::Inspected(body) => body.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Whole { bytes, trailers, .. } => bytes.is_empty() && trailers.is_none(),
            Self::Untouched { inner, .. } => inner.is_end_stream(),
            Self::Inspected(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Whole { bytes, .. } => SizeHint::with_exact(bytes.len() as u64),
            Self::Untouched { inner, .. } => inner.size_hint(),
            Self::Inspected(body) if body.look.stream().length_kept() => body.inner.size_hint(),
            Self::Inspected(_) => SizeHint::default(),
        }
    }
}

fn trailing_frame(frame: Frame<Bytes>, rules: Option<&Rules>, ending: &Ending) -> Result<Option<HeaderMap>, BodyError> {
    let Ok(fields) = frame.into_trailers() else { return Ok(None) };
    trailing(fields, rules, ending)
}

/// Looks at what comes behind a body; gives what of it may go on.
///
/// # Errors
/// It holds what must not leave.
pub fn trailing(fields: HeaderMap, rules: Option<&Rules>, ending: &Ending) -> Result<Option<HeaderMap>, BodyError> {
    trailers::of_request(fields, rules, ending).map_err(|stop| stopped(ending, &stop))
}

fn stopped(ending: &Ending, stop: &Stop) -> BodyError {
    ending.stop(stop);
    BodyError::Stopped(ending.stopped().map_or_else(String::new, |denial| denial.reason.clone()))
}

/// A body that is looked through.
pub struct InspectedBody {
    inner: Incoming,
    look: Look,
    rules: Rules,
    framing: Option<Framing>,
    idle: Idle,
    ending: Arc<Ending>,
    trailers: Option<HeaderMap>,
    /// What came and has not been looked at.
    rest: Bytes,
    /// What was looked at ahead, and may go on.
    ready: Option<Frame<Bytes>>,
    done: bool,
    told: bool,
}

impl InspectedBody {
    pub fn new(
        inner: Incoming,
        (look, rules): (Look, Rules),
        framing: Option<Framing>,
        idle: Idle,
        ending: Arc<Ending>,
    ) -> Self {
        let (trailers, rest, done, told) = (None, Bytes::new(), false, false);
        Self { inner, look, rules, framing, idle, ending, trailers, rest, ready: None, done, told }
    }

    fn look_ahead(&mut self, cx: &mut Context<'_>) -> Result<(), BodyError> {
        if let Poll::Ready(Some(frame)) = self.poll(cx) {
            self.ready = Some(frame?);
        }
        Ok(())
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(frame) = self.ready.take() {
            return Poll::Ready(Some(Ok(frame)));
        }
        loop {
            if self.done {
                return Poll::Ready(self.trailers.take().map(|fields| Ok(Frame::trailers(fields))));
            }
            if let Some(why) = self.ending.poll_cut(Side::ToOrigin, cx) {
                return Poll::Ready(Some(Err(BodyError::Cut(why))));
            }
            let (frame, framing) = if self.rest.is_empty() {
                let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(cx) else {
                    return self.idle.poll(cx, self.ending.tally()).map(|limit| Some(Err(BodyError::Idle(limit))));
                };
                self.idle.rest();
                let frame = frame.transpose()?;
                let data = frame.as_ref().and_then(Frame::data_ref);
                self.ending.tally().came(data.map_or(0, Bytes::len));
                (frame, self.framing.as_mut())
            } else {
                (Some(Frame::data(std::mem::take(&mut self.rest))), None)
            };
            let mut out = Vec::new();
            let looked = match frame.map(Frame::into_data) {
                Some(Ok(data)) => framing::check(framing, &data).and_then(|()| self.take(data, &mut out)),
                rest => {
                    self.done = true;
                    let ended = self.finish(&mut out);
                    if let (Some(Err(frame)), Ok(())) = (rest, &ended) {
                        self.trailers = trailing_frame(frame, Some(&self.rules), &self.ending)?;
                    }
                    ended
                }
            };
            if self.done {
                self.ending.ongoing().sent();
            }
            if let Err(stop) = looked {
                self.done = true;
                self.tell();
                return Poll::Ready(Some(Err(stopped(&self.ending, &stop))));
            }
            if !out.is_empty() {
                self.ending.tally().add_out(out.len() as u64);
                return Poll::Ready(Some(Ok(Frame::data(Bytes::from(out)))));
            }
        }
    }
}

impl InspectedBody {
    /// Looks at what came, as far as it makes a frame.
    fn take(&mut self, data: Bytes, out: &mut Vec<u8>) -> Result<(), Stop> {
        *out = Look::room(&data);
        self.rest = data;
        self.look.take(&mut self.rest, out)?;
        // Of a body of known length nobody asks for more than that.
        self.done = self.rest.is_empty() && self.inner.is_end_stream();
        if self.done { self.finish(out) } else { Ok(()) }
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Stop> {
        framing::ended(self.framing.as_ref())?;
        self.look.finish(out)
    }

    /// Tells what was found, once.
    fn tell(&mut self) {
        if !std::mem::replace(&mut self.told, true) {
            self.ending.tally().found(self.look.findings().iter().cloned());
            self.ending.tally().noted(self.look.notes());
        }
    }
}

impl Drop for InspectedBody {
    /// Wherever the body ended: what was found until then is told.
    fn drop(&mut self) {
        self.tell();
    }
}
