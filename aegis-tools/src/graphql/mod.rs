//! GraphQL over HTTP: which fields of the root are asked for. The operation's name is the agent's own choice and says nothing;
//! the fields are what the server acts on. Named `query.FIELD`, `mutation.FIELD`, `subscription.FIELD`.

mod document;
mod lexer;

use serde_json::{Map, Value};

pub use document::{Operation, operations};

use crate::understood::{Call, MAX_CALLS, Tool, Understood};
use crate::{Body, Protocol, Request, form, keys};

const DOCUMENT: &str = "application/graphql";
/// Parameters by which a document is named that the server keeps.
const BY_NAME: [&str; 6] = ["extensions", "id", "documentId", "document_id", "doc_id", "operationName"];
const KEYS: [&str; 4] = ["query", "operationName", "variables", "extensions"];

/// The request as GraphQL, where it is that: at a path that says so, or anywhere with a document that is nothing else.
pub(crate) fn understand<'a>(request: &Request<'a>) -> Option<Understood<'a>> {
    let expected = request.path.to_ascii_lowercase().contains("graphql");
    let media = request.media_type().unwrap_or_default();
    let mut found = Found { expected, understood: Understood::default(), any: false };
    for text in form::values(request.query.unwrap_or_default(), "query") {
        found.document(&text, 0, None);
    }
    match request.body {
        Body::Json(Value::Object(body)) => found.message(body, 0),
        Body::Json(Value::Array(messages)) if messages.len() <= MAX_CALLS => {
            let bodies = messages.iter().enumerate().filter_map(|(at, one)| Some((at, one.as_object()?)));
            bodies.for_each(|(at, body)| found.message(body, at));
        }
        Body::Json(_) => found.doubt("the GraphQL request holds more operations than are looked at"),
        Body::Raw(bytes) => found.raw(bytes, &media),
        Body::None if request.method == "POST" => found.doubt("the GraphQL request has no document"),
        Body::None | Body::Unread | Body::TooLarge => {}
    }
    if !found.any && form::has_any(request.query.unwrap_or_default(), &BY_NAME) {
        found.doubt("the GraphQL request names a document that only the server has");
    }
    let Found { mut understood, any, .. } = found;
    any.then(|| {
        understood.protocol = Some(Protocol::GraphQl);
        understood
    })
}

/// Whether a body is a document and nothing else, and says so.
pub(crate) fn is_document(request: &Request<'_>, body: &[u8]) -> bool {
    request.media_type().is_some_and(|media| media == DOCUMENT)
        && std::str::from_utf8(body).is_ok_and(|text| operations(text).is_some())
}

struct Found<'a> {
    /// The path says that it is GraphQL: what is not understood is then in doubt.
    expected: bool,
    understood: Understood<'a>,
    any: bool,
}

impl<'a> Found<'a> {
    fn message(&mut self, body: &'a Map<String, Value>, at: usize) {
        match body.get("query").and_then(Value::as_str) {
            Some(text) => self.document(text, at, body.get("variables")),
            // A document that only the server has, by its hash.
            None => self.doubt("the GraphQL request holds no document"),
        }
        if self.any && keys::odd(body, &KEYS) {
            self.understood.doubt = Some("a key of the GraphQL request is written in unusual letters");
        }
    }

    fn raw(&mut self, bytes: &'a [u8], media: &str) {
        let text = &*String::from_utf8_lossy(bytes);
        match media {
            DOCUMENT => {
                self.expected = true;
                self.document(text, 0, None);
            }
            "application/x-www-form-urlencoded" => {
                form::values(text, "query").for_each(|text| self.document(&text, 0, None));
                if !self.any {
                    self.doubt("the GraphQL request holds no document");
                }
            }
            _ => self.doubt("the GraphQL request is in a form that is not looked into"),
        }
    }

    fn document(&mut self, text: &str, element: usize, variables: Option<&'a Value>) {
        let Some(operations) = operations(text) else {
            return self.doubt("the GraphQL document is not understood");
        };
        self.any = true;
        for Operation { kind, fields } in operations {
            self.understood.operation.get_or_insert_with(|| kind.to_owned());
            for field in fields {
                let tool = Tool::named(format!("{kind}.{field}"));
                self.understood.add(Call { element, tool, method: None, params: variables, id: None });
            }
        }
    }

    fn doubt(&mut self, why: &'static str) {
        if self.expected {
            self.any = true;
            self.understood.doubt.get_or_insert(why);
        }
    }
}
