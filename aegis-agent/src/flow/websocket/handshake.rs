//! The opening handshake (RFC 6455, section 4; RFC 8441 over HTTP/2), made with each side by itself: the agent's key and the
//! extensions that it offers go no further than here.

use aegis_policy::Denial;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode, Version};
use hyper::ext::Protocol;

use super::deflate;
use crate::flow::refusal::Refusal;

/// RFC 6455, section 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");
const UPGRADE: HeaderValue = HeaderValue::from_static("Upgrade");
/// The one version of the protocol that there is.
pub const VERSION: HeaderValue = HeaderValue::from_static("13");

/// An agent's wish for a WebSocket.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The agent's key; none over HTTP/2, which needs none.
    key: Option<String>,
    /// The extensions that it offers.
    offers: String,
}

impl Asked {
    /// What a request says of protocols that are to be spoken after it: `None` where it says nothing.
    ///
    /// # Errors
    /// Where it asks for another protocol than WebSocket, or not in the way that the standard wants.
    pub fn read(parts: &Parts, version: &str) -> Result<Option<Self>, Refusal> {
        let bad = |why: &str| Refusal::from(Denial::protocol(why, version));
        let over_h2 = match parts.extensions.get::<Protocol>() {
            Some(protocol) if parts.method == Method::CONNECT && protocol.as_str() == "websocket" => true,
            Some(protocol) => return Err(other(protocol.as_str().as_bytes(), version)),
            None if !parts.headers.contains_key(header::UPGRADE) => return Ok(None),
            None => false,
        };
        if !over_h2 {
            let wanted = one(&parts.headers, &header::UPGRADE).map_err(bad)?.unwrap_or_default();
            if !wanted.eq_ignore_ascii_case("websocket") {
                return Err(other(wanted.as_bytes(), version));
            }
            if parts.method != Method::GET || parts.version != Version::HTTP_11 {
                return Err(bad("an upgrade to websocket is asked for with GET in HTTP/1.1"));
            }
            if !lists(&parts.headers, &header::CONNECTION, "upgrade") {
                return Err(bad("the Upgrade field is not named in Connection"));
            }
        }
        if one(&parts.headers, &header::SEC_WEBSOCKET_VERSION).map_err(bad)? != Some("13") {
            let denial = Denial::protocol("only version 13 of WebSocket is spoken", version);
            return Err(Refusal::from(denial).with_status(StatusCode::UPGRADE_REQUIRED));
        }
        let key = match one(&parts.headers, &header::SEC_WEBSOCKET_KEY).map_err(bad)? {
            _ if over_h2 => None,
            Some(key) if BASE64_STANDARD.decode(key).is_ok_and(|nonce| nonce.len() == 16) => Some(key.to_owned()),
            _ => return Err(bad("the Sec-WebSocket-Key is not 16 bytes in base64")),
        };
        let offers = all(&parts.headers, &header::SEC_WEBSOCKET_EXTENSIONS).map_err(bad)?;
        Ok(Some(Self { key, offers }))
    }

    /// Leaves of the fields of a request what a rule can speak of and what goes to the origin.
    pub fn tidy(headers: &mut HeaderMap) {
        for name in [header::SEC_WEBSOCKET_KEY, header::SEC_WEBSOCKET_ACCEPT, header::SEC_WEBSOCKET_EXTENSIONS] {
            headers.remove(name);
        }
        headers.insert(header::SEC_WEBSOCKET_VERSION, VERSION);
        headers.insert(header::UPGRADE, WEBSOCKET);
    }

    /// Whether the agent speaks HTTP/2, and so is answered with 200.
    #[must_use]
    pub fn over_h2(&self) -> bool {
        self.key.is_none()
    }

    /// Adds to the request for the origin what makes it a handshake. `inspected`: compression is agreed on with each side by
    /// itself; else the extensions are the agent's and the origin's own affair.
    pub fn request(&self, headers: &mut HeaderMap, inspected: bool) -> Wanted {
        let key = BASE64_STANDARD.encode(nonce());
        headers.insert(header::CONNECTION, UPGRADE);
        headers.insert(header::UPGRADE, WEBSOCKET);
        headers.insert(header::SEC_WEBSOCKET_VERSION, VERSION);
        let offers = if inspected { deflate::AGREED } else { &self.offers };
        for (name, text) in [(header::SEC_WEBSOCKET_KEY, key.as_str()), (header::SEC_WEBSOCKET_EXTENSIONS, offers)] {
            if let Ok(value) = HeaderValue::from_str(text)
                && !text.is_empty()
            {
                headers.insert(name, value);
            }
        }
        let protocols = all(headers, &header::SEC_WEBSOCKET_PROTOCOL).unwrap_or_default();
        Wanted { accept: Some(accept(&key)), protocols, inspected }
    }

    /// The same for a request over HTTP/2 (RFC 8441), which has neither key nor upgrade.
    pub fn extended(&self, headers: &mut HeaderMap, inspected: bool) -> Wanted {
        let wanted = self.request(headers, inspected);
        for name in [header::CONNECTION, header::UPGRADE, header::SEC_WEBSOCKET_KEY] {
            headers.remove(name);
        }
        Wanted { accept: None, ..wanted }
    }

    /// The answer to the agent, with the fields of the origin's that go on to it.
    pub fn answer<B>(&self, agreed: &Agreed, mut headers: HeaderMap, body: B) -> Response<B> {
        for name in [
            header::SEC_WEBSOCKET_ACCEPT,
            header::SEC_WEBSOCKET_EXTENSIONS,
            header::CONTENT_LENGTH,
            header::CONTENT_TYPE,
        ] {
            headers.remove(name);
        }
        let extensions = match &agreed.extensions {
            None if self.deflates() => Some(deflate::AGREED),
            None => None,
            Some(end_to_end) => Some(end_to_end.as_str()).filter(|text| !text.is_empty()),
        };
        if let Some(Ok(value)) = extensions.map(HeaderValue::from_str) {
            headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, value);
        }
        let mut status = StatusCode::OK;
        if let Some(key) = &self.key {
            status = StatusCode::SWITCHING_PROTOCOLS;
            headers.insert(header::CONNECTION, UPGRADE);
            headers.insert(header::UPGRADE, WEBSOCKET);
            if let Ok(value) = HeaderValue::from_str(&accept(key)) {
                headers.insert(header::SEC_WEBSOCKET_ACCEPT, value);
            }
        }
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }

    /// Whether messages to and from the agent may be compressed where they are inspected.
    #[must_use]
    pub fn deflates(&self) -> bool {
        deflate::acceptable(&self.offers)
    }
}

/// What the origin has to answer.
pub struct Wanted {
    /// The proof that it read the key; none over HTTP/2, which has none.
    accept: Option<String>,
    protocols: String,
    inspected: bool,
}

/// What was agreed on with the origin.
#[derive(Debug, PartialEq, Eq)]
pub struct Agreed {
    /// Aegis and the origin may compress.
    pub deflates: bool,
    /// The origin's own answer to the agent's offers, where nothing is inspected.
    pub extensions: Option<String>,
}

impl Wanted {
    /// The status that opens the WebSocket.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        if self.accept.is_some() { StatusCode::SWITCHING_PROTOCOLS } else { StatusCode::OK }
    }

    /// Checks an answer with that status.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, headers: &HeaderMap) -> Result<Agreed, &'static str> {
        if let Some(accept) = &self.accept {
            let upgrade = one(headers, &header::UPGRADE)?.unwrap_or_default();
            if !upgrade.eq_ignore_ascii_case("websocket") || !lists(headers, &header::CONNECTION, "upgrade") {
                return Err("it switched to something else than websocket");
            }
            if one(headers, &header::SEC_WEBSOCKET_ACCEPT)? != Some(accept) {
                return Err("its Sec-WebSocket-Accept is wrong");
            }
        }
        if let Some(chosen) = one(headers, &header::SEC_WEBSOCKET_PROTOCOL)?
            && !self.protocols.split(',').any(|offered| offered.trim() == chosen)
        {
            return Err("it chose a WebSocket subprotocol that was not offered");
        }
        let extensions = all(headers, &header::SEC_WEBSOCKET_EXTENSIONS)?;
        if !self.inspected {
            return Ok(Agreed { deflates: false, extensions: Some(extensions) });
        }
        let deflates =
            deflate::agreed(Some(&extensions)).ok_or("it chose a WebSocket extension that was not offered")?;
        Ok(Agreed { deflates, extensions: None })
    }
}

/// Another protocol than WebSocket, or TLS or HTTP/2 in plain HTTP: nobody could look into it.
fn other(name: &[u8], version: &str) -> Refusal {
    let name: String =
        name.iter().take(32).map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '?' }).collect();
    let denial = Denial::protocol(format!("an upgrade to `{name}` cannot be inspected and is refused"), version)
        .next("Use HTTP/1.1, HTTP/2 over TLS, or WebSocket.")
        .next(
            "Where the protocol must pass unread, ask for a rule with `tls: passthrough` or `tcp: true` for this host.",
        );
    Refusal::from(denial).with_status(StatusCode::FORBIDDEN)
}

/// The field's one value.
fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, &'static str> {
    let mut values = headers.get_all(name).iter();
    let (first, second) = (values.next(), values.next());
    match (first.map(HeaderValue::to_str), second) {
        (None, _) => Ok(None),
        (Some(Ok(text)), None) => Ok(Some(text.trim())),
        _ => Err("a field of the WebSocket handshake is there twice, or no text"),
    }
}

/// All values of a field whose value is a list.
fn all(headers: &HeaderMap, name: &HeaderName) -> Result<String, &'static str> {
    let values: Result<Vec<&str>, _> = headers.get_all(name).iter().map(HeaderValue::to_str).collect();
    values.map(|values| values.join(", ")).map_err(|_| "a field of the WebSocket handshake is no text")
}

fn lists(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|word| word.trim().eq_ignore_ascii_case(wanted))
}

fn accept(key: &str) -> String {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY);
    context.update(key.as_bytes());
    context.update(GUID);
    BASE64_STANDARD.encode(context.finish())
}

/// No secret: it only has to be another one each time (RFC 6455, section 10.3, asks strength of masks alone).
fn nonce() -> [u8; 16] {
    fastrand::u128(..).to_le_bytes()
}

#[cfg(test)]
#[path = "handshake_tests.rs"]
mod tests;
