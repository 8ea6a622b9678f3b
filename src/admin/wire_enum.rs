//! Kafka's enums as ours: each keeps a value that it does not know, so that a newer broker's answer
//! is not lost.

/// An enum that is a number on the wire.
macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident($int:ty) { $($(#[$variant_doc:meta])* $variant:ident = $code:literal, $word:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
            /// A value unknown to this version.
            Other($int),
        }

        impl $name {
            #[allow(dead_code, reason = "each enum has both ways, and some go one way only")]
            pub(crate) fn from_code(code: $int) -> Self {
                match code {
                    $($code => Self::$variant,)+
                    other => Self::Other(other),
                }
            }

            #[allow(dead_code, reason = "each enum has both ways, and some go one way only")]
            pub(crate) fn code(self) -> $int {
                match self {
                    $(Self::$variant => $code,)+
                    Self::Other(code) => code,
                }
            }
        }

        impl std::fmt::Display for $name {
            /// Writes Kafka's word for it.
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    $(Self::$variant => f.pad($word),)+
                    Self::Other(code) => f.pad(&format!("unknown ({code})")),
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::error::Error;

            /// Reads Kafka's word, in capitals or not.
            fn from_str(text: &str) -> crate::error::Result<Self> {
                const WORDS: &[&str] = &[$($word),+];
                $(if text.eq_ignore_ascii_case($word) {
                    return Ok(Self::$variant);
                })+
                Err(crate::error::Error::config(format!("{text:?} is none of {}", WORDS.join(", "))))
            }
        }
    };
}

/// An enum that is a word on the wire.
macro_rules! worded {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
            /// A value unknown to this version.
            Other(String),
        }

        impl $name {
            /// Returns Kafka's name of the value.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Other(word) => word,
                }
            }
        }

        impl From<&str> for $name {
            /// Reads Kafka's word, in capitals or not.
            fn from(text: &str) -> Self {
                $(if text.eq_ignore_ascii_case($word) {
                    return Self::$variant;
                })+
                Self::Other(text.to_owned())
            }
        }

        impl std::fmt::Display for $name {
            /// Writes Kafka's word for it.
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

pub(super) use {numbered, worded};

#[cfg(test)]
mod tests {
    use super::super::{AclOperation, GroupState};

    #[test]
    fn a_number_that_is_not_known_is_kept() {
        assert_eq!(AclOperation::from_code(3), AclOperation::Read);
        assert_eq!(AclOperation::from_code(99), AclOperation::Other(99));
        assert_eq!(AclOperation::Other(99).code(), 99);
        assert_eq!(
            "describe_configs".parse::<AclOperation>().expect("a word"),
            AclOperation::DescribeConfigs
        );
        let error = "fly".parse::<AclOperation>().expect_err("no word");
        assert!(error.to_string().starts_with("\"fly\" is none of"), "{error}");
    }

    #[test]
    fn a_word_that_is_not_known_is_kept() {
        assert_eq!(GroupState::from("Stable"), GroupState::Stable);
        assert_eq!(GroupState::from("Dancing").as_str(), "Dancing");
    }
}
