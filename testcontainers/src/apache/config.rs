//! The settings of a cluster to start.

use std::collections::BTreeMap;
use std::time::Duration;

use super::security::Security;
use super::version::Version;

/// The settings of a real Kafka cluster; every one has a default that suits tests.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    pub(super) version: Option<Version>,
    pub(super) nodes: u16,
    pub(super) heap: String,
    pub(super) behind_proxies: bool,
    pub(super) racks: bool,
    pub(super) log_level: String,
    pub(super) properties: BTreeMap<String, String>,
    pub(super) features: BTreeMap<String, u16>,
    pub(super) release_version: Option<String>,
    pub(super) secured: Vec<Security>,
    pub(super) has_acls: bool,
    pub(super) token_lifetime: Duration,
    pub(super) receives_metrics: bool,
    pub(super) has_dynamic_quorum: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            version: None,
            nodes: 1,
            // A node of a small cluster under test stays near 200 MB with it.
            heap: "512m".into(),
            behind_proxies: false,
            racks: false,
            log_level: "warn".into(),
            properties: BTreeMap::new(),
            features: BTreeMap::new(),
            release_version: None,
            secured: Vec::new(),
            has_acls: false,
            token_lifetime: Duration::from_secs(3600),
            receives_metrics: false,
            has_dynamic_quorum: false,
        }
    }
}

impl Config {
    /// Starts with one node of the version in `KAFKA_HOME`, or of [`Version::DEFAULT`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the version. Default: that of `KAFKA_HOME` if it is set, else [`Version::DEFAULT`].
    #[must_use]
    pub fn version(mut self, version: Version) -> Self {
        self.version = Some(version);
        self
    }

    /// Sets the number of nodes. With three or more, topics have three replicas of which two must
    /// be in sync. Default 1.
    #[must_use]
    pub fn nodes(mut self, nodes: u16) -> Self {
        self.nodes = nodes;
        self
    }

    /// Sets the largest Java heap of a node, such as `512m`, the default.
    #[must_use]
    pub fn heap(mut self, heap: impl Into<String>) -> Self {
        self.heap = heap.into();
        self
    }

    /// Puts a [`Proxy`](crate::proxy::Proxy) in front of each node, whose address the node
    /// advertises, so that all client traffic flows through it. Default off.
    #[must_use]
    pub fn behind_proxies(mut self) -> Self {
        self.behind_proxies = true;
        self
    }

    /// Puts each node into a rack of its own, `r1`, `r2` and so on, and lets consumers fetch from
    /// the replica in theirs (KIP-392). Default off.
    #[must_use]
    pub fn racks(mut self) -> Self {
        self.racks = true;
        self
    }

    /// Sets the level of the nodes' logs, such as `info`. Default `warn`.
    #[must_use]
    pub fn log_level(mut self, level: impl Into<String>) -> Self {
        self.log_level = level.into();
        self
    }

    /// Sets a property of every node, overriding the launcher's value.
    #[must_use]
    pub fn property(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.properties.insert(name.into(), value.to_string());
        self
    }

    /// Sets a feature's level when the storage is formatted, such as `transaction.version` (KRaft
    /// only).
    #[must_use]
    pub fn feature(mut self, name: impl Into<String>, level: u16) -> Self {
        self.features.insert(name.into(), level);
        self
    }

    /// Formats the storage with the features of an older release, such as `3.9` (KRaft only).
    #[must_use]
    pub fn release_version(mut self, version: impl Into<String>) -> Self {
        self.release_version = Some(version.into());
        self
    }

    /// Gives each node secured listeners in addition to the plaintext one. Default none.
    #[must_use]
    pub fn secured(mut self, listeners: impl IntoIterator<Item = Security>) -> Self {
        self.secured = listeners.into_iter().collect();
        self
    }

    /// Denies everything to everyone except `admin` and clients of plaintext listeners, unless ACLs
    /// allow it (KRaft only). Default off.
    #[must_use]
    pub fn acls(mut self) -> Self {
        self.has_acls = true;
        self
    }

    /// Sets for how long tokens of the token endpoint are valid. Default one hour.
    #[must_use]
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.token_lifetime = lifetime;
        self
    }

    /// Gives each node a receiver for client metrics (KIP-714), for
    /// [`Cluster::received_metrics`](super::Cluster::received_metrics). Needs `javac`. Default off.
    #[must_use]
    pub fn metrics_receiver(mut self) -> Self {
        self.receives_metrics = true;
        self
    }

    /// Starts node 1 as the only voter of a quorum whose voters can be changed (KIP-853, Kafka
    /// 3.9); the others are observers. Default off: all nodes are voters for good.
    #[must_use]
    pub fn dynamic_quorum(mut self) -> Self {
        self.has_dynamic_quorum = true;
        self
    }
}
