//! Who is given statistics, and how often.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::ClientConfig;

/// What is given statistics.
#[derive(Clone)]
pub(crate) struct StatisticsCallback(pub(crate) Arc<dyn Fn(&str) + Send + Sync>);

impl fmt::Debug for StatisticsCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StatisticsCallback")
    }
}

pub(crate) const STATISTICS_INTERVAL: &str = "statistics.interval.ms";

impl ClientConfig {
    /// Sets how often the [callback for statistics](ClientConfig::statistics_callback) is called
    /// (librdkafka's `statistics.interval.ms`; default `None`, in a properties file 0, which is
    /// never; at most a day).
    #[must_use]
    pub fn statistics_interval(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.statistics_interval = interval.into().filter(|interval| !interval.is_zero());
        self
    }

    /// Sets who is given statistics of the client, in the JSON of librdkafka's `STATISTICS.md`,
    /// every [`statistics_interval`](ClientConfig::statistics_interval); default nobody. Nothing is
    /// counted unless both are set.
    ///
    /// A report is of the whole client: of all its producers and consumers together, whose number
    /// in librdkafka is one. A field for which this client has no number is left out; the
    /// [guide to observability](crate::guide::observability) lists those that are there.
    ///
    /// Called by a task of the client, on the runtime's threads: it must not block. Its first panic
    /// is logged, and none ends the reports.
    #[must_use]
    pub fn statistics_callback(mut self, callback: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.statistics_callback = Some(StatisticsCallback(Arc::new(callback)));
        self
    }

    /// The interval and the callback, if both are set.
    pub(crate) fn statistics(&self) -> Option<(Duration, &StatisticsCallback)> {
        Some((self.statistics_interval?, self.statistics_callback.as_ref()?))
    }
}
