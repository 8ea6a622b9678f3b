//! SaslAuthenticate, key 36, versions 0 to 2.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{SaslAuthenticateRequest, SaslAuthenticateResponse};
use kafka_protocol::protocol::StrBytes;
use tokio::time::{Instant, sleep};

use super::{Api, Call};
use crate::embedded::sasl::{Login, Progress};

/// Kafka's `connection.failed.authentication.delay.ms`.
const REFUSED_AFTER: Duration = Duration::from_millis(100);

impl Api for SaslAuthenticateRequest {
    const SERVED: (i16, i16) = (0, 2);

    async fn handle(self, call: &Call) -> Option<SaslAuthenticateResponse> {
        let response = SaslAuthenticateResponse::default();
        let failed = |why: String| {
            call.close_after_reply();
            SaslAuthenticateResponse::default()
                .with_error_code(ResponseError::SaslAuthenticationFailed.code())
                .with_error_message(Some(StrBytes::from_string(why)))
        };
        match progress(call, &self.auth_bytes)? {
            Progress::Challenge(words) => Some(response.with_auth_bytes(Bytes::from(words))),
            Progress::Done(words, _, lifetime) => {
                let lifetime =
                    i64::try_from(lifetime.unwrap_or_default().as_millis()).unwrap_or(i64::MAX);
                let response = response.with_auth_bytes(Bytes::from(words));
                // Older clients cannot be told, and are not held to it.
                Some(if call.version() >= 1 {
                    response.with_session_lifetime_ms(lifetime)
                } else {
                    response
                })
            }
            Progress::Refused(why) => {
                sleep(REFUSED_AFTER).await;
                Some(failed(why))
            }
        }
    }
}

fn progress(call: &Call, words: &[u8]) -> Option<Progress> {
    let now_ms = call.shared.now_ms();
    let mut state = call.lock();
    let sasl = state.settings.sasl.clone()?;
    if let Some(error) = call.injected_any() {
        return Some(Progress::Refused(format!("{error:?}")));
    }
    let nonce = state.random.uuid().simple().to_string();
    let login = state.logins.entry(call.connection).or_insert_with(Login::new);
    let progress = login.step(&sasl, words, &nonce, Instant::now(), now_ms);
    let counts = &mut state.login_counts;
    match &progress {
        Progress::Challenge(_) => {}
        Progress::Done(_, false, _) => counts.first += 1,
        Progress::Done(_, true, _) => counts.renewed += 1,
        Progress::Refused(_) => counts.refused += 1,
    }
    Some(progress)
}
