//! What a mistaken key was meant to be.

use super::Config;
use super::property_names::PROPERTIES;
use crate::config::edit_distance;
use crate::mq::error::{Code, Error};
use crate::mq::text::normalized;

/// How a key of the environment is written.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "_").to_uppercase())
}

/// Refuses a key, and names the one that was meant.
pub(super) fn unknown(key: &str) -> Error {
    let told =
        match (PROPERTIES.iter().find(|(property, _)| *property == key), nearest(&normalized(key)))
        {
            (Some((_, meant)), _) => format!("{key} is no key; here it is {meant}"),
            (None, Some(near)) => format!("{key} is no key; the nearest is {near}"),
            (None, None) => format!("{key} is no key, and none is like it"),
        };
    Error::new(Code::InvalidConfig, told)
}

/// The variable that a name of the environment was meant to be.
pub(super) fn nearest_variable(name: &str) -> Option<String> {
    nearest(&name.strip_prefix(PREFIX)?.to_lowercase()).map(|key| variable(&key))
}

/// The key that is likest, if one is like it: by what must be changed, separators aside, with the
/// group or without.
fn nearest(name: &str) -> Option<String> {
    let bare = |name: &str| name.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    let name = bare(name);
    let away = |key: &String| {
        let field = key.split_once('.').map_or(key.as_str(), |(_, field)| field);
        edit_distance(&name, &bare(key)).min(edit_distance(&name, &bare(field)))
    };
    let near = Config::keys().into_iter().min_by_key(away)?;
    (away(&near) <= (name.chars().count() / 3).max(1)).then_some(near)
}

const PREFIX: &str = "KAVKA_";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistaken_key_hears_what_was_meant_or_that_nothing_is_like_it() {
        for (key, told) in [
            ("producer.lingerms", "the nearest is producer.linger_ms"),
            ("prodcer.linger_ms", "the nearest is producer.linger_ms"),
            ("linger_ms", "the nearest is producer.linger_ms"),
            ("groupId", "the nearest is consumer.group_id"),
            ("broker", "the nearest is brokers"),
            ("linger.ms", "here it is producer.linger_ms"),
            ("bootstrap.servers", "here it is brokers"),
            ("colour", "none is like it"),
            ("", "none is like it"),
        ] {
            let error = unknown(key).to_string();
            assert!(
                error.starts_with(&format!("INVALID_CONFIG: {key} is no key"))
                    && error.ends_with(told),
                "{error}"
            );
        }
        assert_eq!(
            nearest_variable("KAVKA_LINGER_MS").as_deref(),
            Some("KAVKA_PRODUCER_LINGER_MS")
        );
        assert_eq!(nearest_variable("KAVKA_BROKER").as_deref(), Some("KAVKA_BROKERS"));
        assert_eq!(nearest_variable("KAVKA_COLOUR"), None);
    }
}
