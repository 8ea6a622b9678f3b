//! Service accounts of Google Cloud by a key in a file: a JWT that the key signs is the grant for an
//! access token (RFC 7523), as `oidc/` has it.

use super::super::super::endpoint::HttpEndpoint;
use super::super::super::oidc::Oidc;
use super::super::endpoint::LIMIT;
use super::super::google::SCOPE;
use super::{AccountToken, CredentialFile};
use crate::config::{AssertionAlgorithm, AssertionSigner, OidcConfig, Secret, TlsConfig};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::Timestamp;

/// # Errors
/// [`ErrorKind::Config`] if the file is no key of a service account; those of the endpoint of
/// tokens.
pub(super) async fn token(
    file: &CredentialFile<'_>,
    tls: &TlsConfig,
    now: Timestamp,
) -> Result<AccountToken> {
    let oidc = Oidc::new(grant(file, tls)?).map_err(in_google_s_words)?;
    let found = oidc.ask(now).await.map_err(in_google_s_words)?;
    let end = found.expires_at.ok_or_else(|| {
        let message = "the endpoint of tokens in token_uri gives no expires_in";
        Error::new(ErrorKind::Authentication, message)
    })?;
    let email = Some(file.text("client_email")?.to_owned());
    Ok(AccountToken { access: found.value, end, email })
}

/// What is told of settings of OAUTHBEARER, told of what stands for them.
fn in_google_s_words(error: Error) -> Error {
    let names = [
        ("sasl.oauthbearer.assertion.private.key.pem", "private_key"),
        ("sasl.oauthbearer.assertion.algorithm", "Google's algorithm"),
        ("sasl.oauthbearer.token.endpoint.url", "token_uri"),
        ("sasl.login.connect.timeout.ms", "the longest wait"),
        ("sasl.login.read.timeout.ms", "the longest wait"),
        ("https.ca.location", "GoogleCredentials::tls"),
    ];
    names.into_iter().fold(error, |error, (name, googles)| error.renamed(name, googles))
}

fn grant(file: &CredentialFile<'_>, tls: &TlsConfig) -> Result<OidcConfig> {
    let (url, email) = (file.text("token_uri")?, file.text("client_email")?);
    // Who reads the JWT on its way can have a token for it.
    let endpoint = HttpEndpoint::parse("Google's endpoint of tokens", url);
    if !endpoint.is_some_and(|endpoint| endpoint.is_private()) {
        return Err(file.refuse(&"has a token_uri that is no URL: https://host/path is allowed"));
    }
    let key = Secret::from(file.text("private_key")?);
    let signer = AssertionSigner::key_pem(AssertionAlgorithm::Rs256, key);
    let mut signer = signer.issuer(email).subject(email).audience(url);
    signer.scope = Some(SCOPE.to_owned());
    let mut config = OidcConfig::jwt_bearer(url, signer);
    config.advice =
        Some("check that the key is still one of the service account's, and this machine's clock");
    Ok(config.tls(tls.clone()).connect_timeout(LIMIT).read_timeout(LIMIT))
}
