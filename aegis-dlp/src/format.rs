//! How a body is written, as its media type says.

/// The syntax whose encodings are undone for matching and kept valid by redaction.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash)]
pub enum Format {
    /// JSON (RFC 8259), one document or many. What is not JSON is scanned as text.
    Json,
    /// `application/x-www-form-urlencoded` (WHATWG URL). One that begins as JSON does is scanned with the
    /// escapes of both undone: receivers may parse it as either.
    Form,
    /// XML or HTML. What begins as JSON does is [`Format::Unknown`].
    Xml,
    /// Comma-separated values (RFC 4180), also with tabs, semicolons or bars between them: the heading of a column is context for
    /// its cells. One that begins with `{` or `[` is JSON.
    Csv,
    /// Text.
    Text,
    /// Decided by how the body begins, after a byte order mark and blanks: XML where that is `<`, JSON where it is `{`, `[` or
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
            "xml" | "html" => Format::Xml,
            "csv" | "tab-separated-values" => Format::Csv,
            _ if subtype.ends_with("+json") => Format::Json,
            _ if subtype.ends_with("+xml") => Format::Xml,
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
            (Some("text/xml"), Format::Xml),
            (Some("application/soap+xml; action=x"), Format::Xml),
            (Some("text/html"), Format::Xml),
            (Some("text/csv; header=present"), Format::Csv),
            (Some("text/plain"), Format::Unknown),
            (Some("application/octet-stream"), Format::Unknown),
            (Some("garbage"), Format::Unknown),
            (None, Format::Unknown),
        ] {
            assert_eq!(Format::from_content_type(value), format, "{value:?}");
        }
    }
}
