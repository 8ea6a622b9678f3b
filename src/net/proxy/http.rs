//! The method CONNECT of HTTP (RFC 9110, section 9.3.6), with Basic credentials (RFC 7617).

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use zeroize::Zeroizing;

use super::Proxy;
use crate::config::BrokerAddress;
use crate::net::connector::Io;
use crate::shown::shown;

/// No proxy says more before the tunnel begins.
const LONGEST_ANSWER: usize = 16 * 1024;

/// Has the proxy open a tunnel.
pub(super) async fn open(
    proxy: &Proxy,
    stream: &mut Box<dyn Io>,
    address: &BrokerAddress,
) -> io::Result<()> {
    stream.write_all(request(proxy, address).as_bytes()).await?;
    stream.flush().await?;
    let answer = answer(proxy, stream).await?;
    let line = answer.lines().next().unwrap_or_default();
    let mut words = line.splitn(2, ' ');
    let is_http = words.next().is_some_and(|version| version.starts_with("HTTP/1."));
    match words.next().and_then(|status| status.get(..3)) {
        Some(status) if is_http && status.starts_with('2') => Ok(()),
        _ => Err(proxy.refused(format_args!("no way to {address}: {:?}", shown(line)))),
    }
}

/// What asks for a tunnel.
fn request(proxy: &Proxy, address: &BrokerAddress) -> Zeroizing<String> {
    let mut request = Zeroizing::new(format!("CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n"));
    if let Some((user, password)) = &proxy.credentials {
        let pair = Zeroizing::new(format!("{user}:{}", password.expose()));
        let pair = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
        request.push_str(&format!("Proxy-Authorization: Basic {}\r\n", *pair));
    }
    request.push_str("\r\n");
    request
}

/// All up to the empty line, and nothing of what the broker says after it.
async fn answer(proxy: &Proxy, stream: &mut Box<dyn Io>) -> io::Result<String> {
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() >= LONGEST_ANSWER {
            return Err(proxy.refused("its answer does not end"));
        }
        answer.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
