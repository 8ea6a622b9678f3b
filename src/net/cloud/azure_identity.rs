//! Identities of Microsoft Entra ID: which one is meant, and how it is asked for a token.
//!
//! Applications get theirs from Entra ID's endpoint of tokens, as `oidc/` asks one; managed
//! identities from a service of the machine, as `azure.rs` asks it.

use hyper::StatusCode;

use super::super::endpoint::HttpEndpoint;
use super::super::http::url_encoded;
use super::super::oidc::Oidc;
use super::endpoint::{AccessToken, CloudEndpoint, LIMIT};
use super::{Variable, azure};
use crate::boxed::BoxFuture;
use crate::config::{
    Assertion, AssertionAlgorithm, AssertionSigner, AzureCredential, AzureIdentity, AzureImds,
    AzureProof, OidcConfig, SaslError, Secret, Token, TokenSource,
};
use crate::error::{Error, Result};
use crate::ids::Timestamp;
use crate::shown::shown;

const WHAT: &str = "Azure's identity endpoint";

const NOTHING_ELSE: &str = "none of AZURE_CLIENT_SECRET, AZURE_CLIENT_CERTIFICATE_PATH and \
                            AZURE_FEDERATED_TOKEN_FILE is set, so the machine itself is asked";

const PUBLIC_CLOUD: &str = "https://login.microsoftonline.com/";

impl TokenSource for AzureIdentity {
    fn token(&self, now: Timestamp) -> BoxFuture<'_, Result<Token, SaslError>> {
        Box::pin(async move {
            let of_process = |name: &str| std::env::var(name).ok();
            Ok(fetch(self, &of_process, now).await?)
        })
    }
}

/// A token of the identity, where the environment is this.
pub(super) async fn fetch(
    identity: &AzureIdentity,
    variable: Variable<'_>,
    now: Timestamp,
) -> Result<Token> {
    let variable = |name: &str| {
        let given = match name {
            "AZURE_TENANT_ID" => identity.tenant_id.clone(),
            "AZURE_CLIENT_ID" => identity.client_id.clone(),
            _ => None,
        };
        given.or_else(|| variable(name).filter(|value| !value.is_empty()))
    };
    let credential = match &identity.credential {
        Some(given) => given.clone(),
        None => of_environment(&variable)?,
    };
    match credential {
        AzureCredential::Application { tenant_id, client_id, proof } => {
            let host = identity.authority_host.clone().or_else(|| variable("AZURE_AUTHORITY_HOST"));
            let url = token_endpoint(host.as_deref().unwrap_or(PUBLIC_CLOUD), &tenant_id)?;
            let named = |error| in_azure_s_words(error).with_context(of(&proof));
            let oidc = Oidc::new(grant(identity, &url, client_id, &proof)).map_err(named)?;
            oidc.ask(now).await.map_err(named)
        }
        AzureCredential::ManagedIdentity { client_id } => {
            let token = managed(identity, &variable, client_id.as_deref(), now).await;
            // The machine may be asked for want of anything else.
            token.map_err(|error| match &identity.credential {
                None => error.with_context(NOTHING_ELSE),
                Some(_) => error,
            })
        }
    }
}

/// The credential that the environment is set up for, in the order of `DefaultAzureCredential`.
fn of_environment(variable: Variable<'_>) -> Result<AzureCredential> {
    let proofs: [(&str, fn(String, Variable<'_>) -> AzureProof); 3] = [
        ("AZURE_CLIENT_SECRET", |secret, _| AzureProof::Secret(Secret::new(secret))),
        ("AZURE_CLIENT_CERTIFICATE_PATH", |file, variable| AzureProof::Certificate {
            file: file.into(),
            password: variable("AZURE_CLIENT_CERTIFICATE_PASSWORD").map(Secret::new),
        }),
        ("AZURE_FEDERATED_TOKEN_FILE", |file, _| AzureProof::FederatedToken(file.into())),
    ];
    for (name, proof) in proofs {
        let Some(value) = variable(name) else { continue };
        let needed = |other: &str| {
            let missing = || Error::config(format!("{name} is set, and {other} is not: set it"));
            variable(other).ok_or_else(missing)
        };
        return Ok(AzureCredential::Application {
            tenant_id: needed("AZURE_TENANT_ID")?,
            client_id: needed("AZURE_CLIENT_ID")?,
            proof: proof(value, variable),
        });
    }
    Ok(AzureCredential::ManagedIdentity { client_id: variable("AZURE_CLIENT_ID") })
}

/// Where the applications of a tenant ask.
///
/// # Errors
/// [`ErrorKind::Config`](crate::ErrorKind::Config) if the tenant is no name, or the host none that
/// is told secrets.
pub(super) fn token_endpoint(host: &str, tenant_id: &str) -> Result<String> {
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    if tenant_id.is_empty() || !tenant_id.bytes().all(is_of_name) {
        return Err(Error::config(format!(
            "the tenant of Azure is {:?}: an id or a domain is allowed (AZURE_TENANT_ID)",
            shown(tenant_id).within(80).to_string()
        )));
    }
    let host = host.trim_end_matches('/');
    // Azure's library for Python takes the name alone, too.
    let is_name = host.contains('.') && host.bytes().all(is_of_name);
    let host = if is_name { format!("https://{host}") } else { host.to_owned() };
    let is_allowed = HttpEndpoint::parse(WHAT, &host).is_some_and(|http| {
        http.is_private() && http.uri().query().is_none() && !host.contains('#')
    });
    if !is_allowed {
        return Err(Error::config(
            "Azure's authority host is no URL of https: https://host is allowed, as secrets would \
             go out in clear otherwise (AZURE_AUTHORITY_HOST)",
        ));
    }
    Ok(format!("{host}/{tenant_id}/oauth2/v2.0/token"))
}

/// What is told of settings of OAUTHBEARER, told of those of Azure that stand for them.
fn in_azure_s_words(error: Error) -> Error {
    let names = [
        ("sasl.oauthbearer.assertion.private.key.file", "AZURE_CLIENT_CERTIFICATE_PATH"),
        ("sasl.oauthbearer.assertion.private.key.passphrase", "AZURE_CLIENT_CERTIFICATE_PASSWORD"),
        ("sasl.oauthbearer.assertion.file", "AZURE_FEDERATED_TOKEN_FILE"),
        ("sasl.oauthbearer.assertion.algorithm", "the algorithm of Entra ID"),
        ("sasl.oauthbearer.token.endpoint.url", "AZURE_AUTHORITY_HOST"),
        ("sasl.oauthbearer.config", "AZURE_CLIENT_ID, and the scope"),
        ("sasl.login.connect.timeout.ms", "the longest wait"),
        ("sasl.login.read.timeout.ms", "the longest wait"),
        ("https.ca.location", "AzureIdentity::tls, or https.ca.location,"),
    ];
    names.into_iter().fold(error, |error, (name, azures)| error.renamed(name, azures))
}

fn grant(identity: &AzureIdentity, url: &str, client_id: String, proof: &AzureProof) -> OidcConfig {
    let mut config = match proof {
        AzureProof::Secret(secret) => {
            let mut config = OidcConfig::new(url, client_id, secret.clone());
            config.is_secret_in_form = true;
            config
        }
        AzureProof::Certificate { file, password } => {
            let mut signer = AssertionSigner::key_file(AssertionAlgorithm::Ps256, file)
                .issuer(&client_id)
                .subject(&client_id)
                .audience(url)
                .include_id(true);
            signer.names_certificate = true;
            signer.passphrase.clone_from(password);
            OidcConfig::client_assertion(url, Some(client_id), signer)
        }
        AzureProof::FederatedToken(file) => {
            OidcConfig::client_assertion(url, Some(client_id), Assertion::file(file))
        }
    };
    config.advice = Some(advice(proof));
    config.extensions.clone_from(&identity.extensions);
    config
        .scope(&identity.scope)
        .tls(identity.tls.clone())
        .connect_timeout(LIMIT)
        .read_timeout(LIMIT)
}

fn advice(proof: &AzureProof) -> &'static str {
    match proof {
        AzureProof::Secret(_) => {
            "check the tenant, the application's id and its secret, which may have expired \
             (AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET), and the scope"
        }
        AzureProof::Certificate { .. } => {
            "check the tenant and the application's id (AZURE_TENANT_ID, AZURE_CLIENT_ID), that the \
             certificate is one of the application's, the scope, and this machine's clock"
        }
        AzureProof::FederatedToken(_) => {
            "check the tenant and the application's id (AZURE_TENANT_ID, AZURE_CLIENT_ID), that the \
             application has a federated credential for the issuer and the subject of the token, \
             which may have expired, and the scope"
        }
    }
}

/// What errors say of a proof.
fn of(proof: &AzureProof) -> String {
    match proof {
        AzureProof::Secret(_) => "the secret of an application of Azure".to_owned(),
        AzureProof::Certificate { file, .. } => {
            format!("the certificate of an application of Azure, {}", file.display())
        }
        AzureProof::FederatedToken(file) => {
            format!("Azure's workload identity, {}", file.display())
        }
    }
}

/// A token of the machine's identity: of the service that App Service and its kind tell of, else of
/// a virtual machine's.
async fn managed(
    identity: &AzureIdentity,
    variable: Variable<'_>,
    client_id: Option<&str>,
    now: Timestamp,
) -> Result<Token> {
    let resource = identity.scope.strip_suffix("/.default").unwrap_or(&identity.scope);
    let mut query = format!("resource={}", url_encoded(resource));
    if let Some(id) = client_id {
        query.push_str(&format!("&client_id={}", url_encoded(id)));
    }
    refuse_other_hosts(variable)?;
    match (variable("IDENTITY_ENDPOINT"), variable("IDENTITY_HEADER")) {
        (Some(url), Some(header)) => {
            let mut token = of_app_service(&url, &query, &Secret::new(header), now).await?;
            token.extensions.clone_from(&identity.extensions);
            Ok(token)
        }
        _ => {
            let mut imds = AzureImds::new(format!("api-version=2018-02-01&{query}"));
            imds.extensions.clone_from(&identity.extensions);
            // Where Azure's libraries look for what stands in for the service.
            if let Some(host) = variable("AZURE_POD_IDENTITY_AUTHORITY_HOST") {
                let host = host.trim_end_matches('/');
                imds = imds.endpoint(format!("{host}/metadata/identity/oauth2/token"));
            }
            azure::fetch(&imds, now).await.map_err(in_azure_s_words)
        }
    }
}

/// Refuses machines that announce a service that is spoken to otherwise: they have none of the others,
/// and to wait for one would tell nothing.
///
/// # Errors
/// [`ErrorKind::Config`](crate::ErrorKind::Config), with the variable that says so.
fn refuse_other_hosts(variable: Variable<'_>) -> Result<()> {
    let is_set = |name: &str| variable(name).is_some();
    let (name, what) = match (is_set("IDENTITY_ENDPOINT"), is_set("IDENTITY_HEADER")) {
        (true, true) if is_set("IDENTITY_SERVER_THUMBPRINT") => {
            ("IDENTITY_SERVER_THUMBPRINT", "this is a cluster of Service Fabric")
        }
        (true, false) if is_set("IMDS_ENDPOINT") => ("IMDS_ENDPOINT", "this is a machine of Arc"),
        (true, false) => {
            return Err(Error::config(
                "IDENTITY_ENDPOINT is set, and IDENTITY_HEADER is not: set both, as App Service \
                 does, or none of them",
            ));
        }
        _ => return Ok(()),
    };
    Err(Error::config(format!(
        "{name} is set, so {what}, whose managed identity is not supported: give an application's \
         secret or certificate (AZURE_CLIENT_SECRET, AZURE_CLIENT_CERTIFICATE_PATH), or a source of \
         your own (Sasl::oauthbearer)"
    )))
}

async fn of_app_service(url: &str, query: &str, header: &Secret, now: Timestamp) -> Result<Token> {
    let endpoint = CloudEndpoint::of_machine(WHAT, url)?;
    let path = format!("{}?api-version=2019-08-01&{query}", endpoint.uri().path());
    let answer =
        endpoint.in_time(endpoint.get(&path, ("x-identity-header", header.expose()))).await?;
    if answer.head.status != StatusCode::OK {
        let advice = "give this app a managed identity, and check its client id (AZURE_CLIENT_ID) \
                      and the scope";
        return Err(endpoint.refusal(&answer, &[408, 429], advice));
    }
    let found = AccessToken::of_answer(&answer.body, now)
        .ok_or_else(|| endpoint.without("an access_token"))?;
    Ok(found.into())
}
