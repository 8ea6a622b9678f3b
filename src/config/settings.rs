//! Typed values out of [`Properties`], by the names of [`keys`].

use std::collections::BTreeMap;

use tracing::{debug, info, warn};
use zeroize::Zeroizing;

use super::keys::{self, AliasValue, Key, Role};
use super::*;

/// What the properties say to one kind of handle: canonical names, and values that are still text.
///
/// Its values may be secrets, so it has no `Debug`.
pub(crate) struct Settings<'a> {
    values: BTreeMap<&'static str, SettingValue<'a>>,
}

struct SettingValue<'a> {
    /// The name as the user wrote it, which may be an alias.
    written: &'a str,
    text: Zeroizing<String>,
}

/// A type that a property can have.
pub(crate) trait FromProperty: Sized {
    /// What is allowed, for the message that refuses another value.
    const ALLOWED: &'static str;

    /// Whether it shows nothing of what it was made of: the only types by which a property can be
    /// read whose value may be a secret.
    const IS_SECRET: bool = false;

    /// `None` if the text is not allowed.
    fn from_property(text: &str) -> Option<Self>;
}

impl<'a> Settings<'a> {
    /// Sorts out the properties that speak to handles of this kind.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if Kafka has no such property, if this build
    /// cannot do what one asks for, or if two names of one property disagree.
    pub(crate) fn of(properties: &'a Properties, kind: HandleKind) -> Result<Self> {
        let mut settings = Self { values: BTreeMap::new() };
        let mut inert = Vec::new();
        let providers = Providers::of(properties)?;
        for (written, text) in properties.iter() {
            if providers::is_own(written) || keys::is_of_application(written) {
                continue;
            }
            let key = keys::find(written).ok_or_else(|| unknown(written))?;
            let resolved = providers.resolve(written, text)?;
            let text = resolved.as_ref().map_or(text, |text| text.as_str());
            let is_mine = key.kinds.contains(kind);
            // The client speaks for the keys that all kinds have, so that one file read three times
            // warns once.
            let is_told_here =
                is_mine && (kind == HandleKind::Client || !key.kinds.contains(HandleKind::Client));
            match key.role {
                Role::Setting if is_mine => {
                    settings.insert(key.name, written, Zeroizing::new(text.to_owned()))?
                }
                Role::Alias { of, value } if is_mine => {
                    settings.insert(of, written, in_terms_of(value, written, text)?)?
                }
                Role::Only(value, why) if is_mine && !text.trim().eq_ignore_ascii_case(value) => {
                    let text = shown(text);
                    return Err(Error::config(format!(
                        "{written} is {text:?}: only {value} is allowed, as {why}"
                    )));
                }
                Role::Refused(why) if is_mine && !text.is_empty() => {
                    return Err(Error::config(format!("{written} is not allowed: {why}")));
                }
                Role::Foreign if is_told_here => warn_of_ignored(written, key),
                Role::Inert if is_told_here => inert.push(written),
                Role::Foreign | Role::Inert => {}
                _ => {
                    debug!(property = written, "ignored: it has no meaning for this kind of handle")
                }
            }
        }
        if !inert.is_empty() {
            info!(
                properties = inert.join(", "),
                "ignored: what they tune is done in another way here"
            );
        }
        Ok(settings)
    }

    /// Sets `field` if the property was given.
    pub(crate) fn set<T: FromProperty>(&self, name: &'static str, field: &mut T) -> Result<()> {
        if let Some(value) = self.read(name)? {
            *field = value;
        }
        Ok(())
    }

    /// The value of a property, if it was given.
    pub(crate) fn read<T: FromProperty>(&self, name: &'static str) -> Result<Option<T>> {
        debug_assert!(
            keys::find(name).is_some_and(|key| key.role == Role::Setting),
            "{name} is in the table"
        );
        let (is_secret, is_exact) =
            keys::find(name).map_or((true, false), |key| (key.is_secret, key.is_exact));
        debug_assert_eq!(is_secret, T::IS_SECRET, "{name}: what may be a secret is read as one");
        let Some(SettingValue { written, text }) = self.values.get(name) else { return Ok(None) };
        match T::from_property(if is_exact { text } else { text.trim() }) {
            Some(value) => Ok(Some(value)),
            None if is_secret => Err(Error::config(format!(
                "{written} is another text than is allowed: {} is",
                T::ALLOWED
            ))),
            None => Err(Error::config(format!(
                "{written} is {:?}: {} is allowed",
                shown(text),
                T::ALLOWED
            ))),
        }
    }

    /// Whether a property was given by this other name of its.
    pub(crate) fn is_written_as(&self, name: &str, other: &str) -> bool {
        self.values.get(name).is_some_and(|value| value.written == other)
    }

    /// What the user calls the properties that messages name.
    pub(crate) fn words(&self) -> Words {
        let aliases = self.values.iter().filter(|(name, value)| **name != value.written);
        Words(aliases.map(|(name, value)| (*name, value.written.to_owned())).collect())
    }

    fn insert(
        &mut self,
        name: &'static str,
        written: &'a str,
        text: Zeroizing<String>,
    ) -> Result<()> {
        match self.values.get(name) {
            Some(other) if other.text != text => {
                let (first, second) = (other.written, written);
                Err(Error::config(format!(
                    "{first} and {second} are the same property with different values: give one \
                     of them"
                )))
            }
            _ => {
                self.values.insert(name, SettingValue { written, text });
                Ok(())
            }
        }
    }
}

/// Says what to do instead of a property, or of a value of it, that has no effect.
pub(super) fn warn_of_ignored(written: &str, key: &Key) {
    warn!(property = written, instead = key.instead, "ignored: this library has no such setting");
}

/// What the value of another name means in terms of the property.
fn in_terms_of(value: AliasValue, written: &str, text: &str) -> Result<Zeroizing<String>> {
    let same = || Zeroizing::new(text.to_owned());
    let scale = match value {
        AliasValue::Same => return Ok(same()),
        AliasValue::Forever { written, property } if text.trim() == written => {
            return Ok(Zeroizing::new(property.to_owned()));
        }
        AliasValue::Forever { .. } => return Ok(same()),
        AliasValue::Times(scale) => scale,
    };
    let value: Option<i64> = text.trim().parse().ok();
    value
        .and_then(|value| value.checked_mul(scale))
        .map(|value| Zeroizing::new(value.to_string()))
        .ok_or_else(|| {
            Error::config(format!("{written} is {:?}: a whole number is allowed", shown(text)))
        })
}

fn unknown(written: &str) -> Error {
    let nearest =
        keys::nearest(written).map(|name| format!(": did you mean {name}?")).unwrap_or_default();
    match keys::is_showable(written) {
        true => Error::config(format!("{written} is no property of Kafka{nearest}")),
        false => Error::config(
            "a line that begins with no property of Kafka's has a text that is not shown, as it \
             may be a part of a secret: the lines of a value, such as a private key, end in a \
             backslash, except for the last",
        ),
    }
}

/// Other names of properties that the user has written: for messages that name them after the text
/// was read.
#[derive(Clone, Default)]
pub(crate) struct Words(Vec<(&'static str, String)>);

impl Words {
    /// The error with the user's own names of properties.
    pub(crate) fn reword(&self, error: Error) -> Error {
        self.0.iter().fold(error, |error, (name, written)| error.renamed(name, written))
    }
}

impl fmt::Debug for Words {
    /// Writes nothing: two configurations that say the same are the same, by whichever names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("_")
    }
}

impl FromProperty for String {
    const ALLOWED: &'static str = "any text";

    fn from_property(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl FromProperty for bool {
    const ALLOWED: &'static str = "true or false";

    fn from_property(text: &str) -> Option<Self> {
        [("true", true), ("false", false)]
            .into_iter()
            .find_map(|(word, value)| text.eq_ignore_ascii_case(word).then_some(value))
    }
}

/// Milliseconds.
impl FromProperty for Duration {
    const ALLOWED: &'static str = "a whole number of milliseconds from 0";

    fn from_property(text: &str) -> Option<Self> {
        text.parse().ok().map(|millis| bounded(Self::from_millis(millis)))
    }
}

impl FromProperty for i32 {
    const ALLOWED: &'static str = "a whole number from 0 to 2147483647";

    fn from_property(text: &str) -> Option<Self> {
        text.parse().ok().filter(|value| *value >= 0)
    }
}

impl FromProperty for u32 {
    const ALLOWED: &'static str = "a whole number from 0 to 2147483647";

    fn from_property(text: &str) -> Option<Self> {
        text.parse().ok().filter(|value| i32::try_from(*value).is_ok())
    }
}

impl FromProperty for usize {
    const ALLOWED: &'static str = "a whole number from 0";

    fn from_property(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl FromProperty for f64 {
    const ALLOWED: &'static str = "a number";

    fn from_property(text: &str) -> Option<Self> {
        text.parse().ok().filter(|value: &f64| value.is_finite())
    }
}

/// Milliseconds, of which librdkafka takes fractions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FractionalMillis(pub(crate) Duration);

impl FromProperty for FractionalMillis {
    const ALLOWED: &'static str = "a number of milliseconds from 0";

    fn from_property(text: &str) -> Option<Self> {
        let whole = Duration::from_property(text);
        let parts = || {
            let millis: f64 = text.parse().ok().filter(|millis: &f64| *millis >= 0.0)?;
            Duration::try_from_secs_f64(millis / 1000.0).ok().map(bounded)
        };
        whole.or_else(parts).map(Self)
    }
}

/// A value for which -1 stands for none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OrNone<T>(pub(crate) Option<T>);

impl<T: FromProperty> FromProperty for OrNone<T> {
    const ALLOWED: &'static str = "-1 or a whole number from 0";

    fn from_property(text: &str) -> Option<Self> {
        if text == "-1" {
            Some(Self(None))
        } else {
            T::from_property(text).map(|value| Self(Some(value)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)], kind: HandleKind) -> std::result::Result<usize, String> {
        let properties: Properties = pairs.iter().copied().collect();
        Settings::of(&properties, kind)
            .map(|settings| settings.values.len())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_nearest() {
        let error = of(&[("linger.sm", "5")], HandleKind::Producer).expect_err("a typing error");
        assert_eq!(error, "linger.sm is no property of Kafka: did you mean linger.ms?");
        let error =
            of(&[("bootstrap.server", "x:1")], HandleKind::Consumer).expect_err("a typing error");
        assert!(error.ends_with("did you mean bootstrap.servers?"), "{error}");
        let error = of(&[("max.of.something", "x")], HandleKind::Consumer)
            .expect_err("no such property, though some begin so");
        assert_eq!(error, "max.of.something is no property of Kafka", "a guess would mislead");
        assert_eq!(of(&[("my.application.topic", "x")], HandleKind::Consumer), Ok(0));
    }

    #[test]
    fn a_property_of_another_kind_is_ignored() {
        assert_eq!(
            of(
                &[("linger.ms", "x"), ("share.acquire.mode", "?"), ("group.id", "g")],
                HandleKind::Consumer
            ),
            Ok(1)
        );
    }

    #[test]
    fn what_only_a_jvm_understands_is_ignored() {
        assert_eq!(
            of(
                &[("key.serializer", "org.example.Foo"), ("metric.reporters", "")],
                HandleKind::Producer
            ),
            Ok(0)
        );
    }

    #[test]
    fn two_names_of_one_property_must_agree() {
        assert_eq!(
            of(&[("linger.ms", "5"), ("queue.buffering.max.ms", "5")], HandleKind::Producer),
            Ok(1)
        );
        let error =
            of(&[("linger.ms", "5"), ("queue.buffering.max.ms", "6")], HandleKind::Producer)
                .expect_err("they differ");
        assert!(error.contains("linger.ms and queue.buffering.max.ms"), "{error}");
    }

    #[test]
    fn an_alias_in_another_unit_is_converted() {
        let properties: Properties = [("queue.buffering.max.kbytes", "64")].into_iter().collect();
        let settings = Settings::of(&properties, HandleKind::Producer).expect("known");
        assert_eq!(settings.read::<usize>("buffer.memory").expect("a number"), Some(65_536));
    }

    #[test]
    fn a_value_of_the_wrong_form_names_the_property_and_what_is_allowed() {
        let properties: Properties =
            [("linger.ms", "soon"), ("enable.idempotence", "yes"), ("retries", "-1")]
                .into_iter()
                .collect();
        let settings = Settings::of(&properties, HandleKind::Producer).expect("known");
        let message = |error: Error| error.to_string();
        assert_eq!(
            settings.read::<Duration>("linger.ms").map_err(message),
            Err("linger.ms is \"soon\": a whole number of milliseconds from 0 is allowed"
                .to_owned())
        );
        assert_eq!(
            settings.read::<bool>("enable.idempotence").map_err(message),
            Err("enable.idempotence is \"yes\": true or false is allowed".to_owned())
        );
        assert!(settings.read::<u32>("retries").is_err());
    }

    #[test]
    fn javas_longest_duration_does_not_overflow_a_clock() {
        let longest = Duration::from_property("9223372036854775807").expect("a number");
        assert!(std::time::Instant::now().checked_add(longest).is_some());
    }
}
