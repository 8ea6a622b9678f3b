//! Whom a client trusts, and the certificate it shows (`ssl.*`).

use std::path::PathBuf;
#[cfg(feature = "tls")]
use std::sync::Arc;

use super::*;

/// The settings of TLS: which authorities to trust, and which certificate to present.
///
/// Certificates and keys are in PEM, or in PKCS#12 stores with the feature `pkcs12`. Files that
/// change are read again for new connections.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TlsConfig {
    pub(crate) trust: Trust,
    pub(crate) identity: ClientCertificate,
    pub(crate) key_password: Option<Secret>,
    pub(crate) keystore_password: Option<Secret>,
    pub(crate) truststore_password: Option<Secret>,
    /// `ssl.endpoint.identification.algorithm` is empty.
    pub(crate) any_server_name: bool,
    /// Empty: all.
    pub(crate) enabled_protocols: Vec<TlsVersion>,
    /// Empty: all.
    pub(crate) cipher_suites: Vec<String>,
    /// The types of stores as the properties name them.
    store_types: Vec<(&'static str, String)>,
    #[cfg(feature = "tls")]
    pub(crate) crypto_provider: Option<UserSupplied<rustls::crypto::CryptoProvider>>,
    #[cfg(feature = "tls")]
    pub(crate) client_config: Option<UserSupplied<rustls::ClientConfig>>,
}

/// Whose signature makes a broker's certificate good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Trust {
    /// The authorities of the operating system.
    #[default]
    System,
    /// The authorities of Mozilla, which are compiled in.
    Webpki,
    File(PathBuf),
    /// A secret, as a key may have been put there by mistake.
    Pem(Secret),
}

/// The certificate that the client shows to a broker that asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum ClientCertificate {
    #[default]
    None,
    /// Key and chain in one file.
    File(PathBuf),
    Files {
        chain: PathBuf,
        key: PathBuf,
    },
    Pem {
        chain: Secret,
        key: Secret,
    },
}

/// A TLS version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsVersion {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// What the user has plugged in; its own `Debug` could show a key.
#[cfg(feature = "tls")]
#[derive(Clone)]
pub(crate) struct UserSupplied<T>(pub(crate) Arc<T>);

#[cfg(feature = "tls")]
impl<T> fmt::Debug for UserSupplied<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the user's")
    }
}

impl TlsConfig {
    /// Creates settings that trust the operating system's certificate authorities and present no
    /// certificate.
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts only the certificates in a PEM file or PKCS#12 store (`ssl.truststore.location`).
    #[must_use]
    pub fn truststore_location(mut self, file: impl Into<PathBuf>) -> Self {
        self.trust = Trust::File(file.into());
        self
    }

    /// Sets the password of a PKCS#12 trust store (`ssl.truststore.password`).
    #[must_use]
    pub fn truststore_password(mut self, password: impl Into<Secret>) -> Self {
        self.truststore_password = Some(password.into());
        self
    }

    /// Trusts only the certificates in a PEM text (`ssl.truststore.certificates`).
    #[must_use]
    pub fn truststore_certificates(mut self, pem: impl Into<String>) -> Self {
        self.trust = Trust::Pem(Secret::new(pem));
        self
    }

    /// Trusts Mozilla's certificate authorities, which are compiled in. For machines without
    /// authorities of their own.
    #[must_use]
    pub fn webpki_roots(mut self) -> Self {
        self.trust = Trust::Webpki;
        self
    }

    /// Presents the certificate in a PEM file or PKCS#12 store, which also holds its private key
    /// and chain (`ssl.keystore.location`).
    #[must_use]
    pub fn keystore_location(mut self, file: impl Into<PathBuf>) -> Self {
        self.identity = ClientCertificate::File(file.into());
        self
    }

    /// Presents the certificate in one PEM file, with the private key in another (librdkafka's
    /// `ssl.certificate.location` and `ssl.key.location`).
    #[must_use]
    pub fn certificate_location(
        mut self,
        chain: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        self.identity = ClientCertificate::Files { chain: chain.into(), key: key.into() };
        self
    }

    /// Presents the certificate in a PEM text, with the private key in another
    /// (`ssl.keystore.certificate.chain`, `ssl.keystore.key`).
    #[must_use]
    pub fn keystore_certificate_chain(
        mut self,
        chain: impl Into<String>,
        key: impl Into<Secret>,
    ) -> Self {
        self.identity = ClientCertificate::Pem { chain: Secret::new(chain), key: key.into() };
        self
    }

    /// Sets the password of a PKCS#12 key store (`ssl.keystore.password`).
    ///
    /// The crate that reads such stores does not overwrite its own copy of the private key.
    #[must_use]
    pub fn keystore_password(mut self, password: impl Into<Secret>) -> Self {
        self.keystore_password = Some(password.into());
        self
    }

    /// Sets the password of an encrypted private key in PEM (`ssl.key.password`). Requires the
    /// feature `encrypted-keys`.
    #[must_use]
    pub fn key_password(mut self, password: impl Into<Secret>) -> Self {
        self.key_password = Some(password.into());
        self
    }

    /// Sets whether the broker's certificate must match the host connected to
    /// (`ssl.endpoint.identification.algorithm`, which is `https` or empty; default true).
    ///
    /// Without this check, the holder of any certificate issued by a trusted authority can
    /// impersonate the broker.
    #[must_use]
    pub fn endpoint_identification(mut self, is_checked: bool) -> Self {
        self.any_server_name = !is_checked;
        self
    }

    /// Sets the enabled TLS versions (`ssl.enabled.protocols`; default 1.2 and 1.3).
    #[must_use]
    pub fn enabled_protocols(mut self, versions: impl IntoIterator<Item = TlsVersion>) -> Self {
        self.enabled_protocols = versions.into_iter().collect();
        self
    }

    /// Restricts the cipher suites (`ssl.cipher.suites`; default: all that the cryptography provider
    /// has), given by their IANA names, or by OpenSSL's, which say nothing of TLS 1.3.
    #[must_use]
    pub fn cipher_suites<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.cipher_suites = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the cryptography provider. Default: the one installed as rustls' process default,
    /// otherwise graviola.
    ///
    /// Required on processors that graviola does not support, and where a certified module is
    /// mandatory.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn crypto_provider(mut self, provider: Arc<rustls::crypto::CryptoProvider>) -> Self {
        self.crypto_provider = Some(UserSupplied(provider));
        self
    }

    /// Sets the complete rustls configuration. All other TLS settings are then ignored.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn client_config(mut self, config: Arc<rustls::ClientConfig>) -> Self {
        self.client_config = Some(UserSupplied(config));
        self
    }

    pub(super) fn from_settings(settings: &Settings<'_>) -> Result<Self> {
        let mut tls = Self::new();
        let text =
            |name| settings.read::<String>(name).map(|text| text.filter(|text| !text.is_empty()));
        let secret = |name| {
            settings
                .read::<Secret>(name)
                .map(|secret| secret.filter(|text| !text.expose().is_empty()))
        };
        match (text("ssl.truststore.location")?, secret("ssl.truststore.certificates")?) {
            (Some(file), None) => tls.trust = Trust::File(file.into()),
            (None, Some(pem)) => tls.trust = Trust::Pem(pem),
            (None, None) => {}
            (Some(_), Some(_)) => {
                return Err(one_of("ssl.truststore.location", "ssl.truststore.certificates"));
            }
        }
        let (chain, key) = (secret("ssl.keystore.certificate.chain")?, secret("ssl.keystore.key")?);
        tls.identity = match (text("ssl.keystore.location")?, chain, key) {
            (Some(file), None, None) => ClientCertificate::File(file.into()),
            (None, Some(chain), Some(key)) => ClientCertificate::Pem { chain, key },
            (None, None, None) => ClientCertificate::None,
            (Some(_), _, _) => {
                return Err(one_of("ssl.keystore.location", "ssl.keystore.certificate.chain"));
            }
            (None, _, _) => return Err(both("ssl.keystore.certificate.chain", "ssl.keystore.key")),
        };
        match (text("ssl.certificate.location")?, text("ssl.key.location")?) {
            (None, None) => {}
            (Some(chain), Some(key)) if tls.identity == ClientCertificate::None => {
                tls.identity = ClientCertificate::Files { chain: chain.into(), key: key.into() };
            }
            (Some(_), Some(_)) => {
                return Err(one_of("ssl.certificate.location", "ssl.keystore.location"));
            }
            _ => return Err(both("ssl.certificate.location", "ssl.key.location")),
        }
        tls.key_password = secret("ssl.key.password")?;
        tls.keystore_password = secret("ssl.keystore.password")?;
        tls.truststore_password = secret("ssl.truststore.password")?;
        if let Some(EndpointIdentification(any)) =
            settings.read("ssl.endpoint.identification.algorithm")?
        {
            tls.any_server_name = any;
        }
        if let Some(list) = text("ssl.enabled.protocols")? {
            tls.enabled_protocols = versions(&list)?;
        }
        if let Some(list) = text("ssl.cipher.suites")? {
            tls.cipher_suites = list
                .split([',', ':'])
                .map(|name| name.trim().to_owned())
                .filter(|name| !name.is_empty())
                .collect();
        }
        for name in ["ssl.truststore.type", "ssl.keystore.type"] {
            if let Some(kind) = text(name)?.filter(|kind| !kind.eq_ignore_ascii_case("PEM")) {
                tls.store_types.push((name, kind));
            }
        }
        Ok(tls)
    }

    /// Checks what can be checked without a file.
    pub(super) fn validate(&self) -> Result<()> {
        for (name, kind) in &self.store_types {
            if !kind.eq_ignore_ascii_case("PKCS12") {
                return Err(Error::config(format!(
                    "{name} is {kind}: PEM or PKCS12 is allowed; {CONVERT}"
                )));
            }
            if !cfg!(feature = "pkcs12") {
                return Err(Error::config(format!(
                    "{name} is {kind}, but this program was built without kavka's feature \
                     pkcs12; {CONVERT}"
                )));
            }
        }
        Ok(())
    }
}

/// How Java's stores become PEM.
pub(crate) const CONVERT: &str = "openssl pkcs12 -in store.p12 -out store.pem -nodes makes PEM \
                                  of a PKCS#12 file, and keytool -importkeystore -deststoretype \
                                  PKCS12 that of a JKS file";

fn one_of(first: &str, second: &str) -> Error {
    Error::config(format!("{first} and {second} are both set: one of them is allowed"))
}

fn both(first: &str, second: &str) -> Error {
    Error::config(format!("only one of {first} and {second} is set: both or none are allowed"))
}

fn versions(list: &str) -> Result<Vec<TlsVersion>> {
    let refuse = |name| {
        Error::config(format!("ssl.enabled.protocols has {name}: TLSv1.2 and TLSv1.3 are allowed"))
    };
    let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
    names
        .map(|name| match name {
            "TLSv1.2" => Ok(TlsVersion::Tls12),
            "TLSv1.3" => Ok(TlsVersion::Tls13),
            _ => Err(refuse(name)),
        })
        .collect()
}

/// Whether any name of the server is good: the value of `ssl.endpoint.identification.algorithm`.
#[derive(Clone, Copy, Debug)]
struct EndpointIdentification(bool);

impl FromProperty for EndpointIdentification {
    const ALLOWED: &'static str = "https, or nothing";

    fn from_property(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "https" => Some(Self(false)),
            // librdkafka's word for nothing.
            "" | "none" => Some(Self(true)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(pairs: &[(&str, &str)]) -> Result<TlsConfig> {
        let properties: Properties = pairs.iter().copied().collect();
        let tls = TlsConfig::from_settings(&Settings::of(&properties, HandleKind::Client)?)?;
        tls.validate().map(|()| tls)
    }

    #[test]
    fn properties_set_what_setters_set() {
        let read = from(&[
            ("ssl.truststore.certificates", "roots"),
            ("ssl.certificate.location", "c.pem"),
            ("ssl.key.location", "k.pem"),
            ("ssl.endpoint.identification.algorithm", ""),
            ("ssl.enabled.protocols", "TLSv1.3, TLSv1.2"),
            ("ssl.cipher.suites", "TLS_AES_128_GCM_SHA256"),
            ("ssl.key.password", "a"),
            ("ssl.keystore.password", "b"),
            ("ssl.truststore.password", "c"),
        ]);
        let set = TlsConfig::new()
            .truststore_certificates("roots")
            .certificate_location("c.pem", "k.pem")
            .endpoint_identification(false)
            .enabled_protocols([TlsVersion::Tls13, TlsVersion::Tls12])
            .cipher_suites(["TLS_AES_128_GCM_SHA256"])
            .key_password("a")
            .keystore_password("b")
            .truststore_password("c");
        let read = read.expect("allowed");
        assert_eq!(format!("{read:?}"), format!("{set:?}"));
        let passwords = |tls: &TlsConfig| {
            [&tls.key_password, &tls.keystore_password, &tls.truststore_password]
                .map(|password| password.clone().expect("set"))
        };
        assert!(passwords(&read) == passwords(&set), "Debug shows none of them");
    }

    #[test]
    fn contradictions_and_java_s_stores_are_refused() {
        for (pairs, word) in [
            (
                &[("ssl.truststore.location", "a"), ("ssl.ca.pem", "b")][..],
                "ssl.truststore.certificates",
            ),
            (&[("ssl.key.location", "a")], "ssl.certificate.location"),
            (&[("ssl.keystore.key", "a")], "ssl.keystore.certificate.chain"),
            (&[("ssl.keystore.location", "a"), ("ssl.key.pem", "b")], "ssl.keystore.location"),
            (&[("ssl.truststore.type", "JKS")], "PKCS12"),
            #[cfg(not(feature = "pkcs12"))]
            (&[("ssl.keystore.type", "PKCS12")], "openssl pkcs12"),
            (&[("ssl.enabled.protocols", "TLSv1.1")], "TLSv1.2"),
            (&[("ssl.endpoint.identification.algorithm", "ldaps")], "https"),
        ] {
            let error = from(pairs).expect_err(word).to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
