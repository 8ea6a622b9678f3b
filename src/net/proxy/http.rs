//! The method CONNECT of HTTP (RFC 9110, section 9.3.6), with Basic credentials (RFC 7617).

use std::io;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use zeroize::Zeroizing;

use super::Proxy;
use crate::boxed::BoxFuture;
use crate::config::{BrokerAddress, Secret};
use crate::net::connector::{Connector, Io};
use crate::shown::shown;

/// No proxy says more before the tunnel begins.
const LONGEST_ANSWER: usize = 16 * 1024;

/// Connects to brokers through an HTTP proxy by its method CONNECT. Requires the feature `proxy`.
///
/// ```
/// use kavka::{BrokerAddress, ClientConfig, HttpProxy};
///
/// let proxy = HttpProxy::new(BrokerAddress::new("proxy.example.com", 3128));
/// let config = ClientConfig::new("broker.example.com:9092").connector(proxy);
/// ```
#[derive(Clone, Debug)]
pub struct HttpProxy(Proxy);

impl HttpProxy {
    /// A proxy at an address, which is reached over TCP and wants no credentials.
    pub fn new(address: BrokerAddress) -> Self {
        Self(Proxy::at(address))
    }

    /// Sets the user's name and password (Basic). They go to the proxy in clear.
    #[must_use]
    pub fn credentials(mut self, user: impl Into<String>, password: impl Into<Secret>) -> Self {
        self.0.credentials = Some((user.into(), password.into()));
        self
    }

    /// Sets how the proxy itself is reached, such as through another one.
    #[must_use]
    pub fn over(mut self, connector: impl Connector) -> Self {
        self.0.way = std::sync::Arc::new(connector);
        self
    }

    /// What asks for a tunnel.
    fn request(&self, address: &BrokerAddress) -> Zeroizing<String> {
        let mut request =
            Zeroizing::new(format!("CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n"));
        if let Some((user, password)) = &self.0.credentials {
            let pair = Zeroizing::new(format!("{user}:{}", password.expose()));
            let pair = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
            request.push_str(&format!("Proxy-Authorization: Basic {}\r\n", *pair));
        }
        request.push_str("\r\n");
        request
    }

    async fn open(&self, stream: &mut Box<dyn Io>, address: &BrokerAddress) -> io::Result<()> {
        stream.write_all(self.request(address).as_bytes()).await?;
        stream.flush().await?;
        let answer = self.answer(stream).await?;
        let line = answer.lines().next().unwrap_or_default();
        let mut words = line.splitn(2, ' ');
        let is_http = words.next().is_some_and(|version| version.starts_with("HTTP/1."));
        match words.next().and_then(|status| status.get(..3)) {
            Some(status) if is_http && status.starts_with('2') => Ok(()),
            _ => Err(self.0.refused(format_args!("no way to {address}: {:?}", shown(line)))),
        }
    }

    /// All up to the empty line, and nothing of what the broker says after it.
    async fn answer(&self, stream: &mut Box<dyn Io>) -> io::Result<String> {
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            if answer.len() >= LONGEST_ANSWER {
                return Err(self.0.refused("its answer does not end"));
            }
            answer.push(stream.read_u8().await?);
        }
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

impl Connector for HttpProxy {
    fn connect<'a>(
        &'a self,
        address: &'a BrokerAddress,
        deadline: Instant,
    ) -> BoxFuture<'a, io::Result<Box<dyn Io>>> {
        Box::pin(async move {
            let mut stream = self.0.reach(deadline).await?;
            self.0.within(deadline, self.open(&mut stream, address)).await?;
            Ok(stream)
        })
    }
}
