//! Tokens for OAUTHBEARER: kept while they are fresh, so that many connections ask for one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::warn;

#[cfg(feature = "oidc")]
use super::oidc::Oidc;
use crate::boxed::BoxFuture;
use crate::clock::Random;
use crate::config::{
    SaslError, Secret, Token, TokenOrigin, TokenRefresh, TokenSource, UnsecuredToken,
};
use crate::error::Result;
use crate::ids::Timestamp;

/// A token with less time left is not worth sending (a guess: clocks differ by seconds).
const LEAST_LEFT: Duration = Duration::from_secs(10);

/// Keeps the last token of a source.
#[derive(Debug)]
pub(super) struct TokenCache {
    source: Arc<dyn TokenSource>,
    refresh: TokenRefresh,
    /// Held while the source is asked, so that connections that open together ask once.
    asking: tokio::sync::Mutex<()>,
    last: Mutex<Option<CachedToken>>,
}

/// A token for one exchange.
#[derive(Debug)]
pub(super) struct Handed {
    pub(super) token: Token,
    /// Whether it was got for an earlier exchange, so that another may be had if a broker does not
    /// take it.
    pub(super) is_kept: bool,
}

#[derive(Clone, Debug)]
struct CachedToken {
    token: Token,
    since: Timestamp,
}

impl TokenCache {
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the endpoint cannot be spoken to.
    pub(super) fn of(origin: &TokenOrigin, refresh: TokenRefresh) -> Result<Self> {
        let source: Arc<dyn TokenSource> = match origin {
            TokenOrigin::Source(source) => Arc::clone(source),
            TokenOrigin::Unsecured(token) => Arc::new(token.clone()),
            #[cfg(feature = "oidc")]
            TokenOrigin::Oidc(config) => Arc::new(Oidc::new((**config).clone())?),
            #[cfg(not(feature = "oidc"))]
            TokenOrigin::Oidc(_) => {
                return Err(crate::error::Error::config(
                    "this program was built without kavka's feature oidc",
                ));
            }
        };
        Ok(Self::new(source, refresh))
    }

    pub(super) fn new(source: Arc<dyn TokenSource>, refresh: TokenRefresh) -> Self {
        Self { source, refresh, asking: tokio::sync::Mutex::default(), last: Mutex::default() }
    }

    /// The last token while it is fresh, else another.
    ///
    /// # Errors
    /// Those of the source.
    pub(super) async fn token(&self, now: Timestamp) -> Result<Handed, SaslError> {
        let _turn = self.asking.lock().await;
        let kept = |is_good: &dyn Fn(&CachedToken) -> bool| {
            let token =
                self.last().as_ref().filter(|kept| is_good(kept)).map(|kept| kept.token.clone());
            token.map(|token| Handed { token, is_kept: true })
        };
        if let Some(kept) = kept(&|kept| kept.is_fresh(&self.refresh, now)) {
            return Ok(kept);
        }
        match self.source.token(now).await {
            Ok(token) => {
                *self.last() = Some(CachedToken { token: token.clone(), since: now });
                Ok(Handed { token, is_kept: false })
            }
            Err(error) => {
                match kept(&|kept| kept.left(now).is_some_and(|left| left > LEAST_LEFT)) {
                    Some(kept) => {
                        warn!(%error, "no new token yet; using the old one");
                        Ok(kept)
                    }
                    None => Err(error),
                }
            }
        }
    }

    /// A broker has refused a token: it is not used again.
    pub(super) fn forget(&self, refused: &Secret) {
        let mut last = self.last();
        if last.as_ref().is_some_and(|kept| kept.token.value == *refused) {
            *last = None;
        }
    }

    fn last(&self) -> MutexGuard<'_, Option<CachedToken>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CachedToken {
    /// The time it has left; `None` if that is not known.
    fn left(&self, now: Timestamp) -> Option<Duration> {
        let left = self.token.expires_at?.0.saturating_sub(now.0);
        Some(Duration::from_millis(u64::try_from(left).unwrap_or(0)))
    }

    fn is_fresh(&self, refresh: &TokenRefresh, now: Timestamp) -> bool {
        let (Some(whole), Some(left)) = (self.left(self.since), self.left(now)) else {
            return false;
        };
        left > whole.saturating_sub(refresh.fresh_for(whole, self.chance()))
    }

    /// The same for a token each time, and other for that of another client.
    fn chance(&self) -> f64 {
        let seed = u64::try_from(self.since.0).unwrap_or(0);
        let bytes = self.token.value.expose().bytes();
        let seed = bytes.fold(seed, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
        Random::new(seed).unit()
    }
}

impl TokenSource for UnsecuredToken {
    fn token(&self, now: Timestamp) -> BoxFuture<'_, Result<Token, SaslError>> {
        let issued = now.0 / 1000;
        let expires = issued.saturating_add(self.lifetime_seconds);
        let subject = self.subject.replace('\\', "\\\\").replace('"', "\\\"");
        let claims = format!("{{\"sub\":\"{subject}\",\"iat\":{issued},\"exp\":{expires}}}");
        let mut token = Token::new(format!(
            "{}.{}.",
            base64url(b"{\"alg\":\"none\"}"),
            base64url(claims.as_bytes())
        ))
        .expires_at(Timestamp(expires.saturating_mul(1000)));
        token.extensions.clone_from(&self.extensions);
        Box::pin(std::future::ready(Ok(token)))
    }
}

/// URL-safe base 64 without padding: small enough to need no dependency.
fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk
            .iter()
            .zip([16, 8, 0])
            .fold(0_u32, |bits, (byte, shift)| bits | u32::from(*byte) << shift);
        for place in 0..=chunk.len() {
            let digit = usize::try_from(bits >> (18 - 6 * place) & 63).unwrap_or(0);
            text.push(char::from(DIGITS[digit]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    #[derive(Debug, Default)]
    struct Counting(AtomicI64);

    impl TokenSource for Counting {
        fn token(&self, now: Timestamp) -> BoxFuture<'_, Result<Token, SaslError>> {
            let count = self.0.fetch_add(1, Ordering::Relaxed);
            let token = Token::new(format!("t{count}")).expires_at(Timestamp(now.0 + 100_000));
            Box::pin(std::future::ready(if count < 2 { Ok(token) } else { Err("closed".into()) }))
        }
    }

    #[tokio::test]
    async fn a_token_is_used_for_four_fifths_of_its_time_and_longer_if_there_is_no_other() {
        let kept =
            TokenCache::new(Arc::new(Counting::default()), TokenRefresh::new().window_jitter(0.0));
        let mut seen = Vec::new();
        for at in [0, 79_000, 81_000, 160_000, 165_000, 170_000] {
            seen.push(
                kept.token(Timestamp(at)).await.expect("a token").token.value.expose().to_owned(),
            );
        }
        assert_eq!(seen, ["t0", "t0", "t1", "t1", "t1", "t1"]);
        assert!(kept.token(Timestamp(175_000)).await.is_err(), "six seconds are too few");
    }

    #[tokio::test]
    async fn a_token_that_a_broker_has_refused_is_not_used_again_nor_is_another_forgotten() {
        let kept =
            TokenCache::new(Arc::new(Counting::default()), TokenRefresh::new().window_jitter(0.0));
        let first = kept.token(Timestamp(0)).await.expect("a token");
        let again = kept.token(Timestamp(1)).await.expect("a token");
        assert!(!first.is_kept && again.is_kept);
        kept.forget(&again.token.value);
        let second = kept.token(Timestamp(2)).await.expect("a token");
        assert_eq!((second.token.value.expose(), second.is_kept), ("t1", false));
        kept.forget(&first.token.value);
        assert!(
            kept.token(Timestamp(3)).await.expect("a token").is_kept,
            "another connection heard of the first"
        );
        kept.forget(&second.token.value);
        assert!(kept.token(Timestamp(4)).await.is_err(), "better none than one that was refused");
    }

    #[test]
    fn base_64_is_as_rfc_4648_has_it() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg"),
            ("fo", "Zm8"),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg"),
            ("\u{ff}\u{fe}?", "w7_Dvj8"),
        ] {
            assert_eq!(base64url(bytes.as_bytes()), text);
        }
    }

    #[tokio::test]
    async fn an_unsecured_token_is_java_s() {
        let token = UnsecuredToken {
            subject: "alice".into(),
            lifetime_seconds: 60,
            extensions: Vec::new(),
        };
        let token = token.token(Timestamp(1_000_000)).await.expect("a token");
        assert_eq!(
            token.value.expose(),
            "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSIsImlhdCI6MTAwMCwiZXhwIjoxMDYwfQ."
        );
        assert_eq!(token.expires_at, Some(Timestamp(1_060_000)));
    }
}
