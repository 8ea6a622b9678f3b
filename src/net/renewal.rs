//! Proving anew who the client is on an open connection, before the broker would end it (KIP-368).
//!
//! ```text
//!              85 to 95 % of the lifetime          all replies are in
//!   Waiting ───────────────▶ Preparing ──▶ Draining ───────────▶ Exchanging ──▶ Waiting, with the new lifetime
//!      ▲     half of the rest    │ no token, yet time
//!      └─────────────────────────┘
//! ```
//!
//! Requests go on while a token is fetched; then they are parked in their queue, in order, until the broker has agreed.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use super::handshake::Authentication;
use crate::error::Result;

/// A token may be asked for again after this, while the session lasts (a guess: far below any lifetime in use).
const LEAST_PAUSE: Duration = Duration::from_secs(1);

/// Where a connection is between two proofs.
pub(super) enum Renewal {
    /// The broker does not ask for one.
    Never,
    Waiting {
        at: Instant,
        ends: Instant,
    },
    Preparing {
        start: Preparing,
        ends: Instant,
    },
    Draining(Authentication),
    Exchanging {
        authentication: Authentication,
        deadline: Instant,
        /// When the connection was last of use: a proof is no use of it.
        used: Instant,
    },
}

pub(super) type Preparing = Pin<Box<dyn Future<Output = Result<Authentication>> + Send>>;

impl Renewal {
    /// After a proof that holds for `lifetime`.
    pub(super) fn after(lifetime: Option<Duration>, now: Instant) -> Self {
        let mut random = [0];
        // Spreads the proofs of many connections; without randomness they come together.
        let _ = getrandom::fill(&mut random);
        match lifetime {
            Some(lifetime) => Self::Waiting { at: now + renewal(lifetime, random[0]), ends: now + lifetime },
            None => Self::Never,
        }
    }

    /// After an attempt to prepare has failed; `None` if no time is left for another.
    pub(super) fn retry(ends: Instant, now: Instant) -> Option<Self> {
        let pause = (ends.saturating_duration_since(now) / 2).max(LEAST_PAUSE);
        (now + pause < ends).then_some(Self::Waiting { at: now + pause, ends })
    }

    /// Whether requests are parked.
    pub(super) fn is_parking(&self) -> bool {
        matches!(self, Self::Draining(_) | Self::Exchanging { .. })
    }

    /// When something is to be done if nothing else happens.
    pub(super) fn due(&self) -> Option<Instant> {
        match self {
            Self::Never | Self::Draining(_) => None,
            Self::Waiting { at, .. } => Some(*at),
            Self::Preparing { ends, .. } => Some(*ends),
            Self::Exchanging { deadline, .. } => Some(*deadline),
        }
    }
}

/// How far into a session it is renewed: 85 to 95 %, as in Java's `SaslClientAuthenticator`.
fn renewal(lifetime: Duration, random: u8) -> Duration {
    lifetime.mul_f64(0.85 + 0.1 * f64::from(random) / 255.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_renewed_well_before_its_end() {
        let lifetime = Duration::from_secs(100);
        assert_eq!(renewal(lifetime, 0), Duration::from_secs(85));
        assert_eq!(renewal(lifetime, 255).as_millis(), 95_000);
    }

    #[test]
    fn preparing_is_tried_again_while_there_is_time() {
        let now = Instant::now();
        let Some(Renewal::Waiting { at, .. }) = Renewal::retry(now + Duration::from_secs(8), now) else {
            panic!("there is time")
        };
        assert_eq!(at - now, Duration::from_secs(4));
        assert!(Renewal::retry(now + Duration::from_secs(1), now).is_none());
    }
}
