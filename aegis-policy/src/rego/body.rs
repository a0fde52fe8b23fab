//! Conditions on the JSON body as Rego.
//!
//! A `*` in a path stands for every element of an array. A rule that permits wants there to be elements, and each of them
//! to meet the condition; for one that refuses a single one that does is enough, or a single one in doubt. What stands in
//! the place of the array and is none is in doubt, and so is an array in the place of an object and the other way round: an
//! origin may take `[{"a": 1}]` for `{"a": 1}`, and `{"0": 1}` for `[1]`.

use serde_json::Value;

use crate::rego::clause::{Clause, Helper, Probe, matches, member};
use crate::rego::quote;
use crate::rule::{BodyTest, Relation, Segment, ValueTest};

pub(super) fn clause(test: &BodyTest, doubt: bool) -> Clause {
    let way = Way::to(&test.path);
    let mut helpers = helpers(&test.test);
    let mut any = match (&test.test, doubt) {
        (ValueTest::Exists(false), false) => {
            helpers.extend(way.there());
            vec![way.nothing()]
        }
        (ValueTest::Exists(false), true) => way.something_missing(),
        (test, false) => vec![way.each(&surely(test, &way.value))],
        (test, true) => {
            let met = [surely(test, &way.value)].into_iter().chain(doubts(test, &way.value));
            met.map(|lines| way.some(&lines)).collect()
        }
    };
    if doubt {
        any.extend(way.no_arrays());
        any.extend(way.others());
        any.push(vec!["input.ambiguous.body".into()]);
    }
    Clause { says: test.to_string(), probe: Probe::Body(test.reads().collect()), any, helpers }
}

/// The way to the values that a path leads to.
struct Way {
    /// What each `*` goes through, from the outside in.
    lists: Vec<String>,
    /// What is said of each container of the other kind that may stand on the way, and how many lists lie before it.
    others: Vec<(usize, String)>,
    value: String,
}

impl Way {
    fn to(path: &[Segment]) -> Way {
        let (mut lists, mut others) = (Vec::new(), Vec::new());
        let mut value = "input.body".to_owned();
        for segment in path {
            match segment {
                Segment::Key(key) => {
                    others.push((lists.len(), format!("is_array({value})")));
                    value = format!("{value}[{}]", quote(key));
                }
                Segment::Index(index) => {
                    others.push((lists.len(), format!("is_object({value})")));
                    value = format!("{value}[{index}]");
                }
                Segment::Every => {
                    lists.push(value);
                    value = element(lists.len() - 1);
                }
            }
        }
        Way { lists, others, value }
    }

    /// All elements of all arrays meet `inner`, and there are some.
    fn each(&self, inner: &[String]) -> Vec<String> {
        let mut lines = inner.to_vec();
        for (at, list) in self.lists.iter().enumerate().rev() {
            let nested = format!("every {} in {list} {{\n\t\t{}\n\t}}", element(at), lines.join("\n\t\t"));
            lines = vec![format!("is_array({list})"), format!("count({list}) > 0"), nested];
        }
        lines
    }

    /// Some element meets `inner`.
    fn some(&self, inner: &[String]) -> Vec<String> {
        let mut lines = self.through(self.lists.len());
        lines.extend_from_slice(inner);
        lines
    }

    /// Into the first `depth` arrays.
    fn through(&self, depth: usize) -> Vec<String> {
        let step =
            |(at, list): (usize, &String)| [format!("is_array({list})"), format!("some {} in {list}", element(at))];
        self.lists.iter().take(depth).enumerate().flat_map(step).collect()
    }

    /// Each way to a value in the place of an array.
    fn no_arrays(&self) -> Vec<Vec<String>> {
        let stop = |(at, list): (usize, &String)| {
            let mut lines = self.through(at);
            lines.push(format!("type_name({list}) != \"array\""));
            lines
        };
        self.lists.iter().enumerate().map(stop).collect()
    }

    /// Each way to a container of another kind than the path goes through.
    fn others(&self) -> Vec<Vec<String>> {
        let found =
            |(depth, line): &(usize, String)| [self.through(*depth).as_slice(), std::slice::from_ref(line)].concat();
        self.others.iter().map(found).collect()
    }

    /// Nowhere is a value, and no doubt about it.
    fn nothing(&self) -> Vec<String> {
        let mut lines = vec!["not input.ambiguous.body".to_owned()];
        match self.lists.is_empty() {
            true => {
                lines.push(format!("not type_name({})", self.value));
                lines.extend(self.others.iter().map(|(_, line)| format!("not {line}")));
            }
            false => lines.push(format!("not {}", Helper::call(THERE))),
        }
        lines
    }

    /// That there is a value somewhere, or that it is in doubt.
    fn there(&self) -> Option<Helper> {
        let mut any = vec![self.some(&[format!("type_name({})", self.value)])];
        any.extend(self.no_arrays());
        any.extend(self.others());
        (!self.lists.is_empty()).then_some(Helper { name: THERE, parameter: None, any })
    }

    /// Each way in which a value can be missing somewhere.
    fn something_missing(&self) -> Vec<Vec<String>> {
        let mut ways = Vec::new();
        for (at, list) in self.lists.iter().enumerate() {
            let gone = [format!("not type_name({list})")];
            let empty = [format!("is_array({list})"), format!("count({list}) == 0")];
            ways.push([self.through(at).as_slice(), &gone].concat());
            ways.push([self.through(at).as_slice(), &empty].concat());
        }
        ways.push(self.some(&[format!("not type_name({})", self.value)]));
        ways
    }
}

fn element(at: usize) -> String {
    format!("element_{at}")
}

const THERE: &str = "there";
const HAS_ONE: &str = "has_one";
const MAY_BE_KNOWN: &str = "may_be_known";

/// What cannot be said in one line.
fn helpers(test: &ValueTest) -> Vec<Helper> {
    match test {
        ValueTest::Contains(wanted) => {
            let any = vec![vec!["is_array(list)".into(), "some one in list".into(), member("one", wanted)]];
            vec![Helper { name: HAS_ONE, parameter: Some("list"), any }]
        }
        ValueTest::SubsetOf(known) => {
            let any = vec![vec![member("one", known)], vec![strange("one", known)]];
            vec![Helper { name: MAY_BE_KNOWN, parameter: Some("one"), any }]
        }
        _ => Vec::new(),
    }
}

/// When a single value meets the condition for certain.
fn surely(test: &ValueTest, value: &str) -> Vec<String> {
    match test {
        ValueTest::Equals(wanted) => vec![format!("{value} == {wanted}")],
        ValueTest::Differs(unwanted) => vec![is(unwanted, value), format!("{value} != {unwanted}")],
        ValueTest::Compares(order, bound) => {
            vec![format!("is_number({value})"), format!("{value} {} {bound}", order.symbol())]
        }
        ValueTest::In(wanted) => vec![member(value, wanted)],
        ValueTest::NotIn(unwanted) => {
            let mut lines: Vec<String> = unwanted.first().map(|first| is(first, value)).into_iter().collect();
            lines.extend(unwanted.iter().map(|one| format!("{value} != {one}")));
            lines
        }
        ValueTest::Matches(regex) => vec![format!("is_string({value})"), matches(regex, value)],
        ValueTest::StartsWith(text) => {
            vec![format!("is_string({value})"), format!("startswith({value}, {})", quote(text))]
        }
        ValueTest::EndsWith(text) => vec![format!("is_string({value})"), format!("endswith({value}, {})", quote(text))],
        ValueTest::Contains(_) => vec![format!("{}({value})", Helper::call(HAS_ONE))],
        ValueTest::SubsetOf(known) => {
            vec![format!("is_array({value})"), format!("every one in {value} {{ {} }}", member("one", known))]
        }
        ValueTest::Length(relation, length) => vec![
            format!("type_name({value}) in {HAVE_LENGTH}"),
            format!("count({value}) {} {length}", relation.symbol()),
        ],
        ValueTest::Against(relation, other) => against(*relation, value, &Way::to(other).value),
        ValueTest::Exists(_) => vec![format!("type_name({value})")],
    }
}

const HAVE_LENGTH: &str = r#"["array", "string"]"#;
const SINGLE: &str = r#"["boolean", "null", "number", "string"]"#;

fn against(relation: Relation, value: &str, other: &str) -> Vec<String> {
    let mut lines = match relation {
        Relation::Ordered(_) => vec![format!("is_number({value})"), format!("is_number({other})")],
        _ => vec![format!("type_name({value}) in {SINGLE}"), format!("type_name({value}) == type_name({other})")],
    };
    lines.push(format!("{value} {} {other}", relation.symbol()));
    lines
}

/// Each way in which it is in doubt whether a value that is there meets the condition.
fn doubts(test: &ValueTest, value: &str) -> Vec<Vec<String>> {
    let other_type = |sample: &Value| vec![vec![format!("type_name({value}) != {}", quote(kind(sample)))]];
    match test {
        ValueTest::Equals(sample) | ValueTest::Differs(sample) => other_type(sample),
        ValueTest::In(samples) | ValueTest::NotIn(samples) => samples.first().map(other_type).unwrap_or_default(),
        ValueTest::Compares(..) => other_type(&Value::from(0)),
        ValueTest::Matches(_) | ValueTest::StartsWith(_) | ValueTest::EndsWith(_) => other_type(&Value::from("")),
        ValueTest::Contains(samples) => vec![
            vec![format!("type_name({value}) != \"array\"")],
            vec![format!("is_array({value})"), format!("some one in {value}"), strange("one", samples)],
        ],
        // None is certain to be another: those of a strange type may be read as one of the known.
        ValueTest::SubsetOf(_) => vec![
            vec![format!("type_name({value}) != \"array\"")],
            vec![
                format!("is_array({value})"),
                format!("every one in {value} {{ {}(one) }}", Helper::call(MAY_BE_KNOWN)),
            ],
        ],
        ValueTest::Length(..) => {
            vec![vec![format!("type_name({value})"), format!("not type_name({value}) in {HAVE_LENGTH}")]]
        }
        ValueTest::Against(relation, other) => against_doubts(*relation, value, &Way::to(other).value),
        ValueTest::Exists(_) => Vec::new(),
    }
}

/// The other value is not there, or one of the two is of a type that can't be compared.
fn against_doubts(relation: Relation, value: &str, other: &str) -> Vec<Vec<String>> {
    match relation {
        Relation::Ordered(_) => vec![
            vec![format!("type_name({value}) != \"number\"")],
            vec![format!("type_name({value})"), format!("not is_number({other})")],
        ],
        _ => vec![
            vec![format!("type_name({value})"), format!("not type_name({value}) in {SINGLE}")],
            vec![format!("type_name({value})"), format!("not type_name({other})")],
            vec![format!("type_name({value}) != type_name({other})")],
        ],
    }
}

/// That a value is of another type than the samples.
fn strange(value: &str, samples: &[Value]) -> String {
    format!("type_name({value}) != {}", quote(samples.first().map_or("null", kind)))
}

fn is(sample: &Value, value: &str) -> String {
    format!("is_{}({value})", kind(sample))
}

/// Rego's name for the type.
fn kind(sample: &Value) -> &'static str {
    match sample {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
