//! A person who has logged in with `gcloud auth application-default login`, by a refresh token (RFC
//! 6749, section 6).

use hyper::StatusCode;
use serde_json::Value;
use zeroize::Zeroizing;

use super::super::super::http::{WipedJson, url_encoded};
use super::super::super::oidc::claims;
use super::super::endpoint::{AccessToken, CloudEndpoint, FORM, PASSING};
use super::{AccountToken, CredentialFile};
use crate::config::TlsConfig;
use crate::error::Result;
use crate::ids::Timestamp;

const WHAT: &str = "Google's endpoint of tokens";

const ENDPOINT: &str = "https://oauth2.googleapis.com/token";

/// # Errors
/// [`ErrorKind::Config`](crate::ErrorKind::Config) if the file is none of a user, and those of a
/// service.
pub(super) async fn token(
    file: &CredentialFile<'_>,
    tls: &TlsConfig,
    now: Timestamp,
) -> Result<AccountToken> {
    let url = file.optional("token_uri").unwrap_or(ENDPOINT);
    let endpoint = CloudEndpoint::of_internet(WHAT, url, tls)?;
    let encoded = |name| file.text(name).map(|value| Zeroizing::new(url_encoded(value)));
    let form = Zeroizing::new(format!(
        "grant_type=refresh_token&client_id={}&client_secret={}&refresh_token={}",
        encoded("client_id")?.as_str(),
        encoded("client_secret")?.as_str(),
        encoded("refresh_token")?.as_str()
    ));
    let answer = endpoint.in_time(endpoint.post(&[FORM], form)).await?;
    if answer.head.status != StatusCode::OK {
        let advice = "log in again: gcloud auth application-default login";
        return Err(endpoint.refusal(&answer, &PASSING, advice));
    }
    let without = || endpoint.without("an access_token and its expires_in");
    let found = AccessToken::of_answer(&answer.body, now).ok_or_else(without)?;
    let end = found.expires_at.ok_or_else(without)?;
    let json = WipedJson::parse(&answer.body);
    let email = json.0.get("id_token").and_then(Value::as_str).and_then(email);
    Ok(AccountToken { access: found.value, end, email })
}

/// Whose token it is, by the id token beside it. Google's endpoint has given it to us by itself, so
/// that nobody has to look at its signature (OpenID Connect Core, section 3.1.3.7).
fn email(id_token: &str) -> Option<String> {
    claims(id_token)?.get("email")?.as_str().map(str::to_owned)
}
