//! A clock that was set back between two starts.

use super::*;
use sidelink_store::{KeyStore, random as fresh};
use sidelink_ue::mapping::transmit::Content;
use std::time::Duration;

/// Counts announcements on the air, and reported silences.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<(usize, usize)>>);

impl Application for Heard {
    fn work(&mut self, _now: Moment, _send: &mut Send<'_>) {}

    fn event(&mut self, _now: Moment, event: &Event<'_>) {
        let mut heard = self.0.lock().unwrap();
        heard.1 += usize::from(matches!(event, Event::Discovery { event: agent::Event::Silent { .. }, .. }));
    }
}

/// Returns the announcements and silences of a UE in a second of air that begins at `utc`.
fn second(store: &std::path::Path, utc: i64, draws: Draws) -> (usize, usize) {
    let text = format!("name = \"alice\"\n{RADIO}\n[time]\nsource = \"utc\"\n");
    let mut config = UeConfig::from_toml(&text, "test").unwrap();
    config.keys = Some(store.to_owned());
    let anchor = Anchor { utc_ns: utc * 1_000_000_000, uncertainty_ns: 0 };
    let facts = RadioFacts { anchor, real_time: draws == Draws::System, draws };
    let heard = Heard::default();
    let mut ue = config.build(facts, vec![Box::new(heard.clone())]).unwrap();
    let on_air = heard.clone();
    ue.set_on_air(Box::new(move |_, content| {
        on_air.0.lock().unwrap().0 += usize::from(matches!(content, Content::SlDch { .. }));
    }));
    let samples = vec![Sample::default(); ue.subframe_samples()];
    let mut antenna = Antenna::default();
    for first in (0..1000).map(|t| t * samples.len() as u64) {
        ue.process(first, &samples, first + samples.len() as u64, &mut antenna).unwrap();
        antenna.bursts.clear();
    }
    drop(ue);
    let heard = heard.0.lock().unwrap();
    *heard
}

/// Opens the store, which is locked until the UE's thread of jobs has ended.
fn reopened(path: &std::path::Path) -> KeyStore {
    for _ in 0..200 {
        if let Ok(store) = KeyStore::open(path) {
            return store;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    KeyStore::open(path).unwrap()
}

#[test]
fn a_clock_that_was_set_back_is_not_believed_after_a_start() {
    let name = format!("sidelink-clock-{}-{}", std::process::id(), fresh(4).unwrap().as_bytes()[0]);
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("keys");
    KeyStore::create(&path).unwrap().put(&keys()).unwrap();
    let (sent, _) = second(&path, UTC, Draws::System);
    assert!(sent >= 10, "{sent}");
    drop(reopened(&path));
    let (sent, silent) = second(&path, UTC - 3600, Draws::System);
    assert!(sent == 0 && silent > 0, "{sent} {silent}");
    drop(reopened(&path));
    // A simulation has times of its own.
    assert!(second(&path, UTC - 3600, Draws::Seeded).0 >= 10);
    drop(reopened(&path));
    // A few seconds later, and after the mark was reset.
    assert!(second(&path, UTC + 10, Draws::System).0 >= 10);
    reopened(&path).reset_clock().unwrap();
    assert!(second(&path, UTC - 3600, Draws::System).0 >= 10);
    let _ = std::fs::remove_dir_all(&folder);
}
