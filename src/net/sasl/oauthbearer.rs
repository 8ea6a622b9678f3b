//! OAUTHBEARER (RFC 7628): one token, to which the broker answers with nothing, or with why it does
//! not take it.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::super::token_cache::{Handed, TokenCache};
use super::wrong;
use crate::boxed::BoxFuture;
use crate::config::{SaslContext, SaslError, SaslMechanism, SaslSession, Secret};
use crate::ids::Timestamp;
use crate::shown::shown;

/// The separator of the message's parts.
const SEPARATOR: char = '\u{1}';

pub(in crate::net) struct OAuthBearer {
    tokens: Arc<TokenCache>,
}

impl fmt::Debug for OAuthBearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OAuthBearer").field(&self.tokens).finish()
    }
}

impl OAuthBearer {
    pub(in crate::net) fn new(tokens: TokenCache) -> Self {
        Self { tokens: Arc::new(tokens) }
    }
}

impl SaslMechanism for OAuthBearer {
    fn name(&self) -> &str {
        "OAUTHBEARER"
    }

    fn start<'a>(
        &'a self,
        context: SaslContext<'a>,
    ) -> BoxFuture<'a, Result<Box<dyn SaslSession>, SaslError>> {
        Box::pin(async move {
            let handed = self.tokens.token(context.now).await?;
            Ok(Box::new(OAuthBearerSession::new(Arc::clone(&self.tokens), handed, context.now)?)
                as Box<dyn SaslSession>)
        })
    }
}

struct OAuthBearerSession {
    state: State,
    tokens: Arc<TokenCache>,
    token: Secret,
    is_kept: bool,
    expires_at: Option<Timestamp>,
    started: Timestamp,
}

enum State {
    First(Zeroizing<String>),
    /// The broker has the token.
    Waiting,
    /// The broker has said why it does not take it, and now says so again as an error.
    Refused(String),
}

impl OAuthBearerSession {
    /// # Errors
    /// The token or an extension has characters that would end it early.
    fn new(
        tokens: Arc<TokenCache>,
        Handed { token, is_kept }: Handed,
        now: Timestamp,
    ) -> Result<Self, SaslError> {
        let value = token.value.expose();
        if value.is_empty() || !value.chars().all(|c| c.is_ascii_graphic()) {
            return Err(wrong("the token is empty or has characters that none may have"));
        }
        let extensions: usize =
            token.extensions.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
        // Room for all of it, so that no copy is left behind by growing.
        let mut message = Zeroizing::new(String::with_capacity(value.len() + extensions + 24));
        for part in ["n,,\u{1}auth=Bearer ", value] {
            message.push_str(part);
        }
        message.push(SEPARATOR);
        for (name, value) in &token.extensions {
            let is_name =
                !name.is_empty() && name != "auth" && name.chars().all(|c| c.is_ascii_alphabetic());
            let is_value = value
                .chars()
                .all(|c| c.is_ascii_graphic() || matches!(c, ' ' | '\t' | '\r' | '\n'));
            if !is_name || !is_value {
                return Err(wrong(format!(
                    "the extension {name:?} of the token is not letters=visible characters"
                )));
            }
            message.push_str(name);
            message.push('=');
            message.push_str(value);
            message.push(SEPARATOR);
        }
        message.push(SEPARATOR);
        let (token, expires_at) = (token.value, token.expires_at);
        Ok(Self { state: State::First(message), tokens, token, is_kept, expires_at, started: now })
    }
}

impl SaslSession for OAuthBearerSession {
    fn respond(&mut self, challenge: &[u8]) -> Result<Option<Vec<u8>>, SaslError> {
        match std::mem::replace(&mut self.state, State::Waiting) {
            State::First(mut message) => Ok(Some(std::mem::take(&mut *message).into_bytes())),
            State::Waiting if challenge.is_empty() => Ok(None),
            State::Waiting => {
                // A JSON object with a status; shown as it is, within bounds.
                let why = shown(&String::from_utf8_lossy(challenge)).to_string();
                self.state = State::Refused(why);
                Ok(Some(vec![1]))
            }
            State::Refused(why) => Err(wrong(format!("the broker refused the token: {why}"))),
        }
    }

    fn handle_refusal(&mut self) -> bool {
        self.tokens.forget(&self.token);
        self.is_kept
    }

    fn advice(&self) -> Option<String> {
        Some(match self.expires_at {
            Some(Timestamp(end)) if end <= self.started.0 => {
                let ago = self.started.0.saturating_sub(end) / 1000;
                format!(
                    "by this machine's clock the token expired {ago} s ago, so this clock or \
                     that of its issuer is wrong"
                )
            }
            Some(Timestamp(end)) => {
                let left = end.saturating_sub(self.started.0) / 1000;
                format!(
                    "by this machine's clock the token is good for {left} s: check its issuer, \
                     audience and scope, and the broker's clock"
                )
            }
            None => {
                "check the token's issuer, audience, scope and times, and the clocks".to_owned()
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Token, TokenRefresh, TokenSource};

    fn token(value: &str) -> Token {
        Token::new(value)
    }

    fn session(token: &Token, now: Timestamp) -> Result<OAuthBearerSession, SaslError> {
        #[derive(Debug)]
        struct None;
        impl TokenSource for None {
            fn token(&self, _: Timestamp) -> BoxFuture<'_, Result<Token, SaslError>> {
                Box::pin(std::future::ready(Err("none".into())))
            }
        }
        OAuthBearerSession::new(
            Arc::new(TokenCache::new(Arc::new(None), TokenRefresh::default())),
            Handed { token: token.clone(), is_kept: false },
            now,
        )
    }

    #[test]
    fn the_message_is_that_of_rfc_7628_with_kafka_s_extensions() {
        let token = token("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==")
            .extension("logicalCluster", "lkc 1");
        let mut session = session(&token, Timestamp(0)).expect("right");
        let expected = &b"n,,\x01auth=Bearer \
                          vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01logicalCluster=lkc \
                          1\x01\x01"[..];
        assert_eq!(session.respond(b"").expect("first").as_deref(), Some(expected));
        assert_eq!(session.respond(b"").expect("taken"), None);
    }

    #[test]
    fn a_refusal_is_acknowledged_and_the_advice_tells_of_clocks() {
        let mut session =
            session(&token("t").expires_at(Timestamp(5_000)), Timestamp(9_000)).expect("right");
        session.respond(b"").expect("first");
        assert_eq!(
            session.respond(b"{\"status\":\"invalid_token\"}").expect("why").as_deref(),
            Some(&b"\x01"[..])
        );
        let advice = session.advice().expect("advice");
        assert!(advice.contains("expired 4 s ago"), "{advice}");
        assert!(session.respond(b"").is_err(), "a success after a refusal is none");
    }

    #[test]
    fn what_would_end_the_message_early_is_refused() {
        for bad in [
            token(""),
            token("a b"),
            token("a\u{1}"),
            token("a").extension("auth", "x"),
            token("a").extension("b", "\u{1}"),
        ] {
            assert!(session(&bad, Timestamp(0)).is_err());
        }
    }
}
