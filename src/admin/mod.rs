//! Administration: what a cluster has, and changing it. A file per resource; each request says for each item what came of it.

use std::fmt;
use std::time::{Duration, Instant};

use crate::cluster::Cluster;
use crate::runtime;

mod description;
mod topics;

pub use description::{BrokerDescription, ClusterDescription, PartitionDescription, TopicDescription, TopicListing};
pub use topics::{CreatedTopic, NewTopic};

/// Administers a cluster; made by [`Client::admin`](crate::Client::admin). Cheap to clone.
///
/// An operation is tried again until `default.api.timeout.ms` while it fails for a reason that may pass. If the connection is lost
/// after a change was sent, the repetition meets it: creating a topic may then answer that it exists.
#[derive(Clone)]
pub struct Admin {
    cluster: Cluster,
    timeout: Duration,
}

impl Admin {
    pub(crate) fn new(cluster: Cluster) -> Self {
        let timeout = cluster.config().default_api_timeout;
        Self { cluster, timeout }
    }

    /// Sets how long each operation of this handle may take with all its retries (default `default.api.timeout.ms`).
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = crate::config::bounded(timeout);
        self
    }

    fn deadline(&self) -> Instant {
        runtime::now() + self.timeout
    }

    /// How long a broker may work on a request, as its field says it: it should answer before the request times out.
    fn timeout_ms(&self) -> i32 {
        let longest = self.timeout.min(self.cluster.config().request_timeout);
        i32::try_from(longest.as_millis()).unwrap_or(i32::MAX)
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}
