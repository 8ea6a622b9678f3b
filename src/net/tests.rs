//! One connection against a scripted peer, under paused time.

mod reauthentication;
#[cfg(all(feature = "encrypted-keys", feature = "oidc", feature = "pkcs12", feature = "tls"))]
mod secrets;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;
use crate::boxed::BoxFuture;
use crate::clock::WallClock;
use crate::config::{
    BrokerAddress, ClientConfig, Sasl, SaslContext, SaslError, SaslMechanism, SaslSession, SaslWork,
};
use crate::error::{Class, ErrorCode, ErrorKind, Result, Written};
use crate::observability::ClientRecorder;
use crate::runtime::{self, Runtime};
use crate::wire::call::encode_request;
use crate::wire::messages::metadata::{MetadataRequest, MetadataRequestTopic};
use crate::wire::versions::ApiKey;

/// Hands out one end of an in-memory pipe and keeps the other for the test.
#[derive(Debug)]
struct Pipes {
    peers: Mutex<Vec<DuplexStream>>,
    opened: AtomicUsize,
}

#[derive(Clone, Debug)]
struct PipeConnector(std::sync::Arc<Pipes>);

impl Connector for PipeConnector {
    fn connect<'a>(
        &'a self,
        _: &'a BrokerAddress,
        _: Instant,
    ) -> BoxFuture<'a, std::io::Result<Box<dyn Io>>> {
        Box::pin(async move {
            self.0.opened.fetch_add(1, Ordering::Relaxed);
            let (ours, theirs) = tokio::io::duplex(64 * 1024);
            self.0.peers.lock().unwrap().push(theirs);
            Ok(Box::new(ours) as Box<dyn Io>)
        })
    }
}

/// The broker's end.
struct Peer(DuplexStream);

impl Peer {
    async fn request(&mut self) -> (i16, i32) {
        let (key, _, id) = self.versioned_request().await;
        (key, id)
    }

    async fn versioned_request(&mut self) -> (i16, i16, i32) {
        let length = self.0.read_i32().await.unwrap();
        let mut body = vec![0; usize::try_from(length).unwrap()];
        self.0.read_exact(&mut body).await.unwrap();
        let mut body = &body[..];
        let key = body.get_i16();
        let version = body.get_i16();
        (key, version, body.get_i32())
    }

    async fn reply(&mut self, correlation_id: i32, body: &[u8]) {
        let mut frame = BytesMut::new();
        frame.put_i32(i32::try_from(body.len()).unwrap() + 4);
        frame.put_i32(correlation_id);
        frame.put_slice(body);
        self.0.write_all(&frame).await.unwrap();
    }

    /// Answers the handshake: Metadata, versions 0 to 1.
    async fn shake_hands(&mut self) {
        self.greet(&[3]).await;
    }

    /// Answers ApiVersions: these APIs, versions 0 to 1.
    async fn greet(&mut self, apis: &[i16]) {
        let (key, id) = self.request().await;
        assert_eq!(key, 18, "ApiVersions comes first");
        let mut body = BytesMut::new();
        body.put_i16(0);
        body.put_u8(u8::try_from(apis.len() + 1).unwrap());
        for api in apis {
            body.put_i16(*api);
            body.put_i16(0);
            body.put_i16(1);
            body.put_u8(0);
        }
        body.put_i32(0);
        body.put_u8(0);
        self.reply(id, &body).await;
    }

    /// Answers SaslHandshake, and SaslAuthenticate with a code and, in milliseconds, the session's
    /// lifetime.
    async fn authenticate(&mut self, code: i16, lifetime: i64) {
        let (key, id) = self.request().await;
        assert_eq!(key, 17, "SaslHandshake names the mechanism");
        self.reply(id, b"\0\0\0\0\0\x01\0\x05PLAIN").await;
        let (key, id) = self.request().await;
        assert_eq!(key, 36, "SaslAuthenticate follows");
        let mut body = BytesMut::new();
        body.put_i16(code);
        body.put_i16(-1);
        body.put_i32(0);
        body.put_i64(lifetime);
        self.reply(id, &body).await;
    }
}

struct Fixture {
    runtime: Runtime,
    pipes: std::sync::Arc<Pipes>,
    connection: Connection,
    observer: ConnectionObserver,
}

impl Fixture {
    fn new(max_idle: Option<Duration>) -> Self {
        Self::secured(max_idle, ClientConfig::new("b:9092"))
    }

    fn secured(max_idle: Option<Duration>, config: ClientConfig) -> Self {
        let (lifetime, least) = (config.connections_max_lifetime, config.connections_min_idle);
        let config = config.security;
        let runtime = Runtime::current(true).unwrap();
        let pipes =
            std::sync::Arc::new(Pipes { peers: Mutex::default(), opened: AtomicUsize::new(0) });
        let observer = ConnectionObserver::new(
            ClientRecorder::new("test").connections(),
            crate::listeners::Listeners::default(),
        );
        let setup = Setup {
            observer: observer.clone(),
            connector: std::sync::Arc::new(PipeConnector(std::sync::Arc::clone(&pipes))),
            client_id: "test".into(),
            software: std::sync::Arc::default(),
            security: ConnectionSecurity::new(&config, WallClock::system()).unwrap(),
            setup_timeout: Duration::from_secs(10),
            max_idle,
            max_lifetime: lifetime,
            warm: MinIdleConnections::new(least),
            max_reply: 1 << 20,
            greetings: std::sync::Arc::default(),
            caps: std::sync::Arc::default(),
            features: std::sync::Arc::default(),
        };
        let connection = Connection::open(&runtime, None, BrokerAddress::new("b", 9092), setup);
        Self { runtime, pipes, connection, observer }
    }

    /// The peer, before the handshake.
    async fn stranger(&self) -> Peer {
        loop {
            if let Some(peer) = self.pipes.peers.lock().unwrap().pop() {
                return Peer(peer);
            }
            tokio::task::yield_now().await;
        }
    }

    async fn peer(&self) -> Peer {
        let mut peer = self.stranger().await;
        peer.shake_hands().await;
        self.connection.ready(after(10)).await.unwrap();
        peer
    }

    async fn call(&self, deadline: Instant) -> Result<Bytes> {
        let id = self.connection.next_correlation_id();
        let frame = encode_request(&MetadataRequest::default(), 1, id, "test").unwrap();
        self.connection
            .submit(ApiKey::Metadata, frame, id, ReplyMode::Expected, deadline)
            .await?
            .reply()
            .await
    }
}

fn after(seconds: u64) -> Instant {
    runtime::now() + Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn pipelined_requests_get_their_replies_in_order() {
    let fixture = Fixture::new(None);
    let mut peer = fixture.peer().await;
    let serve = async {
        let (_, first) = peer.request().await;
        let (_, second) = peer.request().await;
        peer.reply(first, b"one").await;
        peer.reply(second, b"two").await;
    };
    let (first, second, ()) = tokio::join!(fixture.call(after(5)), fixture.call(after(5)), serve);
    assert_eq!(&first.unwrap()[4..], b"one");
    assert_eq!(&second.unwrap()[4..], b"two");
    let counts = ConnectionCounts { attempted: 1, opened: 1, failed: 0 };
    assert_eq!(fixture.observer.counts(), counts);
}

#[tokio::test(start_paused = true)]
async fn a_reply_out_of_step_ends_the_connection_as_a_protocol_error() {
    let fixture = Fixture::new(None);
    let mut peer = fixture.peer().await;
    let serve = async {
        let (_, id) = peer.request().await;
        peer.reply(id + 100, b"").await;
    };
    let (reply, ()) = tokio::join!(fixture.call(after(5)), serve);
    let error = reply.unwrap_err();
    assert_eq!((error.kind(), error.written()), (ErrorKind::Protocol, Some(Written::Maybe)));
    assert!(!fixture.connection.is_alive());
}

#[tokio::test(start_paused = true)]
async fn a_request_past_its_deadline_ends_the_connection_and_the_others_on_it() {
    let fixture = Fixture::new(None);
    let _peer = fixture.peer().await;
    let started = runtime::now();
    let (short, long) = tokio::join!(fixture.call(after(1)), fixture.call(after(60)));
    assert_eq!(short.unwrap_err().kind(), ErrorKind::Timeout);
    let long = long.unwrap_err();
    assert_eq!(long.written(), Some(Written::Maybe));
    assert!(long.is_retriable(), "{long}");
    assert!(runtime::now() - started < Duration::from_secs(2));
    assert!(!fixture.connection.is_alive());
}

#[tokio::test(start_paused = true)]
async fn what_needs_no_answer_and_cannot_leave_ends_its_connection_at_its_deadline() {
    let fixture = Fixture::new(None);
    // It reads nothing more, and the request is longer than what is on the way may be.
    let _peer = fixture.peer().await;
    let name = "t".repeat(1000);
    let topic = MetadataRequestTopic { name: Some(&name), ..MetadataRequestTopic::default() };
    let request = MetadataRequest { topics: Some(vec![topic; 100]), ..MetadataRequest::default() };
    let id = fixture.connection.next_correlation_id();
    let frame = encode_request(&request, 1, id, "test").unwrap();
    let pending = fixture
        .connection
        .submit(ApiKey::Metadata, frame, id, ReplyMode::None, after(1))
        .await
        .unwrap();
    assert_eq!(pending.reply().await.unwrap_err().kind(), ErrorKind::Timeout);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(!fixture.connection.is_alive(), "it holds the request for ever");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_caller_leaves_the_connection_in_step() {
    let fixture = Fixture::new(None);
    let mut peer = fixture.peer().await;
    {
        let call = fixture.call(after(5));
        tokio::pin!(call);
        let served = tokio::select! {
            biased;
            _ = &mut call => unreachable!("nothing was answered"),
            (_, id) = peer.request() => id,
        };
        assert_eq!(served, 0);
    }
    let serve = async {
        peer.reply(0, b"for nobody").await;
        let (_, id) = peer.request().await;
        peer.reply(id, b"second").await;
    };
    let (reply, ()) = tokio::join!(fixture.call(after(5)), serve);
    assert_eq!(&reply.unwrap()[4..], b"second");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_stream_fails_every_waiting_call() {
    let fixture = Fixture::new(None);
    let mut peer = fixture.peer().await;
    let serve = async {
        peer.request().await;
        drop(peer);
    };
    let (reply, ()) = tokio::join!(fixture.call(after(5)), serve);
    let error = reply.unwrap_err();
    assert_eq!((error.kind(), error.written()), (ErrorKind::Disconnected, Some(Written::Maybe)));
    let next = fixture.call(after(5)).await.unwrap_err();
    assert_eq!(next.written(), Some(Written::No));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_while_the_broker_throttles() {
    let fixture = Fixture::new(None);
    let mut peer = fixture.peer().await;
    fixture.connection.mute(Duration::from_secs(3));
    let started = runtime::now();
    let serve = async {
        let (_, id) = peer.request().await;
        assert!(runtime::now() - started >= Duration::from_secs(3));
        peer.reply(id, b"late").await;
    };
    let (reply, ()) = tokio::join!(fixture.call(after(30)), serve);
    assert_eq!(&reply.unwrap()[4..], b"late");
}

#[tokio::test(start_paused = true)]
async fn an_unused_connection_closes() {
    let fixture = Fixture::new(Some(Duration::from_secs(540)));
    let mut peer = fixture.peer().await;
    let started = runtime::now();
    assert_eq!(peer.0.read_u8().await.unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
    assert!(runtime::now() - started >= Duration::from_secs(540));
    let error = fixture.call(after(5)).await.unwrap_err();
    assert_eq!((error.kind(), error.written()), (ErrorKind::Disconnected, Some(Written::No)));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_answers_the_handshake_is_given_up() {
    let fixture = Fixture::new(None);
    let _peer = fixture.stranger().await;
    let error = fixture.connection.ready(after(60)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.to_string().contains("socket.connection.setup.timeout.ms"), "{error}");
    let counts = ConnectionCounts { attempted: 1, opened: 0, failed: 1 };
    assert_eq!(fixture.observer.counts(), counts);
}

#[tokio::test(start_paused = true)]
async fn http_and_tls_servers_are_recognised() {
    for (answer, word) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "HTTP"),
        (&b"\x15\x03\x01\x00\x02\x02\x46"[..], "TLS"),
    ] {
        let fixture = Fixture::new(None);
        let mut peer = fixture.stranger().await;
        peer.request().await;
        peer.0.write_all(answer).await.unwrap();
        let error = fixture.connection.ready(after(5)).await.unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_task_is_left_when_the_owner_is_gone() {
    let fixture = Fixture::new(None);
    let _peer = fixture.peer().await;
    let Fixture { runtime, connection, .. } = fixture;
    drop(connection);
    tokio::time::timeout(Duration::from_secs(1), runtime.join())
        .await
        .expect("the task ends by itself");
}

fn with_password() -> Fixture {
    Fixture::secured(None, ClientConfig::new("b:9092").sasl(Sasl::plain("alice", "hunter2")))
}

#[tokio::test(start_paused = true)]
async fn wrong_credentials_are_said_and_not_shown() {
    let fixture = with_password();
    let mut peer = fixture.stranger().await;
    peer.greet(&[3, 17, 36]).await;
    peer.authenticate(58, 0).await;
    let error = fixture.connection.ready(after(10)).await.unwrap_err();
    assert_eq!((error.kind(), error.class()), (ErrorKind::Authentication, Class::Fatal));
    assert!(
        error.to_string().contains("sasl.password") && !format!("{error:?}").contains("hunter2"),
        "{error:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_closes_without_a_word_to_a_client_without_credentials_is_explained() {
    let fixture = Fixture::new(None);
    let mut peer = fixture.peer().await;
    let serve = async {
        peer.request().await;
        drop(peer);
    };
    let (reply, ()) = tokio::join!(fixture.call(after(5)), serve);
    assert!(reply.unwrap_err().to_string().contains("security.protocol"));
}

#[tokio::test(start_paused = true)]
async fn an_old_connection_closes_when_its_last_reply_has_come() {
    let config = ClientConfig::new("b:9092").connections_max_lifetime(Duration::from_secs(60));
    let fixture = Fixture::secured(None, config);
    let mut peer = fixture.peer().await;
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert!(fixture.connection.is_alive());
    let serve = async {
        let (_, id) = peer.request().await;
        // Past its time, but somebody waits.
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert!(fixture.connection.is_alive());
        peer.reply(id, b"one").await;
    };
    let (called, ()) = tokio::join!(fixture.call(after(30)), serve);
    assert_eq!(&called.unwrap()[4..], b"one");
    let error = fixture.call(after(5)).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.written()),
        (ErrorKind::Disconnected, Some(Written::No)),
        "the caller opens another"
    );
}

#[tokio::test(start_paused = true)]
async fn so_many_connections_stay_open_unused() {
    let warm = MinIdleConnections::new(1);
    let (mut first, mut second) = (warm.enter(), warm.enter());
    assert!(first.may_close() && !second.may_close(), "one of two");
    drop((first, second));
    assert!(!warm.enter().may_close(), "what has ended is counted no more");

    let idle = Some(Duration::from_secs(10));
    for (least, is_kept) in [(0, false), (1, true)] {
        let fixture =
            Fixture::secured(idle, ClientConfig::new("b:9092").connections_min_idle(least));
        let _peer = fixture.peer().await;
        tokio::time::sleep(Duration::from_secs(9)).await;
        assert!(fixture.connection.is_alive());
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(fixture.connection.is_alive(), is_kept);
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_closes_at_newer_greetings_is_greeted_in_older_ones() {
    let fixture = Fixture::new(None);
    for expected in [4, 3] {
        let mut peer = fixture.stranger().await;
        let (key, version, _) = peer.versioned_request().await;
        assert_eq!((key, version), (18, expected));
    }
    let mut peer = fixture.stranger().await;
    let (_, version, id) = peer.versioned_request().await;
    assert_eq!(version, 0);
    // No error, one API: Metadata, versions 0 to 1.
    peer.reply(id, &[0, 0, 0, 0, 0, 1, 0, 3, 0, 0, 0, 1]).await;
    fixture.connection.ready(after(10)).await.unwrap();
    assert_eq!(fixture.pipes.opened.load(Ordering::Relaxed), 3);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_closes_at_every_greeting_is_told_of_at_once() {
    let fixture = Fixture::new(None);
    for _ in 0..3 {
        let mut peer = fixture.stranger().await;
        peer.request().await;
    }
    let begun = runtime::now();
    let error = fixture.connection.ready(after(10)).await.unwrap_err();
    assert_eq!((error.kind(), runtime::now()), (ErrorKind::Connect, begun));
}

#[tokio::test(start_paused = true)]
async fn each_api_has_a_longest_reply_of_its_own() {
    use crate::wire::messages::heartbeat::HeartbeatRequest;
    for (is_heartbeat, is_too_long) in [(false, false), (true, true)] {
        let fixture = Fixture::new(None);
        let mut peer = fixture.peer().await;
        let id = fixture.connection.next_correlation_id();
        let encode_heartbeat = || encode_request(&HeartbeatRequest::default(), 1, id, "test");
        let encode_metadata = || encode_request(&MetadataRequest::default(), 1, id, "test");
        let (api, frame) = match is_heartbeat {
            true => (ApiKey::Heartbeat, encode_heartbeat()),
            false => (ApiKey::Metadata, encode_metadata()),
        };
        let frame = frame.unwrap();
        let pending =
            fixture.connection.submit(api, frame, id, ReplyMode::Expected, after(5)).await.unwrap();
        let (_, id) = peer.request().await;
        let mut reply = BytesMut::new();
        reply.put_i32(100_004);
        reply.put_i32(id);
        reply.put_bytes(0, 100_000);
        // The client may close before it has read all.
        let (outcome, _written) = tokio::join!(pending.reply(), peer.0.write_all(&reply));
        assert_eq!(
            outcome.err().map(|error| error.kind()),
            is_too_long.then_some(ErrorKind::Protocol)
        );
    }
}
