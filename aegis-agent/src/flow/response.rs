//! Response bodies on their way to the agent: streamed, counted, and looked through where the rule says so.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::ending::Ending;
use super::events::Events;
use super::farewell::Dialect;
use super::idle::Idle;
use super::look::{Look, Rules};
use super::standing::Side;
use super::stop::Stop;
use super::tools::Watched;
use super::trailers;

/// A response body on its way to the agent.
pub enum ToAgent {
    /// Aegis' own answer.
    Own(Bytes),
    /// The origin's answer, read to its end already.
    Whole(Bytes, Arc<Ending>),
    /// The origin's answer.
    Relayed(Box<Relayed>),
    /// One of these, read and perhaps put together anew for its protocol's sake.
    Watched(Box<Watched>),
}

/// How a response is looked through.
pub enum Manner {
    /// Nobody looks.
    Pass,
    Look(Box<Look>),
    /// Event by event.
    Events(Box<Events>),
}

/// The origin's answer.
pub struct Relayed {
    inner: Incoming,
    manner: Manner,
    /// What its trailers are looked through for.
    rules: Option<Rules>,
    dialect: Dialect,
    idle: Idle,
    ending: Arc<Ending>,
    trailers: Option<HeaderMap>,
    /// What came and has not been looked at.
    rest: Bytes,
    done: bool,
    told: bool,
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

impl Body for ToAgent {
    type Data = Bytes;
    type Error = RelayError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        match &mut *self {
            Self::Own(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Own(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Whole(bytes, _) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes, ending) => {
                if let Some(why) = ending.poll_cut(Side::ToAgent, cx) {
                    return Poll::Ready(Some(Err(RelayError::Cut(why))));
                }
                ending.tally().add_in(bytes.len() as u64);
                ending.response_complete();
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes)))))
            }
            Self::Relayed(relayed) => relayed.poll(cx),
            Self::Watched(watched) => Pin::new(&mut **watched).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(bytes) | Self::Whole(bytes, _) => bytes.is_empty(),
            Self::Relayed(relayed) => match relayed.manner {
                Manner::Pass => relayed.done || relayed.inner.is_end_stream(),
                Manner::Look(_) | Manner::Events(_) => relayed.done && relayed.trailers.is_none(),
            },
            Self::Watched(watched) => watched.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(bytes) | Self::Whole(bytes, _) => SizeHint::with_exact(bytes.len() as u64),
            Self::Relayed(relayed) => match &relayed.manner {
                Manner::Pass => relayed.inner.size_hint(),
                Manner::Look(look) if look.stream().length_kept() => relayed.inner.size_hint(),
                Manner::Look(_) | Manner::Events(_) => SizeHint::default(),
            },
            Self::Watched(watched) => watched.size_hint(),
        }
    }
}

impl Relayed {
    pub fn new(
        inner: Incoming,
        manner: Manner,
        rules: Option<Rules>,
        dialect: Dialect,
        idle: Idle,
        ending: Arc<Ending>,
    ) -> Self {
        if inner.is_end_stream() {
            ending.response_complete();
        }
        let (trailers, rest, done, told) = (None, Bytes::new(), false, false);
        Self { inner, manner, rules, dialect, idle, ending, trailers, rest, done, told }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        loop {
            if self.done {
                return Poll::Ready(self.trailers.take().map(|fields| Ok(Frame::trailers(fields))));
            }
            if let Some(why) = self.ending.poll_cut(Side::ToAgent, cx) {
                return Poll::Ready(self.cut(why));
            }
            if !self.rest.is_empty() || matches!(&self.manner, Manner::Events(events) if events.more()) {
                let rest = std::mem::take(&mut self.rest);
                match self.pass(Some(Frame::data(rest))) {
                    Ok(Some(frame)) => {
                        self.ending.tally().add_in(frame.data_ref().map_or(0, |data| data.len() as u64));
                        return Poll::Ready(Some(Ok(frame)));
                    }
                    Ok(None) => continue,
                    Err(stop) => return Poll::Ready(self.stopped(&stop)),
                }
            }
            let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(cx) else {
                return self.idle.poll(cx, self.ending.tally()).map(|limit| {
                    self.ending.response_failed("the origin stopped sending");
                    Some(Err(RelayError::Idle(limit)))
                });
            };
            self.idle.rest();
            if let Some(Err(error)) = &frame {
                // What was stopped towards the origin is reset there, and the reset comes back here.
                if let Some(why) = self.ending.stopped().map(|denial| denial.reason.clone()) {
                    return Poll::Ready(self.cut(why));
                }
                self.ending.response_failed(&format!("the origin's body broke off: {error}"));
            }
            let frame = frame.transpose()?;
            if !matches!(self.manner, Manner::Pass) {
                let data = frame.as_ref().and_then(Frame::data_ref);
                self.ending.tally().came(data.map_or(0, Bytes::len));
            }
            match self.pass(frame) {
                Ok(Some(frame)) => {
                    self.ending.tally().add_in(frame.data_ref().map_or(0, |data| data.len() as u64));
                    return Poll::Ready(Some(Ok(frame)));
                }
                Ok(None) => {}
                Err(stop) => return Poll::Ready(self.stopped(&stop)),
            }
        }
    }

    /// What becomes of a frame of the origin's, or of its end.
    fn pass(&mut self, frame: Option<Frame<Bytes>>) -> Result<Option<Frame<Bytes>>, Stop> {
        let mut out = Vec::new();
        match (frame.map(Frame::into_data), &mut self.manner) {
            (Some(Ok(data)), Manner::Pass) => {
                // A body of known length is not polled again once it is all there.
                if self.inner.is_end_stream() {
                    self.ending.response_complete();
                }
                return Ok(Some(Frame::data(data)));
            }
            (Some(Ok(data)), Manner::Look(look)) => {
                out = Look::room(&data);
                self.rest = data;
                look.take(&mut self.rest, &mut out)?;
                if self.rest.is_empty() && self.inner.is_end_stream() {
                    self.done = true;
                    look.finish(&mut out)?;
                    self.ending.response_complete();
                }
            }
            (Some(Ok(data)), Manner::Events(events)) => {
                events.push(&data, &mut out, self.ending.tally())?;
            }
            (rest, manner) => {
                self.done = true;
                match manner {
                    Manner::Pass => {}
                    Manner::Look(look) => look.finish(&mut out)?,
                    Manner::Events(events) => events.finish(&mut out, self.ending.tally())?,
                }
                if let Some(fields) = rest.and_then(|frame| frame.err()?.into_trailers().ok()) {
                    self.trailers = trailers::of_response(fields, self.rules.as_ref(), self.ending.tally())?;
                }
                self.ending.response_complete();
            }
        }
        Ok((!out.is_empty()).then(|| Frame::data(out.into())))
    }

    fn stopped(&mut self, stop: &Stop) -> Option<Result<Frame<Bytes>, RelayError>> {
        self.tell();
        self.ending.stop(stop);
        let why = self.ending.stopped().map_or_else(String::new, |denial| denial.reason.clone());
        self.cut(why)
    }

    /// Ends the response before its end, so that the agent's client notices, and where its protocol can say it knows why.
    fn cut(&mut self, why: String) -> Option<Result<Frame<Bytes>, RelayError>> {
        self.done = true;
        self.ending.response_failed(&why);
        let denial = self.ending.stopped().filter(|denial| denial.reason == why);
        let next_steps = denial.map(|denial| denial.next_steps.as_slice()).unwrap_or_default();
        match self.dialect {
            Dialect::Grpc => Some(Ok(Frame::trailers(super::farewell::grpc(&why, next_steps)))),
            Dialect::Events => Some(Ok(Frame::data(super::farewell::event(&why, next_steps)))),
            Dialect::Plain => Some(Err(RelayError::Cut(why))),
        }
    }
}

impl Relayed {
    /// Tells what was found, once.
    fn tell(&mut self) {
        if std::mem::replace(&mut self.told, true) {
            return;
        }
        if let Manner::Look(look) = &self.manner {
            look.tell(self.ending.tally());
        }
    }
}

impl Drop for Relayed {
    /// Wherever the body ended: what was found until then is told.
    fn drop(&mut self) {
        self.tell();
    }
}
