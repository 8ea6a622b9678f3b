//! Words of others as they may be shown: on one line, within bounds, and without what moves a
//! cursor or hides a word.
//!
//! What a broker or a token endpoint says ends up in logs and on terminals, and so does what a
//! hostile one says. Each way to there passes here: the message of an [`Error`](crate::Error), an
//! address, a name; what is quoted within a message is [`shown`] besides, so that a long quotation
//! does not push the advice out.

use std::borrow::Cow;
use std::fmt::{self, Write};

/// More of a name or a sentence helps nobody (a guess; Kafka's longest topic name has 249).
const MOST: usize = 300;

/// More of a whole message, which may quote several (a guess).
pub(crate) const MOST_OF_MESSAGE: usize = 4096;

/// A quotation of somebody else.
pub(crate) fn shown(text: &str) -> Shown<'_> {
    Shown { text, most: MOST }
}

/// Shows not more than so many characters of a text, and escapes those that are not only seen.
#[derive(Clone, Copy)]
pub(crate) struct Shown<'a> {
    text: &'a str,
    most: usize,
}

/// A text that is shown whole if it is harmless, which costs no copy.
pub(crate) fn harmless(text: Cow<'static, str>, most: usize) -> Cow<'static, str> {
    let Cow::Owned(owned) = text else { return text };
    match owned.len() <= most && owned.chars().all(is_plain) {
        true => Cow::Owned(owned),
        false => Cow::Owned(Shown { text: &owned, most }.to_string()),
    }
}

impl Shown<'_> {
    /// With another bound, in characters.
    pub(crate) fn within(self, most: usize) -> Self {
        Self { most, ..self }
    }

    fn write(&self, f: &mut impl Write, is_escaped: impl Fn(char) -> bool) -> fmt::Result {
        let mut chars = self.text.chars();
        for c in chars.by_ref().take(self.most) {
            match is_escaped(c) {
                true => write!(f, "{}", c.escape_default())?,
                false => f.write_char(c)?,
            }
        }
        match chars.as_str().is_empty() {
            true => Ok(()),
            false => write!(f, "... ({} bytes)", self.text.len()),
        }
    }
}

/// Writes a text, and keeps to the width and alignment that were asked for, if they were.
pub(crate) fn padded(f: &mut fmt::Formatter<'_>, text: fmt::Arguments<'_>) -> fmt::Result {
    if f.width().is_some() { f.pad(&text.to_string()) } else { f.write_fmt(text) }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.width().is_some() {
            let mut text = String::new();
            self.write(&mut text, |c| !is_plain(c))?;
            return f.pad(&text);
        }
        self.write(f, |c| !is_plain(c))
    }
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        self.write(f, |c| !is_plain(c) || matches!(c, '"' | '\\'))?;
        f.write_char('"')
    }
}

/// Neither a control character nor one that breaks a line, has no width or turns the direction of
/// writing.
fn is_plain(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::super::{Error, ErrorKind};
    use super::*;

    const HOSTILE: &str = "no\r\n2026-01-01 ERROR all is lost \u{1b}[2J\u{202e}";

    #[test]
    fn what_moves_a_cursor_or_begins_a_line_is_escaped() {
        assert_eq!(
            shown(HOSTILE).to_string(),
            "no\\r\\n2026-01-01 ERROR all is lost \\u{1b}[2J\\u{202e}"
        );
        assert_eq!(shown("sch\u{f6}n \u{1f600}").to_string(), "sch\u{f6}n \u{1f600}");
    }

    #[test]
    fn a_long_text_is_cut_and_says_how_long_it_is() {
        let long = "\u{e9}".repeat(1000);
        let text = shown(&long).to_string();
        assert!(text.chars().count() < 400 && text.ends_with("... (2000 bytes)"), "{text}");
    }

    #[test]
    fn no_way_into_an_error_lets_a_hostile_text_pass() {
        let long = HOSTILE.repeat(10_000);
        let error =
            Error::new(ErrorKind::Broker, long.clone()).with_context(&long).with_context("here");
        for text in [error.to_string(), format!("{error:?}")] {
            assert!(
                text.len() < 10_000 && !text.contains(|c| !is_plain(c)),
                "{} bytes",
                text.len()
            );
            assert!(
                text.contains("here: no\\r\\n") || text.contains("here: no\\\\r\\\\n"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_name_that_no_broker_could_have_made_is_shown_as_harmless() {
        let long = HOSTILE.repeat(1000);
        let topic = crate::ids::TopicName::from(&long);
        let partition = crate::ids::TopicPartition::new(topic.clone(), 0);
        for text in [
            topic.to_string(),
            format!("{topic:?}"),
            partition.to_string(),
            format!("{partition:?}"),
        ] {
            assert!(text.len() < 600 && !text.contains(|c| !is_plain(c)), "{text}");
        }
        assert_eq!(topic.as_str(), long);
    }
}
