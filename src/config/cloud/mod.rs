//! Tokens for OAUTHBEARER from clouds: which there are, and how properties choose them.

#[cfg(feature = "oidc")]
mod azure;
#[cfg(all(feature = "oidc", feature = "tls"))]
mod azure_identity;
#[cfg(feature = "oidc")]
mod google;

#[cfg(feature = "oidc")]
use std::sync::Arc;

#[cfg(feature = "oidc")]
pub use self::azure::AzureImds;
#[cfg(all(feature = "oidc", feature = "tls"))]
pub use self::azure_identity::AzureIdentity;
#[cfg(all(feature = "oidc", feature = "tls"))]
pub(crate) use self::azure_identity::{AzureCredential, AzureProof};
#[cfg(all(feature = "oidc", feature = "tls"))]
pub use self::google::GoogleCredentials;
#[cfg(feature = "oidc")]
pub use self::google::GoogleMetadata;
use super::*;

/// Whose tokens properties choose.
#[derive(Clone, Copy)]
enum Chosen {
    AzureImds,
    AzureIdentity,
    Google,
}

/// The source that properties choose, if they do.
pub(super) fn from_settings(
    settings: &Settings<'_>,
    jaas: Option<&Jaas>,
    extensions: &[(String, String)],
) -> Result<Option<TokenOrigin>> {
    let by_type = is_azure(settings)?.then_some(Chosen::AzureImds);
    let by_class = settings.read::<String>(HANDLER)?.and_then(|class| Chosen::of_handler(&class));
    match (by_type, by_class) {
        (None, None) => Ok(None),
        (Some(chosen), None) => origin(TYPE, chosen, settings, jaas, extensions).map(Some),
        (None, Some(chosen)) => origin(HANDLER, chosen, settings, jaas, extensions).map(Some),
        (Some(_), Some(_)) => Err(Error::config(format!(
            "{TYPE} and {HANDLER} want tokens of different sources: give one of them"
        ))),
    }
}

impl Chosen {
    fn of_handler(class: &str) -> Option<Self> {
        match class {
            GOOGLES => Some(Self::Google),
            _ if AZURES.contains(&class) => Some(Self::AzureIdentity),
            _ => None,
        }
    }
}

#[cfg(feature = "oidc")]
fn origin(
    _: &str,
    chosen: Chosen,
    settings: &Settings<'_>,
    jaas: Option<&Jaas>,
    extensions: &[(String, String)],
) -> Result<TokenOrigin> {
    #[cfg(not(feature = "tls"))]
    let _ = jaas;
    Ok(TokenOrigin::Source(match chosen {
        Chosen::AzureImds => Arc::new(AzureImds::from_settings(settings, extensions)?),
        #[cfg(feature = "tls")]
        Chosen::AzureIdentity => {
            Arc::new(AzureIdentity::from_settings(settings, jaas, extensions)?)
        }
        #[cfg(not(feature = "tls"))]
        Chosen::AzureIdentity => {
            return Err(Error::config(format!(
                "{HANDLER} wants tokens of Microsoft Entra ID, which is asked over TLS, but this \
                 program was built without kavka's feature tls"
            )));
        }
        Chosen::Google => {
            return google::default_credentials();
        }
    }))
}

#[cfg(not(feature = "oidc"))]
fn origin(
    property: &str,
    _: Chosen,
    _: &Settings<'_>,
    _: Option<&Jaas>,
    _: &[(String, String)],
) -> Result<TokenOrigin> {
    Err(Error::config(format!(
        "{property} wants tokens of a cloud, but this program was built without kavka's feature \
         oidc"
    )))
}

/// Warns of values that say nothing here, with what to do instead.
pub(super) fn warn_of_ignored(settings: &Settings<'_>) -> Result<()> {
    let is_known = |class: &str| {
        class.is_empty() || Chosen::of_handler(class).is_some() || JAVAS.contains(&class)
    };
    let class = settings.read::<String>(HANDLER)?;
    let is_handler_ignored = class.is_some_and(|class| !is_known(&class));
    let config = settings.read::<String>(CONFIG)?;
    let kind = settings.read::<String>(TYPE)?;
    let is_config_ignored = config.is_some() && kind.is_none_or(|kind| !is_imds(&kind));
    for (name, is_ignored) in [(HANDLER, is_handler_ignored), (CONFIG, is_config_ignored)] {
        if is_ignored && let Some(key) = keys::find(name) {
            settings::warn_of_ignored(name, key);
        }
    }
    Ok(())
}

fn is_azure(settings: &Settings<'_>) -> Result<bool> {
    match settings.read::<String>(TYPE)?.as_deref() {
        Some(kind) if is_imds(kind) => Ok(true),
        None => Ok(false),
        Some(kind) if kind.eq_ignore_ascii_case("none") => Ok(false),
        Some(kind) => Err(Error::config(format!(
            "{TYPE} is {:?}: none or azure_imds is allowed; tokens of another cloud come from a \
             source of your own: Sasl::oauthbearer",
            shown(kind)
        ))),
    }
}

fn is_imds(kind: &str) -> bool {
    kind.eq_ignore_ascii_case("azure_imds")
}

const TYPE: &str = "sasl.oauthbearer.metadata.authentication.type";
const HANDLER: &str = "sasl.login.callback.handler.class";
const CONFIG: &str = "sasl.oauthbearer.config";
#[cfg(feature = "oidc")]
const ENDPOINT: &str = "sasl.oauthbearer.token.endpoint.url";

const GOOGLES: &str = "com.google.cloud.hosted.kafka.auth.GcpLoginCallbackHandler";

/// In Azure's library for Spring, from version 4.5 on and before.
const AZURES: [&str; 2] = [
    "com.azure.spring.cloud.service.implementation.kafka.KafkaOAuth2AuthenticateCallbackHandler",
    "com.azure.spring.cloud.service.kafka.KafkaOAuth2AuthenticateCallbackHandler",
];

/// The handlers that come with Java's client, which do what is done here without them.
const JAVAS: [&str; 3] = [
    "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler",
    "org.apache.kafka.common.security.oauthbearer.secured.OAuthBearerLoginCallbackHandler",
    "org.apache.kafka.common.security.oauthbearer.internals.unsecured.\
     OAuthBearerUnsecuredLoginCallbackHandler",
];

#[cfg(all(test, feature = "oidc"))]
mod tests {
    use super::*;
    use crate::observability::captured_logs::CapturedLogs;

    /// What properties make of the source of tokens, in the words of `Debug`.
    fn read(pairs: &[(&str, &str)]) -> std::result::Result<String, String> {
        let mut properties: Properties = [
            ("bootstrap.servers", "a:1"),
            ("security.protocol", "SASL_PLAINTEXT"),
            ("sasl.mechanism", "OAUTHBEARER"),
        ]
        .into_iter()
        .collect();
        properties.extend(pairs.iter().copied());
        let config = ClientConfig::from_properties(&properties)
            .and_then(|config| config.validate().map(|()| config));
        let config = config.map_err(|error| error.to_string())?;
        Ok(format!("{:?}", config.security.sasl))
    }

    const UNSECURED: &str = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule \
                             required unsecuredLoginStringClaim_sub=\"me\";";
    const IMDS: (&str, &str) = (TYPE, "azure_imds");
    const QUERY: (&str, &str) = (CONFIG, "query=api-version=2018-02-01&resource=api://hunter2");

    #[test]
    fn properties_choose_a_cloud() {
        for (pairs, chosen) in [
            (&[IMDS, QUERY][..], "http://169.254.169.254/..."),
            (&[(TYPE, "AZURE_IMDS"), QUERY], "AzureImds"),
            (&[IMDS, QUERY, (ENDPOINT, "http://localhost:1/x")], "http://localhost:1/..."),
            (&[IMDS, (ENDPOINT, "http://localhost:1/x?resource=y")], "http://localhost:1/..."),
            (
                &[IMDS, QUERY, ("sasl.oauthbearer.extensions", "logicalCluster=lkc-1")],
                "[(\"logicalCluster\", \"lkc-1\")]",
            ),
            (&[(HANDLER, GOOGLES)], "Google"),
            (&[(HANDLER, GOOGLES), (TYPE, "none")], "Google"),
        ] {
            let made = read(pairs).expect(chosen);
            assert!(made.contains(chosen) && !made.contains("hunter2"), "{made}");
        }
    }

    #[test]
    fn a_handler_or_config_that_nothing_reads_is_warned_of() {
        let unsecured = ("sasl.jaas.config", UNSECURED);
        for (pair, told) in [
            ((HANDLER, "com.example.Mine"), "Sasl::oauthbearer takes a source"),
            ((CONFIG, "principal=hunter2"), "unsecured tokens come from a source of your own"),
            ((HANDLER, JAVAS[0]), ""),
            ((HANDLER, ""), ""),
        ] {
            let log = CapturedLogs::warnings();
            read(&[unsecured, pair]).expect(pair.0);
            let expected = usize::from(!told.is_empty());
            assert_eq!(log.count(&["ignored", pair.0]), expected, "{}", log.text());
            assert!(log.text().contains(told) && !log.text().contains("hunter2"), "{}", log.text());
        }
        let log = CapturedLogs::warnings();
        read(&[IMDS, QUERY]).expect("a query");
        assert_eq!(log.count(&["ignored"]), 0, "{}", log.text());
    }

    #[test]
    fn what_no_cloud_can_be_asked_with_is_refused() {
        for (pairs, words) in [
            (&[IMDS][..], &[CONFIG, "query=api-version"][..]),
            (&[IMDS, (CONFIG, "principal=hunter2")], &[CONFIG, "query=api-version"]),
            (&[IMDS, (CONFIG, "query=a b")], &[CONFIG, "URL-encoded"]),
            (&[IMDS, QUERY, (HANDLER, GOOGLES)], &["different sources"]),
            (&[(TYPE, "aws_iam")], &["aws_iam", "none or azure_imds", "Sasl::oauthbearer"]),
            (&[(HANDLER, "com.example.Mine")], &[ENDPOINT, "Sasl::oauthbearer"]),
        ] {
            let error = read(pairs).expect_err("refused");
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
