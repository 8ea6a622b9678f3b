//! The mechanisms of SASL that this library has, as machines: words in, words out.

use std::sync::Arc;

#[cfg(feature = "aws-msk-iam")]
mod aws_msk_iam;
mod oauthbearer;
mod plain;
#[cfg(feature = "scram")]
mod scram;

pub(super) use oauthbearer::OAuthBearer;

use crate::config::{Mechanism, Sasl, SaslError, SaslMechanism};

/// The mechanism that a configuration names; `None` for OAUTHBEARER, whose tokens come from
/// elsewhere.
pub(super) fn mechanism(sasl: &Sasl) -> Option<Arc<dyn SaslMechanism>> {
    match &sasl.0 {
        Mechanism::Plain(credentials) => Some(Arc::new(plain::Plain::new(credentials.clone()))),
        #[cfg(feature = "scram")]
        Mechanism::Scram { hash, credentials, is_token } => {
            Some(scram::mechanism(*hash, credentials.clone(), *is_token))
        }
        #[cfg(not(feature = "scram"))]
        Mechanism::Scram { .. } => None,
        Mechanism::OAuthBearer(_) => None,
        #[cfg(feature = "aws-msk-iam")]
        Mechanism::AwsMskIam(settings) => Some(Arc::new(settings.clone())),
        Mechanism::Custom(mechanism) => Some(Arc::clone(mechanism)),
    }
}

/// A word of the broker that is not right.
fn wrong(what: impl Into<String>) -> SaslError {
    SaslError::from(what.into())
}
