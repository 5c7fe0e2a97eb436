//! The transmissions of a UE reveal nobody's identity: an observer with a list of names, the source of this program and
//! all of its draws from a name guesses no better than chance.

use super::*;
use sidelink_phy::impair::rng::Rng as Model;
use sidelink_phy::units::PrbRange;
use sidelink_ue::air_rng::AirRng;
use sidelink_ue::clock::Clock;
use sidelink_ue::mapping::transmit::Content;
use sidelink_ue::mapping::{Mode2, Type1};

const NAMES: [&str; 10] =
    ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy"];

/// Subframes of a discovery period, its offset, and octets of a nonce.
const PERIOD: u64 = 80;
const OFFSET: u64 = 21;
const NONCE: usize = 8;

/// Subframes that are observed: 25 discovery periods. One place in 56 fits by chance: six of 25 in one case of a
/// million.
const SUBFRAMES: u64 = 2000;
const BOUND: usize = 6;

/// A transmission on the air.
#[derive(Clone, Debug, PartialEq)]
enum Sent {
    /// The first transmission of a message: PRB and octets.
    Message(usize, [u8; 29]),
    /// PRB of an SCI, and its bits, which contain the pattern and the PRBs of the data.
    Sci(usize, Vec<u8>),
}

#[derive(Clone, Default)]
struct Observer(Arc<Mutex<Vec<(u64, Sent)>>>);

impl Observer {
    fn note(&self, now: Moment, content: &Content) {
        let sent = match content {
            Content::SlDch { message, prb, transmission: 1, .. } => Sent::Message(*prb, *message),
            Content::Sci { prb, bits, .. } => Sent::Sci(*prb, bits.clone()),
            _ => return,
        };
        self.0.lock().unwrap().push((now.t, sent));
    }
}

/// Returns keys of ten people: each announces a rotating identity.
fn people(nonce_bits: u16) -> Keys {
    let mut keys = keys();
    let friend = keys.discovery.remove(0);
    for name in NAMES {
        let mut entry = friend.clone();
        entry.name = format!("{name} is near");
        entry.announcer = Some(name.to_owned());
        entry.monitors = vec!["nobody".to_owned()];
        entry.nonce_bits = Some(nonce_bits);
        entry.code_bits = Some(128);
        keys.discovery.push(entry);
    }
    keys
}

/// Returns two seconds of the transmissions of `name`, with the default seed that earlier versions had in the file.
fn sent_by(name: &str, keys: &Keys, draws: Draws, talk: &str) -> Vec<(u64, Sent)> {
    let observer = Observer::default();
    let text = format!("name = \"{name}\"\nseed = 1\n{RADIO}\n[time]\nsource = \"utc\"\n{talk}");
    let config = UeConfig::from_toml(&text, "test").unwrap();
    let anchor = Anchor { utc_ns: UTC * 1_000_000_000, uncertainty_ns: 0 };
    let facts = RadioFacts { anchor, real_time: draws == Draws::System, draws };
    let mut ue = config.build_with(keys, NoStore::default(), facts, Vec::new()).unwrap();
    let copy = observer.clone();
    ue.set_on_air(Box::new(move |now, content| copy.note(now, content)));
    let samples = vec![Sample::default(); ue.subframe_samples()];
    let mut antenna = Antenna::default();
    for first in (0..SUBFRAMES).map(|t| t * samples.len() as u64) {
        ue.process(first, &samples, first + samples.len() as u64, &mut antenna).unwrap();
        antenna.bursts.clear();
    }
    observer.0.lock().unwrap().clone()
}

/// Returns (period, subframe in it, PRB) of each announcement.
fn at(sent: &[(u64, Sent)]) -> Vec<(u64, u64, usize)> {
    let messages = sent.iter().filter_map(|(t, sent)| match sent {
        Sent::Message(prb, _) => Some((*t, *prb)),
        Sent::Sci(..) => None,
    });
    messages.map(|(t, prb)| ((t - OFFSET) / PERIOD, (t - OFFSET) % PERIOD, prb)).collect()
}

fn nonces(sent: &[(u64, Sent)]) -> Vec<[u8; NONCE]> {
    let messages = sent.iter().filter_map(|(_, sent)| match sent {
        Sent::Message(_, message) => message[1..1 + NONCE].try_into().ok(),
        Sent::Sci(..) => None,
    });
    messages.collect()
}

/// Returns the draws of earlier versions for `name`: the stream of the planner, whose values are known except for the
/// number of earlier draws.
fn old_stream(name: &str) -> Model {
    let of_name = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, o| (hash ^ u64::from(o)).wrapping_mul(0x100_0000_01b3));
    Model::new(1 ^ of_name).fork(2)
}

/// Returns the number of `nonces` among the draws of an old stream.
fn nonces_of(name: &str, nonces: &[[u8; NONCE]]) -> usize {
    let mut stream = old_stream(name);
    let draws: std::collections::BTreeSet<u64> = (0..20_000).map(|_| stream.next_u64()).collect();
    let known = |n: &&[u8; NONCE]| {
        draws.contains(&u64::from_be_bytes(**n)) || draws.contains(&u64::from_le_bytes(**n))
    };
    nonces.iter().filter(known).count()
}

fn pools() -> (Type1, Mode2) {
    let text = format!("name = \"x\"\n{RADIO}");
    let radio = UeConfig::from_toml(&text, "test").unwrap().resolve().unwrap();
    let discovery = Type1::new(&radio.discovery[0].pool, 15, 100).unwrap();
    (discovery, Mode2::new(&radio.communication[0].pool, 15, None).unwrap())
}

/// Returns the number of announcements at the places of an old stream: one draw for each planned subframe, the
/// resource's when a period begins, two for a nonce.
fn resources_of(name: &str, places: &[(u64, u64, usize)], begin: u64) -> usize {
    let (pool, _) = pools();
    let mut stream = old_stream(name);
    let mut draw = || stream.next_u64();
    let (mut fits, mut nonce_at) = (0, None);
    let last = places.iter().map(|(period, ..)| period).max().copied().unwrap_or(0);
    for t in begin..(last + 1) * PERIOD + OFFSET {
        draw();
        let (period, into) = ((t - OFFSET) / PERIOD, (t - OFFSET) % PERIOD);
        if into == 0 {
            let drawn: Option<Vec<(u32, PrbRange)>> = pool.draw(&mut Vec::new(), &mut draw);
            let first = drawn.and_then(|all| all.first().copied());
            nonce_at = first.map(|(at, _)| u64::from(at));
            let place = first.map(|(at, prbs)| (period, u64::from(at), prbs.start));
            fits += usize::from(place.is_some_and(|place| places.contains(&place)));
        }
        if nonce_at == Some(into) {
            draw();
            draw();
        }
    }
    fits
}

/// Returns the number of announcements at the same places.
fn common(a: &[(u64, u64, usize)], b: &[(u64, u64, usize)]) -> usize {
    a.iter().filter(|place| b.contains(place)).count()
}

#[test]
fn an_observer_with_names_and_source_guesses_no_better_than_chance() {
    for nonce_bits in [0, 64] {
        let keys = people(nonce_bits);
        let sent = sent_by("alice", &keys, Draws::System, "");
        let places = at(&sent);
        assert!(places.len() >= 22, "{} announcements", places.len());
        for name in NAMES {
            let fits = resources_of(name, &places, first_planned());
            assert!(fits < BOUND, "{name}: {fits} of {}", places.len());
            if nonce_bits > 0 {
                assert_eq!(nonces_of(name, &nonces(&sent)), 0, "{name}");
            }
        }
        // The seeds that this program itself knows.
        let simulated = at(&sent_by("alice", &keys, Draws::Seeded, ""));
        let fits = common(&places, &simulated);
        assert!(fits < BOUND, "{fits} of {}", places.len());
    }
}

/// Returns the first subframe for which the planner draws: the first planned one, four after the first received.
fn first_planned() -> u64 {
    let anchor = Anchor { utc_ns: UTC * 1_000_000_000, uncertainty_ns: 0 };
    Clock::from_utc(3.84e6, anchor).first_whole(0) + 4
}

#[test]
fn two_starts_repeat_no_nonce_and_choose_other_resources() {
    let keys = people(64);
    let talk = "[[talk]]\nto = \"fire\"\nevery = 80\noctets = 100\n";
    for draws in [Draws::System, Draws::Seeded] {
        let [first, second] = [0, 1].map(|_| sent_by("alice", &keys, draws, talk));
        let mut all: Vec<_> = nonces(&first).into_iter().chain(nonces(&second)).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count, "{draws:?}: a nonce came twice");
        let same = common(&at(&first), &at(&second));
        match draws {
            Draws::System => assert!(same < BOUND, "{same} places of {count} again"),
            Draws::Seeded => assert_eq!(2 * same, count, "a simulation repeats itself"),
        }
        let scis = |sent: &[(u64, Sent)]| -> Vec<(u64, Sent)> {
            sent.iter().filter(|(_, sent)| matches!(sent, Sent::Sci(..))).cloned().collect()
        };
        let (a, b) = (scis(&first), scis(&second));
        assert!(a.len() >= 20, "{} SCIs", a.len());
        let same = a.iter().filter(|sci| b.contains(sci)).count();
        match draws {
            Draws::System => assert!(same < a.len() / 4, "{same} SCIs of {} again", a.len()),
            Draws::Seeded => assert_eq!(same, a.len()),
        }
    }
}

#[test]
fn the_generator_is_keyed_by_the_system() {
    let text = format!("name = \"alice\"\nseed = 1\n{RADIO}");
    let config = UeConfig::from_toml(&text, "test").unwrap();
    let first = |draws| config.air_rng(draws).unwrap().next_u64();
    assert_ne!(first(Draws::System), first(Draws::System));
    assert_eq!(first(Draws::Seeded), first(Draws::Seeded));
    assert_eq!(first(Draws::Seeded), AirRng::seeded(1, "alice").next_u64());
}
