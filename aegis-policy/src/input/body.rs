//! The part of a JSON body that rules read.

use std::collections::BTreeMap;

use regorus::Value;
use serde_json::Value as Json;

use crate::rule::Segment;

/// The part of `body` that `paths` lead to.
pub(super) fn prune(body: &Json, paths: &[&[Segment]]) -> Value {
    match body {
        Json::Object(map) => {
            let mut kept: BTreeMap<Value, Value> = BTreeMap::new();
            for path in paths {
                let Some((Segment::Key(key), _)) = path.split_first() else {
                    continue;
                };
                let Some(value) = map.get(key) else { continue };
                let same = |step: &Segment| matches!(step, Segment::Key(other) if other == key);
                kept.entry(Value::from(key.as_str())).or_insert_with(|| prune(value, &below(paths, same)));
            }
            kept.into()
        }
        Json::Array(items) => array(items, paths),
        scalar => leaf(scalar),
    }
}

/// Indexes keep their meaning: what is not read becomes null, what lies behind the last one read goes.
fn array(items: &[Json], paths: &[&[Segment]]) -> Value {
    let every = below(paths, |step| *step == Segment::Every);
    let indexes = paths.iter().filter_map(|path| match path.first() {
        Some(Segment::Index(index)) => Some(*index),
        _ => None,
    });
    let named = indexes.max().map_or(0, |last| last.saturating_add(1));
    let end = if every.is_empty() { items.len().min(named) } else { items.len() };
    let item = |(at, value): (usize, &Json)| {
        if at >= named {
            return prune(value, &every);
        }
        let here = below(paths, |step| *step == Segment::Index(at) || *step == Segment::Every);
        if here.is_empty() { Value::Null } else { prune(value, &here) }
    };
    items.iter().take(end).enumerate().map(item).collect::<Vec<Value>>().into()
}

fn below<'p>(paths: &[&'p [Segment]], first: impl Fn(&Segment) -> bool) -> Vec<&'p [Segment]> {
    let rest = |path: &&'p [Segment]| path.split_first().filter(|(step, _)| first(step)).map(|(_, rest)| rest);
    paths.iter().filter_map(rest).collect()
}

/// A value that a condition looks at. Conditions compare scalars; of an object or array only its type counts.
fn leaf(value: &Json) -> Value {
    match value {
        Json::Null => Value::Null,
        Json::Bool(flag) => (*flag).into(),
        Json::String(text) => text.as_str().into(),
        Json::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(value), ..) => Value::from(value),
            (_, Some(value), _) => Value::from(value),
            (.., Some(value)) => Value::from(value),
            _ => Value::Null,
        },
        Json::Array(_) => Value::new_array(),
        Json::Object(_) => Value::new_object(),
    }
}
