//! The JSON lines by which Apache Kafka's system tests follow a program, as Java's verifiable
//! clients write them.

use std::io::{BufWriter, Stdout, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use kavka::{Error, ErrorCode, ErrorKind};
use kavka_programs::Outcome;
use serde_json::Value;

/// Writes events.
#[derive(Debug)]
pub struct Events<W: Write>(W);

impl Events<BufWriter<Stdout>> {
    pub fn to_stdout() -> Self {
        Self(BufWriter::new(std::io::stdout()))
    }
}

impl<W: Write> Events<W> {
    pub fn new(out: W) -> Self {
        Self(out)
    }

    /// Writes an event with the fields of a JSON object, null for none; it may stay in a buffer
    /// until [`Events::flush`].
    pub fn emit(&mut self, name: &str, fields: Value) -> Outcome<()> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let fields = match &fields {
            Value::Object(object) if !object.is_empty() => fields.to_string().replacen('{', ",", 1),
            _ => "}".to_owned(),
        };
        writeln!(self.0, "{{\"timestamp\":{},\"name\":\"{name}\"{fields}", since.as_millis())?;
        Ok(())
    }

    pub fn flush(&mut self) -> Outcome<()> {
        Ok(self.0.flush()?)
    }

    pub fn into_inner(self) -> W {
        self.0
    }
}

/// Bytes as Java's string deserializer reads them; null stays null.
pub fn text(bytes: Option<&[u8]>) -> Value {
    bytes.map_or(Value::Null, |bytes| String::from_utf8_lossy(bytes).into())
}

/// The Java exception that stands for an error, as Java prints a class.
pub fn java_class(error: &Error) -> String {
    let name = match (error.code().and_then(ErrorCode::name), error.kind()) {
        (Some(code), _) => java_name(code),
        (None, ErrorKind::Timeout | ErrorKind::BufferFull | ErrorKind::NoMetadata) => {
            "TimeoutException".to_owned()
        }
        (None, ErrorKind::Connect | ErrorKind::Disconnected) => "NetworkException".to_owned(),
        (None, ErrorKind::RecordTooLarge) => "RecordTooLargeException".to_owned(),
        (None, ErrorKind::Corrupt) => "CorruptRecordException".to_owned(),
        (None, ErrorKind::Authentication) => "SaslAuthenticationException".to_owned(),
        (None, ErrorKind::Tls) => "SslAuthenticationException".to_owned(),
        (None, ErrorKind::Unsupported) => "UnsupportedVersionException".to_owned(),
        _ => return "class org.apache.kafka.common.KafkaException".to_owned(),
    };
    format!("class org.apache.kafka.common.errors.{name}")
}

/// Most classes are named as their code; these are not, or not quite.
fn java_name(code: &str) -> String {
    let words = match code {
        "REQUEST_TIMED_OUT" => "TIMEOUT",
        "MESSAGE_TOO_LARGE" => "RECORD_TOO_LARGE",
        "RECORD_LIST_TOO_LARGE" => "RECORD_BATCH_TOO_LARGE",
        "CORRUPT_MESSAGE" => "CORRUPT_RECORD",
        "OUT_OF_ORDER_SEQUENCE_NUMBER" => "OUT_OF_ORDER_SEQUENCE",
        "DUPLICATE_SEQUENCE_NUMBER" => "DUPLICATE_SEQUENCE",
        "TOPIC_AUTHORIZATION_FAILED" => "TOPIC_AUTHORIZATION",
        "GROUP_AUTHORIZATION_FAILED" => "GROUP_AUTHORIZATION",
        "CLUSTER_AUTHORIZATION_FAILED" => "CLUSTER_AUTHORIZATION",
        "TRANSACTIONAL_ID_AUTHORIZATION_FAILED" => "TRANSACTIONAL_ID_AUTHORIZATION",
        "SASL_AUTHENTICATION_FAILED" => "SASL_AUTHENTICATION",
        "KAFKA_STORAGE_ERROR" => "KAFKA_STORAGE",
        "UNKNOWN_SERVER_ERROR" => "UNKNOWN_SERVER",
        other => other.strip_suffix("_EXCEPTION").unwrap_or(other),
    };
    let capital = |word: &str| match word.split_at_checked(1) {
        Some((first, rest)) => format!("{first}{}", rest.to_lowercase()),
        None => String::new(),
    };
    words.split('_').map(capital).chain(["Exception".to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_a_line_that_begins_with_time_and_name() {
        let mut events = Events::new(Vec::new());
        events.emit("startup_complete", Value::Null).expect("a buffer takes all");
        events
            .emit("record_data", json!({"key": null, "value": "{\"a\":1}"}))
            .expect("a buffer takes all");
        events.emit("partitions_assigned", json!({})).expect("a buffer takes all");
        let text = String::from_utf8(events.into_inner()).expect("JSON is text");
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert!(text.lines().all(|line| line.starts_with("{\"timestamp\":")), "{text}");
        assert_eq!(lines.len(), 3);
        assert_eq!(
            (&lines[0]["name"], &lines[1]["value"]),
            (&json!("startup_complete"), &json!("{\"a\":1}"))
        );
        assert!(lines[1]["key"].is_null() && lines[1]["timestamp"].is_u64());
    }

    #[test]
    fn codes_have_the_names_of_javas_exceptions() {
        for (code, name) in [
            ("NOT_LEADER_OR_FOLLOWER", "NotLeaderOrFollowerException"),
            ("NOT_ENOUGH_REPLICAS_AFTER_APPEND", "NotEnoughReplicasAfterAppendException"),
            ("REQUEST_TIMED_OUT", "TimeoutException"),
            ("MESSAGE_TOO_LARGE", "RecordTooLargeException"),
            ("INVALID_TOPIC_EXCEPTION", "InvalidTopicException"),
            ("NETWORK_EXCEPTION", "NetworkException"),
            ("TOPIC_AUTHORIZATION_FAILED", "TopicAuthorizationException"),
            ("UNKNOWN_SERVER_ERROR", "UnknownServerException"),
        ] {
            assert_eq!(java_name(code), name);
        }
    }
}
