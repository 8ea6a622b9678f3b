//! The exchange by which the client proves who it is: SaslHandshake names the mechanism,
//! SaslAuthenticate carries its words.
//!
//! ```text
//!   Naming ──the broker has it──▶ Talking ──the broker's words, at most 16──▶ done, with the lifetime of the session
//! ```

use std::time::Duration;

use bytes::Bytes;
use zeroize::Zeroize;

use super::expect_id;
use crate::config::{SaslError, SaslSession, SaslWork};
use crate::error::{Error, ErrorCode, ErrorKind, Result};
use crate::shown::shown;
use crate::wire::call::{decode_response, encode_request, encode_secret_request};
use crate::wire::frame::Frame;
use crate::wire::messages::sasl_authenticate::SaslAuthenticateRequest;
use crate::wire::messages::sasl_handshake::SaslHandshakeRequest;
use crate::wire::versions::ApiVersions;

/// More rounds than any mechanism has (a guess: Kerberos takes three).
const MOST_ROUNDS: u32 = 16;

/// The machine: send what it gives, tell it the reply.
pub(in crate::net) struct Authentication {
    mechanism: String,
    session: Box<dyn SaslSession>,
    client_id: String,
    versions: Versions,
    correlation_id: i32,
    state: State,
}

#[derive(Clone, Copy, Debug, Default)]
struct Versions {
    handshake: i16,
    authenticate: i16,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Naming,
    Talking { rounds: u32 },
}

/// What comes next.
#[derive(Debug)]
pub(in crate::net) enum AuthenticationStep {
    Send(Frame),
    /// The broker knows who this is, for so long (KIP-368); `None` if for ever.
    Done(Option<Duration>),
}

impl Authentication {
    pub(in crate::net) fn new(
        mechanism: &str,
        session: Box<dyn SaslSession>,
        client_id: &str,
    ) -> Self {
        Self {
            mechanism: mechanism.to_owned(),
            session,
            client_id: client_id.to_owned(),
            versions: Versions::default(),
            correlation_id: 0,
            state: State::Naming,
        }
    }

    /// The request to send first.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if the broker has no SASL as it is since Kafka 1.0 (KIP-152).
    pub(in crate::net) fn start(&mut self, versions: &ApiVersions) -> Result<AuthenticationStep> {
        let missing = || {
            Error::new(
                ErrorKind::Unsupported,
                "the broker does not speak SASL as this client does (KIP-152)",
            )
        };
        // Version 0 would be followed by words without a header.
        let handshake =
            versions.version_of::<SaslHandshakeRequest<'_>>().filter(|version| *version >= 1);
        let authenticate = versions.version_of::<SaslAuthenticateRequest<'_>>();
        self.versions = Versions {
            handshake: handshake.ok_or_else(missing)?,
            authenticate: authenticate.ok_or_else(missing)?,
        };
        self.correlation_id += 1;
        let request = SaslHandshakeRequest { mechanism: &self.mechanism };
        let frame = encode_request(
            &request,
            self.versions.handshake,
            self.correlation_id,
            &self.client_id,
        )?;
        Ok(AuthenticationStep::Send(frame))
    }

    /// What is to be done elsewhere before [`Authentication::handle_reply`] is told this reply, as
    /// it takes long.
    pub(in crate::net) fn work(&mut self, frame: &Bytes) -> Option<SaslWork> {
        let State::Talking { .. } = self.state else { return None };
        let response =
            decode_response::<SaslAuthenticateRequest<'_>>(frame, self.versions.authenticate)
                .ok()?;
        ErrorCode::check(response.error_code).ok()?;
        self.session.prepare(response.auth_bytes)
    }

    /// Reads the reply.
    ///
    /// # Errors
    /// [`ErrorKind::Authentication`] if the broker refuses, or is not the one that it says it is;
    /// [`ErrorKind::Protocol`] if it is no reply.
    pub(in crate::net) fn handle_reply(&mut self, frame: &Bytes) -> Result<AuthenticationStep> {
        expect_id(frame, self.correlation_id)?;
        match self.state {
            State::Naming => {
                let response =
                    decode_response::<SaslHandshakeRequest<'_>>(frame, self.versions.handshake)?;
                ErrorCode::check(response.error_code)
                    .map_err(|code| self.not_offered(code, &response.mechanisms))?;
                self.state = State::Talking { rounds: 0 };
                self.talk(&[])?.ok_or_else(|| self.refuse("the mechanism has nothing to say"))
            }
            State::Talking { .. } => {
                let response = decode_response::<SaslAuthenticateRequest<'_>>(
                    frame,
                    self.versions.authenticate,
                )?;
                if let Err(code) = ErrorCode::check(response.error_code) {
                    return Err(self.refused(code, response.error_message));
                }
                let lifetime =
                    u64::try_from(response.session_lifetime_ms).ok().filter(|millis| *millis > 0);
                let done = AuthenticationStep::Done(lifetime.map(Duration::from_millis));
                Ok(self.talk(response.auth_bytes)?.unwrap_or(done))
            }
        }
    }

    /// Lets the mechanism answer; `None` when all is said.
    fn talk(&mut self, challenge: &[u8]) -> Result<Option<AuthenticationStep>> {
        let answer = self.session.respond(challenge).map_err(|error| self.failed(error))?;
        let Some(mut answer) = answer else { return Ok(None) };
        let State::Talking { rounds } = &mut self.state else { return Ok(None) };
        *rounds += 1;
        if *rounds > MOST_ROUNDS {
            return Err(self.refuse("the broker does not come to an end"));
        }
        self.correlation_id += 1;
        let request = SaslAuthenticateRequest { auth_bytes: &answer };
        let frame = encode_secret_request(
            &request,
            self.versions.authenticate,
            self.correlation_id,
            &self.client_id,
            answer.len(),
        );
        answer.zeroize();
        Ok(Some(AuthenticationStep::Send(frame?)))
    }

    /// The broker does not have the mechanism, or no SASL at all.
    fn not_offered(&self, code: ErrorCode, offered: &[&str]) -> Error {
        let name = &self.mechanism;
        let message = match code {
            ErrorCode::UNSUPPORTED_SASL_MECHANISM => {
                let offered: Vec<String> = offered
                    .iter()
                    .take(16)
                    .map(|name| shown(name).within(40).to_string())
                    .collect();
                let offered = offered.join(", ");
                format!(
                    "the broker does not offer {name} on this listener, but {offered}: set \
                     sasl.mechanism to one of those"
                )
            }
            ErrorCode::ILLEGAL_SASL_STATE => {
                "the listener has no SASL: set security.protocol to PLAINTEXT or SSL, or use the \
                 port of a SASL listener"
                    .to_owned()
            }
            _ => format!("the broker refused to begin {name}"),
        };
        Error::new(ErrorKind::Authentication, message).with_code(code)
    }

    /// The broker does not believe it.
    fn refused(&mut self, code: ErrorCode, message: Option<&str>) -> Error {
        let said = message
            .filter(|message| !message.is_empty())
            .map(|message| format!(" ({})", shown(message)));
        let said = said.unwrap_or_default();
        if self.session.handle_refusal() {
            // No code: its class would say that nothing helps.
            let message = format!(
                "the broker refused the kept credentials of {}{said}; others are got for the next",
                self.mechanism
            );
            return Error::new(ErrorKind::Connect, message);
        }
        let advice = self.session.advice().map(|advice| format!("; {advice}")).unwrap_or_default();
        let message =
            format!("the broker refused the credentials of {}{said}{advice}", self.mechanism);
        Error::new(ErrorKind::Authentication, message).with_code(code)
    }

    fn failed(&self, error: SaslError) -> Error {
        as_error(&self.mechanism, error)
    }

    fn refuse(&self, why: &str) -> Error {
        Error::new(ErrorKind::Authentication, format!("{}: {why}", self.mechanism))
    }
}

/// What a mechanism says went wrong.
pub(in crate::net) fn as_error(mechanism: &str, error: SaslError) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => *error,
        Err(error) => {
            let source: std::sync::Arc<dyn std::error::Error + Send + Sync> =
                std::sync::Arc::from(error);
            Error::new(ErrorKind::Authentication, format!("{mechanism}: {source}"))
                .with_shared_source(source)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Silent;

    impl SaslSession for Silent {
        fn respond(&mut self, _: &[u8]) -> Result<Option<Vec<u8>>, SaslError> {
            Ok(None)
        }
    }

    #[test]
    fn a_refusal_of_what_was_kept_is_no_lasting_one() {
        /// Has sent what was kept, or not.
        struct Kept(bool);

        impl SaslSession for Kept {
            fn respond(&mut self, _: &[u8]) -> Result<Option<Vec<u8>>, SaslError> {
                Ok(None)
            }

            fn handle_refusal(&mut self) -> bool {
                self.0
            }
        }

        let refused = |is_kept| {
            let mut authentication =
                Authentication::new("OAUTHBEARER", Box::new(Kept(is_kept)), "me");
            authentication.refused(ErrorCode::SASL_AUTHENTICATION_FAILED, Some("expired"))
        };
        let (kept, new) = (refused(true), refused(false));
        assert!(kept.is_retriable() && kept.to_string().contains("expired"), "{kept:?}");
        assert!(new.is_refusal() && !new.is_retriable(), "{new:?}");
    }

    #[test]
    fn what_a_hostile_broker_says_is_shown_within_bounds_and_on_one_line() {
        let mut authentication = Authentication::new("PLAIN", Box::new(Silent), "me");
        let long = format!("no\n\u{1b}[2J{}", "x".repeat(100_000));
        let refused =
            authentication.refused(ErrorCode::SASL_AUTHENTICATION_FAILED, Some(&long)).to_string();
        let offered = authentication
            .not_offered(ErrorCode::UNSUPPORTED_SASL_MECHANISM, &[long.as_str(); 1000])
            .to_string();
        for said in [refused, offered] {
            assert!(said.len() < 2000 && !said.contains(char::is_control), "{} bytes", said.len());
            assert!(said.contains("no\\n\\u{1b}[2Jxxx"), "{said}");
        }
    }
}
