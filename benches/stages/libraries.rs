//! The codecs' libraries, called directly: the floor under sealing and decompressing.
//!
//! As kavka calls them, with its default levels and with contexts and buffers that are kept, but
//! without the framing, checksums, bounds and the copy into memory of the exact size that it adds.

use flate2::{Compress, Decompress, FlushCompress, FlushDecompress, Status};
use kavka::Compression;
use lz4_flex::block::{self, CompressTable};
use mzstd::{Compressor, DecoderConfig, Decompressor, EncoderConfig, Level};

/// All four, and room for what comes out.
pub(crate) struct Libraries {
    deflate: Compress,
    inflate: Decompress,
    snappy: (snap::raw::Encoder, snap::raw::Decoder),
    lz4: CompressTable,
    zstd: (Compressor, Decompressor),
    room: Vec<u8>,
    grown: Vec<u8>,
}

impl Libraries {
    pub(crate) fn new() -> Self {
        let level = Level::try_from(3).expect("a level of zstd");
        let compressor = Compressor::builder(EncoderConfig::default().with_level(level))
            .build()
            .expect("a usual context");
        Self {
            deflate: Compress::new(flate2::Compression::default(), false),
            inflate: Decompress::new(false),
            snappy: (snap::raw::Encoder::new(), snap::raw::Decoder::new()),
            lz4: CompressTable::small(),
            zstd: (compressor, Decompressor::builder(DecoderConfig::default()).build()),
            room: vec![0; ROOM],
            grown: Vec::with_capacity(ROOM),
        }
    }

    /// The compressed bytes, without any frame but zstd's own.
    pub(crate) fn compress(&mut self, compression: Compression, input: &[u8]) -> &[u8] {
        match compression {
            Compression::GZIP => {
                self.deflate.reset();
                self.grown.clear();
                let status = self
                    .deflate
                    .compress_vec(input, &mut self.grown, FlushCompress::Finish)
                    .expect("room");
                assert_eq!(status, Status::StreamEnd);
                &self.grown
            }
            Compression::SNAPPY => {
                let len = self.snappy.0.compress(input, &mut self.room).expect("room");
                &self.room[..len]
            }
            Compression::LZ4 => {
                let len = block::compress_into_with_table(input, &mut self.room, &mut self.lz4)
                    .expect("room");
                &self.room[..len]
            }
            Compression::ZSTD => {
                self.grown.clear();
                let range = self.zstd.0.compress_into(input, &mut self.grown).expect("room");
                &self.grown[range]
            }
            other => unreachable!("{other} is no codec"),
        }
    }

    /// The plain bytes of what [`Libraries::compress`] gave.
    pub(crate) fn decompress(&mut self, compression: Compression, input: &[u8]) -> &[u8] {
        match compression {
            Compression::GZIP => {
                self.inflate.reset(false);
                self.grown.clear();
                let status = self
                    .inflate
                    .decompress_vec(input, &mut self.grown, FlushDecompress::Finish)
                    .expect("sound input");
                assert_eq!(status, Status::StreamEnd);
                &self.grown
            }
            Compression::SNAPPY => {
                let len = self.snappy.1.decompress(input, &mut self.room).expect("sound input");
                &self.room[..len]
            }
            Compression::LZ4 => {
                let len = block::decompress_into(input, &mut self.room).expect("sound input");
                &self.room[..len]
            }
            Compression::ZSTD => {
                self.grown.clear();
                self.zstd.1.decompress_into(input, &mut self.grown).expect("sound input");
                &self.grown
            }
            other => unreachable!("{other} is no codec"),
        }
    }
}

/// More than a batch takes, compressed or not.
const ROOM: usize = 64 << 10;
