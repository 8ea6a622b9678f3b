//! Workload identity federation: Google's Security Token Service takes the token of somebody whom a
//! pool of identities trusts for one of its own (RFC 8693; AIP-4117).

use hyper::StatusCode;
use serde_json::json;
use zeroize::Zeroizing;

use super::super::super::http::{basic, url_encoded};
use super::super::endpoint::{AccessToken, CloudEndpoint, FORM, PASSING};
use super::super::google::SCOPE;
use super::impersonation::Impersonation;
use super::subject_token::subject_token;
use super::{AccountToken, CredentialFile};
use crate::config::TlsConfig;
use crate::error::Result;
use crate::ids::Timestamp;

const WHAT: &str = "Google's Security Token Service";

/// # Errors
/// [`ErrorKind::Config`](crate::ErrorKind::Config) if the file is none of an external account, or
/// the subject token cannot be had; those of a service.
pub(super) async fn token(
    file: &CredentialFile<'_>,
    tls: &TlsConfig,
    now: Timestamp,
) -> Result<AccountToken> {
    let endpoint = CloudEndpoint::of_internet(WHAT, file.text("token_url")?, tls)?;
    let (audience, kind) = (file.text("audience")?, file.text("subject_token_type")?);
    let target = Impersonation::of_external_account(file)?;
    let login = login(file)?;
    let options = match (&login, file.optional("workforce_pool_user_project")) {
        (None, Some(project)) => {
            let options = json!({ "userProject": project }).to_string();
            format!("&options={}", url_encoded(&options))
        }
        // A client has a project already.
        _ => String::new(),
    };
    let subject = subject_token(file, tls).await?;
    let subject = Zeroizing::new(url_encoded(subject.expose()));
    let form = Zeroizing::new(format!(
        "grant_type={}&audience={}&scope={}&requested_token_type={}{options}&subject_token_type={}\
         &subject_token={}",
        url_encoded("urn:ietf:params:oauth:grant-type:token-exchange"),
        url_encoded(audience),
        url_encoded(SCOPE),
        url_encoded("urn:ietf:params:oauth:token-type:access_token"),
        url_encoded(kind),
        subject.as_str(),
    ));
    let mut headers = vec![FORM];
    headers.extend(login.as_ref().map(|login| ("authorization", login.as_str())));
    let answer = endpoint.in_time(endpoint.post(&headers, form)).await?;
    if answer.head.status != StatusCode::OK {
        let advice = "check that the subject token has not expired, and that the pool in audience \
                      has a provider which trusts its issuer, audience and attributes";
        return Err(endpoint.refusal(&answer, &PASSING, advice));
    }
    let without = || endpoint.without("an access_token and its expires_in");
    let found = AccessToken::of_answer(&answer.body, now).ok_or_else(without)?;
    match target {
        Some(target) => target.token(&found.value, tls).await,
        None => {
            let end = found.expires_at.ok_or_else(without)?;
            Ok(AccountToken { access: found.value, end, email: None })
        }
    }
}

/// The header of a client that the exchange is for, if there is one (RFC 7617).
fn login(file: &CredentialFile<'_>) -> Result<Option<Zeroizing<String>>> {
    match (file.optional("client_id"), file.optional("client_secret")) {
        (Some(id), Some(secret)) => Ok(Some(basic(id, secret))),
        (None, None) => Ok(None),
        _ => Err(file.refuse(&"has one of client_id and client_secret: give both or none")),
    }
}
