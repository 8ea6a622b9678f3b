//! Profiles of AWS's shared files: keys, a program, a role of IAM Identity Center, a web identity, or a
//! role that is assumed by another profile or by another source.
//!
//! Not supported, and said to be so: `mfa_serial`, which asks a person; `login_session`, the sign-in
//! of a person to the console.

use std::path::PathBuf;

use super::answer::FoundCredentials;
use super::ini::{IniSection, Naming, Sections, sections};
use super::sso::{self, Sso};
use super::surroundings::Surroundings;
use super::web_identity::{self, WebIdentity};
use super::{Inquiry, container, environment, instance, process, refused};
use crate::config::{AwsCredentials, AwsRole, Secret};
use crate::error::{Error, Result};
use crate::shown::shown;

/// More roles in a chain than AWS users have (a guess); each is a request.
const MOST_ROLES: usize = 8;

/// How a profile comes to its credentials.
#[derive(Debug)]
struct Plan {
    base: Base,
    /// One after the other is assumed by the one before.
    roles: Vec<AwsRole>,
}

/// Where it begins.
#[derive(Debug)]
enum Base {
    Keys(AwsCredentials),
    /// A command, which may have a secret in it.
    Process(Secret),
    Sso(Sso),
    Identity(WebIdentity),
    Environment,
    Container,
    Instance,
}

/// All profiles of both files, and the sessions that they name.
struct Profiles(Sections);

/// The credentials of the profile `named`, or of that of the environment; `None` if there is no
/// profile and none is named, or it has nothing by which to get credentials.
///
/// # Errors
/// If there is no profile of a name that is given, or it does not work.
pub(super) async fn find(
    asked: &Inquiry<'_>,
    named: Option<&str>,
) -> Result<Option<FoundCredentials>> {
    let by_variable = asked.surroundings.variable("AWS_PROFILE");
    let given = named.map(str::to_owned).or(by_variable);
    let name = given.as_deref().unwrap_or("default");
    let profiles = Profiles::read(asked.surroundings)?;
    let Some(section) = profiles.0.profiles.get(name) else {
        return match given {
            None => Ok(None),
            Some(_) => Err(refused(format!(
                "there is no AWS profile {}: check awsProfileName or AWS_PROFILE, \
                 ~/.aws/credentials and ~/.aws/config",
                shown(name)
            ))),
        };
    };
    let Some(plan) = profiles.plan(name)? else { return Ok(None) };
    let region = section.text("region");
    let mut found = begin(asked, &plan.base, region).await.map_err(|error| of(name, error))?;
    if !plan.roles.is_empty() {
        let sts = asked.sts(region)?;
        for role in &plan.roles {
            let assumed = sts.assume_role(role, &found.credentials, asked.now).await;
            found = assumed.map_err(|error| of(name, error))?;
        }
    }
    Ok(Some(found))
}

/// The error of a profile that is named and gives no credentials.
pub(super) fn is_empty(name: &str) -> Error {
    broken(
        name,
        "has no credentials: give it aws_access_key_id and aws_secret_access_key, role_arn, \
         sso_session or credential_process",
    )
}

async fn begin(asked: &Inquiry<'_>, base: &Base, region: Option<&str>) -> Result<FoundCredentials> {
    let (found, what) = match base {
        Base::Keys(keys) => return Ok(FoundCredentials::lasting(keys.clone())),
        Base::Process(command) => return process::find(asked, command.expose()).await,
        Base::Sso(sso) => return sso::find(asked, sso).await,
        Base::Identity(identity) => {
            return web_identity::exchange(asked, identity, "web_identity_token_file", region)
                .await;
        }
        Base::Environment => (environment(asked.surroundings)?, "Environment"),
        Base::Container => (container::find(asked.surroundings).await?, "EcsContainer"),
        Base::Instance => (instance::find(asked.surroundings).await?, "Ec2InstanceMetadata"),
    };
    found.ok_or_else(|| refused(format!("credential_source = {what} gives no credentials here")))
}

impl Profiles {
    /// Of the files that the environment names, or of those in the user's own folder. What the file
    /// of credentials says counts more.
    fn read(surroundings: &Surroundings) -> Result<Self> {
        let mut all = Sections::default();
        for (variable, file, naming) in [
            ("AWS_CONFIG_FILE", ".aws/config", Naming::Config),
            ("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials", Naming::Credentials),
        ] {
            let Some(path) = path(surroundings, variable, file) else { continue };
            let Some(text) = surroundings.file(&path)? else { continue };
            let read = sections(&text, naming).map_err(|line| {
                refused(format!(
                    "line {line} of {} is neither [profile] nor name = value",
                    path.display()
                ))
            })?;
            for (name, section) in read.profiles {
                all.profiles.entry(name).or_default().extend(section);
            }
            all.sso_sessions.extend(read.sso_sessions);
        }
        Ok(Self(all))
    }

    /// Follows `source_profile` to where the credentials begin; `None` if the first has none.
    ///
    /// What a profile has several of counts in the order of Java's `ProfileCredentialsUtils`: a web
    /// identity, IAM Identity Center, a role and its source, a program, keys. Other SDKs differ.
    fn plan(&self, first: &str) -> Result<Option<Plan>> {
        let (mut name, mut roles, mut seen) = (first, Vec::new(), Vec::new());
        let base = loop {
            let missing = || {
                broken(first, format_args!("leads to a profile {} that there is not", shown(name)))
            };
            let section = self.0.profiles.get(name).ok_or_else(missing)?;
            let identity_file = section.text("web_identity_token_file");
            if let (Some(arn), Some(file)) = (section.text("role_arn"), identity_file) {
                let role = section.role(arn, name)?;
                break Base::Identity(WebIdentity { token_file: file.to_owned(), role });
            }
            if let Some(sso) = Sso::of_profile(name, section, &self.0)? {
                break Base::Sso(sso);
            }
            section.check_support(name)?;
            // A role that is assumed by what its own profile has comes to that profile twice.
            let is_own_source = seen.last() == Some(&name);
            let Some(arn) = section.text("role_arn").filter(|_| !is_own_source) else {
                break match section.own(name)? {
                    Some(base) => base,
                    None if seen.is_empty() => return Ok(None),
                    None => return Err(is_empty(name)),
                };
            };
            if seen.contains(&name) || seen.len() == MOST_ROLES {
                return Err(broken(first, "goes in a circle of source_profile, or too far"));
            }
            seen.push(name);
            let role = section.role(arn, name)?;
            roles.push(role);
            match (section.text("source_profile"), section.text("credential_source")) {
                (Some(source), None) => name = source,
                (None, Some("Environment")) => break Base::Environment,
                (None, Some("EcsContainer")) => break Base::Container,
                (None, Some("Ec2InstanceMetadata")) => break Base::Instance,
                _ => {
                    return Err(broken(
                        name,
                        "has role_arn: give source_profile or credential_source with it, which is \
                         Environment, EcsContainer or Ec2InstanceMetadata",
                    ));
                }
            }
        };
        roles.reverse();
        Ok(Some(Plan { base, roles }))
    }
}

/// What a section says of credentials.
trait Profile {
    fn check_support(&self, name: &str) -> Result<()>;
    fn own(&self, name: &str) -> Result<Option<Base>>;
    fn written_keys(&self, name: &str) -> Result<Option<AwsCredentials>>;
    fn role(&self, arn: &str, name: &str) -> Result<AwsRole>;
}

impl Profile for IniSection {
    fn check_support(&self, name: &str) -> Result<()> {
        let unsupported = ["login_session", "mfa_serial"];
        // What is beside them is good without them.
        let is_good = self.text("role_arn").is_none()
            && self.has_any(&["aws_access_key_id", "credential_process"]);
        match unsupported.iter().find(|what| self.text(what).is_some()) {
            Some(what) if !is_good => Err(broken(
                name,
                format_args!(
                    "has {what}, which is not supported: pass a provider of your own to \
                     AwsMskIam::new, or set what aws configure export-credentials prints"
                ),
            )),
            _ => Ok(()),
        }
    }

    /// A program, or keys.
    fn own(&self, name: &str) -> Result<Option<Base>> {
        match self.text("credential_process") {
            Some(command) => Ok(Some(Base::Process(Secret::from(command)))),
            None => Ok(self.written_keys(name)?.map(Base::Keys)),
        }
    }

    fn written_keys(&self, name: &str) -> Result<Option<AwsCredentials>> {
        let (id, secret) = (self.text("aws_access_key_id"), self.text("aws_secret_access_key"));
        let mut keys = match (id, secret) {
            (Some(id), Some(secret)) => AwsCredentials::new(id, secret),
            (None, None) => return Ok(None),
            _ => {
                return Err(broken(
                    name,
                    "has one of aws_access_key_id and aws_secret_access_key: give both",
                ));
            }
        };
        keys.session_token = self.text("aws_session_token").map(Secret::from);
        Ok(Some(keys))
    }

    fn role(&self, arn: &str, name: &str) -> Result<AwsRole> {
        let seconds = self.text("duration_seconds").map(str::parse).transpose();
        Ok(AwsRole {
            arn: arn.to_owned(),
            session_name: self.text("role_session_name").map(str::to_owned),
            external_id: self.text("external_id").map(str::to_owned),
            seconds: seconds.map_err(|_| broken(name, "has duration_seconds that is no number"))?,
        })
    }
}

fn path(surroundings: &Surroundings, variable: &str, file: &str) -> Option<PathBuf> {
    let Some(named) = surroundings.variable(variable) else {
        return surroundings.home().map(|home| home.join(file));
    };
    match (named.strip_prefix("~/"), surroundings.home()) {
        (Some(rest), Some(home)) => Some(home.join(rest)),
        _ => Some(PathBuf::from(named)),
    }
}

fn of(name: &str, error: Error) -> Error {
    error.with_context(format_args!("the AWS profile {}", shown(name)))
}

fn broken(name: &str, what: impl std::fmt::Display) -> Error {
    refused(format!("the AWS profile {} {what}", shown(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str, name: &str) -> Result<Option<Plan>> {
        plan_of(text, Naming::Credentials, name)
    }

    fn plan_of(text: &str, naming: Naming, name: &str) -> Result<Option<Plan>> {
        let Ok(sections) = sections(text, naming) else { panic!("no sections: {text}") };
        Profiles(sections).plan(name)
    }

    /// What a profile begins with, and whether a role is assumed by it.
    fn base(text: &str) -> (String, bool) {
        let plan = plan_of(text, Naming::Config, "default").expect(text).expect("credentials");
        let base = format!("{:?}", plan.base);
        (base.split(['(', ' ']).next().unwrap_or_default().to_owned(), !plan.roles.is_empty())
    }

    fn keys(plan: &Plan) -> &str {
        match &plan.base {
            Base::Keys(keys) => &keys.access_key_id,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn roles_are_assumed_from_the_source_outwards() {
        let text = "[a]\nrole_arn=A\nsource_profile=b\nexternal_id=x\n[b]\nrole_arn=B\nsource_profile=c\n\
                    duration_seconds=900\n[c]\naws_access_key_id=C\naws_secret_access_key=s\n";
        let plan = plan(text, "a").expect("a plan").expect("credentials");
        assert_eq!(keys(&plan), "C");
        let arns: Vec<_> = plan.roles.iter().map(|role| role.arn.as_str()).collect();
        assert_eq!(arns, ["B", "A"]);
        assert_eq!(
            (plan.roles[0].seconds, plan.roles[1].external_id.as_deref()),
            (Some(900), Some("x"))
        );
    }

    #[test]
    fn a_role_may_be_assumed_by_the_keys_of_its_own_profile() {
        let text =
            "[a]\nrole_arn=A\nsource_profile=a\naws_access_key_id=K\naws_secret_access_key=s\n";
        let plan = plan(text, "a").expect("a plan").expect("credentials");
        assert_eq!((keys(&plan), plan.roles.len()), ("K", 1));
    }

    #[test]
    fn a_profile_with_a_region_alone_is_not_configured() {
        assert!(plan("[a]\nregion=eu-west-1\n", "a").expect("no error").is_none());
    }

    #[test]
    fn a_profile_may_name_another_source_or_a_web_identity() {
        for (source, expected) in [
            ("credential_source=Environment", "Environment"),
            ("credential_source=EcsContainer", "Container"),
            ("credential_source=Ec2InstanceMetadata", "Instance"),
            ("web_identity_token_file=/t", "Identity"),
        ] {
            let plan = plan(&format!("[a]\nrole_arn=A\n{source}\n"), "a").expect("a plan");
            let base = format!("{:?}", plan.expect("credentials").base);
            assert!(base.starts_with(expected), "{base}");
        }
    }

    const SSO: &str = "sso_start_url=u\nsso_region=eu-west-1\nsso_account_id=1\nsso_role_name=r\n";
    const KEYS: &str = "aws_access_key_id=K\naws_secret_access_key=s\n";

    /// Each has what all after it have, too.
    #[test]
    fn what_a_profile_has_several_of_counts_in_java_s_order() {
        let all = [
            ("web_identity_token_file=/t\n", ("Identity", false)),
            (SSO, ("Sso", false)),
            ("role_arn=A\nsource_profile=keys\n", ("Keys", true)),
            ("credential_process=p\n", ("Process", false)),
            (KEYS, ("Keys", false)),
        ];
        for (number, (_, (expected, has_role))) in all.iter().enumerate() {
            let own: String = all[number..].iter().map(|(text, _)| *text).collect();
            // A web identity is one of a role.
            let text = format!("[default]\n{own}[profile keys]\n{KEYS}");
            assert_eq!(base(&text), ((*expected).to_owned(), *has_role), "{text}");
        }
    }

    #[test]
    fn a_role_is_assumed_by_a_program_or_identity_center_in_its_source_or_itself() {
        for (text, expected) in [
            ("source_profile=a\n[profile a]\ncredential_process=p\n".to_owned(), "Process"),
            (format!("source_profile=a\n[profile a]\n{SSO}"), "Sso"),
            ("source_profile=default\ncredential_process=p\n".to_owned(), "Process"),
        ] {
            let text = format!("[default]\nrole_arn=A\n{text}");
            assert_eq!(base(&text), (expected.to_owned(), true), "{text}");
        }
    }

    #[test]
    fn a_session_that_is_for_no_role_does_not_count_beside_other_credentials() {
        let text = format!("[default]\nsso_session=s\nsso_region=eu-west-1\n{KEYS}");
        assert_eq!(base(&text).0, "Keys");
    }

    #[test]
    fn a_session_has_what_its_profile_does_not_say_and_says_nothing_else() {
        let text = |profile: &str, session: &str| {
            format!(
                "[default]\nsso_session=s\nsso_account_id=1\nsso_role_name=r\n{profile}\
                 [sso-session s]\nsso_region=eu-west-1\nsso_registration_scopes=x\n{session}"
            )
        };
        assert_eq!(base(&text("sso_region=EU-west-1\n", "sso_start_url=u\n")).0, "Sso");
        for (profile, session, told) in [
            ("", "", "sso_start_url in its sso-session"),
            ("sso_start_url=u\n", "", "sso_start_url in its sso-session"),
            ("sso_region=hunter2\n", "sso_start_url=u\n", "another sso_region"),
            ("sso_session=t\n", "", "[sso-session]"),
            ("sso_account_id=\n", "", "sso_account_id"),
            ("sso_role_name=\n", "", "sso_role_name"),
        ] {
            let text = text(profile, session);
            let error = plan_of(&text, Naming::Config, "default").expect_err(told).to_string();
            assert!(error.contains(told) && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn mfa_matters_where_a_role_is_assumed_alone() {
        let text = "[default]\nmfa_serial=m\ncredential_process=p\n";
        assert_eq!(base(text).0, "Process");
    }

    #[test]
    fn no_command_is_shown() {
        let plan = plan("[a]\ncredential_process=hunter2\n", "a").expect("a plan");
        assert!(!format!("{plan:?}").contains("hunter2"));
    }

    #[test]
    fn a_profile_that_cannot_work_says_why_without_its_secrets() {
        for (text, told) in [
            ("[a]\nrole_arn=A\nsource_profile=b\n[b]\nrole_arn=B\nsource_profile=a\n", "circle"),
            ("[a]\nrole_arn=A\nsource_profile=a\n", "has no credentials"),
            ("[a]\nrole_arn=A\nsource_profile=b\n", "profile b"),
            ("[a]\nrole_arn=A\n", "source_profile or credential_source"),
            ("[a]\nrole_arn=A\ncredential_source=hunter2\n", "Ec2InstanceMetadata"),
            ("[a]\naws_secret_access_key=hunter2\n", "aws_access_key_id"),
            ("[a]\nsso_session=hunter2\n", "sso_session"),
            ("[a]\nsso_role_name=r\nsso_account_id=1\nsso_region=hunter2\n", "sso_start_url"),
            ("[a]\nlogin_session=hunter2\n", "login_session"),
            ("[a]\nrole_arn=A\nsource_profile=b\nmfa_serial=hunter2\n", "mfa_serial"),
            ("[a]\nrole_arn=A\nsource_profile=b\nduration_seconds=hunter2\n", "duration_seconds"),
        ] {
            let error = plan(text, "a").expect_err(told).to_string();
            assert!(error.contains(told) && !error.contains("hunter2"), "{error}");
        }
    }
}
