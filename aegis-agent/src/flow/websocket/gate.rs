//! What becomes of one message: inflated, looked through, and put back into the form that the other side takes.

use std::sync::Arc;

use aegis_dlp::Described;
use bytes::Bytes;

use super::close::{self, Violation};
use super::deflate;
use super::frame::Opcode;
use super::message::{Kind, Message};
use crate::flow::ending::Ending;
use crate::flow::joins::Joins;
use crate::flow::look::{self, Look, Rules};
use crate::flow::stop::{Direction, Stop};

/// Looks into the messages of one direction.
pub struct Gate {
    /// `None` where nothing is asked of this direction.
    rules: Option<Rules>,
    direction: Direction,
    /// The longest message, in bytes, before and after it is inflated.
    limit: usize,
    /// The side that the messages go to takes them compressed.
    deflates: bool,
    ending: Arc<Ending>,
    number: u64,
    /// What the messages so far ended with.
    joins: Option<Joins>,
}

/// Why a message goes no further.
#[derive(Debug)]
pub enum Held {
    Violation(Violation),
    Stop(Box<Stop>),
}

/// A message as it goes on.
pub struct Passed {
    pub kind: Kind,
    pub compressed: bool,
    pub data: Vec<u8>,
}

impl From<Violation> for Held {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}

impl Gate {
    #[must_use]
    pub fn new(rules: Option<Rules>, direction: Direction, limit: usize, deflates: bool, ending: Arc<Ending>) -> Self {
        let joins = rules.as_ref().map(Joins::new);
        Self { rules, direction, limit, deflates, ending, number: 0, joins }
    }

    /// Looks into a message.
    ///
    /// # Errors
    /// Why it must not go on.
    pub fn message(&mut self, message: Message) -> Result<Passed, Held> {
        self.number += 1;
        let Message { kind, compressed, data } = message;
        let data = if compressed { deflate::inflate(&data, self.limit)? } else { data };
        if kind == Kind::Text && std::str::from_utf8(&data).is_err() {
            return Err(close::not_text().into());
        }
        let place = format!("message:{}", self.number);
        let data = self.look(data, &place)?;
        let data = match &mut self.joins {
            Some(joins) => {
                let prefix = named(self.direction, &place);
                joins.message(data, &prefix, self.ending.tally()).map_err(|stop| Held::Stop(Box::new(stop)))?
            }
            None => data,
        };
        let data = match kind {
            // A mask in the middle of a character is the one way to get here.
            Kind::Text => String::from_utf8(data).map_or_else(
                |broken| String::from_utf8_lossy(broken.as_bytes()).into_owned().into_bytes(),
                String::into_bytes,
            ),
            Kind::Binary => data,
        };
        let packed = if self.deflates { deflate::deflate(&data) } else { None };
        Ok(match packed {
            Some(data) => Passed { kind, compressed: true, data },
            None => Passed { kind, compressed: false, data },
        })
    }

    /// Looks into a control frame: its few bytes are the sender's choice, too.
    ///
    /// # Errors
    /// Why it must not go on.
    pub fn control(&mut self, opcode: Opcode, payload: Bytes) -> Result<Bytes, Held> {
        let (code, text) = match opcode {
            Opcode::Close => {
                close::check(&payload)?;
                payload.split_at(payload.len().min(2))
            }
            _ => (&[][..], &payload[..]),
        };
        if text.is_empty() || self.rules.is_none() {
            return Ok(payload);
        }
        let name = match opcode {
            Opcode::Close => "close",
            Opcode::Pong => "pong",
            _ => "ping",
        };
        let looked = self.look(text.to_vec(), name)?;
        if looked == text {
            return Ok(payload);
        }
        let room = super::frame::MAX_CONTROL - code.len();
        let looked = String::from_utf8_lossy(&looked);
        let looked = looked.get(..looked.floor_char_boundary(room)).unwrap_or_default();
        Ok([code, looked.as_bytes()].concat().into())
    }

    fn look(&mut self, data: Vec<u8>, place: &str) -> Result<Vec<u8>, Held> {
        let Some(rules) = &self.rules else { return Ok(data) };
        let prefix = named(self.direction, place);
        let mut out = Vec::with_capacity(data.len());
        let mut look = Look::new(rules, &Described::default()).map_err(|stop| Held::Stop(Box::new(stop)))?;
        let looked = look.push(&data, &mut out).and_then(|()| look.finish(&mut out));
        self.ending.tally().found(look.findings().iter().map(|finding| look::within(finding, &prefix)));
        self.ending.tally().noted(look.notes());
        match looked {
            Ok(()) => Ok(out),
            Err(stop) => {
                Err(Held::Stop(Box::new(Stop { place: stop.place.map(|at| look::placed(at, &prefix)), ..stop })))
            }
        }
    }
}

/// A place as records have it.
fn named(direction: Direction, place: &str) -> String {
    match direction {
        Direction::Out => place.to_owned(),
        Direction::Back => format!("response!{place}"),
    }
}
