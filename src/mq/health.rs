//! Whether a service can work: named checks, of which the broker's answer is the first.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::admin;
use super::config::Config;
use crate::client::Client;
use crate::runtime;

type Checking = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;
type Check = Arc<dyn Fn() -> Checking + Send + Sync>;

/// Runs named health checks. Cheap to clone. The check `kafka` always exists.
#[derive(Clone)]
pub struct Health {
    client: Client,
    config: Config,
    checks: Arc<Mutex<BTreeMap<String, Check>>>,
    last: Arc<Mutex<Option<(Instant, HealthStatus)>>>,
}

/// The results of all health checks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HealthStatus {
    /// The result of each check, by name.
    pub checks: BTreeMap<String, CheckStatus>,
}

/// The result of one health check.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckStatus {
    /// The failure, if there is one.
    pub error: Option<String>,
    /// How long the check took.
    pub latency: Duration,
}

impl HealthStatus {
    /// Returns whether nothing has failed.
    pub fn is_healthy(&self) -> bool {
        self.checks.values().all(|check| check.error.is_none())
    }
}

impl Health {
    pub(super) fn new(client: Client, config: Config) -> Self {
        Self { client, config, checks: Arc::default(), last: Arc::default() }
    }

    /// Adds a check, replacing one of the same name. All checks run concurrently. One that takes
    /// longer than `monitoring.health_timeout` fails.
    pub fn register<Future_>(
        &self,
        name: impl Into<String>,
        check: impl Fn() -> Future_ + Send + Sync + 'static,
    ) where
        Future_: Future<Output = Result<(), String>> + Send + 'static,
    {
        let check: Check = Arc::new(move || Box::pin(check()));
        self.checks.lock().unwrap_or_else(PoisonError::into_inner).insert(name.into(), check);
    }

    /// Runs all checks, in at most `monitoring.health_timeout`.
    pub async fn check(&self) -> HealthStatus {
        let longest = self.config.monitoring.health_timeout;
        let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let others = checks.into_iter().map(|(name, check)| {
            let checked: Checking = Box::pin(async move {
                let said = tokio::time::timeout(longest, check()).await;
                said.unwrap_or_else(|_| Err(format!("no answer within {longest:?}")))
            });
            (name, checked)
        });
        let (client, config) = (self.client.clone(), self.config.clone());
        let kafka: Checking = Box::pin(async move {
            admin::ping(&client, &config).await.map(drop).map_err(|error| error.to_string())
        });
        let begun = runtime::now();
        let timed = others.chain([(KAFKA.to_owned(), kafka)]).map(|(name, checked)| async move {
            let error = checked.await.err();
            (name, CheckStatus { error, latency: runtime::now() - begun })
        });
        let checks = timed.collect::<FuturesUnordered<_>>().collect().await;
        let status = HealthStatus { checks };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((runtime::now(), status.clone()));
        status
    }

    /// Returns the last results, running the checks again if they are older than
    /// `pool.health_check_interval`.
    pub async fn status(&self) -> HealthStatus {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match last {
            Some((at, status)) if runtime::now() - at < self.config.pool.health_check_interval => {
                status
            }
            _ => self.check().await,
        }
    }
}

/// The check that is always there.
const KAFKA: &str = "kafka";

impl std::fmt::Debug for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Health").finish_non_exhaustive()
    }
}
