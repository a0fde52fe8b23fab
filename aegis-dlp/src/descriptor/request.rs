//! A request to a method as JSON, for conditions on its body.

use serde_json::Value as Json;

use super::{Descriptors, MessageType, json};
use crate::coding::{Decoder, Stop};
use crate::wire::MAX_MESSAGE;

/// A body that is not one message of the method's type in one reading: a stream of several, broken, compressed in a way that is not
/// known, a field twice, a number that does not fit.
#[derive(Copy, Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the body is not one message of the method's type")]
pub struct NotOneMessage;

/// What carries a message.
enum Carrier {
    /// gRPC: behind five bytes.
    Framed,
    /// Connect: the message is the body.
    Bare,
}

impl Descriptors {
    /// The message that is sent to the method at `path` as JSON: fields by their JSON names, those without presence also where they
    /// are not there; numbers of all sizes as numbers, bytes in base64, enumerations by name. `None` where the path or the type of
    /// the content is of no method that is known: then the body is what it is. `header` gives a header field by its name.
    pub fn request_json<'h>(
        &self,
        path: &str,
        header: impl Fn(&str) -> Option<&'h str>,
        body: &[u8],
    ) -> Option<Result<Json, NotOneMessage>> {
        let pool = self.0.as_ref()?;
        let method = pool.methods.get(path.strip_prefix('/')?)?;
        let carrier = carrier(header("content-type")?)?;
        let coding = header(match carrier {
            Carrier::Framed => "grpc-encoding",
            Carrier::Bare => "content-encoding",
        });
        let message = MessageType { pool: pool.clone(), at: method.input };
        let read = || {
            let bytes = match carrier {
                _ if method.streaming => return None,
                Carrier::Framed => framed(body, coding)?,
                Carrier::Bare => unpacked(body, coding)?,
            };
            json::message(message.shape(), &bytes)
        };
        Some(read().ok_or(NotOneMessage))
    }
}

fn carrier(content_type: &str) -> Option<Carrier> {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/grpc" | "application/grpc+proto" | "application/grpc-web" | "application/grpc-web+proto" => {
            Some(Carrier::Framed)
        }
        "application/proto" => Some(Carrier::Bare),
        _ => None,
    }
}

/// The only message in a body of gRPC.
fn framed(body: &[u8], coding: Option<&str>) -> Option<Vec<u8>> {
    let [flags, a, b, c, d, message @ ..] = body else { return None };
    let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
    if length != message.len() {
        return None;
    }
    match flags {
        0 => Some(message.to_vec()),
        1 => unpacked(message, Some(coding.filter(|coding| coding.trim() != "identity")?)),
        _ => None,
    }
}

fn unpacked(bytes: &[u8], coding: Option<&str>) -> Option<Vec<u8>> {
    let Some(mut decoder) = Decoder::named(coding.unwrap_or("identity").trim()).ok()? else {
        return Some(bytes.to_vec());
    };
    let mut plain = Vec::new();
    let pushed = decoder.push(bytes, &mut |piece| {
        plain.extend_from_slice(piece);
        let short = plain.len() <= MAX_MESSAGE;
        short.then_some(()).ok_or(Stop::Reason(crate::Reason::TooLarge("a message of 4 MiB")))
    });
    // What one reader takes for the message another may take for its beginning, or for one of several.
    let alone = match &decoder {
        Decoder::Gzip(gzip) => gzip.members() == 1 && !decoder.hides(),
        Decoder::Inflate(_) => true,
        Decoder::Brotli(_) | Decoder::Zstd(_) => false,
    };
    (pushed.is_ok() && alone && decoder.finish().is_ok()).then_some(plain)
}
