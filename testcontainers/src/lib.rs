//! A Kafka to test against, one type for all kinds.
