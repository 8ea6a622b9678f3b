//! A Kafka to test against, one type for all kinds.

pub mod apache;
pub mod embedded;
pub mod proxy;
