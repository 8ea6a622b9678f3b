//! SASL as brokers do it: who is let in, for how long, and what a connection may ask before,
//! between and after (KIP-152, KIP-368).
//!
//! ```text
//!           handshake            the last step is right
//!  Nobody ───────────▶ Proving ─────────────────────────▶ Known ──┐ handshake: proving anew, requests go on being refused
//!     ▲                   │ wrong: the reply says so, and the     │ until that has ended
//!     └── never again ────┘ connection ends             ◀─────────┘ a request after the session's end ends the connection
//! ```

mod scram;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::ApiKey;
use tokio::time::Instant;

use self::scram::{Hash, Scram, Stored};

/// A SASL mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SaslMechanism {
    /// `PLAIN`.
    Plain,
    /// `SCRAM-SHA-256`.
    ScramSha256,
    /// `SCRAM-SHA-512`.
    ScramSha512,
    /// `OAUTHBEARER`.
    OAuthBearer,
    /// `AWS_MSK_IAM`, of Amazon's MSK.
    AwsMskIam,
}

impl SaslMechanism {
    /// Returns its name in handshakes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
            Self::OAuthBearer => "OAUTHBEARER",
            Self::AwsMskIam => "AWS_MSK_IAM",
        }
    }
}

/// Says whose a token is, and until when it is good, in milliseconds since 1970; `None` if it is
/// not good.
type TokenCheck = Arc<dyn Fn(&str) -> Option<(String, i64)> + Send + Sync>;

/// Says who has signed a request of AWS_MSK_IAM; `None` if the signature is not good.
type SignatureCheck = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// How every client of a cluster must authenticate.
#[derive(Clone, Default)]
#[must_use]
pub struct Sasl {
    mechanisms: Vec<SaslMechanism>,
    users: BTreeMap<String, User>,
    max_reauth: Option<Duration>,
    tokens: Option<TokenCheck>,
    signatures: Option<SignatureCheck>,
}

#[derive(Clone)]
struct User {
    password: String,
    sha_256: Stored,
    sha_512: Stored,
}

impl fmt::Debug for Sasl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let users: Vec<&String> = self.users.keys().collect();
        f.debug_struct("Sasl")
            .field("mechanisms", &self.mechanisms)
            .field("users", &users)
            .finish_non_exhaustive()
    }
}

impl Sasl {
    /// Accepts these mechanisms (`sasl.enabled.mechanisms`).
    pub fn new(mechanisms: impl IntoIterator<Item = SaslMechanism>) -> Self {
        Self { mechanisms: mechanisms.into_iter().collect(), ..Self::default() }
    }

    /// Adds a user for PLAIN and SCRAM.
    pub fn user(mut self, name: impl Into<String>, password: impl Into<String>) -> Self {
        let (name, password) = (name.into(), password.into());
        let stored = |hash| Stored::new(hash, &password, name.as_bytes());
        let (sha_256, sha_512) = (stored(Hash::Sha256), stored(Hash::Sha512));
        self.users.insert(name, User { password, sha_256, sha_512 });
        self
    }

    /// Sets `connections.max.reauth.ms`, for how long a session lasts. By default it does not end.
    pub fn max_reauth(mut self, limit: Duration) -> Self {
        self.max_reauth = Some(limit);
        self
    }

    /// Sets the validator of OAUTHBEARER tokens: it returns a token's principal and its expiry in
    /// milliseconds since 1970, or `None` if the token is invalid.
    pub fn tokens(
        mut self,
        check: impl Fn(&str) -> Option<(String, i64)> + Send + Sync + 'static,
    ) -> Self {
        self.tokens = Some(Arc::new(check));
        self
    }

    /// Sets the validator of the signed requests of AWS_MSK_IAM: it is given the JSON that the client
    /// sends, and returns its principal, or `None` if the signature is invalid.
    pub fn signatures(
        mut self,
        check: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.signatures = Some(Arc::new(check));
        self
    }

    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.mechanisms.iter().map(|mechanism| mechanism.name()).collect()
    }
}

/// How often clients have authenticated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Logins {
    /// On a new connection.
    pub first: u64,
    /// Again, on an open one.
    pub renewed: u64,
    /// Unsuccessfully.
    pub refused: u64,
    /// Connections closed because their session had expired.
    pub expired: u64,
    /// Connections closed because of a request before or during authentication.
    pub out_of_turn: u64,
}

/// How far one connection is.
#[derive(Debug)]
pub(crate) struct Login {
    /// Who it was last, and by what; a new proof must say the same.
    known: Option<Known>,
    exchange: Option<Exchange>,
}

#[derive(Debug)]
struct Known {
    user: String,
    mechanism: SaslMechanism,
    since: Instant,
    until: Option<Instant>,
}

#[derive(Debug)]
struct Exchange {
    mechanism: SaslMechanism,
    step: Step,
}

#[derive(Debug)]
enum Step {
    First,
    Scram(Box<Scram>),
    /// The client was told that its token is not good, and is to say that it has heard.
    Refused,
}

/// What a broker does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    Serve,
    Close,
    /// The session has ended.
    Expired,
}

/// What a step of an exchange comes to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Challenge(Vec<u8>),
    /// The last bytes, whether the client had proved it before, and how long the session lasts.
    Done(Vec<u8>, bool, Option<Duration>),
    /// What to say; the connection ends.
    Refused(String),
}

/// A broker looks at no further proof in this time
/// (`KafkaChannel.MIN_REAUTH_INTERVAL_ONE_SECOND_NANOS`).
const LEAST_BETWEEN: Duration = Duration::from_secs(1);

impl Login {
    pub(crate) fn new() -> Self {
        Self { known: None, exchange: None }
    }

    /// Whether the connection may ask this now.
    pub(crate) fn admits(&self, api: ApiKey, now: Instant) -> Admission {
        match (&self.known, &self.exchange, api) {
            (_, Some(_), ApiKey::SaslAuthenticate)
            | (None, _, ApiKey::ApiVersions | ApiKey::SaslHandshake) => Admission::Serve,
            (None, ..) | (Some(_), Some(_), _) => Admission::Close,
            (Some(known), None, ApiKey::SaslHandshake)
                if now.duration_since(known.since) >= LEAST_BETWEEN =>
            {
                Admission::Serve
            }
            (Some(known), None, _) if known.until.is_some_and(|until| now > until) => {
                Admission::Expired
            }
            // KafkaApis answers them with ILLEGAL_SASL_STATE; no client has a reason to ask.
            (Some(_), None, ApiKey::SaslHandshake | ApiKey::SaslAuthenticate) => Admission::Close,
            (Some(_), None, _) => Admission::Serve,
        }
    }

    /// Begins an exchange; false if there is no such mechanism here.
    pub(crate) fn shake(&mut self, sasl: &Sasl, mechanism: &str) -> bool {
        let found = sasl.mechanisms.iter().find(|enabled| enabled.name() == mechanism);
        self.exchange =
            found.map(|mechanism| Exchange { mechanism: *mechanism, step: Step::First });
        found.is_some()
    }

    /// Takes the client's next words.
    pub(crate) fn step(
        &mut self,
        sasl: &Sasl,
        words: &[u8],
        nonce: &str,
        now: Instant,
        now_ms: i64,
    ) -> Progress {
        let Some(mut exchange) = self.exchange.take() else {
            return Progress::Refused("there was no handshake".into());
        };
        match judge(sasl, &mut exchange, words, nonce, now_ms) {
            Ok(Verdict::More(challenge)) => {
                self.exchange = Some(exchange);
                Progress::Challenge(challenge)
            }
            Ok(Verdict::Is { user, last, good_for }) => {
                self.known(sasl, exchange.mechanism, user, last, good_for, now)
            }
            Err(why) => Progress::Refused(why),
        }
    }

    fn known(
        &mut self,
        sasl: &Sasl,
        mechanism: SaslMechanism,
        user: String,
        last: Vec<u8>,
        good_for: Option<Duration>,
        now: Instant,
    ) -> Progress {
        let before = self.known.take();
        if before.as_ref().is_some_and(|known| known.user != user || known.mechanism != mechanism) {
            return Progress::Refused("a connection keeps its user and mechanism".into());
        }
        let lifetime = match (sasl.max_reauth, good_for) {
            (Some(limit), Some(left)) => Some(limit.min(left)),
            (Some(limit), None) => Some(limit),
            // As in Kafka, a token's end is no session's end unless the broker limits sessions.
            (None, _) => None,
        };
        self.known = Some(Known {
            user,
            mechanism,
            since: now,
            until: lifetime.map(|lifetime| now + lifetime),
        });
        Progress::Done(last, before.is_some(), lifetime)
    }
}

enum Verdict {
    More(Vec<u8>),
    Is { user: String, last: Vec<u8>, good_for: Option<Duration> },
}

fn judge(
    sasl: &Sasl,
    exchange: &mut Exchange,
    words: &[u8],
    nonce: &str,
    now_ms: i64,
) -> Result<Verdict, String> {
    let invalid = || "Authentication failed: Invalid username or password".to_owned();
    let credentials =
        || "Authentication failed during authentication due to invalid credentials".to_owned();
    let hash = match exchange.mechanism {
        SaslMechanism::Plain => return plain(sasl, words).ok_or_else(invalid),
        SaslMechanism::OAuthBearer => return token(sasl, exchange, words, now_ms),
        SaslMechanism::AwsMskIam => {
            return signed(sasl, words).ok_or_else(|| "Access denied".into());
        }
        SaslMechanism::ScramSha256 => Hash::Sha256,
        SaslMechanism::ScramSha512 => Hash::Sha512,
    };
    if let Step::Scram(scram) = &exchange.step {
        let (user, last) = scram.last(words).ok_or_else(credentials)?;
        return Ok(Verdict::Is { user, last, good_for: None });
    }
    let stored = |name: &str| {
        let user = sasl.users.get(name)?;
        Some(if hash == Hash::Sha256 { user.sha_256.clone() } else { user.sha_512.clone() })
    };
    let (scram, challenge) = Scram::first(hash, words, nonce, stored).ok_or_else(credentials)?;
    exchange.step = Step::Scram(Box::new(scram));
    Ok(Verdict::More(challenge))
}

/// RFC 4616: whom to be taken for, name and password, with a NUL between.
fn plain(sasl: &Sasl, words: &[u8]) -> Option<Verdict> {
    let mut parts = std::str::from_utf8(words).ok()?.split('\0');
    let (other, name, password) = (parts.next()?, parts.next()?, parts.next()?);
    let is_right = parts.next().is_none() && (other.is_empty() || other == name);
    let user = sasl.users.get(name).filter(|user| is_right && user.password == password);
    user.map(|_| Verdict::Is { user: name.to_owned(), last: Vec::new(), good_for: None })
}

/// As the brokers of MSK answer aws-msk-iam-auth: with the name of the request, in JSON.
fn signed(sasl: &Sasl, words: &[u8]) -> Option<Verdict> {
    let user = sasl.signatures.as_ref()?(std::str::from_utf8(words).ok()?)?;
    let last = br#"{"version":"2020_10_22","request-id":"embedded"}"#.to_vec();
    Some(Verdict::Is { user, last, good_for: None })
}

/// RFC 7628: a header of GS2, then pairs that end with a byte of 1.
fn token(
    sasl: &Sasl,
    exchange: &mut Exchange,
    words: &[u8],
    now_ms: i64,
) -> Result<Verdict, String> {
    if matches!(exchange.step, Step::Refused) {
        return Err("{\"status\":\"invalid_token\"}".into());
    }
    let text = std::str::from_utf8(words).map_err(|_| "no text")?;
    let mut parts = text.split('\x01');
    if !parts.next().is_some_and(|header| header.starts_with("n,") && header.ends_with(','))
        || !text.ends_with("\x01\x01")
    {
        return Err("Invalid OAUTHBEARER client first message".into());
    }
    let value =
        parts.find_map(|part| part.strip_prefix("auth=Bearer ")).ok_or("there is no token")?;
    match sasl.tokens.as_ref().and_then(|check| check(value)).filter(|(_, until)| *until > now_ms) {
        Some((user, until)) => {
            let left = Duration::from_millis(u64::try_from(until - now_ms).unwrap_or(0));
            Ok(Verdict::Is { user, last: Vec::new(), good_for: Some(left) })
        }
        None => {
            exchange.step = Step::Refused;
            Ok(Verdict::More(b"{\"status\":\"invalid_token\"}".to_vec()))
        }
    }
}
