//! What the application has marked as done, in whatever order it came to it.
//!
//! Pure. Kafka keeps one offset for each partition: everything before it is done. What is done
//! behind a record that is not must wait here until that is done too, as ranges that grow together:
//! they take as much room as there are records in between that are not done.
//!
//! ```text
//!   done ─▶│ not done │ ahead │ not done │ ahead │ ...
//! ```
//! A mark covers the offsets between its record and the one handed over before it as well, since
//! these hold none: compacted away, or markers of transactions.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::ids::{LeaderEpoch, Offset};

/// An offset, and the leader epoch of the record before it.
type End = (Offset, Option<LeaderEpoch>);

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Marks {
    /// The ranges that are done, by where they begin: they neither overlap nor touch.
    ahead: BTreeMap<Offset, End>,
}

impl Marks {
    /// Marks these offsets, of which the last is of a leader epoch, where everything before `done`
    /// is. Returns up to where everything is done now, if that is further on.
    pub(crate) fn mark(
        &mut self,
        done: Offset,
        offsets: Range<Offset>,
        epoch: Option<LeaderEpoch>,
    ) -> Option<End> {
        let mut start = offsets.start;
        let mut end = (offsets.end, epoch);
        if end.0 <= done || end.0 <= start {
            return None;
        }
        if let Some((&before, &its_end)) = self.ahead.range(..=start).next_back()
            && its_end.0 >= start
        {
            start = before;
            end = further(end, its_end);
        }
        while let Some((&next, &its_end)) = self.ahead.range(start..).next()
            && next <= end.0
        {
            self.ahead.remove(&next);
            end = further(end, its_end);
        }
        if start <= done {
            return Some(end);
        }
        self.ahead.insert(start, end);
        None
    }

    /// Whether a record is done ahead.
    #[cfg(feature = "mq")]
    pub(crate) fn is_marked(&self, offset: Offset) -> bool {
        self.ahead.range(..=offset).next_back().is_some_and(|(_, end)| offset < end.0)
    }

    /// The application goes elsewhere.
    pub(super) fn clear(&mut self) {
        self.ahead.clear();
    }
}

fn further(one: End, other: End) -> End {
    if other.0 > one.0 { other } else { one }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mark(marks: &mut Marks, done: &mut i64, offsets: Range<i64>) {
        let range = Offset(offsets.start)..Offset(offsets.end);
        let epoch = Some(LeaderEpoch(i32::try_from(offsets.end).unwrap()));
        if let Some(now) = marks.mark(Offset(*done), range, epoch) {
            assert!(now.0.0 > *done);
            assert_eq!(i64::from(now.1.unwrap().0), now.0.0, "of the last record");
            *done = now.0.0;
        }
    }

    #[test]
    fn what_is_done_ahead_waits_for_what_is_before_it() {
        let (mut marks, mut done) = (Marks::default(), 5);
        for (offsets, then) in [(7..8, 5), (6..7, 5), (9..10, 5), (5..6, 8), (8..9, 10)] {
            mark(&mut marks, &mut done, offsets.clone());
            assert_eq!(done, then, "after {offsets:?}");
        }
        assert!(marks.ahead.is_empty());
    }

    #[test]
    fn everything_before_an_offset_may_be_marked_at_once() {
        let (mut marks, mut done) = (Marks::default(), 5);
        mark(&mut marks, &mut done, 8..9);
        mark(&mut marks, &mut done, 11..12);
        mark(&mut marks, &mut done, 0..9);
        assert_eq!(done, 9);
        mark(&mut marks, &mut done, 0..7);
        assert_eq!(done, 9, "it never goes back");
        mark(&mut marks, &mut done, 0..11);
        assert_eq!(done, 12);
    }

    #[test]
    fn a_record_that_is_never_done_costs_one_range() {
        let (mut marks, mut done) = (Marks::default(), 0);
        for offset in (1..1_000).rev() {
            mark(&mut marks, &mut done, offset..offset + 1);
        }
        assert_eq!((done, marks.ahead.len()), (0, 1));
    }

    proptest! {
        #[test]
        fn done_is_the_first_that_is_not_marked(
            ranges in prop::collection::vec((0_i64..60, 1_i64..6), 0..80)
        ) {
            let (mut marks, mut done, mut model) = (Marks::default(), 10, [false; 70]);
            model[..10].fill(true);
            for (start, len) in ranges {
                mark(&mut marks, &mut done, start..start + len);
                model[start as usize..(start + len) as usize].fill(true);
                let first = model.iter().position(|is_done| !is_done).unwrap_or(70);
                prop_assert_eq!(done, i64::try_from(first).unwrap());
                for (at, end) in &marks.ahead {
                    prop_assert!(at.0 > done && (at.0..end.0.0).all(|at| model[at as usize]));
                }
            }
        }
    }
}
