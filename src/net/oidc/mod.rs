//! Tokens from an HTTP endpoint for an id and a secret, the client-credentials flow of OAuth 2 (RFC
//! 6749, section 4.4; KIP-768), or for a signed assertion (RFC 7523; KIP-1139).

mod assertion;

use std::fmt;
#[cfg(feature = "tls")]
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Request, StatusCode, Uri};
use serde_json::Value;
use tracing::{debug, warn};
use zeroize::Zeroizing;

use self::assertion::assertion;
use super::connector::Io;
use super::http::{self, HttpFailure, HttpPeer, WipedJson, url_encoded};
#[cfg(feature = "tls")]
use super::tls::Tls;
use crate::boxed::BoxFuture;
use crate::config::{Assertion, Grant, OidcConfig, SaslError, Secret, Token, TokenSource};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::Timestamp;
use crate::runtime;
use crate::shown::shown;

/// An answer with a token is far shorter.
const LONGEST_ANSWER: usize = 256 * 1024;

/// An endpoint as one client asks it.
pub(super) struct Oidc {
    config: OidcConfig,
    peer: HttpPeer,
    uri: Uri,
}

impl fmt::Debug for Oidc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oidc").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Whether another attempt may succeed.
enum TokenFailure {
    Passing(Error),
    Lasting(Error),
}

impl Oidc {
    /// # Errors
    /// [`ErrorKind::Config`] if the URL is none, or there is no TLS for it, or no assertion can be
    /// made.
    pub(super) fn new(config: OidcConfig) -> Result<Self> {
        let url = "sasl.oauthbearer.token.endpoint.url";
        let refuse = || {
            Error::config(format!(
                "{url} is no URL: https://host/path or http://host/path is allowed"
            ))
        };
        let uri: Uri = config.token_endpoint_url.0.expose().parse().map_err(|_| refuse())?;
        let is_https = uri.scheme_str() == Some("https");
        let authority = uri.authority().ok_or_else(refuse)?;
        // A password with a slash in it ends what a parser takes for the authority.
        if config.token_endpoint_url.0.expose().contains('@') {
            return Err(Error::config(format!(
                "{url} has a user in it: client id and secret have properties of their own; a @ \
                 in the path or the query is written %40"
            )));
        }
        if let Grant::ClientAssertion { assertion: origin, .. } | Grant::JwtBearer(origin) =
            &config.grant
        {
            // Said now, and not at the first token.
            assertion(origin, &config.tls, Timestamp(0))?;
        }
        if !is_https {
            warn!(
                endpoint = %shown(authority.as_str()),
                "credentials and tokens go out in clear, and everybody on the way can read them: \
                 give sasl.oauthbearer.token.endpoint.url as https"
            );
        }
        let peer = HttpPeer::new(authority, is_https);
        #[cfg(feature = "tls")]
        let peer = match is_https {
            true => peer.with_tls(Arc::new(Tls::new(config.tls.clone())?)),
            false => peer,
        };
        Ok(Self { config, peer, uri })
    }

    /// Asks until there is an answer, for as long as `sasl.login.retry.backoff.max.ms`, as Java's
    /// `Retry` does.
    ///
    /// # Errors
    /// [`ErrorKind::Connect`] if another attempt may succeed; else [`ErrorKind::Authentication`], or
    /// [`ErrorKind::Config`] if it cannot be asked, or no assertion can be made.
    pub(super) async fn ask(&self, now: Timestamp) -> Result<Token> {
        let begin = runtime::now();
        let end = begin + self.config.retry_backoff_max;
        let mut pause = self.config.retry_backoff.max(Duration::from_millis(1));
        loop {
            let passed = i64::try_from((runtime::now() - begin).as_millis()).unwrap_or(i64::MAX);
            match self.ask_once(now, Timestamp(now.0.saturating_add(passed))).await {
                Ok(token) => return Ok(token),
                Err(TokenFailure::Passing(error)) if runtime::now() + pause < end => {
                    debug!(%error, "no token yet");
                    runtime::sleep_until(runtime::now() + pause).await;
                    pause *= 2;
                }
                Err(failure) => return Err(failure.into()),
            }
        }
    }

    /// Counts the token's time from the first attempt on, and the assertion's from this.
    async fn ask_once(&self, first: Timestamp, now: Timestamp) -> Result<Token, TokenFailure> {
        let endpoint = self.endpoint();
        let late = |what: &str, property: &str, limit: Duration| {
            let message =
                format!("the token endpoint {endpoint} did not {what} in {limit:?} ({property})");
            TokenFailure::Passing(Error::new(ErrorKind::Connect, message))
        };
        let limit = self.config.connect_timeout;
        let io = tokio::time::timeout(limit, self.connect(limit)).await;
        let io =
            io.map_err(|_| late("take a connection", "sasl.login.connect.timeout.ms", limit))??;
        let limit = self.config.read_timeout;
        let answer = tokio::time::timeout(limit, self.exchange(io, now)).await;
        let (status, body) =
            answer.map_err(|_| late("answer", "sasl.login.read.timeout.ms", limit))??;
        let mut body = WipedJson::parse(&body);
        if status != StatusCode::OK {
            return Err(self.refusal(status, &body.0));
        }
        self.token(&mut body.0, first).ok_or_else(|| {
            let message = format!(
                "the token endpoint {endpoint} answered without an access_token: is it one?"
            );
            TokenFailure::Lasting(Error::new(ErrorKind::Authentication, message))
        })
    }

    async fn connect(&self, limit: Duration) -> Result<Box<dyn Io>, TokenFailure> {
        self.peer.connect(runtime::now() + limit).await.map_err(|failure| match failure {
            HttpFailure::Tcp(error) => {
                let message =
                    format!("cannot connect to the token endpoint {}: {error}", self.endpoint());
                TokenFailure::Passing(Error::new(ErrorKind::Connect, message))
            }
            HttpFailure::Tls(error) => {
                let error = error.with_context(format_args!(
                    "the token endpoint {} (https.ca.location is its trust)",
                    self.endpoint()
                ));
                match error.is_retriable() {
                    true => TokenFailure::Passing(error),
                    false => TokenFailure::Lasting(error),
                }
            }
        })
    }

    async fn exchange(
        &self,
        io: Box<dyn Io>,
        now: Timestamp,
    ) -> Result<(StatusCode, Zeroizing<Vec<u8>>), TokenFailure> {
        let request = self.request(now)?;
        http::exchange(io, request, LONGEST_ANSWER).await.map_err(|error| {
            let message = format!("the token endpoint {} did not answer: {error}", self.endpoint());
            TokenFailure::Passing(Error::new(ErrorKind::Connect, message))
        })
    }

    fn request(&self, now: Timestamp) -> Result<Request<Full<Bytes>>, TokenFailure> {
        let impossible = || {
            TokenFailure::Lasting(Error::config(
                "the token endpoint cannot be asked: its URL or the client id is odd",
            ))
        };
        let mut request = Request::post(http::path(&self.uri))
            .header(HOST, self.uri.authority().map_or("", |authority| authority.as_str()))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json");
        if let Grant::ClientSecret { id, secret } = &self.config.grant
            && !self.config.is_secret_in_form
        {
            let mut basic = HeaderValue::from_str(&self.basic(id, secret.expose()))
                .map_err(|_| impossible())?;
            basic.set_sensitive(true);
            request = request.header(AUTHORIZATION, basic);
        }
        // Overwritten when hyper drops it.
        let form = Bytes::from_owner(self.form(now).map_err(TokenFailure::Lasting)?);
        request.body(Full::new(form)).map_err(|_| impossible())
    }

    fn basic(&self, id: &str, secret: &str) -> Zeroizing<String> {
        match self.config.url_encodes_header {
            true => http::basic(&url_encoded(id), &Zeroizing::new(url_encoded(secret))),
            false => http::basic(id, secret),
        }
    }

    /// The parameters, in the order of Java's request formatters.
    fn form(&self, now: Timestamp) -> Result<Zeroizing<String>> {
        let scope = self
            .config
            .scope
            .as_ref()
            .map(|scope| format!("&scope={}", url_encoded(scope)))
            .unwrap_or_default();
        let tls = &self.config.tls;
        Ok(Zeroizing::new(match &self.config.grant {
            Grant::ClientSecret { id, secret } if self.config.is_secret_in_form => format!(
                "grant_type=client_credentials&client_id={}&client_secret={}{scope}",
                url_encoded(id),
                Zeroizing::new(url_encoded(secret.expose())).as_str()
            ),
            Grant::ClientSecret { .. } => format!("grant_type=client_credentials{scope}"),
            Grant::ClientAssertion { id, assertion: origin } => {
                let id = id
                    .as_ref()
                    .map(|id| format!("&client_id={}", url_encoded(id)))
                    .unwrap_or_default();
                let kind = url_encoded("urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
                // It needs no encoding.
                let assertion = assertion(origin, tls, now)?;
                format!(
                    "client_assertion_type={kind}&client_assertion={}&grant_type=client_credentials{id}{scope}",
                    assertion.as_str()
                )
            }
            Grant::JwtBearer(origin) => {
                let kind = url_encoded("urn:ietf:params:oauth:grant-type:jwt-bearer");
                format!(
                    "grant_type={kind}&assertion={}{scope}",
                    assertion(origin, tls, now)?.as_str()
                )
            }
        }))
    }

    fn token(&self, body: &mut Value, now: Timestamp) -> Option<Token> {
        let Value::String(value) = body.get_mut("access_token")?.take() else { return None };
        let value = Secret::new(value);
        // What the endpoint says is by its clock and relative, so that a wrong clock here does no
        // harm.
        let relative = body
            .get("expires_in")
            .and_then(Value::as_i64)
            .map(|seconds| now.0.saturating_add(seconds.saturating_mul(1000)));
        let expires_at = relative.or_else(|| expiry(value.expose()));
        let mut token = Token::new(value);
        token.expires_at = expires_at.map(Timestamp);
        token.extensions.clone_from(&self.config.extensions);
        Some(token)
    }

    fn refusal(&self, status: StatusCode, body: &Value) -> TokenFailure {
        let said = self.said(body);
        let (endpoint, code) = (self.endpoint(), status.as_u16());
        if status.is_server_error() || matches!(code, 408 | 425 | 429) {
            return TokenFailure::Passing(Error::new(
                ErrorKind::Connect,
                format!("the token endpoint {endpoint} answers {code} {said}"),
            ));
        }
        let advice = match (code, self.config.advice) {
            (400..=403, Some(advice)) => advice,
            (400..=403, None) => match &self.config.grant {
                Grant::ClientSecret { .. } => {
                    "check sasl.oauthbearer.client.credentials.client.id, \
                     sasl.oauthbearer.client.credentials.client.secret and sasl.oauthbearer.scope"
                }
                Grant::ClientAssertion { assertion: Assertion::File(_), .. }
                | Grant::JwtBearer(Assertion::File(_)) => {
                    "check the assertion in sasl.oauthbearer.assertion.file, which may have \
                     expired, and sasl.oauthbearer.scope"
                }
                _ => {
                    "check the private key and the claims of the assertion \
                     (sasl.oauthbearer.assertion.*), sasl.oauthbearer.scope and this machine's \
                     clock"
                }
            },
            _ => "check sasl.oauthbearer.token.endpoint.url",
        };
        let message = format!("the token endpoint {endpoint} answers {code} {said}: {advice}");
        TokenFailure::Lasting(Error::new(ErrorKind::Authentication, message))
    }

    /// The endpoint's own words (RFC 6749, section 5.2), as far as they can be shown.
    fn said(&self, body: &Value) -> String {
        let word = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or("");
        let (error, description) =
            (shown(word("error")).within(80).to_string(), word("error_description"));
        let is_secret = match &self.config.grant {
            Grant::ClientSecret { secret, .. } => description.contains(secret.expose()),
            // An endpoint that repeats the assertion repeats what it begins with: an object of
            // JSON.
            _ => description.contains("eyJ"),
        };
        match description.is_empty() || is_secret {
            true => error,
            false => format!("{error} ({})", shown(description)),
        }
    }

    /// Where it is, without the query, which may hold a secret.
    fn endpoint(&self) -> String {
        format!(
            "{}://{}{}",
            self.uri.scheme_str().unwrap_or("http"),
            self.peer.address(),
            self.uri.path()
        )
    }
}

impl TokenSource for Oidc {
    fn token(&self, now: Timestamp) -> BoxFuture<'_, Result<Token, SaslError>> {
        Box::pin(async move { Ok(self.ask(now).await?) })
    }
}

impl From<TokenFailure> for Error {
    fn from(failure: TokenFailure) -> Self {
        let (TokenFailure::Passing(error) | TokenFailure::Lasting(error)) = failure;
        error
    }
}

/// When a JWT expires, in milliseconds; `None` if it is none or does not say.
fn expiry(token: &str) -> Option<i64> {
    claims(token)?.get("exp")?.as_i64()?.checked_mul(1000)
}

/// What a JWT claims, whoever has signed it; `None` if it is none.
pub(super) fn claims(token: &str) -> Option<Value> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&claims).ok()
}

#[cfg(test)]
pub(super) mod tests;
