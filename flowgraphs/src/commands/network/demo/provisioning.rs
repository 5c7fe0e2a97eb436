//! Codes, filters and keys of three subscribers, before the air.

use super::story::Story;
use crate::experiments::network::entries::{entries, group_of};
use crate::experiments::network::fabric::Fabric;
use crate::experiments::network::messages::UeId;
use crate::experiments::network::scene;
use crate::experiments::network::subscriber::Told;
use crate::experiments::network::ways::Ways;
use sidelink_network::pc3_client::{Input, Output, Wanted};
use sidelink_network::pkmf_client;
use sidelink_security::counter::UtcTime;
use sidelink_store::{Discovery, Group, Keys, random, utc_now};
use std::io::Write;

/// Names of the UEs, in the order of the subscribers.
pub(super) const NAMES: [&str; 3] = ["alice", "bob", "carol"];

/// Name of the group.
pub(super) const GROUP: &str = "team";

/// Milliseconds that a request may take, with every retransmission.
const PATIENCE: u64 = 300_000;

/// Provisions, bootstraps and fetches. Returns the fabric and the keys of each UE.
pub(super) fn run<W: Write>(
    ways: Ways,
    seed: u64,
    story: &mut Story<W>,
) -> anyhow::Result<(Fabric, [Keys; 3])> {
    let start = UtcTime::from_millis(u64::from(utc_now()) * 1000);
    story.begin(start);
    let mut fabric = Fabric::new(start, (scene::config(), scene::groups()?), ways, seed)?;
    let mut ues = Vec::new();
    for (number, name) in (1..).zip(NAMES) {
        let (config, subscription) = scene::subscriber(number);
        let imsi = config.ue;
        ues.push(fabric.add(config, subscription)?);
        story.line(start, name, &format!("is subscriber {imsi}, user {}", scene::USERS[number - 1]))?;
    }
    let [alice, bob, carol] = [ues[0], ues[1], ues[2]];
    let mut keys = [Keys::default(), Keys::default(), Keys::default()];
    let monitor = || Wanted::MonitorRestricted(vec![scene::rpauid(1)]);
    for (ue, wanted) in [
        (alice, Wanted::AnnounceRestricted),
        (alice, Wanted::Announce(scene::application_id())),
        (alice, Wanted::Answer),
        (bob, monitor()),
        (bob, Wanted::Ask(vec![scene::rpauid(1)])),
        (bob, Wanted::Monitor(scene::application_id())),
        (carol, monitor()),
    ] {
        let fetched = fetch(&mut fabric, ue, wanted, story)?;
        keys[ue.0].discovery.extend(fetched);
    }
    for ue in [alice, bob] {
        keys[ue.0].group.push(fetch_group(&mut fabric, ue, story)?);
    }
    forge(&mut keys[carol.0])?;
    Ok((fabric, keys))
}

/// Fetches what a UE wants, and tells how.
fn fetch<W: Write>(
    fabric: &mut Fabric,
    ue: UeId,
    wanted: Wanted,
    story: &mut Story<W>,
) -> anyhow::Result<Vec<Discovery>> {
    let (name, what) = (NAMES[ue.0], purpose(&wanted));
    fabric.pc3(ue, |now| Input::Want { now, wanted, earlier: None });
    let end = fabric.now().plus_millis(PATIENCE);
    while fabric.now() < end {
        fabric.run_until(fabric.now().plus_millis(10));
        for (at, _, told) in fabric.told() {
            story.told(at, name, &told)?;
            match told {
                Told::Pc3(Output::Allotted { allotment, until, .. }) => {
                    return Ok(entries(name, what, &allotment, until));
                }
                Told::Pc3(Output::Ended { why, .. }) => anyhow::bail!("{name} gets nothing: {why}"),
                _ => {}
            }
        }
    }
    anyhow::bail!("{name} had no answer of the ProSe Function for {} s", PATIENCE / 1000)
}

/// Fetches the keys of the group, and tells how.
fn fetch_group<W: Write>(fabric: &mut Fabric, ue: UeId, story: &mut Story<W>) -> anyhow::Result<Group> {
    let name = NAMES[ue.0];
    fabric.want_keys(ue, &[pkmf_client::Wanted::Group(scene::TEAM)]);
    let end = fabric.now().plus_millis(PATIENCE);
    while fabric.now() < end {
        fabric.run_until(fabric.now().plus_millis(10));
        for (at, _, told) in fabric.told() {
            story.told(at, name, &told)?;
        }
        let group = group_of(fabric.keys(ue), GROUP, name, scene::TEAM);
        if let Some(group) = group.filter(|group| !group.pgk.is_empty()) {
            return Ok(group);
        }
    }
    anyhow::bail!("{name} had no key of the group for {} s", PATIENCE / 1000)
}

const fn purpose(wanted: &Wanted) -> &'static str {
    match wanted {
        Wanted::Announce(_) | Wanted::Monitor(_) => "the rescue team, open",
        Wanted::AnnounceRestricted | Wanted::MonitorRestricted(_) => "alice, restricted",
        Wanted::Answer | Wanted::Ask(_) => "alice, asked for",
    }
}

/// Carol announces the code that she may only monitor: under the DUSK that she has, and a DUIK of her own making.
fn forge(keys: &mut Keys) -> anyhow::Result<()> {
    for entry in &mut keys.discovery {
        entry.announcer = Some(NAMES[2].to_owned());
        entry.monitors.clear();
        (entry.code_mask, entry.mic_check) = (None, None);
        entry.duik = Some(random(32)?);
    }
    Ok(())
}
