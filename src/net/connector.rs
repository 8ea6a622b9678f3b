//! How a byte stream to a broker is opened: TCP, or whatever the user plugs in.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};

use crate::boxed::BoxFuture;
use crate::config::{AddressFamily, BrokerAddress};
use crate::hedge;
use crate::runtime;
use crate::shown::shown;

/// A bidirectional byte stream.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Opens byte streams to brokers. Implement it to connect through a proxy, a tunnel, a Unix socket
/// or an in-memory network.
pub trait Connector: fmt::Debug + Send + Sync + 'static {
    /// Opens a stream to a broker, failing by `deadline` at the latest.
    ///
    /// # Cancel safety
    /// The client drops the future at the deadline, or when no request needs the connection any
    /// longer; the future must then release its resources.
    fn connect<'a>(
        &'a self,
        address: &'a BrokerAddress,
        deadline: Instant,
    ) -> BoxFuture<'a, std::io::Result<Box<dyn Io>>>;
}

/// How long a connection may be silent before the kernel asks whether the peer lives (a guess; Java
/// leaves the kernel's 2 h).
const KEEPALIVE: Duration = Duration::from_secs(60);

/// How long one address may take before the next is tried as well (RFC 8305).
const HAPPY_EYEBALLS_DELAY: Duration = Duration::from_millis(250);

/// Connects over TCP, as a client does unless another [`Connector`] is set: resolves the name and
/// tries every address, IPv6 and IPv4 (`client.dns.lookup=use_all_dns_ips`, KIP-302).
#[derive(Clone, Debug, Default)]
pub struct TcpConnector {
    /// `send.buffer.bytes`; `None` leaves the system's default.
    pub(crate) send_buffer: Option<u32>,
    /// `receive.buffer.bytes`; `None` leaves the system's default.
    pub(crate) receive_buffer: Option<u32>,
    pub(crate) family: AddressFamily,
}

impl TcpConnector {
    /// Creates a connector with the system's defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets which addresses are used (default: all).
    #[must_use]
    pub fn address_family(mut self, family: AddressFamily) -> Self {
        self.family = family;
        self
    }
}

impl Connector for TcpConnector {
    fn connect<'a>(
        &'a self,
        address: &'a BrokerAddress,
        deadline: Instant,
    ) -> BoxFuture<'a, std::io::Result<Box<dyn Io>>> {
        Box::pin(async move {
            let resolved = tokio::net::lookup_host((address.host(), address.port()))
                .await
                .map_err(|error| {
                    io::Error::new(
                        error.kind(),
                        format!("{} does not resolve: {error}", shown(address.host())),
                    )
                })?;
            let candidates: Vec<SocketAddr> =
                resolved.filter(|address| self.family.has(*address)).collect();
            let attempt = |candidate| async move {
                self.open(candidate)
                    .await
                    .map_err(|error| io::Error::new(error.kind(), format!("{candidate}: {error}")))
            };
            let begun = runtime::now();
            // An address that swallows packets must not use up the time of those after it.
            let opened =
                hedge::first(candidates.iter().copied(), HAPPY_EYEBALLS_DELAY, attempt, |_| false);
            match tokio::time::timeout_at(deadline.into(), opened).await {
                Ok(Ok(stream)) => Ok(Box::new(stream) as Box<dyn Io>),
                Ok(Err(mut errors)) => Err(errors.pop().unwrap_or_else(|| {
                    io::Error::new(
                        io::ErrorKind::NotFound,
                        match self.family {
                            AddressFamily::Any => {
                                format!("{} resolves to no address", shown(address.host()))
                            }
                            family => format!(
                                "{} resolves to no address of {family:?} (broker.address.family)",
                                shown(address.host())
                            ),
                        },
                    )
                })),
                Err(_) => {
                    let addresses: Vec<_> = candidates.iter().map(ToString::to_string).collect();
                    let waited = runtime::now() - begun;
                    Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        format!("{}: no answer in {waited:.1?}", addresses.join(", ")),
                    ))
                }
            }
        })
    }
}

impl TcpConnector {
    async fn open(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(bytes) = self.send_buffer {
            socket.set_send_buffer_size(bytes)?;
        }
        if let Some(bytes) = self.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        let stream = socket.connect(address).await?;
        // Requests are whole when they are written: waiting for more would only delay them.
        stream.set_nodelay(true)?;
        SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))?;
        Ok(stream)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn only_addresses_of_the_family_are_used() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = BrokerAddress::new("127.0.0.1", listener.local_addr().unwrap().port());
        let open = async |family| {
            let connector = TcpConnector::new().address_family(family);
            let deadline = runtime::now() + Duration::from_secs(5);
            connector.connect(&address, deadline).await.map(drop)
        };
        open(AddressFamily::Any).await.unwrap();
        open(AddressFamily::V4).await.unwrap();
        let error = open(AddressFamily::V6).await.unwrap_err().to_string();
        assert!(error.contains("no address of V6 (broker.address.family)"), "{error}");
    }
}
