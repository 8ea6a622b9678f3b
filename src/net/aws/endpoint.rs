//! One of AWS's endpoints of credentials: a URL, a limit, one request at a time.

use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, HOST, HeaderValue, USER_AGENT};
use hyper::{Method, Request, StatusCode, Uri};
use zeroize::Zeroizing;

use super::super::http::{self, HttpFailure, HttpPeer};
use super::surroundings::Surroundings;
use super::{answer, refused};
use crate::error::{Error, ErrorKind, Result};
use crate::runtime;
use crate::shown::shown;

/// Credentials with their session token have a few kilobytes (a guess, with much room).
const LONGEST_ANSWER: usize = 128 * 1024;

/// Who is asked for credentials.
pub(super) struct AwsEndpoint {
    /// Its name in errors.
    what: &'static str,
    uri: Uri,
    peer: HttpPeer,
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
        let refuse = || {
            refused(format!(
                "{what}: its URL is none: http://host/path or https://host/path is allowed"
            ))
        };
        let uri: Uri = url.parse().map_err(|_| refuse())?;
        let is_https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(refuse()),
        };
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let peer = HttpPeer::new(authority.ok_or_else(refuse)?, is_https);
        let peer = if is_https { peer.with_tls(surroundings.tls()?) } else { peer };
        Ok(Self { what, uri, peer, limit })
    }

    /// The authority of the URL, as `host` has it.
    pub(super) fn host(&self) -> &str {
        self.uri.authority().map_or("", |authority| authority.as_str())
    }

    pub(super) fn is_https(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }

    /// Whether it is on this machine.
    pub(super) fn is_local(&self) -> bool {
        let host = self.peer.address().host();
        host == "localhost"
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// Sends one request, within the limit.
    ///
    /// # Errors
    /// [`ErrorKind::Connect`] if there is no answer; what [`HttpPeer::connect`] says of TLS.
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
        let message = format!("{} answers {code}{gap}{said}", self.shown());
        match answer.status.is_server_error() || matches!(code, 408 | 425 | 429) {
            true => Error::new(ErrorKind::Connect, message),
            false => refused(format!("{message}: {advice}")),
        }
    }

    /// The error of an answer that should hold credentials and does not.
    pub(super) fn without_credentials(&self) -> Error {
        refused(format!("{} answers without credentials: is it one?", self.shown()))
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<HttpAnswer> {
        let io = self.peer.connect(runtime::now() + self.limit).await;
        let io = io.map_err(|failure| match failure {
            HttpFailure::Tcp(error) => self.silent(&error),
            HttpFailure::Tls(error) => {
                error.with_context(format_args!("{} (AWS_CA_BUNDLE is its trust)", self.shown()))
            }
        })?;
        let (status, body) = http::exchange(io, request, LONGEST_ANSWER)
            .await
            .map_err(|error| self.silent(&error))?;
        Ok(HttpAnswer { status, body })
    }

    fn request(&self, ask: Ask<'_>) -> Result<Request<Full<Bytes>>> {
        let odd =
            || refused(format!("{} cannot be asked: its URL or a token is odd", self.shown()));
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::builder()
            .method(ask.method)
            .uri(ask.path.unwrap_or(path))
            .header(HOST, self.host())
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, concat!("kavka/", env!("CARGO_PKG_VERSION")));
        for (name, value) in ask.headers {
            let mut value = HeaderValue::from_str(value).map_err(|_| odd())?;
            value.set_sensitive(true);
            request = request.header(*name, value);
        }
        // Overwritten when hyper drops it.
        let body = Bytes::from_owner(ask.body);
        request.body(Full::new(body)).map_err(|_| odd())
    }

    fn silent(&self, why: &dyn std::fmt::Display) -> Error {
        Error::new(ErrorKind::Connect, format!("{} did not answer: {why}", self.shown()))
    }

    /// Without path and query, which may hold a secret.
    fn shown(&self) -> String {
        let scheme = self.uri.scheme_str().unwrap_or("http");
        format!("{} at {scheme}://{}", self.what, shown(self.host()))
    }
}
