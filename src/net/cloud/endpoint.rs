//! One metadata service: a URL, a limit, one request at a time, in clear as it never leaves the
//! machine's network.

use std::fmt::Display;
use std::time::Duration;

use hyper::http::response::Parts;
use hyper::{Method, Uri};
use serde_json::Value;
use zeroize::Zeroizing;

use super::super::endpoint::HttpEndpoint;
use super::super::http::{self, HttpFailure, WipedJson};
use crate::config::Secret;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::Timestamp;
use crate::runtime;
use crate::shown::shown;

/// For all that one token takes. The services are on the machine's own network, and where there is
/// none that has to be found out within the time for setting up a connection (a guess).
pub(super) const LIMIT: Duration = Duration::from_secs(5);

/// Tokens have a few kilobytes (a guess, with much room).
const LONGEST_ANSWER: usize = 128 * 1024;

/// Who is asked for tokens.
pub(super) struct MetadataEndpoint(HttpEndpoint);

/// What it says.
pub(super) struct MetadataAnswer {
    pub(super) head: Parts,
    pub(super) body: Zeroizing<Vec<u8>>,
}

/// A token as a metadata service gives it.
pub(super) struct AccessToken {
    pub(super) value: Secret,
    pub(super) expires_at: Option<Timestamp>,
}

impl MetadataEndpoint {
    /// # Errors
    /// [`ErrorKind::Config`] if the URL is none of `http`; its text is not shown.
    pub(super) fn new(what: &'static str, url: &str) -> Result<Self> {
        let endpoint = HttpEndpoint::parse(what, url).filter(|endpoint| !endpoint.is_https());
        endpoint.map(Self).ok_or_else(|| {
            Error::config(format!("{what}: its URL is none: http://host/path is allowed"))
        })
    }

    pub(super) fn uri(&self) -> &Uri {
        self.0.uri()
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
    pub(super) async fn get(
        &self,
        path: &str,
        header: (&'static str, &str),
    ) -> Result<MetadataAnswer> {
        let accept = "application/json, text/plain";
        let request = self.0.request(Method::GET, path, accept, &[header], Zeroizing::default());
        let request = request.ok_or_else(|| {
            Error::config(format!(
                "{} cannot be asked: its path or query is odd: URL-encode it",
                self.0.shown()
            ))
        })?;
        let io = self.0.peer.connect(runtime::now() + LIMIT).await;
        let io = io.map_err(|failure| match failure {
            HttpFailure::Tcp(error) => self.silent(&error),
            HttpFailure::Tls(error) => error,
        })?;
        let (head, body) = http::exchange_with_head(io, request, LONGEST_ANSWER)
            .await
            .map_err(|error| self.silent(&error))?;
        Ok(MetadataAnswer { head, body })
    }

    /// The error of an answer that is none of the ones that are wanted; another attempt may succeed
    /// after the codes that are `passing`.
    pub(super) fn refusal(&self, answer: &MetadataAnswer, passing: &[u16], advice: &str) -> Error {
        let status = answer.head.status;
        let message =
            format!("{} answers {}{}", self.0.shown(), status.as_u16(), said(&answer.body));
        match status.is_server_error() || passing.contains(&status.as_u16()) {
            true => Error::new(ErrorKind::Connect, message),
            false => Error::new(ErrorKind::Authentication, format!("{message}: {advice}")),
        }
    }

    /// The error of an answer that should hold something and does not.
    pub(super) fn without(&self, thing: &str) -> Error {
        let message = format!(
            "{} answers without {thing}: is it one? check its URL, and what listens there",
            self.0.shown()
        );
        Error::new(ErrorKind::Authentication, message)
    }

    fn silent(&self, why: &dyn Display) -> Error {
        let message = format!(
            "{} did not answer: {why}; it is there only on the cloud's own machines",
            self.0.shown()
        );
        Error::new(ErrorKind::Connect, message)
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

/// The words of a refusal (RFC 6749, section 5.2), after a blank, as far as they can be shown.
fn said(body: &[u8]) -> String {
    let json = WipedJson::parse(body);
    let word = |name: &str| {
        let text = json.0.get(name).and_then(Value::as_str).unwrap_or("");
        // What a token begins with: an object of JSON, or Google's mark.
        if text.contains("eyJ") || text.contains("ya29.") { "" } else { text }
    };
    match (word("error"), word("error_description")) {
        ("", "") => String::new(),
        (error, "") => format!(" {}", shown(error).within(80)),
        (error, description) => format!(" {} ({})", shown(error).within(80), shown(description)),
    }
}
