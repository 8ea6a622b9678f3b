//! Callbacks: called once, however a record ends.

use std::sync::Mutex;

use super::*;
use crate::producer::Purge;
use crate::record::RecordMetadata;

/// What callbacks were told, in order.
#[derive(Clone, Debug, Default)]
struct Told(Arc<Mutex<Vec<Result<i64, (ErrorKind, Option<Written>)>>>>);

impl Told {
    fn callback(&self) -> impl FnOnce(crate::Result<RecordMetadata>) + Send + 'static {
        let told = Arc::clone(&self.0);
        move |written| {
            let written = written.map(|written| written.offset.expect("acknowledged").0);
            let written = written.map_err(|error| (error.kind(), error.written()));
            told.lock().expect("not poisoned").push(written);
        }
    }

    #[track_caller]
    fn is(&self, expected: &[Result<i64, (ErrorKind, Option<Written>)>]) {
        assert_eq!(*self.0.lock().expect("not poisoned"), expected);
    }
}

const NO: Option<Written> = Some(Written::No);
const MAYBE: Option<Written> = Some(Written::Maybe);

fn lingering() -> ProducerConfig {
    ProducerConfig::new().linger(Duration::from_secs(60))
}

#[tokio::test(start_paused = true)]
async fn a_flush_returns_after_the_callbacks_of_what_was_acknowledged() {
    let embedded = brokers(1).await;
    let producer = producer(&embedded, lingering());
    let told = Told::default();
    for delivery in send_numbers(&producer, 0, 0..3).await {
        delivery.on_completion(told.callback());
    }
    told.is(&[]);
    producer.flush().await.unwrap();
    told.is(&[Ok(0), Ok(1), Ok(2)]);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_fails_tells_its_callback_why() {
    let embedded = brokers(1).await;
    embedded.fault(
        Fault::on(ApiKey::Produce)
            .topic("t")
            .then(Reaction::Answer(Code::TopicAuthorizationFailed)),
    );
    let producer = producer(&embedded, ProducerConfig::new());
    let told = Told::default();
    producer.send(to(0).value("x")).await.unwrap().on_completion(told.callback());
    producer.flush().await.unwrap();
    told.is(&[Err((ErrorKind::Broker, NO))]);
}

#[tokio::test(start_paused = true)]
async fn a_close_that_does_not_wait_tells_every_callback_before_it_returns() {
    let embedded = brokers(1).await;
    let producer = producer(&embedded, ProducerConfig::new());
    all(send_numbers(&producer, 0, 0..1).await).await;
    embedded.fault(Fault::on(ApiKey::Produce).then(Reaction::DropReply));
    let told = Told::default();
    producer.send(to(0).value("sent")).await.unwrap().on_completion(told.callback());
    tokio::time::sleep(Duration::from_secs(1)).await;
    producer.send(to(1).value("open")).await.unwrap().on_completion(told.callback());
    drop(producer.close(Duration::ZERO).await);
    told.is(&[Err((ErrorKind::Closed, MAYBE)), Err((ErrorKind::Closed, NO))]);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_client_tells_every_callback() {
    let embedded = brokers(1).await;
    let client = client(&embedded);
    let producer = client.producer(lingering()).unwrap();
    let told = Told::default();
    producer.send(to(0).value("x")).await.unwrap().on_completion(told.callback());
    client.close(Duration::from_secs(1)).await.unwrap();
    told.is(&[Err((ErrorKind::Closed, NO))]);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_producer_tells_every_callback() {
    let embedded = brokers(1).await;
    let producer = producer(&embedded, lingering());
    let told = Told::default();
    producer.send(to(0).value("x")).await.unwrap().on_completion(told.callback());
    drop(producer);
    tokio::time::sleep(Duration::from_secs(1)).await;
    told.is(&[Err((ErrorKind::Closed, NO))]);
}

#[test]
fn the_end_of_the_runtime_tells_every_callback() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    let runtime = runtime.unwrap();
    let told = Told::default();
    let _producer = runtime.block_on(async {
        let embedded = brokers(1).await;
        let producer = producer(&embedded, lingering());
        producer.send(to(0).value("x")).await.unwrap().on_completion(told.callback());
        producer
    });
    told.is(&[]);
    drop(runtime);
    told.is(&[Err((ErrorKind::Closed, NO))]);
}

#[tokio::test(start_paused = true)]
async fn a_purge_tells_every_callback_before_it_returns() {
    let embedded = brokers(1).await;
    let producer = producer(&embedded, lingering());
    let told = Told::default();
    producer.send(to(0).value("x")).await.unwrap().on_completion(told.callback());
    producer.purge(Purge::all()).await.unwrap();
    told.is(&[Err((ErrorKind::Purged, NO))]);
}

#[tokio::test(start_paused = true)]
async fn a_callback_may_panic_and_may_send() {
    let embedded = brokers(1).await;
    let producer = producer(&embedded, ProducerConfig::new());
    let told = Told::default();
    producer
        .send(to(0).value("0"))
        .await
        .unwrap()
        .on_completion(|_| panic!("the producer goes on"));
    let (again, next) = (producer.clone(), told.callback());
    producer.send(to(0).value("1")).await.unwrap().on_completion(move |_| {
        again.try_send(to(0).value("2")).unwrap().on_completion(next);
    });
    producer.flush().await.unwrap();
    producer.flush().await.unwrap();
    told.is(&[Ok(2)]);
    assert_eq!(values(&embedded, 0), ["0", "1", "2"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_without_a_runtime_sends_and_is_told() {
    let embedded = brokers(1).await;
    let producer = producer(&embedded, ProducerConfig::new());
    all(send_numbers(&producer, 0, 0..1).await).await;
    let (tell, told) = std::sync::mpsc::channel();
    let offsets = std::thread::spawn(move || {
        for _ in 0..1_000 {
            let tell = tell.clone();
            let written = move |written: crate::Result<RecordMetadata>| {
                tell.send(written.unwrap().offset.unwrap().0).unwrap()
            };
            producer.try_send(to(0).value("x")).unwrap().on_completion(written);
        }
        told.iter().take(1_000).collect::<Vec<_>>()
    });
    let offsets = tokio::task::spawn_blocking(|| offsets.join().unwrap()).await.unwrap();
    assert_eq!(offsets, (1..1_001).collect::<Vec<_>>());
}
