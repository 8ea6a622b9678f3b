//! PLAIN (RFC 4616): user and password in one message, to which the broker answers with nothing.

use zeroize::Zeroizing;

use super::wrong;
use crate::boxed::BoxFuture;
use crate::config::{Credentials, SaslContext, SaslError, SaslMechanism, SaslSession};

#[derive(Debug)]
pub(super) struct Plain {
    credentials: Credentials,
}

impl Plain {
    pub(super) fn new(credentials: Credentials) -> Self {
        Self { credentials }
    }
}

impl SaslMechanism for Plain {
    fn name(&self) -> &str {
        "PLAIN"
    }

    fn start<'a>(
        &'a self,
        _: SaslContext<'a>,
    ) -> BoxFuture<'a, Result<Box<dyn SaslSession>, SaslError>> {
        let (username, password) =
            (self.credentials.username.as_bytes(), self.credentials.password.expose().as_bytes());
        let session = PlainSession {
            message: Some(Zeroizing::new([b"\0", username, b"\0", password].concat())),
        };
        Box::pin(std::future::ready(Ok(Box::new(session) as Box<dyn SaslSession>)))
    }
}

/// `None` once it was said.
struct PlainSession {
    message: Option<Zeroizing<Vec<u8>>>,
}

impl SaslSession for PlainSession {
    fn respond(&mut self, challenge: &[u8]) -> Result<Option<Vec<u8>>, SaslError> {
        match self.message.take() {
            Some(mut message) => Ok(Some(std::mem::take(&mut *message))),
            None if challenge.is_empty() => Ok(None),
            None => Err(wrong("the broker asks something in PLAIN, which has no questions")),
        }
    }

    fn advice(&self) -> Option<String> {
        Some("check sasl.username and sasl.password, or those of sasl.jaas.config".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::ids::Timestamp;

    #[test]
    fn one_message_has_user_and_password() {
        let plain =
            Plain::new(Credentials { username: "tim".into(), password: "tanstaaftanstaaf".into() });
        let context = SaslContext { host: "h", port: 1, now: Timestamp(0), nonce: [0; 24] };
        let Poll::Ready(Ok(mut session)) =
            pin!(plain.start(context)).poll(&mut Context::from_waker(Waker::noop()))
        else {
            panic!("at once")
        };
        // RFC 4616, section 4, without an authorisation identity.
        assert_eq!(
            session.respond(b"").expect("first").as_deref(),
            Some(&b"\0tim\0tanstaaftanstaaf"[..])
        );
        assert_eq!(session.respond(b"").expect("done"), None);
        assert!(session.respond(b"what?").is_err());
        assert!(!format!("{plain:?}").contains("tanstaaf"));
    }
}
