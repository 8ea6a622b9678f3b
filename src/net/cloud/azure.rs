//! Managed identities of Azure, by the Instance Metadata Service of a virtual machine.

use hyper::StatusCode;

use super::endpoint::{AccessToken, CloudEndpoint};
use crate::boxed::BoxFuture;
use crate::config::{AzureImds, SaslError, Token, TokenSource};
use crate::error::Result;
use crate::ids::Timestamp;

const WHAT: &str = "Azure's metadata service";

/// Proves that no web page or proxy was talked into asking.
const HEADER: (&str, &str) = ("metadata", "true");

/// What Azure's documentation says to ask again after: while the service is being updated, or is
/// asked too often.
const PASSING: [u16; 5] = [404, 408, 410, 425, 429];

impl TokenSource for AzureImds {
    fn token(&self, now: Timestamp) -> BoxFuture<'_, Result<Token, SaslError>> {
        Box::pin(async move { Ok(fetch(self, now).await?) })
    }
}

/// # Errors
/// Those of [`AzureImds`].
pub(super) async fn fetch(imds: &AzureImds, now: Timestamp) -> Result<Token> {
    let endpoint = CloudEndpoint::of_machine(WHAT, imds.endpoint.0.expose())?;
    let path = path(&endpoint, imds.query.expose());
    let answer = endpoint.in_time(endpoint.get(&path, HEADER)).await?;
    if answer.head.status != StatusCode::OK {
        let advice = "give this machine a managed identity, and check the query's api-version, \
                      resource and client_id (sasl.oauthbearer.config)";
        return Err(endpoint.refusal(&answer, &PASSING, advice));
    }
    let found = AccessToken::of_answer(&answer.body, now)
        .ok_or_else(|| endpoint.without("an access_token"))?;
    let mut token = Token::from(found);
    token.extensions.clone_from(&imds.extensions);
    Ok(token)
}

/// The path of the endpoint with its own query, if it has one, and this.
fn path(endpoint: &CloudEndpoint, query: &str) -> String {
    let parts = [endpoint.uri().query().unwrap_or(""), query.trim_start_matches('?')];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    format!("{}?{}", endpoint.uri().path(), parts.join("&"))
}
