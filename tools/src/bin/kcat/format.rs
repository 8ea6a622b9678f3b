//! How records are printed.

use std::io::{self, Write};

use kavka::{ConsumerRecord, Headers, Offset, PartitionId, ShareRecord, Timestamp, TimestampType};
use kavka_tools::json::{header_value, insert_bytes};
use serde_json::{Map, Value};

/// A record that can be printed, however it was received.
pub(crate) trait Printable {
    fn topic(&self) -> &str;
    fn partition(&self) -> PartitionId;
    fn offset(&self) -> Offset;
    fn timestamp(&self) -> Timestamp;
    fn timestamp_type(&self) -> TimestampType;
    fn key(&self) -> Option<&[u8]>;
    fn value(&self) -> Option<&[u8]>;
    fn headers(&self) -> Headers<'_>;
}

macro_rules! printable {
    ($record:ident) => {
        impl Printable for $record {
            fn topic(&self) -> &str {
                $record::topic(self)
            }

            fn partition(&self) -> PartitionId {
                $record::partition(self)
            }

            fn offset(&self) -> Offset {
                $record::offset(self)
            }

            fn timestamp(&self) -> Timestamp {
                $record::timestamp(self)
            }

            fn timestamp_type(&self) -> TimestampType {
                $record::timestamp_type(self)
            }

            fn key(&self) -> Option<&[u8]> {
                $record::key(self)
            }

            fn value(&self) -> Option<&[u8]> {
                $record::value(self)
            }

            fn headers(&self) -> Headers<'_> {
                $record::headers(self)
            }
        }
    };
}

printable!(ConsumerRecord);
printable!(ShareRecord);

/// The parts of `-f`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Format(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Vec<u8>),
    Topic,
    Partition,
    Offset,
    Timestamp,
    Key,
    KeyLength,
    Value,
    ValueLength,
    Headers,
}

impl Format {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut plain = Vec::new();
        let text = unescape(text);
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                plain.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            let part = match chars.next() {
                Some('%') => {
                    plain.push(b'%');
                    continue;
                }
                Some('t') => Part::Topic,
                Some('p') => Part::Partition,
                Some('o') => Part::Offset,
                Some('T') => Part::Timestamp,
                Some('k') => Part::Key,
                Some('K') => Part::KeyLength,
                Some('s') => Part::Value,
                Some('S') => Part::ValueLength,
                Some('h') => Part::Headers,
                other => {
                    let letter = other.map_or(String::new(), String::from);
                    return Err(format!("%{letter} is none of %t %p %o %T %k %K %s %S %h and %%"));
                }
            };
            parts.extend([Part::Text(std::mem::take(&mut plain)), part]);
        }
        parts.push(Part::Text(plain));
        Ok(Self(parts))
    }

    /// The value and a line feed, after the key where a separator is given.
    pub(crate) fn plain(separator: Option<&str>) -> Self {
        let mut parts = Vec::new();
        if let Some(separator) = separator {
            parts.extend([Part::Key, Part::Text(separator.into())]);
        }
        parts.extend([Part::Value, Part::Text(b"\n".to_vec())]);
        Self(parts)
    }

    pub(crate) fn write(&self, to: &mut impl Write, record: &impl Printable) -> io::Result<()> {
        for part in &self.0 {
            match part {
                Part::Text(text) => to.write_all(text)?,
                Part::Topic => to.write_all(record.topic().as_bytes())?,
                Part::Partition => write!(to, "{}", record.partition())?,
                Part::Offset => write!(to, "{}", record.offset())?,
                Part::Timestamp => write!(to, "{}", record.timestamp())?,
                Part::Key => to.write_all(record.key().unwrap_or_default())?,
                Part::KeyLength => write_length(to, record.key())?,
                Part::Value => to.write_all(record.value().unwrap_or_default())?,
                Part::ValueLength => write_length(to, record.value())?,
                Part::Headers => write_headers(to, record)?,
            }
        }
        Ok(())
    }
}

fn write_length(to: &mut impl Write, bytes: Option<&[u8]>) -> io::Result<()> {
    match bytes {
        Some(bytes) => write!(to, "{}", bytes.len()),
        None => to.write_all(b"-1"),
    }
}

fn write_headers(to: &mut impl Write, record: &impl Printable) -> io::Result<()> {
    for (index, header) in record.headers().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(to, "{comma}{}=", header.name())?;
        to.write_all(header.value.unwrap_or(b"NULL"))?;
    }
    Ok(())
}

/// Writes a record as a JSON line.
pub(crate) fn write_json(to: &mut impl Write, record: &impl Printable) -> io::Result<()> {
    let mut object = Map::new();
    object.insert("topic".to_owned(), record.topic().into());
    object.insert("partition".to_owned(), record.partition().0.into());
    object.insert("offset".to_owned(), record.offset().0.into());
    object.insert("timestamp".to_owned(), record.timestamp().0.into());
    let kind = match record.timestamp_type() {
        TimestampType::LogAppendTime => "logappend",
        _ => "create",
    };
    object.insert("timestamp_type".to_owned(), kind.into());
    insert_bytes(&mut object, "key", record.key());
    insert_bytes(&mut object, "value", record.value());
    let headers = record
        .headers()
        .map(|header| Value::from(vec![header.name().as_ref().into(), header_value(header.value)]));
    object.insert("headers".to_owned(), headers.collect());
    serde_json::to_writer(&mut *to, &object)?;
    to.write_all(b"\n")
}

/// Replaces \n, \r, \t, \xHH and \\.
pub(crate) fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let hex = after
            .strip_prefix('x')
            .and_then(|digits| u8::from_str_radix(digits.get(..2)?, 16).ok());
        let (c, length) = match after.chars().next() {
            Some('n') => ('\n', 1),
            Some('r') => ('\r', 1),
            Some('t') => ('\t', 1),
            Some('\\') => ('\\', 1),
            Some('x') if hex.is_some_and(|byte| byte.is_ascii()) => {
                (hex.map_or('x', char::from), 3)
            }
            _ => ('\\', 0),
        };
        plain.push(c);
        rest = after.get(length..).unwrap_or_default();
    }
    plain.push_str(rest);
    plain
}
