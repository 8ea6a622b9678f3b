//! AWS's credentials, for the SASL mechanism AWS_MSK_IAM.

use std::sync::Arc;

use super::*;
use crate::boxed::BoxFuture;

/// The settings of AWS_MSK_IAM, the mechanism by which Amazon MSK authenticates a client with AWS
/// credentials.
///
/// ```
/// use kavka::{AwsMskIam, ClientConfig, Sasl, TlsConfig};
///
/// let config = ClientConfig::new("b-1.demo.abc123.c2.kafka.eu-west-1.amazonaws.com:9098")
///     .tls(TlsConfig::new())
///     .sasl(Sasl::aws_msk_iam(AwsMskIam::from_environment()));
/// ```
#[derive(Clone, Debug)]
pub struct AwsMskIam {
    pub(crate) provider: Arc<dyn AwsCredentialsProvider>,
    pub(crate) region: Option<String>,
}

/// The credentials of an AWS client.
#[derive(Clone, Debug)]
pub struct AwsCredentials {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: Secret,
    pub(crate) session_token: Option<Secret>,
}

/// Provides AWS credentials, for example from a role, a profile or the instance. Called for each
/// connection and each re-authentication.
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
        Self { provider: Arc::new(provider), region: None }
    }

    /// Uses the credentials in the environment variables `AWS_ACCESS_KEY_ID`,
    /// `AWS_SECRET_ACCESS_KEY` and, if set, `AWS_SESSION_TOKEN`.
    pub fn from_environment() -> Self {
        Self::new(Environment)
    }

    /// Sets the region. Default: the region in the broker's host name, otherwise `AWS_REGION` or
    /// `AWS_DEFAULT_REGION`.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// As Java's `IAMLoginModule`, without its options, which name profiles and roles.
    pub(super) fn from_jaas(jaas: Option<&Jaas>) -> Result<Self> {
        if let Some(jaas) = jaas {
            jaas.expect_module("IAMLoginModule", "AWS_MSK_IAM")?;
            if let Some((name, _)) = jaas.options_after("").next() {
                // What stands in the place of a name may be a secret.
                let name = if name.starts_with("aws") {
                    shown(name).to_string()
                } else {
                    "an option".to_owned()
                };
                return Err(Error::config(format!(
                    "sasl.jaas.config has {name}: only the credentials of the environment are \
                     read; for others pass a provider to AwsMskIam::new"
                )));
            }
        }
        Ok(Self::from_environment())
    }
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

fn of_variables(variable: impl Fn(&str) -> Option<String>) -> Result<AwsCredentials, SaslError> {
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

    #[test]
    fn java_s_login_module_is_taken_without_options() {
        let jaas = |text| Jaas::parse(text).and_then(|jaas| AwsMskIam::from_jaas(Some(&jaas)));
        jaas("software.amazon.msk.auth.iam.IAMLoginModule required;").expect("no options");
        let error = jaas("x.IAMLoginModule required awsProfileName=\"dev\";")
            .expect_err("a profile")
            .to_string();
        assert!(error.contains("awsProfileName") && error.contains("AwsMskIam::new"), "{error}");
    }
}
