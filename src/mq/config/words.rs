//! The words of settings: what a mistaken key was meant to be, and what the client's own messages call a setting.

use super::Config;
use crate::config::edit_distance;
use crate::mq::error::{Code, Error};
use crate::mq::text::normalized;

/// How a key of the environment is written.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "_").to_uppercase())
}

/// Refuses a key, and names the one that was meant.
pub(super) fn unknown(key: &str) -> Error {
    let told = match (PROPERTIES.iter().find(|(property, _)| *property == key), nearest(&normalized(key))) {
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

/// A message of the client, with the keys of this layer beside the properties it names.
pub(in crate::mq) fn in_our_words(message: &str) -> String {
    let mut said = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(c) = rest.chars().next() {
        let is_begin = !said.ends_with(is_of_name);
        let property = PROPERTIES.iter().find(|(property, _)| {
            is_begin && rest.strip_prefix(property).is_some_and(|behind| !behind.trim_start_matches('.').starts_with(is_of_name))
        });
        let taken = match property {
            Some((property, key)) => {
                said.push_str(&format!("{key} ({property})"));
                property.len()
            }
            None => {
                said.push(c);
                c.len_utf8()
            }
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    said
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '_' | '-')
}

/// The key that is likest, if one is like it: by what must be changed, separators aside, with the group or without.
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

/// What the client's messages, which are by Kafka's names, call a key of this layer.
const PROPERTIES: [(&str, &str); 29] = [
    ("auto.offset.reset", "consumer.auto_offset_reset"),
    ("batch.size", "producer.batch_size"),
    ("bootstrap.servers", "brokers"),
    ("client.id", "client_id"),
    ("compression.type", "producer.compression"),
    ("connections.max.idle.ms", "pool.connection_max_idle_time"),
    ("delivery.timeout.ms", "producer.delivery_timeout"),
    ("enable.idempotence", "producer.enable_idempotence"),
    ("fetch.buffer.bytes", "consumer.fetch_buffer_bytes"),
    ("fetch.max.bytes", "consumer.fetch_max_bytes"),
    ("fetch.max.wait.ms", "consumer.fetch_max_wait"),
    ("fetch.min.bytes", "consumer.fetch_min_bytes"),
    ("group.id", "consumer.group_id"),
    ("heartbeat.interval.ms", "consumer.heartbeat_interval"),
    ("isolation.level", "consumer.isolation_level"),
    ("linger.ms", "producer.linger_ms"),
    ("max.in.flight.requests.per.connection", "producer.max_in_flight_requests"),
    ("max.poll.interval.ms", "consumer.max_poll_interval"),
    ("max.poll.records", "consumer.max_poll_records"),
    ("max.request.size", "producer.max_message_bytes"),
    ("reconnect.backoff.ms", "connection.retry_backoff"),
    ("request.timeout.ms", "producer.request_timeout"),
    ("retry.backoff.ms", "producer.retry_backoff"),
    ("security.protocol", "security_protocol"),
    ("session.timeout.ms", "consumer.session_timeout"),
    ("socket.connection.setup.timeout.ms", "connection.dial_timeout"),
    ("ssl.ca.location", "ssl.ca_file"),
    ("ssl.certificate.location", "ssl.cert_file"),
    ("ssl.key.location", "ssl.key_file"),
];

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
            assert!(error.starts_with(&format!("INVALID_CONFIG: {key} is no key")) && error.ends_with(told), "{error}");
        }
        assert_eq!(nearest_variable("KAVKA_LINGER_MS").as_deref(), Some("KAVKA_PRODUCER_LINGER_MS"));
        assert_eq!(nearest_variable("KAVKA_BROKER").as_deref(), Some("KAVKA_BROKERS"));
        assert_eq!(nearest_variable("KAVKA_COLOUR"), None);
    }

    #[test]
    fn a_message_names_the_key_beside_the_property() {
        for (message, said) in [
            ("linger.ms is 7", "producer.linger_ms (linger.ms) is 7"),
            ("not within delivery.timeout.ms.", "not within producer.delivery_timeout (delivery.timeout.ms)."),
            ("my.linger.ms and linger.ms.too are topics", "my.linger.ms and linger.ms.too are topics"),
            ("größer als fetch.max.bytes", "größer als consumer.fetch_max_bytes (fetch.max.bytes)"),
        ] {
            assert_eq!(in_our_words(message), said);
        }
    }

    #[test]
    fn each_key_that_a_property_stands_for_exists() {
        let keys = Config::keys();
        assert!(PROPERTIES.iter().all(|(_, key)| keys.iter().any(|known| known == key)));
    }
}
