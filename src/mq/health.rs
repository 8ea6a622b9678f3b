//! Whether a service can work: named checks, of which the broker's answer is the first.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::admin;
use super::config::Config;
use crate::client::Client;
use crate::runtime;

type Checking = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;
type Check = Arc<dyn Fn() -> Checking + Send + Sync>;

/// Looks at named checks; cheap to clone. `kafka` is always one of them.
#[derive(Clone)]
pub struct Health {
    client: Client,
    config: Config,
    checks: Arc<Mutex<BTreeMap<String, Check>>>,
    last: Arc<Mutex<Option<(Instant, HealthStatus)>>>,
}

/// What all checks said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HealthStatus {
    /// Each check, by name.
    pub checks: BTreeMap<String, CheckStatus>,
}

/// What one check said.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckStatus {
    /// What is wrong, if something is.
    pub error: Option<String>,
    /// How long it took to find out.
    pub latency: Duration,
}

impl HealthStatus {
    /// Whether nothing is wrong.
    pub fn is_healthy(&self) -> bool {
        self.checks.values().all(|check| check.error.is_none())
    }
}

impl Health {
    pub(super) fn new(client: Client, config: Config) -> Self {
        Self { client, config, checks: Arc::default(), last: Arc::default() }
    }

    /// Adds a check, in place of one of the same name. It should end within seconds: after 10 s it counts as failed.
    pub fn register<Future_>(&self, name: impl Into<String>, check: impl Fn() -> Future_ + Send + Sync + 'static)
    where
        Future_: Future<Output = Result<(), String>> + Send + 'static,
    {
        let check: Check = Arc::new(move || Box::pin(check()));
        self.checks.lock().unwrap_or_else(PoisonError::into_inner).insert(name.into(), check);
    }

    /// Looks at every check now.
    pub async fn check(&self) -> HealthStatus {
        let mut status = HealthStatus::default();
        let begun = runtime::now();
        let kafka = admin::ping(&self.client, &self.config).await;
        let latency = runtime::now() - begun;
        let error = kafka.err().map(|error| error.to_string());
        status.checks.insert(KAFKA.to_owned(), CheckStatus { error, latency });
        let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (name, check) in checks {
            let begun = runtime::now();
            let said = tokio::time::timeout(PATIENCE, check()).await;
            let error = said.unwrap_or_else(|_| Err(format!("no answer within {PATIENCE:?}"))).err();
            status.checks.insert(name, CheckStatus { error, latency: runtime::now() - begun });
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((runtime::now(), status.clone()));
        status
    }

    /// What the checks said last, unless that is older than `pool.health_check_interval`: then they are looked at again.
    pub async fn status(&self) -> HealthStatus {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match last {
            Some((at, status)) if runtime::now() - at < self.config.pool.health_check_interval => status,
            _ => self.check().await,
        }
    }
}

/// The check that is always there.
const KAFKA: &str = "kafka";

/// How long a check may take (a guess: what load balancers wait).
const PATIENCE: Duration = Duration::from_secs(10);

impl std::fmt::Debug for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Health").finish_non_exhaustive()
    }
}
