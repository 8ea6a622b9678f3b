//! A token for OAUTHBEARER, for how long it is good, and who provides it.

use super::*;
use crate::boxed::BoxFuture;
use crate::ids::Timestamp;

/// An OAuth token and its properties.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Token {
    /// The token as sent to the broker.
    pub value: Secret,
    /// When the token expires. If `None`, it is unknown, and a new token is requested for each
    /// connection.
    pub expires_at: Option<Timestamp>,
    /// SASL extensions (KIP-342), as pairs of name and value. Names consist of letters.
    pub extensions: Vec<(String, String)>,
}

impl Token {
    /// Creates a token without expiry and extensions.
    pub fn new(value: impl Into<Secret>) -> Self {
        Self { value: value.into(), expires_at: None, extensions: Vec::new() }
    }

    /// Sets when the token expires.
    #[must_use]
    pub fn expires_at(mut self, time: Timestamp) -> Self {
        self.expires_at = Some(time);
        self
    }

    /// Adds a SASL extension (KIP-342).
    #[must_use]
    pub fn extension(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.extensions.push((name.into(), value.into()));
        self
    }
}

/// Provides OAuth tokens.
///
/// A token is cached and used for further connections until four fifths of its lifetime have passed
/// (Java's default of `sasl.login.refresh.window.factor`). The next connection or re-authentication
/// then requests another.
pub trait TokenSource: fmt::Debug + Send + Sync + 'static {
    /// Returns a token that is valid from `now` on.
    ///
    /// # Cancel safety
    /// The client drops the future when connecting takes too long.
    fn token(&self, now: Timestamp) -> BoxFuture<'_, Result<Token, SaslError>>;
}
