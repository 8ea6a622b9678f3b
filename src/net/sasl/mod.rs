//! The mechanisms of SASL that this library has, as machines: words in, words out.

use std::sync::Arc;

mod plain;
#[cfg(feature = "scram")]
mod scram;

use crate::config::{Mechanism, Sasl, SaslError, SaslMechanism};

/// The mechanism that a configuration names.
pub(super) fn mechanism(sasl: &Sasl) -> Arc<dyn SaslMechanism> {
    match &sasl.0 {
        Mechanism::Plain(credentials) => Arc::new(plain::Plain::new(credentials.clone())),
        #[cfg(feature = "scram")]
        Mechanism::Scram { hash, credentials, is_token } => scram::mechanism(*hash, credentials.clone(), *is_token),
        #[cfg(not(feature = "scram"))]
        Mechanism::Scram { .. } => unreachable!("the configuration is validated before it is used"),
        Mechanism::Custom(mechanism) => Arc::clone(mechanism),
    }
}

/// A word of the broker that is not right.
fn wrong(what: impl Into<String>) -> SaslError {
    SaslError::from(what.into())
}
