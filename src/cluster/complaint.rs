//! When to say that something still does not work: soon, and then ever more rarely.

use std::time::{Duration, Instant};

/// How long trouble may last before it is told: a broker that restarts is none.
pub(super) const FIRST: Duration = Duration::from_secs(1);

/// The longest silence about trouble that lasts.
const LONGEST: Duration = Duration::from_secs(300);

/// Trouble of one kind, if there is some.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Complaint(Option<OngoingTrouble>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OngoingTrouble {
    since: Instant,
    due: Instant,
}

impl Complaint {
    /// There is trouble, perhaps as before.
    pub(super) fn begin(&mut self, now: Instant) {
        self.0.get_or_insert(OngoingTrouble { since: now, due: now + FIRST });
    }

    /// There is none.
    pub(super) fn end(&mut self) {
        self.0 = None;
    }

    /// How long the trouble has lasted, if that is to be told now.
    pub(super) fn poll(&mut self, now: Instant) -> Option<Duration> {
        let lasted = self.lasting(now)?;
        self.told(now);
        Some(lasted)
    }

    /// What [`Complaint::poll`] would tell.
    pub(super) fn lasting(&self, now: Instant) -> Option<Duration> {
        self.0.filter(|trouble| trouble.due <= now).map(|trouble| now - trouble.since)
    }

    /// The trouble is told, perhaps before its time.
    pub(super) fn told(&mut self, now: Instant) {
        if let Some(trouble) = &mut self.0 {
            trouble.due = now + (now - trouble.since).clamp(FIRST, LONGEST);
        }
    }

    /// Whether there is trouble that was told.
    pub(super) fn is_told(&self) -> bool {
        self.0.is_some_and(|trouble| trouble.due > trouble.since + FIRST)
    }

    /// When [`Complaint::poll`] will have something to tell.
    pub(super) fn due(&self) -> Option<Instant> {
        self.0.map(|trouble| trouble.due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_is_told_soon_and_then_ever_more_rarely() {
        let start = Instant::now();
        let mut complaint = Complaint::default();
        assert_eq!(complaint.poll(start), None);
        let mut told = Vec::new();
        for second in 0..2000 {
            let now = start + Duration::from_secs(second);
            complaint.begin(now);
            told.extend(complaint.poll(now).map(|lasted| lasted.as_secs()));
        }
        assert_eq!(told, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 812, 1112, 1412, 1712]);
    }

    #[test]
    fn trouble_that_ends_is_forgotten() {
        let start = Instant::now();
        let mut complaint = Complaint::default();
        complaint.begin(start);
        complaint.end();
        assert_eq!((complaint.due(), complaint.poll(start + Duration::from_secs(9))), (None, None));
    }
}
