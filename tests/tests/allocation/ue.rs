//! A UE in steady state: who listens allocates nothing; who sends, at the beginnings of periods only.

use super::counting::counted;
use sidelink_flowgraphs::config::ue_toml::{Draws, RadioFacts, UeConfig};
use sidelink_phy::Sample;
use sidelink_radio::{Anchor, Event, RadioError, Transmit};
use sidelink_store::{Discovery, Hex, Keys, Protection};
use sidelink_ue::{NoStore, Ue};

/// Subframes until everything has grown as far as it grows: decoders, tables, queues.
const WARM_UP: u64 = 700;

/// Subframes that are watched: two discovery periods.
const WATCHED: u64 = 640;

const LEAD: u64 = 4;

const RADIO: &str = r#"
lead = 4
seed = 3
[radio]
prb = 15
tm = 2
[radio.sync]
offset = [0, 20]
[[radio.communication]]
period = 40
control-bitmap = "0111 1000"
control-prb = { start = 0, end = 14, num = 7 }
data-bitmap = "1111 1111 1110 1111 1111 1111 1111 1111"
data-offset = 8
data-prb = { start = 0, end = 14, num = 7 }
[[radio.discovery]]
period = 320
offset = 21
bitmap = "1111 1111"
prb = { start = 0, end = 14, num = 7 }
"#;

/// A ring of samples into which bursts are written.
struct Antenna(Vec<Sample>);

impl Transmit for Antenna {
    fn transmit(&mut self, first: u64, burst: &[Sample]) -> Result<(), RadioError> {
        let len = self.0.len() as u64;
        for (i, sample) in burst.iter().enumerate() {
            self.0[((first + i as u64) % len) as usize] = *sample;
        }
        Ok(())
    }

    fn advance(&mut self, _until: u64) -> Result<(), RadioError> {
        Ok(())
    }

    fn poll_event(&mut self) -> Option<Event> {
        None
    }
}

fn ue(name: &str, id: &str, more: &str) -> Ue {
    let mut code = Discovery::new("alice is near", Protection::None, u32::MAX);
    code.announcer = Some("alice".to_owned());
    code.monitors = vec!["bob".to_owned()];
    code.code = Some(Hex(vec![7; 23]));
    let keys = Keys { discovery: vec![code], ..Keys::default() };
    let text = format!(
        "name = \"{name}\"\nlayer2-id = \"{id}\"\n{RADIO}\n[[group]]\nname = \"fire\"\nid = \"0001a2\"\n{more}"
    );
    let config = UeConfig::from_toml(&text, "test").unwrap();
    let anchor = Anchor { utc_ns: 1_800_000_000_000_000_000, uncertainty_ns: 0 };
    let facts = RadioFacts { anchor, real_time: false, draws: Draws::Seeded };
    config.build_with(&keys, NoStore::default(), facts, Vec::new()).unwrap()
}

#[test]
fn ues_in_steady_state() {
    let talk = "[[talk]]\nto = \"fire\"\nevery = 55\noctets = 300\n";
    let mut alice = ue("alice", "0000a1", talk);
    let mut bob = ue("bob", "0000b2", "[time]\ntransmit = \"never\"\n");
    let two = "[time]\ntransmit = \"never\"\n[device]\nantennas = 2\n";
    let mut carol = ue("carol", "0000c3", two);
    let n = alice.subframe_samples();
    let (mut sent, mut none) =
        (Antenna(vec![Sample::default(); 64 * n]), Antenna(vec![Sample::default(); 64 * n]));
    let (silence, mut heard) = (vec![Sample::default(); n], vec![Sample::default(); n]);
    let mut turned = heard.clone();
    let (mut of_alice, mut of_bob, mut of_carol) = (Vec::new(), Vec::new(), Vec::new());
    for step in 0..WARM_UP + WATCHED {
        let first = step * n as u64;
        let newest = first + n as u64;
        let t = alice.next_subframe();
        let ((), count) = counted(|| alice.process(first, &silence, newest, &mut sent).unwrap());
        if step >= WARM_UP && count > 0 {
            of_alice.push((t + LEAD, count));
        }
        let place = (first % sent.0.len() as u64) as usize;
        heard.copy_from_slice(&sent.0[place..place + n]);
        sent.0[place..place + n].fill(Sample::default());
        // a little of everything, so that nothing is compared with nothing
        for (i, sample) in heard.iter_mut().enumerate() {
            *sample += Sample::new((i * 7919 % 97) as f32 - 48.0, (i * 104_729 % 89) as f32 - 44.0) * 1e-4;
        }
        let t = bob.next_subframe();
        let ((), count) = counted(|| bob.process(first, &heard, newest, &mut none).unwrap());
        if step >= WARM_UP && count > 0 {
            of_bob.push((t, count));
        }
        // another phase and noise at the second antenna
        for (i, (turned, sample)) in turned.iter_mut().zip(&heard).enumerate() {
            *turned = sample * Sample::new(0.0, 1.0) + Sample::new((i * 31 % 83) as f32 - 41.0, 7.0) * 1e-4;
        }
        let t = carol.next_subframe();
        let ((), count) =
            counted(|| carol.process_antennas(first, &[&heard, &turned], newest, &mut none).unwrap());
        if step >= WARM_UP && count > 0 {
            of_carol.push((t, count));
        }
    }
    let [mibs, scis, blocks, messages] = bob.totals().heard;
    assert!(mibs > 20 && scis > 20 && blocks > 20 && messages >= 3, "{:?}", bob.totals());
    assert!(alice.totals().bursts > 100 && alice.totals().skipped == 0, "{:?}", alice.totals());
    assert_eq!(of_bob, [], "(subframe, allocations) of who listens");
    assert_eq!(carol.totals().heard, bob.totals().heard);
    assert_eq!(of_carol, [], "(subframe, allocations) of who listens with two antennas");
    let elsewhere: Vec<_> = of_alice.iter().filter(|(t, _)| t % 40 != 0 && t % 320 != 21).collect();
    assert!(elsewhere.is_empty(), "(subframe that is planned, allocations) of who sends: {elsewhere:?}");
    // the subframes of a grant, the transmissions of a message
    assert!(of_alice.iter().all(|(_, count)| *count <= 2), "{of_alice:?}");
}
