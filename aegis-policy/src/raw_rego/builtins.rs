//! The built-in functions that authors' Rego may call.
//!
//! All of them are pure, take time in proportion to what they are given, and give nothing much larger: the engine looks at its
//! budget between calls, so one that fills the memory (`numbers.range`, `replace`, `concat`, `sprintf`) or takes minutes
//! (`product` of large numbers, `strings.any_prefix_match` of two long lists) would not be stopped.

pub(super) const ALLOWED: [&str; 48] = [
    "abs",
    "array.concat",
    "array.reverse",
    "array.slice",
    "ceil",
    "contains",
    "count",
    "endswith",
    "floor",
    "indexof",
    "intersection",
    "is_array",
    "is_boolean",
    "is_null",
    "is_number",
    "is_object",
    "is_set",
    "is_string",
    "lower",
    "max",
    "min",
    "net.cidr_contains",
    "net.cidr_is_valid",
    "object.filter",
    "object.get",
    "object.keys",
    "object.remove",
    "object.union",
    "regex.is_valid",
    "regex.match",
    "round",
    "sort",
    "split",
    "startswith",
    "strings.count",
    "strings.reverse",
    "substring",
    "sum",
    "to_number",
    "trim",
    "trim_left",
    "trim_prefix",
    "trim_right",
    "trim_space",
    "trim_suffix",
    "type_name",
    "union",
    "upper",
];

/// Whether authors may call it.
pub(super) fn allowed(name: &str) -> bool {
    ALLOWED.contains(&name)
}
