//! How the values of a producer's properties are read.

use tracing::warn;

use super::Acks;
use crate::config::{FromProperty, Settings};
use crate::error::Result;
use crate::wire::compress::Compression;

/// The codec and its level; levels of other codecs are checked too.
pub(super) fn compression(settings: &Settings<'_>) -> Result<Compression> {
    let mut chosen: Compression = settings.read("compression.type")?.unwrap_or_default();
    if let Some(Level(level)) = settings.read("compression.level")? {
        // librdkafka's, for whichever codec is chosen, with -1 for its default.
        if level != -1 && chosen != Compression::NONE && chosen != Compression::SNAPPY {
            chosen = chosen.level(level)?;
        }
    }
    for (key, codec) in [
        ("compression.gzip.level", Compression::GZIP),
        ("compression.lz4.level", Compression::LZ4),
        ("compression.zstd.level", Compression::ZSTD),
    ] {
        if let Some(Level(level)) = settings.read(key)? {
            let leveled = codec.level(level)?;
            if codec.to_string() == chosen.to_string() {
                if codec == Compression::LZ4 {
                    warn!(
                        property = key,
                        level, "without effect: lz4 has only its fast compressor here"
                    );
                }
                chosen = leveled;
            }
        }
    }
    Ok(chosen)
}

/// A compression level.
struct Level(i32);

impl FromProperty for Level {
    const ALLOWED: &'static str = "a whole number";

    fn from_property(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }
}

impl FromProperty for Compression {
    const ALLOWED: &'static str = "none, gzip, snappy, lz4 or zstd";

    fn from_property(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl FromProperty for Acks {
    const ALLOWED: &'static str = "0, 1, all or -1";

    fn from_property(text: &str) -> Option<Self> {
        match text {
            "0" => Some(Self::None),
            "1" => Some(Self::Leader),
            "all" | "-1" => Some(Self::All),
            _ => None,
        }
    }
}
