//! Which key of this layer stands for which of Kafka's properties, by which the client's own
//! messages name a setting.

/// A message of the client, with the keys of this layer beside the properties it names.
pub(in crate::mq) fn in_our_words(message: &str) -> String {
    let mut said = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(c) = rest.chars().next() {
        let is_begin = !said.ends_with(is_of_name);
        let property = PROPERTIES.iter().find(|(property, _)| {
            is_begin
                && rest
                    .strip_prefix(property)
                    .is_some_and(|behind| !behind.trim_start_matches('.').starts_with(is_of_name))
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

/// What the client's messages, which are by Kafka's names, call a key of this layer.
pub(super) const PROPERTIES: [(&str, &str); 29] = [
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
    use super::super::Config;
    use super::*;

    #[test]
    fn a_message_names_the_key_beside_the_property() {
        for (message, said) in [
            ("linger.ms is 7", "producer.linger_ms (linger.ms) is 7"),
            (
                "not within delivery.timeout.ms.",
                "not within producer.delivery_timeout (delivery.timeout.ms).",
            ),
            (
                "my.linger.ms and linger.ms.too are topics",
                "my.linger.ms and linger.ms.too are topics",
            ),
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
