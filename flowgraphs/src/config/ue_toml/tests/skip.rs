//! What a late UE of mode 2 skips, and what it receives beside a gap.

use super::*;
use sidelink_ue::mapping::transmit::Content;
use std::ops::Range;

/// Subframes of a period of communication, and of discovery with its offset.
const PERIOD: u64 = 40;
const DISCOVERY: (u64, u64) = (80, 21);

/// A transmission on the air.
#[derive(Clone, Debug, PartialEq)]
enum What {
    Sci,
    Block { rv: u8, octets: Vec<u8> },
    Message,
}

/// Records transmissions with their subframes.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(u64, What)>>>);

impl Log {
    fn note(&self, now: Moment, content: &Content) {
        let what = match content {
            Content::Sync { .. } => return,
            Content::Sci { .. } => What::Sci,
            Content::SlSch { grant, block, .. } => What::Block { rv: grant.rv, octets: block.clone() },
            Content::SlDch { .. } => What::Message,
        };
        self.0.lock().unwrap().push((now.t, what));
    }
}

/// Returns the transmissions in 1.2 s of a UE with much data that is late for the subframes `late`.
fn sent(keys: &Keys, late: &[u64]) -> Vec<(u64, What)> {
    let log = Log::default();
    let talk = "[[talk]]\nto = \"fire\"\nevery = 60\noctets = 900\n";
    let text = format!("name = \"alice\"\nseed = 1\n{RADIO}\n[time]\nsource = \"utc\"\n{talk}");
    let config = UeConfig::from_toml(&text, "test").unwrap();
    let anchor = Anchor { utc_ns: UTC * 1_000_000_000 + 300_000, uncertainty_ns: 0 };
    let facts = RadioFacts { anchor, real_time: false, draws: Draws::Seeded };
    let mut ue = config.build_with(keys, NoStore::default(), facts, Vec::new()).unwrap();
    let copy = log.clone();
    ue.set_on_air(Box::new(move |now, content| copy.note(now, content)));
    let (n, lead) = (ue.subframe_samples(), config.lead.max(2));
    let mut noise = sidelink_phy::impair::awgn::Awgn::new(1e-4, 1);
    let mut antenna = Antenna::default();
    for step in 0..2400_u64 {
        let mut samples = vec![Sample::default(); n / 2];
        noise.process(&mut samples);
        let first = step * (n as u64 / 2);
        // The radio holds enough samples that the subframe to be planned has begun.
        let more = if late.contains(&(ue.next_subframe() + lead)) { lead - 1 } else { 0 };
        let newest = first + n as u64 / 2 + more * n as u64;
        ue.process(first, &samples, newest, &mut antenna).unwrap();
    }
    log.0.lock().unwrap().clone()
}

fn within(log: &[(u64, What)], subframes: Range<u64>) -> Vec<&(u64, What)> {
    log.iter().filter(|(t, _)| subframes.contains(t)).collect()
}

/// Returns the period that begins at `start`.
fn period(start: u64) -> Range<u64> {
    start..start + PERIOD
}

fn is_data(what: &What) -> bool {
    matches!(what, What::Block { .. })
}

/// Returns the first transmissions of blocks.
fn firsts<'a>(log: &[&'a (u64, What)]) -> Vec<(u64, &'a Vec<u8>)> {
    let first = |(t, what): &&'a (u64, What)| match what {
        What::Block { rv: 0, octets } => Some((*t, octets)),
        _ => None,
    };
    log.iter().filter_map(first).collect()
}

#[test]
fn a_ue_of_mode_2_that_is_late_for_a_period_leaves_it_out_and_keeps_its_data() {
    let keys = keys();
    let punctual = sent(&keys, &[]);
    let starts = (punctual[0].0 / PERIOD + 1..).map(|k| k * PERIOD);
    // A grant in this period and in the one before it.
    let busy = |start: u64| within(&punctual, period(start)).iter().any(|(_, what)| is_data(what));
    let start = starts.take(25).find(|&start| busy(start) && busy(start - PERIOD)).unwrap();
    let late = sent(&keys, &[start]);
    assert_eq!(within(&late, period(start - PERIOD)), within(&punctual, period(start - PERIOD)));
    let skipped = within(&late, period(start));
    assert!(skipped.iter().all(|(_, what)| *what == What::Message), "{skipped:?}");
    let next = within(&late, period(start + PERIOD));
    assert!(next.iter().any(|(_, what)| *what == What::Sci) && next.iter().any(|(_, what)| is_data(what)));
}

#[test]
fn a_ue_of_mode_2_that_is_late_for_a_block_sends_it_in_the_next_place() {
    let keys = keys();
    let punctual = sent(&keys, &[]);
    let starts = (punctual[0].0 / PERIOD + 1..).map(|k| k * PERIOD);
    let several = |start: &u64| firsts(&within(&punctual, period(*start))).len() >= 3;
    let start = starts.take(25).find(several).unwrap();
    let blocks = within(&punctual, period(start));
    let blocks = firsts(&blocks);
    let [(before, _), (missed, octets), (next, _)] = blocks[..3] else { panic!("{blocks:?}") };
    let late = sent(&keys, &[missed]);
    assert_eq!(within(&late, start..missed), within(&punctual, start..missed), "from {before} on");
    let repetitions = within(&late, missed..next);
    assert!(repetitions.iter().all(|(_, what)| !is_data(what)), "{repetitions:?}");
    assert_eq!(firsts(&within(&late, next..next + 1)), [(next, octets)]);
}

#[test]
fn a_ue_that_is_late_for_a_discovery_period_announces_in_the_next_one() {
    let (length, offset) = DISCOVERY;
    let keys = keys();
    let punctual = sent(&keys, &[]);
    let messages = |log: &[(u64, What)], start: u64| {
        within(log, start..start + length).iter().filter(|(_, what)| *what == What::Message).count()
    };
    let mut starts = (punctual[0].0 / length + 1..).map(|k| k * length + offset).take(12);
    let start = starts.find(|&s| messages(&punctual, s) > 0 && messages(&punctual, s - length) > 0).unwrap();
    let late = sent(&keys, &[start]);
    assert!(messages(&late, start - length) > 0);
    assert_eq!(messages(&late, start), 0);
    assert!(messages(&late, start + length) > 0);
}

#[test]
fn a_subframe_that_a_gap_cuts_in_its_empty_last_symbol_is_heard() {
    let keys = keys();
    let mut alice = ue("alice", 1, "utc", "transmit = \"never\"\n", &keys, &Diary::default());
    let mut antenna = Antenna::default();
    let n = alice.subframe_samples() as u64;
    for k in 0..1000 {
        alice.process(k * n, &vec![Sample::default(); n as usize], (k + 1) * n, &mut antenna).unwrap();
    }
    let bursts = antenna.bursts;
    assert!(bursts.len() >= 8 && alice.totals().sent[3] as usize == bursts.len(), "{}", bursts.len());
    let mut bob = ue("bob", 2, "utc", "", &keys, &Diary::default());
    let mut noise = sidelink_phy::impair::awgn::Awgn::new(1e-4, 1);
    let mut next = 0;
    let mut hear = |range: Range<u64>, burst: &[Sample]| {
        let mut samples = vec![Sample::default(); (range.end - range.start) as usize];
        samples.iter_mut().zip(burst).for_each(|(x, s)| *x += s);
        noise.process(&mut samples);
        for (i, piece) in samples.chunks(n as usize / 2).enumerate() {
            let first = range.start + i as u64 * (n / 2);
            bob.process(first, piece, first + piece.len() as u64, &mut Antenna::default()).unwrap();
        }
    };
    for (at, burst) in &bursts {
        hear(next..*at, &[]);
        // 30 samples of its end are lost, and two further subframes.
        hear(*at..at + n - 30, burst);
        next = at + 3 * n;
    }
    hear(next..next + n, &[]);
    assert_eq!(bob.totals().lost_samples, bursts.len() as u64 * (2 * n + 30));
    assert_eq!(bob.totals().heard[3], bursts.len() as u64);
}
