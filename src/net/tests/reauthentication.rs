//! Sessions that end, and are renewed on the connection that serves.

use super::*;

/// A connection whose session lasts ten seconds.
async fn authenticated(fixture: &Fixture) -> Peer {
    let mut peer = fixture.stranger().await;
    peer.greet(&[3, 17, 36]).await;
    peer.authenticate(0, 10_000).await;
    fixture.connection.ready(after(10)).await.unwrap();
    peer
}

#[tokio::test(start_paused = true)]
async fn a_session_is_renewed_between_the_requests_before_and_those_after() {
    let fixture = with_password();
    let mut peer = authenticated(&fixture).await;
    let started = runtime::now();
    let late = async {
        runtime::sleep_until(started + Duration::from_millis(9_600)).await;
        fixture.call(after(5)).await
    };
    let serve = async {
        let (_, first) = peer.request().await;
        // The re-authentication, due after 9.5 s at the latest, waits for this answer; the second
        // request waits for the re-authentication.
        runtime::sleep_until(started + Duration::from_millis(9_700)).await;
        peer.reply(first, b"one").await;
        peer.authenticate(0, 10_000).await;
        let (key, second) = peer.request().await;
        assert_eq!(key, 3);
        peer.reply(second, b"two").await;
    };
    let (first, second, ()) = tokio::join!(fixture.call(after(20)), late, serve);
    assert_eq!(&first.unwrap()[4..], b"one");
    assert_eq!(&second.unwrap()[4..], b"two");
    assert_eq!(fixture.pipes.opened.load(Ordering::Relaxed), 1, "on the same connection");
    // And so on.
    peer.authenticate(0, 10_000).await;
    assert!((18..20).contains(&(runtime::now() - started).as_secs()));
}

#[tokio::test(start_paused = true)]
async fn a_reauthentication_that_is_refused_ends_the_connection_and_what_was_parked_was_not_sent() {
    let fixture = with_password();
    let mut peer = authenticated(&fixture).await;
    let started = runtime::now();
    let serve = async {
        let (key, id) = peer.request().await;
        assert_eq!(key, 17);
        let parked = fixture.call(after(5));
        tokio::pin!(parked);
        assert!(futures_util::poll!(&mut parked).is_pending());
        peer.reply(id, b"\0\0\0\0\0\x01\0\x05PLAIN").await;
        let (_, id) = peer.request().await;
        peer.reply(id, b"\0\x3a\0\x02no\0\0\0\0\0\0\0\0\0\0\0\0").await;
        parked.await
    };
    let error = serve.await.unwrap_err();
    assert_eq!(
        (error.kind(), error.written()),
        (ErrorKind::Authentication, Some(Written::No)),
        "{error}"
    );
    assert_eq!(error.code(), Some(ErrorCode::SASL_AUTHENTICATION_FAILED));
    assert!(!fixture.connection.is_alive());
    assert!((8..10).contains(&(runtime::now() - started).as_secs()));
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_never_answers_a_renewal_is_given_up() {
    let fixture = with_password();
    let mut peer = authenticated(&fixture).await;
    let (key, _) = peer.request().await;
    assert_eq!(key, 17);
    let error = fixture.call(after(60)).await.unwrap_err();
    assert_eq!((error.kind(), error.written()), (ErrorKind::Timeout, Some(Written::No)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn renewing_does_not_keep_an_unused_connection_open() {
    let sasl = ClientConfig::new("b:9092").sasl(Sasl::plain("alice", "hunter2"));
    let fixture = Fixture::secured(Some(Duration::from_secs(25)), sasl);
    let mut peer = authenticated(&fixture).await;
    let started = runtime::now();
    peer.authenticate(0, 10_000).await;
    peer.authenticate(0, 10_000).await;
    assert_eq!(peer.0.read_u8().await.unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
    assert_eq!((runtime::now() - started).as_secs(), 25);
}

/// A mechanism that counts how often it has worked, and refuses to answer before it has.
#[derive(Clone, Debug, Default)]
struct Slow(std::sync::Arc<AtomicUsize>);

impl SaslMechanism for Slow {
    fn name(&self) -> &str {
        "SLOW"
    }

    fn start<'a>(
        &'a self,
        _: SaslContext<'a>,
    ) -> BoxFuture<'a, Result<Box<dyn SaslSession>, SaslError>> {
        Box::pin(std::future::ready(Ok(Box::new(SlowSession {
            worked: self.clone(),
            is_prepared: false,
        }) as Box<dyn SaslSession>)))
    }
}

struct SlowSession {
    worked: Slow,
    is_prepared: bool,
}

impl SaslSession for SlowSession {
    fn prepare(&mut self, _: &[u8]) -> Option<SaslWork> {
        self.is_prepared = true;
        let worked = self.worked.clone();
        Some(Box::new(move || {
            worked.0.fetch_add(1, Ordering::Relaxed);
        }))
    }

    fn respond(&mut self, _: &[u8]) -> Result<Option<Vec<u8>>, SaslError> {
        // The first message answers nobody.
        Ok(if self.is_prepared { None } else { Some(b"first".to_vec()) })
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_mechanism_has_to_work_for_is_done_before_it_answers_also_in_a_reauthentication() {
    let slow = Slow::default();
    let fixture =
        Fixture::secured(None, ClientConfig::new("b:9092").sasl(Sasl::custom(slow.clone())));
    let mut peer = authenticated(&fixture).await;
    assert_eq!(slow.0.load(Ordering::Relaxed), 1);
    let serve = async {
        peer.authenticate(0, 10_000).await;
        let (_, id) = peer.request().await;
        peer.reply(id, b"one").await;
    };
    let (reply, ()) = tokio::join!(
        async {
            tokio::time::sleep(Duration::from_millis(9_600)).await;
            fixture.call(after(5)).await
        },
        serve
    );
    assert_eq!((&reply.unwrap()[4..], slow.0.load(Ordering::Relaxed)), (&b"one"[..], 2));
}
