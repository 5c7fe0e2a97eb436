//! Who takes part in a case, and what they live through.

use crate::attacks::link::Kind;
use crate::config::ConfigError;
use crate::config::ue_toml::{Draws, RadioFacts, UeConfig};
use crate::experiments::cases::{By, KdSource, Scenario, TalkWay};
use crate::experiments::log::{Entry, Log, TEXT};
use crate::experiments::metrics::{Case, Run};
use crate::experiments::networks::Networks;
use crate::experiments::others::{Other, THIRD, radios_of};
use crate::experiments::overlay::{Overlay, paths};
use sidelink_radio::air::{Air, AirConfig, Pace, PortConfig};
use sidelink_radio::number::Number;
use sidelink_radio::{Anchor, Radio};
use sidelink_store::Keys;
use sidelink_ue::{Application, NoStore, Observer, Participant, Running, ThreadOptions, Ue};
use sidelink_wire::ids::Layer2Id;
use sidelink_wire::pc5_signalling::MessageType;

/// Subframes before the link is asked for.
pub(super) const CONNECT: u64 = 200;

/// A carrier, and how UEs use it.
pub(super) struct Carrier {
    prb: u32,
    rate: f64,
    /// PRBs of each half of its pools.
    half: u32,
    prbs: usize,
}

/// That of exercises of links.
pub(super) const NARROW: Carrier = Carrier { prb: 15, rate: 3.84e6, half: 7, prbs: 10 };

/// For a stream of data.
const WIDE: Carrier = Carrier { prb: 50, rate: 15.36e6, half: 25, prbs: 36 };

impl Carrier {
    /// `lead`, `[radio]` and `[communication]`: one pool of PSSCH behind eight subframes of PSCCH; the first four of a pattern of weight 4 hold a block.
    pub(super) fn text(&self, period: u64, mcs: u8) -> String {
        let Self { prb, half, prbs, .. } = self;
        let end = prb - 1;
        format!(
            r#"
lead = 4
[radio]
prb = {prb}
tm = 2
[[radio.communication]]
period = {period}
control-bitmap = "1111 1111"
control-prb = {{ start = 0, end = {end}, num = {half} }}
data-bitmap = "1111 1111"
data-offset = 8
data-prb = {{ start = 0, end = {end}, num = {half} }}
[communication]
mcs = {mcs}
prbs = {prbs}
trpt-subset = 4
"#
        )
    }
}

/// Layer-2 identities of UE_1 and UE_2.
pub(super) const PAIR: [u32; 2] = [0x10, 0x11];

/// Plays a case.
pub(crate) fn play(case: &Case<'_>) -> anyhow::Result<Run> {
    let scenario = case.scenario;
    let by = scenario.attack.map(|attack| attack.by);
    let names = by.map_or(&[][..], radios_of);
    let air = open_air(case, 2 + names.len())?;
    let least = if scenario.wide { 0 } else { 12 * case.period };
    let rekey = case.rekey.or(scenario.rekey.map(|every| every.max(least)));
    let duration = CONNECT + duration(case, rekey);
    let logs = [Log::default(), Log::default()];
    let radios = [air.attach_named("mary")?, air.attach_named("john")?];
    let others: Vec<_> =
        names.iter().map(|name| air.attach(PortConfig::named(*name))).collect::<Result<_, _>>()?;
    let networks = Networks::of(scenario, case.seed)?;
    let overlay =
        scenario.overlay.map(|overlay| Overlay::new(overlay, case.period, case.seed)).transpose()?;
    let mut running = Vec::new();
    for (number, ((config, radio), log)) in
        parties(case, rekey)?.into_iter().zip(radios).zip(&logs).enumerate()
    {
        let user = |anchor| match &overlay {
            None => Ok(Above::default()),
            Some(overlay) => Ok(Above {
                applications: vec![overlay.end(number, pair()?[1 - number], log, anchor)?],
                observer: overlay.switcher(number, CONNECT),
            }),
        };
        let equip = |ue: &mut Ue, anchor| networks.equip(ue, number, scenario, anchor);
        running.push(begin_under(user, &config, radio, log, duration, equip)?);
    }
    let other = by.map(|by| Other::begin(case, by, others, duration)).transpose()?;
    for one in running {
        ended(one)?;
    }
    let (attacks, mut findings) =
        other.map_or(Ok(Default::default()), |other| other.end(&networks, overlay.as_ref()))?;
    findings.extend(networks.findings());
    let network = networks.metered();
    let entries = logs.each_ref().map(Log::take);
    if by == Some(By::Resign) {
        let command = |entry: &Entry| {
            let Entry::Pdu { to, message, .. } = entry else { return false };
            *to == THIRD.0 && *message == Some(MessageType::SecurityModeCommand)
        };
        let commands = entries[1].iter().filter(|(_, entry)| command(entry)).count();
        findings.insert("commands to who signed again".to_owned(), commands as u64);
    }
    Ok(Run { entries, connect: CONNECT, attacks, findings, network })
}

/// The air of a case, which begins once `ports` radios are there.
fn open_air(case: &Case<'_>, ports: usize) -> anyhow::Result<Air> {
    let carrier = carrier(case.scenario);
    let port =
        |name: &str, cfo: f64, delay: f64| PortConfig { cfo: Number(cfo), delay, ..PortConfig::named(name) };
    Ok(Air::new(AirConfig {
        rate: Number(carrier.rate),
        prb: Some(carrier.prb),
        pace: Pace::Free,
        seed: case.seed,
        snr: Some(case.snr.0),
        utc: Some(1_800_000_000),
        wait_for: ports,
        port: vec![port("mary", 0.0, 0.0), port("john", 90.0, 2.5)],
        stall: 60.0,
        ..AirConfig::default()
    })?)
}

/// The configurations of the two ends of the link.
fn parties(case: &Case<'_>, rekey: Option<u64>) -> anyhow::Result<[UeConfig; 2]> {
    let scenario = case.scenario;
    let by = scenario.attack.map(|attack| attack.by);
    let connect = match rekey.filter(|every| *every > 0) {
        Some(every) => {
            format!("connect = {CONNECT}\nrekey = {every}\nreauthenticate = {}\n", scenario.reauthenticate)
        }
        None => format!("connect = {CONNECT}\n"),
    };
    let talk = |to: &str| {
        scenario.talk.as_ref().map_or(String::new(), |talk| {
            let octets =
                case.kbps.map_or(talk.octets, |kbps| (kbps * talk.every as f64 / 8.0).round() as usize);
            let every = talk.every;
            format!("[[talk]]\nto = \"link:{to}\"\nevery = {every}\ntext = \"{TEXT}\"\noctets = {octets}\n")
        })
    };
    // Who lets a key expire does not give the link up for it.
    let keep = if by == Some(By::Expire) { "[links]\nfailed-rekeying = \"keep-key\"\n" } else { "" };
    let rules = |number: usize| {
        let ciphering = scenario.overlay.map(|overlay| overlay.eps.ciphering()[number]);
        ciphering.map_or(keep.to_owned(), |need| format!("[links]\nciphering = \"{need}\"\n"))
    };
    let mary = link(scenario, "john", PAIR[1], &connect, 1, SHARED) + &talk("john") + &rules(0);
    let mut mary = config(case, "mary", PAIR[0], 1, 0.0, &mary)?;
    let often = if by == Some(By::Storm) { "rekey = 100\n" } else { "rekey-interval = 100\n" };
    let mut john = link(scenario, "mary", PAIR[0], often, 1, SHARED);
    if by == Some(By::Insider) {
        john += &link(scenario, "peter", 0x12, "", 2, OTHER);
    }
    if by == Some(By::Storm) {
        // Who storms does not give the link up.
        john += "[links]\nfailed-rekeying = \"keep-key\"\n";
    }
    if scenario.talk.is_some_and(|talk| talk.way == TalkWay::Both) {
        john += &talk("mary");
    }
    john += &rules(1);
    let mut john = config(case, "john", PAIR[1], 2, 0.0, &john)?;
    if by.is_some() {
        // All three tries are seen: the networks of exercises are fast, or away.
        mary.links.network_time = NETWORK_TIME;
        john.links.network_time = NETWORK_TIME;
    }
    Ok([mary, john])
}

/// Milliseconds that the network of an exercise with an attack may need.
const NETWORK_TIME: u64 = 400;

/// The KD of UE_1 and UE_2, and one that is not.
const SHARED: &str = "5a";
pub(super) const SHARED_KD: [u8; 32] = [0x5a; 32];
pub(super) const OTHER: &str = "a5";

pub(super) const NO_ANCHOR: Anchor = Anchor { utc_ns: 0, uncertainty_ns: 0 };

pub(super) fn pair() -> anyhow::Result<[Layer2Id; 2]> {
    let id = |value| Layer2Id::new(value).map_err(|e| anyhow::anyhow!("{e}"));
    Ok([id(PAIR[0])?, id(PAIR[1])?])
}

/// Subframes after the link was asked for.
fn duration(case: &Case<'_>, rekey: Option<u64>) -> u64 {
    if let Some(seconds) = case.seconds {
        return 1000 * seconds;
    }
    let turns = match case.scenario.kd {
        KdSource::Shared => 10,
        // with some data after it
        KdSource::Tickets | KdSource::Attributes => 30,
        _ => 14,
    };
    match (rekey, case.scenario.attack.map(|attack| attack.by)) {
        // The link, the handshake of the overlay, and some voice.
        (_, None | Some(By::Read(_) | By::Offline | By::Persuade)) if case.scenario.overlay.is_some() => {
            (40 * case.period).max(paths::RETURNS + 1200)
        }
        (_, Some(By::Attacker(Kind::Flood { .. }))) => 90 * case.period,
        // all three tries, each longer by what the one in the middle takes
        (_, Some(By::Attacker(Kind::Middle(_)))) => (45 * case.period).max(2000),
        (_, Some(By::Storm)) => 4000,
        // all three tries
        (_, Some(By::Cut(_) | By::Impostor | By::Omit | By::Proxy(_))) => (60 * case.period).max(4000),
        // as many turns again, for the link of the other
        (_, Some(By::Resign)) => 3 * turns * case.period + 400,
        (_, Some(By::Read(_))) => (30 * case.period).max(2000),
        (_, Some(By::Expire)) => 8000,
        (Some(every), _) if every > 0 => (4 * every).max(2000),
        _ => turns * case.period + 400,
    }
}

fn carrier(scenario: &Scenario) -> &'static Carrier {
    if scenario.wide { &WIDE } else { &NARROW }
}

/// `[[link]]` of a UE.
pub(super) fn link(scenario: &Scenario, peer: &str, id: u32, more: &str, kd_id: u32, kd: &str) -> String {
    let kd = kd.repeat(32);
    let key = match scenario.kd {
        KdSource::Shared => format!("kd = \"{kd}\"\nkd-id = {kd_id}\n"),
        _ => String::new(),
    };
    format!("[[link]]\npeer = \"{peer}\"\nid = \"{id:06x}\"\n{key}{more}")
}

pub(super) fn config(
    case: &Case<'_>,
    name: &str,
    id: u32,
    seed: u64,
    level: f64,
    more: &str,
) -> Result<UeConfig, ConfigError> {
    let seed = 10 * case.seed + seed;
    let carrier = carrier(case.scenario).text(case.period, case.mcs);
    let text = format!("name = \"{name}\"\nlayer2-id = \"{id:06x}\"\nseed = {seed}\n{carrier}\n{more}");
    let mut config = UeConfig::from_toml(&text, "the scenario's carrier")?;
    // so that `--snr` is Es/N0 of what they send
    config.device.level = level;
    Ok(config)
}

/// What uses a UE besides the ledger.
#[derive(Default)]
struct Above {
    applications: Vec<Box<dyn Application>>,
    observer: Option<Box<dyn Observer<Ue>>>,
}

/// Starts a UE with the credentials that `equip` gives it.
pub(super) fn begin_with(
    config: &UeConfig,
    radio: Box<dyn Radio>,
    log: &Log,
    duration: u64,
    equip: impl FnOnce(&mut Ue, Anchor) -> anyhow::Result<()>,
) -> anyhow::Result<Running<Ue>> {
    begin_under(|_| Ok(Above::default()), config, radio, log, duration, equip)
}

/// The same under what `user` makes.
fn begin_under(
    user: impl FnOnce(Anchor) -> anyhow::Result<Above>,
    config: &UeConfig,
    radio: Box<dyn Radio>,
    log: &Log,
    duration: u64,
    equip: impl FnOnce(&mut Ue, Anchor) -> anyhow::Result<()>,
) -> anyhow::Result<Running<Ue>> {
    let streams = radio.start()?;
    let anchor = streams.anchor.unwrap_or(NO_ANCHOR);
    let facts = RadioFacts { anchor, real_time: false, draws: Draws::Seeded };
    let Above { applications, observer } = user(anchor)?;
    let mut ears: Vec<Box<dyn Application>> = vec![Box::new(log.clone())];
    ears.extend(applications);
    let mut ue = config.build_with(&Keys::default(), NoStore::default(), facts, ears)?;
    ue.set_on_air(log.on_air());
    equip(&mut ue, anchor)?;
    ue.set_duration(duration);
    Ok(Running::start(ue, streams, false, ThreadOptions::default(), observer)?)
}

pub(super) fn ended<P: Participant>(running: Running<P>) -> anyhow::Result<P> {
    let (participant, result) =
        running.join().map_err(|_| anyhow::anyhow!("a thread failed; this is a bug"))?;
    result?;
    Ok(participant)
}
