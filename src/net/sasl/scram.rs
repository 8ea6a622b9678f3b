//! SCRAM (RFC 5802, RFC 7677): both sides prove that they know the password, and none says it.
//!
//! ```text
//!   client                            broker
//!   n,,n=user,r=NONCE          ─────▶
//!                              ◀───── r=NONCE+more,s=SALT,i=ITERATIONS
//!   c=biws,r=NONCE+more,p=PROOF ────▶
//!                              ◀───── v=SIGNATURE
//! ```
//!
//! Channel binding is not offered: Kafka has none.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::digest::block_api::{BlockSizeUser, CoreProxy, EagerHash};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};
use zeroize::Zeroizing;

use super::wrong;
use crate::boxed::BoxFuture;
use crate::config::{
    Credentials, SaslContext, SaslError, SaslMechanism, SaslSession, SaslWork, ScramHash,
};
use crate::shown::shown;

/// Fewer are too easy to try out (RFC 7677 and Kafka's own least).
const LEAST_ITERATIONS: u32 = 4096;

/// More only keep the client busy (Kafka's most is 16,384; six times that takes about a tenth of a
/// second).
const MOST_ITERATIONS: u32 = 100_000;

pub(super) fn mechanism(
    hash: ScramHash,
    credentials: Credentials,
    is_token: bool,
) -> Arc<dyn SaslMechanism> {
    Arc::new(Scram { hash, credentials, is_token, last: Arc::default() })
}

struct Scram {
    hash: ScramHash,
    credentials: Credentials,
    is_token: bool,
    last: Arc<Last>,
}

/// The keys of the last exchange: a broker keeps the salt of a user, so the slow hash is done once
/// and not for each connection and each new proof.
type Last = Mutex<Option<Keys>>;

/// What the slow hash makes of a password.
#[derive(Clone)]
struct Keys {
    salt: Vec<u8>,
    iterations: u32,
    client: Zeroizing<Vec<u8>>,
    server: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Scram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hash, credentials, is_token, .. } = self;
        write!(f, "Scram {{ {hash:?}, {credentials:?}, is_token: {is_token} }}")
    }
}

impl SaslMechanism for Scram {
    fn name(&self) -> &str {
        match self.hash {
            ScramHash::Sha256 => "SCRAM-SHA-256",
            ScramHash::Sha512 => "SCRAM-SHA-512",
        }
    }

    fn start<'a>(
        &'a self,
        context: SaslContext<'a>,
    ) -> BoxFuture<'a, Result<Box<dyn SaslSession>, SaslError>> {
        let mut session = ScramSession::new(
            self.hash,
            &self.credentials,
            self.is_token,
            BASE64.encode(context.nonce),
        );
        session.last = Arc::clone(&self.last);
        Box::pin(std::future::ready(Ok(Box::new(session) as Box<dyn SaslSession>)))
    }
}

struct ScramSession {
    hash: ScramHash,
    password: Zeroizing<String>,
    nonce: String,
    first_bare: String,
    last: Arc<Last>,
    state: State,
}

enum State {
    First,
    Salt,
    /// What the broker signs to prove that it knows the password too, and by which key.
    Signature {
        messages: String,
        key: Zeroizing<Vec<u8>>,
    },
    Done,
}

impl ScramSession {
    fn new(hash: ScramHash, credentials: &Credentials, is_token: bool, nonce: String) -> Self {
        // The two characters that have a meaning (RFC 5802, section 5.1).
        let username = credentials.username.replace('=', "=3D").replace(',', "=2C");
        let extension = if is_token { ",tokenauth=true" } else { "" };
        let first_bare = format!("n={username},r={nonce}{extension}");
        let password = Zeroizing::new(credentials.password.expose().to_owned());
        Self { hash, password, nonce, first_bare, last: Arc::default(), state: State::First }
    }

    /// Reads the broker's first message.
    fn first_of_server<'m>(&self, message: &'m str) -> Result<ServerFirst<'m>, SaslError> {
        if let Some(error) = attribute(message, "e") {
            return Err(wrong(format!("the broker says {}", shown(error))));
        }
        let mut parts = message.split(',');
        let mut part = |name: &str| {
            let part = parts.next().and_then(|part| part.strip_prefix(name)?.strip_prefix('='));
            part.ok_or_else(|| {
                wrong(format!("the broker's first message has no {name}= in its place"))
            })
        };
        let (nonce, salt, iterations) = (part("r")?, part("s")?, part("i")?);
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(wrong("the broker's nonce does not continue this client's"));
        }
        let salt = BASE64.decode(salt).map_err(|_| wrong("the broker's salt is no base 64"))?;
        let iterations = iterations
            .parse()
            .ok()
            .filter(|count| (LEAST_ITERATIONS..=MOST_ITERATIONS).contains(count));
        let iterations = iterations.ok_or_else(|| {
            wrong(format!(
                "the broker wants an iteration count outside {LEAST_ITERATIONS} to \
                 {MOST_ITERATIONS}"
            ))
        })?;
        Ok(ServerFirst { nonce, salt, iterations })
    }

    /// Answers the broker's first message by the proof.
    fn prove(&mut self, message: &str) -> Result<Vec<u8>, SaslError> {
        let ServerFirst { nonce, salt, iterations } = self.first_of_server(message)?;
        let without_proof = format!("c=biws,r={nonce}");
        let messages = format!("{},{message},{without_proof}", self.first_bare);
        // Prepared, unless connections to brokers with other salts came between.
        let keys = self
            .known_keys(&salt, iterations)
            .unwrap_or_else(|| slow_keys(self.hash, &self.password, salt, iterations));
        let proof = match self.hash {
            ScramHash::Sha256 => proof::<Sha256>(&keys, &messages),
            ScramHash::Sha512 => proof::<Sha512>(&keys, &messages),
        };
        self.state = State::Signature { messages, key: keys.server };
        Ok(format!("{without_proof},p={}", BASE64.encode(proof)).into_bytes())
    }

    fn known_keys(&self, salt: &[u8], iterations: u32) -> Option<Keys> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().filter(|keys| keys.salt == salt && keys.iterations == iterations).cloned()
    }
}

/// What the broker's first message says.
struct ServerFirst<'m> {
    nonce: &'m str,
    salt: Vec<u8>,
    iterations: u32,
}

impl SaslSession for ScramSession {
    fn respond(&mut self, challenge: &[u8]) -> Result<Option<Vec<u8>>, SaslError> {
        let text = std::str::from_utf8(challenge)
            .map_err(|_| wrong("the broker's message is no UTF-8"))?;
        match std::mem::replace(&mut self.state, State::Done) {
            State::First => {
                self.state = State::Salt;
                Ok(Some(format!("n,,{}", self.first_bare).into_bytes()))
            }
            State::Salt => self.prove(text).map(Some),
            State::Signature { messages, key } => {
                if let Some(error) = attribute(text, "e") {
                    return Err(wrong(format!("the broker says {}", shown(error))));
                }
                let signature =
                    attribute(text, "v").and_then(|signature| BASE64.decode(signature).ok());
                let is_right = signature.is_some_and(|signature| match self.hash {
                    ScramHash::Sha256 => is_mac::<Sha256>(&key, &messages, &signature),
                    ScramHash::Sha512 => is_mac::<Sha512>(&key, &messages, &signature),
                });
                if !is_right {
                    return Err(wrong(
                        "the broker does not know the password either: it is not the one that it \
                         says it is",
                    ));
                }
                Ok(None)
            }
            State::Done => Err(wrong("the broker goes on after the end")),
        }
    }

    /// The slow hash, unless its result is known.
    fn prepare(&mut self, challenge: &[u8]) -> Option<SaslWork> {
        let State::Salt = self.state else { return None };
        let ServerFirst { salt, iterations, .. } =
            self.first_of_server(std::str::from_utf8(challenge).ok()?).ok()?;
        if self.known_keys(&salt, iterations).is_some() {
            return None;
        }
        let (hash, password, last) = (self.hash, self.password.clone(), Arc::clone(&self.last));
        Some(Box::new(move || {
            let keys = slow_keys(hash, &password, salt, iterations);
            *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(keys);
        }))
    }

    fn advice(&self) -> Option<String> {
        Some(
            "check sasl.username and sasl.password, or those of sasl.jaas.config, and that the \
             user has credentials for this mechanism"
                .to_owned(),
        )
    }
}

/// The value of an attribute, if the message begins with it.
fn attribute<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    message.split(',').next()?.strip_prefix(name)?.strip_prefix('=')
}

/// Section 3 of RFC 5802, as far as it depends on the password alone: takes tens of milliseconds.
fn slow_keys(hash: ScramHash, password: &str, salt: Vec<u8>, iterations: u32) -> Keys {
    match hash {
        ScramHash::Sha256 => keys::<Sha256, 32>(password, salt, iterations),
        ScramHash::Sha512 => keys::<Sha512, 64>(password, salt, iterations),
    }
}

/// The password is taken as it is: Kafka does not apply SASLprep either.
fn keys<H, const LENGTH: usize>(password: &str, salt: Vec<u8>, iterations: u32) -> Keys
where
    H: Digest + EagerHash + BlockSizeUser + CoreProxy,
    Hmac<H>: Mac + KeyInit + Clone,
{
    let mut salted = Zeroizing::new([0; LENGTH]);
    pbkdf2::pbkdf2::<Hmac<H>>(password.as_bytes(), &salt, iterations, &mut *salted)
        .expect("a key of HMAC may have any length");
    let (client, server) = (mac::<H>(&*salted, b"Client Key"), mac::<H>(&*salted, b"Server Key"));
    Keys { salt, iterations, client, server }
}

/// The rest of it: the client's proof.
fn proof<H>(keys: &Keys, messages: &str) -> Vec<u8>
where
    H: Digest + EagerHash + BlockSizeUser + CoreProxy,
    Hmac<H>: Mac + KeyInit + Clone,
{
    let stored_key = H::digest(&*keys.client);
    let signature = mac::<H>(&stored_key, messages.as_bytes());
    keys.client.iter().zip(signature.iter()).map(|(key, signature)| key ^ signature).collect()
}

/// Whether a code is that of a text, in a time that does not tell how much of it is.
fn is_mac<H>(key: &[u8], text: &str, code: &[u8]) -> bool
where
    H: EagerHash + BlockSizeUser + CoreProxy,
    Hmac<H>: Mac + KeyInit,
{
    let mut mac =
        <Hmac<H> as KeyInit>::new_from_slice(key).expect("a key of HMAC may have any length");
    mac.update(text.as_bytes());
    mac.verify_slice(code).is_ok()
}

fn mac<H>(key: &[u8], text: &[u8]) -> Zeroizing<Vec<u8>>
where
    H: EagerHash + BlockSizeUser + CoreProxy,
    Hmac<H>: Mac + KeyInit,
{
    let mut mac =
        <Hmac<H> as KeyInit>::new_from_slice(key).expect("a key of HMAC may have any length");
    mac.update(text);
    Zeroizing::new(mac.finalize().into_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(hash: ScramHash, nonce: &str, is_token: bool) -> ScramSession {
        let credentials = Credentials { username: "user".into(), password: "pencil".into() };
        ScramSession::new(hash, &credentials, is_token, nonce.to_owned())
    }

    fn say(session: &mut ScramSession, challenge: &str) -> String {
        if let Some(work) = session.prepare(challenge.as_bytes()) {
            work();
        }
        let answer = session.respond(challenge.as_bytes()).expect("right").expect("more to say");
        String::from_utf8(answer).expect("text")
    }

    fn refusal(session: &mut ScramSession, challenge: &str) -> String {
        session.respond(challenge.as_bytes()).expect_err("wrong").to_string()
    }

    const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const SERVER_FIRST: &str =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    #[test]
    fn the_exchange_of_rfc_7677_is_reproduced() {
        let mut session = session(ScramHash::Sha256, NONCE, false);
        assert_eq!(say(&mut session, ""), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        assert_eq!(
            say(&mut session, SERVER_FIRST),
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert_eq!(
            session
                .respond(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
                .expect("the signature"),
            None
        );
        assert!(
            session.respond(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").is_err(),
            "it is over"
        );
    }

    #[test]
    fn keys_are_made_again_only_for_another_salt_or_count() {
        let mut first = session(ScramHash::Sha256, NONCE, false);
        say(&mut first, "");
        let right = say(&mut first, SERVER_FIRST);
        // Wrong keys under the same salt show who uses what is kept.
        let mut kept = first.last.lock().expect("sound").clone().expect("kept");
        kept.client = Zeroizing::new(vec![0; 32]);
        *first.last.lock().expect("sound") = Some(kept);
        let proof = |server_first: &str| {
            let mut again = session(ScramHash::Sha256, NONCE, false);
            again.last = Arc::clone(&first.last);
            say(&mut again, "");
            say(&mut again, server_first)
        };
        assert_ne!(proof(SERVER_FIRST), right);
        proof(&SERVER_FIRST.replace("4096", "4097"));
        assert_eq!(proof(SERVER_FIRST), right, "the count told them apart");
    }

    #[test]
    fn the_slow_hash_is_left_to_another_thread_and_done_once() {
        let mut first = session(ScramHash::Sha256, NONCE, false);
        assert!(first.prepare(b"").is_none(), "nothing is known of a salt");
        say(&mut first, "");
        assert!(first.prepare(b"r=other").is_none(), "respond says what is wrong");
        let work = first.prepare(SERVER_FIRST.as_bytes()).expect("a hash");
        assert!(first.last.lock().expect("sound").is_none(), "not here");
        work();
        assert!(first.prepare(SERVER_FIRST.as_bytes()).is_none(), "it is known");
    }

    #[test]
    fn a_wrong_signature_of_the_server_is_refused() {
        for last in [
            "v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
            "v=",
            "v=!",
            "",
            "x=1",
            "e=invalid-proof",
            "v=6rri",
        ] {
            let mut session = session(ScramHash::Sha256, NONCE, false);
            say(&mut session, "");
            say(&mut session, SERVER_FIRST);
            let error = refusal(&mut session, last);
            assert!(!error.contains("pencil"), "{error}");
        }
    }

    #[test]
    fn a_first_message_that_is_not_right_is_refused() {
        for (first, word) in [
            ("", "r="),
            ("r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "nonce"),
            ("r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "nonce"),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=!,i=4096", "salt"),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=4095", "iteration"),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=100001", "iteration"),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=-1", "iteration"),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=W22Z", "i="),
            ("m=ext,r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=4096", "r="),
            ("e=unknown-user", "unknown-user"),
        ] {
            let mut session = session(ScramHash::Sha256, NONCE, false);
            say(&mut session, "");
            let error = refusal(&mut session, first);
            assert!(error.contains(word), "{first}: {error}");
        }
        let mut session = session(ScramHash::Sha256, NONCE, false);
        say(&mut session, "");
        assert!(session.respond(&[0xff, 0xfe]).is_err());
    }

    #[test]
    fn user_names_are_escaped_and_tokens_are_marked() {
        let credentials = Credentials { username: "a=b,c".into(), password: "p".into() };
        let mut session = ScramSession::new(ScramHash::Sha512, &credentials, true, "N".into());
        assert_eq!(say(&mut session, ""), "n,,n=a=3Db=2Cc,r=N,tokenauth=true");
    }

    proptest::proptest! {
        #[test]
        fn no_word_of_the_broker_panics(first in "[rsiev=,a-f0-9+/]{0,60}", second in proptest::collection::vec(0_u8.., 0..60)) {
            let mut session = session(ScramHash::Sha512, "a", false);
            say(&mut session, "");
            let _ = session.respond(first.as_bytes());
            let _ = session.respond(&second);
        }
    }
}
