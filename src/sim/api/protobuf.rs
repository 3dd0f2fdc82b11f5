//! Request bodies in Kubernetes' protobuf encoding, as Go clients send them for built-in kinds, turned into JSON.
//! Answers are always JSON: every client that sends protobuf accepts it.

mod fields;
mod wire;

use super::defaults::base64;
use super::status::ApiError;
use fields::{Field, Form, Message, Table};
use serde_json::{Map, Value, json};
use wire::{Wire, WireError};

/// The media type.
pub(super) const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";

/// What every body begins with.
const MAGIC: &[u8] = b"k8s\0";
/// How deep messages may lie in each other.
const DEEPEST: usize = 100;

/// The object in a body, as JSON.
///
/// # Errors
/// 400 for a body that cannot be decoded, or a kind that does not travel so.
pub(super) fn decode(body: &[u8]) -> Result<Value, ApiError> {
    let refused = |why: &str| ApiError::bad_request(format!("unable to decode the protobuf body: {why}"));
    let envelope = body.strip_prefix(MAGIC).ok_or_else(|| refused("it does not begin with the prefix of Kubernetes"))?;
    let (mut api_version, mut kind, mut raw) = (String::new(), String::new(), &[][..]);
    for entry in wire::entries(envelope) {
        match entry.map_err(|error| refused(&error.to_string()))? {
            (1, Wire::Bytes(type_meta)) => {
                for entry in wire::entries(type_meta) {
                    match entry.map_err(|error| refused(&error.to_string()))? {
                        (1, Wire::Bytes(text)) => api_version = String::from_utf8_lossy(text).into_owned(),
                        (2, Wire::Bytes(text)) => kind = String::from_utf8_lossy(text).into_owned(),
                        _ => {}
                    }
                }
            }
            (2, Wire::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let table = fields::table();
    let message = table.message_of(&api_version, &kind);
    let message = message.ok_or_else(|| refused(&format!("{kind} of {api_version} is not known in this encoding")))?;
    let mut object = Map::new();
    object.insert("apiVersion".to_owned(), json!(api_version));
    object.insert("kind".to_owned(), json!(kind));
    read_message(table, message, raw, &mut object, 0).map_err(|error| refused(&error.to_string()))?;
    Ok(Value::Object(object))
}

/// Reads a message's fields into an object.
fn read_message(
    table: &Table,
    message: &Message,
    bytes: &[u8],
    into: &mut Map<String, Value>,
    depth: usize,
) -> Result<(), WireError> {
    if depth > DEEPEST {
        return Err(WireError("messages lie too deep in each other"));
    }
    for entry in wire::entries(bytes) {
        let (number, wire) = entry?;
        // Fields of a later version are left out, as Go leaves them out.
        let Some(field) = message.field(number) else { continue };
        if field.inline {
            if let (Wire::Bytes(inner), Form::Message(name)) = (wire, &field.form) {
                read_message(table, table.message(name)?, inner, into, depth + 1)?;
            }
            continue;
        }
        if field.map {
            let (key, value) = map_entry(table, field, wire, depth)?;
            let map = into.entry(&field.name).or_insert_with(|| json!({}));
            if let Some(map) = map.as_object_mut() {
                map.insert(key, value);
            }
        } else if field.list {
            let list = into.entry(&field.name).or_insert_with(|| json!([]));
            let Some(list) = list.as_array_mut() else { continue };
            match (wire, &field.form) {
                (Wire::Bytes(packed), Form::Int) => {
                    for number in wire::varints(packed) {
                        list.push(json!(signed(number?)));
                    }
                }
                (wire, form) => list.push(read_value(table, form, wire, depth)?),
            }
        } else {
            let value = read_value(table, &field.form, wire, depth)?;
            if field.shows(&value) {
                into.insert(field.name.clone(), value);
            }
        }
    }
    Ok(())
}

fn map_entry(table: &Table, field: &Field, wire: Wire<'_>, depth: usize) -> Result<(String, Value), WireError> {
    let Wire::Bytes(bytes) = wire else { return Err(WireError("an entry of a map is no message")) };
    let (mut key, mut value) = (String::new(), None);
    for entry in wire::entries(bytes) {
        match entry? {
            (1, Wire::Bytes(text)) => key = utf8(text)?,
            (2, wire) => value = Some(read_value(table, &field.form, wire, depth)?),
            _ => {}
        }
    }
    let value = match value {
        Some(value) => value,
        None => read_value(table, &field.form, Wire::Bytes(&[]), depth)?,
    };
    Ok((key, value))
}

fn read_value(table: &Table, form: &Form, wire: Wire<'_>, depth: usize) -> Result<Value, WireError> {
    Ok(match (form, wire) {
        (Form::Int, Wire::Number(number)) => json!(signed(number)),
        (Form::Bool, Wire::Number(number)) => json!(number != 0),
        (Form::Double, Wire::Number(bits)) => json!(f64::from_bits(bits)),
        (Form::Text, Wire::Bytes(bytes)) => Value::String(utf8(bytes)?),
        (Form::Bytes, Wire::Bytes(bytes)) => Value::String(base64(bytes)),
        (Form::Message(name), Wire::Bytes(bytes)) => {
            let mut object = Map::new();
            read_message(table, table.message(name)?, bytes, &mut object, depth + 1)?;
            Value::Object(object)
        }
        (Form::Items(inner), Wire::Bytes(bytes)) => {
            let items = wire::entries(bytes).map(|entry| read_value(table, inner, entry?.1, depth + 1));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        (Form::Quantity, Wire::Bytes(bytes)) => Value::String(utf8(bytes_at(bytes, 1)?)?),
        (Form::Raw, Wire::Bytes(bytes)) => {
            let raw = bytes_at(bytes, 1)?;
            if raw.is_empty() {
                Value::Null
            } else {
                serde_json::from_slice(raw).map_err(|_| WireError("a raw value is no JSON"))?
            }
        }
        (Form::Duration, Wire::Bytes(bytes)) => json!(go_duration(signed(number_at(bytes, 1)?))),
        (Form::IntOrString, Wire::Bytes(bytes)) => {
            if number_at(bytes, 1)? == 0 {
                json!(signed(number_at(bytes, 2)?))
            } else {
                Value::String(utf8(bytes_at(bytes, 3)?)?)
            }
        }
        (Form::Time, Wire::Bytes(bytes)) => time(signed(number_at(bytes, 1)?), signed(number_at(bytes, 2)?), bytes.is_empty())?,
        _ => return Err(WireError("a field has another type than its own")),
    })
}

/// `metav1.Time` and `MicroTime`: whole seconds unless there is more; null for the zero time.
fn time(seconds: i64, nanos: i64, empty: bool) -> Result<Value, WireError> {
    /// Unix seconds of Go's zero time.
    const ZERO: i64 = -62_135_596_800;
    if empty || seconds == ZERO {
        return Ok(Value::Null);
    }
    let nanos = i32::try_from(nanos).map_err(|_| WireError("a time has too many nanoseconds"))?;
    let at = jiff::Timestamp::new(seconds, nanos).map_err(|_| WireError("a time is out of range"))?;
    Ok(json!(if nanos == 0 { format!("{at:.0}") } else { format!("{at:.6}") }))
}

/// A duration as Go writes it, as far as `metav1.Duration` needs it: seconds with their fraction.
fn go_duration(nanos: i64) -> String {
    let (seconds, rest) = (nanos / 1_000_000_000, (nanos % 1_000_000_000).abs());
    if rest == 0 { format!("{seconds}s") } else { format!("{seconds}.{}s", format!("{rest:09}").trim_end_matches('0')) }
}

fn bytes_at(bytes: &[u8], number: u32) -> Result<&[u8], WireError> {
    let mut found: &[u8] = &[];
    for entry in wire::entries(bytes) {
        match entry? {
            (at, Wire::Bytes(bytes)) if at == number => found = bytes,
            _ => {}
        }
    }
    Ok(found)
}

fn number_at(bytes: &[u8], number: u32) -> Result<u64, WireError> {
    let mut found = 0;
    for entry in wire::entries(bytes) {
        match entry? {
            (at, Wire::Number(value)) if at == number => found = value,
            _ => {}
        }
    }
    Ok(found)
}

/// Negative numbers travel as two's complement of 64 bits.
const fn signed(number: u64) -> i64 {
    number.cast_signed()
}

fn utf8(bytes: &[u8]) -> Result<String, WireError> {
    std::str::from_utf8(bytes).map(ToOwned::to_owned).map_err(|_| WireError("a text is not UTF-8"))
}

#[cfg(test)]
mod tests;
