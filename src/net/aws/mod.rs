//! AWS's default chain of credentials, without an SDK: the environment, a web identity, the shared
//! files, the endpoint of a container, the metadata of an instance; and roles that are assumed by
//! the Security Token Service.
//!
//! ```text
//! AwsMskIam::start ─▶ kept? ─▶ the first source that is configured ─▶ role? ─▶ kept
//!                               │ variables, files: profile, ini      │
//!                               │ a program: process                  │
//!                               └ HTTP: container, instance, sts,     │
//!                                       sso with its sso_session ─────┴ sts
//! ```
//!
//! A source says `None` if it is not configured, and an error if it is and does not work: then no
//! other is asked. Nothing here signs for Kafka; that is `sasl/aws_msk_iam.rs`.

mod answer;
mod container;
mod endpoint;
mod ini;
mod instance;
mod partition;
mod process;
mod profile;
mod signature;
mod sso;
mod sso_session;
mod sts;
mod surroundings;
#[cfg(test)]
mod tests;
mod web_identity;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::{debug, warn};

use self::answer::FoundCredentials;
pub(super) use self::signature::{ALGORITHM, hex, signature};
use self::surroundings::Surroundings;
use super::time;
pub(super) use super::time::stamp;
use crate::boxed::BoxFuture;
use crate::config::{
    AwsChain, AwsChainCredentials, AwsChainStart, AwsCredentials, AwsHanded, SaslError,
    of_variables,
};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::Timestamp;

/// How long before their end credentials are fetched anew (AWS's SDKs wait until between 1 and 5
/// minutes before).
const AHEAD: Duration = Duration::from_secs(300);

/// Credentials that were got for an earlier exchange.
pub(super) struct KeptCredentials {
    asking: Arc<dyn AwsChainCredentials>,
    access_key_id: String,
}

impl KeptCredentials {
    /// A broker has refused them: they are not used again.
    pub(super) fn forget(self) {
        self.asking.forget(&self.access_key_id);
    }
}

/// Credentials of a chain for an exchange that begins now, and the same again if they were kept;
/// `region` is that of the broker.
///
/// # Errors
/// Those of [`CredentialsChain::credentials_at`].
pub(super) async fn credentials(
    chain: &AwsChain,
    region: &str,
    now: Timestamp,
) -> Result<(AwsCredentials, Option<KeptCredentials>), SaslError> {
    let asking = chain.asking.get_or_init(|| {
        // Without the place that it is kept in: what holds itself is never dropped.
        let settings = AwsChain { asking: Arc::default(), ..chain.clone() };
        Arc::new(CredentialsChain::new(settings, Surroundings::of_process()))
    });
    let AwsHanded { credentials, is_kept } = asking.credentials(region, now).await?;
    let kept = is_kept.then(|| KeptCredentials {
        asking: Arc::clone(asking),
        access_key_id: credentials.access_key_id.clone(),
    });
    Ok((credentials, kept))
}

/// Has a chain see these variables, and no others, in place of those of the process.
#[cfg(all(test, feature = "oidc", feature = "pkcs12", feature = "scram"))]
pub(crate) fn surround(chain: &AwsChain, variables: Vec<(&'static str, String)>) {
    let variable = move |name: &str| {
        variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    };
    let settings = AwsChain { asking: Arc::default(), ..chain.clone() };
    let surroundings = Surroundings::new(variable, surroundings::read, surroundings::replace);
    let asking = Arc::new(CredentialsChain::new(settings, surroundings));
    assert!(chain.asking.set(asking).is_ok(), "it has been asked");
}

/// The sources, and what the last that was asked has given.
struct CredentialsChain {
    settings: AwsChain,
    surroundings: Surroundings,
    /// Held while sources are asked, so that connections that open together ask once.
    asking: tokio::sync::Mutex<()>,
    last: Mutex<Option<FoundCredentials>>,
}

/// What a source is asked with.
struct Inquiry<'a> {
    surroundings: &'a Surroundings,
    /// `awsStsRegion`.
    sts_region: Option<&'a str>,
    broker_region: &'a str,
    now: Timestamp,
}

impl fmt::Debug for CredentialsChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialsChain")
            .field("start", &self.settings.start)
            .finish_non_exhaustive()
    }
}

impl AwsChainCredentials for CredentialsChain {
    fn credentials<'a>(
        &'a self,
        region: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<AwsHanded, SaslError>> {
        Box::pin(async move { Ok(self.credentials_at(region, now).await?) })
    }

    fn forget(&self, access_key_id: &str) {
        let mut last = self.last();
        if last.as_ref().is_some_and(|kept| kept.credentials.access_key_id == access_key_id) {
            *last = None;
        }
    }
}

impl CredentialsChain {
    fn new(settings: AwsChain, surroundings: Surroundings) -> Self {
        Self {
            settings,
            surroundings,
            asking: tokio::sync::Mutex::default(),
            last: Mutex::default(),
        }
    }

    /// The last credentials until shortly before they expire, else others.
    ///
    /// # Errors
    /// [`ErrorKind::Connect`] if another attempt may succeed; [`ErrorKind::Authentication`] or
    /// [`ErrorKind::Config`] if no source is configured or one does not work.
    ///
    /// # Cancel safety
    /// Safe: the next to ask begins anew.
    async fn credentials_at(&self, region: &str, now: Timestamp) -> Result<AwsHanded> {
        let _turn = self.asking.lock().await;
        let kept = |left: Duration| {
            let last = self.last();
            let found = last.as_ref().filter(|found| found.is_valid_for(left, now))?;
            Some(AwsHanded { credentials: found.credentials.clone(), is_kept: true })
        };
        if let Some(handed) = kept(AHEAD) {
            return Ok(handed);
        }
        let asked = Inquiry {
            surroundings: &self.surroundings,
            sts_region: self.settings.sts_region.as_deref(),
            broker_region: region,
            now,
        };
        match self.fetch(&asked).await {
            Ok(found) => {
                // What does not expire is read again, as it may be changed.
                *self.last() = found.expires_at.is_some().then(|| found.clone());
                Ok(AwsHanded { credentials: found.credentials, is_kept: false })
            }
            Err(error) => match kept(Duration::ZERO) {
                Some(handed) => {
                    warn!(%error, "no new AWS credentials yet; using the old ones");
                    Ok(handed)
                }
                None => Err(error),
            },
        }
    }

    async fn fetch(&self, asked: &Inquiry<'_>) -> Result<FoundCredentials> {
        let found = match &self.settings.start {
            AwsChainStart::Default => first(asked).await?,
            AwsChainStart::Keys(keys) => FoundCredentials::lasting(keys.clone()),
            AwsChainStart::Profile(name) => {
                let found = profile::find(asked, Some(name)).await?;
                found.ok_or_else(|| profile::is_empty(name))?
            }
        };
        match &self.settings.role {
            Some(role) => asked.sts(None)?.assume_role(role, &found.credentials, asked.now).await,
            None => Ok(found),
        }
    }

    fn last(&self) -> MutexGuard<'_, Option<FoundCredentials>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FoundCredentials {
    /// Whether there is an end that is more than so far away.
    fn is_valid_for(&self, left: Duration, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| is_further_than(left, end, now))
    }
}

fn is_further_than(left: Duration, end: Timestamp, now: Timestamp) -> bool {
    let least = i64::try_from(left.as_millis()).unwrap_or(i64::MAX);
    end.0.saturating_sub(now.0) > least
}

/// The credentials of the first source that is configured, in the order of AWS's SDKs.
async fn first(asked: &Inquiry<'_>) -> Result<FoundCredentials> {
    if let Some(found) = environment(asked.surroundings)? {
        return Ok(found);
    }
    if let Some(found) = web_identity::find(asked).await? {
        debug!("AWS credentials of a web identity");
        return Ok(found);
    }
    if let Some(found) = profile::find(asked, None).await? {
        debug!("AWS credentials of a profile");
        return Ok(found);
    }
    if let Some(found) = container::find(asked.surroundings).await? {
        debug!("AWS credentials of the container");
        return Ok(found);
    }
    // It may be what is asked by default on a machine that is none of AWS's.
    let nowhere = "no AWS credentials are in the environment, in a profile or in a container";
    let of_instance = instance::find(asked.surroundings).await;
    if let Some(found) = of_instance.map_err(|error| error.with_context(nowhere))? {
        debug!("AWS credentials of the instance");
        return Ok(found);
    }
    Err(refused(
        "no AWS credentials are configured: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or \
         AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, or AWS_PROFILE, or run where a container or \
         an instance has a role",
    ))
}

/// The keys in the environment's variables, if one of them is set.
fn environment(surroundings: &Surroundings) -> Result<Option<FoundCredentials>> {
    let names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
    if names.iter().all(|name| surroundings.variable(name).is_none()) {
        return Ok(None);
    }
    let credentials = of_variables(|name| surroundings.variable(name))
        .map_err(|error| refused(error.to_string()))?;
    Ok(Some(FoundCredentials::lasting(credentials)))
}

/// What another attempt does not change.
fn refused(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Authentication, message.into())
}
