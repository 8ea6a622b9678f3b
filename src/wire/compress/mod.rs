//! The codecs of record batches, each behind the feature of its name.
//!
//! A decompressor is given its bound and stops there: what a header claims, or a few bytes expand
//! to, never decides how much memory is taken. Contexts and scratch buffers are kept per thread,
//! since making one costs more than compressing a batch.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

use crate::error::{Error, ErrorKind};

#[cfg(feature = "gzip")]
mod gzip;
#[cfg(feature = "lz4")]
mod lz4;
#[cfg(any(feature = "gzip", feature = "snappy", feature = "lz4", feature = "zstd"))]
mod scratch;
#[cfg(feature = "snappy")]
mod snappy;
#[cfg(all(feature = "zstd", any(test, not(feature = "zstd-c"))))]
mod zstd;
#[cfg(feature = "zstd-c")]
mod zstd_c;

#[cfg(all(feature = "zstd", not(feature = "zstd-c")))]
use zstd as chosen_zstd;
#[cfg(feature = "zstd-c")]
use zstd_c as chosen_zstd;

/// The compression of a producer's batches: a codec and its level (`compression.type`).
///
/// ```
/// use kavka::Compression;
///
/// let strong = Compression::ZSTD.level(19)?;
/// assert_eq!("zstd".parse::<Compression>()?, Compression::ZSTD);
/// # let _ = strong;
/// # Ok::<(), kavka::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Compression {
    codec: Codec,
    level: i32,
}

impl Compression {
    /// No compression; the default, as in Kafka.
    pub const NONE: Self = Self { codec: Codec::None, level: 0 };
    /// gzip. Its level is -1 (the library's default) or 1 to 9 (`compression.gzip.level`, default
    /// -1).
    pub const GZIP: Self = Self { codec: Codec::Gzip, level: -1 };
    /// snappy, which has no levels.
    pub const SNAPPY: Self = Self { codec: Codec::Snappy, level: 0 };
    /// lz4. A level of 1 to 17 is accepted (`compression.lz4.level`, default 9) but ignored: only
    /// the fast compressor exists.
    pub const LZ4: Self = Self { codec: Codec::Lz4, level: 9 };
    /// zstd. Its level is -131072 to 22 (`compression.zstd.level`, default 3).
    pub const ZSTD: Self = Self { codec: Codec::Zstd, level: 3 };

    /// Sets the compression level.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the codec does not have the level.
    pub fn level(self, level: i32) -> Result<Self, Error> {
        let (is_allowed, allowed) = match self.codec {
            Codec::None | Codec::Snappy => (false, "no level"),
            Codec::Gzip => (level == -1 || (1..=9).contains(&level), "-1 or 1 to 9"),
            Codec::Lz4 => ((1..=17).contains(&level), "1 to 17"),
            Codec::Zstd => ((-131_072..=22).contains(&level), "-131072 to 22"),
        };
        if is_allowed {
            Ok(Self { level, ..self })
        } else {
            Err(Error::config(format!(
                "compression.{}.level is {level}: {allowed} is allowed",
                self.codec
            )))
        }
    }

    /// Fails if the crate was built without the codec.
    pub(crate) fn ensure_built(self) -> Result<(), CodecError> {
        let is_built = match self.codec {
            Codec::None => true,
            Codec::Gzip => cfg!(feature = "gzip"),
            Codec::Snappy => cfg!(feature = "snappy"),
            Codec::Lz4 => cfg!(feature = "lz4"),
            Codec::Zstd => cfg!(feature = "zstd"),
        };
        if is_built { Ok(()) } else { Err(CodecError::NotBuilt(self.codec)) }
    }

    pub(crate) fn codec(self) -> Codec {
        self.codec
    }
}

impl Default for Compression {
    fn default() -> Self {
        Self::NONE
    }
}

impl fmt::Display for Compression {
    /// Writes the codec as `compression.type` has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.codec, f)
    }
}

impl fmt::Debug for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.codec {
            Codec::None | Codec::Snappy => write!(f, "{}", self.codec),
            _ => write!(f, "{} level {}", self.codec, self.level),
        }
    }
}

impl FromStr for Compression {
    type Err = Error;

    /// Reads a value of `compression.type`.
    fn from_str(name: &str) -> Result<Self, Error> {
        [Self::NONE, Self::GZIP, Self::SNAPPY, Self::LZ4, Self::ZSTD]
            .into_iter()
            .find(|compression| compression.codec.name() == name)
            .ok_or_else(|| {
                Error::config(format!(
                    "compression.type is {name:?}, but must be none, gzip, snappy, lz4 or zstd"
                ))
            })
    }
}

/// A codec by its number in batch attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Codec {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl Codec {
    pub(crate) fn id(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }

    pub(crate) fn from_id(id: u8) -> Result<Self, CodecError> {
        match id {
            0 => Ok(Self::None),
            1 => Ok(Self::Gzip),
            2 => Ok(Self::Snappy),
            3 => Ok(Self::Lz4),
            4 => Ok(Self::Zstd),
            _ => Err(CodecError::Unknown(id)),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Why bytes could not be compressed or decompressed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CodecError {
    #[error("built without feature {0}")]
    NotBuilt(Codec),
    #[error("unknown codec {0}")]
    Unknown(u8),
    #[error("{codec}: {what}")]
    Damaged { codec: Codec, what: &'static str },
    #[error("{codec}: decompresses to more than the limit of {limit} bytes")]
    Limit { codec: Codec, limit: usize },
}

impl CodecError {
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::NotBuilt(_) => ErrorKind::Config,
            Self::Unknown(_) | Self::Damaged { .. } | Self::Limit { .. } => ErrorKind::Corrupt,
        }
    }
}

impl From<CodecError> for Error {
    fn from(error: CodecError) -> Self {
        Self::new(error.kind(), error.to_string())
    }
}

/// What a codec reports; `decompress` adds which codec it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(any(feature = "gzip", feature = "snappy", feature = "lz4", feature = "zstd")),
    allow(dead_code, reason = "no codec is built in that could fail")
)]
enum CodecFailure {
    Damaged(&'static str),
    Limit,
}

/// Compresses; `None` where the codec itself sees no use in it.
/// # Errors
/// If the crate was built without the codec.
pub(crate) fn compress(
    compression: Compression,
    input: &[u8],
) -> Result<Option<Bytes>, CodecError> {
    compression.ensure_built()?;
    // Unused where every codec is left out.
    let _ = input;
    Ok(match compression.codec {
        Codec::None => None,
        #[cfg(feature = "gzip")]
        Codec::Gzip => gzip::compress(input, compression.level),
        #[cfg(feature = "snappy")]
        Codec::Snappy => snappy::compress(input),
        #[cfg(feature = "lz4")]
        Codec::Lz4 => lz4::compress(input),
        #[cfg(feature = "zstd")]
        Codec::Zstd => chosen_zstd::compress(input, compression.level),
        #[allow(unreachable_patterns, reason = "reachable with a codec left out")]
        codec => return Err(CodecError::NotBuilt(codec)),
    })
}

/// Decompresses to at most `limit` bytes.
/// # Errors
/// If the input is damaged, would pass the limit, or needs a codec that the crate was built
/// without.
pub(crate) fn decompress(codec: Codec, input: &[u8], limit: usize) -> Result<Bytes, CodecError> {
    decompress_as(codec, input, limit, Checks::Strict)
}

/// As [`decompress`], for messages of version 0, whose lz4 frames have a wrong header checksum.
pub(crate) fn decompress_v0(codec: Codec, input: &[u8], limit: usize) -> Result<Bytes, CodecError> {
    decompress_as(codec, input, limit, Checks::V0)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Checks {
    Strict,
    /// The writers of version 0 computed the checksum of the lz4 frame header over the wrong bytes
    /// (KAFKA-3160).
    V0,
}

/// The output grows by doubling up to [`USUAL`]. What is larger is decompressed anew into twice the
/// room, made at once: output that grows on would take, while it is moved, half as much again as
/// the limit allows.
fn decompress_as(
    codec: Codec,
    input: &[u8],
    limit: usize,
    checks: Checks,
) -> Result<Bytes, CodecError> {
    let mut stage = limit.min(USUAL);
    let mut out = Vec::new();
    loop {
        match decompress_into(codec, input, &mut out, stage, checks)? {
            Ok(()) => return Ok(Bytes::from(out)),
            Err(CodecFailure::Damaged(what)) => return Err(CodecError::Damaged { codec, what }),
            Err(CodecFailure::Limit) => {
                out = Vec::new();
                let next = stage.saturating_mul(2).min(limit);
                if next == stage || out.try_reserve_exact(next.saturating_add(SLACK)).is_err() {
                    return Err(CodecError::Limit { codec, limit });
                }
                stage = next;
            }
        }
    }
}

/// Decompresses into `out`, which is empty.
fn decompress_into(
    codec: Codec,
    input: &[u8],
    out: &mut Vec<u8>,
    limit: usize,
    checks: Checks,
) -> Result<Result<(), CodecFailure>, CodecError> {
    let _ = (checks, limit);
    Ok(match codec {
        Codec::None => {
            out.extend_from_slice(input);
            Ok(())
        }
        #[cfg(feature = "gzip")]
        Codec::Gzip => gzip::decompress(input, out, limit),
        #[cfg(feature = "snappy")]
        Codec::Snappy => snappy::decompress(input, out, limit),
        #[cfg(feature = "lz4")]
        Codec::Lz4 => lz4::decompress(input, out, limit, checks == Checks::Strict),
        #[cfg(feature = "zstd")]
        Codec::Zstd => chosen_zstd::decompress(input, out, limit),
        #[allow(unreachable_patterns, reason = "reachable with a codec left out")]
        codec => return Err(CodecError::NotBuilt(codec)),
    })
}

/// More than a batch decompresses to, as brokers refuse those of more than 1 MiB by default (a
/// guess).
const USUAL: usize = 16 << 20;

/// What a codec wants beyond what it writes: a block of zstd, or the byte that tells "just reached"
/// from "too long".
const SLACK: usize = 256 << 10;

#[cfg(test)]
#[cfg(all(feature = "gzip", feature = "snappy", feature = "lz4", feature = "zstd"))]
mod tests;
