//! A URL that credentials or tokens are asked of, and how it is named in errors.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, HOST, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Uri};
use zeroize::Zeroizing;

use super::http::HttpPeer;
use crate::shown::shown;

/// See the [module](self).
pub(super) struct HttpEndpoint {
    what: &'static str,
    uri: Uri,
    pub(super) peer: HttpPeer,
}

impl HttpEndpoint {
    /// An endpoint in clear, whatever its scheme; `None` if the URL is none of http or https, or has a
    /// user in it.
    pub(super) fn parse(what: &'static str, url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let is_https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return None,
        };
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
        let peer = HttpPeer::new(authority, is_https);
        Some(Self { what, uri, peer })
    }

    /// Speaks TLS with it.
    #[cfg(feature = "tls")]
    pub(super) fn with_tls(self, tls: std::sync::Arc<super::tls::Tls>) -> Self {
        Self { peer: self.peer.with_tls(tls), ..self }
    }

    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    pub(super) fn is_https(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }

    /// Whether nobody else hears what is said: over TLS, or on this machine.
    #[cfg(feature = "tls")]
    pub(super) fn is_private(&self) -> bool {
        let host = self.peer.address().host();
        self.is_https()
            || host == "localhost"
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// The authority of the URL, as `host` has it.
    pub(super) fn host(&self) -> &str {
        self.uri.authority().map_or("", |authority| authority.as_str())
    }

    /// Without path and query, which may hold a secret.
    pub(super) fn shown(&self) -> String {
        let scheme = self.uri.scheme_str().unwrap_or("http");
        format!("{} at {scheme}://{}", self.what, shown(self.host()))
    }

    /// A request for a path with its query; `None` if that, or a header, cannot be written.
    pub(super) fn request(
        &self,
        method: Method,
        path: &str,
        accept: &'static str,
        headers: &[(&str, &str)],
        body: Zeroizing<String>,
    ) -> Option<Request<Full<Bytes>>> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.host())
            .header(ACCEPT, accept)
            .header(USER_AGENT, concat!("kavka/", env!("CARGO_PKG_VERSION")));
        for (name, value) in headers {
            let mut value = HeaderValue::from_str(value).ok()?;
            value.set_sensitive(true);
            request = request.header(*name, value);
        }
        // Overwritten when hyper drops it.
        request.body(Full::new(Bytes::from_owner(body))).ok()
    }
}
