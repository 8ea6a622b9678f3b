//! Identities of Microsoft Entra ID: their settings, and how properties choose them.

use std::path::PathBuf;

use super::*;

/// Tokens of an identity of Microsoft Entra ID, for Azure Event Hubs and whatever else takes them.
/// Requires the features `oidc` and `tls`.
///
/// Which identity it is, the environment says, as to the `DefaultAzureCredential` of Azure's
/// libraries; the first of these that is configured is asked, and no other if it fails:
///
/// | | variables |
/// |---|---|
/// | a secret | `AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, `AZURE_CLIENT_SECRET` |
/// | a certificate | `AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, `AZURE_CLIENT_CERTIFICATE_PATH`, `AZURE_CLIENT_CERTIFICATE_PASSWORD` |
/// | workload identity, as in AKS | `AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, `AZURE_FEDERATED_TOKEN_FILE` |
/// | managed identity of App Service, Functions or Container Apps | `IDENTITY_ENDPOINT`, `IDENTITY_HEADER`; `AZURE_CLIENT_ID` names one of several |
/// | managed identity of a virtual machine ([`AzureImds`]) | `AZURE_CLIENT_ID` names one of several |
///
/// `AZURE_AUTHORITY_HOST` is who gives the tokens, in clouds other than Azure's public one, and
/// `AZURE_POD_IDENTITY_AUTHORITY_HOST` what stands in for the metadata service of a virtual machine.
/// A certificate is a file in PEM with its private key, of RSA, or a store of PKCS#12 (feature
/// `pkcs12`); a private key in PEM may be encrypted (feature `encrypted-keys`).
///
/// Not there: the login of a person (`AZURE_USERNAME`, Azure CLI), the managed identities of Azure Arc
/// and Service Fabric, which are refused, a certificate by its subject and issuer
/// (`AZURE_CLIENT_SEND_CERTIFICATE_CHAIN`), and the choice of one of these by
/// `AZURE_TOKEN_CREDENTIALS`.
///
/// The property that selects it, as with Azure's library for Spring, is
/// `sasl.login.callback.handler.class=com.azure.spring.cloud.service.implementation.kafka.KafkaOAuth2AuthenticateCallbackHandler`.
/// The scope is then `https://HOST/.default` with the first host of `bootstrap.servers`, unless
/// `sasl.oauthbearer.scope` is set, and these options of `sasl.jaas.config` take the place of the
/// variables: `azure.profile.tenant-id`, `azure.credential.client-id`,
/// `azure.credential.client-secret`, `azure.credential.client-certificate-path`,
/// `azure.credential.client-certificate-password`, `azure.credential.managed-identity-enabled`,
/// `azure.profile.cloud-type` and `azure.profile.environment.active-directory-endpoint`.
/// `https.ca.location` and `https.ca.pem` say which authorities are trusted at Entra ID.
///
/// ```
/// use kavka::{AzureIdentity, ClientConfig, Sasl, TlsConfig};
///
/// let identity = AzureIdentity::new("https://demo.servicebus.windows.net/.default");
/// let config = ClientConfig::new("demo.servicebus.windows.net:9093")
///     .tls(TlsConfig::new())
///     .sasl(Sasl::oauthbearer(identity));
/// ```
///
/// # Errors
/// Connecting fails with [`ErrorKind::Config`](crate::ErrorKind::Config) if a variable is missing or
/// a file cannot be used; with [`ErrorKind::Connect`](crate::ErrorKind::Connect) if nobody answers,
/// so that the client tries again; and with
/// [`ErrorKind::Authentication`](crate::ErrorKind::Authentication) if the identity is refused.
#[derive(Clone, Debug)]
pub struct AzureIdentity {
    /// What the environment says, if there is none.
    pub(crate) credential: Option<AzureCredential>,
    /// In place of the environment's `AZURE_TENANT_ID` and `AZURE_CLIENT_ID`.
    pub(crate) tenant_id: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) scope: String,
    pub(crate) authority_host: Option<String>,
    pub(crate) tls: TlsConfig,
    pub(crate) extensions: Vec<(String, String)>,
}

/// By what an identity is proven.
#[derive(Clone, Debug)]
pub(crate) enum AzureCredential {
    Application { tenant_id: String, client_id: String, proof: AzureProof },
    ManagedIdentity { client_id: Option<String> },
}

/// By what an application proves that it is itself.
#[derive(Clone, Debug)]
pub(crate) enum AzureProof {
    Secret(Secret),
    Certificate {
        file: PathBuf,
        password: Option<Secret>,
    },
    /// A token of somebody whom Entra ID trusts to vouch for the application.
    FederatedToken(PathBuf),
}

impl AzureIdentity {
    /// The identity that the environment names. The scope is the resource that the token is for,
    /// and `/.default`: `https://NAMESPACE.servicebus.windows.net/.default`.
    pub fn new(scope: impl Into<String>) -> Self {
        Self {
            credential: None,
            tenant_id: None,
            client_id: None,
            scope: scope.into(),
            authority_host: None,
            tls: TlsConfig::new(),
            extensions: Vec::new(),
        }
    }

    /// Uses the secret of an application (service principal) in place of the environment.
    #[must_use]
    pub fn client_secret(
        self,
        tenant_id: impl Into<String>,
        client_id: impl Into<String>,
        secret: impl Into<Secret>,
    ) -> Self {
        self.application(tenant_id, client_id, AzureProof::Secret(secret.into()))
    }

    /// Uses the certificate of an application (service principal) in place of the environment: a
    /// file in PEM with the certificate and its private key, of RSA, or a store of PKCS#12. It is
    /// read for every token.
    #[must_use]
    pub fn client_certificate(
        self,
        tenant_id: impl Into<String>,
        client_id: impl Into<String>,
        file: impl Into<PathBuf>,
    ) -> Self {
        let proof = AzureProof::Certificate { file: file.into(), password: None };
        self.application(tenant_id, client_id, proof)
    }

    /// Sets the password of the certificate's file (`AZURE_CLIENT_CERTIFICATE_PASSWORD`), where that
    /// is a store of PKCS#12 (feature `pkcs12`) or its private key is encrypted (feature
    /// `encrypted-keys`). Has no effect on what is no [certificate](Self::client_certificate).
    #[must_use]
    pub fn certificate_password(mut self, password: impl Into<Secret>) -> Self {
        if let Some(AzureCredential::Application {
            proof: AzureProof::Certificate { password: held, .. },
            ..
        }) = &mut self.credential
        {
            *held = Some(password.into());
        }
        self
    }

    /// Uses a token that another issuer writes into a file, such as that of a Kubernetes cluster, in
    /// place of the environment (workload identity federation). The file is read for every token.
    #[must_use]
    pub fn workload_identity(
        self,
        tenant_id: impl Into<String>,
        client_id: impl Into<String>,
        token_file: impl Into<PathBuf>,
    ) -> Self {
        self.application(tenant_id, client_id, AzureProof::FederatedToken(token_file.into()))
    }

    /// Uses the managed identity of the machine in place of the environment; the client id names one
    /// of several.
    #[must_use]
    pub fn managed_identity(mut self, client_id: Option<String>) -> Self {
        self.credential = Some(AzureCredential::ManagedIdentity { client_id });
        self
    }

    /// Sets who gives the tokens, by a URL of `https` or the name of the host
    /// (`AZURE_AUTHORITY_HOST`; default `https://login.microsoftonline.com/`). Managed identities do
    /// not ask it.
    #[must_use]
    pub fn authority_host(mut self, url: impl Into<String>) -> Self {
        self.authority_host = Some(url.into());
        self
    }

    /// Sets the TLS settings for Entra ID; by default, the operating system's certificate
    /// authorities are trusted. Its cryptography also signs.
    #[must_use]
    pub fn tls(mut self, tls: TlsConfig) -> Self {
        self.tls = tls;
        self
    }

    /// Adds a SASL extension (KIP-342), such as the `logicalCluster` and the `identityPoolId` of
    /// Confluent Cloud (`sasl.oauthbearer.extensions`).
    #[must_use]
    pub fn extension(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.extensions.push((name.into(), value.into()));
        self
    }

    fn application(
        mut self,
        tenant_id: impl Into<String>,
        client_id: impl Into<String>,
        proof: AzureProof,
    ) -> Self {
        let (tenant_id, client_id) = (tenant_id.into(), client_id.into());
        self.credential = Some(AzureCredential::Application { tenant_id, client_id, proof });
        self
    }

    pub(super) fn from_settings(
        settings: &Settings<'_>,
        jaas: Option<&Jaas>,
        extensions: &[(String, String)],
    ) -> Result<Self> {
        let scope = settings.read::<String>("sasl.oauthbearer.scope")?;
        let scope =
            scope.filter(|scope| !scope.is_empty()).map_or_else(|| of_host(settings), Ok)?;
        let mut identity = Self::new(scope);
        identity.extensions = extensions.to_vec();
        let option = |name: &str| {
            let value = jaas.and_then(|jaas| jaas.option(name)).filter(|value| !value.is_empty());
            value.map(str::to_owned)
        };
        identity.tls = oauth::tls_of_https(settings)?;
        identity.authority_host = authority(&option)?;
        identity.tenant_id = option("azure.profile.tenant-id");
        identity.client_id = option("azure.credential.client-id");
        let Some(proof) = proof(&option)? else {
            let is_managed = option("azure.credential.managed-identity-enabled");
            return Ok(match is_managed.is_some_and(|is| is.eq_ignore_ascii_case("true")) {
                true => {
                    let client_id = identity.client_id.clone();
                    identity.managed_identity(client_id)
                }
                false => identity,
            });
        };
        let missing = |name: &str| {
            Error::config(format!(
                "sasl.jaas.config has a secret or a certificate of Azure, and no {name}: set it"
            ))
        };
        let (tenant_id, client_id) = (identity.tenant_id.clone(), identity.client_id.clone());
        let tenant_id = tenant_id.ok_or_else(|| missing("azure.profile.tenant-id"))?;
        let client_id = client_id.ok_or_else(|| missing("azure.credential.client-id"))?;
        Ok(identity.application(tenant_id, client_id, proof))
    }
}

/// Says what an option of `sasl.jaas.config` holds.
type JaasOption<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What the options have of an application, in the order of Azure's `AzureTokenCredentialResolver`;
/// `None` if it is for others to say who this is.
fn proof(option: JaasOption<'_>) -> Result<Option<AzureProof>> {
    if let Some(secret) = option("azure.credential.client-secret") {
        return Ok(Some(AzureProof::Secret(Secret::new(secret))));
    }
    if let Some(file) = option("azure.credential.client-certificate-path") {
        let password = option("azure.credential.client-certificate-password").map(Secret::new);
        return Ok(Some(AzureProof::Certificate { file: file.into(), password }));
    }
    // The library would log in as that person, so that another identity would be a surprise.
    let persons = ["azure.credential.username", "azure.credential.password"];
    match persons.into_iter().find(|name| option(name).is_some()) {
        None => Ok(None),
        Some(name) => Err(Error::config(format!(
            "sasl.jaas.config has {name}, but people do not log in here: give an application's \
             azure.credential.client-secret, or a managed identity"
        ))),
    }
}

/// Who gives the tokens, where the options say it.
fn authority(option: JaasOption<'_>) -> Result<Option<String>> {
    let host = option("azure.profile.environment.active-directory-endpoint");
    match (host, option("azure.profile.cloud-type")) {
        (Some(host), _) => Ok(Some(host)),
        (None, Some(cloud)) => Ok(authority_of(&cloud)?.map(str::to_owned)),
        (None, None) => Ok(None),
    }
}

/// Who gives the tokens of a cloud, by the names of Azure's library for Spring; `None` if it does
/// not say.
fn authority_of(cloud: &str) -> Result<Option<&'static str>> {
    let clouds = [
        ("azure", Some("https://login.microsoftonline.com/")),
        ("azure_china", Some("https://login.chinacloudapi.cn/")),
        ("azure_us_government", Some("https://login.microsoftonline.us/")),
        ("other", None),
    ];
    let found = clouds.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(cloud));
    found.map(|(_, host)| host).ok_or_else(|| {
        Error::config(format!(
            "azure.profile.cloud-type of sasl.jaas.config is {:?}: azure, azure_china, \
             azure_us_government or other is allowed; else give \
             azure.profile.environment.active-directory-endpoint",
            shown(cloud).within(80).to_string()
        ))
    })
}

/// What Azure's handler asks for: everything that the identity may do at the first broker.
fn of_host(settings: &Settings<'_>) -> Result<String> {
    let servers = settings.read::<String>("bootstrap.servers")?.unwrap_or_default();
    let first = servers.split(',').next().unwrap_or_default();
    let host = first.trim().parse::<BrokerAddress>()?;
    Ok(format!("https://{}/.default", host.host()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPRINGS: &str = "com.azure.spring.cloud.service.implementation.kafka.\
                           KafkaOAuth2AuthenticateCallbackHandler";

    /// What properties make of it, in the words of `Debug`.
    fn read(options: &str, more: &[(&str, &str)]) -> std::result::Result<String, String> {
        let jaas = format!(
            "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required \
             {options};"
        );
        let mut properties: Properties = [
            ("bootstrap.servers", "demo.servicebus.windows.net:9093"),
            ("security.protocol", "SASL_SSL"),
            ("sasl.mechanism", "OAUTHBEARER"),
            ("sasl.jaas.config", &*jaas),
            ("sasl.login.callback.handler.class", SPRINGS),
        ]
        .into_iter()
        .collect();
        properties.extend(more.iter().copied());
        let config = ClientConfig::from_properties(&properties).map_err(|e| e.to_string())?;
        Ok(format!("{:?}", config.security.sasl))
    }

    #[test]
    fn the_handler_of_azure_s_library_takes_its_options() {
        let scope = "scope: \"https://demo.servicebus.windows.net/.default\"";
        let both = "azure.profile.tenant-id=\"T\" azure.credential.client-id=\"C\"";
        let secret = format!("{both} azure.credential.client-secret=\"hunter2\"");
        let file = format!(
            "{both} azure.credential.client-certificate-path=\"/c.pem\" \
             azure.credential.client-certificate-password=\"hunter2\""
        );
        let managed = "azure.credential.managed-identity-enabled=\"true\"";
        for (options, words) in [
            ("azure.configured=\"true\"", &["credential: None, tenant_id: None"][..]),
            (both, &["credential: None, tenant_id: Some(\"T\"), client_id: Some(\"C\")"]),
            (&*secret, &["tenant_id: \"T\", client_id: \"C\", proof: Secret("]),
            (&*file, &["proof: Certificate { file: \"/c.pem\", password: Some("]),
            (managed, &["ManagedIdentity { client_id: None }"]),
            (&*format!("{both} {managed}"), &["ManagedIdentity { client_id: Some(\"C\") }"]),
        ] {
            let made = read(options, &[]).expect(options);
            let has_all = words.iter().chain([&scope]).all(|word| made.contains(word));
            assert!(has_all && !made.contains("hunter2"), "{made}");
        }
        let set = read("", &[("sasl.oauthbearer.scope", "api://x/.default")]).expect("a scope");
        assert!(set.contains("scope: \"api://x/.default\""), "{set}");
    }

    #[test]
    fn the_cloud_of_the_options_says_who_gives_the_tokens() {
        let endpoint = "azure.profile.environment.active-directory-endpoint=\"https://e.example/\"";
        for (options, host) in [
            ("", "authority_host: None"),
            ("azure.profile.cloud-type=\"OTHER\"", "authority_host: None"),
            ("azure.profile.cloud-type=\"azure_china\"", "\"https://login.chinacloudapi.cn/\""),
            (
                "azure.profile.cloud-type=\"AZURE_US_GOVERNMENT\"",
                "\"https://login.microsoftonline.us/\"",
            ),
            (
                &*format!("azure.profile.cloud-type=\"AZURE_CHINA\" {endpoint}"),
                "\"https://e.example/\"",
            ),
        ] {
            let made = read(options, &[]).expect(options);
            assert!(made.contains(host), "{made}");
        }
        let error = read("azure.profile.cloud-type=\"moon\"", &[]).expect_err("no cloud");
        assert!(error.contains("azure.profile.cloud-type") && error.contains("moon"), "{error}");
    }

    #[test]
    fn entra_id_is_trusted_by_the_authority_of_https() {
        let made = read("", &[("https.ca.location", "/entra.pem")]).expect("a file");
        let made = made.split_once("AzureIdentity").expect("one").1;
        assert!(made.contains("/entra.pem"), "{made}");
    }

    #[test]
    fn a_person_is_refused() {
        for name in ["azure.credential.username", "azure.credential.password"] {
            let error = read(&format!("{name}=\"hunter2\""), &[]).expect_err("refused");
            assert!(error.contains(name) && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_password_is_only_a_certificate_s() {
        let identity = || AzureIdentity::new("s").certificate_password("hunter2");
        assert!(identity().credential.is_none());
        let certificate = AzureIdentity::new("s").client_certificate("T", "C", "/c.pfx");
        let made = format!("{:?}", certificate.certificate_password("hunter2"));
        assert!(made.contains("password: Some(") && !made.contains("hunter2"), "{made}");
    }

    #[test]
    fn a_proof_without_an_application_is_refused() {
        let error = read("azure.credential.client-secret=\"hunter2\"", &[]).expect_err("refused");
        assert!(error.contains("azure.profile.tenant-id"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
