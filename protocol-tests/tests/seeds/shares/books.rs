//! What the members of one share group were given and have said, what they were told became of it,
//! and the rules that hold between all this and what the brokers know.

mod checks;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kavka::{AcknowledgeType, Result, ShareRecord, TopicPartition};
use tokio::time::Instant;

use super::Stage;
use super::brokers::Standing;
use super::plan::{GroupPlan, MemberPlan};
use super::voices::{Key, Outcome, ToldOf, Voices};

/// See the [module](self).
pub(super) struct Books {
    pub(super) plan: GroupPlan,
    stage: Arc<Stage>,
    started: Instant,
    pages: Mutex<Pages>,
}

#[derive(Default)]
struct Pages {
    members: Vec<Member>,
    deliveries: Vec<Delivery>,
    /// What applications have in their hands, by the number of the delivery.
    held: BTreeMap<usize, ShareRecord>,
    records: BTreeMap<Key, Entry>,
    sayings: Vec<Saying>,
    voices: Voices,
    /// What somebody waits for to be answered.
    open: BTreeMap<usize, Saying>,
    /// What must be taken, of which the listener was not told yet.
    unheard: BTreeSet<usize>,
    /// Client and second of each call.
    calls: Vec<(String, Duration)>,
}

struct Member {
    id: String,
    client: String,
    plan: MemberPlan,
    /// When it has last begun to leave.
    left: Option<Instant>,
    /// Nothing that it has counts any more.
    is_over: bool,
}

/// A record that an application was given.
struct Delivery {
    member: usize,
    key: Key,
    count: u16,
    at: Instant,
    is_said: bool,
}

/// What is known of a record.
#[derive(Default)]
struct Entry {
    /// When it was confirmed that it is not delivered any more.
    settled: Option<Instant>,
    /// How often it was said that it is accepted, or rejected, where that may have been heard.
    accepts: usize,
    rejects: usize,
    /// Its newest delivery: which time its leader had read its state, and the count.
    newest: Option<(u64, u16)>,
    /// The count of the last delivery whose release was confirmed.
    released: u16,
    /// It has ended without a reason, which is told once.
    is_wrong: bool,
}

/// What was said of a record.
#[derive(Clone, Debug)]
pub(super) struct Saying {
    number: usize,
    member: usize,
    key: Key,
    count: u16,
    pub(super) what: AcknowledgeType,
    at: Instant,
    /// Nothing that the member or the network has done can have it fail.
    must_hold: bool,
    /// A broker may have heard it.
    is_heard: bool,
    /// The member had been given the record once more before, and this is of the older delivery.
    is_outdated: bool,
}

impl Pages {
    /// Whether the member of a delivery was given the record once more.
    fn has_newer(&self, number: usize) -> bool {
        let delivery = &self.deliveries[number];
        let of = |one: &Delivery| one.member == delivery.member && one.key == delivery.key;
        self.deliveries.iter().skip(number + 1).any(of)
    }
}

impl Entry {
    /// Takes back what was said, as nobody has heard it.
    fn unsay(&mut self, what: AcknowledgeType) {
        match what {
            AcknowledgeType::Accept => self.accepts -= 1,
            AcknowledgeType::Reject => self.rejects -= 1,
            _ => {}
        }
    }
}

impl Books {
    pub(super) fn new(stage: &Arc<Stage>, plan: &GroupPlan) -> Self {
        let pages = Mutex::default();
        Self { plan: plan.clone(), stage: Arc::clone(stage), started: Instant::now(), pages }
    }

    pub(super) fn joins(&self, id: &str, client: &str, plan: &MemberPlan) -> usize {
        let mut pages = self.pages.lock().unwrap();
        pages.members.push(Member {
            id: id.to_owned(),
            client: client.to_owned(),
            plan: plan.clone(),
            left: None,
            is_over: false,
        });
        let number = pages.members.len() - 1;
        drop(pages);
        self.say(format_args!("{number} joins as {id}: {plan:?}"));
        number
    }

    /// A member begins to leave: brokers may release what it has before it hears of that.
    pub(super) fn leaves(&self, member: usize) {
        self.pages.lock().unwrap().members[member].left = Some(Instant::now());
    }

    /// A member is about to be no more: nothing that it has counts from here on.
    pub(super) fn dies(&self, member: usize) {
        self.say(format_args!("{member} is as good as dead"));
        self.pages.lock().unwrap().members[member].is_over = true;
    }

    /// A member is no more; what is in its hands goes.
    pub(super) fn ends(&self, member: usize) {
        let mut pages = self.pages.lock().unwrap();
        pages.members[member].is_over = true;
        let Pages { held, deliveries, .. } = &mut *pages;
        held.retain(|number, _| deliveries[*number].member != member);
    }

    /// An application calls something for which brokers may be asked.
    pub(super) fn calls_out(&self, member: usize) {
        let mut pages = self.pages.lock().unwrap();
        let client = pages.members[member].client.clone();
        pages.calls.push((client, self.started.elapsed()));
    }

    pub(super) fn calls(&self) -> Vec<(String, Duration)> {
        self.pages.lock().unwrap().calls.clone()
    }

    /// An application was given a record, which it keeps; gives the number of the delivery.
    pub(super) fn holds(&self, member: usize, record: ShareRecord) -> usize {
        let number = self.delivered(member, &record);
        self.pages.lock().unwrap().held.insert(number, record);
        number
    }

    /// An application was given a record.
    pub(super) fn delivered(&self, member: usize, record: &ShareRecord) -> usize {
        let mut pages = self.pages.lock().unwrap();
        let (partition, offset) = (record.topic_partition().clone(), record.offset().0);
        let standing = Standing::of(&self.stage.world.embedded, self.plan.name, &partition);
        let delivery = Delivery {
            member,
            key: (partition, offset),
            count: record.delivery_count(),
            at: Instant::now(),
            is_said: false,
        };
        self.say(format_args!(
            "{member} is given {} {offset} the {}. time",
            delivery.key.0, delivery.count
        ));
        self.check_record(record, &delivery);
        self.check_delivery(&mut pages, &delivery, &standing);
        self.check_others(&pages, &delivery);
        pages.deliveries.push(delivery);
        pages.deliveries.len() - 1
    }

    /// What is in the hands of a member, and what the delivery says.
    pub(super) fn in_hand(&self, member: usize) -> Vec<usize> {
        let pages = self.pages.lock().unwrap();
        let of = |number: &&usize| pages.deliveries[**number].member == member;
        pages.held.keys().filter(of).copied().collect()
    }

    pub(super) fn key_of(&self, number: usize) -> Key {
        self.pages.lock().unwrap().deliveries[number].key.clone()
    }

    /// Whether a member was ever given a record.
    pub(super) fn was_given(&self, member: usize, partition: &TopicPartition, offset: i64) -> bool {
        let pages = self.pages.lock().unwrap();
        let of =
            |one: &Delivery| one.member == member && (&one.key.0, one.key.1) == (partition, offset);
        pages.deliveries.iter().any(of)
    }

    /// Whether a member was given a record once more.
    pub(super) fn has_newer(&self, number: usize) -> bool {
        self.pages.lock().unwrap().has_newer(number)
    }

    /// Takes a record out of a member's hands, if it is still there.
    pub(super) fn take(&self, number: usize) -> Option<ShareRecord> {
        self.pages.lock().unwrap().held.remove(&number)
    }

    /// Does something with a record that stays where it is.
    pub(super) fn with<T>(&self, number: usize, what: impl FnOnce(&ShareRecord) -> T) -> Option<T> {
        self.pages.lock().unwrap().held.get(&number).map(what)
    }

    /// A member is about to say something of a record, whose lock holds for so long yet; `None` if
    /// it has said something before.
    pub(super) fn says(
        &self,
        number: usize,
        what: AcknowledgeType,
        left: Option<Duration>,
    ) -> Option<Saying> {
        let mut pages = self.pages.lock().unwrap();
        let is_outdated = pages.has_newer(number);
        let Pages { members, deliveries, records, sayings, voices, .. } = &mut *pages;
        let delivery = &mut deliveries[number];
        if delivery.is_said {
            return None;
        }
        let (member, key) = (delivery.member, delivery.key.clone());
        let saying = sayings.len();
        if what != AcknowledgeType::Renew {
            delivery.is_said = true;
        }
        match what {
            AcknowledgeType::Renew => {}
            _ if is_outdated => voices.says_too_late(member, &key),
            _ => voices.says(member, &key, saying),
        }
        let entry = records.entry(key.clone()).or_default();
        match what {
            AcknowledgeType::Accept => entry.accepts += 1,
            AcknowledgeType::Reject => entry.rejects += 1,
            _ => {}
        }
        let is_exact = self.is_exact(&members[member], delivery.at);
        let must_hold = is_exact && left.is_some_and(|left| left > margin(&members[member].plan));
        let (at, count) = (Instant::now(), delivery.count);
        self.say(format_args!("{member} says {what:?} of {} {}", key.0, key.1));
        let saying = Saying {
            number: saying,
            member,
            key,
            count,
            what,
            at,
            must_hold,
            is_heard: true,
            is_outdated,
        };
        sayings.push(saying.clone());
        if must_hold && what != AcknowledgeType::Renew && !is_outdated {
            pages.unheard.insert(saying.number);
        }
        Some(saying)
    }

    /// A listener is told what became of what was said of a record.
    pub(super) fn told(&self, member: usize, key: &Key, result: &Result<()>) {
        let outcome = Outcome::of(result);
        let mut pages = self.pages.lock().unwrap();
        // The records that its application still has are dropped: that is said too late.
        if outcome != Outcome::Taken && pages.members[member].is_over {
            return;
        }
        let number = match pages.voices.told(member, key, outcome) {
            ToldOf::Saying(number) => number,
            ToldOf::Outdated => return,
            ToldOf::Nothing => {
                let (partition, offset) = key;
                return self.wrong(format_args!(
                    "{member} is told {outcome:?} of {partition} {offset} and has said nothing"
                ));
            }
        };
        pages.unheard.remove(&number);
        let saying = pages.sayings[number].clone();
        match outcome {
            Outcome::Taken => self.is_taken(&mut pages, &saying),
            _ => is_in_vain(&mut pages, number, outcome),
        }
    }

    /// Somebody waits for what becomes of what was said, until what this returns is dropped.
    pub(super) fn awaits<'a>(&'a self, sayings: &'a [Saying]) -> impl Drop + use<'a> {
        let open = sayings.iter().map(|saying| (saying.number, saying.clone()));
        self.pages.lock().unwrap().open.extend(open);
        Waiting { books: self, sayings }
    }

    /// Tells what became of what was said of some records at once.
    pub(super) fn resolved(&self, sayings: &[Saying], result: &Result<()>) {
        let outcome = Outcome::of(result);
        for saying in sayings {
            let Saying { member, key, what, .. } = saying;
            self.say(format_args!("{member} hears {outcome:?} of {what:?} {} {}", key.0, key.1));
            let mut pages = self.pages.lock().unwrap();
            pages.open.remove(&saying.number);
            match result {
                Ok(()) => self.is_taken(&mut pages, saying),
                Err(error) => {
                    let speaker = &pages.members[*member];
                    // Whoever leaves needs nothing longer.
                    let needs_not =
                        *what == AcknowledgeType::Renew && speaker.left >= Some(saying.at);
                    self.check_failure(saying, speaker.is_over || needs_not, error);
                    // Of several, one has failed, and nobody knows which.
                    if sayings.len() == 1 {
                        is_in_vain(&mut pages, saying.number, outcome);
                    }
                }
            }
            if *what != AcknowledgeType::Renew {
                self.check_listener(&pages, saying, sayings.len() == 1, outcome);
            }
        }
    }

    fn is_taken(&self, pages: &mut Pages, saying: &Saying) {
        let entry = pages.records.entry(saying.key.clone()).or_default();
        match saying.what {
            AcknowledgeType::Accept | AcknowledgeType::Reject => {
                entry.settled = entry.settled.or(Some(Instant::now()));
            }
            AcknowledgeType::Release => entry.released = entry.released.max(saying.count),
            _ => {}
        }
        self.check_taken(saying);
    }

    /// How long an answer to what was said may take: while a member and its brokers are undisturbed
    /// a fetch that waits is the longest that is before it. Else the lock ends it that is not sent,
    /// and the timeout of a request what is; it may be sent again by another session.
    pub(super) fn longest_answer(&self, sayings: &[Saying]) -> Duration {
        let pages = self.pages.lock().unwrap();
        let plan = |saying: &Saying| &pages.members[saying.member].plan;
        match sayings.first() {
            Some(saying) if saying.must_hold => margin(plan(saying)),
            _ => self.plan.lock * 2 + self.stage.longest_request() * 3,
        }
    }

    /// Whether nothing but time takes from a member what it was given at an instant.
    fn is_exact(&self, member: &Member, given: Instant) -> bool {
        let closing = member.plan.max_wait + Duration::from_millis(200);
        let has_stayed = member.left.is_none_or(|left| left + closing < given);
        has_stayed && !member.plan.is_lax && !member.is_over && self.stage.is_quiet_since(given)
    }

    fn say(&self, what: std::fmt::Arguments<'_>) {
        self.stage.world.log.say(format_args!("{}: {what}", self.plan.name));
    }

    fn wrong(&self, what: std::fmt::Arguments<'_>) {
        self.stage.world.log.wrong(format_args!("{}: {what}", self.plan.name));
    }
}

/// What was said was not heard by any broker, if its end says so.
fn is_in_vain(pages: &mut Pages, number: usize, outcome: Outcome) {
    let Pages { sayings, records, .. } = pages;
    let saying = &mut sayings[number];
    if outcome.is_in_vain() && saying.is_heard {
        saying.is_heard = false;
        records.entry(saying.key.clone()).or_default().unsay(saying.what);
    }
}

/// How long what is said waits at most, undisturbed: for a fetch under way, for more to be said, and
/// for the fetch that takes it along.
fn margin(plan: &MemberPlan) -> Duration {
    plan.max_wait * 2 + Duration::from_millis(150)
}

/// Somebody who waits for what becomes of what was said.
struct Waiting<'a> {
    books: &'a Books,
    sayings: &'a [Saying],
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut pages = self.books.pages.lock().unwrap();
        self.sayings.iter().for_each(|saying| drop(pages.open.remove(&saying.number)));
    }
}
