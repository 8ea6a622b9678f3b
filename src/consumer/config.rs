//! The knobs of a consumer.

mod choices;

use std::time::Duration;

use self::choices::Strategies;
pub use self::choices::{AssignmentStrategy, AutoOffsetReset, GroupProtocol, IsolationLevel};
use crate::config::{
    ClientConfig, HandleKind, MILLISECOND, Properties, Settings, Words, bounded, check_millis,
    check_range, check_text,
};
use crate::error::{Error, Result};

/// The settings of a [`Consumer`](crate::Consumer). Settings shared by all handles are in
/// [`ClientConfig`].
///
/// ```
/// use kavka::{AutoOffsetReset, ConsumerConfig};
///
/// let config = ConsumerConfig::new().group_id("billing").auto_offset_reset(AutoOffsetReset::Earliest);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConsumerConfig {
    pub(crate) group_id: Option<String>,
    pub(crate) group_instance_id: Option<String>,
    pub(crate) group_protocol: GroupProtocol,
    pub(crate) group_remote_assignor: Option<String>,
    pub(crate) partition_assignment_strategy: Vec<AssignmentStrategy>,
    pub(crate) session_timeout: Duration,
    pub(crate) heartbeat_interval: Duration,
    pub(crate) max_poll_interval: Duration,
    pub(crate) max_poll_records: usize,
    pub(crate) fetch_min_bytes: i32,
    pub(crate) fetch_max_bytes: i32,
    pub(crate) max_partition_fetch_bytes: i32,
    pub(crate) fetch_max_wait: Duration,
    pub(crate) auto_offset_reset: AutoOffsetReset,
    /// `None`: not said by the user, see [`ConsumerConfig::commits_automatically`].
    pub(crate) enable_auto_commit: Option<bool>,
    pub(crate) enable_auto_offset_store: bool,
    pub(crate) auto_commit_interval: Duration,
    pub(crate) isolation_level: IsolationLevel,
    pub(crate) enable_partition_eof: bool,
    pub(crate) check_crcs: bool,
    pub(crate) allow_auto_create_topics: bool,
    pub(crate) exclude_internal_topics: bool,
    pub(crate) client_rack: Option<String>,
    pub(crate) max_decompressed_batch_bytes: usize,
    pub(crate) fetch_buffer_bytes: usize,
    words: Words,
}

impl ConsumerConfig {
    /// Creates a configuration with Kafka's defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a configuration from Java's properties. Properties of the client and of producers are
    /// ignored.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if Kafka has no such property or a value is
    /// not allowed; the message names both.
    pub fn from_properties(properties: &Properties) -> Result<Self> {
        let settings = Settings::of(properties, HandleKind::Consumer)?;
        let mut config = Self {
            group_id: settings.read("group.id")?,
            group_instance_id: settings.read("group.instance.id")?,
            group_remote_assignor: settings.read("group.remote.assignor")?,
            ..Self::default()
        };
        settings.set("group.protocol", &mut config.group_protocol)?;
        if let Some(Strategies(strategies)) = settings.read("partition.assignment.strategy")? {
            config.partition_assignment_strategy = strategies;
        }
        settings.set("session.timeout.ms", &mut config.session_timeout)?;
        settings.set("heartbeat.interval.ms", &mut config.heartbeat_interval)?;
        settings.set("max.poll.interval.ms", &mut config.max_poll_interval)?;
        settings.set("max.poll.records", &mut config.max_poll_records)?;
        settings.set("fetch.min.bytes", &mut config.fetch_min_bytes)?;
        settings.set("fetch.max.bytes", &mut config.fetch_max_bytes)?;
        settings.set("max.partition.fetch.bytes", &mut config.max_partition_fetch_bytes)?;
        settings.set("fetch.max.wait.ms", &mut config.fetch_max_wait)?;
        settings.set("auto.offset.reset", &mut config.auto_offset_reset)?;
        config.enable_auto_commit = settings.read("enable.auto.commit")?;
        settings.set("enable.auto.offset.store", &mut config.enable_auto_offset_store)?;
        settings.set("auto.commit.interval.ms", &mut config.auto_commit_interval)?;
        settings.set("isolation.level", &mut config.isolation_level)?;
        settings.set("enable.partition.eof", &mut config.enable_partition_eof)?;
        settings.set("check.crcs", &mut config.check_crcs)?;
        settings.set("allow.auto.create.topics", &mut config.allow_auto_create_topics)?;
        settings.set("exclude.internal.topics", &mut config.exclude_internal_topics)?;
        config.client_rack = settings.read("client.rack")?.filter(|rack: &String| !rack.is_empty());
        settings.set("max.decompressed.batch.bytes", &mut config.max_decompressed_batch_bytes)?;
        settings.set("fetch.buffer.bytes", &mut config.fetch_buffer_bytes)?;
        config.words = settings.words();
        config.check().map_err(|error| config.words.reword(error))?;
        Ok(config)
    }

    /// Sets the group that the consumer joins (`group.id`; default none).
    ///
    /// Required to subscribe and to commit. Without a group, partitions are assigned manually.
    #[must_use]
    pub fn group_id(mut self, id: impl Into<String>) -> Self {
        self.group_id = Some(id.into());
        self
    }

    /// Sets the id that makes the consumer a static member: a restart within the session timeout
    /// causes no rebalance (`group.instance.id`, KIP-345; default none).
    ///
    /// It must be unique among the live members of the group.
    #[must_use]
    pub fn group_instance_id(mut self, id: impl Into<String>) -> Self {
        self.group_instance_id = Some(id.into());
        self
    }

    /// Sets by which protocol the consumer is a member of its group (`group.protocol`, KIP-848;
    /// default classic).
    ///
    /// With [`GroupProtocol::Consumer`] the broker decides what `session.timeout.ms`,
    /// `heartbeat.interval.ms` and `partition.assignment.strategy` decide otherwise: other values
    /// than their defaults are refused.
    #[must_use]
    pub fn group_protocol(mut self, protocol: GroupProtocol) -> Self {
        self.group_protocol = protocol;
        self
    }

    /// Sets how the coordinator assigns partitions under [`GroupProtocol::Consumer`]
    /// (`group.remote.assignor`; default: as the broker chooses).
    ///
    /// Kafka has `uniform` and `range`.
    #[must_use]
    pub fn group_remote_assignor(mut self, assignor: impl Into<String>) -> Self {
        self.group_remote_assignor = Some(assignor.into()).filter(|name: &String| !name.is_empty());
        self
    }

    /// Sets the assignment strategies, in order of preference (`partition.assignment.strategy`;
    /// default range, cooperative-sticky).
    ///
    /// All members of a group must have one in common; the group chooses the one that most members
    /// prefer. Assignors of your own ([`AssignmentStrategy::custom`]) may stand among Kafka's. Under
    /// the consumer protocol they mean nothing.
    #[must_use]
    pub fn partition_assignment_strategy(
        mut self,
        strategies: impl IntoIterator<Item = AssignmentStrategy>,
    ) -> Self {
        self.partition_assignment_strategy = strategies.into_iter().collect();
        self
    }

    /// Sets the time without a heartbeat after which the group removes the member
    /// (`session.timeout.ms`; default 45 s).
    ///
    /// Must lie within the broker's `group.min.session.timeout.ms` and
    /// `group.max.session.timeout.ms` (default 6 s and 30 min).
    #[must_use]
    pub fn session_timeout(mut self, timeout: Duration) -> Self {
        self.session_timeout = bounded(timeout);
        self
    }

    /// Sets the interval between heartbeats (`heartbeat.interval.ms`; default 3 s).
    ///
    /// Must be less than `session.timeout.ms`, and should be at most a third of it. Heartbeats do
    /// not depend on the application receiving records.
    #[must_use]
    pub fn heartbeat_interval(mut self, interval: Duration) -> Self {
        self.heartbeat_interval = bounded(interval);
        self
    }

    /// Sets the longest time between two receives before the member leaves the group
    /// (`max.poll.interval.ms`; default 5 min).
    #[must_use]
    pub fn max_poll_interval(mut self, interval: Duration) -> Self {
        self.max_poll_interval = bounded(interval);
        self
    }

    /// Sets the maximum number of records in a batch returned to the application
    /// (`max.poll.records`; default 500).
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
    /// A larger first batch is returned nevertheless (KIP-74). Replies of more than 4 MiB are not
    /// requested, because they cost more per record, unless `max.partition.fetch.bytes` or
    /// `fetch.min.bytes` is larger.
    #[must_use]
    pub fn fetch_max_bytes(mut self, bytes: i32) -> Self {
        self.fetch_max_bytes = bytes;
        self
    }

    /// Sets the maximum size of one partition's part of a fetch, in bytes
    /// (`max.partition.fetch.bytes`; default 1 MiB).
    ///
    /// A larger first batch is returned nevertheless (KIP-74).
    #[must_use]
    pub fn max_partition_fetch_bytes(mut self, bytes: i32) -> Self {
        self.max_partition_fetch_bytes = bytes;
        self
    }

    /// Sets how long a broker waits for `fetch.min.bytes` (`fetch.max.wait.ms`; default 500 ms).
    #[must_use]
    pub fn fetch_max_wait(mut self, wait: Duration) -> Self {
        self.fetch_max_wait = bounded(wait);
        self
    }

    /// Sets where to start in a partition without a valid position (`auto.offset.reset`; default
    /// latest).
    #[must_use]
    pub fn auto_offset_reset(mut self, reset: AutoOffsetReset) -> Self {
        self.auto_offset_reset = reset;
        self
    }

    /// Sets whether positions are committed automatically (`enable.auto.commit`; default true in a
    /// group).
    ///
    /// Delivery is at least once: a record is only committed after the application has asked for
    /// the next one.
    #[must_use]
    pub fn enable_auto_commit(mut self, enable: bool) -> Self {
        self.enable_auto_commit = Some(enable);
        self
    }

    /// Sets whether a record counts as done when the application asks for the next one
    /// (`enable.auto.offset.store` of librdkafka; default true).
    ///
    /// With false the application says what is done, by [`ConsumerHandle::mark_done`] or
    /// [`ConsumerHandle::store_offset`], and commits cover only that: records may be worked on by
    /// many tasks at a time, and a crash loses none of them.
    ///
    /// [`ConsumerHandle::mark_done`]: crate::ConsumerHandle::mark_done
    /// [`ConsumerHandle::store_offset`]: crate::ConsumerHandle::store_offset
    #[must_use]
    pub fn enable_auto_offset_store(mut self, enable: bool) -> Self {
        self.enable_auto_offset_store = enable;
        self
    }

    /// Sets the interval of automatic commits (`auto.commit.interval.ms`; default 5 s).
    #[must_use]
    pub fn auto_commit_interval(mut self, interval: Duration) -> Self {
        self.auto_commit_interval = bounded(interval);
        self
    }

    /// Sets which transactional records the consumer sees (`isolation.level`; default
    /// read_uncommitted).
    #[must_use]
    pub fn isolation_level(mut self, level: IsolationLevel) -> Self {
        self.isolation_level = level;
        self
    }

    /// Sets whether the consumer tells each time that the application has received all that may be
    /// read of a partition (`enable.partition.eof`, librdkafka; default false): by an error of kind
    /// [`ErrorKind::PartitionEof`](crate::ErrorKind::PartitionEof), which names the partition.
    ///
    /// That is at the high watermark or, with `read_committed`, at the last stable offset. To wait
    /// until all partitions were read to their end,
    /// [`Consumer::caught_up`](crate::Consumer::caught_up) is simpler.
    #[must_use]
    pub fn enable_partition_eof(mut self, enable: bool) -> Self {
        self.enable_partition_eof = enable;
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

    /// Sets whether a pattern excludes Kafka's internal topics (`exclude.internal.topics`; default
    /// true).
    #[must_use]
    pub fn exclude_internal_topics(mut self, exclude: bool) -> Self {
        self.exclude_internal_topics = exclude;
        self
    }

    /// Sets the rack of the consumer, which lets it fetch from the closest replica (`client.rack`,
    /// KIP-392; default: the client's rack).
    #[must_use]
    pub fn client_rack(mut self, rack: impl Into<String>) -> Self {
        self.client_rack = Some(rack.into()).filter(|rack: &String| !rack.is_empty());
        self
    }

    /// Sets the maximum size of a decompressed batch, in bytes (`max.decompressed.batch.bytes`, not
    /// a Kafka property; default 128 MiB).
    ///
    /// A larger batch is rejected as corrupt. The limit keeps a small hostile batch from exhausting
    /// memory.
    #[must_use]
    pub fn max_decompressed_batch_bytes(mut self, bytes: usize) -> Self {
        self.max_decompressed_batch_bytes = bytes;
        self
    }

    /// Sets how many bytes may be fetched and decompressed ahead of the application
    /// (`fetch.buffer.bytes`, not a Kafka property; librdkafka's `queued.max.messages.kbytes`;
    /// default 64 MiB).
    ///
    /// Once that much is buffered, nothing more is requested. One fetch per broker, of at most
    /// `fetch.max.bytes`, may be in flight beyond it.
    #[must_use]
    pub fn fetch_buffer_bytes(mut self, bytes: usize) -> Self {
        self.fetch_buffer_bytes = bytes;
        self
    }

    /// Checks every value, and that none contradicts another or one of the client's.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config): names the property and what is allowed.
    pub(crate) fn validate(&self, client: &ClientConfig) -> Result<()> {
        self.check_beside(client).map_err(|error| client.words.reword(self.words.reword(error)))
    }

    fn check_beside(&self, client: &ClientConfig) -> Result<()> {
        self.check()?;
        // librdkafka's allowance for what a response has beside records.
        let largest = usize::try_from(self.fetch_max_bytes).unwrap_or(0).saturating_add(512);
        if largest > client.receive_message_max_bytes {
            return Err(Error::config(format!(
                "fetch.max.bytes is {}: at most receive.message.max.bytes, which is {}, less 512 \
                 is allowed",
                self.fetch_max_bytes, client.receive_message_max_bytes
            )));
        }
        if self.fetch_max_wait >= client.request_timeout {
            return Err(Error::config(format!(
                "fetch.max.wait.ms is {}: less than request.timeout.ms, which is {}, is allowed",
                self.fetch_max_wait.as_millis(),
                client.request_timeout.as_millis()
            )));
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        self.check_group()?;
        check_millis("fetch.max.wait.ms", self.fetch_max_wait, Duration::ZERO)?;
        check_millis("auto.commit.interval.ms", self.auto_commit_interval, MILLISECOND)?;
        check_range("max.poll.records", self.max_poll_records, 1, 2_147_483_647)?;
        check_range("fetch.max.bytes", self.fetch_max_bytes, 0, i32::MAX)?;
        check_range("max.partition.fetch.bytes", self.max_partition_fetch_bytes, 0, i32::MAX)?;
        check_range(
            "max.decompressed.batch.bytes",
            self.max_decompressed_batch_bytes,
            1,
            usize::MAX,
        )?;
        check_range("fetch.buffer.bytes", self.fetch_buffer_bytes, 1, usize::MAX)?;
        if self.fetch_min_bytes < 0 || self.fetch_min_bytes > self.fetch_max_bytes {
            let (min, max) = (self.fetch_min_bytes, self.fetch_max_bytes);
            return Err(Error::config(format!(
                "fetch.min.bytes is {min}: from 0 to fetch.max.bytes, which is {max}, is allowed"
            )));
        }
        check_text("client.rack", self.client_rack.as_deref().unwrap_or(""))
    }

    fn check_group(&self) -> Result<()> {
        check_millis("session.timeout.ms", self.session_timeout, MILLISECOND)?;
        check_millis("heartbeat.interval.ms", self.heartbeat_interval, MILLISECOND)?;
        check_millis("max.poll.interval.ms", self.max_poll_interval, MILLISECOND)?;
        if self.heartbeat_interval >= self.session_timeout {
            return Err(Error::config(format!(
                "heartbeat.interval.ms is {}: less than session.timeout.ms, which is {}, is allowed",
                self.heartbeat_interval.as_millis(),
                self.session_timeout.as_millis()
            )));
        }
        self.check_protocol()?;
        let strategies = &self.partition_assignment_strategy;
        if strategies.is_empty()
            || (1..strategies.len()).any(|i| strategies[i..].contains(&strategies[i - 1]))
        {
            return Err(Error::config(
                "partition.assignment.strategy is empty or has one twice: one or more different \
                 are allowed",
            ));
        }
        if strategies.iter().any(|strategy| strategy.name().is_empty()) {
            return Err(Error::config(
                "partition.assignment.strategy has an assignor without a name: one is needed",
            ));
        }
        for strategy in strategies {
            check_text("partition.assignment.strategy", strategy.name())?;
        }
        match &self.group_id {
            Some(id) if id.is_empty() => {
                return Err(Error::config("group.id is empty: a name is allowed, or none at all"));
            }
            Some(id) => check_text("group.id", id)?,
            None if self.enable_auto_commit == Some(true) => {
                return Err(Error::config("enable.auto.commit needs group.id, or must be false"));
            }
            None => {}
        }
        // The broker's rule, which is that of topic names.
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        match self.group_instance_id.as_deref() {
            Some(id)
                if id.is_empty()
                    || id.len() > 249
                    || id == "."
                    || id == ".."
                    || !id.chars().all(is_allowed) =>
            {
                Err(Error::config(format!(
                    "group.instance.id is {id:?}: up to 249 letters, digits, dots, underscores \
                     and hyphens are allowed"
                )))
            }
            _ => Ok(()),
        }
    }

    /// Each protocol has settings that mean nothing to the other.
    fn check_protocol(&self) -> Result<()> {
        let defaults = Self::default();
        let strategies = &self.partition_assignment_strategy;
        let refused = match self.group_protocol {
            GroupProtocol::Consumer if self.session_timeout != defaults.session_timeout => {
                "session.timeout.ms has no meaning with group.protocol=consumer: the broker's \
                 group.consumer.session.timeout.ms decides, and no value is allowed"
            }
            GroupProtocol::Consumer if self.heartbeat_interval != defaults.heartbeat_interval => {
                "heartbeat.interval.ms has no meaning with group.protocol=consumer: the broker's \
                 group.consumer.heartbeat.interval.ms decides, and no value is allowed"
            }
            GroupProtocol::Consumer if *strategies != defaults.partition_assignment_strategy => {
                "partition.assignment.strategy has no meaning with group.protocol=consumer: \
                 group.remote.assignor names the broker's, and no value is allowed"
            }
            GroupProtocol::Classic if self.group_remote_assignor.is_some() => {
                "group.remote.assignor needs group.protocol=consumer or auto: no value is allowed \
                 with classic"
            }
            _ => return Ok(()),
        };
        Err(Error::config(refused))
    }

    /// Whether positions are committed by the client: if the user did not say, then if there is a
    /// group, as Java.
    pub(crate) fn commits_automatically(&self) -> bool {
        self.enable_auto_commit.unwrap_or(true) && self.group_id.is_some()
    }
}

impl Default for ConsumerConfig {
    fn default() -> Self {
        Self {
            group_id: None,
            group_instance_id: None,
            group_protocol: GroupProtocol::Classic,
            group_remote_assignor: None,
            partition_assignment_strategy: vec![
                AssignmentStrategy::Range,
                AssignmentStrategy::CooperativeSticky,
            ],
            session_timeout: Duration::from_secs(45),
            heartbeat_interval: Duration::from_secs(3),
            max_poll_interval: Duration::from_secs(300),
            max_poll_records: 500,
            fetch_min_bytes: 1,
            fetch_max_bytes: 50 * 1024 * 1024,
            max_partition_fetch_bytes: 1024 * 1024,
            fetch_max_wait: Duration::from_millis(500),
            auto_offset_reset: AutoOffsetReset::Latest,
            enable_auto_commit: None,
            enable_auto_offset_store: true,
            auto_commit_interval: Duration::from_secs(5),
            isolation_level: IsolationLevel::ReadUncommitted,
            enable_partition_eof: false,
            check_crcs: true,
            allow_auto_create_topics: true,
            exclude_internal_topics: true,
            client_rack: None,
            max_decompressed_batch_bytes: 128 * 1024 * 1024,
            // A guess: two full fetches of a few partitions, and librdkafka's default.
            fetch_buffer_bytes: 64 * 1024 * 1024,
            words: Words::default(),
        }
    }
}

#[cfg(test)]
mod tests;
