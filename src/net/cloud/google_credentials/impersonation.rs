//! A service account that other credentials may act as: its access token for theirs (Google's IAM
//! Service Account Credentials API, `generateAccessToken`).

use hyper::StatusCode;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::super::super::http::WipedJson;
use super::super::super::time;
use super::super::endpoint::{CloudEndpoint, PASSING};
use super::super::google::SCOPE;
use super::{AccountToken, CredentialFile};
use crate::config::{Secret, TlsConfig};
use crate::error::Result;

const WHAT: &str = "Google's IAM service";

const URL: &str = "service_account_impersonation_url";

const LIFETIME: &str = "token_lifetime_seconds";

/// What Google's libraries ask for.
const SECONDS: u64 = 3600;

/// Who is impersonated, and how.
pub(super) struct Impersonation<'a> {
    url: &'a str,
    email: &'a str,
    seconds: u64,
    delegates: Vec<&'a str>,
}

impl<'a> Impersonation<'a> {
    /// What a file of the type `external_account` says, if it says anything.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if that is not to be understood, as the token
    /// would be another's.
    pub(super) fn of_external_account(file: &CredentialFile<'a>) -> Result<Option<Self>> {
        if file.0.get(URL).is_none_or(Value::is_null) {
            return Ok(None);
        }
        let how = file.0.get("service_account_impersonation");
        let seconds = match how.and_then(|how| how.get(LIFETIME)) {
            None | Some(Value::Null) => SECONDS,
            Some(seconds) => seconds.as_u64().ok_or_else(|| {
                file.refuse(&format_args!("has a {LIFETIME} that is no number of seconds"))
            })?,
        };
        let (url, email) = target(file)?;
        Ok(Some(Self { url, email, seconds, delegates: Vec::new() }))
    }

    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if there is no URL, or nobody in it.
    pub(super) fn of_service_account(file: &CredentialFile<'a>) -> Result<Self> {
        let (url, email) = target(file)?;
        let delegates = file.0.get("delegates").and_then(Value::as_array);
        let delegates = delegates.into_iter().flatten().filter_map(Value::as_str).collect();
        Ok(Self { url, email, seconds: SECONDS, delegates })
    }

    /// # Errors
    /// Those of a service.
    pub(super) async fn token(&self, access: &Secret, tls: &TlsConfig) -> Result<AccountToken> {
        let endpoint = CloudEndpoint::of_internet(WHAT, self.url, tls)?;
        let bearer = Zeroizing::new(format!("Bearer {}", access.expose()));
        let mut body = json!({ "scope": [SCOPE], "lifetime": format!("{}s", self.seconds) });
        if !self.delegates.is_empty() {
            body["delegates"] = json!(self.delegates);
        }
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let sent = endpoint.post(&headers, Zeroizing::new(body.to_string()));
        let answer = endpoint.in_time(sent).await?;
        if answer.head.status != StatusCode::OK {
            let advice = "give these credentials the role roles/iam.serviceAccountTokenCreator, or \
                          roles/iam.workloadIdentityUser, for the service account in \
                          service_account_impersonation_url";
            return Err(endpoint.refusal(&answer, &PASSING, advice));
        }
        let json = WipedJson::parse(&answer.body);
        let text = |name: &str| json.0.get(name)?.as_str().filter(|text| !text.is_empty());
        let found = text("accessToken").zip(text("expireTime").and_then(time::parse));
        let (token, end) =
            found.ok_or_else(|| endpoint.without("an accessToken and its expireTime"))?;
        Ok(AccountToken { access: Secret::from(token), end, email: Some(self.email.to_owned()) })
    }
}

/// The URL, and whose tokens it gives: `…/serviceAccounts/EMAIL:generateAccessToken`.
fn target<'a>(file: &CredentialFile<'a>) -> Result<(&'a str, &'a str)> {
    let url = file.0.get(URL).and_then(Value::as_str);
    let url = url.ok_or_else(|| file.refuse(&format_args!("has no text {URL}")))?;
    let name = url.strip_suffix(":generateAccessToken").and_then(|url| url.rsplit('/').next());
    match name.filter(|name| !name.is_empty()) {
        Some(email) => Ok((url, email)),
        None => Err(file.refuse(&format_args!(
            "has a {URL} that names no service account: …/EMAIL:generateAccessToken is allowed"
        ))),
    }
}
