//! PEM (RFC 7468) as OpenSSL and Java write it, and as it arrives: with any white space in place of
//! line feeds, as in a property (KIP-651) or in a variable that has lost them.
//!
//! What is read may be a private key. So no error of this file has room for any of the text: a
//! [`Flaw`] is a number and a word.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// What is between a line that begins something and the one that ends it.
#[derive(Clone, Copy)]
pub(super) struct Section<'t> {
    /// What it is, such as `CERTIFICATE`.
    pub(super) label: &'t str,
    body: &'t [u8],
    /// From 1, for messages.
    pub(super) number: usize,
}

/// What is wrong with a text, without any of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    section: usize,
    what: &'static str,
}

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";

/// All sections of a text; what is before, between and after them is passed over, as the attributes
/// that OpenSSL writes.
///
/// # Errors
/// A section has no end, or another one's.
pub(super) fn sections(mut text: &[u8]) -> Result<Vec<Section<'_>>, Flaw> {
    let mut sections = Vec::new();
    while let Some((_, rest)) = split_once(text, BEGIN) {
        let number = sections.len() + 1;
        let flaw = |what| Flaw { section: number, what };
        let (label, rest) = split_once(rest, DASHES).ok_or(flaw("has no dashes after its name"))?;
        let (body, rest) = split_once(rest, END).ok_or(flaw("does not end"))?;
        let (end, rest) = split_once(rest, DASHES).ok_or(flaw("does not end"))?;
        if label != end || split_once(body, BEGIN).is_some() {
            return Err(flaw("does not end before the next begins"));
        }
        let label = std::str::from_utf8(label).map_err(|_| flaw("has a name that is no text"))?;
        sections.push(Section { label, body, number });
        text = rest;
    }
    Ok(sections)
}

impl Section<'_> {
    /// Whether it has header lines, by which OpenSSL once said that a key is encrypted.
    pub(super) fn has_headers(&self) -> bool {
        self.body.contains(&b':')
    }

    /// The bytes that it stands for.
    ///
    /// # Errors
    /// It is no base 64.
    pub(super) fn der(&self) -> Result<Zeroizing<Vec<u8>>, Flaw> {
        // As long as it can become, so that no copy is left behind by growing.
        let mut digits = Zeroizing::new(Vec::with_capacity(self.body.len()));
        digits.extend(self.body.iter().filter(|byte| !byte.is_ascii_whitespace()));
        let mut der =
            Zeroizing::new(Vec::with_capacity(base64::decoded_len_estimate(digits.len())));
        // Its error quotes a byte and is dropped.
        STANDARD
            .decode_vec(&*digits, &mut der)
            .map_err(|_| Flaw { section: self.number, what: "is damaged: it is no base 64" })?;
        Ok(der)
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "section {} {}", self.section, self.what)
    }
}

fn split_once<'t>(text: &'t [u8], mark: &[u8]) -> Option<(&'t [u8], &'t [u8])> {
    let at = text.windows(mark.len()).position(|part| part == mark)?;
    let (before, rest) = text.split_at_checked(at)?;
    Some((before, rest.get(mark.len()..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "Bag Attributes: x\n-----BEGIN A B-----\nAAEC\nAwQ=\n-----END A \
                       B-----\n\n-----BEGIN C-----\r\nBQ==\r\n-----END C-----";

    fn read(text: &str) -> Result<Vec<(String, Vec<u8>)>, Flaw> {
        sections(text.as_bytes())?
            .iter()
            .map(|section| Ok((section.label.to_owned(), section.der()?.to_vec())))
            .collect()
    }

    #[test]
    fn sections_are_read_whatever_stands_for_their_line_feeds() {
        let expected = vec![("A B".to_owned(), vec![0, 1, 2, 3, 4]), ("C".to_owned(), vec![5])];
        let joined = TWO.replace('\n', " ");
        let without = TWO.replace(['\n', '\r'], "");
        // As a property whose lines are continued, KIP-651.
        let properties: String = TWO.lines().flat_map(|line| ["  ", line, " \t"]).collect();
        for text in [TWO, &joined, &without, &properties] {
            assert_eq!(read(text), Ok(expected.clone()), "{text}");
        }
        assert_eq!(read("nothing"), Ok(Vec::new()));
    }

    #[test]
    fn a_flaw_says_which_section_and_none_of_its_text() {
        for (text, said) in [
            (TWO.replace("BQ==", "B!=="), "section 2 is damaged: it is no base 64"),
            (TWO.replace("AwQ=", "AwQ"), "section 1 is damaged: it is no base 64"),
            (TWO.replace("-----END C-----", ""), "section 2 does not end"),
            (TWO.replace("-----END A B-----", ""), "section 1 does not end before the next begins"),
            (TWO.replace("END A B", "END C"), "section 1 does not end before the next begins"),
            ("-----BEGIN C".to_owned(), "section 1 has no dashes after its name"),
        ] {
            assert_eq!(read(&text).expect_err(said).to_string(), said);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "(-----BEGIN |-----END |-----|A|=|\n| ){0,20}") {
            let _ = read(&text);
        }
    }
}
