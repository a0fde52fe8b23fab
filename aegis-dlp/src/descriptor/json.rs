//! A message as JSON (protobuf.dev, "ProtoJSON Format"), for conditions. What two readers could read in two ways is none.

use std::collections::HashSet;

use data_encoding::BASE64;
use serde_json::{Map, Number as JsonNumber, Value as Json};

use super::known::{Form, form};
use super::{Field, Kind, Message, Number, Pool, Scalar, Shape};
use crate::wire::{Token, Tokens, Value, is_message};

/// Messages within messages.
const DEPTH: usize = 32;
/// Values of one message, defaults among them.
const MOST: usize = 100_000;

/// The message as JSON; `None` where it can be read in two ways, or not at all.
pub(super) fn message(shape: Shape<'_>, bytes: &[u8]) -> Option<Json> {
    is_message(bytes).then(|| Reader { pool: shape.pool, left: MOST }.message(shape.at, bytes, DEPTH))?
}

struct Reader<'d> {
    pool: &'d Pool,
    /// Values that may still come.
    left: usize,
}

/// The values of a message so far.
#[derive(Default)]
struct Read {
    fields: Map<String, Json>,
    choices: HashSet<i32>,
}

impl<'d> Reader<'d> {
    fn message(&mut self, at: u32, bytes: &[u8], depth: usize) -> Option<Json> {
        let message = self.pool.message(at)?;
        let read = self.fields(message, bytes, depth.checked_sub(1)?)?;
        let inner =
            |mut fields: Map<String, Json>| message.fields.first().and_then(|field| fields.remove(&*field.json));
        match form(&message.name) {
            Form::Fields => Some(Json::Object(read.fields)),
            Form::Inner | Form::Struct => inner(read.fields),
            Form::Value => {
                let there = read.fields.into_iter().next().filter(|(name, _)| name != "nullValue");
                Some(there.map_or(Json::Null, |(_, value)| value))
            }
        }
    }

    fn fields(&mut self, message: &Message, bytes: &[u8], depth: usize) -> Option<Read> {
        let mut read = Read::default();
        let mut tokens = Tokens::of(bytes);
        while let Some(token) = tokens.next() {
            let token = token.ok()?;
            let end = if token.value == Value::Open { close(&mut tokens)? } else { token.end };
            // What the type does not know no condition speaks of.
            let Some(field) = message.field(token.number) else { continue };
            self.add(field, &token, bytes.get(token.start..end)?, depth, &mut read)?;
        }
        for field in message.fields.iter().filter(|field| field.implicit) {
            if !read.fields.contains_key(&*field.json) {
                self.count()?;
                read.fields.insert(field.json.to_string(), self.default(field));
            }
        }
        Some(read)
    }

    /// Adds what stands in a field.
    fn add(&mut self, field: &Field, token: &Token, bytes: &[u8], depth: usize, read: &mut Read) -> Option<()> {
        if let Some(choice) = field.choice
            && !read.choices.insert(choice)
        {
            return None;
        }
        let key = field.json.to_string();
        if let Some(entry) = self.entry(field) {
            let (name, value) = self.pair(entry, bytes, depth).filter(|_| token.value == Value::Bytes)?;
            let all = read.fields.entry(key).or_insert_with(|| Json::Object(Map::new()));
            return all.as_object_mut()?.insert(name, value).is_none().then_some(());
        }
        if !field.repeated {
            let value = self.value(field.kind, token.value, bytes, depth)?;
            // Of two values some readers take the last, some put them together.
            return read.fields.insert(key, value).is_none().then_some(());
        }
        let mut values = Vec::new();
        match (field.kind, token.value) {
            (Kind::Number(number), Value::Bytes) => {
                let mut at = 0;
                while at < bytes.len() {
                    let (value, end) = number.next(bytes, at)?;
                    values.push(self.number(number, value)?);
                    at = end;
                }
            }
            (kind, value) => values.push(self.value(kind, value, bytes, depth)?),
        }
        let all = read.fields.entry(key).or_insert_with(|| Json::Array(Vec::new()));
        all.as_array_mut()?.extend(values);
        Some(())
    }

    /// The type of a map's entries, where the field is a map.
    fn entry(&self, field: &Field) -> Option<&'d Message> {
        match field.kind {
            Kind::Message(at) if field.repeated => self.pool.message(at).filter(|message| message.entry),
            _ => None,
        }
    }

    fn pair(&mut self, entry: &Message, bytes: &[u8], depth: usize) -> Option<(String, Json)> {
        let mut fields = self.fields(entry, bytes, depth.checked_sub(1)?)?.fields;
        let mut half = |number: u32| {
            let field = entry.field(number)?;
            match (fields.remove(&*field.json), field.kind) {
                (Some(value), _) => Some(value),
                (None, Kind::Message(at)) => self.message(at, &[], depth - 1),
                (None, _) => Some(self.default(field)),
            }
        };
        let (key, value) = (half(1)?, half(2)?);
        let name = match key {
            Json::String(text) => text,
            other => other.to_string(),
        };
        Some((name, value))
    }

    fn value(&mut self, kind: Kind, value: Value, bytes: &[u8], depth: usize) -> Option<Json> {
        match (kind, value) {
            (Kind::Number(number), value) => self.number(number, value),
            (Kind::Message(at), Value::Bytes | Value::Open) => {
                self.count()?;
                self.message(at, bytes, depth)
            }
            (Kind::String, Value::Bytes) => {
                self.count()?;
                std::str::from_utf8(bytes).ok().map(Json::from)
            }
            (Kind::Bytes, Value::Bytes) => {
                self.count()?;
                Some(BASE64.encode(bytes).into())
            }
            _ => None,
        }
    }

    /// Numbers of all sizes are numbers: a condition compares them.
    fn number(&mut self, number: Number, value: Value) -> Option<Json> {
        self.count()?;
        let scalar = number.read(value).filter(|scalar| number.fits(*scalar))?;
        Some(match (number, scalar) {
            (Number::Bool, scalar) => Json::Bool(scalar == Scalar::Uint(1)),
            (Number::Enum(at), Scalar::Int(value)) => self.symbol(at, value),
            (_, Scalar::Int(value)) => value.into(),
            (_, Scalar::Uint(value)) => value.into(),
            // The shortest decimal that a reader of 32 bits takes for the same.
            (Number::Float, Scalar::Float(value)) => (value as f32).to_string().parse().map_or(Json::Null, float),
            (_, Scalar::Float(value)) => float(value),
        })
    }

    fn symbol(&self, at: u32, value: i64) -> Json {
        let values = self.pool.enums.get(at as usize).map(|one| &one.values);
        let name = i32::try_from(value).ok().and_then(|value| values?.get(&value));
        name.map_or_else(|| value.into(), |name| name.to_string().into())
    }

    /// What it means that a field is not there.
    fn default(&self, field: &Field) -> Json {
        match field.kind {
            _ if self.entry(field).is_some() => Json::Object(Map::new()),
            _ if field.repeated => Json::Array(Vec::new()),
            Kind::String | Kind::Bytes => "".into(),
            Kind::Message(_) => Json::Null,
            Kind::Number(Number::Bool) => false.into(),
            Kind::Number(Number::Double | Number::Float) => float(0.0),
            Kind::Number(Number::Enum(at)) => self.symbol(at, 0),
            Kind::Number(_) => 0.into(),
        }
    }

    fn count(&mut self) -> Option<()> {
        self.left = self.left.checked_sub(1)?;
        Some(())
    }
}

fn float(value: f64) -> Json {
    let named = if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    };
    JsonNumber::from_f64(value).map_or_else(|| named.into(), Json::Number)
}

/// Passes what is in a group; where it ends.
fn close(tokens: &mut Tokens<'_>) -> Option<usize> {
    let mut open = 1;
    for token in tokens {
        let token = token.ok()?;
        match token.value {
            Value::Open => open += 1,
            Value::Close => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(token.tag);
        }
    }
    None
}
