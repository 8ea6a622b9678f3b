//! The KDCs: which is asked, for how long, and what their refusals mean.

use std::time::Duration;

use kavka::SaslError;
use krb5_gss::kerberos::asn1::decode_krb_error;
use krb5_gss::{KdcBoxFuture, KdcTransport, KerberosError, TokioKdcTransport};

/// How long one KDC may take (a guess: less than kavka waits for a connection, so that the second is
/// asked within that time).
const PATIENCE: Duration = Duration::from_secs(3);

/// `KDC_ERR_PREAUTH_REQUIRED`, which krb5-gss answers.
const PREAUTH_REQUIRED: i32 = 25;

/// Hosts and ports; the first that answers is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kdcs(Vec<(String, u16)>);

impl Kdcs {
    /// Reads `HOST[:PORT][,…]`; the port is 88 by default.
    pub(crate) fn parse(text: &str) -> Result<Self, SaslError> {
        let mut all = Vec::new();
        for address in text.split(',').map(str::trim).filter(|address| !address.is_empty()) {
            let (host, port) = match address.rsplit_once(':') {
                Some((host, port)) => {
                    (host, port.parse().map_err(|_| format!("{address} has no port of a KDC"))?)
                }
                None => (address, 88),
            };
            all.push((host.to_owned(), port));
        }
        if all.is_empty() {
            return Err("no KDC is named".into());
        }
        Ok(Self(all))
    }
}

impl KdcTransport for Kdcs {
    fn exchange<'a>(&'a self, realm: &'a str, request: &'a [u8]) -> KdcBoxFuture<'a> {
        Box::pin(async move {
            let mut failures = Vec::new();
            for (host, port) in &self.0 {
                let kdc = TokioKdcTransport::new(host, *port);
                match tokio::time::timeout(PATIENCE, kdc.exchange(realm, request)).await {
                    Ok(Ok(reply)) => return refusal(&reply).map_or(Ok(reply), Err),
                    Ok(Err(error)) => failures.push(error.to_string()),
                    Err(_) => failures.push(format!("{host}:{port} said nothing in {PATIENCE:?}")),
                }
            }
            Err(KerberosError::Protocol(format!("no KDC answers: {}", failures.join(", "))))
        })
    }
}

/// What a reply refuses, in words; krb5-gss has the number only.
fn refusal(reply: &[u8]) -> Option<KerberosError> {
    let code = decode_krb_error(reply).ok()?.error_code;
    let meaning = match code {
        PREAUTH_REQUIRED => return None,
        6 => "it does not know the principal",
        7 => {
            "it does not know the service: a broker's principal is sasl.kerberos.service.name/HOST, \
             with the host that clients connect to"
        }
        14 => "it has no key of a type that is known here (AES): make a new keytab",
        18 => "the principal is locked, or no longer valid",
        23 => "the key has expired: make a new keytab",
        24 | 31 => {
            "the key in the keytab is not the principal's: it is somebody else's, or older than \
             the last change, as the first of several in the file may be"
        }
        // What krb5-gss signs for a realm's key of AES with SHA-2 is cut too short.
        60 => "its log says why; a realm whose krbtgt has a key of aes-sha2 does not work here",
        37 => "the clocks differ too much: set this machine's by NTP",
        _ => "section 7.5.9 of RFC 4120 says why",
    };
    Some(KerberosError::Protocol(format!("the KDC refuses with error {code}: {meaning}")))
}

#[cfg(test)]
mod tests {
    use krb5_gss::kerberos::asn1::{ctx_int, tlv, tlv_seq};

    use super::*;

    fn krb_error(code: i32) -> Vec<u8> {
        let fields = [(0, 5), (1, 30), (5, 0), (6, code)];
        tlv(0x7E, &tlv_seq(&fields.map(|(tag, value)| ctx_int(tag, value)).concat()))
    }

    #[test]
    fn a_kdc_has_port_88_unless_another_is_named() {
        let kdcs = Kdcs::parse("one, two:750,").expect("well formed");
        assert_eq!(kdcs.0, [("one".to_owned(), 88), ("two".to_owned(), 750)]);
        assert!(Kdcs::parse("one:kerberos").is_err());
        assert!(Kdcs::parse(" ,").is_err());
    }

    #[test]
    fn a_refusal_is_told_in_words_and_a_demand_for_a_proof_is_none() {
        let told = refusal(&krb_error(24)).expect("refused").to_string();
        assert!(told.contains("error 24") && told.contains("keytab"), "{told}");
        assert!(refusal(&krb_error(PREAUTH_REQUIRED)).is_none());
        assert!(refusal(b"no error").is_none());
    }
}
