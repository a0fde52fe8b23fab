//! The built-in functions that authors' Rego may call.
//!
//! All of them are pure, and what they give is not much larger than what they are given: the budgets of the engine are looked
//! at between instructions, so one call that fills the memory (`numbers.range`, `replace`, `concat`, `sprintf`) would not be stopped.

pub(super) const ALLOWED: [&str; 52] = [
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
    "object.subset",
    "object.union",
    "product",
    "regex.is_valid",
    "regex.match",
    "round",
    "sort",
    "split",
    "startswith",
    "strings.any_prefix_match",
    "strings.any_suffix_match",
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
