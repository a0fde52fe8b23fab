//! The reference: rules against a request, read off the documentation, with no thought of speed.

use aegis_policy::Used;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::common::Ask;
use crate::world::{Around, Body, Model, REGIONS, TOOLS, Window};

/// Met, not met, or not certain.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
enum Answer {
    Yes,
    No,
    Doubt,
}
use Answer::{Doubt, No, Yes};

impl From<bool> for Answer {
    fn from(met: bool) -> Answer {
        if met { Yes } else { No }
    }
}

/// What the policy says of the request, as [`crate::common::line`] writes it.
pub fn reference(rules: &[Model], request: &Ask) -> String {
    let mut order: Vec<(usize, &Model)> = rules.iter().enumerate().collect();
    order.sort_by_key(|(_, rule)| -rule.priority);
    let listed = |number: usize| {
        let policies = &request.agent.policies;
        policies.is_empty() || policies.iter().any(|name| *name == format!("p{number}"))
    };
    let hits: Vec<(usize, &Model)> =
        order.into_iter().filter(|(number, rule)| listed(*number) && holds(rule, request)).collect();
    let Some((number, first)) = hits.first() else {
        return "deny".into();
    };
    if !first.shadow {
        return format!("{} p{number}/r", first.decision);
    }
    match hits.iter().find(|(_, rule)| !rule.shadow) {
        Some((enforced, rule)) if rule.decision != "allow" => format!("{} p{enforced}/r", rule.decision),
        _ => format!("shadow {} p{number}/r", first.decision),
    }
}

/// Whether every condition of the rule is met; one in doubt is met where the rule refuses.
fn holds(rule: &Model, request: &Ask) -> bool {
    let refuses = rule.decision != "allow";
    let met = |answer: Answer| answer == Yes || (answer == Doubt && refuses);
    let agent = fits(rule.agent, &request.agent.name)
        && rule.tenant.is_none_or(|tenant| tenant == request.agent.tenant)
        && rule.around.own_agent.is_none_or(|glob| fits(glob, &request.agent.name))
        && rule.around.own_tenant.is_none_or(|glob| fits(glob, &request.agent.tenant));
    let host = rule.hosts.iter().any(|pattern| is_at(pattern, &request.host));
    let method = rule.methods.is_empty() || rule.methods.contains(&request.method.as_str());
    agent
        && host
        && method
        && met(path(&rule.paths, request))
        && met(header(rule, request, refuses))
        && around(&rule.around, request, refuses).into_iter().all(met)
        && rule.body.iter().all(|test| met(body(test, request, refuses)))
}

fn fits(glob: &str, text: &str) -> bool {
    match glob.split_once('*') {
        Some((start, end)) => text.len() >= start.len() + end.len() && text.starts_with(start) && text.ends_with(end),
        None => glob == text,
    }
}

fn is_at(pattern: &str, host: &str) -> bool {
    match pattern {
        "*" => !host.starts_with(|c: char| c.is_ascii_digit()),
        "203.0.113.0/24" => host.starts_with("203.0.113."),
        pattern => match pattern.strip_prefix('*') {
            Some(domain) => host.ends_with(domain),
            None => host == pattern,
        },
    }
}

/// The one reading of the request's path, where there is one.
fn plain_path(request: &Ask) -> Option<&str> {
    match request.path.as_str() {
        "/x/../y" | "/x//y" | "/x%2fy" => None,
        "/%78/y" => Some("/x/y"),
        path => Some(path),
    }
}

fn path(globs: &[&str], request: &Ask) -> Answer {
    match plain_path(request) {
        _ if globs.is_empty() => Yes,
        None => Doubt,
        Some(path) => globs.iter().any(|glob| path_fits(glob, path)).into(),
    }
}

fn path_fits(glob: &str, path: &str) -> bool {
    match glob {
        "/x/*" => path.strip_prefix("/x/").is_some_and(|rest| !rest.contains('/')),
        "/x/**" => path.starts_with("/x/"),
        "/*/y" => {
            path.strip_prefix('/').and_then(|rest| rest.strip_suffix("/y")).is_some_and(|rest| !rest.contains('/'))
        }
        exact => path == exact,
    }
}

fn header(rule: &Model, request: &Ask, refuses: bool) -> Answer {
    let values: Vec<&str> = request.headers.get_all("x-h").iter().map(|value| value.to_str().unwrap()).collect();
    match rule.header {
        None => Yes,
        Some((wanted, _)) if refuses => values.contains(&wanted).into(),
        Some((wanted, _)) => (values == [wanted]).into(),
    }
}

fn around(rule: &Around, request: &Ask, refuses: bool) -> Vec<Answer> {
    let has = |scope: &&str| request.agent.scopes.iter().any(|held| held == scope);
    let actor = request.agent.actor.as_deref();
    vec![
        rule.scopes.iter().all(has).into(),
        (rule.any_scope.is_empty() || rule.any_scope.iter().any(has)).into(),
        rule.actor.is_none_or(|glob| actor.is_some_and(|actor| fits(glob, actor))).into(),
        region(rule, request),
        tool(rule, request, refuses),
        rule.when.as_ref().map_or(Yes, |window| open(window, request)),
        rule.usage.map_or(Yes, |(of, per, op, bound)| used(of, per, op, bound, request).into()),
    ]
}

/// The region that was declared for a host; the declarations of this world don't overlap.
pub fn region_of(host: &str) -> Option<&'static str> {
    REGIONS.iter().find(|(_, hosts)| hosts.iter().any(|pattern| is_at(pattern, host))).map(|(name, _)| *name)
}

fn region(rule: &Around, request: &Ask) -> Answer {
    match region_of(&request.host) {
        _ if rule.regions.is_empty() => Yes,
        Some(region) => rule.regions.contains(&region).into(),
        None => Doubt,
    }
}

/// The first declared tool that the request meets; doubtful where that depends on how its path is read.
fn declared(request: &Ask) -> Result<Option<&'static str>, ()> {
    for (name, hosts, methods, paths) in TOOLS {
        let here = hosts.iter().any(|pattern| is_at(pattern, &request.host));
        if !here || !(methods.is_empty() || methods.contains(&request.method.as_str())) {
            continue;
        }
        match path(paths, request) {
            Yes => return Ok(Some(name)),
            No => {}
            Doubt => return Err(()),
        }
    }
    Ok(None)
}

fn tool(rule: &Around, request: &Ask, refuses: bool) -> Answer {
    if rule.tools.is_empty() {
        return Yes;
    }
    let (declared, own) = (declared(request), request.tool.as_deref());
    let names: Vec<&str> = [declared.unwrap_or_default(), own].into_iter().flatten().collect();
    let listed = |name: &&str| rule.tools.iter().any(|glob| fits(glob, name));
    match (declared, refuses) {
        (Err(()), _) => Doubt,
        (_, false) if request.tool_in_doubt => Doubt,
        (_, true) if request.tool_in_doubt && !names.iter().any(listed) => Doubt,
        (_, true) => names.iter().any(listed).into(),
        (_, false) => (!names.is_empty() && names.iter().all(listed)).into(),
    }
}

fn used(of: &str, per: &str, op: &str, bound: f64, request: &Ask) -> bool {
    let Used { requests, bytes_out, cost_usd } = match per {
        "minute" => request.usage.minute,
        "hour" => request.usage.hour,
        _ => request.usage.day,
    };
    let (count, scale) = match of {
        "requests" => (requests, 1.0),
        "bytes_out" => (bytes_out, 1.0),
        _ => (cost_usd.micros(), 1e6),
    };
    let bound = (bound * scale).round();
    let count: f64 = count.to_string().parse().unwrap();
    match op {
        "<" => count < bound,
        "<=" => count <= bound,
        ">" => count > bound,
        _ => count >= bound,
    }
}

/// Whether a window that began today or yesterday is open, by the clock on the wall.
fn open(window: &Window, request: &Ask) -> Answer {
    let Ok(now) = Timestamp::try_from(request.now) else { return Doubt };
    let zone = window.zone.map_or(TimeZone::UTC, |name| TimeZone::get(name).unwrap());
    let wall: DateTime = zone.to_datetime(now);
    let date = |text: &str| text.parse::<Date>().unwrap();
    let began = |day: Date| {
        let dates =
            window.from.is_none_or(|from| day >= date(from)) && window.until.is_none_or(|until| day <= date(until));
        let on = window.days.is_empty() || window.days.iter().any(|days| days_of(days).contains(&day.weekday()));
        let (from, until) = window.hours.map_or(("00:00", "24:00"), |hours| hours.split_once('-').unwrap());
        let start = at(day, from);
        let end = if until > from { at(day, until) } else { at(day.tomorrow().unwrap(), until) };
        dates && on && start <= wall && wall < end
    };
    (began(wall.date()) || began(wall.date().yesterday().unwrap())).into()
}

fn at(day: Date, time: &str) -> DateTime {
    match time {
        "24:00" => day.tomorrow().unwrap().at(0, 0, 0, 0),
        time => day.to_datetime(time.parse::<Time>().unwrap()),
    }
}

fn days_of(days: &str) -> Vec<Weekday> {
    use Weekday::{Friday, Monday, Saturday, Sunday, Thursday, Tuesday, Wednesday};
    match days {
        "mon" => vec![Monday],
        "sun" => vec![Sunday],
        "mon-fri" => vec![Monday, Tuesday, Wednesday, Thursday, Friday],
        "fri-mon" => vec![Friday, Saturday, Sunday, Monday],
        other => panic!("{other}"),
    }
}

/// What a path leads to in one place.
enum Place<'v> {
    Value(&'v Value),
    Nothing,
    /// A list without elements.
    Empty,
    /// A list, or something else, where the other should be.
    NoList,
}

fn places<'v>(value: &'v Value, steps: &[&str]) -> Vec<Place<'v>> {
    let Some((step, rest)) = steps.split_first() else { return vec![Place::Value(value)] };
    let next = match (*step, value) {
        ("*", Value::Array(items)) if items.is_empty() => return vec![Place::Empty],
        ("*", Value::Array(items)) => return items.iter().flat_map(|item| places(item, rest)).collect(),
        ("*", _) => return vec![Place::NoList],
        (step, Value::Array(items)) => match step.parse::<usize>() {
            Ok(at) => items.get(at),
            Err(_) => return vec![Place::NoList],
        },
        (step, Value::Object(map)) => match step.parse::<usize>() {
            Ok(_) => return vec![Place::NoList],
            Err(_) => map.get(step),
        },
        _ => None,
    };
    next.map_or(vec![Place::Nothing], |next| places(next, rest))
}

fn body(test: &Body, request: &Ask, refuses: bool) -> Answer {
    let parsed = match &request.body {
        None => None,
        Some(bytes) => match serde_json::from_slice::<Value>(bytes) {
            Ok(value) => Some(value),
            Err(_) => return Doubt,
        },
    };
    let steps: Vec<&str> = test.path.split('.').collect();
    let found = parsed.as_ref().map_or(vec![Place::Nothing], |value| places(value, &steps));
    let has_value = |place: &Place<'_>| matches!(place, Place::Value(_));
    let no_list = |place: &Place<'_>| matches!(place, Place::NoList);
    if test.op == "exists" {
        let wanted = test.value == Ok(Value::Bool(true));
        return match (wanted, refuses) {
            (true, false) => found.iter().all(has_value),
            (true, true) => found.iter().any(|place| has_value(place) || no_list(place)),
            (false, false) => !found.iter().any(|place| has_value(place) || no_list(place)),
            (false, true) => !found.iter().all(has_value),
        }
        .into();
    }
    let answer = |place: &Place<'_>| match place {
        Place::Value(value) => compare(test, value, parsed.as_ref()),
        Place::NoList => Doubt,
        Place::Nothing | Place::Empty => No,
    };
    let answers: Vec<Answer> = found.iter().map(answer).collect();
    match refuses {
        true => answers.iter().any(|answer| *answer != No).into(),
        false => answers.iter().all(|answer| *answer == Yes).into(),
    }
}

fn kind(value: &Value) -> std::mem::Discriminant<Value> {
    std::mem::discriminant(value)
}

fn order(a: &Value, b: &Value) -> std::cmp::Ordering {
    match (a.as_i64(), b.as_i64()) {
        (Some(a), Some(b)) => a.cmp(&b),
        _ => a.as_f64().unwrap().partial_cmp(&b.as_f64().unwrap()).unwrap(),
    }
}

fn equal(a: &Value, b: &Value) -> bool {
    if a.is_number() && b.is_number() { order(a, b).is_eq() } else { a == b }
}

fn related(op: &str, a: &Value, b: &Value) -> bool {
    match op {
        "==" => equal(a, b),
        "!=" => !equal(a, b),
        "<" => order(a, b).is_lt(),
        "<=" => order(a, b).is_le(),
        ">" => order(a, b).is_gt(),
        ">=" => order(a, b).is_ge(),
        other => panic!("{other}"),
    }
}

fn compare(test: &Body, value: &Value, whole: Option<&Value>) -> Answer {
    let wanted = match &test.value {
        Err(path) => return against(test.op, value, whole, path),
        Ok(wanted) => wanted,
    };
    if let Some(op) = test.op.strip_prefix("length ") {
        return match value {
            Value::String(text) => related(op, &Value::from(text.chars().count()), wanted).into(),
            Value::Array(items) => related(op, &Value::from(items.len()), wanted).into(),
            _ => Doubt,
        };
    }
    let samples = wanted.as_array().map_or(std::slice::from_ref(wanted), Vec::as_slice);
    let among = |one: &Value| samples.iter().any(|sample| equal(sample, one));
    // Of an element: known, known not to be, or of a type that may be read as anything.
    let element = |one: &Value| if kind(one) == kind(&samples[0]) { Answer::from(among(one)) } else { Doubt };
    match (test.op, value) {
        ("contains" | "contains_any", Value::Array(items)) => {
            let answers: Vec<Answer> = items.iter().map(element).collect();
            [Yes, Doubt].into_iter().find(|answer| answers.contains(answer)).unwrap_or(No)
        }
        ("subset_of", Value::Array(items)) => {
            let answers: Vec<Answer> = items.iter().map(element).collect();
            [No, Doubt].into_iter().find(|answer| answers.contains(answer)).unwrap_or(Yes)
        }
        ("contains" | "contains_any" | "subset_of", _) => Doubt,
        _ if kind(value) != kind(&samples[0]) => Doubt,
        ("in", one) => among(one).into(),
        ("not_in", one) => (!among(one)).into(),
        ("matches" | "starts_with", one) => one.as_str().unwrap().starts_with('x').into(),
        ("ends_with", one) => one.as_str().unwrap().ends_with('z').into(),
        (op, one) => related(op, one, wanted).into(),
    }
}

/// A value against the one at another path of the body.
fn against(op: &str, value: &Value, whole: Option<&Value>, path: &str) -> Answer {
    let steps: Vec<&str> = path.split('.').collect();
    let Some(Place::Value(other)) = whole.and_then(|whole| places(whole, &steps).into_iter().next()) else {
        return Doubt;
    };
    let single = |value: &Value| !value.is_array() && !value.is_object();
    let comparable = match op {
        "==" | "!=" => single(value) && kind(value) == kind(other),
        _ => value.is_number() && other.is_number(),
    };
    if comparable { related(op, value, other).into() } else { Doubt }
}
