//! Conditions on headers, query parameters and the JSON body.

use serde_json::Value;

use crate::glob::REGEX_SIZE;
use crate::rule::{BodyTest, FieldTest, Order, Relation, Segment, TextTest, ValueTest};
use crate::source::cursor::{Cursor, Fields};
use crate::source::nearest;
use crate::source::node::Node;

const OPERATORS: [&str; 21] = [
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "in",
    "not_in",
    "matches",
    "starts_with",
    "ends_with",
    "contains",
    "contains_any",
    "subset_of",
    "length ==",
    "length !=",
    "length <",
    "length <=",
    "length >",
    "length >=",
    "exists",
];

/// Lists in lists that a path may go through: each costs as often as the one around it has elements.
const MOST_WILDCARDS: usize = 3;

pub(super) fn headers(fields: &Fields<'_>) -> Vec<FieldTest> {
    field_tests(fields, "headers", |name, key| match http::HeaderName::from_bytes(name.as_bytes()) {
        Ok(name) => Some(name.as_str().to_owned()),
        Err(_) => {
            key.problem(format!("`{name}` is not a header's name"), "not a header name");
            None
        }
    })
}

pub(super) fn query(fields: &Fields<'_>) -> Vec<FieldTest> {
    field_tests(fields, "query", |name, _| Some(name.to_owned()))
}

fn field_tests<'a>(
    fields: &Fields<'a>,
    under: &str,
    name: impl Fn(&str, &Cursor<'a>) -> Option<String>,
) -> Vec<FieldTest> {
    let entries = fields.get(under).map(Cursor::entries).unwrap_or_default();
    let mut tests: Vec<FieldTest> = Vec::new();
    for (text, key, value) in entries {
        let Some((name, test)) = name(text, &key).zip(text_test(&value)) else {
            continue;
        };
        if tests.iter().any(|other| other.name == name) {
            key.problem(format!("`{name}` stands twice"), "repeated name");
        }
        tests.push(FieldTest { name, test });
    }
    tests
}

fn text_test(value: &Cursor<'_>) -> Option<TextTest> {
    if let Node::Map(_) = value.node {
        let fields = value.fields(&["matches"]);
        return fields.require("matches").and_then(regex).map(TextTest::Matches);
    }
    value.string().map(|text| TextTest::Equals(text.to_owned()))
}

fn regex(at: &Cursor<'_>) -> Option<String> {
    let pattern = at.string()?;
    match regex::RegexBuilder::new(pattern).size_limit(REGEX_SIZE).build() {
        Ok(_) => Some(pattern.to_owned()),
        Err(error) => {
            let text = error.to_string();
            let why = text.lines().last().unwrap_or(&text).trim_start_matches("error: ").to_owned();
            at.problem(format!("bad regular expression: {why}"), "bad regular expression");
            None
        }
    }
}

pub(super) fn body(item: &Cursor<'_>) -> Option<BodyTest> {
    let fields = item.fields(&["path", "op", "value", "value_of"]);
    let path = fields.require("path").and_then(body_path);
    let test = fields.require("op").and_then(|op| value_test(op, &fields));
    Some(BodyTest { path: path?, test: test? })
}

/// `a.b.0`, or the JSON pointer `/a/b/0` (RFC 6901). Digits alone are an array index; `*` is every element, in a pointer a key.
fn body_path(at: &Cursor<'_>) -> Option<Vec<Segment>> {
    let text = at.string()?;
    let pointer = text.strip_prefix('/');
    let parts: Vec<String> = match pointer {
        Some(pointer) => pointer.split('/').map(|part| part.replace("~1", "/").replace("~0", "~")).collect(),
        None => text.split('.').map(str::to_owned).collect(),
    };
    if parts.iter().any(String::is_empty) || parts.len() > 32 {
        at.problem_with("expected a path into the body", "not a path", "such as `amount`, `items.0.price` or `/a/b`");
        return None;
    }
    let digits = |text: &String| text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(far) = parts.iter().find(|part| digits(part) && part.parse::<u16>().is_err()) {
        at.problem(format!("`{far}` is beyond the {} elements that an index reaches", u16::MAX), "too far");
        return None;
    }
    let segment = |text: String| match text.parse::<u16>() {
        Ok(index) if digits(&text) => Segment::Index(usize::from(index)),
        _ if text == "*" && pointer.is_none() => Segment::Every,
        _ => Segment::Key(text),
    };
    let path: Vec<Segment> = parts.into_iter().map(segment).collect();
    if path.iter().filter(|step| **step == Segment::Every).count() > MOST_WILDCARDS {
        at.problem(format!("at most {MOST_WILDCARDS} `*` in a path"), "too many lists in lists");
        return None;
    }
    Some(path)
}

fn value_test(op: &Cursor<'_>, fields: &Fields<'_>) -> Option<ValueTest> {
    let operator = op.string()?;
    if !OPERATORS.contains(&operator) {
        let help = nearest::known(operator, "one of", &OPERATORS);
        op.problem_with(format!("unknown operator `{operator}`"), "unknown operator", help);
        return None;
    }
    if operator == "exists" {
        return Some(ValueTest::Exists(match fields.get("value") {
            Some(value) => value.boolean()?,
            None => true,
        }));
    }
    if let Some(other) = fields.get("value_of") {
        return against(operator, other, fields);
    }
    let value = fields.require("value")?;
    match operator {
        "==" => scalar(value).map(ValueTest::Equals),
        "!=" => scalar(value).map(ValueTest::Differs),
        "in" => set(value).map(ValueTest::In),
        "not_in" => set(value).map(ValueTest::NotIn),
        "matches" => regex(value).map(ValueTest::Matches),
        "starts_with" => part(value).map(ValueTest::StartsWith),
        "ends_with" => part(value).map(ValueTest::EndsWith),
        "contains" => scalar(value).map(|one| ValueTest::Contains(vec![one])),
        "contains_any" => set(value).map(ValueTest::Contains),
        "subset_of" => set(value).map(ValueTest::SubsetOf),
        operator => match operator.strip_prefix("length ") {
            Some(operator) => Some(ValueTest::Length(relation(operator)?, value.integer::<u32>("a length")?.into())),
            None => comparison(operator, value),
        },
    }
}

/// The start or end of a string. An empty one would fit all.
fn part(value: &Cursor<'_>) -> Option<String> {
    let text = value.string()?;
    if text.is_empty() {
        value.problem("every string begins and ends with nothing", "empty");
        return None;
    }
    Some(text.to_owned())
}

/// The comparison with the value at another path.
fn against(operator: &str, other: &Cursor<'_>, fields: &Fields<'_>) -> Option<ValueTest> {
    if fields.get("value").is_some() {
        other.problem("`value` and `value_of` together", "which of the two?");
        return None;
    }
    let Some(relation) = relation(operator) else {
        other.problem(format!("`{operator}` takes a `value`"), "only with == != < <= > >=");
        return None;
    };
    let path = body_path(other)?;
    if path.contains(&Segment::Every) {
        other.problem("`value_of` names one value", "no `*` here");
        return None;
    }
    Some(ValueTest::Against(relation, path))
}

fn relation(operator: &str) -> Option<Relation> {
    match operator {
        "==" => Some(Relation::Same),
        "!=" => Some(Relation::Different),
        operator => order(operator).map(Relation::Ordered),
    }
}

fn order(operator: &str) -> Option<Order> {
    match operator {
        "<" => Some(Order::Less),
        "<=" => Some(Order::AtMost),
        ">" => Some(Order::More),
        ">=" => Some(Order::AtLeast),
        _ => None,
    }
}

fn comparison(operator: &str, value: &Cursor<'_>) -> Option<ValueTest> {
    match value.node {
        Node::Number(number) => Some(ValueTest::Compares(order(operator)?, number.clone())),
        other => {
            value.problem(format!("`{operator}` compares numbers, found {}", other.kind()), "expected a number");
            None
        }
    }
}

fn scalar(value: &Cursor<'_>) -> Option<Value> {
    match value.node {
        Node::Null => Some(Value::Null),
        Node::Bool(flag) => Some(Value::Bool(*flag)),
        Node::Number(number) => Some(Value::Number(number.clone())),
        Node::String(text) => Some(Value::String(text.clone())),
        Node::List(_) | Node::Map(_) => {
            value.problem("expected a string, a number, a boolean or null", "not a single value");
            None
        }
    }
}

/// Members of one type, so that a value of another type is recognised as doubtful.
fn set(value: &Cursor<'_>) -> Option<Vec<Value>> {
    let items = value.items();
    let values: Vec<Value> = items.iter().filter_map(scalar).collect();
    let first = values.first()?;
    if values.iter().any(|other| std::mem::discriminant(other) != std::mem::discriminant(first)) {
        value.problem("the members must be of one type", "more than one type");
        return None;
    }
    (values.len() == items.len()).then_some(values)
}
