//! What the services cost: runs a second, and how long one takes. `cargo test --release -p sidelink-services --test services
//! load:: -- --ignored --nocapture`

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use sidelink_network::pc3;
use sidelink_services::client::{Answered, UeClient};
use sidelink_services::tls::TlsMode;

use crate::common::{World, open_request};

/// Each UE does it as often as it can in this time.
fn measure(
    name: &str,
    (world, ues): (&World, u32),
    tls: TlsMode,
    time: Duration,
    each: impl Fn(u32, &mut UeClient) + Sync,
) {
    let start = Instant::now();
    let mut all = Histogram::<u64>::new(3).unwrap();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (1..=ues)
            .map(|number| {
                let each = &each;
                scope.spawn(move || {
                    let mut own = Histogram::<u64>::new(3).unwrap();
                    let mut ue = world.client(number, tls);
                    while start.elapsed() < time {
                        let began = Instant::now();
                        each(number, &mut ue);
                        own.record(began.elapsed().as_micros() as u64).unwrap();
                    }
                    own
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| all.add(thread.join().unwrap()).unwrap());
    });
    let seconds = start.elapsed().as_secs_f64();
    eprintln!(
        "{name}: {:.0} a second, p50 {:.1} ms, p99 {:.1} ms ({} runs, {ues} UEs at once)",
        all.len() as f64 / seconds,
        all.value_at_quantile(0.5) as f64 / 1000.0,
        all.value_at_quantile(0.99) as f64 / 1000.0,
        all.len()
    );
}

fn all(time: Duration, ues: u32, address: Option<&str>) {
    let world = World::with(ues, |config| {
        if let Some(address) = address {
            config.database = crate::postgres::database(address, std::path::Path::new(""));
        }
        config.limits.handshake = Duration::from_secs(60);
        config.prose_function.as_mut().unwrap().prose_function.limits.entries_per_ue = 60_000;
    });
    measure("GBA runs", (&world, ues), TlsMode::Tls13, time, |_, ue| ue.bootstrap().unwrap());
    for tls in [TlsMode::Tls13, TlsMode::Tls12(sidelink_services::tls::PskSuite::EcdheChaCha20)] {
        let name = format!("PC3 announcements, a {tls:?} connection each");
        measure(&name, (&world, ues), tls, time, |number, ue| {
            let answer = ue.send(&open_request(number, pc3::Command::Announce)).unwrap();
            let Answered::Message(pc3::Message::DiscoveryResponse(response)) = answer else {
                panic!("{answer:?}")
            };
            assert!(response.rejects.is_empty());
        });
    }
    let status = world.handle.status();
    eprintln!("{}", serde_json::to_string(&status).unwrap());
    assert_eq!((status.store_failures, status.resynchronisations), (0, 0));
}

#[test]
fn many_ues_at_once_are_all_served() {
    all(Duration::from_secs(1), 8, None);
}

#[test]
#[ignore = "a measurement"]
fn how_many_runs_a_second() {
    all(Duration::from_secs(10), 32, None);
}

#[test]
#[ignore = "a measurement"]
fn how_many_runs_a_second_on_postgresql() {
    let Some(cluster) = crate::cluster::Cluster::start() else { return };
    all(Duration::from_secs(10), 32, Some(&cluster.database("network")));
}
