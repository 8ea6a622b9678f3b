//! The form of AWS's shared files: sections of names and values.
//!
//! ```text
//! [profile dev]                  ; in the file of configuration; [dev] in that of credentials
//! role_arn = arn:aws:iam::1:role/dev
//! s3 =                           # what is indented belongs to the line before, and to S3
//!   addressing_style = path
//! [sso-session corporate]        ; in the file of configuration alone
//! sso_region = eu-west-1
//! ```
//!
//! No message shows a value: it may be a secret.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

/// The values of one section by their names, which are in lower case.
#[derive(Default)]
pub(super) struct IniSection(BTreeMap<String, Zeroizing<String>>);

/// The sections of a file that matter here, by their names.
#[derive(Default)]
pub(super) struct Sections {
    pub(super) profiles: BTreeMap<String, IniSection>,
    /// Sessions of IAM Identity Center.
    pub(super) sso_sessions: BTreeMap<String, IniSection>,
}

/// How a file names its profiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// `[profile name]`, and `[default]`.
    Config,
    /// `[name]`.
    Credentials,
}

/// The profiles and the sessions of a file.
///
/// # Errors
/// The number of the first line that is neither a section nor a name and a value.
pub(super) fn sections(text: &str, naming: Naming) -> Result<Sections, usize> {
    let mut sections = Sections::default();
    // What comes before the first section, or in one that is of another kind, is nobody's.
    let mut current: Option<Title<'_>> = None;
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        if line.trim().is_empty() || line.starts_with(['#', ';', ' ', '\t']) {
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            let (title, _) = rest.split_once(']').ok_or(number + 1)?;
            current = title_of(title, naming).filter(|title| sections.open(*title));
            continue;
        }
        let (name, value) = line.split_once('=').ok_or(number + 1)?;
        if let Some(section) = current.and_then(|title| sections.section(title)) {
            let value = Zeroizing::new(without_comment(value).trim().to_owned());
            section.0.insert(name.trim().to_ascii_lowercase(), value);
        }
    }
    Ok(sections)
}

impl IniSection {
    /// Takes what another says of the same, which counts more.
    pub(super) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether it has a value of one of these names.
    pub(super) fn has_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.text(name).is_some())
    }

    /// A value that is not empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.as_str()).filter(|value| !value.is_empty())
    }
}

/// What a section is of.
#[derive(Clone, Copy)]
enum Title<'a> {
    Profile(&'a str),
    /// `[profile default]`, which is said to count more than [`Self::BareDefault`].
    PrefixedDefault,
    /// `[default]` in the file of configuration.
    BareDefault,
    SsoSession(&'a str),
}

const DEFAULT: &str = "default";

impl Sections {
    /// Begins a section, or goes on with one; false if what it says does not count.
    fn open(&mut self, title: Title<'_>) -> bool {
        match title {
            Title::Profile(name) => {
                self.profiles.entry(name.to_owned()).or_default();
            }
            Title::PrefixedDefault => {
                self.profiles.insert(DEFAULT.to_owned(), IniSection::default());
            }
            Title::BareDefault if self.profiles.contains_key(DEFAULT) => return false,
            Title::BareDefault => {
                self.profiles.insert(DEFAULT.to_owned(), IniSection::default());
            }
            Title::SsoSession(name) => {
                self.sso_sessions.entry(name.to_owned()).or_default();
            }
        }
        true
    }

    fn section(&mut self, title: Title<'_>) -> Option<&mut IniSection> {
        match title {
            Title::Profile(name) => self.profiles.get_mut(name),
            Title::PrefixedDefault | Title::BareDefault => self.profiles.get_mut(DEFAULT),
            Title::SsoSession(name) => self.sso_sessions.get_mut(name),
        }
    }
}

/// `None` if it is of another kind.
fn title_of(title: &str, naming: Naming) -> Option<Title<'_>> {
    let title = title.trim();
    if naming == Naming::Credentials {
        return Some(Title::Profile(title));
    }
    let Some((kind, name)) = title.split_once([' ', '\t']) else {
        return (title == DEFAULT).then_some(Title::BareDefault);
    };
    let name = name.trim().trim_matches(['"', '\'']);
    match (kind, name) {
        (_, "") => None,
        ("profile", DEFAULT) => Some(Title::PrefixedDefault),
        ("profile", name) => Some(Title::Profile(name)),
        ("sso-session", name) => Some(Title::SsoSession(name)),
        _ => None,
    }
}

/// A comment after a value has a blank before it: a secret may have either character within.
fn without_comment(value: &str) -> &str {
    let end = value.char_indices().zip(value.chars().skip(1)).find_map(|((at, blank), next)| {
        (matches!(blank, ' ' | '\t') && matches!(next, '#' | ';')).then_some(at)
    });
    end.and_then(|end| value.get(..end)).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, naming: Naming, profile: &str, name: &str) -> Option<String> {
        let sections = sections(text, naming).expect("sections");
        sections.profiles.get(profile)?.0.get(name).map(|value| value.to_string())
    }

    #[test]
    fn sections_comments_and_indented_lines_are_as_aws_has_them() {
        let text = "\u{feff}# c\nnobody = s\n[profile \"my own\"]\r\nRegion=eu-west-1 # c\r\ns3 =\n  region = no\n\
                    [sso-session x]\nregion = no\n[services x]\nregion = no\n[dev]\nregion = no\n[ profile\tdev ] ; c\nregion = a#b;c ; d\n";
        for (profile, expected) in [
            ("my own", Some("eu-west-1")),
            ("dev", Some("a#b;c")),
            ("x", None),
            ("sso-session x", None),
            ("services x", None),
        ] {
            let found = value(text, Naming::Config, profile, "region");
            assert_eq!(found.as_deref(), expected, "{profile}");
        }
        let text = "[dev]\nregion=a=b\n[default]\nregion =\n";
        assert_eq!(value(text, Naming::Credentials, "dev", "region").as_deref(), Some("a=b"));
        assert_eq!(value(text, Naming::Credentials, "default", "region").as_deref(), Some(""));
    }

    #[test]
    fn sessions_are_in_the_file_of_configuration_alone() {
        let text = "[sso-session 'my own']\nsso_region = eu-west-1\n[sso-session]\nsso_region=no\n\
                    [sso-session my own]\nSSO_Start_URL = https://x # c\n";
        let config = sections(text, Naming::Config).expect("sections");
        let session = config.sso_sessions.get("my own").expect("a session");
        assert_eq!(
            (session.text("sso_region"), session.text("sso_start_url"), config.profiles.len()),
            (Some("eu-west-1"), Some("https://x"), 0)
        );
        assert!(sections(text, Naming::Credentials).expect("sections").sso_sessions.is_empty());
    }

    #[test]
    fn the_default_that_says_profile_counts_more_in_either_order() {
        for text in [
            "[default]\nregion=no\n[profile default]\nregion=yes\n",
            "[profile default]\nregion=yes\n[default]\nregion=no\n",
        ] {
            assert_eq!(value(text, Naming::Config, "default", "region").as_deref(), Some("yes"));
        }
    }

    #[test]
    fn a_line_that_is_nothing_is_told_by_its_number() {
        for (text, number) in [("[a]\n\nhunter2\n", 3), ("[hunter2\n", 1)] {
            assert_eq!(sections(text, Naming::Credentials).err(), Some(number));
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[\\[\\]a= \t\n#;\"é]{0,40}") {
            let _ = (sections(&text, Naming::Config), sections(&text, Naming::Credentials));
        }
    }
}
