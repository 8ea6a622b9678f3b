//! Ports that nobody listens on.

use std::io;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

use super::properties::{HOST, Ports};
use super::security::Security;

/// Below the range from which systems take the ports of outgoing connections: else one of those
/// could take the port of a node that is down for a moment.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// Ports for a node without a proxy.
pub(super) fn of_node(secured: &[Security]) -> io::Result<Ports> {
    let client = free()?;
    let secured =
        secured.iter().map(|security| Ok((*security, free()?))).collect::<io::Result<_>>()?;
    Ok(Ports { client, advertised: client, internal: free()?, controller: free()?, secured })
}

/// A port that is free now and that this process hands out no second time soon.
///
/// Another process may take it before it is used. That each begins at a place of its own makes it
/// unlikely.
pub(super) fn free() -> io::Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id().wrapping_mul(37) % u32::from(COUNT)).unwrap_or(0);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = FIRST + (start + step) % COUNT;
        if TcpListener::bind((HOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}
