//! Properties as Java writes them: from a `.properties` text or file, or from pairs.

use std::iter::Peekable;
use std::path::Path;
use std::str::Chars;

use zeroize::{Zeroize, Zeroizing};

use super::*;

/// Kafka properties by name, in the order in which they were set. Setting a name again replaces its
/// value, as in Java.
///
/// A value may refer to another place: `${provider:path:key}` is resolved when settings are read,
/// with Java's `FileConfigProvider`, `DirectoryConfigProvider` or `EnvVarConfigProvider`, as
/// configured by `config.providers` and `config.providers.<name>.class` (KIP-297).
///
/// ```
/// use kavka::{ClientConfig, ProducerConfig, Properties};
///
/// let properties = Properties::parse("bootstrap.servers = localhost:9092\nlinger.ms = 20\n")?;
/// let client = ClientConfig::from_properties(&properties)?;
/// let producer = ProducerConfig::from_properties(&properties)?;
/// # let _ = (client, producer);
/// # Ok::<(), kavka::Error>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Properties {
    entries: Vec<(String, String)>,
}

impl Properties {
    /// Creates an empty list of properties.
    pub fn new() -> Self {
        Self::default()
    }

    /// Parses the text of a Java `.properties` file: comments, continuation lines, `=`, `:` or
    /// blanks after the name, and all escapes.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if a `\u` escape is malformed; the message
    /// names the line.
    pub fn parse(text: &str) -> Result<Self> {
        let mut properties = Self::new();
        for (number, line) in logical_lines(text) {
            let entry = split(&line).ok_or_else(|| {
                Error::config(format!(
                    "line {number} has a malformed escape: \\u and four hexadecimal digits are \
                     allowed"
                ))
            })?;
            properties.set(entry.0, entry.1);
        }
        Ok(properties)
    }

    /// Reads a Java `.properties` file in UTF-8 or, as Java writes them, in ISO 8859-1.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the file cannot be read or has a
    /// malformed escape; the message names the file.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = std::fs::read(path)
            .map_err(|error| Error::config(format!("cannot read {}: {error}", path.display())))?;
        let bytes = Zeroizing::new(bytes);
        let parsed = match std::str::from_utf8(&bytes) {
            Ok(text) => Self::parse(text),
            Err(_) => {
                // As long as it can become, so that no copy is left behind by growing.
                let mut text = Zeroizing::new(String::with_capacity(2 * bytes.len()));
                text.extend(bytes.iter().copied().map(char::from));
                Self::parse(&text)
            }
        };
        parsed.map_err(|error| error.with_context(path.display()))
    }

    /// Sets a property, replacing its previous value.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let (name, value) = (name.into(), value.into());
        match self.entries.iter_mut().find(|(known, _)| *known == name) {
            Some(entry) => std::mem::replace(&mut entry.1, value).zeroize(),
            None => self.entries.push((name, value)),
        }
    }

    /// Sets a property from `name=value`, as given on a command line. Blanks around the value are
    /// part of it.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if there is no `=`.
    pub fn set_pair(&mut self, pair: &str) -> Result<()> {
        match pair.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() => {
                self.set(name.trim(), value);
                Ok(())
            }
            // The text is not shown: it may hold a secret.
            _ => Err(Error::config("a setting has no = in it: name=value is allowed")),
        }
    }

    /// Returns the value of a property, set under this name or under an alias such as
    /// `metadata.broker.list`.
    pub fn get(&self, name: &str) -> Option<&str> {
        let given = self.entries.iter().find(|(known, _)| known == name);
        let given =
            given.or_else(|| self.entries.iter().find(|(known, _)| keys::is_alias(known, name)));
        given.map(|(_, value)| value.as_str())
    }

    /// Returns the properties that no client of Kafka has, such as `schema.registry.url`: those of
    /// the application that share the file. Configurations pass over them, and refuse a name that
    /// begins as Kafka's do, or is nearly one of them, as a mistake.
    pub fn unused(&self) -> impl Iterator<Item = (&str, &str)> {
        self.iter().filter(|(name, _)| !providers::is_own(name) && keys::is_of_application(name))
    }

    /// Returns an iterator over names and values, in the order in which they were set.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Properties {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut properties = Self::new();
        properties.extend(pairs);
        properties
    }
}

impl<N: Into<String>, V: Into<String>> Extend<(N, V)> for Properties {
    fn extend<I: IntoIterator<Item = (N, V)>>(&mut self, pairs: I) {
        for (name, value) in pairs {
            self.set(name, value);
        }
    }
}

impl Drop for Properties {
    /// Overwrites it all: some values are secrets, and a name may be a part of one that has come
    /// apart.
    fn drop(&mut self) {
        for (name, value) in &mut self.entries {
            name.zeroize();
            value.zeroize();
        }
    }
}

impl fmt::Debug for Properties {
    /// Writes names only, and of these what looks like one: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |name| if keys::is_showable(name) { name } else { "[hidden]" };
        f.debug_set().entries(self.entries.iter().map(|(written, _)| name(written))).finish()
    }
}

/// The lines with something in them, each with the number of its first line and joined with those
/// that continue it.
fn logical_lines(text: &str) -> Vec<(usize, Zeroizing<String>)> {
    let mut lines = Vec::new();
    let mut open: Option<(usize, Zeroizing<String>)> = None;
    // Room for all that follows, so that no copy of a secret is left behind by growing.
    let mut left = text.len();
    // Java ends lines at \r, \n and \r\n; what an empty line in \r\n would add is skipped as blank.
    for (index, natural) in natural_lines(text).enumerate() {
        let content = natural.trim_start_matches(is_blank);
        let room = left;
        left = left.saturating_sub(natural.len());
        let (number, mut line) = match open.take() {
            Some(open) => open,
            None if content.is_empty() || content.starts_with(['#', '!']) => continue,
            None if content.ends_with('\\') => {
                (index + 1, Zeroizing::new(String::with_capacity(room)))
            }
            None => (index + 1, Zeroizing::new(String::with_capacity(content.len()))),
        };
        let slashes = content.chars().rev().take_while(|c| *c == '\\').count();
        if slashes % 2 == 1 {
            line.push_str(&content[..content.len() - 1]);
            open = Some((number, line));
        } else {
            line.push_str(content);
            lines.push((number, line));
        }
    }
    lines.extend(open);
    lines
}

fn natural_lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

/// Splits a logical line into name and value; `None` if an escape is malformed.
fn split(line: &str) -> Option<(String, String)> {
    let mut chars = line.chars().peekable();
    let mut name = String::with_capacity(line.len().min(LONGEST_NAME));
    while let Some(c) = chars.next_if(|c| !is_blank(*c) && !matches!(c, '=' | ':')) {
        push_unescaped(c, &mut chars, &mut name)?;
    }
    while chars.next_if(|c| is_blank(*c)).is_some() {}
    if chars.next_if(|c| matches!(c, '=' | ':')).is_some() {
        while chars.next_if(|c| is_blank(*c)).is_some() {}
    }
    // No escape is longer than what it stands for.
    let mut value = Zeroizing::new(String::with_capacity(line.len()));
    while let Some(c) = chars.next() {
        push_unescaped(c, &mut chars, &mut value)?;
    }
    Some((name, std::mem::take(&mut value)))
}

/// Room for any name that there is.
const LONGEST_NAME: usize = 80;

fn push_unescaped(c: char, rest: &mut Peekable<Chars<'_>>, to: &mut String) -> Option<()> {
    if c != '\\' {
        to.push(c);
        return Some(());
    }
    match rest.next() {
        Some('t') => to.push('\t'),
        Some('n') => to.push('\n'),
        Some('r') => to.push('\r'),
        Some('f') => to.push('\u{c}'),
        Some('u') => to.push(unicode(rest)?),
        Some(other) => to.push(other),
        None => {}
    }
    Some(())
}

/// Reads the digits after `\u`, and the second half of a surrogate pair.
fn unicode(rest: &mut Peekable<Chars<'_>>) -> Option<char> {
    let first = hex4(rest)?;
    if !(0xd800..0xdc00).contains(&first) {
        return char::from_u32(first);
    }
    if rest.next()? != '\\' || rest.next()? != 'u' {
        return None;
    }
    let second = hex4(rest)?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
    char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + second)
}

fn hex4(rest: &mut Peekable<Chars<'_>>) -> Option<u32> {
    (0..4).try_fold(0, |value, _| Some(value * 16 + rest.next()?.to_digit(16)?))
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_reads_as_java_reads_it() {
        let text = concat!(
            "# comment\n! another\n\n",
            "a=1\n b : 2\nc 3\nd\ne=\n",
            "long = one \\\n   two,\\\n\t three\n",
            "even=x\\\\\n",
            "not.comment=a\\\n#b\n",
            "escaped\\ key\\:\\= = \\ lead \\t\\n\\u00e9\\ud83d\\ude00\\q trail \n",
            "crlf=yes\r\ncr=1\rlast=2\\",
        );
        let properties = Properties::parse(text).expect("well formed");
        let expected = [
            ("a", "1"),
            ("b", "2"),
            ("c", "3"),
            ("d", ""),
            ("e", ""),
            ("long", "one two,three"),
            ("even", "x\\"),
            ("not.comment", "a#b"),
            ("escaped key:=", " lead \t\n\u{e9}\u{1f600}q trail "),
            ("crlf", "yes"),
            ("cr", "1"),
            ("last", "2"),
        ];
        assert_eq!(properties.iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_last_of_two_values_wins() {
        let properties = Properties::parse("a=1\nb=2\na=3").expect("well formed");
        assert_eq!(properties.iter().collect::<Vec<_>>(), [("a", "3"), ("b", "2")]);
    }

    #[test]
    fn a_value_is_found_by_any_name_of_its_property() {
        let properties = Properties::from_iter([
            ("metadata.broker.list", "a:1"),
            ("queue.buffering.max.kbytes", "1"),
        ]);
        assert_eq!(properties.get("bootstrap.servers"), Some("a:1"));
        assert_eq!(properties.get("buffer.memory"), None, "it is in another unit");
    }

    #[test]
    fn a_malformed_escape_is_refused_with_its_line() {
        for text in [
            "\n\na=\\u12",
            "\n\na=\\u12x4",
            "\n\na=\\ud83d",
            "\n\na=\\ud83d\\u0041",
            "\n\na=\\udc00",
        ] {
            let error = Properties::parse(text).expect_err(text).to_string();
            assert!(error.starts_with("line 3 "), "{error}");
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Properties::from_file("no/such.properties").expect_err("missing").to_string();
        assert!(error.contains("no/such.properties"), "{error}");
    }

    #[test]
    fn debug_shows_no_value_and_nothing_that_only_stands_where_names_do() {
        let properties = Properties::from_iter([
            ("sasl.password", "secret"),
            ("MIIEvQIBADANBgkqhkiG9w0BAQ", ""),
        ]);
        assert_eq!(format!("{properties:?}"), "{\"sasl.password\", \"[hidden]\"}");
    }

    #[test]
    fn a_pair_needs_an_equals_sign() {
        let mut properties = Properties::new();
        properties.set_pair(" a=b=c ").expect("a pair");
        assert_eq!(properties.get("a"), Some("b=c "));
        assert!(properties.set_pair("a").is_err() && properties.set_pair("=a").is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[ \\\\u0-9a-f=:#!\n\r\t\u{e9}]{0,60}") {
            let _ = Properties::parse(&text);
        }
    }
}
