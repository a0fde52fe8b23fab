//! Conditions on the moment: windows of time, and what was used before.

use jiff::civil::Date;

use crate::Usd;
use crate::rule::{Measure, Order, Span, UsageTest};
use crate::schema::words;
use crate::source::cursor::{Cursor, Fields};
use crate::source::nearest::nearest;
use crate::source::node::Node;
use crate::window::{Dates, Window, Zone};

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// One window, or a list of which one must be open.
pub(super) fn windows(at: &Cursor<'_>) -> Vec<Window> {
    match at.node {
        Node::List(_) => at.items().iter().filter_map(window).collect(),
        _ => window(at).into_iter().collect(),
    }
}

fn window(at: &Cursor<'_>) -> Option<Window> {
    let Node::Map(map) = at.node else {
        at.problem_with(
            format!("expected a window of time, found {}", at.node.kind()),
            "not a window",
            "such as `{days: [mon-fri], hours: \"08:00-18:00\", timezone: Europe/Berlin}`",
        );
        return None;
    };
    let fields = at.fields(&["days", "hours", "timezone", "from", "until"]);
    if map.is_empty() {
        at.problem_with("a window that is always open", "nothing in it", "give days, hours, from or until");
    }
    let zone = match fields.get("timezone") {
        Some(at) => zone(at)?,
        None => Zone::utc(),
    };
    let mut days: Vec<i8> = fields.list("days", days).into_iter().flatten().collect();
    days.sort_unstable();
    days.dedup();
    let (from, until) = (fields.get("from").map(date), fields.get("until").map(date));
    if let (Some(Some(first)), Some(Some(last)), Some(at)) = (from, until, fields.get("until"))
        && last < first
    {
        at.problem_with(format!("{last} is before {first}"), "never open", "`until` is the last day");
    }
    let start = |date: Date| date.to_zoned(zone.rules.clone()).ok().map(|at| at.timestamp().as_second());
    let (first, last) = (from.flatten(), until.flatten());
    let next = |date: Date| date.tomorrow().ok();
    let begins = |first: Option<Date>, last: Option<Date>| Dates {
        from: first.and_then(start),
        until: last.and_then(next).and_then(start),
    };
    let window = Window {
        dates: begins(first, last),
        dates_after: begins(first.and_then(next), last.and_then(next)),
        hours: fields.get("hours").and_then(hours),
        says: said(&fields, &zone),
        days,
        zone,
    };
    let is_whole = |dates: Dates| first.is_some() == dates.from.is_some() && last.is_some() == dates.until.is_some();
    let whole = is_whole(window.dates) && is_whole(window.dates_after);
    if !whole {
        at.problem("the calendar ends before this date", "not a date");
    }
    whole.then_some(window)
}

/// The window in the words of the file.
fn said(fields: &Fields<'_>, zone: &Zone) -> String {
    let text = |key: &str| fields.get(key).and_then(|at| at.node.text());
    let days: Vec<String> =
        fields.get("days").map(Cursor::list).unwrap_or_default().iter().filter_map(|at| at.node.text()).collect();
    let mut parts: Vec<String> = Vec::new();
    parts.extend((!days.is_empty()).then(|| days.join(" ")));
    parts.extend(text("hours"));
    parts.extend(text("from").map(|date| format!("from {date}")));
    parts.extend(text("until").map(|date| format!("until {date}")));
    parts.push(zone.name.to_string());
    parts.join(" ")
}

fn zone(at: &Cursor<'_>) -> Option<Zone> {
    let name = at.string()?;
    match Zone::named(name) {
        Ok(zone) => Some(zone),
        Err(names) => {
            let help = match nearest(name, names.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "names are those of the IANA database, such as Europe/Berlin or UTC".to_owned(),
            };
            at.problem_with(format!("`{name}` is not a time zone"), "unknown time zone", help);
            None
        }
    }
}

/// A day, or a run of days such as `mon-fri`; past Sunday too.
fn days(item: &Cursor<'_>) -> Option<Vec<i8>> {
    let text = item.string()?;
    let number = |name: &str| DAYS.iter().zip(1i8..).find(|(day, _)| **day == name).map(|(_, number)| number);
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match number(first).zip(number(last)) {
        Some((first, last)) => {
            let steps = (last - first).rem_euclid(7);
            Some((0..=steps).map(|step| (first - 1 + step) % 7 + 1).collect())
        }
        None => {
            item.problem_with(
                format!("`{text}` is not a day of the week"),
                "not a day",
                format!("one of {}, or a run such as mon-fri", DAYS.join(", ")),
            );
            None
        }
    }
}

/// `08:00-18:00` in minutes of the day; `24:00` is the end of the day.
fn hours(at: &Cursor<'_>) -> Option<(u16, u16)> {
    let text = at.string()?;
    let minute = |text: &str| {
        let (hour, minute) = text.split_once(':')?;
        let two = |text: &str| {
            let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<u16>().ok().filter(|_| digits)
        };
        let (hour, minute) = (two(hour)?, two(minute)?);
        (hour < 24 && minute < 60 || (hour, minute) == (24, 0)).then_some(hour * 60 + minute)
    };
    let span = text.split_once('-').and_then(|(from, until)| minute(from).zip(minute(until)));
    match span {
        Some((from, until)) if from != until && from < 24 * 60 && until > 0 => Some((from, until)),
        Some(_) => {
            at.problem_with(
                format!("`{text}` is no span of time"),
                "never open, or always",
                "until the end of the day: `18:00-24:00`; all day: leave `hours` out",
            );
            None
        }
        None => {
            at.problem_with(format!("`{text}` is no span of time"), "not hours", "such as \"08:00-18:00\", in quotes");
            None
        }
    }
}

fn date(at: &Cursor<'_>) -> Option<Date> {
    let text = at.string()?;
    let date = Some(text).filter(|text| text.len() == 10).and_then(|text| text.parse::<Date>().ok());
    if date.is_none() {
        at.problem_with(format!("`{text}` is not a date"), "not a date", "such as 2026-12-24");
    }
    date
}

/// One condition on what was used before.
pub(super) fn usage(item: &Cursor<'_>) -> Option<UsageTest> {
    let fields = item.fields(&["of", "per", "op", "value"]);
    let measures = [("requests", Measure::Requests), ("bytes_out", Measure::BytesOut), ("cost_usd", Measure::CostUsd)];
    let of = fields.require("of").and_then(|at| words::one_of(at, &measures));
    let spans = [("minute", Span::Minute), ("hour", Span::Hour), ("day", Span::Day)];
    let per = fields.require("per").and_then(|at| words::one_of(at, &spans));
    let orders = [("<", Order::Less), ("<=", Order::AtMost), (">", Order::More), (">=", Order::AtLeast)];
    let order = fields.require("op").and_then(|at| words::one_of(at, &orders));
    let value = fields.require("value");
    let of = of?;
    let bound = value.and_then(|at| bound(of, at));
    Some(UsageTest { of, per: per?, order: order?, bound: bound? })
}

fn bound(of: Measure, at: &Cursor<'_>) -> Option<u64> {
    let (what, bound) = match (of, at.node) {
        (Measure::CostUsd, Node::Number(number)) => (
            "an amount of dollars with at most six decimals",
            number.as_f64().and_then(Usd::from_dollars).map(Usd::micros),
        ),
        (Measure::CostUsd, _) => ("an amount of dollars", None),
        (_, Node::Number(number)) => ("a whole number", number.as_u64()),
        _ => ("a whole number", None),
    };
    if bound.is_none() {
        at.problem(format!("expected {what}"), "not a number that can be compared");
    }
    bound
}
