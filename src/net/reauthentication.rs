//! Re-authentication on an open connection, before the broker would end it (KIP-368).
//!
//! ```text
//!              85 to 95 % of the lifetime          all replies are in
//!   Waiting ───────────────▶ Preparing ──▶ Draining ───────────▶ Exchanging ──▶ Waiting, with the new lifetime
//!      ▲     half of the rest    │ no token, yet time
//!      └─────────────────────────┘
//! ```
//!
//! Requests go on while a token is fetched; then they are parked in their queue, in order, until
//! the broker has agreed.
//!
//! Brokers refuse a re-authentication within a second of the one before (Java's `KafkaChannel`). A
//! session shorter than that, as a token gives that is about to expire, is over before the client
//! can re-authenticate; then requests are parked until it can.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::handshake::Authentication;
use crate::error::Result;

/// A token may be asked for again after this, while the session lasts (a guess: far below any
/// lifetime in use).
const LEAST_PAUSE: Duration = Duration::from_secs(1);

/// Brokers refuse a re-authentication that begins within a second of the one before; with something
/// for the way.
const LEAST_BETWEEN: Duration = Duration::from_millis(1100);

/// Where a connection is between two authentications.
pub(super) enum Reauthentication {
    /// The broker does not ask for one.
    Never,
    Waiting {
        at: Instant,
        session: GrantedSession,
    },
    Preparing {
        start: PreparingReauthentication,
        session: GrantedSession,
    },
    Draining(Authentication),
    Exchanging {
        authentication: Authentication,
        deadline: Instant,
        /// When the connection was last of use: re-authentication is no use of it.
        used: Instant,
        /// What the mechanism does on a thread of its own before it can answer.
        work: Option<ReauthenticationWork>,
    },
}

/// What takes long, and the reply that is answered when it is done.
pub(super) struct ReauthenticationWork {
    pub(super) done: Pin<Box<dyn Future<Output = ()> + Send>>,
    pub(super) reply: Bytes,
}

/// What the broker has granted.
#[derive(Clone, Copy, Debug)]
pub(super) struct GrantedSession {
    /// From here on the broker takes no request any more.
    parks: Instant,
    /// When it is too late to re-authenticate.
    pub(super) ends: Instant,
}

pub(super) type PreparingReauthentication =
    Pin<Box<dyn Future<Output = Result<Authentication>> + Send>>;

impl Reauthentication {
    /// After an authentication that holds for `lifetime`.
    pub(super) fn after(lifetime: Option<Duration>, now: Instant) -> Self {
        let mut random = [0];
        // Spreads the re-authentications of many connections; without randomness they come
        // together.
        let _ = getrandom::fill(&mut random);
        let Some(lifetime) = lifetime else { return Self::Never };
        let at = now + due_after(lifetime, random[0]).max(LEAST_BETWEEN);
        // The broker's session began a little earlier.
        Self::Waiting {
            at,
            session: GrantedSession {
                parks: now + lifetime.mul_f64(0.97),
                ends: now + lifetime.max(2 * LEAST_BETWEEN),
            },
        }
    }

    /// After an attempt to prepare has failed; `None` if no time is left for another.
    pub(super) fn retry(session: GrantedSession, now: Instant) -> Option<Self> {
        let pause = (session.ends.saturating_duration_since(now) / 2).max(LEAST_PAUSE);
        (now + pause < session.ends).then_some(Self::Waiting { at: now + pause, session })
    }

    /// Whether requests are parked.
    pub(super) fn is_parking(&self, now: Instant) -> bool {
        match self {
            Self::Never => false,
            Self::Waiting { session, .. } | Self::Preparing { session, .. } => session.parks <= now,
            Self::Draining(_) | Self::Exchanging { .. } => true,
        }
    }

    /// When something is to be done if nothing else happens.
    pub(super) fn due(&self) -> Option<Instant> {
        match self {
            Self::Never | Self::Draining(_) => None,
            Self::Waiting { at, .. } => Some(*at),
            Self::Preparing { session, .. } => Some(session.ends),
            Self::Exchanging { deadline, .. } => Some(*deadline),
        }
    }
}

/// How far into a session the client re-authenticates: 85 to 95 %, as in Java's
/// `SaslClientAuthenticator`.
fn due_after(lifetime: Duration, random: u8) -> Duration {
    lifetime.mul_f64(0.85 + 0.1 * f64::from(random) / 255.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_renewed_well_before_its_end() {
        let lifetime = Duration::from_secs(100);
        assert_eq!(due_after(lifetime, 0), Duration::from_secs(85));
        assert_eq!(due_after(lifetime, 255).as_millis(), 95_000);
    }

    #[test]
    fn the_longest_lifetime_that_a_broker_can_say_does_no_harm() {
        let longest = Duration::from_millis(i64::MAX.unsigned_abs());
        let reauthentication = Reauthentication::after(Some(longest), Instant::now());
        assert!(reauthentication.due().is_some() && !reauthentication.is_parking(Instant::now()));
    }

    #[test]
    fn preparing_is_tried_again_while_there_is_time() {
        let now = Instant::now();
        let session =
            |seconds| GrantedSession { parks: now, ends: now + Duration::from_secs(seconds) };
        let Some(Reauthentication::Waiting { at, .. }) = Reauthentication::retry(session(8), now)
        else {
            panic!("there is time")
        };
        assert_eq!(at - now, Duration::from_secs(4));
        assert!(Reauthentication::retry(session(1), now).is_none());
    }

    #[test]
    fn a_session_that_ends_before_it_may_be_renewed_parks_what_comes_meanwhile() {
        let now = Instant::now();
        let reauthentication = Reauthentication::after(Some(Duration::from_millis(500)), now);
        assert_eq!(reauthentication.due(), Some(now + LEAST_BETWEEN));
        assert!(!reauthentication.is_parking(now + Duration::from_millis(400)));
        assert!(reauthentication.is_parking(now + Duration::from_millis(500)));
        let reauthentication = Reauthentication::after(Some(Duration::from_secs(10)), now);
        assert!(
            reauthentication.due().is_some_and(|due| !reauthentication.is_parking(due)),
            "a longer one is renewed while requests go on"
        );
    }
}
