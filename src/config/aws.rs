//! AWS's credentials, for the SASL mechanism AWS_MSK_IAM.

use std::sync::{Arc, OnceLock};

use super::*;
use crate::boxed::BoxFuture;
use crate::ids::Timestamp;

/// The settings of AWS_MSK_IAM, the mechanism by which Amazon MSK authenticates a client with AWS
/// credentials.
///
/// ```
/// use kavka::{AwsMskIam, ClientConfig, Sasl, TlsConfig};
///
/// let config = ClientConfig::new("b-1.demo.abc123.c2.kafka.eu-west-1.amazonaws.com:9098")
///     .tls(TlsConfig::new())
///     .sasl(Sasl::aws_msk_iam(AwsMskIam::default_chain()));
/// ```
#[derive(Clone, Debug)]
pub struct AwsMskIam {
    pub(crate) credentials: AwsCredentialsOrigin,
    pub(crate) region: Option<String>,
}

/// Where credentials come from.
#[derive(Clone, Debug)]
pub(crate) enum AwsCredentialsOrigin {
    Provider(Arc<dyn AwsCredentialsProvider>),
    Chain(AwsChain),
}

/// AWS's own sources of credentials, and a role that is assumed by them.
#[derive(Clone, Debug)]
pub(crate) struct AwsChain {
    pub(crate) start: AwsChainStart,
    pub(crate) role: Option<AwsRole>,
    /// `awsStsRegion`.
    pub(crate) sts_region: Option<String>,
    /// What asks and keeps the answer, made by the first to ask and shared by all clones.
    pub(crate) asking: Arc<OnceLock<Arc<dyn AwsChainCredentials>>>,
}

/// The source that is asked first.
#[derive(Clone, Debug)]
pub(crate) enum AwsChainStart {
    /// The first that is configured.
    Default,
    /// A profile of the shared files, and no other source.
    Profile(String),
    Keys(AwsCredentials),
}

/// A role of IAM to assume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AwsRole {
    pub(crate) arn: String,
    /// `None` makes one up from the clock.
    pub(crate) session_name: Option<String>,
    pub(crate) external_id: Option<String>,
    /// `None` leaves it to AWS, which takes an hour.
    pub(crate) seconds: Option<u32>,
}

/// What asks the sources, and keeps what they gave.
pub(crate) trait AwsChainCredentials: fmt::Debug + Send + Sync {
    /// Credentials for an exchange that begins now; `region` is that of the broker, for want of
    /// another.
    fn credentials<'a>(
        &'a self,
        region: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<AwsHanded, SaslError>>;

    /// A broker has refused the credentials of this id: they are not used again.
    fn forget(&self, access_key_id: &str);
}

/// Credentials for one exchange.
#[derive(Debug)]
pub(crate) struct AwsHanded {
    pub(crate) credentials: AwsCredentials,
    /// Whether they were got for an earlier exchange, so that others may be had if a broker does
    /// not take them.
    pub(crate) is_kept: bool,
}

/// The credentials of an AWS client.
#[derive(Clone, Debug)]
pub struct AwsCredentials {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: Secret,
    pub(crate) session_token: Option<Secret>,
}

/// Provides AWS credentials from a source that [`AwsMskIam::default_chain`] does not have. Called for
/// each connection and each re-authentication.
pub trait AwsCredentialsProvider: fmt::Debug + Send + Sync + 'static {
    /// Returns credentials that are currently valid.
    ///
    /// # Cancel safety
    /// The client drops the future when connecting takes too long.
    fn credentials(&self) -> BoxFuture<'_, Result<AwsCredentials, SaslError>>;
}

impl AwsMskIam {
    /// Uses the credentials of a custom provider.
    pub fn new(provider: impl AwsCredentialsProvider) -> Self {
        Self { credentials: AwsCredentialsOrigin::Provider(Arc::new(provider)), region: None }
    }

    /// Uses the first of AWS's own sources of credentials that is configured, as AWS's SDKs do:
    ///
    /// 1. the environment variables `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and
    ///    `AWS_SESSION_TOKEN`;
    /// 2. a web identity, as EKS gives to service accounts (IRSA): `AWS_WEB_IDENTITY_TOKEN_FILE`,
    ///    `AWS_ROLE_ARN` and, if set, `AWS_ROLE_SESSION_NAME`;
    /// 3. the profile `AWS_PROFILE` (default: `default`) of `~/.aws/credentials` and
    ///    `~/.aws/config`, or of `AWS_SHARED_CREDENTIALS_FILE` and `AWS_CONFIG_FILE`: a web
    ///    identity, IAM Identity Center, a `role_arn` with `source_profile` or
    ///    `credential_source`, a `credential_process`, or keys, the first of these that it has;
    /// 4. the endpoint of the container, for ECS and EKS Pod Identity:
    ///    `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` or `AWS_CONTAINER_CREDENTIALS_FULL_URI`;
    /// 5. the metadata of the EC2 instance (IMDSv2), unless `AWS_EC2_METADATA_DISABLED` is `true`.
    ///
    /// A source that is configured but does not work is an error: the next is not asked. Profiles
    /// with `mfa_serial`, which asks a person, and `login_session` are not supported; pass a
    /// provider of your own for those.
    ///
    /// Temporary credentials are kept, shared by all clones of these settings, and fetched anew 5
    /// minutes before they expire; if that fails, the old ones are used for as long as they are
    /// valid. AWS's Security Token Service is asked in the region of `AWS_REGION`,
    /// `AWS_DEFAULT_REGION`, the profile or the broker, or at `AWS_ENDPOINT_URL_STS`.
    /// `AWS_CA_BUNDLE` names the authorities to trust there.
    ///
    /// # IAM Identity Center
    ///
    /// A profile with `sso_account_id` and `sso_role_name` uses the login of `aws sso login`, which
    /// is in `~/.aws/sso/cache`: that of its `sso_session`, or of its own `sso_start_url` and
    /// `sso_region`. A session is renewed 5 minutes before it expires and written back for other
    /// programs; one that cannot be renewed any more is an error which says how to log in.
    /// `AWS_ENDPOINT_URL_SSO` and `AWS_ENDPOINT_URL_SSO_OIDC` name other endpoints.
    ///
    /// # Programs
    ///
    /// `credential_process` is run by `sh -c`, or by `cmd.exe` on Windows, as by most of AWS's SDKs,
    /// without an input, and its standard error is this program's. It prints what AWS's page
    /// "Process credential provider" describes, at most 64 kB, and is killed after 60 seconds, or
    /// earlier when the time for setting up a connection ends
    /// ([`socket_connection_setup_timeout`](crate::ClientConfig::socket_connection_setup_timeout),
    /// default 10 seconds). Credentials without an `Expiration` are kept until a broker refuses
    /// them.
    pub fn default_chain() -> Self {
        Self::of_chain(AwsChain::new(AwsChainStart::Default))
    }

    /// Uses the credentials in the environment variables `AWS_ACCESS_KEY_ID`,
    /// `AWS_SECRET_ACCESS_KEY` and, if set, `AWS_SESSION_TOKEN`, and no other source.
    pub fn from_environment() -> Self {
        Self::new(Environment)
    }

    /// Sets the region of the broker. Default: the region in the broker's host name, otherwise
    /// `AWS_REGION` or `AWS_DEFAULT_REGION`.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// As Java's `IAMLoginModule`.
    ///
    /// Java goes on with the default chain if the profile or the role does not work; here that is
    /// an error, as the wrong identity is a puzzle.
    pub(super) fn from_jaas(jaas: Option<&Jaas>) -> Result<Self> {
        let Some(jaas) = jaas else { return Ok(Self::default_chain()) };
        jaas.expect_module("IAMLoginModule", "AWS_MSK_IAM")?;
        check_options(jaas)?;
        let text = |name: &str| jaas.option(name).filter(|value| !value.is_empty());
        let owned = |name: &str| text(name).map(str::to_owned);
        let keys = match (text("awsRoleAccessKeyId"), text("awsRoleSecretAccessKey")) {
            (Some(id), Some(secret)) => {
                let mut keys = AwsCredentials::new(id, secret);
                keys.session_token = text("awsRoleSessionToken").map(Secret::from);
                Some(keys)
            }
            (None, None) => None,
            _ => return Err(refused("one of awsRoleAccessKeyId and awsRoleSecretAccessKey", BOTH)),
        };
        let role = owned("awsRoleArn").map(|arn| AwsRole {
            arn,
            session_name: Some(owned("awsRoleSessionName").unwrap_or_else(|| JAVAS_SESSION.into())),
            external_id: owned("awsRoleExternalId"),
            seconds: None,
        });
        if role.is_none()
            && let Some(name) = OF_ROLE.iter().find(|name| text(name).is_some())
        {
            return Err(refused(name, "give awsRoleArn, too: it says something of that role"));
        }
        let start = match (owned("awsProfileName"), keys) {
            (Some(_), _) if role.is_some() => {
                return Err(refused(
                    "awsProfileName and awsRoleArn",
                    "Java would use the profile alone: give one of them; a profile can name a role",
                ));
            }
            (Some(profile), _) => AwsChainStart::Profile(profile),
            (None, Some(keys)) => AwsChainStart::Keys(keys),
            (None, None) => AwsChainStart::Default,
        };
        let sts_region = owned("awsStsRegion");
        Ok(Self::of_chain(AwsChain { role, sts_region, ..AwsChain::new(start) }))
    }

    fn of_chain(chain: AwsChain) -> Self {
        Self { credentials: AwsCredentialsOrigin::Chain(chain), region: None }
    }
}

impl AwsChain {
    pub(crate) fn new(start: AwsChainStart) -> Self {
        Self { start, role: None, sts_region: None, asking: Arc::default() }
    }
}

/// What Java names a session if nobody does.
const JAVAS_SESSION: &str = "aws-msk-iam-auth";

const BOTH: &str = "give both, or neither";

/// The options that are nothing without `awsRoleArn`.
const OF_ROLE: [&str; 5] = [
    "awsRoleAccessKeyId",
    "awsRoleSecretAccessKey",
    "awsRoleSessionToken",
    "awsRoleSessionName",
    "awsRoleExternalId",
];

/// Options of Java's that need no more than to be known: what its log shows, how often it tries
/// again (a client here connects again), and whether it goes on with the default chain.
const WITHOUT_EFFECT: [&str; 4] =
    ["awsDebugCreds", "awsMaxRetries", "awsMaxBackOffTimeMs", "awsAddDefaultProviders"];

fn check_options(jaas: &Jaas) -> Result<()> {
    let is_known = |name: &str| {
        ["awsProfileName", "awsRoleArn", "awsStsRegion"].contains(&name)
            || OF_ROLE.contains(&name)
            || WITHOUT_EFFECT.contains(&name)
    };
    match jaas.options_after("").find(|(name, _)| !is_known(name)) {
        None => Ok(()),
        // What stands in the place of a name may be a secret.
        Some((name, _)) => Err(refused(
            &if name.starts_with("aws") { shown(name).to_string() } else { "an option".into() },
            "the options of IAMLoginModule are awsProfileName, awsRoleArn, awsRoleSessionName, \
             awsRoleExternalId, awsRoleAccessKeyId, awsRoleSecretAccessKey, awsRoleSessionToken \
             and awsStsRegion",
        )),
    }
}

fn refused(what: &str, advice: &str) -> Error {
    Error::config(format!("sasl.jaas.config has {what}: {advice}"))
}

impl AwsCredentials {
    /// Creates credentials from an access key id and its secret.
    pub fn new(access_key_id: impl Into<String>, secret_access_key: impl Into<Secret>) -> Self {
        Self {
            access_key_id: access_key_id.into(),
            secret_access_key: secret_access_key.into(),
            session_token: None,
        }
    }

    /// Sets the session token of temporary credentials.
    #[must_use]
    pub fn session_token(mut self, token: impl Into<Secret>) -> Self {
        self.session_token = Some(token.into());
        self
    }
}

#[derive(Debug)]
struct Environment;

impl AwsCredentialsProvider for Environment {
    fn credentials(&self) -> BoxFuture<'_, Result<AwsCredentials, SaslError>> {
        Box::pin(std::future::ready(of_variables(|name| std::env::var(name).ok())))
    }
}

/// The credentials in the environment's variables.
///
/// # Errors
/// Which of them is missing.
pub(crate) fn of_variables(
    variable: impl Fn(&str) -> Option<String>,
) -> Result<AwsCredentials, SaslError> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let needed = |name: &str| {
        set(name).ok_or_else(|| {
            format!("{name} is not set: AWS_MSK_IAM needs it, or a provider of your own")
        })
    };
    let mut credentials =
        AwsCredentials::new(needed("AWS_ACCESS_KEY_ID")?, needed("AWS_SECRET_ACCESS_KEY")?);
    credentials.session_token = set("AWS_SESSION_TOKEN").map(Secret::from);
    Ok(credentials)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_those_of_the_environment_and_are_not_shown() {
        let variables = |name: &str| match name {
            "AWS_ACCESS_KEY_ID" => Some("AKID".to_owned()),
            "AWS_SECRET_ACCESS_KEY" | "AWS_SESSION_TOKEN" => Some("hunter2".to_owned()),
            _ => None,
        };
        let credentials = of_variables(variables).expect("all are set");
        assert_eq!(
            (credentials.access_key_id.as_str(), credentials.secret_access_key.expose()),
            ("AKID", "hunter2")
        );
        assert_eq!(credentials.session_token.as_ref().map(Secret::expose), Some("hunter2"));
        assert!(!format!("{credentials:?}").contains("hunter2"));
        let error = of_variables(|name| variables(name).filter(|value| value != "hunter2"))
            .expect_err("no secret")
            .to_string();
        assert!(error.contains("AWS_SECRET_ACCESS_KEY"), "{error}");
    }

    fn jaas(options: &str) -> Result<AwsMskIam> {
        let text = format!("software.amazon.msk.auth.iam.IAMLoginModule required {options};");
        AwsMskIam::from_jaas(Some(&Jaas::parse(&text)?))
    }

    fn chain(options: &str) -> AwsChain {
        match jaas(options).expect("options").credentials {
            AwsCredentialsOrigin::Chain(chain) => chain,
            AwsCredentialsOrigin::Provider(_) => panic!("a provider"),
        }
    }

    #[test]
    fn java_s_login_module_names_a_profile_or_a_role() {
        let plain = chain("awsDebugCreds=true");
        assert!(matches!(plain.start, AwsChainStart::Default) && plain.role.is_none());
        let profile = chain("awsProfileName=\"dev\"");
        assert!(matches!(profile.start, AwsChainStart::Profile(name) if name == "dev"));
        let chain = chain(
            "awsRoleArn=\"arn:aws:iam::1:role/r\" awsRoleSessionName=\"me\" \
             awsRoleExternalId=\"x-1\" awsStsRegion=\"eu-west-3\"",
        );
        assert_eq!(chain.sts_region.as_deref(), Some("eu-west-3"));
        let role = chain.role.expect("a role");
        assert_eq!(
            (role.arn.as_str(), role.session_name.as_deref(), role.external_id.as_deref()),
            ("arn:aws:iam::1:role/r", Some("me"), Some("x-1"))
        );
    }

    #[test]
    fn java_s_keys_for_a_role_are_used_and_not_shown() {
        let chain = chain(
            "awsRoleArn=arn awsRoleAccessKeyId=AKID awsRoleSecretAccessKey=hunter2 \
             awsRoleSessionToken=hunter2",
        );
        assert!(!format!("{chain:?}").contains("hunter2"));
        assert!(matches!(&chain.start, AwsChainStart::Keys(keys)
            if keys.secret_access_key.expose() == "hunter2" && keys.session_token.is_some()));
        assert_eq!(chain.role.and_then(|role| role.session_name).as_deref(), Some(JAVAS_SESSION));
    }

    #[test]
    fn options_of_the_login_module_that_say_nothing_or_too_much_are_refused() {
        for (options, named) in [
            ("awsRegion=hunter2", "awsRegion"),
            ("hunter2=hunter2", "an option"),
            ("awsRoleExternalId=hunter2", "awsRoleArn"),
            ("awsProfileName=dev awsRoleArn=arn", "awsProfileName"),
            ("awsRoleArn=arn awsRoleAccessKeyId=hunter2", "awsRoleSecretAccessKey"),
        ] {
            let error = jaas(options).expect_err("refused").to_string();
            assert!(error.contains(named) && !error.contains("hunter2"), "{error}");
        }
    }
}
