//! Numbers as protocol buffers write them.

use crate::wire::{Value, put_varint, varint};

/// A type of number (protobuf.dev, "Scalar Value Types"); an enumeration by its place in the pool.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Number {
    Double,
    Float,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Bool,
    Enum(u32),
}

/// What a number is.
#[derive(Copy, Clone, Debug, PartialEq)]
pub(crate) enum Scalar {
    Int(i64),
    Uint(u64),
    Float(f64),
}

impl Number {
    /// The number that stands on the wire; `None` where another type of value stands there. What does not fit a type of 32 bits
    /// is as large as it was sent.
    pub(crate) fn read(self, value: Value) -> Option<Scalar> {
        Some(match (self, value) {
            (Number::Int32 | Number::Int64 | Number::Enum(_), Value::Varint(bits)) => Scalar::Int(bits.cast_signed()),
            (Number::Uint32 | Number::Uint64 | Number::Bool, Value::Varint(bits)) => Scalar::Uint(bits),
            (Number::Sint32 | Number::Sint64, Value::Varint(bits)) => {
                Scalar::Int((bits >> 1).cast_signed() ^ -(bits & 1).cast_signed())
            }
            (Number::Fixed32, Value::Fixed32(bits)) => Scalar::Uint(bits.into()),
            (Number::Sfixed32, Value::Fixed32(bits)) => Scalar::Int(bits.cast_signed().into()),
            (Number::Float, Value::Fixed32(bits)) => Scalar::Float(f32::from_bits(bits).into()),
            (Number::Fixed64, Value::Fixed64(bits)) => Scalar::Uint(bits),
            (Number::Sfixed64, Value::Fixed64(bits)) => Scalar::Int(bits.cast_signed()),
            (Number::Double, Value::Fixed64(bits)) => Scalar::Float(f64::from_bits(bits)),
            _ => return None,
        })
    }

    /// Whether every reader takes the number for the same: it fits its type.
    pub(crate) fn fits(self, scalar: Scalar) -> bool {
        match (self, scalar) {
            (Number::Int32 | Number::Sint32 | Number::Sfixed32 | Number::Enum(_), Scalar::Int(value)) => {
                i32::try_from(value).is_ok()
            }
            (Number::Uint32 | Number::Fixed32, Scalar::Uint(value)) => u32::try_from(value).is_ok(),
            (Number::Bool, Scalar::Uint(value)) => value <= 1,
            _ => true,
        }
    }

    /// The next of numbers that stand side by side, and the place behind it.
    pub(crate) fn next(self, bytes: &[u8], at: usize) -> Option<(Value, usize)> {
        let rest = bytes.get(at..)?;
        Some(match self {
            Number::Fixed32 | Number::Sfixed32 | Number::Float => {
                (Value::Fixed32(u32::from_le_bytes(*rest.first_chunk()?)), at + 4)
            }
            Number::Fixed64 | Number::Sfixed64 | Number::Double => {
                (Value::Fixed64(u64::from_le_bytes(*rest.first_chunk()?)), at + 8)
            }
            _ => {
                let (value, end) = varint(bytes, at)?;
                (Value::Varint(value), end)
            }
        })
    }

    /// Whether bytes are nothing but such numbers.
    pub(crate) fn fills(self, bytes: &[u8]) -> bool {
        let mut at = 0;
        while at < bytes.len() {
            match self.next(bytes, at) {
                Some((_, end)) => at = end,
                None => return false,
            }
        }
        true
    }

    /// Writes a small number of this type.
    pub(crate) fn write(self, value: u16, out: &mut Vec<u8>) {
        match self {
            Number::Fixed32 | Number::Sfixed32 => out.extend(u32::from(value).to_le_bytes()),
            Number::Float => out.extend(f32::from(value).to_le_bytes()),
            Number::Fixed64 | Number::Sfixed64 => out.extend(u64::from(value).to_le_bytes()),
            Number::Double => out.extend(f64::from(value).to_le_bytes()),
            Number::Sint32 | Number::Sint64 => put_varint(2 * u64::from(value), out),
            // Neither has a number that would say more than this.
            Number::Bool | Number::Enum(_) => out.push(0),
            _ => put_varint(value.into(), out),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    const ALL: [Number; 14] = [
        Number::Double,
        Number::Float,
        Number::Int32,
        Number::Int64,
        Number::Uint32,
        Number::Uint64,
        Number::Sint32,
        Number::Sint64,
        Number::Fixed32,
        Number::Fixed64,
        Number::Sfixed32,
        Number::Sfixed64,
        Number::Bool,
        Number::Enum(0),
    ];

    #[test]
    fn what_is_written_is_read() {
        for number in ALL {
            for value in [0, 1, 9999] {
                let mut bytes = Vec::new();
                number.write(value, &mut bytes);
                assert!(number.fills(&bytes) && !number.fills(&[bytes.as_slice(), b"\x80"].concat()), "{number:?}");
                let (wire, end) = number.next(&bytes, 0).unwrap();
                let expected = if matches!(number, Number::Bool | Number::Enum(_)) { 0 } else { value };
                let read = match number.read(wire).unwrap() {
                    Scalar::Int(value) => value as f64,
                    Scalar::Uint(value) => value as f64,
                    Scalar::Float(value) => value,
                };
                assert_eq!((read, end), (f64::from(expected), bytes.len()), "{number:?}");
            }
        }
    }

    #[test]
    fn signs_and_types() {
        assert_eq!(Number::Int32.read(Value::Varint(u64::MAX)), Some(Scalar::Int(-1)));
        assert_eq!(Number::Sint64.read(Value::Varint(u64::MAX)), Some(Scalar::Int(i64::MIN)));
        assert_eq!(Number::Sint32.read(Value::Varint(3)), Some(Scalar::Int(-2)));
        assert_eq!(Number::Sfixed32.read(Value::Fixed32(u32::MAX)), Some(Scalar::Int(-1)));
        assert_eq!(Number::Int32.read(Value::Fixed32(1)), None);
        assert!(!Number::Int32.fits(Scalar::Int(1 << 31)) && Number::Int32.fits(Scalar::Int(-(1 << 31))));
        assert!(!Number::Bool.fits(Scalar::Uint(2)) && Number::Uint64.fits(Scalar::Uint(u64::MAX)));
    }
}
