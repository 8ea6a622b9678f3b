//! Certificates made on the fly: an authority, what it has signed, and what another has.

mod rsa;

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{DerSignature, SigningKey};
use p256::pkcs8::{EncodePrivateKey as _, LineEnding};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyIdMethod, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, PublicKeyData, SerialNumber, SignatureAlgorithm,
    date_time_ymd,
};

use crate::apache::error::{Error, Result};

/// The PEM files for clients of a secured cluster.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Certificates {
    /// The certificate of the authority that has signed the nodes' certificates.
    pub authority: PathBuf,
    /// The certificate of an authority that has signed only the stranger's.
    pub other_authority: PathBuf,
    /// Key and certificate of the nodes, for `localhost` and `127.0.0.1`.
    pub server: PathBuf,
    /// Key and certificate of a client named `alice`.
    pub alice: PathBuf,
    /// Alice's certificate alone.
    pub alice_certificate: PathBuf,
    /// Alice's key alone, as SEC1.
    pub alice_key: PathBuf,
    /// An RSA key as PKCS#8, and alice's certificate for it.
    pub alice_rsa: PathBuf,
    /// That certificate alone.
    pub alice_rsa_certificate: PathBuf,
    /// That key alone, as PKCS#1.
    pub alice_rsa_key: PathBuf,
    /// That key alone, as PKCS#8.
    pub alice_rsa_plain_key: PathBuf,
    /// That key alone, as PKCS#8, encrypted with [`Certificates::PASSWORD`].
    pub alice_rsa_encrypted_key: PathBuf,
    /// Key and certificate of a client that the nodes do not trust.
    pub stranger: PathBuf,
}

impl Certificates {
    /// The password of the encrypted key.
    pub const PASSWORD: &str = "hunter2";

    /// Generates all certificates and writes them to a folder; a started cluster has done so.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(folder: &Path) -> Result<Self> {
        Self::write_for(folder, &["localhost", "127.0.0.1"])
    }

    /// The same for nodes of other names than `localhost` and `127.0.0.1`.
    ///
    /// # Errors
    /// If a name is none of a host, or a file cannot be written.
    pub fn write_for(folder: &Path, hosts: &[&str]) -> Result<Self> {
        let authority = Authority::new("authority")?;
        let other = Authority::new("other authority")?;
        for (file, name, hosts, until) in [
            ("server.pem", "localhost", hosts, 2099),
            ("wrong-name.pem", "wrong.example", &["wrong.example"][..], 2099),
            ("expired.pem", "localhost", hosts, 2001),
        ] {
            write(&folder.join(file), &authority.sign(name, hosts, until)?.with_key()?)?;
        }
        let alice = authority.sign("alice", &[], 2099)?;
        let files = Self {
            authority: folder.join("authority.pem"),
            other_authority: folder.join("other-authority.pem"),
            server: folder.join("server.pem"),
            alice: folder.join("alice.pem"),
            alice_certificate: folder.join("alice-certificate.pem"),
            alice_key: folder.join("alice-key.pem"),
            alice_rsa: folder.join("alice-rsa.pem"),
            alice_rsa_certificate: folder.join("alice-rsa-certificate.pem"),
            alice_rsa_key: folder.join("alice-rsa-key.pem"),
            alice_rsa_plain_key: folder.join("alice-rsa-plain-key.pem"),
            alice_rsa_encrypted_key: folder.join("alice-rsa-encrypted-key.pem"),
            stranger: folder.join("stranger.pem"),
        };
        write(&files.authority, &authority.certificate)?;
        write(&files.other_authority, &other.certificate)?;
        write(&files.alice, &alice.with_key()?)?;
        write(&files.alice_certificate, &alice.chain)?;
        write(&files.alice_key, &alice.key.sec1()?)?;
        let chain = authority.sign_rsa("alice")?;
        write(&files.alice_rsa, &(rsa::PKCS8.to_owned() + &chain))?;
        write(&files.alice_rsa_certificate, &chain)?;
        write(&files.alice_rsa_key, rsa::PKCS1)?;
        write(&files.alice_rsa_plain_key, rsa::PKCS8)?;
        write(&files.alice_rsa_encrypted_key, rsa::ENCRYPTED)?;
        write(&files.stranger, &other.sign("stranger", &[], 2099)?.with_key()?)?;
        Ok(files)
    }
}

struct Authority {
    issuer: Issuer<'static, Key>,
    certificate: String,
}

/// Alice's key of RSA, as PKCS#1 has the public half.
pub(super) fn rsa_public_key() -> Result<Vec<u8>> {
    STANDARD.decode(rsa::PUBLIC).map_err(failed)
}

/// A certificate with its authority's, and the key.
struct Certified {
    chain: String,
    key: Key,
}

impl Authority {
    fn new(name: &str) -> Result<Self> {
        let mut params = params(name, &[], 2099)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = Key::new()?;
        let certificate = params.self_signed(&key).map_err(failed)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), certificate })
    }

    fn sign(&self, name: &str, hosts: &[&str], until: i32) -> Result<Certified> {
        let key = Key::new()?;
        let certificate =
            params(name, hosts, until)?.signed_by(&key, &self.issuer).map_err(failed)?;
        Ok(Certified { chain: certificate.pem() + &self.certificate, key })
    }

    /// A certificate for the key of RSA.
    fn sign_rsa(&self, name: &str) -> Result<String> {
        let key = RsaPublicKey(rsa_public_key()?);
        let certificate = params(name, &[], 2099)?.signed_by(&key, &self.issuer).map_err(failed)?;
        Ok(certificate.pem() + &self.certificate)
    }
}

/// As PKCS#1 has it.
struct RsaPublicKey(Vec<u8>);

impl PublicKeyData for RsaPublicKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_RSA_SHA256
    }
}

impl Certified {
    fn with_key(&self) -> Result<String> {
        let key = self.key.secret.to_pkcs8_pem(LineEnding::LF).map_err(failed)?;
        Ok(format!("{}{}", key.as_str(), self.chain))
    }
}

fn params(name: &str, hosts: &[&str], until: i32) -> Result<CertificateParams> {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts).map_err(failed)?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    // Told apart by number, as everything of one name would else look the same to a cache.
    params.serial_number = Some(SerialNumber::from(random::<16>()?.to_vec()));
    params.key_identifier_method = KeyIdMethod::PreSpecified(random::<20>()?.to_vec());
    Ok(params)
}

/// A P-256 key.
pub(super) struct Key {
    secret: p256::SecretKey,
    signing: SigningKey,
    /// The point, uncompressed.
    public: Vec<u8>,
}

impl Key {
    pub(super) fn new() -> Result<Self> {
        let secret = p256::SecretKey::from_slice(&random::<32>()?).map_err(failed)?;
        let signing = SigningKey::from(&secret);
        let public = signing.verifying_key().to_sec1_point(false).as_bytes().to_vec();
        Ok(Self { secret, signing, public })
    }

    /// The coordinates of the point.
    pub(super) fn coordinates(&self) -> (&[u8], &[u8]) {
        self.public.get(1..).and_then(|point| point.split_at_checked(32)).unwrap_or_default()
    }

    /// A signature as JWT has it.
    pub(super) fn sign_fixed(&self, message: &[u8]) -> Vec<u8> {
        let signature: p256::ecdsa::Signature = self.signing.sign(message);
        signature.to_bytes().to_vec()
    }

    fn sec1(&self) -> Result<String> {
        Ok(self.secret.to_sec1_pem(LineEnding::LF).map_err(failed)?.to_string())
    }
}

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for Key {
    fn sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, rcgen::Error> {
        let signature: DerSignature = self.signing.sign(message);
        Ok(signature.as_bytes().to_vec())
    }
}

fn random<const LENGTH: usize>() -> Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes).map_err(failed)?;
    // A number must not be negative, and the probability of a key that is none stays what it was.
    if let Some(first) = bytes.first_mut() {
        *first &= 0x7f;
    }
    Ok(bytes)
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).map_err(Error::file(file))
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Config(format!("no certificate could be made: {error}"))
}
