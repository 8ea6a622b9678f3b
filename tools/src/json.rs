//! Bytes in JSON: as text where they are UTF-8, else as base64.

use base64::alphabet;
use base64::engine::{DecodePaddingMode, Engine as _, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

/// With or without padding, and with any last bits, as other programs write it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Puts bytes into an object: `name` for text or null, `name_b64` for what is not UTF-8.
pub fn insert_bytes(object: &mut Map<String, Value>, name: &str, bytes: Option<&[u8]>) {
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => object.insert(name.to_owned(), Value::Null),
        Some((_, Ok(text))) => object.insert(name.to_owned(), text.into()),
        Some((bytes, Err(_))) => object.insert(format!("{name}_b64"), BASE64.encode(bytes).into()),
    };
}

/// The value of a header: text, null, or `{"b64": …}`.
pub fn header_value(bytes: Option<&[u8]>) -> Value {
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => Value::Null,
        Some((_, Ok(text))) => text.into(),
        Some((bytes, Err(_))) => {
            Value::Object(Map::from_iter([("b64".to_owned(), BASE64.encode(bytes).into())]))
        }
    }
}

/// Takes bytes out of an object: from `name_b64` or `name`; `None` is null, and what is left out is
/// null.
pub fn take_bytes(object: &mut Map<String, Value>, name: &str) -> Result<Option<Vec<u8>>, String> {
    let base64 = format!("{name}_b64");
    match (object.remove(&base64), object.remove(name)) {
        (Some(_), Some(_)) => Err(format!("has both {name} and {base64}")),
        (Some(Value::String(text)), None) => {
            BASE64.decode(&text).map(Some).map_err(|_| format!("{base64} is no base64"))
        }
        (Some(Value::Null) | None, None | Some(Value::Null)) => Ok(None),
        (Some(_), None) => Err(format!("{base64} is neither a string nor null")),
        (None, Some(Value::String(text))) => Ok(Some(text.into_bytes())),
        (None, Some(_)) => Err(format!("{name} is neither a string nor null")),
    }
}

/// Takes headers out of an object: `[["name", value], …]`, a value as [`header_value`] makes it.
pub fn take_headers(
    object: &mut Map<String, Value>,
) -> Result<Vec<(String, Option<Vec<u8>>)>, String> {
    let pairs = match object.remove("headers") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(pairs)) => pairs,
        Some(_) => return Err("headers is no list".to_owned()),
    };
    pairs
        .into_iter()
        .map(|pair| {
            header(pair)
                .ok_or_else(|| "a header is no pair of a name and a string, null or b64".to_owned())
        })
        .collect()
}

fn header(pair: Value) -> Option<(String, Option<Vec<u8>>)> {
    let Value::Array(pair) = pair else { return None };
    let [Value::String(name), value] = <[Value; 2]>::try_from(pair).ok()? else { return None };
    let value = match value {
        Value::Null => None,
        Value::String(text) => Some(text.into_bytes()),
        Value::Object(mut object) if object.len() == 1 => match object.remove("b64")? {
            Value::String(text) => Some(BASE64.decode(&text).ok()?),
            _ => return None,
        },
        _ => return None,
    };
    Some((name, value))
}
