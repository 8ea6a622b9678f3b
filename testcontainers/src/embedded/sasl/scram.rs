//! The server's side of SCRAM (RFC 5802), down to HMAC (RFC 2104), so that it shares nothing with a
//! client's but the hash.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256, Sha512};

/// What Kafka asks for at least.
const ITERATIONS: u32 = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Sha256,
    Sha512,
}

impl Hash {
    fn of(self, parts: &[&[u8]]) -> Vec<u8> {
        match self {
            Self::Sha256 => parts
                .iter()
                .fold(Sha256::new(), |hash, part| hash.chain_update(part))
                .finalize()
                .to_vec(),
            Self::Sha512 => parts
                .iter()
                .fold(Sha512::new(), |hash, part| hash.chain_update(part))
                .finalize()
                .to_vec(),
        }
    }

    fn hmac(self, key: &[u8], message: &[u8]) -> Vec<u8> {
        let block = if self == Self::Sha256 { 64 } else { 128 };
        let mut padded = if key.len() > block { self.of(&[key]) } else { key.to_vec() };
        padded.resize(block, 0);
        let with = |pad: u8| -> Vec<u8> { padded.iter().map(|byte| byte ^ pad).collect() };
        self.of(&[&with(0x5c), &self.of(&[&with(0x36), message])])
    }

    /// `Hi` of the RFC.
    fn salted(self, password: &str, salt: &[u8], iterations: u32) -> Vec<u8> {
        let mut last = self.hmac(password.as_bytes(), &[salt, &[0, 0, 0, 1]].concat());
        let mut sum = last.clone();
        for _ in 1..iterations {
            last = self.hmac(password.as_bytes(), &last);
            sum = xor(&sum, &last);
        }
        sum
    }
}

/// What a broker keeps of a user.
#[derive(Clone)]
pub(super) struct Stored {
    salt: Vec<u8>,
    iterations: u32,
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
}

impl Stored {
    pub(super) fn new(hash: Hash, password: &str, salt: &[u8]) -> Self {
        Self::iterated(hash, password, salt, ITERATIONS)
    }

    fn iterated(hash: Hash, password: &str, salt: &[u8], iterations: u32) -> Self {
        let salted = hash.salted(password, salt, iterations);
        let client_key = hash.hmac(&salted, b"Client Key");
        let server_key = hash.hmac(&salted, b"Server Key");
        Self { salt: salt.to_vec(), iterations, stored_key: hash.of(&[&client_key]), server_key }
    }
}

/// An exchange that waits for the client's proof.
pub(super) struct Scram {
    hash: Hash,
    user: String,
    stored: Stored,
    nonce: String,
    /// The client's first words without their header, a comma, and the answer.
    said: String,
}

impl std::fmt::Debug for Scram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scram").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Scram {
    /// Takes `n,,n=user,r=nonce` with extensions after it; the answer asks for the proof.
    pub(super) fn first(
        hash: Hash,
        words: &[u8],
        nonce: &str,
        stored: impl Fn(&str) -> Option<Stored>,
    ) -> Option<(Self, Vec<u8>)> {
        let bare = std::str::from_utf8(words).ok()?.strip_prefix("n,,")?;
        let mut fields = bare.split(',');
        let user = fields.next()?.strip_prefix("n=")?.replace("=2C", ",").replace("=3D", "=");
        let theirs = fields.next()?.strip_prefix("r=").filter(|theirs| !theirs.is_empty())?;
        let stored = stored(&user)?;
        let nonce = format!("{theirs}{nonce}");
        let answer =
            format!("r={nonce},s={},i={}", STANDARD.encode(&stored.salt), stored.iterations);
        let said = format!("{bare},{answer}");
        Some((Self { hash, user, stored, nonce, said }, answer.into_bytes()))
    }

    /// Takes `c=biws,r=nonce,p=proof`; the user, and the server's own proof.
    pub(super) fn last(&self, words: &[u8]) -> Option<(String, Vec<u8>)> {
        let (without_proof, proof) = std::str::from_utf8(words).ok()?.rsplit_once(",p=")?;
        // The header of the first words: no channel binding.
        if without_proof != format!("c=biws,r={}", self.nonce) {
            return None;
        }
        let message = format!("{},{without_proof}", self.said);
        let signature = self.hash.hmac(&self.stored.stored_key, message.as_bytes());
        let proof = STANDARD.decode(proof).ok().filter(|proof| proof.len() == signature.len())?;
        if self.hash.of(&[&xor(&proof, &signature)]) != self.stored.stored_key {
            return None;
        }
        let own = STANDARD.encode(self.hash.hmac(&self.stored.server_key, message.as_bytes()));
        Some((self.user.clone(), format!("v={own}").into_bytes()))
    }
}

fn xor(left: &[u8], right: &[u8]) -> Vec<u8> {
    left.iter().zip(right).map(|(left, right)| left ^ right).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exchange of RFC 7677, section 3.
    #[test]
    fn the_example_of_rfc_7677_is_let_in_and_a_wrong_proof_is_not() {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").expect("base 64");
        let stored = |name: &str| {
            (name == "user").then(|| Stored::iterated(Hash::Sha256, "pencil", &salt, 4096))
        };
        let first = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
        let (scram, answer) =
            Scram::first(Hash::Sha256, first, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", stored)
                .expect("a user");
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        assert_eq!(answer, format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096").into_bytes());
        let last = |proof: &str| scram.last(format!("c=biws,r={nonce},p={proof}").as_bytes());
        let (user, own) = last("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=").expect("right");
        assert_eq!(
            (user.as_str(), own.as_slice()),
            ("user", &b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="[..])
        );
        assert_eq!(last("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVA="), None);
        assert_eq!(last(""), None);
        assert!(Scram::first(Hash::Sha256, b"n,,n=nobody,r=x", "y", stored).is_none());
    }
}
