//! One request of HTTP, bounded in size: to the endpoint of tokens, to those of AWS that give
//! credentials, and to the metadata services of other clouds.
//!
//! It is no client of HTTP: no redirect is followed, no proxy asked, and each request has a
//! connection of its own. The bound in time is the caller's.

use std::io;
#[cfg(feature = "tls")]
use std::sync::Arc;
use std::time::Instant;

#[cfg(feature = "oidc")]
use base64::Engine as _;
#[cfg(feature = "oidc")]
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::http::response::Parts;
use hyper::http::uri::Authority;
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use zeroize::{Zeroize, Zeroizing};

use super::connector::{Connector, Io, TcpConnector};
#[cfg(feature = "tls")]
use super::tls::Tls;
use crate::config::{BrokerAddress, SaslError};
use crate::error::Error;

/// The headers of an answer are far shorter (hyper's least is 8 KiB).
const LONGEST_HEADERS: usize = 64 * 1024;

/// Who is asked, over TCP or TLS.
pub(super) struct HttpPeer {
    address: BrokerAddress,
    #[cfg(feature = "tls")]
    tls: Option<Arc<Tls>>,
}

/// Why there is no stream to a peer.
pub(super) enum HttpFailure {
    Tcp(io::Error),
    /// Only with the feature `tls`.
    #[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "nothing fails that is not there"))]
    Tls(Error),
}

/// An answer of JSON, whose texts are overwritten when it is dropped; null if it is none.
pub(super) struct WipedJson(pub(super) Value);

impl HttpPeer {
    /// A peer in clear, at the port of `https` or of `http` if the authority names none.
    pub(super) fn new(authority: &Authority, is_https: bool) -> Self {
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let port = authority.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        Self {
            address: BrokerAddress::new(host, port),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Speaks TLS with it.
    #[cfg(feature = "tls")]
    pub(super) fn with_tls(mut self, tls: Arc<Tls>) -> Self {
        self.tls = Some(tls);
        self
    }

    pub(super) fn address(&self) -> &BrokerAddress {
        &self.address
    }

    /// Opens a stream. The deadline is that of TCP; the caller bounds the whole.
    pub(super) async fn connect(&self, deadline: Instant) -> Result<Box<dyn Io>, HttpFailure> {
        let tcp = TcpConnector::new();
        let io = tcp.connect(&self.address, deadline).await.map_err(HttpFailure::Tcp)?;
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return tls.handshake(io, self.address.host()).await.map_err(HttpFailure::Tls);
        }
        Ok(io)
    }
}

impl WipedJson {
    pub(super) fn parse(text: &[u8]) -> Self {
        Self(serde_json::from_slice(text).unwrap_or(Value::Null))
    }
}

impl Drop for WipedJson {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// As deep as serde_json parses, which is 128 levels.
fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(values) => values.iter_mut().for_each(wipe),
        Value::Object(values) => values.values_mut().for_each(wipe),
        _ => {}
    }
}

/// Sends a request and takes the whole answer, of at most `longest` bytes.
///
/// # Errors
/// Why there is no answer.
pub(super) async fn exchange(
    io: Box<dyn Io>,
    request: Request<Full<Bytes>>,
    longest: usize,
) -> Result<(StatusCode, Zeroizing<Vec<u8>>), SaslError> {
    let (head, body) = exchange_with_head(io, request, longest).await?;
    Ok((head.status, body))
}

/// As [`exchange`], with the headers of the answer.
///
/// # Errors
/// Why there is no answer.
pub(super) async fn exchange_with_head(
    io: Box<dyn Io>,
    request: Request<Full<Bytes>>,
    longest: usize,
) -> Result<(Parts, Zeroizing<Vec<u8>>), SaslError> {
    let mut http = hyper::client::conn::http1::Builder::new();
    let (mut sender, connection) =
        http.max_buf_size(LONGEST_HEADERS).handshake(TokioIo::new(io)).await?;
    let answered = async {
        let (head, body) = sender.send_request(request).await?.into_parts();
        Ok((head, read(body, longest).await?))
    };
    // The connection moves the bytes; when it ends first, the sender says why.
    tokio::pin!(answered, connection);
    tokio::select! {
        biased;
        answer = &mut answered => answer,
        _ = &mut connection => answered.await,
    }
}

/// A whole body. Each piece is copied: it holds on to a buffer, which may be thousands of times as
/// large.
async fn read(mut body: Incoming, longest: usize) -> Result<Zeroizing<Vec<u8>>, SaslError> {
    // As long as it can become, so that no copy of a secret is left behind by growing.
    let mut whole = Zeroizing::new(Vec::with_capacity(longest));
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame?.into_data() else { continue };
        if whole.len() + piece.len() > longest {
            return Err(format!("its answer has more than {longest} bytes").into());
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole)
}

/// The path of a URL, with its query.
pub(super) fn path(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", |path| path.as_str())
}

/// The header of a user and a password (RFC 7617).
#[cfg(feature = "oidc")]
pub(super) fn basic(user: &str, password: &str) -> Zeroizing<String> {
    let pair = Zeroizing::new(format!("{user}:{password}"));
    let pair = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
    Zeroizing::new(format!("Basic {}", pair.as_str()))
}

/// As `application/x-www-form-urlencoded` has it.
pub(super) fn url_encoded(text: &str) -> String {
    // Room for all of it: what is encoded may be a secret, of which growing would leave copies.
    let mut encoded = String::with_capacity(3 * text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => {
                encoded.push(char::from(byte))
            }
            b' ' => encoded.push('+'),
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_of_an_answer_is_overwritten_however_deep() {
        let mut json = WipedJson::parse(br#"{"a":{"b":["hunter2"]},"c":"hunter2","d":1}"#);
        wipe(&mut json.0);
        assert_eq!(json.0.to_string(), r#"{"a":{"b":[""]},"c":"","d":1}"#);
    }

    #[test]
    fn the_port_is_that_of_the_scheme_unless_there_is_one() {
        for (authority, is_https, port) in
            [("h", true, 443), ("h", false, 80), ("h:8080", true, 8080), ("[::1]:9", false, 9)]
        {
            let authority: Authority = authority.parse().expect("an authority");
            assert_eq!(HttpPeer::new(&authority, is_https).address().port(), port);
        }
    }
}
