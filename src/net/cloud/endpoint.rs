//! One service of a cloud: a URL, a limit, one request at a time. Those of the machine itself are
//! asked in clear, as nothing leaves its network.

use std::fmt::Display;
#[cfg(feature = "tls")]
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::http::response::Parts;
use hyper::{Method, Request, Uri};
use serde_json::Value;
use zeroize::Zeroizing;

use super::super::endpoint::HttpEndpoint;
use super::super::http::{self, HttpFailure, WipedJson};
#[cfg(feature = "tls")]
use super::super::tls::Tls;
#[cfg(feature = "tls")]
use crate::config::TlsConfig;
use crate::config::{Secret, Token};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::Timestamp;
use crate::runtime;
use crate::shown::shown;

/// For all that one token takes. The services are on the machine's own network, and where there is
/// none that has to be found out within the time for setting up a connection (a guess).
pub(super) const LIMIT: Duration = Duration::from_secs(5);

/// Codes after which another attempt may succeed: while a service starts, or is asked too often.
pub(super) const PASSING: [u16; 3] = [408, 425, 429];

/// What a form is announced by.
#[cfg(feature = "tls")]
pub(super) const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// Tokens have a few kilobytes (a guess, with much room).
const LONGEST_ANSWER: usize = 128 * 1024;

/// Who is asked for tokens.
pub(super) struct CloudEndpoint {
    http: HttpEndpoint,
    /// What there is to say if nobody answers.
    hint: &'static str,
}

/// What it says.
pub(super) struct CloudAnswer {
    pub(super) head: Parts,
    pub(super) body: Zeroizing<Vec<u8>>,
}

/// A token as a service gives it.
pub(super) struct AccessToken {
    pub(super) value: Secret,
    pub(super) expires_at: Option<Timestamp>,
}

impl CloudEndpoint {
    /// A service of the machine.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the URL is none of `http`; its text is not shown.
    pub(super) fn of_machine(what: &'static str, url: &str) -> Result<Self> {
        let http = HttpEndpoint::parse(what, url).filter(|http| !http.is_https());
        let hint = "; it is there only on the cloud's own machines";
        http.map(|http| Self { http, hint }).ok_or_else(|| {
            Error::config(format!("{what}: its URL is none: http://host/path is allowed"))
        })
    }

    /// A service on the internet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the URL is none of `https`, or of `http` on this machine, or there is
    /// no TLS for it; its text is not shown.
    #[cfg(feature = "tls")]
    pub(super) fn of_internet(what: &'static str, url: &str, tls: &TlsConfig) -> Result<Self> {
        let http = HttpEndpoint::parse(what, url).filter(HttpEndpoint::is_private);
        let http = http.ok_or_else(|| {
            Error::config(format!("{what}: its URL is none: https://host/path is allowed"))
        })?;
        let http = match http.is_https() {
            true => http.with_tls(Arc::new(Tls::new(tls.clone())?)),
            false => http,
        };
        Ok(Self { http, hint: "" })
    }

    pub(super) fn uri(&self) -> &Uri {
        self.http.uri()
    }

    /// Does all that a token takes, within the limit.
    ///
    /// # Errors
    /// [`ErrorKind::Connect`] if it takes longer, and those of the work.
    pub(super) async fn in_time<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        match tokio::time::timeout(LIMIT, work).await {
            Ok(done) => done,
            Err(_) => Err(self.silent(&format_args!("no answer in {LIMIT:?}"))),
        }
    }

    /// Asks for a path with its query.
    ///
    /// # Errors
    /// [`ErrorKind::Connect`] if there is no answer; [`ErrorKind::Config`] if it is no path.
    pub(super) async fn get(&self, path: &str, header: (&str, &str)) -> Result<CloudAnswer> {
        let accept = "application/json, text/plain";
        let request = self.http.request(Method::GET, path, accept, &[header], Zeroizing::default());
        self.exchange(request).await
    }

    /// Asks for what is at the URL itself.
    ///
    /// # Errors
    /// Those of [`Self::get`].
    #[cfg(feature = "tls")]
    pub(super) async fn get_with(&self, headers: &[(&str, &str)]) -> Result<CloudAnswer> {
        let path = http::path(self.uri());
        let accept = "application/json, text/plain";
        self.exchange(self.http.request(Method::GET, path, accept, headers, Zeroizing::default()))
            .await
    }

    /// Posts a body to the URL itself.
    ///
    /// # Errors
    /// Those of [`Self::get`].
    #[cfg(feature = "tls")]
    pub(super) async fn post(
        &self,
        headers: &[(&str, &str)],
        body: Zeroizing<String>,
    ) -> Result<CloudAnswer> {
        let path = http::path(self.uri());
        let request = self.http.request(Method::POST, path, "application/json", headers, body);
        self.exchange(request).await
    }

    /// Sends a request, if it could be written.
    ///
    /// # Errors
    /// Those of [`Self::get`].
    async fn exchange(&self, request: Option<Request<Full<Bytes>>>) -> Result<CloudAnswer> {
        let request = request.ok_or_else(|| {
            Error::config(format!(
                "{} cannot be asked: its path or query is odd: URL-encode it",
                self.http.shown()
            ))
        })?;
        let io = self.http.peer.connect(runtime::now() + LIMIT).await;
        let io = io.map_err(|failure| match failure {
            HttpFailure::Tcp(error) => self.silent(&error),
            HttpFailure::Tls(error) => error.with_context(self.http.shown()),
        })?;
        let (head, body) = http::exchange_with_head(io, request, LONGEST_ANSWER)
            .await
            .map_err(|error| self.silent(&error))?;
        Ok(CloudAnswer { head, body })
    }

    /// The error of an answer that is none of the ones that are wanted; another attempt may succeed
    /// after the codes that are `passing`.
    pub(super) fn refusal(&self, answer: &CloudAnswer, passing: &[u16], advice: &str) -> Error {
        let status = answer.head.status;
        let message =
            format!("{} answers {}{}", self.http.shown(), status.as_u16(), said(&answer.body));
        match status.is_server_error() || passing.contains(&status.as_u16()) {
            true => Error::new(ErrorKind::Connect, message),
            false => Error::new(ErrorKind::Authentication, format!("{message}: {advice}")),
        }
    }

    /// The error of an answer that should hold something and does not.
    pub(super) fn without(&self, thing: &str) -> Error {
        let message = format!(
            "{} answers without {thing}: is it one? check its URL, and what listens there",
            self.http.shown()
        );
        Error::new(ErrorKind::Authentication, message)
    }

    fn silent(&self, why: &dyn Display) -> Error {
        let message = format!("{} did not answer: {why}{}", self.http.shown(), self.hint);
        Error::new(ErrorKind::Connect, message)
    }
}

impl From<AccessToken> for Token {
    fn from(found: AccessToken) -> Self {
        let mut token = Self::new(found.value);
        token.expires_at = found.expires_at;
        token
    }
}

impl AccessToken {
    /// The token in an answer of JSON to a request made `now`; `None` if there is none.
    pub(super) fn of_answer(body: &[u8], now: Timestamp) -> Option<Self> {
        let mut json = WipedJson::parse(body);
        let Value::String(value) = json.0.get_mut("access_token")?.take() else { return None };
        let value = Secret::new(value);
        let millis = |name: &str| Some(whole(json.0.get(name)?)?.saturating_mul(1000));
        // What is relative does not depend on the clock here.
        let expires_at = millis("expires_in")
            .map(|left| now.0.saturating_add(left))
            .or_else(|| millis("expires_on"))
            .map(Timestamp);
        (!value.expose().is_empty()).then_some(Self { value, expires_at })
    }
}

/// A number, which Azure writes as a text.
fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// The words of a refusal (RFC 6749, section 5.2; Google's APIs have an object with `status` and
/// `message` as `error`), after a blank, as far as they can be shown.
fn said(body: &[u8]) -> String {
    let json = WipedJson::parse(body);
    let error = json.0.get("error").unwrap_or(&Value::Null);
    let (of, code, description) = match error {
        Value::Object(_) => (error, "status", "message"),
        _ => (&json.0, "error", "error_description"),
    };
    let word = |name: &str| {
        let text = of.get(name).and_then(Value::as_str).unwrap_or("");
        // What a token begins with: an object of JSON, or Google's mark.
        if text.contains("eyJ") || text.contains("ya29.") { "" } else { text }
    };
    match (word(code), word(description)) {
        ("", "") => String::new(),
        (error, "") => format!(" {}", shown(error).within(80)),
        (error, description) => format!(" {} ({})", shown(error).within(80), shown(description)),
    }
}
