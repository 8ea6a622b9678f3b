//! What stands between a byte stream and the first request: TLS, and who the client is.

use std::io;
use std::sync::Arc;

use tracing::warn;

use super::connector::Io;
use super::handshake::{Authentication, as_error};
use super::sasl;
#[cfg(feature = "tls")]
use super::tls::Tls;
use super::token_cache::TokenCache;
use crate::clock::WallClock;
use crate::config::{
    self, BrokerAddress, Mechanism, Sasl, SaslContext, SaslMechanism, SecurityProtocol,
    TokenRefresh,
};
use crate::error::{Error, ErrorKind, Result};

/// How the connections of a client are secured; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionSecurity {
    #[cfg(feature = "tls")]
    tls: Option<Arc<Tls>>,
    sasl: Option<Arc<dyn SaslMechanism>>,
    wall_clock: WallClock,
}

impl ConnectionSecurity {
    /// Reads certificates and keys.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if that is not possible.
    pub(crate) fn new(config: &config::SecurityConfig, wall_clock: WallClock) -> Result<Self> {
        if let Some(sasl) = config.sasl.as_ref().filter(|sasl| sasl.tells_secret())
            && config.protocol == SecurityProtocol::SaslPlaintext
        {
            warn!(
                mechanism = sasl.name(),
                "credentials go out in clear, and everybody on the way can read them: set \
                 security.protocol to SASL_SSL, or call ClientConfig::tls"
            );
        }
        Ok(Self {
            #[cfg(feature = "tls")]
            tls: match config.protocol.has_tls() {
                true => Some(Arc::new(Tls::new(config.tls.clone())?)),
                false => None,
            },
            sasl: match &config.sasl {
                Some(sasl) if config.protocol.has_sasl() => {
                    Some(mechanism(sasl, config.token_refresh)?)
                }
                _ => None,
            },
            wall_clock,
        })
    }

    /// Speaks TLS on a stream, if that is wanted.
    #[cfg(feature = "tls")]
    pub(super) async fn encrypt(
        &self,
        io: Box<dyn Io>,
        address: &BrokerAddress,
    ) -> Result<Box<dyn Io>> {
        match &self.tls {
            Some(tls) => tls.handshake(io, address.host()).await,
            None => Ok(io),
        }
    }

    /// Without the feature `tls`, a configuration that wants it was refused.
    #[cfg(not(feature = "tls"))]
    pub(super) async fn encrypt(&self, io: Box<dyn Io>, _: &BrokerAddress) -> Result<Box<dyn Io>> {
        std::future::ready(Ok(io)).await
    }

    /// Prepares an exchange by which the client proves who it is; `None` without SASL.
    ///
    /// # Errors
    /// [`ErrorKind::Authentication`] if the mechanism cannot, as when there is no token.
    pub(super) async fn authentication(
        &self,
        address: &BrokerAddress,
        client_id: &str,
    ) -> Result<Option<Authentication>> {
        let Some(mechanism) = &self.sasl else { return Ok(None) };
        let mut nonce = [0; 24];
        getrandom::fill(&mut nonce).map_err(|error| {
            Error::new(
                ErrorKind::Authentication,
                format!("the operating system gives no randomness: {error}"),
            )
        })?;
        let context = SaslContext {
            host: address.host(),
            port: address.port(),
            now: self.wall_clock.now(),
            nonce,
        };
        let session =
            mechanism.start(context).await.map_err(|error| as_error(mechanism.name(), error))?;
        Ok(Some(Authentication::new(mechanism.name(), session, client_id)))
    }

    /// Whether the client authenticates.
    pub(super) fn has_sasl(&self) -> bool {
        self.sasl.is_some()
    }

    /// Why a peer may have closed the connection during set-up.
    pub(super) fn why_closed(&self) -> &'static str {
        match (self.has_tls(), self.has_sasl()) {
            (false, false) => {
                "a listener for TLS or SASL does so to a plaintext client (security.protocol)"
            }
            (false, true) => "a listener for TLS does so to a plaintext client (security.protocol)",
            (true, _) => {
                "it may have refused this client's certificate, or demand one \
                 (ssl.keystore.location)"
            }
        }
    }

    fn has_tls(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        false
    }

    /// Says what an error of a stream means if TLS knows more than the stream.
    pub(super) fn explain(&self, error: &io::Error) -> Option<Error> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return tls.explain(error);
        }
        let _ = error;
        None
    }
}

fn mechanism(sasl: &Sasl, refresh: TokenRefresh) -> Result<Arc<dyn SaslMechanism>> {
    if let Mechanism::OAuthBearer(origin) = &sasl.0 {
        return Ok(Arc::new(sasl::OAuthBearer::new(TokenCache::of(origin, refresh)?)));
    }
    // Validated before.
    sasl::mechanism(sasl)
        .ok_or_else(|| Error::config("sasl.mechanism is one that this program was built without"))
}
