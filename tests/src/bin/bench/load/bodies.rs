//! What is sent: bodies of the kind that tools are called with.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::Result;
use bytes::Bytes;
use clap::ValueEnum;
use flate2::Compression;
use flate2::write::GzEncoder;

/// What is in a body.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum Content {
    /// JSON with nothing sensitive in it.
    Json,
    /// JSON with a social security number and an address in every 300 bytes: both are to be masked.
    Dirty,
    /// The clean JSON in gzip; the size is the one before.
    Gzip,
}

impl Content {
    pub fn bytes(self, size: usize) -> Result<Bytes> {
        let text = match self {
            _ if size == 0 => return Ok(Bytes::new()),
            Content::Json | Content::Gzip => document(size, |_| String::new()),
            Content::Dirty => document(size, |number| {
                let serial = 1000 + number % 9000;
                if number % 4 == 0 { format!("536-22-{serial}, jane.{number}@mail.test, ") } else { String::new() }
            }),
        };
        if self != Content::Gzip {
            return Ok(Bytes::from(text));
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes())?;
        Ok(Bytes::from(encoder.finish()?))
    }
}

/// A JSON document of about `size` bytes; each entry begins with what `insert` makes of its number.
pub fn document(size: usize, insert: impl Fn(u64) -> String) -> String {
    let mut text = String::from(r#"{"amount":4999,"currency":"usd","notes":["#);
    let mut number = 0_u64;
    while text.len() + 70 < size {
        // Writing to a string does not fail.
        let _ = write!(text, r#""{}entry {number} of an ordinary order, nothing secret in it","#, insert(number));
        number += 1;
    }
    text.push_str(r#""end"]}"#);
    text
}
