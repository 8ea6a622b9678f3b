//! The address of a broker as users write it.

use std::net::SocketAddr;

use super::*;

/// The address of a broker: a host name or IP address, and a port.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BrokerAddress {
    host: String,
    port: u16,
}

impl BrokerAddress {
    /// Creates an address. `host` is a name, an IPv4 address, or an IPv6 address without brackets.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }

    /// Returns the host name or IP address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Reads the comma-separated list that a property holds.
    pub(crate) fn parse_list(property: &str, text: &str) -> Result<Vec<Self>> {
        // A password may have a comma in it.
        if text.contains('@') {
            return Self::parse(property, text).map(|one| vec![one]);
        }
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(|part| Self::parse(property, part)).collect()
    }

    fn parse(property: &str, text: &str) -> Result<Self> {
        let refuse = |why: &str| {
            let address = shown(without_user(text));
            Error::config(format!(
                "{property} has {address:?}, {why}: host:port is allowed, with a comma before the \
                 next"
            ))
        };
        if text.contains('@') {
            return Err(refuse(
                "before which there is a user: it goes into sasl.username and sasl.password",
            ));
        }
        if text.contains(';') {
            return Err(refuse("which has a semicolon"));
        }
        let address = match text.split_once("://") {
            Some((_, address)) => address,
            None => text,
        };
        let (host, port) = address.rsplit_once(':').ok_or_else(|| refuse("which has no port"))?;
        let host = match host.strip_prefix('[') {
            Some(inner) => {
                inner.strip_suffix(']').ok_or_else(|| refuse("which has no closing bracket"))?
            }
            None if host.contains(':') => return Err(refuse("an IPv6 address without brackets")),
            None => host,
        };
        let allowed = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
        if host.is_empty() || !host.chars().all(allowed) {
            return Err(refuse("which has no usable host"));
        }
        match port.parse() {
            Ok(port) if port != 0 => Ok(Self::new(host, port)),
            _ => Err(refuse("whose port is not a number from 1 to 65535")),
        }
    }
}

/// Which addresses of a broker's name are used (librdkafka's `broker.address.family`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AddressFamily {
    /// All (`any`).
    #[default]
    Any,
    /// Those of IPv4 only (`v4`).
    V4,
    /// Those of IPv6 only (`v6`).
    V6,
}

impl AddressFamily {
    pub(crate) fn has(self, address: SocketAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }
}

impl FromProperty for AddressFamily {
    const ALLOWED: &'static str = "any, v4 or v6";

    fn from_property(text: &str) -> Option<Self> {
        match text {
            "any" => Some(Self::Any),
            "v4" => Some(Self::V4),
            "v6" => Some(Self::V6),
            _ => None,
        }
    }
}

/// Bootstrap addresses as the user wrote them, who may have put a password among them.
#[derive(Clone, Default)]
pub(crate) struct BootstrapAddresses(pub(crate) String);

impl fmt::Debug for BootstrapAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&shown(without_user(&self.0)), f)
    }
}

/// What follows the last user in a text, if there is one.
fn without_user(text: &str) -> &str {
    text.rsplit_once('@').map_or(text, |(_, rest)| rest)
}

impl FromStr for BrokerAddress {
    type Err = Error;

    /// Reads `host:port`, `[ipv6]:port`, each optionally after a `protocol://` as Kafka's listeners
    /// are written.
    fn from_str(text: &str) -> Result<Self> {
        Self::parse("bootstrap.servers", text)
    }
}

impl fmt::Display for BrokerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Brokers name one another, and a hostile one may say anything.
        let host = shown(&self.host);
        if self.host.contains(':') {
            write!(f, "[{host}]:{}", self.port)
        } else {
            write!(f, "{host}:{}", self.port)
        }
    }
}

impl fmt::Debug for BrokerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_kafka_reads_them() {
        for (text, host, port) in [
            ("localhost:9092", "localhost", 9092),
            ("[::1]:9092", "::1", 9092),
            ("[fe80::1%eth0]:1", "fe80::1%eth0", 1),
            ("10.0.0.1:65535", "10.0.0.1", 65535),
            ("PLAINTEXT://kafka_1.example-net:9092", "kafka_1.example-net", 9092),
        ] {
            assert_eq!(text.parse::<BrokerAddress>().expect(text), BrokerAddress::new(host, port));
        }
    }

    #[test]
    fn an_impossible_address_is_refused_and_named() {
        for text in [
            "localhost",
            "::1:9092",
            "[::1:9092",
            ":9092",
            "host:0",
            "host:65536",
            "host:",
            "ho st:1",
            "a/b:1",
        ] {
            let error = text.parse::<BrokerAddress>().expect_err(text).to_string();
            assert!(error.contains(text) && error.contains("bootstrap.servers"), "{error}");
        }
    }

    #[test]
    fn a_password_in_an_address_is_not_shown() {
        for text in
            ["kafka://alice:hunter2@host:9092", "alice:hunt,er2@host:9092", "alice:hunter2@"]
        {
            let error =
                BrokerAddress::parse_list("bootstrap.servers", text).expect_err(text).to_string();
            let shown = format!("{error} {:?}", BootstrapAddresses(text.to_owned()));
            assert!(!shown.contains("hunter2") && !shown.contains("alice"), "{shown}");
        }
    }

    #[test]
    fn a_list_with_semicolons_says_what_to_write() {
        let error = BrokerAddress::parse_list("bootstrap.servers", "a:1;b:2")
            .expect_err("one address")
            .to_string();
        assert_eq!(
            error,
            "bootstrap.servers has \"a:1;b:2\", which has a semicolon: host:port is allowed, \
             with a comma before the next"
        );
    }

    #[test]
    fn a_host_that_a_hostile_broker_made_up_is_shown_on_one_line() {
        let address = BrokerAddress::new(format!("a\r\nERROR \u{1b}[2J{}", "x".repeat(96_000)), 1);
        for text in [address.to_string(), format!("{address:?}")] {
            assert!(text.len() < 500 && !text.contains(char::is_control), "{text}");
        }
        assert!(address.host().len() > 96_000, "it is what it is to whoever connects");
    }

    #[test]
    fn a_list_may_have_blanks_and_empty_parts() {
        let list =
            BrokerAddress::parse_list("bootstrap.servers", " a:1, b:2 ,,[::1]:3,").expect("a list");
        assert_eq!(
            list.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["a:1", "b:2", "[::1]:3"]
        );
    }
}
