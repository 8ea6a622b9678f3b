//! Makes the assertions that stand for a client at an endpoint of tokens (RFC 7523, KIP-1139).

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

#[cfg(not(feature = "tls"))]
use self::NoKey as JwtKey;
use super::super::files::read;
#[cfg(feature = "tls")]
use super::super::tls::JwtKey;
#[cfg(not(feature = "tls"))]
use crate::config::AssertionAlgorithm;
use crate::config::{ASSERTION_FILE, Assertion, AssertionKey, AssertionSigner, TlsConfig};
use crate::error::{Error, Result};
use crate::ids::Timestamp;

const TEMPLATE: &str = "sasl.oauthbearer.assertion.template.file";

/// An assertion for a request made `now`; files are read anew, as they may have changed.
///
/// # Errors
/// [`ErrorKind::Config`](crate::ErrorKind::Config), with the property and what to change.
pub(super) fn assertion(
    origin: &Assertion,
    tls: &TlsConfig,
    now: Timestamp,
) -> Result<Zeroizing<String>> {
    match origin {
        Assertion::File(file) => from_file(file),
        Assertion::Signed(signer) => signed(signer, tls, now),
    }
}

fn from_file(file: &Path) -> Result<Zeroizing<String>> {
    let bytes = read(ASSERTION_FILE, file)?;
    let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
    let is_part = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
    };
    if text.split('.').count() != 3 || !text.split('.').all(is_part) {
        return Err(Error::config(format!(
            "{ASSERTION_FILE}: {} holds no signed JWT: three parts of base64url with dots \
             between are allowed",
            file.display()
        )));
    }
    Ok(Zeroizing::new(text.to_owned()))
}

fn signed(signer: &AssertionSigner, tls: &TlsConfig, now: Timestamp) -> Result<Zeroizing<String>> {
    let property = signer.key.property();
    let bytes = match &signer.key {
        AssertionKey::File(file) => read(property, file)?,
        AssertionKey::Pem(pem) => Zeroizing::new(pem.expose().as_bytes().to_vec()),
    };
    let key = JwtKey::new(signer, tls, &bytes)?;
    let (mut header, claims) = contents(signer, now)?;
    if let Some(thumbprint) = key.thumbprint() {
        header.insert("x5t#S256".into(), thumbprint.into());
    }
    let encoded =
        |part: Map<String, Value>| URL_SAFE_NO_PAD.encode(Value::Object(part).to_string());
    let mut text = Zeroizing::new(format!("{}.{}", encoded(header), encoded(claims)));
    let signature = key.sign(signer.algorithm, text.as_bytes())?;
    text.push('.');
    text.push_str(&URL_SAFE_NO_PAD.encode(signature));
    Ok(text)
}

/// Header and claims, in the order of Java's `AssertionUtils.layeredAssertionJwtTemplate`:
/// properties, template, what is made anew.
fn contents(
    signer: &AssertionSigner,
    now: Timestamp,
) -> Result<(Map<String, Value>, Map<String, Value>)> {
    let (mut header, mut claims) = (Map::new(), Map::new());
    for (name, value) in [
        ("aud", &signer.audience),
        ("iss", &signer.issuer),
        ("scope", &signer.scope),
        ("sub", &signer.subject),
    ] {
        if let Some(value) = value {
            claims.insert(name.into(), value.as_str().into());
        }
    }
    if let Some(file) = &signer.template {
        let [of_header, of_claims] = template(file)?;
        header.extend(of_header);
        claims.extend(of_claims);
    }
    header.insert("alg".into(), signer.algorithm.to_string().into());
    header.insert("typ".into(), "JWT".into());
    let now = now.0.div_euclid(1000);
    let seconds = |time: std::time::Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    claims.insert("iat".into(), now.into());
    claims.insert("exp".into(), now.saturating_add(seconds(signer.lifetime)).into());
    claims.insert("nbf".into(), now.saturating_sub(seconds(signer.leeway)).into());
    if signer.has_id {
        claims.insert("jti".into(), id()?.into());
    }
    Ok((header, claims))
}

/// What the objects `header` and `payload` of a template add.
fn template(file: &Path) -> Result<[Map<String, Value>; 2]> {
    let refuse = |what: &str| {
        Error::config(format!(
            "{TEMPLATE}: {} {what}: a JSON object with the objects header and payload, or one of \
             them, is allowed",
            file.display()
        ))
    };
    let bytes = read(TEMPLATE, file)?;
    let Ok(Value::Object(mut all)) = serde_json::from_slice(&bytes) else {
        return Err(refuse("is none"));
    };
    let mut part = |name: &str| match all.remove(name) {
        None => Ok(Map::new()),
        Some(Value::Object(part)) => Ok(part),
        Some(_) => Err(refuse(&format!("has a {name} that is no object"))),
    };
    Ok([part("header")?, part("payload")?])
}

/// A random UUID (RFC 9562, version 4).
fn id() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        Error::config(format!("the operating system gives no randomness: {error}"))
    })?;
    let bits = u128::from_be_bytes(bytes) & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{bits:032x}");
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| hex.get(part).unwrap_or_default());
    Ok(parts.join("-"))
}

/// Without the feature `tls` there is no key, and a configuration that wants one was refused.
#[cfg(not(feature = "tls"))]
enum NoKey {}

#[cfg(not(feature = "tls"))]
impl NoKey {
    fn new(_: &AssertionSigner, _: &TlsConfig, _: &[u8]) -> Result<Self> {
        Err(Error::config(
            "assertions are to be signed, but this program was built without kavka's feature tls",
        ))
    }

    fn thumbprint(&self) -> Option<String> {
        match *self {}
    }

    fn sign(&self, _: AssertionAlgorithm, _: &[u8]) -> Result<Vec<u8>> {
        match *self {}
    }
}
