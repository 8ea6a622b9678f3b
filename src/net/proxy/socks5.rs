//! SOCKS version 5 (RFC 1928), with a user's name and password (RFC 1929).

use std::io;
use std::net::IpAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use zeroize::Zeroizing;

use super::Proxy;
use crate::config::BrokerAddress;
use crate::net::connector::Io;

const VERSION: u8 = 5;
const NO_CREDENTIALS: u8 = 0;
const USER_AND_PASSWORD: u8 = 2;
const USER_AND_PASSWORD_VERSION: u8 = 1;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// Has the proxy connect to the broker.
pub(super) async fn open(
    proxy: &Proxy,
    stream: &mut Box<dyn Io>,
    address: &BrokerAddress,
) -> io::Result<()> {
    let target = target(address)?;
    log_in(proxy, stream).await?;
    say(stream, &target).await?;
    let [_, code, _, kind] = hear(proxy, stream).await?;
    if code != 0 {
        return Err(proxy.refused(format_args!("no way to {address}: {}", reason(code))));
    }
    // The address that it connects from, of which nobody wants to know.
    let length = match kind {
        IPV4 => 4,
        IPV6 => 16,
        _ => stream.read_u8().await?.into(),
    };
    let mut bound = vec![0; length + 2];
    stream.read_exact(&mut bound).await.map(drop)
}

async fn log_in(proxy: &Proxy, stream: &mut Box<dyn Io>) -> io::Result<()> {
    let Some((user, password)) = &proxy.credentials else {
        say(stream, &[VERSION, 1, NO_CREDENTIALS]).await?;
        return match hear(proxy, stream).await? {
            [_, NO_CREDENTIALS] => Ok(()),
            _ => Err(proxy.refused("it wants credentials")),
        };
    };
    let mut login = Zeroizing::new(vec![USER_AND_PASSWORD_VERSION]);
    for text in [user.as_bytes(), password.expose().as_bytes()] {
        push(&mut login, text).ok_or_else(|| {
            invalid("the user's name and the password for a SOCKS5 proxy have 1 to 255 bytes")
        })?;
    }
    say(stream, &[VERSION, 2, NO_CREDENTIALS, USER_AND_PASSWORD]).await?;
    match hear(proxy, stream).await? {
        [_, NO_CREDENTIALS] => return Ok(()),
        [_, USER_AND_PASSWORD] => {}
        _ => return Err(proxy.refused("it takes no user's name and password")),
    }
    say(stream, &login).await?;
    // Its version is that of the login.
    match (stream.read_u8().await?, stream.read_u8().await?) {
        (_, 0) => Ok(()),
        _ => Err(proxy.refused("it does not take the credentials")),
    }
}

/// The next bytes, of which the first is the version.
async fn hear<const N: usize>(proxy: &Proxy, stream: &mut Box<dyn Io>) -> io::Result<[u8; N]> {
    let mut heard = [0; N];
    stream.read_exact(&mut heard).await?;
    match heard.first() {
        Some(&VERSION) => Ok(heard),
        _ => Err(proxy.refused("it is no SOCKS5 proxy")),
    }
}

async fn say(stream: &mut Box<dyn Io>, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

/// The request to connect.
fn target(address: &BrokerAddress) -> io::Result<Vec<u8>> {
    let mut request = vec![VERSION, CONNECT, 0];
    match address.host().parse() {
        Ok(IpAddr::V4(ip)) => {
            request.push(IPV4);
            request.extend(ip.octets());
        }
        Ok(IpAddr::V6(ip)) => {
            request.push(IPV6);
            request.extend(ip.octets());
        }
        Err(_) => {
            request.push(NAME);
            push(&mut request, address.host().as_bytes())
                .ok_or_else(|| invalid("a SOCKS5 proxy takes names of 1 to 255 bytes"))?;
        }
    }
    request.extend(address.port().to_be_bytes());
    Ok(request)
}

/// A text after its length; `None` if it is empty or too long.
fn push(to: &mut Vec<u8>, text: &[u8]) -> Option<()> {
    to.push(u8::try_from(text.len()).ok().filter(|length| *length > 0)?);
    to.extend_from_slice(text);
    Some(())
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

fn reason(code: u8) -> &'static str {
    match code {
        2 => "it does not allow that",
        3 => "the network cannot be reached",
        4 => "the host cannot be reached",
        5 => "the connection was refused",
        6 => "it took too long",
        7 => "it does not connect",
        8 => "it does not know such addresses",
        _ => "it has failed",
    }
}
