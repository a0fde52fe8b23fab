//! gRPC over HTTP/2 (the protocol's "Requests"), gRPC-Web and Connect: service and method stand in the path.

use crate::understood::{Call, Tool};
use crate::{Protocol, Request};

pub(crate) fn call<'a>(request: &Request<'_>) -> Option<(Protocol, Call<'a>)> {
    let (service, method) = request.path.strip_prefix('/')?.split_once('/')?;
    if request.method != "POST" || !speaks(request, service, method) {
        return None;
    }
    let name = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'))
    };
    let tool = match name(service) && name(method) {
        true => Tool::named(format!("{service}/{method}")),
        // A server decodes or normalises it, or does not.
        false => Tool::Doubtful("the path is no gRPC service and method"),
    };
    Some((Protocol::Grpc, Call::of_tool(tool)))
}

fn speaks(request: &Request<'_>, service: &str, method: &str) -> bool {
    let media = request.media_type().unwrap_or_default();
    if media.starts_with("application/grpc")
        || media.starts_with("application/connect+")
        || media == "application/proto"
    {
        return true;
    }
    let capital = |word: &str| word.starts_with(|letter: char| letter.is_ascii_uppercase());
    // Connect takes JSON in a plain POST; its names are then all there is to know it by.
    request.headers.contains_key("connect-protocol-version")
        || (media == "application/json"
            && service.rsplit_once('.').is_some_and(|(_, last)| capital(last))
            && capital(method))
}
