//! librdkafka's properties: which there are, their defaults, and what values they may have.

use std::sync::LazyLock;

use crate::error::{KafkaError, KafkaResult};
use crate::types::RDKafkaConfRes;

/// The table, which `properties.txt` has as text.
static TABLE: LazyLock<Vec<Property>> = LazyLock::new(|| {
    let lines = include_str!("properties.txt").lines().filter(|line| !line.starts_with('#'));
    lines.map(Property::of_line).collect()
});

/// A row.
struct Property {
    name: &'static str,
    kind: Kind,
    default: &'static str,
    /// The name that this one is another name for.
    alias_of: Option<&'static str>,
}

enum Kind {
    Text,
    Bool,
    Int(i64, i64),
    Float(f64, f64),
    OneOf(&'static str),
    /// What only a call of C can set.
    Call,
}

impl Property {
    fn of_line(line: &'static str) -> Self {
        let mut fields = line.split('|').map(str::trim);
        let mut next = || fields.next().unwrap_or_default();
        let (name, _who, kind, range, default, alias) =
            (next(), next(), next(), next(), next(), next());
        let bounds = range.split_once(" .. ").unwrap_or(("0", "0"));
        let whole = |text: &str| text.parse().unwrap_or_default();
        let number = |text: &str| text.parse().unwrap_or_default();
        let kind = match kind {
            "int" => Kind::Int(whole(bounds.0), whole(bounds.1)),
            "float" => Kind::Float(number(bounds.0), number(bounds.1)),
            "bool" => Kind::Bool,
            "enum" => Kind::OneOf(range),
            "api" => Kind::Call,
            _ => Kind::Text,
        };
        let alias_of = (!alias.is_empty()).then_some(alias);
        Self { name, kind, default, alias_of }
    }

    /// Why a value is refused, in librdkafka's words.
    fn refusal(&self, value: &str) -> Option<String> {
        let name = self.name;
        match &self.kind {
            Kind::Text => None,
            Kind::Call => Some(format!(
                "Property \"{name}\" must be set through dedicated .._set_..() function"
            )),
            Kind::Bool => (!["true", "t", "1", "false", "f", "0"]
                .iter()
                .any(|allowed| value.eq_ignore_ascii_case(allowed)))
            .then(|| format!("Expected bool value for \"{name}\": true or false")),
            Kind::OneOf(values) => (!values
                .split(", ")
                .any(|allowed| value.trim().eq_ignore_ascii_case(allowed)))
            .then(|| format!("Invalid value \"{value}\" for configuration property \"{name}\"")),
            Kind::Int(least, most) => match value.trim().parse::<i64>() {
                Ok(number) if (*least..=*most).contains(&number) => None,
                Ok(number) => Some(format!(
                    "Configuration property \"{name}\" value {number} is outside allowed range \
                     {least}..{most}\n"
                )),
                // The one number that has a word.
                Err(_) if name.ends_with("acks") && value.eq_ignore_ascii_case("all") => None,
                Err(_) => Some(format!("Invalid value for configuration property \"{name}\"")),
            },
            Kind::Float(least, most) => match value.trim().parse::<f64>() {
                Ok(number) if (*least..=*most).contains(&number) => None,
                Ok(number) => Some(format!(
                    "Configuration property \"{name}\" value {number} is outside allowed range \
                     {least}..{most}\n"
                )),
                Err(_) => Some(format!("Invalid value for configuration property \"{name}\"")),
            },
        }
    }
}

fn find(name: &str) -> Option<&'static Property> {
    TABLE.iter().find(|property| property.name == name)
}

/// Whether librdkafka would take the value.
///
/// # Errors
/// [`KafkaError::ClientConfig`] as it words them.
pub(crate) fn check(name: &str, value: &str) -> KafkaResult<()> {
    let refuse = |how, why| Err(KafkaError::ClientConfig(how, why, name.into(), value.into()));
    let Some(property) = find(name) else {
        let why = format!("No such configuration property: \"{name}\"");
        return refuse(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, why);
    };
    match property.refusal(value) {
        Some(why) => refuse(RDKafkaConfRes::RD_KAFKA_CONF_INVALID, why),
        None => Ok(()),
    }
}

/// All names of the property that `name` is one of; none if there is no such property.
pub(crate) fn names(name: &str) -> impl Iterator<Item = &'static str> {
    let own = find(name).map(|property| property.alias_of.unwrap_or(property.name));
    let is_one = move |property: &&Property| {
        own.is_some_and(|own| property.name == own || property.alias_of == Some(own))
    };
    TABLE.iter().filter(is_one).map(|property| property.name)
}

/// The default of a property.
pub(crate) fn default(name: &str) -> Option<&'static str> {
    find(name).map(|property| property.default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_is_read_and_each_default_is_a_value_that_may_be_set() {
        assert!(TABLE.len() > 150, "{} rows", TABLE.len());
        for property in TABLE.iter().filter(|property| !matches!(property.kind, Kind::Call)) {
            if let Some(of) = property.alias_of {
                assert!(find(of).is_some_and(|named| named.alias_of.is_none()), "{of}");
            }
            if !property.default.is_empty() {
                assert_eq!(check(property.name, property.default), Ok(()), "{}", property.name);
            }
        }
    }

    #[test]
    fn refusals_are_worded_as_librdkafka_words_them() {
        let why = |name: &str, value: &str| match check(name, value) {
            Err(KafkaError::ClientConfig(how, why, ..)) => Some((how, why)),
            _ => None,
        };
        let invalid = RDKafkaConfRes::RD_KAFKA_CONF_INVALID;
        assert_eq!(
            why("max.poll.interval.ms", "-1"),
            Some((
                invalid,
                "Configuration property \"max.poll.interval.ms\" value -1 is outside allowed \
                 range 1..86400000\n"
                    .into()
            ))
        );
        assert_eq!(
            why("enable.auto.commit", "yes"),
            Some((invalid, "Expected bool value for \"enable.auto.commit\": true or false".into()))
        );
        assert_eq!(
            why("no.such", ""),
            Some((
                RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN,
                "No such configuration property: \"no.such\"".into()
            ))
        );
        assert_eq!(why("acks", "all"), None);
    }

    #[test]
    fn a_property_has_all_its_names() {
        let names: Vec<_> = names("delivery.timeout.ms").collect();
        assert_eq!(names, ["message.timeout.ms", "delivery.timeout.ms"]);
    }
}
