//! How a body is written, as its media type says.

/// The syntax whose encodings are undone for matching and kept valid by redaction.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash)]
pub enum Format {
    /// JSON (RFC 8259), one document or many. What is not JSON is scanned as text.
    Json,
    /// `application/x-www-form-urlencoded` (WHATWG URL). One that begins as JSON does is scanned with the
    /// escapes of both undone: receivers may parse it as either.
    Form,
    /// Text without escapes, scanned as it is.
    Text,
    /// Decided by how the body begins, after a byte order mark and blanks: JSON where that is `{`, `[` or
    /// `"`; a form where it is written as forms are and holds a percent escape, or an `=` and an `&` after
    /// it, in its first 512 bytes; else text.
    Unknown,
}

impl Format {
    /// The format that a `Content-Type` value names; [`Format::Unknown`] where it is absent or any other type:
    /// many origins parse by content, and a type must not hide what the content says.
    pub fn from_content_type(value: Option<&str>) -> Format {
        let essence = value.and_then(|v| v.split(';').next()).unwrap_or_default().trim().to_ascii_lowercase();
        let subtype = essence.split_once('/').map_or("", |(_, subtype)| subtype);
        match subtype {
            "json" | "x-ndjson" | "ndjson" | "jsonl" | "json-seq" | "jsonlines" => Format::Json,
            "x-www-form-urlencoded" => Format::Form,
            _ if subtype.ends_with("+json") => Format::Json,
            _ => Format::Unknown,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn media_types() {
        for (value, format) in [
            (Some("application/json"), Format::Json),
            (Some("Application/JSON; charset=utf-8"), Format::Json),
            (Some("application/problem+json"), Format::Json),
            (Some("application/x-ndjson"), Format::Json),
            (Some("application/x-www-form-urlencoded"), Format::Form),
            (Some("text/plain"), Format::Unknown),
            (Some("application/octet-stream"), Format::Unknown),
            (Some("garbage"), Format::Unknown),
            (None, Format::Unknown),
        ] {
            assert_eq!(Format::from_content_type(value), format, "{value:?}");
        }
    }
}
