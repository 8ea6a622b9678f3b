//! The check of an assertion that was posted (RFC 7521, RFC 7523): whether it was signed, by whom,
//! for whom and when.

use std::fs;
use std::sync::PoisonError;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{Signature, VerifyingKey};
use rsa::PublicKey;
use rsa::pkcs1::DecodeRsaPublicKey as _;
use serde_json::Value;

use super::super::certificates::rsa_public_key;
use super::Shared;

/// The only one whose keys are known.
const USER: &str = "alice";

/// An assertion, and what is wrong if it does not hold.
pub(super) struct Posted {
    assertion: String,
    error: &'static str,
}

/// The assertion in a form: as the grant, or in place of a client's secret.
pub(super) fn in_form(form: &str) -> Option<Posted> {
    let field = |name: &str| {
        form.split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(found, _)| *found == name)
            .map(|(_, value)| decoded(value))
    };
    let posted = |name: &str, error| Some(Posted { assertion: field(name)?, error });
    match (field("grant_type")?.as_str(), field("client_assertion_type").as_deref()) {
        ("urn:ietf:params:oauth:grant-type:jwt-bearer", None) => {
            posted("assertion", "invalid_grant")
        }
        ("client_credentials", Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")) => {
            posted("client_assertion", "invalid_client")
        }
        _ => None,
    }
}

impl Posted {
    pub(super) fn check(
        &self,
        shared: &Shared,
    ) -> Result<&'static str, (&'static str, &'static str)> {
        self.verdict(shared).map_err(|why| (self.error, why))
    }

    fn verdict(&self, shared: &Shared) -> Result<&'static str, &'static str> {
        let parts: Vec<&str> = self.assertion.split('.').collect();
        let &[header, claims, signature] = parts.as_slice() else {
            return Err("the assertion is no JWT");
        };
        let message = format!("{header}.{claims}");
        let object = |part| serde_json::from_slice::<Value>(&bytes(part)?).map_err(|_| "no JSON");
        let (header, claims) = (object(header)?, object(claims)?);
        if header.get("typ") != Some(&"JWT".into()) {
            return Err("typ is not JWT");
        }
        let signature = bytes(signature)?;
        let is_signed = match header.get("alg").and_then(Value::as_str) {
            Some("RS256") => is_rs256(message.as_bytes(), &signature),
            Some("ES256") => is_es256(shared, message.as_bytes(), &signature),
            _ => return Err("alg is neither RS256 nor ES256"),
        };
        if is_signed != Some(true) {
            return Err("the signature is not that of a known key");
        }
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        if text("iss") != Some(USER) || text("sub") != Some(USER) {
            return Err("iss and sub name no known user");
        }
        if text("aud") != Some(&shared.url) {
            return Err("the assertion is for another audience");
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let time = |name: &str| claims.get(name).and_then(Value::as_u64).ok_or("a time is missing");
        if time("exp")? <= now {
            return Err("the assertion has expired");
        }
        if time("nbf")? > now || time("iat")? > now {
            return Err("the assertion is not good yet");
        }
        if let Some(id) = text("jti") {
            let mut used = shared.used.lock().unwrap_or_else(PoisonError::into_inner);
            if used.iter().any(|other| other == id) {
                return Err("the assertion was used before");
            }
            used.push(id.to_owned());
        }
        Ok(USER)
    }
}

fn is_rs256(message: &[u8], signature: &[u8]) -> Option<bool> {
    let key = PublicKey::from_pkcs1_der(&rsa_public_key().ok()?).ok()?;
    let key = rsa::pkcs1v15::VerifyingKey::<rsa::sha2::Sha256>::new(key);
    let signature = rsa::pkcs1v15::Signature::try_from(signature).ok()?;
    Some(key.verify(message, &signature).is_ok())
}

fn is_es256(shared: &Shared, message: &[u8], signature: &[u8]) -> Option<bool> {
    let pem = fs::read_to_string(shared.folder.join("alice-key.pem")).ok()?;
    let key = p256::SecretKey::from_sec1_pem(&pem).ok()?;
    let signature = Signature::from_slice(signature).ok()?;
    Some(VerifyingKey::from(key.public_key()).verify(message, &signature).is_ok())
}

fn bytes(part: &str) -> Result<Vec<u8>, &'static str> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| "no base64url")
}

/// A field of a form in plain text.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digits: Vec<u8> =
            if byte == b'%' { rest.by_ref().take(2).collect() } else { Vec::new() };
        let hex = std::str::from_utf8(&digits)
            .ok()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(hex.unwrap_or(if byte == b'+' { b' ' } else { byte }));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
