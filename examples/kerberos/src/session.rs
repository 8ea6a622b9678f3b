//! One exchange with a broker (RFC 4752).
//!
//! ```text
//!   client                                       broker
//!     │ AP-REQ: the ticket, and who uses it        │
//!     ├───────────────────────────────────────────▶│
//!     │ AP-REP: the broker could read the ticket   │
//!     │◀───────────────────────────────────────────┤
//!     │ nothing                                    │
//!     ├───────────────────────────────────────────▶│
//!     │ sealed: the security layers it offers      │
//!     │◀───────────────────────────────────────────┤
//!     │ sealed: none, please                       │
//!     ├───────────────────────────────────────────▶│
//! ```

use kavka::{SaslError, SaslSession};
use krb5_gss::gss::{ApReqOptions, build_ap_req_token, verify_ap_rep_token};
use krb5_gss::kerberos::crypto::{dk_for, hmac_for, usage_constant};
use krb5_gss::kerberos::util::utc_now_with_micros;
use krb5_gss::{AcquiredTicket, Etype};

/// The bits of a token's third byte (RFC 4121, section 4.2.2).
const SENT_BY_ACCEPTOR: u8 = 1;
const ENCRYPTED: u8 = 2;
const ACCEPTOR_SUBKEY: u8 = 4;

/// The usages of keys for Wrap tokens (RFC 4121, section 2).
const ACCEPTOR_SEAL: u32 = 22;
const INITIATOR_SEAL: u32 = 24;

/// The bit of "no security layer" (RFC 4752, section 3.3).
const NO_LAYER: u8 = 1;

/// The number of the first token, which the authenticator tells the broker.
const FIRST_SEQUENCE: u32 = 1;

pub(crate) struct Session {
    ticket: AcquiredTicket,
    service: String,
    state: State,
}

enum State {
    Unsaid,
    /// With the time in the authenticator, which the broker repeats.
    SaidWho {
        ctime: String,
        cusec: i32,
    },
    KnowsBroker(Seal),
    Done,
}

impl Session {
    pub(crate) fn new(ticket: AcquiredTicket, service: String) -> Self {
        Self { ticket, service, state: State::Unsaid }
    }

    fn say_who(&self, ctime: &str, cusec: i32) -> Result<Vec<u8>, SaslError> {
        Ok(build_ap_req_token(&ApReqOptions {
            cname: &self.ticket.cname,
            crealm: &self.ticket.crealm,
            ticket_der: &self.ticket.ticket_der,
            session_etype: self.ticket.session_etype,
            session_key: &self.ticket.session_key,
            ctime,
            cusec,
            seq_number: Some(FIRST_SEQUENCE),
            subkey: None,
        })?)
    }

    /// Whether the broker could read the ticket; gives the key of what follows.
    fn know(&self, reply: &[u8], ctime: &str, cusec: i32) -> Result<Seal, SaslError> {
        let AcquiredTicket { session_etype: etype, session_key: key, .. } = &self.ticket;
        let part = verify_ap_rep_token(reply, *etype, key, ctime, cusec).map_err(|error| {
            format!("the broker does not prove that it is {}: {error}", self.service)
        })?;
        Ok(match part.subkey {
            None => Seal { etype: *etype, key: key.clone(), flags: 0 },
            Some(subkey) => Seal {
                // krb5-gss panics on a key of another length.
                etype: u32::try_from(subkey.keytype)
                    .ok()
                    .and_then(Etype::from_u32)
                    .filter(|etype| etype.key_len() == subkey.keyvalue.len())
                    .ok_or("the broker's key is of a type that is not known here")?,
                key: subkey.keyvalue,
                flags: ACCEPTOR_SUBKEY,
            },
        })
    }
}

impl SaslSession for Session {
    fn respond(&mut self, challenge: &[u8]) -> Result<Option<Vec<u8>>, SaslError> {
        match std::mem::replace(&mut self.state, State::Done) {
            State::Unsaid => {
                let (ctime, cusec) = utc_now_with_micros();
                let token = self.say_who(&ctime, cusec)?;
                self.state = State::SaidWho { ctime, cusec };
                Ok(Some(token))
            }
            State::SaidWho { ctime, cusec } => {
                self.state = State::KnowsBroker(self.know(challenge, &ctime, cusec)?);
                Ok(Some(Vec::new()))
            }
            State::KnowsBroker(seal) => choose_layer(&seal, challenge).map(Some),
            // The broker's consent is empty.
            State::Done => Ok(None),
        }
    }

    fn advice(&self) -> Option<String> {
        Some(format!(
            "the broker's log says why; its keytab must have the key of {} that the KDC has",
            self.service
        ))
    }
}

/// Reads the offer of layers, and takes none: what protects a connection of Kafka's is TLS.
fn choose_layer(seal: &Seal, offer: &[u8]) -> Result<Vec<u8>, SaslError> {
    match *seal.open(offer)? {
        [layers, _, _, _] if layers & NO_LAYER != 0 => Ok(seal.close(&[NO_LAYER, 0, 0, 0])),
        [_, _, _, _] => Err("the broker demands a security layer: Kafka has none but TLS".into()),
        _ => Err("the broker's offer of security layers is not of 4 bytes".into()),
    }
}

/// What makes and checks Wrap tokens that are signed and not encrypted (RFC 4121, section 4.2.6.2).
///
/// krb5-gss has these as well, but panics on some that are too short, takes one whose checksum has
/// no bytes for signed, and cannot name a subkey of the broker's.
struct Seal {
    etype: Etype,
    key: Vec<u8>,
    /// [`ACCEPTOR_SUBKEY`] if the key is that.
    flags: u8,
}

impl Seal {
    fn close(&self, message: &[u8]) -> Vec<u8> {
        let mut header = [5, 4, self.flags, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        header[12..].copy_from_slice(&FIRST_SEQUENCE.to_be_bytes());
        let checksum = self.checksum(INITIATOR_SEAL, message, header);
        // No checksum is longer than 24 bytes.
        header[5] = u8::try_from(checksum.len()).unwrap_or(u8::MAX);
        [&header, message, &checksum].concat()
    }

    fn open(&self, token: &[u8]) -> Result<Vec<u8>, SaslError> {
        let (header, body) =
            token.split_first_chunk::<16>().ok_or("the broker's Wrap token is too short")?;
        let [5, 4, flags, 0xFF, ec_high, ec_low, rrc_high, rrc_low, ..] = *header else {
            return Err("the broker sends something else than a Wrap token".into());
        };
        if flags & ENCRYPTED != 0 || flags & !ENCRYPTED != SENT_BY_ACCEPTOR | self.flags {
            return Err(format!("the flags of the broker's Wrap token are {flags}").into());
        }
        let length = self.etype.mac_len();
        if usize::from(u16::from_be_bytes([ec_high, ec_low])) != length || body.len() < length {
            return Err("the checksum of the broker's Wrap token has another length".into());
        }
        let mut body = body.to_vec();
        let rotation = usize::from(u16::from_be_bytes([rrc_high, rrc_low])) % body.len();
        body.rotate_left(rotation);
        let checksum = body.split_off(body.len() - length);
        let mut signed = *header;
        signed[4..8].fill(0);
        if self.checksum(ACCEPTOR_SEAL, &body, signed) != checksum {
            return Err("the broker's Wrap token is not signed with its key".into());
        }
        Ok(body)
    }

    /// Over the message and the header without its lengths.
    fn checksum(&self, usage: u32, message: &[u8], header: [u8; 16]) -> Vec<u8> {
        // 0x99 is for keys of checksums (RFC 3961, section 5.3).
        let key = dk_for(self.etype, &self.key, &usage_constant(usage, 0x99));
        let mut checksum = hmac_for(self.etype, &key, &[message, &header].concat());
        checksum.truncate(self.etype.mac_len());
        checksum
    }
}

#[cfg(test)]
mod tests {
    use krb5_gss::kerberos::asn1::{
        EncryptedData, PrincipalName, ctx_int, encode_enc_data, tlv, tlv_ctx, tlv_seq,
    };
    use krb5_gss::kerberos::crypto::encrypt;

    use super::*;

    fn seal() -> Seal {
        Seal { etype: Etype::Aes256CtsHmacSha196, key: vec![0x42; 32], flags: 0 }
    }

    /// A broker's token.
    fn token(seal: &Seal, message: &[u8]) -> Vec<u8> {
        let mut header =
            [5, 4, SENT_BY_ACCEPTOR | seal.flags, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
        let checksum = seal.checksum(ACCEPTOR_SEAL, message, header);
        header[5] = 12;
        [&header, message, &checksum].concat()
    }

    fn session() -> Session {
        let ticket = AcquiredTicket {
            ticket_der: vec![0x61, 0],
            session_etype: Etype::Aes256CtsHmacSha196,
            session_key: vec![0x42; 32],
            cname: PrincipalName { name_type: 1, name_string: vec!["alice".to_owned()] },
            crealm: "R".to_owned(),
            endtime: "20300101000000Z".to_owned(),
        };
        Session::new(ticket, "kafka/host".to_owned())
    }

    /// A broker's AP-REP (RFC 4120, section 5.5.2) by a key, for a time in an authenticator.
    fn ap_rep(key: &[u8], ctime: &str, cusec: i32, subkey: &[u8]) -> Vec<u8> {
        let mut part = [tlv_ctx(0, &tlv(0x18, ctime.as_bytes())), ctx_int(1, cusec)].concat();
        if !subkey.is_empty() {
            let key = [ctx_int(0, 18), tlv_ctx(1, &tlv(4, subkey))].concat();
            part.extend(tlv_ctx(2, &tlv_seq(&key)));
        }
        let part = tlv(0x7B, &tlv_seq(&part));
        let etype = Etype::Aes256CtsHmacSha196;
        let cipher = encrypt(etype, key, 12, &part).expect("encrypted");
        let sealed = encode_enc_data(&EncryptedData { etype: 18, kvno: None, cipher });
        let fields = [ctx_int(0, 5), ctx_int(1, 15), tlv_ctx(2, &sealed)].concat();
        let krb5 = [0x06, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x12, 1, 2, 2, 2, 0];
        tlv(0x60, &[&krb5[..], &tlv(0x6F, &tlv_seq(&fields))].concat())
    }

    /// What comes of an AP-REP for the time that the client has said.
    fn after(reply: impl FnOnce(&str, i32) -> Vec<u8>) -> Result<Session, SaslError> {
        let mut session = session();
        let said = session.respond(&[])?.expect("an AP-REQ");
        assert_eq!(said[0], 0x60);
        let State::SaidWho { ctime, cusec } = &session.state else { panic!("it has said who") };
        let reply = reply(ctime, *cusec);
        assert!(session.respond(&reply)?.expect("nothing").is_empty());
        Ok(session)
    }

    #[test]
    fn the_exchange_ends_with_the_brokers_consent() {
        let subkey = vec![0x43; 32];
        for (given, seal) in [
            (vec![], seal()),
            (subkey.clone(), Seal { key: subkey.clone(), flags: ACCEPTOR_SUBKEY, ..seal() }),
        ] {
            let mut session =
                after(|ctime, cusec| ap_rep(&[0x42; 32], ctime, cusec, &given)).expect("proven");
            let answer = session.respond(&token(&seal, &[1, 0, 0, 0])).expect("signed");
            assert_eq!(answer, Some(seal.close(&[NO_LAYER, 0, 0, 0])));
            assert_eq!(session.respond(&[]).expect("consent"), None);
        }
    }

    #[test]
    fn a_broker_that_could_not_read_the_ticket_is_not_believed() {
        let told =
            |outcome: Result<Session, SaslError>| outcome.err().expect("refused").to_string();
        let other = told(after(|ctime, cusec| ap_rep(&[0x43; 32], ctime, cusec, &[])));
        assert!(other.contains("does not prove that it is kafka/host"), "{other}");
        // An answer to another exchange.
        told(after(|ctime, cusec| ap_rep(&[0x42; 32], ctime, cusec ^ 1, &[])));
        told(after(|_, _| Vec::new()));
        let short = told(after(|ctime, cusec| ap_rep(&[0x42; 32], ctime, cusec, &[0x43; 31])));
        assert!(short.contains("type"), "{short}");
    }

    #[test]
    fn no_layer_is_chosen_of_all_that_are_offered() {
        for flags in [0, ACCEPTOR_SUBKEY] {
            let seal = Seal { flags, ..seal() };
            let answer = choose_layer(&seal, &token(&seal, &[7, 0, 16, 0])).expect("offered");
            assert_eq!((answer[2], &answer[16..20]), (flags, &[NO_LAYER, 0, 0, 0][..]));
        }
    }

    #[test]
    fn the_answer_is_the_one_that_krb5_gss_gives() {
        let Seal { etype, key, .. } = seal();
        let theirs = krb5_gss::gss::gss_wrap_token(etype, &key, NO_LAYER, 0, 1).expect("made");
        assert_eq!(seal().close(&[NO_LAYER, 0, 0, 0]), theirs);
    }

    #[test]
    fn a_layer_that_is_demanded_is_refused() {
        let error = choose_layer(&seal(), &token(&seal(), &[6, 0, 16, 0])).expect_err("demanded");
        assert!(error.to_string().contains("security layer"), "{error}");
        choose_layer(&seal(), &token(&seal(), &[1, 0, 0])).expect_err("too short");
    }

    #[test]
    fn a_rotated_token_is_turned_back() {
        let mut rotated = token(&seal(), &[1, 0, 0, 0]);
        rotated[7] = 12;
        rotated[16..].rotate_right(12);
        assert_eq!(seal().open(&rotated).expect("signed"), [1, 0, 0, 0]);
    }

    #[test]
    fn only_what_the_broker_has_signed_is_believed() {
        let good = token(&seal(), &[1, 0, 0, 0]);
        seal().open(&good).expect("signed");
        for at in 0..good.len() {
            seal().open(&good[..at]).expect_err("cut");
            let mut bad = good.clone();
            bad[at] ^= 1;
            // The rotation is not signed: by 256 of 16 bytes, it changes nothing.
            if at != 6 {
                seal().open(&bad).expect_err("changed");
            }
        }
        let unsigned = [&[5, 4, 1, 0xFF, 0, 0][..], &[0; 10], &[1, 0, 0, 0]].concat();
        seal().open(&unsigned).expect_err("without a checksum");
        seal().open(&seal().close(&[1, 0, 0, 0])).expect_err("our own");
        for flags in [ENCRYPTED, ACCEPTOR_SUBKEY] {
            let other = Seal { flags, ..seal() };
            seal().open(&token(&other, &[1, 0, 0, 0])).expect_err("with another key");
        }
        let other = Seal { key: vec![0x43; 32], ..seal() };
        seal().open(&token(&other, &[1, 0, 0, 0])).expect_err("another's");
    }
}
