//! Rooms and presence: which topics they are, and what their messages hold.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use kavka::NewTopic;
use kavka::mq::{self, Code, Message, Mq};

/// Who is where, by user: compacted, so that it holds one line for each who is there.
pub(crate) const PRESENCE: &str = "chat.presence";

/// The topic of a room. It has one partition, so that a room has one order; many rooms share a
/// cluster's brokers.
pub(crate) fn topic(room: &str) -> String {
    format!("chat.room.{room}")
}

/// Makes a room if there is none. Rooms need not be deleted: what is older than a week goes by
/// itself.
pub(crate) async fn open(mq: &Mq, room: &str) -> mq::Result<()> {
    let made = NewTopic::new(topic(room)).partitions(1).config("retention.ms", "604800000");
    match mq.admin().ensure_topic(made).await {
        Err(error) if error.code() == Code::InvalidTopic => Err(error),
        made => made.map(drop),
    }
}

/// Makes the topic of presence if there is none.
pub(crate) async fn open_presence(mq: &Mq) -> mq::Result<()> {
    let made = NewTopic::new(PRESENCE).partitions(1).config("cleanup.policy", "compact");
    mq.admin().ensure_topic(made).await.map(drop)
}

/// Says that a user is in a room, or with `None` that they have left.
pub(crate) async fn tell_presence(mq: &Mq, user: &str, room: Option<&str>) -> mq::Result<()> {
    let message = match room {
        Some(room) => Message::new(PRESENCE, room.to_owned()),
        None => Message::tombstone(PRESENCE),
    };
    let message = message.key(user.to_owned());
    mq.producer().send_message(&message).await?.await.map(drop)
}

/// Who is where, as the messages of presence say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Presence(Arc<Mutex<BTreeMap<String, String>>>);

impl Presence {
    pub(crate) fn hear(&self, message: &Message) {
        let Some(user) =
            message.key.as_deref().map(|key| String::from_utf8_lossy(key).into_owned())
        else {
            return;
        };
        let mut users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match message.text() {
            Some(room) => users.insert(user, room.to_owned()),
            None => users.remove(&user),
        };
    }

    pub(crate) fn users_in(&self, room: &str) -> Vec<String> {
        let users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        users.iter().filter(|(_, at)| *at == room).map(|(user, _)| user.clone()).collect()
    }
}
