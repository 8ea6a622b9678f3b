//! One of AWS's endpoints of credentials: a URL, a limit, one request at a time.

use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use tracing::warn;
use zeroize::Zeroizing;

use super::super::endpoint::HttpEndpoint;
use super::super::http::{self, HttpFailure};
use super::surroundings::Surroundings;
use super::{answer, refused};
use crate::error::{Error, ErrorKind, Result};
use crate::runtime;
use crate::shown::shown;

/// Credentials with their session token have a few kilobytes (a guess, with much room).
const LONGEST_ANSWER: usize = 128 * 1024;

/// Who is asked for credentials.
pub(super) struct AwsEndpoint {
    http: HttpEndpoint,
    limit: Duration,
}

/// What it says.
pub(super) struct HttpAnswer {
    pub(super) status: StatusCode,
    pub(super) body: Zeroizing<Vec<u8>>,
}

/// What it is asked.
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    /// In place of the path of the URL.
    pub(super) path: Option<&'a str>,
    pub(super) headers: &'a [(&'static str, &'a str)],
    pub(super) body: Zeroizing<String>,
}

impl<'a> Ask<'a> {
    pub(super) fn get(headers: &'a [(&'static str, &'a str)]) -> Self {
        Self { method: Method::GET, path: None, headers, body: Zeroizing::default() }
    }
}

impl AwsEndpoint {
    /// # Errors
    /// If the URL is none, or there is no TLS for it.
    pub(super) fn new(
        what: &'static str,
        url: &str,
        limit: Duration,
        surroundings: &Surroundings,
    ) -> Result<Self> {
        let endpoint = HttpEndpoint::parse(what, url).ok_or_else(|| {
            refused(format!(
                "{what}: its URL is none: http://host/path or https://host/path is allowed"
            ))
        })?;
        let http = match endpoint.is_https() {
            true => endpoint.with_tls(surroundings.tls()?),
            false => endpoint,
        };
        Ok(Self { http, limit })
    }

    /// The authority of the URL, as `host` has it.
    pub(super) fn host(&self) -> &str {
        self.http.host()
    }

    /// Warns if it is asked in clear; the variable is what names its URL.
    pub(super) fn warn_if_clear(&self, variable: &str) {
        if !self.http.is_private() {
            warn!(
                endpoint = %shown(self.host()),
                "credentials of AWS come in clear, and everybody on the way can read them: give \
                 {variable} as https"
            );
        }
    }

    /// Sends one request, within the limit.
    ///
    /// # Errors
    /// [`ErrorKind::Connect`] if there is no answer; what TLS says of the peer.
    pub(super) async fn send(&self, ask: Ask<'_>) -> Result<HttpAnswer> {
        let request = self.request(ask)?;
        match tokio::time::timeout(self.limit, self.exchange(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(self.silent(&format_args!("no answer in {:?}", self.limit))),
        }
    }

    /// The error of an answer that is none of the ones that are wanted. `secrets` are not repeated.
    pub(super) fn refusal(&self, answer: &HttpAnswer, secrets: &[&str], advice: &str) -> Error {
        let said = answer::refusal(&answer.body, secrets);
        let (code, gap) = (answer.status.as_u16(), if said.is_empty() { "" } else { " " });
        let message = format!("{} answers {code}{gap}{said}", self.http.shown());
        match answer.status.is_server_error() || matches!(code, 408 | 425 | 429) {
            true => Error::new(ErrorKind::Connect, message),
            false => refused(format!("{message}: {advice}")),
        }
    }

    /// The error of an answer that should hold credentials and does not.
    pub(super) fn without_credentials(&self) -> Error {
        refused(format!("{} answers without credentials: is it one?", self.http.shown()))
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<HttpAnswer> {
        let io = self.http.peer.connect(runtime::now() + self.limit).await;
        let io = io.map_err(|failure| match failure {
            HttpFailure::Tcp(error) => self.silent(&error),
            HttpFailure::Tls(error) => error
                .with_context(format_args!("{} (AWS_CA_BUNDLE is its trust)", self.http.shown())),
        })?;
        let (status, body) = http::exchange(io, request, LONGEST_ANSWER)
            .await
            .map_err(|error| self.silent(&error))?;
        Ok(HttpAnswer { status, body })
    }

    fn request(&self, ask: Ask<'_>) -> Result<Request<Full<Bytes>>> {
        let Ask { method, path, headers, body } = ask;
        let own = http::path(self.http.uri());
        let path = path.unwrap_or(own);
        self.http.request(method, path, "application/json", headers, body).ok_or_else(|| {
            refused(format!("{} cannot be asked: its URL or a token is odd", self.http.shown()))
        })
    }

    fn silent(&self, why: &dyn std::fmt::Display) -> Error {
        Error::new(ErrorKind::Connect, format!("{} did not answer: {why}", self.http.shown()))
    }
}
