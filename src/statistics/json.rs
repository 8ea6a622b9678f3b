//! Writes JSON: what a report takes, and no more.

use std::fmt::{Display, Write};

/// An object whose fields are being written.
pub(crate) struct Object<'a> {
    to: &'a mut String,
    is_empty: bool,
}

/// Writes an object.
pub(crate) fn object(write: impl FnOnce(&mut Object<'_>)) -> String {
    let mut text = String::new();
    nested(&mut text, write);
    text
}

fn nested(to: &mut String, write: impl FnOnce(&mut Object<'_>)) {
    to.push('{');
    write(&mut Object { to: &mut *to, is_empty: true });
    to.push('}');
}

impl Object<'_> {
    /// A whole number, or a boolean.
    pub(crate) fn number(&mut self, name: &str, value: impl Display) {
        self.name(name);
        let _ = write!(self.to, "{value}");
    }

    /// A field that is left out if there is no such number.
    pub(crate) fn known(&mut self, name: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.number(name, value);
        }
    }

    pub(crate) fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        quote(self.to, value);
    }

    pub(crate) fn object(&mut self, name: &str, write: impl FnOnce(&mut Object<'_>)) {
        self.name(name);
        nested(self.to, write);
    }

    fn name(&mut self, name: &str) {
        if !std::mem::take(&mut self.is_empty) {
            self.to.push(',');
        }
        quote(self.to, name);
        self.to.push(':');
    }
}

fn quote(to: &mut String, text: &str) {
    to.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => to.extend(['\\', c]),
            c if c < ' ' => {
                let _ = write!(to, "\\u{:04x}", u32::from(c));
            }
            c => to.push(c),
        }
    }
    to.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_is_written_is_read_as_it_was(name in ".*", text in ".*", number: i64) {
            let name = format!("{name}.");
            let written = object(|to| {
                to.object(&name, |to| to.text("\n\"", &text));
                to.number("n", number);
                to.known("none", None::<u64>);
                to.object("empty", |_| {});
            });
            let read: serde_json::Value = serde_json::from_str(&written).unwrap();
            prop_assert_eq!(read[&name]["\n\""].as_str(), Some(text.as_str()));
            prop_assert_eq!(read["n"].as_i64(), Some(number));
            prop_assert!(read.get("none").is_none());
        }
    }
}
