//! The settings of the client, the producer and the consumer under this layer.

use std::time::Duration;

use tracing::warn;

use super::{Config, ConnectionConfig, PoolConfig, invalid};
use crate::client::Client;
use crate::config::{ClientConfig, Properties, Secret, SecurityProtocol};
use crate::mq::error::{Code, Error, Result};
use crate::producer::Acks;
use crate::share::{ShareAcknowledgementMode, ShareAcquireMode, ShareConsumerConfig};
use crate::{consumer, producer};

impl Config {
    /// Says which settings were given that other clients of the same configuration use, and this
    /// one does not.
    fn warn_of_what_changes_nothing(&self) {
        let (ours, default) = (&self.connection, ConnectionConfig::default());
        let (pool, of_pool) = (&self.pool, PoolConfig::default());
        for (setting, is_set, instead) in [
            (
                "connection.write_timeout",
                ours.write_timeout != default.write_timeout,
                "a request has one deadline: producer.request_timeout",
            ),
            (
                "connection.keep_alive",
                ours.keep_alive != default.keep_alive,
                "TCP probes idle sockets by itself",
            ),
            (
                "connection.max_retries",
                ours.max_retries != default.max_retries,
                "connecting ends at the deadline of the call",
            ),
            (
                "pool.max_connections",
                pool.max_connections != of_pool.max_connections,
                "an instance has at most four connections to a broker",
            ),
            (
                "pool.max_idle_connections",
                pool.max_idle_connections != of_pool.max_idle_connections,
                "what is idle closes by time: pool.connection_max_idle_time",
            ),
        ] {
            if is_set {
                warn!(setting, instead, "a setting without effect");
            }
        }
    }

    /// The client under this.
    pub(in crate::mq) fn new_client(&self) -> Result<Client> {
        self.warn_of_what_changes_nothing();
        Client::new(self.client()?).map_err(invalid)
    }

    /// The settings of the client under this.
    pub(in crate::mq) fn client(&self) -> Result<ClientConfig> {
        if self.brokers.iter().all(|broker| broker.trim().is_empty()) {
            return Err(Error::new(
                Code::MissingConfig,
                "brokers is empty: one host:port or more is needed",
            ));
        }
        let mut properties = Properties::new();
        properties.set("bootstrap.servers", self.brokers.join(","));
        self.secure(&mut properties)?;
        let mut client = ClientConfig::from_properties(&properties)
            .map_err(invalid)?
            .client_id(self.client_id.clone())
            .request_timeout(self.longest_request())
            .default_api_timeout(self.producer.request_timeout.max(DEFAULT_API_TIMEOUT))
            .retry_backoff(self.producer.retry_backoff)
            .reconnect_backoff(self.connection.retry_backoff)
            .socket_connection_setup_timeout(self.connection.dial_timeout)
            .connections_max_idle(self.pool.connection_max_idle_time)
            .connections_max_lifetime(self.pool.connection_max_lifetime)
            .connections_min_idle(self.pool.min_idle_connections);
        if let Some(connector) = &self.connector {
            client = client.connector(connector.clone());
        }
        Ok(client)
    }

    pub(super) fn secure(&self, properties: &mut Properties) -> Result<()> {
        let protocol = match (self.security_protocol, self.ssl.enabled) {
            (SecurityProtocol::Plaintext, true) => SecurityProtocol::Ssl,
            (SecurityProtocol::SaslPlaintext, true) => SecurityProtocol::SaslSsl,
            (protocol, _) => protocol,
        };
        let has_login =
            matches!(protocol, SecurityProtocol::SaslPlaintext | SecurityProtocol::SaslSsl);
        if has_login != self.sasl.mechanism.is_some() {
            let message = if has_login {
                "sasl.mechanism is missing: security_protocol asks for a login"
            } else {
                "sasl.mechanism is set: security_protocol must be SASL_PLAINTEXT or SASL_SSL then"
            };
            return Err(Error::new(
                if has_login { Code::MissingConfig } else { Code::InvalidConfig },
                message,
            ));
        }
        if protocol != SecurityProtocol::Plaintext {
            properties.set("security.protocol", protocol.to_string());
        }
        if self.ssl.insecure_skip_verify
            && matches!(protocol, SecurityProtocol::Ssl | SecurityProtocol::SaslSsl)
        {
            // As much as Java's client can leave out; it is warned of where certificates are read.
            properties.set("ssl.endpoint.identification.algorithm", "");
        }
        for (key, value) in [
            ("sasl.mechanism", self.sasl.mechanism.as_deref()),
            ("sasl.username", self.sasl.username.as_deref()),
            ("sasl.password", self.sasl.password.as_ref().map(Secret::expose)),
            ("ssl.ca.location", self.ssl.ca_file.as_deref()),
            ("ssl.certificate.location", self.ssl.cert_file.as_deref()),
            ("ssl.key.location", self.ssl.key_file.as_deref()),
        ] {
            if let Some(value) = value {
                properties.set(key, value);
            }
        }
        Ok(())
    }

    /// A request that outlived its messages would be waited for by nobody.
    fn longest_request(&self) -> Duration {
        self.producer
            .request_timeout
            .min(self.producer.delivery_timeout.saturating_sub(self.linger()))
    }

    pub(super) fn linger(&self) -> Duration {
        self.producer.linger_ms.map_or(LINGER, Duration::from_millis)
    }

    pub(in crate::mq) fn core_producer(&self) -> Result<producer::ProducerConfig> {
        let ours = &self.producer;
        if ours.enable_idempotence && ours.required_acks != Acks::All {
            return Err(Error::new(
                Code::InvalidConfig,
                "producer.required_acks is not all (-1) while producer.enable_idempotence is \
                 true: Kafka forbids the pair; leave required_acks out, or set \
                 enable_idempotence to false",
            ));
        }
        let config = producer::ProducerConfig::new()
            .compression(ours.compression)
            .batch_size(ours.batch_size)
            .max_request_size(ours.max_message_bytes)
            .acks(ours.required_acks)
            .enable_idempotence(ours.enable_idempotence)
            .max_in_flight_requests_per_connection(ours.max_in_flight_requests)
            .broker_error_retries(ours.max_retries)
            .delivery_timeout(ours.delivery_timeout)
            .max_block(ours.delivery_timeout.min(MAX_BLOCK));
        Ok(match ours.linger_ms {
            Some(linger) => config.linger(Duration::from_millis(linger)),
            None => config.adaptive_batching(self.performance.batching()),
        })
    }

    pub(in crate::mq) fn core_consumer(&self) -> Result<consumer::ConsumerConfig> {
        let ours = &self.consumer;
        let config = consumer::ConsumerConfig::new()
            .group_id(self.group_id()?)
            .auto_offset_reset(ours.auto_offset_reset)
            // What handlers have finished is committed here, not what was handed to them.
            .enable_auto_commit(false)
            .session_timeout(ours.session_timeout)
            .heartbeat_interval(ours.heartbeat_interval)
            .max_poll_records(ours.max_poll_records)
            .max_poll_interval(ours.max_poll_interval)
            .fetch_min_bytes(ours.fetch_min_bytes)
            .fetch_max_bytes(ours.fetch_max_bytes)
            .fetch_max_wait(ours.fetch_max_wait)
            .isolation_level(ours.isolation_level);
        Ok(match ours.fetch_buffer_bytes {
            Some(bytes) => config.fetch_buffer_bytes(bytes),
            None => config,
        })
    }

    /// Settings for a member of a share group that handles so many messages at once: what it takes
    /// beyond that is kept from other members.
    pub(in crate::mq) fn core_share_consumer(&self, at_once: usize) -> Result<ShareConsumerConfig> {
        let ours = &self.consumer;
        Ok(ShareConsumerConfig::new(self.group_id()?)
            .share_acknowledgement_mode(ShareAcknowledgementMode::Explicit)
            .share_acquire_mode(ShareAcquireMode::RecordLimit)
            .max_poll_records(ours.max_poll_records.min(at_once))
            .max_poll_interval(ours.max_poll_interval)
            .fetch_min_bytes(ours.fetch_min_bytes)
            .fetch_max_bytes(ours.fetch_max_bytes)
            .fetch_max_wait(ours.fetch_max_wait))
    }

    fn group_id(&self) -> Result<&str> {
        let group = self.consumer.group_id.as_deref().filter(|id| !id.is_empty());
        group.ok_or_else(|| {
            Error::new(Code::MissingConfig, "consumer.group_id is missing: consuming needs a group")
        })
    }
}

/// Kafka's `default.api.timeout.ms`.
const DEFAULT_API_TIMEOUT: Duration = Duration::from_secs(60);

/// Kafka's `max.block.ms`.
const MAX_BLOCK: Duration = Duration::from_secs(60);

/// Kafka's `linger.ms`, which counts where adaptive batching decides.
const LINGER: Duration = Duration::from_millis(5);
