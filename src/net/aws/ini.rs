//! The form of AWS's shared files: sections of names and values.
//!
//! ```text
//! [profile dev]                  ; in the file of configuration; [dev] in that of credentials
//! role_arn = arn:aws:iam::1:role/dev
//! s3 =                           # what is indented belongs to the line before, and to S3
//!   addressing_style = path
//! ```
//!
//! No message shows a value: it may be a secret.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

/// The values of one section by their names, which are in lower case.
pub(super) type ProfileSection = BTreeMap<String, Zeroizing<String>>;

/// How a file names its profiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// `[profile name]`, and `[default]`.
    Config,
    /// `[name]`.
    Credentials,
}

/// The profiles of a file.
///
/// # Errors
/// The number of the first line that is neither a section nor a name and a value.
pub(super) fn profiles(
    text: &str,
    naming: Naming,
) -> Result<BTreeMap<String, ProfileSection>, usize> {
    let mut profiles = BTreeMap::<String, ProfileSection>::new();
    // What comes before the first section, or in one that is no profile, is nobody's.
    let mut current: Option<String> = None;
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        if line.trim().is_empty() || line.starts_with(['#', ';', ' ', '\t']) {
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            let (name, _) = rest.split_once(']').ok_or(number + 1)?;
            let (name, is_prefixed) = profile_name(name, naming);
            // `[profile default]` is said to count more than `[default]`.
            if is_prefixed && name == Some("default") {
                profiles.remove("default");
            }
            let is_second = !is_prefixed
                && naming == Naming::Config
                && name.is_some_and(|name| profiles.contains_key(name));
            current = name.filter(|_| !is_second).map(str::to_owned);
            if let Some(name) = &current {
                profiles.entry(name.clone()).or_default();
            }
            continue;
        }
        let (name, value) = line.split_once('=').ok_or(number + 1)?;
        if let Some(section) = current.as_ref().and_then(|current| profiles.get_mut(current)) {
            let value = Zeroizing::new(without_comment(value).trim().to_owned());
            section.insert(name.trim().to_ascii_lowercase(), value);
        }
    }
    Ok(profiles)
}

/// The profile that a section is of, and whether it says that it is one.
fn profile_name(section: &str, naming: Naming) -> (Option<&str>, bool) {
    let section = section.trim();
    let bare = |name: &str| name.trim().trim_matches(['"', '\'']).len();
    match (naming, section.split_once([' ', '\t'])) {
        (Naming::Credentials, _) => (Some(section), false),
        (Naming::Config, Some(("profile", name))) if bare(name) > 0 => {
            (Some(name.trim().trim_matches(['"', '\''])), true)
        }
        (Naming::Config, None) if section == "default" => (Some(section), false),
        (Naming::Config, _) => (None, false),
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
        let profiles = profiles(text, naming).expect("sections");
        profiles.get(profile)?.get(name).map(|value| value.to_string())
    }

    #[test]
    fn sections_comments_and_indented_lines_are_as_aws_has_them() {
        let text = "\u{feff}# c\nnobody = s\n[profile \"my own\"]\r\nRegion=eu-west-1 # c\r\ns3 =\n  region = no\n\
                    [sso-session x]\nregion = no\n[dev]\nregion = no\n[ profile\tdev ] ; c\nregion = a#b;c ; d\n";
        for (profile, expected) in [
            ("my own", Some("eu-west-1")),
            ("dev", Some("a#b;c")),
            ("x", None),
            ("sso-session x", None),
        ] {
            let found = value(text, Naming::Config, profile, "region");
            assert_eq!(found.as_deref(), expected, "{profile}");
        }
        let text = "[dev]\nregion=a=b\n[default]\nregion =\n";
        assert_eq!(value(text, Naming::Credentials, "dev", "region").as_deref(), Some("a=b"));
        assert_eq!(value(text, Naming::Credentials, "default", "region").as_deref(), Some(""));
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
            assert_eq!(profiles(text, Naming::Credentials).expect_err("a line"), number);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[\\[\\]a= \t\n#;\"é]{0,40}") {
            let _ = (profiles(&text, Naming::Config), profiles(&text, Naming::Credentials));
        }
    }
}
