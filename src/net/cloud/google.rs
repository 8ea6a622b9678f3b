//! Service accounts of Google Cloud, by the metadata server of a virtual machine or a pod, for
//! Managed Service for Apache Kafka.
//!
//! Brokers there do not take an access token as it is, but what Google's `GcpLoginCallbackHandler`
//! for Java and `TokenProvider` for Python make of it, a JWT in form, whose signature is the token:
//!
//! ```text
//! base64url({"typ":"JWT","alg":"GOOG_OAUTH2_TOKEN"})
//! .base64url({"exp":…,"iat":…,"iss":"Google","scope":"kafka","sub":"the account's email"})
//! .base64url(access token)
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::StatusCode;
use serde_json::json;
use zeroize::Zeroizing;

use super::endpoint::{AccessToken, CloudAnswer, CloudEndpoint, PASSING};
use crate::boxed::BoxFuture;
use crate::config::{GoogleMetadata, SaslError, Secret, Token, TokenSource};
use crate::error::Result;
use crate::ids::Timestamp;

const WHAT: &str = "Google's metadata server";

/// In each request, and in each answer of a true one.
const FLAVOR: (&str, &str) = ("metadata-flavor", "Google");

const ACCOUNT: &str = "/computeMetadata/v1/instance/service-accounts/default";

/// What Google's handler asks for; a machine whose scopes are fixed does not heed it.
pub(super) const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// An address of mail has at most 254 bytes (RFC 5321); a workload's name is of that kind.
const LONGEST_EMAIL: usize = 254;

impl TokenSource for GoogleMetadata {
    fn token(&self, now: Timestamp) -> BoxFuture<'_, Result<Token, SaslError>> {
        Box::pin(async move { Ok(fetch(self, now).await?) })
    }
}

/// # Errors
/// Those of [`GoogleMetadata`].
pub(super) async fn fetch(google: &GoogleMetadata, now: Timestamp) -> Result<Token> {
    let endpoint = CloudEndpoint::of_machine(WHAT, google.endpoint.0.expose())?;
    endpoint
        .in_time(async {
            let answer = get(&endpoint, "email").await?;
            let email = email(&answer).ok_or_else(|| endpoint.without("the account's email"))?;
            let answer = get(&endpoint, &format!("token?scopes={SCOPE}")).await?;
            let found = AccessToken::of_answer(&answer.body, now);
            let found = found.and_then(|found| Some((found.value, found.expires_at?)));
            let (value, end) =
                found.ok_or_else(|| endpoint.without("an access_token and its expires_in"))?;
            Ok(Token::new(wrapped(&value, email, now, end)).expires_at(end))
        })
        .await
}

async fn get(endpoint: &CloudEndpoint, what: &str) -> Result<CloudAnswer> {
    let base = endpoint.uri().path().trim_end_matches('/');
    let answer = endpoint.get(&format!("{base}{ACCOUNT}/{what}"), FLAVOR).await?;
    if answer.head.headers.get(FLAVOR.0).is_none_or(|flavor| flavor != FLAVOR.1) {
        return Err(endpoint.without("the header Metadata-Flavor: Google"));
    }
    match answer.head.status {
        StatusCode::OK => Ok(answer),
        _ => Err(endpoint.refusal(
            &answer,
            &PASSING,
            "give this machine or pod a service account with the role \
             roles/managedkafka.client",
        )),
    }
}

fn email(answer: &CloudAnswer) -> Option<&str> {
    let email = std::str::from_utf8(&answer.body).ok()?.trim();
    let is_email = !email.is_empty()
        && email.len() <= LONGEST_EMAIL
        && email.bytes().all(|byte| byte.is_ascii_graphic());
    is_email.then_some(email)
}

/// The token as brokers take it.
pub(super) fn wrapped(access: &Secret, email: &str, now: Timestamp, end: Timestamp) -> Secret {
    let header = json!({"typ": "JWT", "alg": "GOOG_OAUTH2_TOKEN"}).to_string();
    let claims = json!({
        "exp": end.0.div_euclid(1000),
        "iat": now.0.div_euclid(1000),
        "iss": "Google",
        "scope": "kafka",
        "sub": email,
    });
    let claims = claims.to_string();
    let signature = Zeroizing::new(URL_SAFE_NO_PAD.encode(access.expose()));
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
    Secret::new(format!("{header}.{claims}.{}", signature.as_str()))
}
