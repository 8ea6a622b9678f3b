//! Settings from the environment.

use tracing::warn;

use super::{Config, words};
use crate::mq::error::{Code, Error, Result};

impl Config {
    /// Creates settings from the environment, with defaults for the rest. The variables are
    /// `KAVKA_BROKERS`, `KAVKA_CLIENT_ID` and, for every other key, its name in capitals after
    /// `KAVKA_`, such as `KAVKA_PRODUCER_LINGER_MS`. Empty variables are ignored.
    ///
    /// An unknown variable that begins with `KAVKA_` is logged as a warning that suggests the
    /// nearest key.
    ///
    /// # Errors
    /// [`Code::InvalidConfig`]; the message names the variable.
    pub fn from_env() -> Result<Self> {
        let mut variables = Vec::new();
        for (name, text) in std::env::vars_os() {
            let Some(name) = name.to_str().filter(|name| name.starts_with("KAVKA_")) else {
                continue;
            };
            match text.into_string() {
                Ok(text) => variables.push((name.to_owned(), text)),
                Err(_) => {
                    return Err(Error::new(
                        Code::InvalidConfig,
                        format!("{name} is no UTF-8: a text is allowed"),
                    ));
                }
            }
        }
        Self::from_variables(variables)
    }

    pub(super) fn from_variables(
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self> {
        let mut config = Self::default();
        let keys = Self::keys();
        for (name, text) in variables {
            match keys.iter().find(|key| words::variable(key) == name) {
                Some(_) if text.is_empty() => {}
                Some(key) => config.set_as(&name, key, &text)?,
                None => {
                    let meant = words::nearest_variable(&name);
                    warn!(
                        variable = name,
                        meant, "a variable of the environment is no setting, and is ignored"
                    );
                }
            }
        }
        Ok(config)
    }
}
