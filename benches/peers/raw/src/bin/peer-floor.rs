//! floor: not a client but the least work. Every record is encoded with checksum and codec, every
//! request written, every answer checked; fetched batches are checked, decompressed and walked. One
//! thread, one connection, no retries, no producer id.

use std::collections::VecDeque;
use std::io::Write;
use std::net::TcpStream;
use std::time::{SystemTime, UNIX_EPOCH};

use lz4_flex::block::{compress_into_with_table, decompress_into, get_maximum_output_size, CompressTable};
use peer_raw::{failures, frame, i16_at, i32_at, i64_at, string, varint};
use perf_common::{die, now_ns, Acks, Args, Pacer, Payload};

const NAME: &str = "floor";

/// Requests in flight.
const DEPTH: usize = 5;

fn main() {
    let a = Args::parse();
    let s = TcpStream::connect(&a.bootstrap).unwrap_or_else(|e| die(&e.to_string()));
    s.set_nodelay(true).unwrap();
    if a.produce() { produce(a, s) } else { consume(a, s) }
}

fn varint_len(v: i64) -> i64 {
    let z = ((v << 1) ^ (v >> 63)) as u64;
    i64::from((70 - (z | 1).leading_zeros()) / 7)
}

fn checksum(bytes: &[u8]) -> u32 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

/// The codecs of the libraries that kavka uses, with their contexts kept.
struct Codec {
    id: i16,
    records: Vec<u8>,
    block: Vec<u8>,
    table: CompressTable,
    zstd: mzstd::Compressor,
    unzstd: mzstd::Decompressor,
    deflate: flate2::Compress,
    snappy: snap::raw::Encoder,
}

impl Codec {
    fn new(name: &str) -> Codec {
        let id = ["none", "gzip", "snappy", "lz4", "zstd"].iter().position(|n| *n == name).unwrap_or_else(|| die(name)) as i16;
        let level = mzstd::Level::try_from(3).unwrap();
        Codec {
            id,
            records: Vec::new(),
            block: Vec::new(),
            table: CompressTable::small(),
            zstd: mzstd::Compressor::builder(mzstd::EncoderConfig::default().with_level(level)).build().unwrap(),
            unzstd: mzstd::Decompressor::builder(mzstd::DecoderConfig::default()).build(),
            deflate: flate2::Compress::new(flate2::Compression::default(), false),
            snappy: snap::raw::Encoder::new(),
        }
    }

    /// Appends the compressed form of `self.records`.
    fn compress(&mut self, out: &mut Vec<u8>) {
        let plain = &self.records[..];
        match self.id {
            1 => {
                out.extend([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
                out.reserve(plain.len() + 64);
                self.deflate.reset();
                self.deflate.compress_vec(plain, out, flate2::FlushCompress::Finish).unwrap();
                out.extend((crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, plain) as u32).to_le_bytes());
                out.extend((plain.len() as u32).to_le_bytes());
            }
            2 => {
                out.extend(b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01");
                for chunk in plain.chunks(32 << 10) {
                    self.block.resize(snap::raw::max_compress_len(32 << 10), 0);
                    let n = self.snappy.compress(chunk, &mut self.block).unwrap();
                    out.extend((n as i32).to_be_bytes());
                    out.extend(&self.block[..n]);
                }
            }
            3 => {
                out.extend([0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]);
                for chunk in plain.chunks(64 << 10) {
                    self.block.resize(get_maximum_output_size(64 << 10), 0);
                    let n = compress_into_with_table(chunk, &mut self.block, &mut self.table).unwrap();
                    out.extend((n as u32).to_le_bytes());
                    out.extend(&self.block[..n]);
                }
                out.extend([0; 4]);
            }
            4 => {
                self.block.clear();
                let range = self.zstd.compress_into(plain, &mut self.block).unwrap();
                out.extend(&self.block[range]);
            }
            _ => out.extend(plain),
        }
    }

    fn decompress<'a>(&mut self, id: i16, packed: &'a [u8], plain: &'a mut Vec<u8>) -> &'a [u8] {
        plain.clear();
        match id {
            0 => return packed,
            3 => {
                let mut at = 7;
                loop {
                    let size = u32::from_le_bytes(packed[at..at + 4].try_into().unwrap());
                    let len = (size & 0x7fff_ffff) as usize;
                    at += 4;
                    if size == 0 {
                        break;
                    }
                    let block = &packed[at..at + len];
                    at += len;
                    if size >> 31 == 1 {
                        plain.extend(block);
                    } else {
                        let from = plain.len();
                        plain.resize(from + (64 << 10), 0);
                        let n = decompress_into(block, &mut plain[from..]).unwrap();
                        plain.truncate(from + n);
                    }
                }
            }
            4 => {
                self.unzstd.decompress_into(packed, plain).unwrap();
            }
            other => die(&format!("floor: does not read codec {other}")),
        }
        plain
    }
}

/// Appends a batch of the records `from..from + n`.
fn batch(out: &mut Vec<u8>, data: &Payload, from: u64, n: usize, codec: &mut Codec) {
    let start = out.len();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    out.extend([0; 8]);
    out.extend([0; 4]);
    out.extend((-1i32).to_be_bytes());
    out.push(2);
    out.extend([0; 4]);
    out.extend(codec.id.to_be_bytes());
    out.extend((n as i32 - 1).to_be_bytes());
    out.extend(now.to_be_bytes());
    out.extend(now.to_be_bytes());
    out.extend((-1i64).to_be_bytes());
    out.extend((-1i16).to_be_bytes());
    out.extend((-1i32).to_be_bytes());
    out.extend((n as i32).to_be_bytes());
    if codec.id == 0 {
        records(out, data, from, n);
    } else {
        let mut plain = std::mem::take(&mut codec.records);
        plain.clear();
        records(&mut plain, data, from, n);
        codec.records = plain;
        codec.compress(out);
    }
    let len = (out.len() - start - 12) as i32;
    out[start + 8..start + 12].copy_from_slice(&len.to_be_bytes());
    let sum = checksum(&out[start + 21..]);
    out[start + 17..start + 21].copy_from_slice(&sum.to_be_bytes());
}

fn records(out: &mut Vec<u8>, data: &Payload, from: u64, n: usize) {
    let value_len = varint_len(data.size as i64);
    for i in 0..n {
        varint(out, 4 + varint_len(i as i64) + value_len + data.size as i64);
        out.push(0);
        varint(out, 0);
        varint(out, i as i64);
        varint(out, -1);
        varint(out, data.size as i64);
        out.extend_from_slice(data.get(from + i as u64));
        varint(out, 0);
    }
}

/// One Produce v7 request with a batch for each partition, built in place.
struct Request<'a> {
    data: &'a Payload,
    topic: String,
    acks: i16,
    codec: Codec,
    bytes: Vec<u8>,
}

impl Request<'_> {
    fn build(&mut self, from: u64, n: u64, parts: usize) -> &[u8] {
        let each = n.div_ceil(parts as u64);
        let shares: Vec<_> = (0..parts as u64).map(|p| (p, each.min(n.saturating_sub(p * each)))).filter(|x| x.1 > 0).collect();
        let b = &mut self.bytes;
        b.clear();
        b.extend([0; 4]);
        b.extend(0i16.to_be_bytes());
        b.extend(7i16.to_be_bytes());
        b.extend(1i32.to_be_bytes());
        string(b, NAME);
        b.extend((-1i16).to_be_bytes());
        b.extend(self.acks.to_be_bytes());
        b.extend(30_000i32.to_be_bytes());
        b.extend(1i32.to_be_bytes());
        string(b, &self.topic);
        b.extend((shares.len() as i32).to_be_bytes());
        for (p, count) in shares {
            b.extend((p as i32).to_be_bytes());
            let at = b.len();
            b.extend([0; 4]);
            batch(b, self.data, from + p * each, count as usize, &mut self.codec);
            let len = (b.len() - at - 4) as i32;
            b[at..at + 4].copy_from_slice(&len.to_be_bytes());
        }
        let len = b.len() as i32 - 4;
        b[..4].copy_from_slice(&len.to_be_bytes());
        b
    }
}

fn produce(a: Args, mut s: TcpStream) {
    let data = Payload::new(&a.payload, a.size);
    let acks = Acks::default();
    let level = match a.acks.as_str() {
        "all" => -1,
        "1" => 1,
        _ => die("floor: acks all or 1"),
    };
    let mut request = Request { data: &data, topic: a.topic.clone(), acks: level, codec: Codec::new(&a.compression), bytes: Vec::new() };
    let per = (a.batch_bytes.unwrap_or(16384).saturating_sub(61) / (a.size + 10)).max(1);
    let full = (per * a.partitions) as u64;
    let mut flying: VecDeque<(u64, u64)> = VecDeque::new();
    let mut buf = Vec::new();
    let answer = |s: &mut TcpStream, buf: &mut Vec<u8>, flying: &mut VecDeque<(u64, u64)>| {
        let (sent, n) = flying.pop_front().unwrap();
        frame(s, buf);
        acks.done_many(&vec![sent; n as usize], failures(buf) == 0);
    };
    let mut i = 0;
    while i < a.warmup {
        let n = full.min(a.warmup - i);
        s.write_all(request.build(i, n, a.partitions)).unwrap();
        flying.push_back((0, n));
        answer(&mut s, &mut buf, &mut flying);
        i += n;
    }
    let start = now_ns();
    let pace = Pacer::new(a.rate);
    let mut i = 0;
    while i < a.records {
        let due = pace.due(a.records);
        while i < due {
            let n = (due - i).min(full);
            let sent = now_ns();
            s.write_all(request.build(i, n, if a.rate.is_some() { 1 } else { a.partitions })).unwrap();
            flying.push_back((sent, n));
            i += n;
            if flying.len() == DEPTH || a.rate.is_some() {
                answer(&mut s, &mut buf, &mut flying);
            }
        }
        if i < a.records {
            std::thread::sleep(Pacer::TICK);
        }
    }
    while !flying.is_empty() {
        answer(&mut s, &mut buf, &mut flying);
    }
    acks.report(NAME, &a, start);
}

fn read_varint(b: &[u8], at: &mut usize) -> i64 {
    let (mut z, mut shift) = (0u64, 0);
    loop {
        let byte = b[*at];
        *at += 1;
        z |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return (z >> 1) as i64 ^ -((z & 1) as i64);
        }
        shift += 7;
    }
}

fn consume(a: Args, s: TcpStream) {
    let mut codec = Codec::new("none");
    let mut plain = Vec::new();
    peer_raw::consume(NAME, &a, s, |sink, from, first, batch| {
        if checksum(&batch[21..]) != i32_at(batch, 17) as u32 {
            die("wrong checksum");
        }
        let records = codec.decompress(i16_at(batch, 21) & 7, &batch[61..], &mut plain);
        let mut o = 0;
        for _ in 0..i32_at(batch, 57) {
            let len = read_varint(records, &mut o) as usize;
            let end = o + len;
            o += 1;
            let timestamp = read_varint(records, &mut o);
            std::hint::black_box(i64_at(batch, 27) + timestamp);
            let offset = first + read_varint(records, &mut o);
            let key = read_varint(records, &mut o);
            o += key.max(0) as usize;
            let value = read_varint(records, &mut o).max(0) as usize;
            if o + value > end {
                die("record beyond its end");
            }
            if offset >= from {
                sink.take(usize::try_from(key).ok(), value, offset);
            }
            o = end;
        }
    });
}
