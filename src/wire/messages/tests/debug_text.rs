//! What two structs of different crates say by `Debug`, in one form: field names and values, no type names.

use std::fmt::{Debug, Write};

use uuid::Uuid;

use crate::ids;

/// The fields of a message and their values as text.
///
/// Type names differ between crates and are dropped. So are newtypes, and the tagged fields that nobody knows, which we
/// do not keep. Bytes are lists of numbers, ids as Kafka prints them.
pub(super) fn canonical(message: &impl Debug) -> String {
    let text = format!("{message:?}")
        .replace(", unknown_tagged_fields: {}", "")
        .replace("unknown_tagged_fields: {}", "");
    let mut canonical = String::new();
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => string_len(rest),
            'b' if rest.starts_with("b\"") => 1 + string_len(&rest[1..]),
            _ if is_of_word(first) => rest.find(|letter| !is_of_word(letter)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (token, tail) = rest.split_at(length);
        rest = tail;
        match (first, tail.chars().next()) {
            ('b', Some(_)) if token.ends_with('"') => {
                write!(canonical, "{:?}", bytes_of(token)).expect("text")
            }
            // The name of a struct.
            ('A'..='Z', Some(' ')) if tail.starts_with(" {") => {}
            _ => match Uuid::parse_str(token) {
                Ok(id) => write!(canonical, "{:?}", ids::Uuid(id.into_bytes())).expect("text"),
                Err(_) => canonical.push_str(token),
            },
        }
    }
    // Records of a request are one chunk with us.
    canonical
        .replace("records: Some([[", "records: Some([")
        .replace("]])", "])")
        .replace("{  }", "{}")
}

fn is_of_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_' || letter == '-'
}

/// The length of a string literal at the front, with its quotes.
fn string_len(text: &str) -> usize {
    let mut is_escaped = true;
    for (at, letter) in text.char_indices() {
        match letter {
            '"' if !is_escaped => return at + 1,
            '\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    text.len()
}

/// Undoes the way in which `Bytes` prints itself: `b"\x07\0"`.
fn bytes_of(literal: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = &literal[2..literal.len() - 1];
    while let Some(first) = rest.chars().next() {
        let (byte, length) = match rest.as_bytes() {
            [b'\\', b'x', ..] => (u8::from_str_radix(&rest[2..4], 16).expect("two digits"), 4),
            [b'\\', b'0', ..] => (0, 2),
            [b'\\', b'n', ..] => (b'\n', 2),
            [b'\\', b'r', ..] => (b'\r', 2),
            [b'\\', b't', ..] => (b'\t', 2),
            [b'\\', escaped, ..] => (*escaped, 2),
            _ => (u8::try_from(first).expect("printable"), 1),
        };
        bytes.push(byte);
        rest = &rest[length..];
    }
    bytes
}

#[test]
fn values_of_different_types_read_the_same() {
    #[derive(Debug)]
    #[expect(dead_code, reason = "read by Debug")]
    struct Theirs {
        id: Uuid,
        value: bytes::Bytes,
        unknown_tagged_fields: std::collections::BTreeMap<i32, ()>,
    }
    #[derive(Debug)]
    #[expect(dead_code, reason = "read by Debug")]
    struct Ours {
        id: ids::Uuid,
        value: &'static [u8],
    }

    let theirs = Theirs {
        id: Uuid::from_u128(7),
        value: vec![0, 7, b'"'].into(),
        unknown_tagged_fields: [].into(),
    };
    let ours = Ours { id: ids::Uuid(7_u128.to_be_bytes()), value: &[0, 7, b'"'] };
    assert_eq!(canonical(&theirs), canonical(&ours));
    assert_ne!(canonical(&theirs), canonical(&Ours { value: &[0, 7], ..ours }));
}
