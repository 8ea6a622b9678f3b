//! Java's `sasl.jaas.config`: one login module, a flag, and options.
//!
//! ```text
//! org.apache.kafka.common.security.plain.PlainLoginModule required username="alice" password="…";
//! ```
//!
//! No message of this file shows a value: it may be a secret.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

use zeroize::Zeroizing;

use super::*;

/// What the property says.
pub(super) struct Jaas {
    module: String,
    options: BTreeMap<String, Zeroizing<String>>,
}

/// A piece of the text.
enum JaasToken {
    Word(Zeroizing<String>),
    Equals,
    End,
}

impl Jaas {
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the text is not of the form above.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let refuse = |why: &str| {
            Error::config(format!(
                "sasl.jaas.config {why}: LoginModule required name=\"value\" ...; is allowed"
            ))
        };
        let tokens = tokens(text).map_err(refuse)?;
        let mut tokens = tokens.into_iter();
        let Some(JaasToken::Word(module)) = tokens.next() else {
            return Err(refuse("names no login module"));
        };
        match tokens.next() {
            Some(JaasToken::Word(flag))
                if ["required", "requisite", "sufficient", "optional"]
                    .iter()
                    .any(|known| flag.eq_ignore_ascii_case(known)) => {}
            _ => return Err(refuse("has no flag, such as required, after the login module")),
        }
        let mut options = BTreeMap::new();
        loop {
            match tokens.next() {
                Some(JaasToken::Word(name)) => match (tokens.next(), tokens.next()) {
                    (Some(JaasToken::Equals), Some(JaasToken::Word(value))) => {
                        drop(options.insert(name.to_string(), value))
                    }
                    _ => return Err(refuse("has an option that is not name=value")),
                },
                Some(JaasToken::End) if tokens.next().is_none() => break,
                Some(JaasToken::End) => return Err(refuse("has more than one login module")),
                Some(JaasToken::Equals) => return Err(refuse("has an option without a name")),
                None => return Err(refuse("does not end in a semicolon")),
            }
        }
        Ok(Self { module: module.to_string(), options })
    }

    /// Checks that the login module is the one of a mechanism.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if it is another.
    pub(super) fn expect_module(&self, name: &str, mechanism: &str) -> Result<()> {
        if self.module.rsplit('.').next() == Some(name) {
            return Ok(());
        }
        // What stands in its place may be a password.
        let module =
            if self.module.ends_with("LoginModule") { &self.module } else { "something else" };
        Err(Error::config(format!(
            "sasl.jaas.config names {}, but sasl.mechanism is {mechanism}: {name} is allowed",
            shown(module)
        )))
    }

    pub(super) fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(|value| value.as_str())
    }

    /// Options whose names begin with `prefix`, without it.
    pub(super) fn options_after<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.options
            .iter()
            .filter_map(move |(name, value)| Some((name.strip_prefix(prefix)?, value.as_str())))
    }
}

/// Java's `StreamTokenizer` as `JaasConfig` sets it up; what is neither word, text, `=` nor `;` has
/// no place in the grammar.
///
/// # Errors
/// What the text has that cannot be read.
fn tokens(text: &str) -> Result<Vec<JaasToken>, &'static str> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '=' => tokens.push(JaasToken::Equals),
            ';' => tokens.push(JaasToken::End),
            '"' | '\'' => {
                // As long as it can become, so that no copy is left behind by growing.
                let mut word = Zeroizing::new(String::with_capacity(text.len()));
                loop {
                    match chars.next() {
                        Some('\\') => word.push(unescaped(&mut chars).ok_or(UNCLOSED)?),
                        Some(end) if end == c => break,
                        // Java ends the text here and goes on with what was meant to be the rest of
                        // it.
                        None | Some('\n' | '\r') => return Err(UNCLOSED),
                        Some(other) => word.push(other),
                    }
                }
                tokens.push(JaasToken::Word(word));
            }
            '/' if chars.peek() == Some(&'*') => {
                chars.next();
                while let Some(c) = chars.next() {
                    if c == '*' && chars.next_if_eq(&'/').is_some() {
                        break;
                    }
                }
            }
            // One slash begins a comment as two do.
            '/' => while chars.next_if(|c| !matches!(c, '\n' | '\r')).is_some() {},
            blank if blank <= ' ' => {}
            first if is_word(first) => {
                let mut word = Zeroizing::new(String::with_capacity(text.len()));
                word.push(first);
                while let Some(next) =
                    chars.next_if(|c| is_word(*c) || c.is_ascii_digit() || *c == '.')
                {
                    word.push(next);
                }
                tokens.push(JaasToken::Word(word));
            }
            _ => return Err("has a number or a character without quotation marks around it"),
        }
    }
    Ok(tokens)
}

const UNCLOSED: &str = "has a quotation mark without its partner on the same line";

/// What a word can begin with. Java takes a hyphen for the begin of a number, too, which no text of
/// JAAS has.
fn is_word(c: char) -> bool {
    c.is_ascii_alphabetic() || matches!(c, '_' | '$' | '-') || c >= '\u{a0}'
}

/// What follows a backslash: up to three octal digits, a letter of C's, or a character that stands
/// for itself.
fn unescaped(chars: &mut Peekable<Chars<'_>>) -> Option<char> {
    let first = chars.next()?;
    Some(match first {
        '0'..='7' => {
            let mut value = first.to_digit(8)?;
            // \377 is the last that fits a byte: \477 is \47 and a 7.
            for _ in 0..if first <= '3' { 2 } else { 1 } {
                let Some(digit) = chars.next_if(|c| c.is_digit(8)).and_then(|c| c.to_digit(8))
                else {
                    break;
                };
                value = value * 8 + digit;
            }
            char::from_u32(value)?
        }
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_s_text_is_read() {
        let text = " org.apache.kafka.common.security.plain.PlainLoginModule  Required\n \
                    username=\"al;ice=\" password='p\\\"q\\\\' plain=word ;";
        let jaas = Jaas::parse(text).expect("a login module");
        jaas.expect_module("PlainLoginModule", "PLAIN").expect("it is");
        let options = ["username", "password", "plain", "none"].map(|name| jaas.option(name));
        assert_eq!(options, [Some("al;ice="), Some("p\"q\\"), Some("word"), None]);
    }

    #[test]
    fn escapes_and_comments_are_java_s() {
        let text = r#"/* one
            module */ a.M required // and
            a="\101\0\477\4\x\\" / its options
            b='\a\b\f\n\r\t\v\"' /**/c="/*//#";"#;
        let jaas = Jaas::parse(text).expect("a login module");
        let options = ["a", "b", "c"].map(|name| jaas.option(name).expect("given"));
        assert_eq!(options, ["A\0'7\u{4}x\\", "\u{7}\u{8}\u{c}\n\r\t\u{b}\"", "/*//#"]);
    }

    #[test]
    fn what_is_not_one_login_module_is_refused_without_showing_it() {
        for text in [
            "",
            ";",
            "M",
            "M hunter2=1;",
            "M required password=\"hunter2",
            "M required password=\"hunter2\"",
            "M required password hunter2;",
            "M required =hunter2;",
            "M required a=hunter2; N required;",
            // Java ends a text at the end of its line, and knows no numbers or signs as values.
            "M required a=\"hunter2\n\";",
            "M required hunter2=123;",
            "M required a=hunter2@x;",
            "M required a=hunter2/x;",
        ] {
            let Err(error) = Jaas::parse(text) else { panic!("{text} was taken") };
            let error = error.to_string();
            assert!(error.contains("sasl.jaas.config") && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn another_login_module_is_refused() {
        let jaas = Jaas::parse("x.ScramLoginModule required;").expect("a login module");
        let error =
            jaas.expect_module("PlainLoginModule", "PLAIN").expect_err("another").to_string();
        assert!(error.contains("ScramLoginModule") && error.contains("PLAIN"), "{error}");
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[ a-c=;0-9*/\n\"'\\\\]{0,40}") {
            let _ = Jaas::parse(&text);
        }
    }
}
