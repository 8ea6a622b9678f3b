//! Opening a connection: the byte stream, what secures it, and the handshake, in older greetings
//! where a peer closes it at the newest.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::BufMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tracing::debug;

use super::Setup;
use crate::config::BrokerAddress;
use crate::error::{Error, ErrorKind, Result};
use crate::net::connection::ConnectionShared;
use crate::net::connector::Io;
use crate::net::handshake::{GREETINGS, Handshake, HandshakeOutcome, HandshakeStep};
use crate::net::incoming::{BadLength, Incoming};
use crate::runtime::{self, Runtime};
use crate::wire::versions::ApiKey;

/// The greeting that each peer has answered, so that one that closes the connection at newer ones
/// is not asked in them each time.
#[derive(Debug, Default)]
pub(crate) struct Greetings(Mutex<BTreeMap<BrokerAddress, i16>>);

impl Greetings {
    fn of(&self, address: &BrokerAddress) -> Option<i16> {
        self.lock().get(address).copied()
    }

    fn note(&self, address: &BrokerAddress, version: i16) {
        self.lock().insert(address.clone(), version);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<BrokerAddress, i16>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) async fn open(
    shared: &ConnectionShared,
    setup: &Setup,
    runtime: &Runtime,
) -> Result<(Box<dyn Io>, HandshakeOutcome)> {
    let deadline = runtime::now() + setup.setup_timeout;
    let opening = async {
        let known = setup.greetings.of(&shared.address);
        let cap = setup.caps.of(ApiKey::ApiVersions);
        let greetings: Vec<i16> = GREETINGS
            .into_iter()
            .filter(|version| known.into_iter().chain(cap).all(|newest| *version <= newest))
            .collect();
        let mut greetings = greetings.into_iter().peekable();
        loop {
            let version = greetings.next().unwrap_or(0);
            match open_with(shared, setup, runtime, version, deadline).await {
                Ok(opened) => {
                    setup.greetings.note(&shared.address, version);
                    setup.features.note(opened.1.versions.features());
                    return Ok(opened);
                }
                Err(ConnectFailure { error, is_unanswered: true })
                    if greetings.peek().is_some() =>
                {
                    debug!(address = %shared.address, %error, version, "trying an older greeting");
                }
                Err(ConnectFailure { error, .. }) => return Err(error),
            }
        }
    };
    let late = || {
        let message = format!(
            "{} did not answer in {:?} (socket.connection.setup.timeout.ms)",
            shared.address, setup.setup_timeout
        );
        Err(Error::new(ErrorKind::Connect, message))
    };
    tokio::time::timeout_at(deadline.into(), opening).await.unwrap_or_else(|_| late())
}

/// Why a connection could not be opened.
struct ConnectFailure {
    error: Error,
    /// The peer has closed it without an answer to the greeting.
    is_unanswered: bool,
}

impl From<Error> for ConnectFailure {
    fn from(error: Error) -> Self {
        Self { error, is_unanswered: false }
    }
}

/// Opens a connection with a greeting of this version.
async fn open_with(
    shared: &ConnectionShared,
    setup: &Setup,
    runtime: &Runtime,
    version: i16,
    deadline: Instant,
) -> Result<(Box<dyn Io>, HandshakeOutcome), ConnectFailure> {
    let io = setup.connector.connect(&shared.address, deadline).await.map_err(|error| {
        let message = format!("cannot connect to {}: {error}", shared.address);
        Error::new(ErrorKind::Connect, message).with_source(error)
    })?;
    let secured = async {
        let mut io = setup.security.encrypt(io, &shared.address).await?;
        let greeted = shake_hands(&mut io, shared, setup, runtime, version).await?;
        Ok((io, greeted))
    };
    secured.await.map_err(|failure: ConnectFailure| ConnectFailure {
        error: failure.error.with_context(&shared.address),
        ..failure
    })
}

async fn shake_hands(
    io: &mut Box<dyn Io>,
    shared: &ConnectionShared,
    setup: &Setup,
    runtime: &Runtime,
    version: i16,
) -> Result<HandshakeOutcome, ConnectFailure> {
    let mut is_answered = false;
    let mut outcome = greet(io, shared, setup, runtime, version, &mut is_answered)
        .await
        .map_err(ConnectFailure::from);
    if let Err(failure) = &mut outcome {
        failure.is_unanswered = !is_answered && failure.error.kind() == ErrorKind::Connect;
    }
    outcome
}

async fn greet(
    io: &mut Box<dyn Io>,
    shared: &ConnectionShared,
    setup: &Setup,
    runtime: &Runtime,
    version: i16,
    is_answered: &mut bool,
) -> Result<HandshakeOutcome> {
    let lost = |error: io::Error| {
        let plain = || {
            Error::new(
                ErrorKind::Connect,
                format!("the connection was lost during set-up: {error}"),
            )
        };
        setup.security.explain(&error).unwrap_or_else(plain)
    };
    let authentication = setup.security.authentication(&shared.address, &setup.client_id).await?;
    let mut handshake = Handshake::new(
        &setup.client_id,
        Arc::clone(&setup.software),
        Arc::clone(&setup.caps),
        version,
        authentication,
    );
    let mut incoming = Incoming::new(setup.max_reply.min(LARGEST_HANDSHAKE));
    let mut step = handshake.start()?;
    loop {
        let mut frame = match step {
            HandshakeStep::Send(frame) => frame,
            HandshakeStep::Done(greeted) => return Ok(greeted),
        };
        io.write_all_buf(&mut frame).await.map_err(lost)?;
        io.flush().await.map_err(lost)?;
        drop(frame);
        let reply = loop {
            let whole = incoming.frame().map_err(BadLength::error)?;
            if let Some(reply) = whole {
                break reply;
            }
            let (buffer, most) = incoming.room();
            if io.read_buf(&mut buffer.limit(most)).await.map_err(lost)? == 0 {
                let message = format!(
                    "the peer closed the connection during set-up: {}",
                    setup.security.why_closed()
                );
                return Err(Error::new(ErrorKind::Connect, message));
            }
        };
        *is_answered = true;
        if let Some(work) = handshake.work(&reply) {
            runtime.offload(usize::MAX, work).await;
        }
        step = handshake.handle_reply(&reply)?;
    }
}

/// No reply of the handshake is longer (a guess: ApiVersions of Kafka 4.4 takes 700 bytes).
pub(super) const LARGEST_HANDSHAKE: usize = 1024 * 1024;
