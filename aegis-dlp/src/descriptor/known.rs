//! Types of google.protobuf that JSON writes in a form of their own.

/// How JSON writes a message.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) enum Form {
    /// Its fields by name.
    Fields,
    /// Its only field: wrappers of single values, lists.
    Inner,
    /// The entries of its only field, a map.
    Struct,
    /// The one field of it that is there.
    Value,
}

/// How JSON writes messages of the type with this full name.
pub(super) fn form(name: &str) -> Form {
    match name.strip_prefix("google.protobuf.") {
        Some("Struct") => Form::Struct,
        Some("Value") => Form::Value,
        Some(
            "ListValue" | "BoolValue" | "BytesValue" | "DoubleValue" | "FloatValue" | "Int32Value" | "Int64Value"
            | "StringValue" | "UInt32Value" | "UInt64Value",
        ) => Form::Inner,
        _ => Form::Fields,
    }
}
