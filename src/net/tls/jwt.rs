//! Signatures of JWTs (RFC 7518, section 3), made by the cryptography of TLS.

use rustls::SignatureScheme;

use super::private_key::private_key;
use super::provider;
use crate::config::{ASSERTION_PASSPHRASE, AssertionAlgorithm, AssertionSigner, TlsConfig};
use crate::error::{Error, Result};

/// Half of a signature of P-256.
const SCALAR: usize = 32;

/// Signs a message with the private key in a PEM text.
///
/// # Errors
/// [`ErrorKind::Config`](crate::ErrorKind::Config) if that is no key for the algorithm, or cannot
/// be decrypted.
pub(in crate::net) fn jwt_signature(
    signer: &AssertionSigner,
    settings: &TlsConfig,
    pem: &[u8],
    message: &[u8],
) -> Result<Vec<u8>> {
    let (property, algorithm) = (signer.key.property(), signer.algorithm);
    let (scheme, wanted) = match algorithm {
        AssertionAlgorithm::Rs256 => (SignatureScheme::RSA_PKCS1_SHA256, "a key of RSA"),
        AssertionAlgorithm::Es256 => {
            (SignatureScheme::ECDSA_NISTP256_SHA256, "an EC key of the curve P-256")
        }
    };
    let key = private_key(property, pem, ASSERTION_PASSPHRASE, signer.passphrase.as_ref())?;
    let key = key.signing(property, &provider(settings)?)?;
    let signer = key.choose_scheme(&[scheme]).ok_or_else(|| {
        Error::config(format!(
            "{property}: the private key is for another algorithm: \
             sasl.oauthbearer.assertion.algorithm is {algorithm}, which takes {wanted}"
        ))
    })?;
    let failed =
        || Error::config(format!("{property}: the private key did not sign the assertion"));
    let signature = signer.sign(message).map_err(|_| failed())?;
    match algorithm {
        AssertionAlgorithm::Rs256 => Ok(signature),
        AssertionAlgorithm::Es256 => fixed(&signature).ok_or_else(failed),
    }
}

/// Two integers of fixed length, as JWT has it, out of a sequence of two of DER, as TLS has it;
/// `None` if it is none.
fn fixed(der: &[u8]) -> Option<Vec<u8>> {
    let (body, rest) = element(0x30, der)?;
    let (r, others) = element(0x02, body)?;
    let (s, others) = element(0x02, others)?;
    if !rest.is_empty() || !others.is_empty() {
        return None;
    }
    let mut signature = Vec::with_capacity(2 * SCALAR);
    for integer in [r, s] {
        // A zero in front says that the number is not negative.
        let digits = integer.strip_prefix(&[0]).unwrap_or(integer);
        signature.resize(signature.len() + SCALAR.checked_sub(digits.len())?, 0);
        signature.extend_from_slice(digits);
    }
    Some(signature)
}

/// What an element of less than 128 bytes holds, and what follows it.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&found, der) = der.split_first()?;
    let (&length, der) = der.split_first()?;
    if found != tag || length >= 0x80 {
        return None;
    }
    der.split_at_checked(length.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_any_length_become_ones_of_32_bytes() {
        let long = [&[0x30, 0x45, 2, 33, 0][..], &[0xff; 32], &[2, 32], &[0x7f; 32]].concat();
        assert_eq!(fixed(&long), Some([[0xff; 32], [0x7f; 32]].concat()));
        let mut expected = vec![0; 64];
        (expected[31], expected[62], expected[63]) = (5, 1, 2);
        assert_eq!(fixed(&[0x30, 7, 2, 1, 5, 2, 2, 1, 2]), Some(expected));
    }

    #[test]
    fn what_is_no_pair_of_integers_is_refused() {
        let too_long =
            [&[0x30, 0x46, 2, 33, 1][..], &[0xff; 32], &[2, 33, 1], &[0x7f; 32]].concat();
        let refused: [&[u8]; 7] = [
            &[],
            &[0x30],
            &[0x30, 0x80],
            &[0x30, 9, 2, 1, 5],
            &[0x30, 6, 2, 1, 5, 2, 1, 5, 0],
            &[0x30, 6, 3, 1, 5, 2, 1, 5],
            &too_long,
        ];
        for der in refused {
            assert_eq!(fixed(der), None, "{der:?}");
        }
    }
}
