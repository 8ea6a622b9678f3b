//! What members of a classic group tell each other through the coordinator, which does not look
//! inside.
//!
//! A member's *subscription* goes to the leader with JoinGroup; the leader's *assignment* comes
//! back with SyncGroup. Whichever client leads decides for all, so both are byte for byte those of
//! Kafka's own consumer (schemas `ConsumerProtocolSubscription` and `ConsumerProtocolAssignment`,
//! versions 0 to 3):
//!
//! ```text
//! subscription  version:i16 topics:[string] user_data:bytes? | v1 owned:[topic [i32]] | v2 generation:i32 | v3 rack:string?
//! assignment    version:i16 partitions:[topic [i32]] user_data:bytes?
//! ```
//!
//! A version newer than ours is read as our newest, as Kafka promises only to append; a blob that
//! ends too early is an error, since a silently smaller assignment would leave partitions without
//! an owner.

use crate::consumer::assignor::{MemberAssignment, MemberSubscription};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{Generation, TopicName, TopicPartition};

impl MemberSubscription {
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        self.encode_as(NEWEST)
    }

    /// # Errors
    /// [`ErrorKind::Config`] if a name does not fit the format.
    pub(crate) fn encode_as(&self, version: i16) -> Result<Vec<u8>> {
        let mut to = MemberDataWriter::default();
        to.i16(version);
        let mut topics: Vec<&TopicName> = self.topics.iter().collect();
        topics.sort_unstable();
        to.count(topics.len())?;
        for topic in topics {
            to.string(topic)?;
        }
        to.bytes(self.user_data.as_deref())?;
        if version >= 1 {
            to.partitions(&self.owned_partitions)?;
        }
        if version >= 2 {
            to.i32(self.generation.map_or(-1, |generation| generation.0));
        }
        if version >= 3 {
            to.nullable_string(self.rack.as_deref())?;
        }
        Ok(to.0)
    }

    /// # Errors
    /// [`ErrorKind::Corrupt`] if the bytes end before the fields do.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        Self::read(&mut MemberDataReader::new(bytes, "subscription"))
            .map_err(|error| error.with_context("the subscription of a group member"))
    }

    fn read(from: &mut MemberDataReader<'_>) -> Result<Self> {
        let version = from.version()?;
        let mut topics = Vec::new();
        // A topic takes at least its two bytes of length.
        for _ in 0..from.count(2)? {
            topics.push(TopicName::from(from.string()?));
        }
        let user_data = from.bytes()?.map(<[u8]>::to_vec);
        let owned_partitions = if version >= 1 { from.partitions()? } else { Vec::new() };
        let generation = if version >= 2 {
            Some(from.i32()?).filter(|&generation| generation >= 0)
        } else {
            None
        };
        let rack = if version >= 3 {
            from.nullable_string()?.filter(|rack| !rack.is_empty())
        } else {
            None
        };
        Ok(Self {
            topics,
            user_data,
            owned_partitions,
            generation: generation.map(Generation),
            rack: rack.map(str::to_owned),
        })
    }
}

impl MemberAssignment {
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        let mut to = MemberDataWriter::default();
        to.i16(NEWEST);
        to.partitions(&self.partitions)?;
        to.bytes(self.user_data.as_deref())?;
        Ok(to.0)
    }

    /// Reads what SyncGroup brought; no bytes at all mean nothing assigned, as brokers answer for a
    /// member that the leader left out.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] if the bytes end before the fields do.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        Self::read(&mut MemberDataReader::new(bytes, "assignment"))
            .map_err(|error| error.with_context("the assignment of the group leader"))
    }

    fn read(from: &mut MemberDataReader<'_>) -> Result<Self> {
        from.version()?;
        let partitions = from.partitions()?;
        let user_data = from.bytes()?.map(<[u8]>::to_vec);
        Ok(Self { partitions, user_data })
    }
}

/// Writes the primitive types of Kafka's first protocol: big-endian, lengths before contents.
#[derive(Debug, Default)]
pub(super) struct MemberDataWriter(pub(super) Vec<u8>);

impl MemberDataWriter {
    pub(super) fn i16(&mut self, value: i16) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn i32(&mut self, value: i32) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    /// `[topic [partition]]`, sorted, as Kafka's consumer writes it.
    pub(super) fn partitions(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let topics = TopicPartition::by_topic(partitions.iter().map(|tp| (tp, ())));
        self.count(topics.len())?;
        for (topic, mut partitions) in topics {
            partitions.sort_unstable();
            self.string(topic)?;
            self.count(partitions.len())?;
            for (partition, ()) in partitions {
                self.i32(partition.0);
            }
        }
        Ok(())
    }

    fn count(&mut self, count: usize) -> Result<()> {
        self.i32(
            i32::try_from(count).map_err(|_| {
                Error::config("a group member cannot tell of more than 2^31-1 things")
            })?,
        );
        Ok(())
    }

    fn string(&mut self, value: &str) -> Result<()> {
        let length = i16::try_from(value.len())
            .map_err(|_| Error::config("a name of a group member is over 32767 bytes"))?;
        self.i16(length);
        self.0.extend_from_slice(value.as_bytes());
        Ok(())
    }

    fn nullable_string(&mut self, value: Option<&str>) -> Result<()> {
        match value {
            Some(value) => self.string(value),
            None => {
                self.i16(-1);
                Ok(())
            }
        }
    }

    fn bytes(&mut self, value: Option<&[u8]>) -> Result<()> {
        match value {
            Some(value) => {
                self.count(value.len())?;
                self.0.extend_from_slice(value);
            }
            None => self.i32(-1),
        }
        Ok(())
    }
}

/// Reads what [`MemberDataWriter`] writes, from bytes that any client may have made.
#[derive(Debug)]
pub(super) struct MemberDataReader<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> MemberDataReader<'a> {
    pub(super) fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { rest: bytes, what }
    }

    pub(super) fn i32(&mut self) -> Result<i32> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    pub(super) fn partitions(&mut self) -> Result<Vec<TopicPartition>> {
        let mut all = Vec::new();
        // A topic takes at least the lengths of its name and of its partitions.
        for _ in 0..self.count(6)? {
            let topic = TopicName::from(self.string()?);
            for _ in 0..self.count(4)? {
                all.push(TopicPartition { topic: topic.clone(), partition: self.i32()?.into() });
            }
        }
        Ok(all)
    }

    fn version(&mut self) -> Result<i16> {
        let version = i16::from_be_bytes(self.array()?);
        if version < 0 { Err(self.bad("has a negative version")) } else { Ok(version.min(NEWEST)) }
    }

    /// A number of things of at least `size` bytes each: refused if the rest could not hold them.
    fn count(&mut self, size: usize) -> Result<usize> {
        let count = usize::try_from(self.i32()?).map_err(|_| self.bad("has a negative count"))?;
        if count > self.rest.len() / size { Err(self.bad("is cut short")) } else { Ok(count) }
    }

    fn string(&mut self) -> Result<&'a str> {
        self.nullable_string()?.ok_or_else(|| self.bad("lacks a name"))
    }

    fn nullable_string(&mut self) -> Result<Option<&'a str>> {
        let length = i16::from_be_bytes(self.array()?);
        if length == -1 {
            return Ok(None);
        }
        let length = usize::try_from(length).map_err(|_| self.bad("has a negative length"))?;
        let text = self.take(length)?;
        std::str::from_utf8(text).map(Some).map_err(|_| self.bad("has a name that is not UTF-8"))
    }

    fn bytes(&mut self) -> Result<Option<&'a [u8]>> {
        let length = self.i32()?;
        if length == -1 {
            return Ok(None);
        }
        let length = usize::try_from(length).map_err(|_| self.bad("has a negative length"))?;
        self.take(length).map(Some)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk().ok_or_else(|| self.bad("is cut short"))?;
        self.rest = rest;
        Ok(*head)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (head, rest) =
            self.rest.split_at_checked(length).ok_or_else(|| self.bad("is cut short"))?;
        self.rest = rest;
        Ok(head)
    }

    fn bad(&self, fault: &str) -> Error {
        // Another member has written it: asking the broker again brings the same.
        Error::new(ErrorKind::Corrupt, format!("{} {fault}", self.what))
    }
}

/// The newest version of both schemas (KIP-881).
const NEWEST: i16 = 3;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tp(topic: &str, partition: i32) -> TopicPartition {
        TopicPartition::new(topic, partition)
    }

    fn full() -> MemberSubscription {
        MemberSubscription {
            topics: vec!["b".into(), "a".into()],
            user_data: Some(vec![1, 2]),
            owned_partitions: vec![tp("b", 1), tp("a", 2), tp("b", 0)],
            generation: Some(Generation(7)),
            rack: Some("r1".to_owned()),
        }
    }

    #[test]
    fn a_subscription_is_sorted_and_laid_out_as_javas() {
        let bytes = full().encode().unwrap();
        #[rustfmt::skip]
        let expected = [
            0, 3, // version
            0, 0, 0, 2, 0, 1, b'a', 0, 1, b'b', // topics
            0, 0, 0, 2, 1, 2, // user data
            0, 0, 0, 2, 0, 1, b'a', 0, 0, 0, 1, 0, 0, 0, 2, // owned: a-2
            0, 1, b'b', 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, // b-0, b-1
            0, 0, 0, 7, // generation
            0, 2, b'r', b'1', // rack
        ];
        assert_eq!(bytes, expected);
    }

    #[test]
    fn an_older_version_leaves_out_what_it_does_not_know() {
        let read =
            |version| MemberSubscription::decode(&full().encode_as(version).unwrap()).unwrap();
        assert_eq!(
            (read(0).owned_partitions.len(), read(0).generation, read(0).rack),
            (0, None, None)
        );
        assert_eq!(
            (read(1).owned_partitions.len(), read(1).generation, read(1).rack),
            (3, None, None)
        );
        assert_eq!((read(2).generation, read(2).rack), (Some(Generation(7)), None));
        assert_eq!(read(3).rack.as_deref(), Some("r1"));
    }

    #[test]
    fn a_newer_version_is_read_as_the_newest_known() {
        let mut bytes = full().encode().unwrap();
        bytes[1] = 9;
        bytes.extend_from_slice(b"fields of the future");
        let sorted = MemberSubscription::decode(&full().encode().unwrap()).unwrap();
        assert_eq!(MemberSubscription::decode(&bytes).unwrap(), sorted);
    }

    #[test]
    fn a_truncated_blob_is_an_error_and_never_a_smaller_one() {
        let subscription = full().encode().unwrap();
        let assignment =
            MemberAssignment { partitions: vec![tp("a", 0), tp("b", 3)], user_data: None }
                .encode()
                .unwrap();
        for end in 0..subscription.len() {
            assert!(MemberSubscription::decode(&subscription[..end]).is_err(), "cut at {end}");
        }
        for end in 1..assignment.len() {
            assert!(MemberAssignment::decode(&assignment[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn a_member_that_the_leader_left_out_owns_nothing() {
        assert_eq!(MemberAssignment::decode(&[]).unwrap(), MemberAssignment::default());
    }

    proptest! {
        #[test]
        fn whatever_a_peer_sends_nothing_panics(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let _ = MemberSubscription::decode(&bytes);
            let _ = MemberAssignment::decode(&bytes);
        }

        #[test]
        fn what_is_written_is_read_back(
            partitions in proptest::collection::btree_set(("[a-c]{1,3}", 0..9), 0..20),
        ) {
            let partitions: Vec<_> = partitions.iter().map(|(topic, p)| tp(topic, *p)).collect();
            let assignment = MemberAssignment { partitions, user_data: Some(vec![]) };
            prop_assert_eq!(MemberAssignment::decode(&assignment.encode().unwrap()).unwrap(), assignment);
        }
    }
}
