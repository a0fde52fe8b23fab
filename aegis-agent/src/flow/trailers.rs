//! Fields that come after a body. What an agent puts there is content as its header fields are.

use aegis_policy::redact_head;
use http::header::{self, HeaderMap, HeaderName};

use super::ending::Ending;
use super::fields;
use super::look::Rules;
use super::stop::{Direction, Stop};
use super::tally::Tally;

/// What may not be said after the body, because it would change how the message is read, or who asks (RFC 9110, section
/// 6.5.1).
const NEVER: [HeaderName; 18] = [
    header::CONNECTION,
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("keep-alive"),
    header::TRANSFER_ENCODING,
    header::TRAILER,
    header::TE,
    header::UPGRADE,
    header::HOST,
    header::EXPECT,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::CONTENT_RANGE,
    header::AUTHORIZATION,
    header::PROXY_AUTHORIZATION,
    header::COOKIE,
    header::SET_COOKIE,
    header::RANGE,
];

/// The trailers of a request as they may go on; none where nothing is left of them.
///
/// # Errors
/// Where they hold what must not leave.
pub fn of_request(mut fields: HeaderMap, rules: Option<&Rules>, ending: &Ending) -> Result<Option<HeaderMap>, Stop> {
    strip(&mut fields);
    let fields = match rules {
        None => fields,
        Some(rules) => {
            let looked = redact_head(&rules.profile, "/", &fields);
            ending.tally().found(looked.findings.iter().cloned());
            Stop::unless_passes(&looked.findings, Direction::Out)?;
            if let Some((place, opaque)) = looked.opaque {
                return Err(Stop::opaque(opaque, place, Direction::Out));
            }
            looked.headers
        }
    };
    Ok((!fields.is_empty()).then_some(fields))
}

/// The trailers of a response, without what is not for them to say, as they may go on; none where nothing is left of them.
///
/// # Errors
/// Where they hold what must not come back.
pub fn of_response(mut fields: HeaderMap, rules: Option<&Rules>, tally: &Tally) -> Result<Option<HeaderMap>, Stop> {
    strip(&mut fields);
    if let Some(rules) = rules {
        fields::of_response(&mut fields, rules, tally)?;
    }
    Ok((!fields.is_empty()).then_some(fields))
}

fn strip(fields: &mut HeaderMap) {
    for name in &NEVER {
        fields.remove(name);
    }
    fields::strip_own(fields);
}
