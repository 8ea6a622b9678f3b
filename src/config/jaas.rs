//! Java's `sasl.jaas.config`: one login module, a flag, and options.
//!
//! ```text
//! org.apache.kafka.common.security.plain.PlainLoginModule required username="alice" password="…";
//! ```
//!
//! No message of this file shows a value: it may be a secret.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::*;

/// What the property says.
pub(super) struct Jaas {
    module: String,
    options: BTreeMap<String, Zeroizing<String>>,
}

/// A piece of the text.
enum Token {
    Word(Zeroizing<String>),
    Equals,
    End,
}

impl Jaas {
    /// # Errors
    /// Config if the text is not of the form above.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let refuse =
            |why: &str| Error::config(format!("sasl.jaas.config {why}: LoginModule required name=\"value\" ...; is allowed"));
        let tokens = tokens(text).ok_or_else(|| refuse("has a quotation mark without its partner"))?;
        let mut tokens = tokens.into_iter();
        let Some(Token::Word(module)) = tokens.next() else { return Err(refuse("names no login module")) };
        match tokens.next() {
            Some(Token::Word(flag))
                if ["required", "requisite", "sufficient", "optional"].iter().any(|known| flag.eq_ignore_ascii_case(known)) => {}
            _ => return Err(refuse("has no flag, such as required, after the login module")),
        }
        let mut options = BTreeMap::new();
        loop {
            match tokens.next() {
                Some(Token::Word(name)) => match (tokens.next(), tokens.next()) {
                    (Some(Token::Equals), Some(Token::Word(value))) => drop(options.insert(name.to_string(), value)),
                    _ => return Err(refuse("has an option that is not name=value")),
                },
                Some(Token::End) if tokens.next().is_none() => break,
                Some(Token::End) => return Err(refuse("has more than one login module")),
                Some(Token::Equals) => return Err(refuse("has an option without a name")),
                None => return Err(refuse("does not end in a semicolon")),
            }
        }
        Ok(Self { module: module.to_string(), options })
    }

    /// Checks that the login module is the one of a mechanism.
    ///
    /// # Errors
    /// Config if it is another.
    pub(super) fn expect_module(&self, name: &str, mechanism: &str) -> Result<()> {
        if self.module.rsplit('.').next() == Some(name) {
            return Ok(());
        }
        Err(Error::config(format!(
            "sasl.jaas.config names {}, but sasl.mechanism is {mechanism}: {name} is allowed",
            self.module
        )))
    }

    pub(super) fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(|value| value.as_str())
    }

    /// Options whose names begin with `prefix`, without it.
    pub(super) fn options_after<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.options.iter().filter_map(move |(name, value)| Some((name.strip_prefix(prefix)?, value.as_str())))
    }
}

/// `None` if a quotation mark is open at the end.
fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '=' => tokens.push(Token::Equals),
            ';' => tokens.push(Token::End),
            '"' | '\'' => {
                let mut word = Zeroizing::new(String::new());
                loop {
                    match chars.next()? {
                        '\\' => word.push(unescaped(chars.next()?)),
                        end if end == c => break,
                        other => word.push(other),
                    }
                }
                tokens.push(Token::Word(word));
            }
            blank if blank.is_whitespace() => {}
            first => {
                let mut word = Zeroizing::new(String::from(first));
                while let Some(next) = chars.next_if(|c| !c.is_whitespace() && !matches!(c, '=' | ';' | '"' | '\'')) {
                    word.push(next);
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    Some(tokens)
}

/// Java's `StreamTokenizer`: the letters of C stand for control characters, all others for themselves.
fn unescaped(c: char) -> char {
    match c {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_s_text_is_read() {
        let text = " org.apache.kafka.common.security.plain.PlainLoginModule  Required\n username=\"al;ice=\" password='p\\\"q\\\\' \
                    plain=word ;";
        let jaas = Jaas::parse(text).expect("a login module");
        jaas.expect_module("PlainLoginModule", "PLAIN").expect("it is");
        let options = ["username", "password", "plain", "none"].map(|name| jaas.option(name));
        assert_eq!(options, [Some("al;ice="), Some("p\"q\\"), Some("word"), None]);
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
        ] {
            let Err(error) = Jaas::parse(text) else { panic!("{text} was taken") };
            let error = error.to_string();
            assert!(error.contains("sasl.jaas.config") && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn another_login_module_is_refused() {
        let jaas = Jaas::parse("x.ScramLoginModule required;").expect("a login module");
        let error = jaas.expect_module("PlainLoginModule", "PLAIN").expect_err("another").to_string();
        assert!(error.contains("ScramLoginModule") && error.contains("PLAIN"), "{error}");
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[ a-c=;\"'\\\\]{0,40}") {
            let _ = Jaas::parse(&text);
        }
    }
}
