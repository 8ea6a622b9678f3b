//! JWTs by which a client proves to an endpoint of tokens who it is (RFC 7523, KIP-1139): where
//! they come from, what is in them.

use std::path::PathBuf;

use super::*;

/// A JWT that authenticates a client to a token endpoint.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Assertion {
    /// A JWT that another program writes into a file (`sasl.oauthbearer.assertion.file`). The file
    /// is read for every token.
    File(PathBuf),
    /// A JWT created and signed by this client.
    Signed(Box<AssertionSigner>),
}

impl Assertion {
    /// Uses the assertion in a file, which is read for every token
    /// (`sasl.oauthbearer.assertion.file`).
    pub fn file(file: impl Into<PathBuf>) -> Self {
        Self::File(file.into())
    }
}

impl From<AssertionSigner> for Assertion {
    fn from(signer: AssertionSigner) -> Self {
        Self::Signed(Box::new(signer))
    }
}

/// The signature algorithm of an assertion (`sasl.oauthbearer.assertion.algorithm`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AssertionAlgorithm {
    /// RSA with SHA-256.
    #[default]
    Rs256,
    /// ECDSA on the curve P-256 with SHA-256.
    Es256,
    /// RSA with SHA-256 and PSS padding. Java does not have it.
    Ps256,
}

/// The private key that signs assertions.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "oidc"), allow(dead_code, reason = "it is parsed, and then refused"))]
pub(crate) enum AssertionKey {
    File(PathBuf),
    Pem(Secret),
}

/// Creates and signs assertions. Requires the feature `tls`, whose cryptography signs them.
///
/// Claims set here are overridden by those of the template, and both by `alg`, `typ`, `iat`, `exp`,
/// `nbf` and `jti`, which are new for each assertion, as in Java.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AssertionSigner {
    pub(crate) algorithm: AssertionAlgorithm,
    pub(crate) key: AssertionKey,
    pub(crate) passphrase: Option<Secret>,
    pub(crate) template: Option<PathBuf>,
    pub(crate) audience: Option<String>,
    pub(crate) issuer: Option<String>,
    pub(crate) subject: Option<String>,
    /// The claim `scope`, which Google wants.
    #[cfg_attr(not(feature = "oidc"), allow(dead_code, reason = "only Google's keys have one"))]
    pub(crate) scope: Option<String>,
    pub(crate) lifetime: Duration,
    pub(crate) leeway: Duration,
    pub(crate) has_id: bool,
    /// Whether the header says which certificate beside the key it is (RFC 7515, section 4.1.8).
    #[cfg_attr(
        not(all(feature = "oidc", feature = "tls")),
        allow(dead_code, reason = "only Azure wants it")
    )]
    pub(crate) names_certificate: bool,
}

impl AssertionSigner {
    /// Signs with the key in a PEM file in PKCS#8, PKCS#1 or SEC1 format
    /// (`sasl.oauthbearer.assertion.private.key.file`). The file is read for every token, so that a
    /// new key needs no restart.
    pub fn key_file(algorithm: AssertionAlgorithm, file: impl Into<PathBuf>) -> Self {
        Self::new(algorithm, AssertionKey::File(file.into()))
    }

    /// Signs with a key given as PEM text (`sasl.oauthbearer.assertion.private.key.pem`, a
    /// librdkafka property).
    pub fn key_pem(algorithm: AssertionAlgorithm, pem: impl Into<Secret>) -> Self {
        Self::new(algorithm, AssertionKey::Pem(pem.into()))
    }

    fn new(algorithm: AssertionAlgorithm, key: AssertionKey) -> Self {
        Self {
            algorithm,
            key,
            passphrase: None,
            template: None,
            audience: None,
            issuer: None,
            subject: None,
            scope: None,
            lifetime: Duration::from_secs(300),
            leeway: Duration::from_secs(60),
            has_id: false,
            names_certificate: false,
        }
    }

    /// Sets the password that decrypts the key
    /// (`sasl.oauthbearer.assertion.private.key.passphrase`). Requires the feature
    /// `encrypted-keys`.
    #[must_use]
    pub fn passphrase(mut self, passphrase: impl Into<Secret>) -> Self {
        self.passphrase = Some(passphrase.into());
        self
    }

    /// Sets a JSON file with header fields, such as `kid`, and claims, in the objects `header` and
    /// `payload`, each of them optional (`sasl.oauthbearer.assertion.template.file`). It is read
    /// for every token.
    #[must_use]
    pub fn template_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.template = Some(file.into());
        self
    }

    /// Sets the claim `aud`, usually the endpoint (`sasl.oauthbearer.assertion.claim.aud`).
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// Sets the claim `iss`, usually the client id (`sasl.oauthbearer.assertion.claim.iss`).
    #[must_use]
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Sets the claim `sub`, usually the client id (`sasl.oauthbearer.assertion.claim.sub`).
    #[must_use]
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Sets how long an assertion is valid, in whole seconds
    /// (`sasl.oauthbearer.assertion.claim.exp.seconds`; default 300 s).
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = bounded(lifetime);
        self
    }

    /// Sets how long before its creation an assertion becomes valid, in whole seconds, to allow for
    /// clock skew (`sasl.oauthbearer.assertion.claim.nbf.seconds`; default 60 s).
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = bounded(leeway);
        self
    }

    /// Sets whether each assertion has a unique id, the claim `jti`
    /// (`sasl.oauthbearer.assertion.claim.jti.include`; default false).
    #[must_use]
    pub fn include_id(mut self, includes: bool) -> Self {
        self.has_id = includes;
        self
    }
}

impl AssertionKey {
    /// The property that says it.
    pub(crate) fn property(&self) -> &'static str {
        match self {
            Self::File(_) => KEY_FILE,
            Self::Pem(_) => KEY_PEM,
        }
    }
}

impl Assertion {
    pub(super) fn validate(&self) -> Result<()> {
        let Self::Signed(signer) = self else { return Ok(()) };
        if !cfg!(feature = "tls") {
            return Err(Error::config(
                "assertions are to be signed, but this program was built without kavka's feature \
                 tls: use sasl.oauthbearer.assertion.file",
            ));
        }
        if signer.lifetime.as_secs() == 0 {
            return Err(Error::config(
                "sasl.oauthbearer.assertion.claim.exp.seconds is 0, so that no assertion would \
                 be good: a whole number from 1 is allowed",
            ));
        }
        Ok(())
    }

    /// `None` if no property speaks of where it comes from.
    pub(super) fn from_settings(settings: &Settings<'_>) -> Result<Option<Self>> {
        // As in Java, an assertion that is there makes all that would make one idle.
        if let Some(file) = settings.read::<String>(FILE)?.filter(|file| !file.is_empty()) {
            return Ok(Some(Self::file(file)));
        }
        let key = match (settings.read::<String>(KEY_FILE)?, settings.read::<Secret>(KEY_PEM)?) {
            (Some(_), Some(_)) => {
                return Err(Error::config(format!(
                    "{KEY_FILE} and {KEY_PEM} are both set: give one of them"
                )));
            }
            (Some(file), None) => AssertionKey::File(file.into()),
            (None, Some(pem)) => AssertionKey::Pem(pem),
            (None, None) => return Ok(None),
        };
        let mut signer = AssertionSigner::new(AssertionAlgorithm::default(), key);
        settings.set("sasl.oauthbearer.assertion.algorithm", &mut signer.algorithm)?;
        signer.passphrase = settings.read(PASSPHRASE)?;
        signer.template =
            settings.read::<String>("sasl.oauthbearer.assertion.template.file")?.map(PathBuf::from);
        signer.audience = settings.read("sasl.oauthbearer.assertion.claim.aud")?;
        signer.issuer = settings.read("sasl.oauthbearer.assertion.claim.iss")?;
        signer.subject = settings.read("sasl.oauthbearer.assertion.claim.sub")?;
        for (name, time) in [
            ("sasl.oauthbearer.assertion.claim.exp.seconds", &mut signer.lifetime),
            ("sasl.oauthbearer.assertion.claim.nbf.seconds", &mut signer.leeway),
        ] {
            if let Some(seconds) = settings.read::<u32>(name)? {
                *time = Duration::from_secs(seconds.into());
            }
        }
        settings.set("sasl.oauthbearer.assertion.claim.jti.include", &mut signer.has_id)?;
        Ok(Some(signer.into()))
    }
}

impl FromProperty for AssertionAlgorithm {
    const ALLOWED: &'static str = "RS256, ES256 or PS256";

    fn from_property(text: &str) -> Option<Self> {
        match text.to_ascii_uppercase().as_str() {
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            "PS256" => Some(Self::Ps256),
            _ => None,
        }
    }
}

impl fmt::Display for AssertionAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::Ps256 => "PS256",
        })
    }
}

pub(crate) const FILE: &str = "sasl.oauthbearer.assertion.file";
pub(crate) const KEY_FILE: &str = "sasl.oauthbearer.assertion.private.key.file";
pub(crate) const KEY_PEM: &str = "sasl.oauthbearer.assertion.private.key.pem";
pub(crate) const PASSPHRASE: &str = "sasl.oauthbearer.assertion.private.key.passphrase";
