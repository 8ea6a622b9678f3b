//! The scripts on real Kafka, which decides. Needs brokers that are up already:
//! `KAVKA_OLD_BOOTSTRAP` at `transaction.version` 1 or of a version before, `KAVKA_NEW_BOOTSTRAP`
//! at 2, each a host and a port.

use tokio::net::TcpStream;

use super::super::client::Client;
use super::super::scripted::suffix;
use super::scripts;
use super::world::World;

async fn world(variable: &str, script: &str) -> Option<World> {
    let address = std::env::var(variable).ok()?;
    let stream = TcpStream::connect(address).await.unwrap();
    Some(World::new(Client::over(stream), &suffix(script)).await)
}

macro_rules! plays {
    ($($rule:ident: $variable:literal, $script:ident($($argument:literal)?), $expected:ident;)*) => {$(
        #[tokio::test]
        #[ignore = "needs real brokers"]
        async fn $rule() {
            let Some(mut world) = world($variable, stringify!($script)).await else { return };
            assert_eq!(scripts::$script(&mut world $(, $argument)?).await, scripts::$expected);
        }
    )*};
}

plays! {
    old_protocol: "KAVKA_OLD_BOOTSTRAP", old_protocol(), OLD_PROTOCOL;
    old_protocol_at_2: "KAVKA_NEW_BOOTSTRAP", old_protocol(), OLD_PROTOCOL;
    verification: "KAVKA_OLD_BOOTSTRAP", verification(), VERIFICATION;
    verification_at_2: "KAVKA_NEW_BOOTSTRAP", verification(), VERIFICATION;
    new_protocol: "KAVKA_NEW_BOOTSTRAP", new_protocol(), NEW_PROTOCOL;
    fencing_old: "KAVKA_OLD_BOOTSTRAP", fencing_old(), FENCING_OLD;
    fencing_new: "KAVKA_NEW_BOOTSTRAP", fencing_new(), FENCING_NEW;
    recovery_old: "KAVKA_OLD_BOOTSTRAP", recovery(), RECOVERY;
    recovery_new: "KAVKA_NEW_BOOTSTRAP", recovery(), RECOVERY;
    time_out_old: "KAVKA_OLD_BOOTSTRAP", time_out(false), TIME_OUT_OLD;
    time_out_new: "KAVKA_NEW_BOOTSTRAP", time_out(true), TIME_OUT_NEW;
    offsets_old: "KAVKA_OLD_BOOTSTRAP", offsets_old(), OFFSETS_OLD;
    offsets_old_at_2: "KAVKA_NEW_BOOTSTRAP", offsets_old(), OFFSETS_OLD;
    offsets_new: "KAVKA_NEW_BOOTSTRAP", offsets_new(), OFFSETS_NEW;
    isolation_old: "KAVKA_OLD_BOOTSTRAP", isolation(), ISOLATION;
    isolation_new: "KAVKA_NEW_BOOTSTRAP", isolation(), ISOLATION;
    mixed: "KAVKA_NEW_BOOTSTRAP", mixed(), MIXED;
    outside_old: "KAVKA_OLD_BOOTSTRAP", outside(), OUTSIDE;
    outside_new: "KAVKA_NEW_BOOTSTRAP", outside(), OUTSIDE;
    hanging_old: "KAVKA_OLD_BOOTSTRAP", hanging(), HANGING;
    hanging_new: "KAVKA_NEW_BOOTSTRAP", hanging(), HANGING;
    features_at_2: "KAVKA_NEW_BOOTSTRAP", features(), FEATURES_AT_2;
    exhaustion: "KAVKA_NEW_BOOTSTRAP", exhaustion(), EXHAUSTION;
}
