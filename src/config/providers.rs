//! Values that are elsewhere (KIP-297): `${provider:path:key}` in a property, as Java's own three
//! providers resolve it.
//!
//! ```text
//! config.providers = file
//! config.providers.file.class = org.apache.kafka.common.config.provider.FileConfigProvider
//! sasl.password = ${file:/run/secrets/kafka.properties:password}
//! ```
//!
//! Java sends a placeholder that nobody resolves as it is, and so as the password. Here it is
//! refused. No message quotes a value: it may be a password that only looks like a placeholder.

use std::path::{Component, Path, PathBuf};

use regex_lite::Regex;
use zeroize::Zeroizing;

use super::*;

/// The providers that `config.providers` names.
pub(super) struct Providers(Vec<Provider>);

struct Provider {
    name: String,
    kind: ProviderKind,
}

enum ProviderKind {
    /// A properties file, and a name in it.
    File(Folders),
    /// A folder, and a file in it.
    Directory(Folders),
    /// A variable of the environment, whose name the pattern allows whole (KIP-887).
    Env(Option<Regex>),
}

/// Where files may be (`allowed.paths`, KIP-993); empty: anywhere.
struct Folders(Vec<PathBuf>);

const LIST: &str = "config.providers";
const PACKAGE: &str = "org.apache.kafka.common.config.provider.";

/// Whether a property speaks to a provider.
pub(super) fn is_own(name: &str) -> bool {
    name.strip_prefix(LIST).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

impl Providers {
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if one is none of Java's own three.
    pub(super) fn of(properties: &Properties) -> Result<Self> {
        let names = properties
            .get(LIST)
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty());
        names
            .map(|name| {
                Ok(Provider { name: name.to_owned(), kind: ProviderKind::of(properties, name)? })
            })
            .collect::<Result<_>>()
            .map(Self)
    }

    /// The value with all placeholders resolved; `None` if it has none.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if one cannot be.
    pub(super) fn resolve(&self, property: &str, text: &str) -> Result<Option<Zeroizing<String>>> {
        if find(text).is_none() {
            return Ok(None);
        }
        let mut resolved = Zeroizing::new(String::new());
        let mut rest = text;
        while let Some(Placeholder { before, name, path, key, after }) = find(rest) {
            let provider =
                self.0.iter().find(|provider| provider.name == name).ok_or_else(|| {
                    Error::config(format!(
                        "{property} has a placeholder, ${{provider:path:key}}, but {LIST} does \
                         not name its provider: name it, and set {LIST}.<name>.class to \
                         {PACKAGE}FileConfigProvider, DirectoryConfigProvider or \
                         EnvVarConfigProvider; or give the value itself"
                    ))
                })?;
            append(&mut resolved, before);
            append(
                &mut resolved,
                &provider.value(path, key).map_err(|error| error.with_context(property))?,
            );
            rest = after;
        }
        append(&mut resolved, rest);
        Ok(Some(resolved))
    }
}

impl ProviderKind {
    fn of(properties: &Properties, name: &str) -> Result<Self> {
        let setting = |what: &str| {
            properties
                .get(&format!("{LIST}.{name}.{what}"))
                .map(str::trim)
                .filter(|text| !text.is_empty())
        };
        let class = setting("class").unwrap_or_default();
        let folders = || {
            let list = setting("param.allowed.paths").unwrap_or_default();
            Folders(
                list.split(',')
                    .map(str::trim)
                    .filter(|path| !path.is_empty())
                    .map(PathBuf::from)
                    .collect(),
            )
        };
        match class.strip_prefix(PACKAGE) {
            Some("FileConfigProvider") => Ok(Self::File(folders())),
            Some("DirectoryConfigProvider") => Ok(Self::Directory(folders())),
            Some("EnvVarConfigProvider") => {
                let pattern = setting("param.allowlist.pattern")
                    .map(|pattern| Regex::new(&format!("^(?:{pattern})$")))
                    .transpose();
                pattern.map(Self::Env).map_err(|error| {
                    Error::config(format!(
                        "{LIST}.{name}.param.allowlist.pattern is no regular expression: {error}"
                    ))
                })
            }
            _ => Err(Error::config(format!(
                "{LIST} names {}, but {LIST}.{0}.class is {:?}: {PACKAGE}FileConfigProvider, \
                 DirectoryConfigProvider or EnvVarConfigProvider is allowed, which are built in",
                shown(name),
                shown(class)
            ))),
        }
    }
}

impl Provider {
    fn value(&self, path: &str, key: &str) -> Result<Zeroizing<String>> {
        let missing = |what: &str| {
            Error::config(format!(
                "the provider {} finds no {} in {what}",
                shown(&self.name),
                shown(key)
            ))
        };
        match &self.kind {
            ProviderKind::File(allowed) => {
                let file = allowed.check(Path::new(path))?;
                let properties = Properties::from_file(file)?;
                properties
                    .get(key)
                    .map(|value| Zeroizing::new(value.to_owned()))
                    .ok_or_else(|| missing(&shown(path).to_string()))
            }
            ProviderKind::Directory(allowed) => {
                if Path::new(key).components().count() != 1 {
                    return Err(missing(&shown(path).to_string()));
                }
                let file = allowed.check(&Path::new(path).join(key))?;
                let read = std::fs::read_to_string(&file).map(Zeroizing::new);
                read.map_err(|error| {
                    Error::config(format!("cannot read {}: {error}", file.display()))
                })
            }
            ProviderKind::Env(pattern) => {
                let is_allowed =
                    path.is_empty() && pattern.as_ref().is_none_or(|pattern| pattern.is_match(key));
                let value = std::env::var(key).ok().filter(|_| is_allowed);
                value
                    .map(Zeroizing::new)
                    .ok_or_else(|| missing("the environment, or may not read it"))
            }
        }
    }
}

impl Folders {
    fn check(&self, file: &Path) -> Result<PathBuf> {
        let climbs = file.components().any(|part| matches!(part, Component::ParentDir));
        match self.0.is_empty() || (!climbs && self.0.iter().any(|folder| file.starts_with(folder)))
        {
            true => Ok(file.to_owned()),
            false => Err(Error::config(format!(
                "{} is in none of the folders of allowed.paths",
                file.display()
            ))),
        }
    }
}

/// A placeholder, and what is around it.
struct Placeholder<'t> {
    before: &'t str,
    name: &'t str,
    path: &'t str,
    key: &'t str,
    after: &'t str,
}

/// The first placeholder: Java's `\$\{([^}]*?):(([^}]*?):)?([^}]*?)\}`.
fn find(text: &str) -> Option<Placeholder<'_>> {
    let mut from = 0;
    while let Some(at) = text.get(from..)?.find("${") {
        let (before, rest) = text.split_at_checked(from + at)?;
        let (inside, after) = rest.strip_prefix("${")?.split_once('}')?;
        if let Some((name, place)) = inside.split_once(':') {
            let (path, key) = place.split_once(':').unwrap_or(("", place));
            return Some(Placeholder { before, name, path, key, after });
        }
        from += at + 2;
    }
    None
}

/// Adds to a text that may be a secret, without leaving a copy behind by growing.
fn append(text: &mut Zeroizing<String>, more: &str) {
    let mut grown = Zeroizing::new(String::with_capacity(text.len() + more.len()));
    grown.push_str(text);
    grown.push_str(more);
    *text = grown;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(pairs: &[(&str, &str)], text: &str) -> std::result::Result<Option<String>, String> {
        let properties: Properties = pairs.iter().copied().collect();
        let resolved = Providers::of(&properties)
            .and_then(|providers| providers.resolve("sasl.password", text));
        resolved.map(|text| text.map(|text| text.to_string())).map_err(|error| error.to_string())
    }

    fn class(name: &str) -> String {
        format!("{PACKAGE}{name}ConfigProvider")
    }

    #[test]
    fn what_java_s_providers_resolve_is_resolved() {
        let folder = std::env::temp_dir().join(format!("kavka-providers-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("kafka.properties"), "user = alice\npassword = hunt\\\n  er2\n")
            .expect("a file");
        std::fs::write(folder.join("token"), "in a file\n").expect("a file");
        let place = folder.display();
        let (file, directory, env) = (class("File"), class("Directory"), class("EnvVar"));
        let pairs = [
            ("config.providers", "file, dir,env"),
            ("config.providers.file.class", file.as_str()),
            ("config.providers.dir.class", directory.as_str()),
            ("config.providers.dir.param.allowed.paths", &place.to_string()),
            ("config.providers.env.class", env.as_str()),
            ("config.providers.env.param.allowlist.pattern", "PAT.*"),
        ];
        let text = format!(
            "<${{file:{place}/kafka.properties:user}}/${{file:{place}/kafka.properties:password}}>"
        );
        assert_eq!(resolved(&pairs, &text), Ok(Some("<alice/hunter2>".to_owned())));
        assert_eq!(
            resolved(&pairs, &format!("${{dir:{place}:token}}")),
            Ok(Some("in a file\n".to_owned()))
        );
        assert_eq!(resolved(&pairs, "${env:PATH}"), Ok(std::env::var("PATH").ok()));
        for (text, word) in [
            (format!("${{file:{place}/kafka.properties:other}}"), "finds no other in"),
            ("${file:/no/such/file:password}".to_owned(), "cannot read /no/such/file"),
            ("${env:HOME}".to_owned(), "may not read it"),
            ("${dir:/etc:hostname}".to_owned(), "allowed.paths"),
            (format!("${{dir:{place}:../x}}"), "finds no ../x"),
            (format!("${{dir:{place}/../x:y}}"), "allowed.paths"),
        ] {
            let error = resolved(&pairs, &text).expect_err(word);
            assert!(error.starts_with("sasl.password: ") && error.contains(word), "{error}");
        }
        std::fs::remove_dir_all(&folder).expect("removed");
    }

    #[test]
    fn a_placeholder_that_nobody_resolves_is_never_a_value_and_never_shown() {
        for text in
            ["${file:/a:hunter2}", "x${vault:hunter2}y", "${env:hunter2}", "${x}${hunter2:}"]
        {
            let error = resolved(&[], text).expect_err(text);
            assert!(
                error.contains("sasl.password")
                    && error.contains("config.providers")
                    && !error.contains("hunter2"),
                "{error}"
            );
        }
        let other =
            [("config.providers", "vault"), ("config.providers.vault.class", "com.example.Vault")];
        let error = resolved(&other, "x").expect_err("a class of somebody else");
        assert!(
            error.contains("com.example.Vault") && error.contains("FileConfigProvider"),
            "{error}"
        );
    }

    #[test]
    fn what_is_no_placeholder_is_left_as_it_is() {
        for text in ["", "$", "${", "${a}", "$(a:b)", "{a:b}", "${a:b", "a}b:{$"] {
            assert_eq!(resolved(&[], text), Ok(None), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[$}{:a\u{e9}]{0,20}") {
            let _ = resolved(&[], &text);
        }
    }
}
