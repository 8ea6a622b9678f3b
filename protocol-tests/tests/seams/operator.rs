//! What an operator asks of the cluster while it is used.

use kavka::Admin;
use kavka::admin::{GroupFilter, OffsetSpec};
use tokio::sync::watch;

use crate::dice::Dice;
use crate::promise::Promise::DeliversItsOwn;
use crate::seat::Seat;
use crate::world::Ended;

impl Seat {
    /// Asks as an operator would; the answers agree with the books. The consumer's end is nothing
    /// to these calls.
    pub(crate) async fn administer(&self, admin: &Admin, dice: &mut Dice) {
        let (world, longest) = (&self.world, self.world.api_timeout());
        let (_kept, client) = watch::channel(false);
        let patience = dice.once_in(6).then(|| dice.millis(0..=20));
        let (begun, before) = (world.now(), world.ends());
        match dice.within(0..=4) {
            0 | 1 => {
                let asked =
                    async { Ok(admin.list_group_offsets([self.books.group.as_str()]).await) };
                let Ended::With(Ok(told)) =
                    world.call("list_group_offsets", longest, &client, patience, asked).await
                else {
                    return;
                };
                let Some(Ok(offsets)) = told.into_values().next() else { return };
                for partition in world.partitions() {
                    let Some(Ok(told)) =
                        offsets.get(&partition).map(|told| told.as_ref().map(|told| told.offset.0))
                    else {
                        continue;
                    };
                    self.books.check_told(&partition, Some(told), begun);
                }
            }
            2 => {
                let wanted =
                    world.partitions().into_iter().map(|partition| (partition, OffsetSpec::Latest));
                let asked = async { Ok(admin.list_offsets(wanted).await) };
                let Ended::With(Ok(told)) =
                    world.call("list_offsets", longest, &client, patience, asked).await
                else {
                    return;
                };
                for (partition, told) in told
                    .into_iter()
                    .filter_map(|(partition, told)| told.ok().map(|told| (partition, told.offset)))
                {
                    let is_true = told.is_some_and(|told| {
                        (before[&partition]..=world.end(&partition)).contains(&told.0)
                    });
                    world.check(is_true, DeliversItsOwn, || {
                        format!("{partition} is told to end at {told:?}")
                    });
                }
            }
            3 => {
                let topics = admin.list_topics();
                if let Ended::With(Ok(told)) =
                    world.call("list_topics", longest, &client, patience, topics).await
                {
                    world.check(told.len() == world.topics.len(), DeliversItsOwn, || {
                        format!("{told:?} are told as topics")
                    });
                }
            }
            _ => {
                let groups = admin.list_groups(GroupFilter::all());
                drop(world.call("list_groups", longest, &client, patience, groups).await);
                let described =
                    async { Ok(admin.describe_classic_groups([self.books.group.as_str()]).await) };
                drop(
                    world
                        .call("describe_classic_groups", longest, &client, patience, described)
                        .await,
                );
            }
        }
    }
}
