//! The partitioners of other clients, by the names that they have there: who moves to this library
//! and keeps its topics has keys go where they went before.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::{Arc, Mutex};

use super::partitioner::{Partitioner, TopicPartitions, murmur2};
use crate::config::FromProperty;
use crate::error::{Error, Result};
use crate::ids::{PartitionId, TopicName};
use crate::record::Record;
use crate::sync::lock;

/// A [`Partitioner`] that another client has, by its name there: librdkafka's `partitioner`, or
/// Java's `partitioner.class`.
///
/// Records that it does not place are distributed as those without a key are by default, which is
/// in batches (KIP-480), and not each at random.
///
/// ```
/// use kavka::{KnownPartitioner, ProducerConfig};
///
/// // What librdkafka does by default, and Java does not: take it with topics of such a producer.
/// let config = ProducerConfig::new().partitioner(KnownPartitioner::consistent_random());
/// ```
#[derive(Clone, Debug)]
pub struct KnownPartitioner(Way);

#[derive(Clone, Debug)]
enum Way {
    Random,
    Consistent,
    ConsistentRandom,
    Murmur2,
    Murmur2Random,
    Fnv1a,
    Fnv1aRandom,
    RoundRobin(Arc<Mutex<BTreeMap<TopicName, u32>>>),
    LeastBackup,
}

impl KnownPartitioner {
    /// `random`: places no record, whatever its key; Java's `UniformStickyPartitioner`.
    pub fn random() -> Self {
        Self(Way::Random)
    }

    /// `consistent`: the CRC-32 of the key; no key is as an empty one.
    pub fn consistent() -> Self {
        Self(Way::Consistent)
    }

    /// `consistent_random`, librdkafka's default: the CRC-32 of the key, but for one that is empty.
    pub fn consistent_random() -> Self {
        Self(Way::ConsistentRandom)
    }

    /// `murmur2`: Java's hash of the key; no key is as an empty one.
    pub fn murmur2() -> Self {
        Self(Way::Murmur2)
    }

    /// `murmur2_random`: Java's way and the default here.
    pub fn murmur2_random() -> Self {
        Self(Way::Murmur2Random)
    }

    /// `fnv1a`: the 32-bit FNV-1a hash of the key; no key is as an empty one.
    pub fn fnv1a() -> Self {
        Self(Way::Fnv1a)
    }

    /// `fnv1a_random`: the 32-bit FNV-1a hash of the key, as Sarama's hash partitioner has it.
    pub fn fnv1a_random() -> Self {
        Self(Way::Fnv1aRandom)
    }

    /// Java's `RoundRobinPartitioner`: each record of a topic goes to the next partition that has a
    /// leader, whatever its key.
    pub fn round_robin() -> Self {
        Self(Way::RoundRobin(Arc::default()))
    }

    /// franz-go's `LeastBackupPartitioner`: each batch of a topic goes to a partition for which the
    /// fewest batches wait to be acknowledged, whatever the keys of its records.
    ///
    /// For those whose brokers fail often, and who do not mind that the others get more.
    pub fn least_backup() -> Self {
        Self(Way::LeastBackup)
    }

    /// Whether it is what a producer does without.
    pub(crate) fn is_default(&self) -> bool {
        matches!(self.0, Way::Murmur2Random)
    }
}

impl Partitioner for KnownPartitioner {
    fn partition(&self, record: &Record<'_>, topic: &TopicPartitions) -> Option<PartitionId> {
        let of = |hash: u32| Some(topic.of_hash(hash));
        let key = record.key.unwrap_or_default();
        match &self.0 {
            Way::Random | Way::LeastBackup => None,
            Way::Consistent => of(crc32(key)),
            Way::ConsistentRandom => {
                Some(key).filter(|key| !key.is_empty()).and_then(|key| of(crc32(key)))
            }
            Way::Murmur2 => of(murmur2(key) & 0x7fff_ffff),
            Way::Murmur2Random => record.key.map(|key| topic.of_key(key)),
            Way::Fnv1a => of(fnv1a(key)),
            Way::Fnv1aRandom => record.key.and_then(|key| of(fnv1a(key))),
            Way::RoundRobin(next) => {
                let mut next = lock(next);
                if next.len() >= MANY_TOPICS {
                    next.clear();
                }
                let next = match next.get_mut(record.topic) {
                    Some(next) => next,
                    None => next.entry(TopicName::from(record.topic)).or_default(),
                };
                let turn = *next;
                *next = next.wrapping_add(1);
                topic.in_turn(turn)
            }
        }
    }

    fn prefers_least_backup(&self) -> bool {
        matches!(self.0, Way::LeastBackup)
    }
}

/// By the name in librdkafka's `partitioner`, or the class in Java's `partitioner.class`.
impl FromStr for KnownPartitioner {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::from_property(name).ok_or_else(|| {
            Error::config(format!("no partitioner has the name: {} is allowed", Self::ALLOWED))
        })
    }
}

impl FromProperty for KnownPartitioner {
    const ALLOWED: &'static str = "random, consistent, consistent_random, murmur2, murmur2_random, \
                                   fnv1a, fnv1a_random, or Java's RoundRobinPartitioner, \
                                   UniformStickyPartitioner or DefaultPartitioner, while \
                                   ProducerConfig::partitioner takes one of your own,";

    fn from_property(name: &str) -> Option<Self> {
        let class = name.strip_prefix("org.apache.kafka.clients.producer.");
        let class = class.map(|class| class.trim_start_matches("internals."));
        Some(match class.unwrap_or(name) {
            "random" | "UniformStickyPartitioner" => Self::random(),
            "consistent" => Self::consistent(),
            "consistent_random" => Self::consistent_random(),
            "murmur2" => Self::murmur2(),
            "" | "murmur2_random" | "DefaultPartitioner" => Self::murmur2_random(),
            "fnv1a" => Self::fnv1a(),
            "fnv1a_random" => Self::fnv1a_random(),
            "RoundRobinPartitioner" => Self::round_robin(),
            _ => return None,
        })
    }
}

/// Of so many topics the turns are kept; then each begins anew.
const MANY_TOPICS: usize = 10_000;

fn crc32(key: &[u8]) -> u32 {
    crc_fast::crc32_iso_hdlc(key)
}

/// The hash, and of it as a signed number the absolute value.
fn fnv1a(key: &[u8]) -> u32 {
    let hash = key
        .iter()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    hash.cast_signed().unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(partitioner: &KnownPartitioner, key: Option<&[u8]>, partitions: usize) -> Option<i32> {
        let topic = TopicPartitions::new(vec![true; partitions]);
        let record = Record { key, ..Record::to("t") };
        partitioner.partition(&record, &topic).map(|partition| partition.0)
    }

    /// What librdkafka expects of its partitioners (its test 0048), which are hashes that `crc32`
    /// on the command line, Java and Go have made.
    #[test]
    fn keys_go_where_librdkafka_java_and_sarama_put_them() {
        const KEYS: [Option<&[u8]>; 5] = [
            None,
            Some(b""),
            Some(b"23456"),
            Some(b"this is another string with more length to it perhaps"),
            Some(b"hejsan"),
        ];
        const CRC: [u32; 3] = [0xb1b4_51d7, 0xb015_0df7, 0xd077_037e];
        const MURMUR: [u32; 4] = [0x106e_08d9, 0x058d_780f, 0x4f77_03da, 0x5ec1_9395];
        const FNV: [u32; 4] = [0x7ee3_623b, 0x27e6_f469, 0x155e_3e5f, 0x17b1_e27a];
        let hashes = |first: Option<u32>, second: Option<u32>, rest: &[u32]| {
            [first, second].into_iter().chain(rest.iter().copied().map(Some)).collect::<Vec<_>>()
        };
        for (name, expected) in [
            ("random", vec![None; 5]),
            ("consistent", hashes(Some(0), Some(0), &CRC)),
            ("consistent_random", hashes(None, None, &CRC)),
            ("murmur2", hashes(Some(MURMUR[0]), Some(MURMUR[0]), &MURMUR[1..])),
            ("murmur2_random", hashes(None, Some(MURMUR[0]), &MURMUR[1..])),
            ("fnv1a", hashes(Some(FNV[0]), Some(FNV[0]), &FNV[1..])),
            ("fnv1a_random", hashes(None, Some(FNV[0]), &FNV[1..])),
        ] {
            let partitioner: KnownPartitioner = name.parse().expect(name);
            for partitions in [7, 17, 1] {
                let expected: Vec<_> = expected
                    .iter()
                    .map(|hash| hash.map(|hash| i32::try_from(hash % partitions).expect("few")))
                    .collect();
                let count = usize::try_from(partitions).expect("few");
                let placed: Vec<_> =
                    KEYS.iter().map(|key| place(&partitioner, *key, count)).collect();
                assert_eq!(placed, expected, "{name} of {partitions}");
            }
        }
    }

    /// Hashes that Go's `hash/fnv` has made, from librdkafka's own test of it.
    #[test]
    fn the_fnv_hash_is_gos() {
        for (key, hash) in [
            ("kafka", 0x0d33_c4e1),
            ("giberish123456789", 0x77a5_8295),
            ("1234", 0x023b_dd03),
            ("234", 0x2dea_3cd2),
            ("34", 0x740f_a83e),
            ("4", 0x310c_a263),
            ("PreAmbleWillBeRemoved,ThePrePartThatIs", 0x65cb_d69c),
            ("", 0x7ee3_623b),
        ] {
            assert_eq!(fnv1a(key.as_bytes()), hash, "{key}");
        }
    }

    #[test]
    fn round_robin_goes_round_those_with_a_leader_topic_by_topic() {
        let partitioner: KnownPartitioner =
            "org.apache.kafka.clients.producer.RoundRobinPartitioner".parse().expect("Java's");
        let topic = TopicPartitions::new([true, false, true]);
        let next = |name: &str| {
            let record = Record { key: Some(b"k"), ..Record::to(name) };
            partitioner.partition(&record, &topic).expect("a partition").0
        };
        let turns: Vec<_> = ["a", "a", "b", "a", "b"].into_iter().map(next).collect();
        assert_eq!(turns, [0, 2, 0, 0, 2]);
        let none = TopicPartitions::new([false, false]);
        let record = Record::to("c");
        let turns: Vec<_> = (0..3).map(|_| partitioner.partition(&record, &none)).collect();
        assert_eq!(turns, [0, 1, 0].map(|turn| Some(PartitionId(turn))));
    }

    #[test]
    fn a_name_that_nobody_has_is_refused_with_those_that_there_are() {
        let error = "org.example.P".parse::<KnownPartitioner>().expect_err("nobody's").to_string();
        assert!(error.contains("consistent_random") && error.contains("allowed"), "{error}");
    }
}
