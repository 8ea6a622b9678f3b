//! The knobs of a share consumer.

use std::time::Duration;

use crate::config::{
    FromProperty, HandleKind, MILLISECOND, Properties, Settings, Words, bounded, check_millis,
    check_range, check_text,
};
use crate::error::{Error, Result};

/// The settings of a [`ShareConsumer`](crate::ShareConsumer). Settings shared by all handles are in
/// [`ClientConfig`](crate::ClientConfig).
///
/// What belongs to the group as a whole is set on the brokers, by
/// [`Admin`](crate::Admin) or `kafka-configs --entity-type groups`: where it begins
/// (`share.auto.offset.reset`, default latest), how long a record is locked
/// (`share.record.lock.duration.ms`, default 30 s) and what it sees of transactions
/// (`share.isolation.level`).
///
/// ```
/// use kavka::{ShareAcknowledgementMode, ShareConsumerConfig};
///
/// let config = ShareConsumerConfig::new("mailers")
///     .share_acknowledgement_mode(ShareAcknowledgementMode::Explicit);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ShareConsumerConfig {
    pub(crate) group_id: String,
    pub(crate) share_acknowledgement_mode: ShareAcknowledgementMode,
    pub(crate) share_acquire_mode: ShareAcquireMode,
    pub(crate) max_poll_interval: Duration,
    pub(crate) max_poll_records: usize,
    pub(crate) fetch_min_bytes: i32,
    pub(crate) fetch_max_bytes: i32,
    pub(crate) fetch_max_wait: Duration,
    pub(crate) check_crcs: bool,
    pub(crate) allow_auto_create_topics: bool,
    pub(crate) client_rack: Option<String>,
    pub(crate) max_decompressed_batch_bytes: usize,
    words: Words,
}

/// How records are acknowledged that the application says nothing of
/// (`share.acknowledgement.mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ShareAcknowledgementMode {
    /// Records are accepted by the next call that asks for records, or by
    /// [`ShareConsumer::commit`](crate::ShareConsumer::commit), unless something else was said of
    /// them before.
    #[default]
    Implicit,
    /// Nothing is accepted that the application has not accepted. A record that is dropped without a
    /// word is released.
    Explicit,
}

/// How many records a fetch acquires (`share.acquire.mode`, KIP-1206).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ShareAcquireMode {
    /// Whole batches, as they were written: about `max.poll.records` records, and more where a batch
    /// has more. The cheapest for brokers.
    #[default]
    BatchOptimized,
    /// At most `max.poll.records` records. Needs brokers of Kafka 4.2 or later; older ones do as
    /// with [`ShareAcquireMode::BatchOptimized`].
    RecordLimit,
}

impl FromProperty for ShareAcknowledgementMode {
    const ALLOWED: &'static str = "implicit or explicit";

    fn from_property(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "implicit" => Some(Self::Implicit),
            "explicit" => Some(Self::Explicit),
            _ => None,
        }
    }
}

impl FromProperty for ShareAcquireMode {
    const ALLOWED: &'static str = "batch_optimized or record_limit";

    fn from_property(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "batch_optimized" => Some(Self::BatchOptimized),
            "record_limit" => Some(Self::RecordLimit),
            _ => None,
        }
    }
}

/// What Java's share consumer refuses, and where it is decided instead.
const REFUSED: &[(&str, &str)] = &[
    ("auto.offset.reset", "the group's share.auto.offset.reset decides"),
    ("enable.auto.commit", "share.acknowledgement.mode decides"),
    ("group.instance.id", "share groups have no static members"),
    ("group.protocol", "share groups have a protocol of their own"),
    ("group.remote.assignor", "the brokers' group.share.assignors decides"),
    ("heartbeat.interval.ms", "the brokers' group.share.heartbeat.interval.ms decides"),
    ("isolation.level", "the group's share.isolation.level decides"),
    ("partition.assignment.strategy", "the brokers' group.share.assignors decides"),
    ("session.timeout.ms", "the brokers' group.share.session.timeout.ms decides"),
];

impl ShareConsumerConfig {
    /// Creates a configuration with Kafka's defaults for a member of this group (`group.id`).
    pub fn new(group_id: impl Into<String>) -> Self {
        Self {
            group_id: group_id.into(),
            share_acknowledgement_mode: ShareAcknowledgementMode::default(),
            share_acquire_mode: ShareAcquireMode::default(),
            max_poll_interval: Duration::from_secs(300),
            max_poll_records: 500,
            fetch_min_bytes: 1,
            fetch_max_bytes: 50 * 1024 * 1024,
            fetch_max_wait: Duration::from_millis(500),
            check_crcs: true,
            allow_auto_create_topics: true,
            client_rack: None,
            max_decompressed_batch_bytes: 128 * 1024 * 1024,
            words: Words::default(),
        }
    }

    /// Reads a configuration from Java's properties. Properties of the client and of other handles
    /// are ignored.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if `group.id` is missing, if Kafka has no such
    /// property, if a value is not allowed, or for what has no meaning in a share group, as in Java,
    /// such as `auto.offset.reset` and `isolation.level`; the message says what decides instead.
    pub fn from_properties(properties: &Properties) -> Result<Self> {
        for (name, instead) in REFUSED {
            if properties.get(name).is_some() {
                return Err(Error::config(format!(
                    "{name} has no meaning for a share consumer: {instead}, and no value is allowed"
                )));
            }
        }
        let settings = Settings::of(properties, HandleKind::Share)?;
        let group_id: Option<String> = settings.read("group.id")?;
        let mut config = Self::new(
            group_id
                .ok_or_else(|| Error::config("group.id is missing: a share consumer needs one"))?,
        );
        settings.set("share.acknowledgement.mode", &mut config.share_acknowledgement_mode)?;
        settings.set("share.acquire.mode", &mut config.share_acquire_mode)?;
        settings.set("max.poll.interval.ms", &mut config.max_poll_interval)?;
        settings.set("max.poll.records", &mut config.max_poll_records)?;
        settings.set("fetch.min.bytes", &mut config.fetch_min_bytes)?;
        settings.set("fetch.max.bytes", &mut config.fetch_max_bytes)?;
        settings.set("fetch.max.wait.ms", &mut config.fetch_max_wait)?;
        settings.set("check.crcs", &mut config.check_crcs)?;
        settings.set("allow.auto.create.topics", &mut config.allow_auto_create_topics)?;
        config.client_rack = settings.read("client.rack")?.filter(|rack: &String| !rack.is_empty());
        settings.set("max.decompressed.batch.bytes", &mut config.max_decompressed_batch_bytes)?;
        config.words = settings.words();
        config.validate()?;
        Ok(config)
    }

    /// Sets how records are acknowledged that the application says nothing of
    /// (`share.acknowledgement.mode`; default implicit).
    #[must_use]
    pub fn share_acknowledgement_mode(mut self, mode: ShareAcknowledgementMode) -> Self {
        self.share_acknowledgement_mode = mode;
        self
    }

    /// Sets how many records a fetch acquires (`share.acquire.mode`, KIP-1206; default
    /// batch_optimized).
    #[must_use]
    pub fn share_acquire_mode(mut self, mode: ShareAcquireMode) -> Self {
        self.share_acquire_mode = mode;
        self
    }

    /// Sets the longest time between two calls that ask for records before the member leaves the
    /// group (`max.poll.interval.ms`; default 5 min).
    #[must_use]
    pub fn max_poll_interval(mut self, interval: Duration) -> Self {
        self.max_poll_interval = bounded(interval);
        self
    }

    /// Sets the maximum number of records in a batch returned to the application, and about how many
    /// a fetch acquires (`max.poll.records`; default 500).
    ///
    /// A consumer asks for more while the application works on what it has, so that up to about twice
    /// as many are locked.
    #[must_use]
    pub fn max_poll_records(mut self, records: usize) -> Self {
        self.max_poll_records = records;
        self
    }

    /// Sets how many bytes a broker collects before it answers a fetch (`fetch.min.bytes`; default
    /// 1).
    #[must_use]
    pub fn fetch_min_bytes(mut self, bytes: i32) -> Self {
        self.fetch_min_bytes = bytes;
        self
    }

    /// Sets the maximum size of a fetch, in bytes (`fetch.max.bytes`; default 50 MiB).
    ///
    /// A larger first batch is returned nevertheless (KIP-74).
    #[must_use]
    pub fn fetch_max_bytes(mut self, bytes: i32) -> Self {
        self.fetch_max_bytes = bytes;
        self
    }

    /// Sets how long a broker waits for `fetch.min.bytes` (`fetch.max.wait.ms`; default 500 ms).
    ///
    /// Acknowledgements wait as long while the application waits for records: a broker takes one
    /// request of a consumer at a time.
    #[must_use]
    pub fn fetch_max_wait(mut self, wait: Duration) -> Self {
        self.fetch_max_wait = bounded(wait);
        self
    }

    /// Sets whether the checksums of batches are verified (`check.crcs`; default true).
    #[must_use]
    pub fn check_crcs(mut self, check: bool) -> Self {
        self.check_crcs = check;
        self
    }

    /// Sets whether a metadata request for a topic may create it, if brokers allow that
    /// (`allow.auto.create.topics`, KIP-361; default true).
    #[must_use]
    pub fn allow_auto_create_topics(mut self, allow: bool) -> Self {
        self.allow_auto_create_topics = allow;
        self
    }

    /// Sets the rack of the consumer, which the coordinator learns (`client.rack`; default: the
    /// client's rack).
    #[must_use]
    pub fn client_rack(mut self, rack: impl Into<String>) -> Self {
        self.client_rack = Some(rack.into()).filter(|rack: &String| !rack.is_empty());
        self
    }

    /// Sets the maximum size of a decompressed batch, in bytes (`max.decompressed.batch.bytes`, not
    /// a Kafka property; default 128 MiB).
    ///
    /// The records of a larger batch are released and told of by an error.
    #[must_use]
    pub fn max_decompressed_batch_bytes(mut self, bytes: usize) -> Self {
        self.max_decompressed_batch_bytes = bytes;
        self
    }

    /// Whether nothing is accepted that the application has not accepted.
    pub(crate) fn is_explicit(&self) -> bool {
        self.share_acknowledgement_mode == ShareAcknowledgementMode::Explicit
    }

    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for impossible settings.
    pub(crate) fn validate(&self) -> Result<()> {
        self.check().map_err(|error| self.words.reword(error))
    }

    fn check(&self) -> Result<()> {
        if self.group_id.is_empty() {
            return Err(Error::config("group.id is empty: a name is needed"));
        }
        check_text("group.id", &self.group_id)?;
        check_millis("max.poll.interval.ms", self.max_poll_interval, MILLISECOND)?;
        check_millis("fetch.max.wait.ms", self.fetch_max_wait, Duration::ZERO)?;
        check_range("max.poll.records", self.max_poll_records, 1, 2_147_483_647)?;
        check_range("fetch.max.bytes", self.fetch_max_bytes, 0, i32::MAX)?;
        check_range(
            "max.decompressed.batch.bytes",
            self.max_decompressed_batch_bytes,
            1,
            usize::MAX,
        )?;
        if self.fetch_min_bytes < 0 || self.fetch_min_bytes > self.fetch_max_bytes {
            let (min, max) = (self.fetch_min_bytes, self.fetch_max_bytes);
            return Err(Error::config(format!(
                "fetch.min.bytes is {min}: from 0 to fetch.max.bytes, which is {max}, is allowed"
            )));
        }
        check_text("client.rack", self.client_rack.as_deref().unwrap_or(""))
    }
}
