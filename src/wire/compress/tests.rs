use proptest::prelude::*;

use super::*;

const ALL: [Compression; 4] =
    [Compression::GZIP, Compression::SNAPPY, Compression::LZ4, Compression::ZSTD];

fn compressed(compression: Compression, input: &[u8]) -> Bytes {
    compress(compression, input).unwrap().unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let nibble = |digit: u8| u8::try_from(char::from(digit).to_digit(16).unwrap()).unwrap();
    digits.chunks(2).map(|pair| nibble(pair[0]) << 4 | nibble(pair[1])).collect()
}

#[test]
fn levels_are_those_of_java() {
    for (compression, allowed, refused) in [
        (Compression::GZIP, &[-1, 1, 9][..], &[-2, 0, 10][..]),
        (Compression::LZ4, &[1, 17], &[0, 18]),
        (Compression::ZSTD, &[-131_072, 0, 22], &[-131_073, 23]),
        (Compression::SNAPPY, &[], &[1]),
        (Compression::NONE, &[], &[0]),
    ] {
        let input = b"abcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabc";
        for &level in allowed {
            let at_level = compression.level(level).unwrap();
            let plain =
                decompress(at_level.codec(), &compressed(at_level, input), input.len()).unwrap();
            assert_eq!(plain, &input[..]);
        }
        for &level in refused {
            assert_eq!(compression.level(level).unwrap_err().kind(), ErrorKind::Config);
        }
    }
}

#[test]
fn the_level_reaches_the_codec() {
    let input: Vec<u8> =
        (0..40_000_u32).flat_map(|i| (i.wrapping_mul(i) >> 9).to_string().into_bytes()).collect();
    for (weak, strong) in [
        (Compression::GZIP.level(1), Compression::GZIP.level(9)),
        (Compression::ZSTD.level(-50), Compression::ZSTD.level(15)),
    ] {
        let (weak, strong) =
            (compressed(weak.unwrap(), &input), compressed(strong.unwrap(), &input));
        assert!(strong.len() < weak.len());
    }
}

#[test]
fn names_are_those_of_compression_type() {
    for name in ["none", "gzip", "snappy", "lz4", "zstd"] {
        assert_eq!(name.parse::<Compression>().unwrap().to_string(), name);
    }
    assert!(
        "brotli"
            .parse::<Compression>()
            .unwrap_err()
            .to_string()
            .contains("none, gzip, snappy, lz4 or zstd")
    );
}

#[test]
fn a_bomb_stops_at_the_limit() {
    const LIMIT: usize = 100_000;
    let bomb = vec![0; 8 << 20];
    for compression in ALL {
        let codec = compression.codec();
        let bytes = compressed(compression, &bomb);
        assert_eq!(
            decompress(codec, &bytes, LIMIT),
            Err(CodecError::Limit { codec, limit: LIMIT })
        );
        assert_eq!(
            decompress(codec, &bytes, bomb.len() - 1),
            Err(CodecError::Limit { codec, limit: bomb.len() - 1 })
        );
        assert_eq!(decompress(codec, &bytes, bomb.len()).unwrap().len(), bomb.len());
    }
}

#[test]
fn a_claimed_size_is_not_believed() {
    let limit = 1 << 30;
    // A raw snappy block that says 953 MiB.
    assert!(matches!(
        decompress(Codec::Snappy, &hex("80 94 eb dc 03 00"), limit),
        Err(CodecError::Damaged { .. })
    ));
    // An lz4 frame with a content size of 1 GiB - 1 and nothing behind.
    let mut frame = hex("04224d18 68 40 ffffff3f00000000");
    frame.push(twox_hash::XxHash32::oneshot(0, &frame[4..]).to_le_bytes()[1]);
    frame.extend([0; 4]);
    assert!(matches!(decompress(Codec::Lz4, &frame, limit), Err(CodecError::Damaged { .. })));
    // A zstd frame with a content size of 100 MiB and one empty block.
    let frame = hex("28b52ffd a0 00004006 010000");
    assert!(matches!(decompress(Codec::Zstd, &frame, limit), Err(CodecError::Damaged { .. })));
}

#[test]
fn gzip_members_follow_each_other() {
    // Written by the gzip tool, the first with its name and time.
    let named = hex("1f8b0808b6d7046b000368692e74787400cb48cdc9c957c800910040a62d010b000000");
    let plain = hex("1f8b0800000000000203cb48cdc9c957c8402701e3513d8d17000000");
    let both = [&named[..], &plain, &compressed(Compression::GZIP, b"!")].concat();
    assert_eq!(
        decompress(Codec::Gzip, &both, 100).unwrap(),
        &b"hello hellohello hello hello hello!"[..]
    );
    let limit = Err(CodecError::Limit { codec: Codec::Gzip, limit: 34 });
    assert_eq!(decompress(Codec::Gzip, &both, 34), limit);
}

#[test]
fn a_wrong_gzip_checksum_is_noticed() {
    let mut bytes = compressed(Compression::GZIP, b"hello hello hello").to_vec();
    let at = bytes.len() - 8;
    bytes[at] ^= 1;
    assert!(matches!(decompress(Codec::Gzip, &bytes, 100), Err(CodecError::Damaged { .. })));
}

#[test]
fn snappy_is_read_framed_and_raw() {
    let input = b"hello hello hello hello".repeat(5000);
    let framed = compressed(Compression::SNAPPY, &input);
    assert!(framed.starts_with(b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01"));
    assert_eq!(decompress(Codec::Snappy, &framed, input.len()).unwrap(), input);
    let raw = snap::raw::Encoder::new().compress_vec(&input).unwrap();
    assert_eq!(decompress(Codec::Snappy, &raw, input.len()).unwrap(), input);
    assert_eq!(decompress(Codec::Snappy, &framed[..16], 10).unwrap(), &b""[..]);
}

/// "kavka " 12,000 times, by `lz4 -B4 -BD -BX --content-size`: linked blocks, block checksums,
/// content size and checksum.
const LINKED_FRAME: &str = "04224d185c40401901000000000011100100006f6b61766b61200600ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe250206b61766be5c38c8e230000000ffcffffffffffffffffffffffffffffffffffffffffffffffffffff415061766b6120908602e80000000099caf302";

#[test]
fn an_lz4_frame_of_the_tool_is_read() {
    assert_eq!(
        decompress(Codec::Lz4, &hex(LINKED_FRAME), 72_000).unwrap(),
        b"kavka ".repeat(12_000)
    );
}

#[test]
fn lz4_frames_of_every_kind_are_read() {
    use lz4_flex::block::{compress, compress_with_dict};
    let (first, second) = (b"kavka ".repeat(10_000), b"and kavka again, kavka ".repeat(100));
    let blocks = [compress(&first), compress_with_dict(&second, &first)];
    let checksum = |bytes: &[u8]| twox_hash::XxHash32::oneshot(0, bytes).to_le_bytes();
    for has_size in [false, true] {
        // Version 1, linked blocks, block checksums, content checksum; 256 KiB at most.
        let mut descriptor = vec![0x54 | if has_size { 8 } else { 0 }, 0x50];
        if has_size {
            descriptor.extend(u64::try_from(first.len() + second.len()).unwrap().to_le_bytes());
        }
        let mut frame = hex("04224d18");
        frame.extend_from_slice(&descriptor);
        frame.push(checksum(&descriptor)[1]);
        for block in &blocks {
            frame.extend(u32::try_from(block.len()).unwrap().to_le_bytes());
            frame.extend_from_slice(block);
            frame.extend(checksum(block));
        }
        frame.extend([0; 4]);
        // The content checksum, which Java does not look at either.
        frame.extend([1, 2, 3, 4]);
        assert_eq!(
            decompress(Codec::Lz4, &frame, 1 << 20).unwrap(),
            [&first[..], &second].concat()
        );
        let mut wrong = frame.clone();
        wrong[descriptor.len() + 5 + 4 + 5] ^= 1;
        assert!(decompress(Codec::Lz4, &wrong, 1 << 20).is_err());
    }
}

#[test]
fn the_header_checksum_of_lz4_counts_except_in_version_0() {
    let mut frame = compressed(Compression::LZ4, b"hello hello hello hello").to_vec();
    frame[6] ^= 0xff;
    let damaged = CodecError::Damaged { codec: Codec::Lz4, what: "wrong header checksum" };
    assert_eq!(decompress(Codec::Lz4, &frame, 100), Err(damaged));
    assert_eq!(decompress_v0(Codec::Lz4, &frame, 100).unwrap(), &b"hello hello hello hello"[..]);
}

#[test]
fn zstd_frames_follow_each_other() {
    // Written by the zstd tool, with a checksum.
    let first = hex("28b52ffd04586500003068656c6c6f200100994b11175eae0d");
    let second = compressed(Compression::ZSTD, b"hello hello hello");
    let both = [&first[..], &second].concat();
    assert_eq!(
        decompress(Codec::Zstd, &both, 40).unwrap(),
        &b"hello hello hello hellohello hello hello"[..]
    );
    assert_eq!(
        decompress(Codec::Zstd, &both, 39),
        Err(CodecError::Limit { codec: Codec::Zstd, limit: 39 })
    );
}

#[test]
fn input_that_is_cut_off_is_damaged() {
    let input = b"hello hello hello hello".repeat(10_000);
    for compression in ALL {
        let whole = compressed(compression, &input);
        for cut in (0..whole.len()).step_by(7) {
            let plain = decompress(compression.codec(), &whole[..cut], input.len());
            // Framed snappy has no end mark, so it can be cut between two blocks.
            let is_shorter = plain
                .as_ref()
                .is_ok_and(|plain| compression == Compression::SNAPPY && plain.len() < input.len());
            assert!(
                is_shorter || matches!(plain, Err(CodecError::Damaged { .. })),
                "{compression} cut to {cut}"
            );
        }
    }
}

fn input() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..100_000),
        ("[a-d]{1,40}", 0..10_000_usize).prop_map(|(text, times)| text.into_bytes().repeat(times)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn everything_comes_back_within_its_exact_size(input in input(), which in 0..4_usize) {
        let compression = ALL[which];
        // A codec may give up on what does not get smaller.
        if let Some(bytes) = compress(compression, &input).unwrap() {
            prop_assert_eq!(&decompress(compression.codec(), &bytes, input.len()).unwrap(), &input);
            if let Some(less) = input.len().checked_sub(1) {
                prop_assert!(decompress(compression.codec(), &bytes, less).is_err());
            }
        }
    }

    #[test]
    fn damage_is_survived_within_the_limit(input in input(), which in 0..4_usize, at: usize, byte: u8, cut: bool) {
        let codec = ALL[which].codec();
        let Some(bytes) = compress(ALL[which], &input).unwrap() else { return Ok(()) };
        let mut bytes = bytes.to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        if cut {
            bytes.truncate(at + 1);
        }
        if let Ok(plain) = decompress(codec, &bytes, 50_000) {
            prop_assert!(plain.len() <= 50_000);
        }
    }

    #[test]
    fn random_bytes_are_survived(which in 0..4_usize, mut bytes: Vec<u8>, keep in 0..24_usize) {
        let codec = ALL[which].codec();
        let start = compressed(ALL[which], b"hello hello hello hello hello");
        let keep = keep.min(start.len());
        bytes.splice(0..0, start[..keep].iter().copied());
        if let Ok(plain) = decompress(codec, &bytes, 50_000) {
            prop_assert!(plain.len() <= 50_000);
        }
    }
}
