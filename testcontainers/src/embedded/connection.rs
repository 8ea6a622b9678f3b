//! One connection: a request, its reply, the next request, as real brokers do it.

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, RequestHeader};
use kafka_protocol::protocol::{Decodable, Request};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::api::{self, Call, Outcome};
use super::sasl::{Admission, Login};
use super::state::Shared;

/// Kafka's `socket.request.max.bytes`.
const MAX_REQUEST: usize = 100 * 1024 * 1024;

/// Serves a connection until either side ends it.
pub(crate) async fn serve<S>(shared: Arc<Shared>, broker: i32, stream: S, ended: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let id = {
        let mut state = shared.lock();
        state.next_connection += 1;
        state.next_connection
    };
    tracing::debug!(broker, connection = id, "connected");
    let connection =
        Connection { shared: Arc::clone(&shared), broker, id, stream: BufReader::new(stream) };
    tokio::select! {
        biased;
        () = ended.cancelled() => tracing::debug!(broker, connection = id, "cut"),
        result = connection.run() => tracing::debug!(broker, connection = id, ?result, "closed"),
    }
    let mut state = shared.lock();
    state.logins.remove(&id);
    state.share_disconnected(broker, id);
}

struct Connection<S> {
    shared: Arc<Shared>,
    broker: i32,
    id: u64,
    stream: BufReader<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    async fn run(mut self) -> io::Result<()> {
        loop {
            let frame = self.read().await?;
            match self.answer(frame).await {
                Outcome::Reply(reply) => self.write(reply_length(&reply)?, &reply).await?,
                Outcome::Last(reply) => {
                    self.write(reply_length(&reply)?, &reply).await?;
                    return self.stream.get_mut().shutdown().await;
                }
                Outcome::Misframed(length, reply) => self.write(length, &reply).await?,
                Outcome::Truncated(reply) => return self.write_part(&reply).await,
                Outcome::Nothing => {}
                Outcome::Mute => std::future::pending().await,
                Outcome::Close => return self.stream.get_mut().shutdown().await,
            }
            let throttle = self
                .shared
                .lock()
                .broker(self.broker)
                .map(|broker| broker.throttle)
                .unwrap_or_default();
            if !throttle.is_zero() {
                // KIP-219: the reply goes at once, and the channel is deaf for a while.
                sleep(throttle).await;
            }
        }
    }

    async fn read(&mut self) -> io::Result<Bytes> {
        let length = usize::try_from(self.stream.read_i32().await?).unwrap_or(usize::MAX);
        if length > MAX_REQUEST {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the frame is larger than a broker accepts",
            ));
        }
        let mut frame = BytesMut::zeroed(length);
        self.stream.read_exact(&mut frame).await?;
        Ok(frame.freeze())
    }

    async fn answer(&self, mut frame: Bytes) -> Outcome {
        let size = frame.len();
        let Some((api, version)) = key_and_version(&frame) else { return Outcome::Close };
        let Some(range) = self.served(api) else {
            tracing::warn!(?api, version, "an API that is not served");
            return Outcome::Close;
        };
        if version < range.0 || version > range.1 {
            tracing::debug!(?api, version, "a version that is not served");
            return if api as i16 == ApiVersionsRequest::KEY {
                refuse_version(&frame, range)
            } else {
                Outcome::Close
            };
        }
        if !self.is_admitted(api) {
            return Outcome::Close;
        }
        match RequestHeader::decode(&mut frame, api.request_header_version(version)) {
            Ok(header) => {
                api::serve(
                    Call::new(Arc::clone(&self.shared), self.broker, self.id, header, size),
                    frame,
                )
                .await
            }
            Err(error) => {
                tracing::error!(?api, version, %error, "request header cannot be decoded");
                Outcome::Close
            }
        }
    }

    /// Whether who asks has proved who it is, and lately enough.
    fn is_admitted(&self, api: ApiKey) -> bool {
        let mut state = self.shared.lock();
        if state.settings.sasl.is_none() {
            return true;
        }
        let admission =
            state.logins.entry(self.id).or_insert_with(Login::new).admits(api, Instant::now());
        match admission {
            Admission::Serve => {}
            Admission::Close => state.login_counts.out_of_turn += 1,
            Admission::Expired => state.login_counts.expired += 1,
        }
        if admission != Admission::Serve {
            tracing::debug!(
                broker = self.broker,
                connection = self.id,
                ?api,
                ?admission,
                "not admitted"
            );
        }
        admission == Admission::Serve
    }

    fn served(&self, api: ApiKey) -> Option<(i16, i16)> {
        self.shared.lock().broker(self.broker)?.versions.get(&(api as i16)).copied()
    }

    async fn write(&mut self, length: i32, reply: &[u8]) -> io::Result<()> {
        let mut frame = BytesMut::with_capacity(4 + reply.len());
        frame.extend_from_slice(&length.to_be_bytes());
        frame.extend_from_slice(reply);
        self.stream.get_mut().write_all(&frame).await?;
        self.stream.get_mut().flush().await
    }

    /// Announces more than it sends.
    async fn write_part(&mut self, part: &[u8]) -> io::Result<()> {
        self.write(reply_length(part)?.saturating_add(64), part).await?;
        self.stream.get_mut().shutdown().await
    }
}

fn reply_length(reply: &[u8]) -> io::Result<i32> {
    i32::try_from(reply.len()).map_err(io::Error::other)
}

fn key_and_version(frame: &[u8]) -> Option<(ApiKey, i16)> {
    let api = ApiKey::try_from(i16::from_be_bytes(*frame.first_chunk()?)).ok()?;
    Some((api, i16::from_be_bytes(*frame.get(2..)?.first_chunk()?)))
}

fn refuse_version(frame: &[u8], range: (i16, i16)) -> Outcome {
    let id = frame.get(4..).and_then(|rest| rest.first_chunk()).map(|id| i32::from_be_bytes(*id));
    let header = RequestHeader::default().with_correlation_id(id.unwrap_or_default());
    api::unsupported_version(&header, range).map_or(Outcome::Close, Outcome::Reply)
}
