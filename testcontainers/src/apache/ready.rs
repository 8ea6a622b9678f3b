//! A Kafka client that can ask one thing: which brokers does this node know?

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use bytes::{Buf, BufMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::properties::HOST;

/// Brokers and controller as one node sees them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) brokers: BTreeSet<i32>,
    pub(super) controller: i32,
}

/// Asks a node for its metadata, by Metadata v4, which Kafka 0.11 to 4.4 understand.
pub(super) async fn metadata(port: u16) -> io::Result<Seen> {
    const PATIENCE: Duration = Duration::from_secs(3);
    timeout(PATIENCE, ask(port)).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn ask(port: u16) -> io::Result<Seen> {
    let mut request = Vec::new();
    request.put_i32(20);
    request.put_i16(3);
    request.put_i16(4);
    request.put_i32(0);
    request.put_i16(5);
    request.put_slice(b"ready");
    request.put_i32(0);
    request.put_u8(0);
    let mut stream = TcpStream::connect((HOST, port)).await?;
    stream.write_all(&request).await?;
    let length = stream.read_i32().await?;
    let mut reply = Vec::new();
    stream.take(u64::try_from(length).map_err(io::Error::other)?).read_to_end(&mut reply).await?;
    parse(&reply).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn parse(mut reply: &[u8]) -> Option<Seen> {
    let from = &mut reply;
    from.try_get_i32().ok()?; // correlation id
    from.try_get_i32().ok()?; // throttle time
    let mut brokers = BTreeSet::new();
    for _ in 0..from.try_get_i32().ok()? {
        brokers.insert(from.try_get_i32().ok()?);
        skip_string(from)?; // host
        from.try_get_i32().ok()?; // port
        skip_string(from)?; // rack
    }
    skip_string(from)?; // cluster id
    Some(Seen { brokers, controller: from.try_get_i32().ok()? })
}

fn skip_string(from: &mut &[u8]) -> Option<()> {
    let length = usize::try_from(from.try_get_i16().ok()?).unwrap_or(0);
    *from = from.get(length..)?;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply() -> Vec<u8> {
        let mut reply = Vec::new();
        reply.put_i32(0);
        reply.put_i32(0);
        reply.put_i32(2);
        for id in [1, 2] {
            reply.put_i32(id);
            reply.put_i16(1);
            reply.put_u8(b'h');
            reply.put_i32(9092);
            reply.put_i16(-1);
        }
        reply.put_i16(1);
        reply.put_u8(b'c');
        reply.put_i32(2);
        reply
    }

    #[test]
    fn brokers_and_controller_are_read() {
        assert_eq!(parse(&reply()), Some(Seen { brokers: [1, 2].into(), controller: 2 }));
    }

    #[test]
    fn a_reply_that_ends_early_is_none() {
        let whole = reply();
        for end in 0..whole.len() {
            assert_eq!(parse(&whole[..end]), None, "{end}");
        }
    }
}
