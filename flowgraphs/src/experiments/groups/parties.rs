//! Who takes part: configurations of UEs, as text of `ue.toml`.

use super::cases::{By, GroupCase, Incident, Solution};
use super::log::TEXT;
use super::naf;
use super::owner;
use super::timeline::{CONTROL, PRBS, Timeline};
use crate::config::LongMessageWay;
use crate::config::ue_toml::UeConfig;
use std::fmt::Write;

/// Identity of the group.
pub(crate) const GROUP: &str = "sip:patrol@example.org";

/// Layer-2 ID of the group.
pub(crate) const GROUP_ID: u32 = 0x00_01a2;

/// Layer-2 ID of the manager.
const MANAGER_ID: u32 = 0x00_0100;

/// Level of a radio that only listens.
const SILENT: f64 = -300.0;

/// A UE of an exercise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Party {
    /// The manager of the group.
    Manager,
    /// A member, from 1.
    Member(usize),
    /// The first member, that was killed and starts again.
    Again,
    /// A radio that listens with the keys of a member.
    Thief(usize),
    /// A UE with an identity of its own, that is in the group or not.
    Mallory,
    /// A radio that listens under the layer-2 ID of the first member, with a certificate of its own.
    Spy,
    /// A radio that sends under the layer-2 ID of the manager.
    Impostor,
}

impl Party {
    /// Its name, in messages and in its key store.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Manager => "manager".to_owned(),
            // The thief's radio has the key store of the member.
            Self::Member(number) | Self::Thief(number) => format!("ue{number:02}"),
            Self::Again => Self::Member(1).name(),
            Self::Mallory => "mallory".to_owned(),
            Self::Spy => "spy".to_owned(),
            Self::Impostor => "impostor".to_owned(),
        }
    }

    /// Its identity.
    pub(crate) fn identity(self, case: &GroupCase<'_>) -> String {
        match case.scenario.has_links() {
            // What links prove.
            true => format!("ProSe:{}", self.name()),
            false => format!("sip:{}@example.org", self.name()),
        }
    }

    pub(crate) const fn layer2_id(self) -> u32 {
        match self {
            Self::Manager | Self::Impostor => MANAGER_ID,
            Self::Spy => MANAGER_ID + 1,
            Self::Member(number) | Self::Thief(number) => MANAGER_ID + number as u32,
            Self::Again => Self::Member(1).layer2_id(),
            Self::Mallory => MANAGER_ID + 0xf0_0000,
        }
    }

    /// Level of its transmissions: a thief only listens.
    const fn level(self) -> f64 {
        match self {
            Self::Thief(_) | Self::Spy => SILENT,
            Self::Manager | Self::Member(_) | Self::Again | Self::Mallory | Self::Impostor => 0.0,
        }
    }
}

/// The configuration of a party.
///
/// # Errors
/// A carrier or pool that cannot be.
pub(crate) fn config(case: &GroupCase<'_>, party: Party) -> anyhow::Result<UeConfig> {
    let is_of_naf = naf::is_used(case);
    let mut text = head(case, party);
    match case.scenario.solution {
        Solution::Identity => text += &identity_group(case, party),
        Solution::AdHoc => text += &ad_hoc_group(case, party),
        Solution::Owner => text += &owner_group(case, party),
        Solution::Invitation | Solution::WhiteList if party != Party::Mallory => {
            text += &naf_group(case, party)?;
        }
        // Whoever attacks a NAF has a machine of its own.
        Solution::Pkmf | Solution::Invitation | Solution::WhiteList => {
            let _ =
                write!(text, "[[group]]\nname = \"patrol\"\nid = \"{GROUP_ID:06x}\"\nsolution = \"pgk\"\n");
        }
    }
    if matches!(party, Party::Member(1) | Party::Again | Party::Impostor) {
        let _ = write!(text, "[[talk]]\nto = \"patrol\"\nevery = 120\ntext = \"{TEXT}\"\n");
    }
    let mut config = UeConfig::from_toml(&text, &format!("the scenario's {}", party.name()))?;
    // so that `--snr` is Es/N0 of what they send
    config.device.level = if is_of_naf && party == Party::Mallory { SILENT } else { party.level() };
    Ok(config)
}

fn head(case: &GroupCase<'_>, party: Party) -> String {
    // Whoever overhears invitations listens to what is for another.
    let by = case.scenario.attack.map(|attack| attack.by);
    let ear =
        if by == Some(By::StolenInvitation) && party == Party::Mallory { Party::Member(1) } else { party };
    let (name, id) = (party.name(), ear.layer2_id());
    let other = match party {
        Party::Mallory => 900,
        Party::Impostor => 800,
        Party::Spy => 700,
        Party::Manager | Party::Member(_) | Party::Again | Party::Thief(_) => 0,
    };
    let seed = 1000 * case.seed + u64::from(id & 0xff) + other;
    let GroupCase { period, mcs, .. } = case;
    let way = match case.way {
        LongMessageWay::Whole => "whole",
        LongMessageWay::Repeated => "repeated",
        LongMessageWay::Coded => "coded",
    };
    let control = "1".repeat(CONTROL as usize);
    format!(
        r#"name = "{name}"
layer2-id = "{id:06x}"
seed = {seed}
lead = 4
[radio]
prb = 15
tm = 2
[[radio.communication]]
period = {period}
control-bitmap = "{control}"
control-prb = {{ start = 0, end = 14, num = 7 }}
data-bitmap = "1111 1111"
data-offset = {CONTROL}
data-prb = {{ start = 0, end = 14, num = 7 }}
[communication]
mcs = {mcs}
prbs = {PRBS}
trpt-subset = 4
[long-messages]
way = "{way}"
"#
    )
}

/// `[[group]]` with identity-based keys.
fn identity_group(case: &GroupCase<'_>, party: Party) -> String {
    let timeline = Timeline::of(case);
    let by = case.scenario.attack.map(|attack| attack.by);
    // Who is not the manager can only sign as itself; over links nothing is signed.
    let (group, kind) = match (party, by) {
        (Party::Mallory, Some(By::AdHocKey)) => (GROUP.to_owned(), "ad-hoc"),
        (Party::Mallory, Some(By::Impostor)) => (GROUP.to_owned(), "standard"),
        (Party::Mallory, _) => (party.identity(case), "standard"),
        _ => (GROUP.to_owned(), "standard"),
    };
    let role = match (party, by) {
        (Party::Mallory, Some(By::Impostor)) => "member",
        (Party::Manager | Party::Mallory, _) => "manager",
        _ => "member",
    };
    let mut text = format!(
        "[[group]]\nname = \"patrol\"\nid = \"{GROUP_ID:06x}\"\nsolution = \"identity\"\n\
         identity = \"{group}\"\nkind = \"{kind}\"\nrole = \"{role}\"\nspacing = {}\n",
        timeline.spacing
    );
    if case.scenario.mac {
        text += "mac = \"aes\"\n";
    }
    let plan = |text: &mut String, at: u64, action: &str| {
        let _ = write!(text, "[[group.plan]]\nat = {at}\naction = \"{action}\"\n");
    };
    for member in members(case, party) {
        let (identity, id) = (member.identity(case), member.layer2_id());
        let _ = write!(text, "[[group.member]]\nidentity = \"{identity}\"\nid = \"{id:06x}\"\n");
    }
    match party {
        Party::Manager => {
            plan(&mut text, timeline.distribute, "distribute");
            if case.scenario.incident == Incident::Theft {
                plan(&mut text, timeline.rekey, "exclude");
                let _ = writeln!(text, "member = \"{}\"", Party::Member(case.members).identity(case));
            } else {
                plan(&mut text, timeline.rekey, "distribute");
            }
        }
        Party::Member(1) => {
            plan(&mut text, timeline.call, "start-call");
            plan(&mut text, timeline.second_call, "start-call");
        }
        Party::Again => plan(&mut text, timeline.second_call - timeline.down().end, "start-call"),
        Party::Mallory if by == Some(By::Impostor) => plan(&mut text, timeline.call + 300, "start-call"),
        Party::Mallory => {
            plan(&mut text, timeline.call + 300, "distribute");
            if matches!(by, Some(By::Stranger | By::AdHocKey)) {
                plan(&mut text, timeline.call + 1000, "start-call");
            }
        }
        Party::Member(_) | Party::Thief(_) | Party::Spy | Party::Impostor => {}
    }
    if by == Some(By::AdHocKey) {
        text += LINKS;
    }
    text
}

/// `[identity]`, with ad-hoc groups of whoever proves itself.
const LINKS: &str = "[identity]\nad-hoc-makers = [\"everyone\"]\n";

/// `[[group]]` that the manager makes over links. Of the members the caller alone knows of it before.
fn ad_hoc_group(case: &GroupCase<'_>, party: Party) -> String {
    let timeline = Timeline::of(case);
    let is_maker = party == Party::Manager;
    let mut text = LINKS.to_owned();
    if !is_maker && party != Party::Member(1) {
        return text;
    }
    let role = if is_maker { "manager" } else { "member" };
    let _ = write!(
        text,
        "[[group]]\nname = \"patrol\"\nid = \"{GROUP_ID:06x}\"\nsolution = \"identity\"\nkind = \"ad-hoc\"\n\
         identity = \"{GROUP}\"\nrole = \"{role}\"\nspacing = {}\n",
        timeline.spacing
    );
    let plan = |text: &mut String, at: u64, action: &str| {
        let _ = write!(text, "[[group.plan]]\nat = {at}\naction = \"{action}\"\n");
    };
    if is_maker {
        for member in members(case, party) {
            let (identity, id) = (member.identity(case), member.layer2_id());
            let _ = write!(text, "[[group.member]]\nidentity = \"{identity}\"\nid = \"{id:06x}\"\n");
        }
        plan(&mut text, timeline.distribute, "distribute");
        plan(&mut text, timeline.rekey, "exclude");
        let _ = writeln!(text, "member = \"{}\"", Party::Member(case.members).identity(case));
    } else {
        plan(&mut text, timeline.call, "start-call");
        plan(&mut text, timeline.second_call, "start-call");
    }
    text
}

/// `[[group]]` with an owner.
fn owner_group(case: &GroupCase<'_>, party: Party) -> String {
    let timeline = Timeline::of(case);
    let by = case.scenario.attack.map(|attack| attack.by);
    let mut text = format!("[[group]]\nname = \"patrol\"\nid = \"{GROUP_ID:06x}\"\n");
    // The machine of a special party is no configuration's: it comes from elsewhere, as keys of the network do.
    text += &match (owner::is_special(case, party), party) {
        (true, _) => "solution = \"pgk\"\n".to_owned(),
        (false, Party::Manager) => "solution = \"owner\"\nrole = \"owner\"\n".to_owned(),
        (false, _) => {
            // The first member takes the one in the middle for the owner.
            let at = if (party, by) == (Party::Member(1), Some(By::Between)) {
                Party::Mallory
            } else {
                Party::Manager
            };
            let (name, id) = (Party::Manager.name(), at.layer2_id());
            format!(
                "solution = \"owner\"\nrole = \"member\"\nowner = {{ identity = \"{name}\", id = \"{id:06x}\" }}\n"
            )
        }
    };
    if party == Party::Manager && by == Some(By::OtherGroup) {
        for member in members(case, party) {
            let (name, id) = (member.name(), member.layer2_id());
            let _ = write!(text, "[[group.member]]\nidentity = \"{name}\"\nid = \"{id:06x}\"\n");
        }
    }
    let plan = |text: &mut String, at: u64, action: &str| {
        let _ = write!(text, "[[group.plan]]\nat = {at}\naction = \"{action}\"\n");
    };
    match party {
        Party::Manager => match case.scenario.incident {
            Incident::Theft => {
                plan(&mut text, timeline.rekey, "exclude");
                let _ = writeln!(text, "member = \"{}\"", Party::Member(case.members).name());
            }
            Incident::Renewal => plan(&mut text, timeline.rekey, "distribute"),
            Incident::Leave | Incident::Crash => {}
        },
        // One after the other: each takes five messages.
        Party::Again => {}
        Party::Member(number) | Party::Thief(number) => {
            plan(&mut text, timeline.distribute + timeline.spacing * (number as u64 - 1), "join");
            if case.scenario.incident == Incident::Leave && number == case.members {
                plan(&mut text, timeline.rekey, "leave");
            }
        }
        // Just before the one whose answers it hears.
        Party::Spy => plan(&mut text, timeline.distribute - 40, "join"),
        Party::Mallory if by == Some(By::AsOwner) => {
            plan(&mut text, timeline.distribute + timeline.spacing * case.members as u64, "join");
        }
        Party::Mallory if by == Some(By::Between) => {}
        Party::Impostor => {}
        Party::Mallory => plan(&mut text, timeline.call + 500, "join"),
    }
    text
}

/// `[[group]]` whose keys a NAF gives.
fn naf_group(case: &GroupCase<'_>, party: Party) -> anyhow::Result<String> {
    let timeline = Timeline::of(case);
    let by = case.scenario.attack.map(|attack| attack.by);
    let solution = if case.scenario.solution == Solution::Invitation { "invitation" } else { "white-list" };
    let role = if party == Party::Manager { "owner" } else { "member" };
    let mut text = format!(
        "[[group]]\nname = \"patrol\"\nid = \"{GROUP_ID:06x}\"\nsolution = \"{solution}\"\nrole = \"{role}\"\n"
    );
    if by == Some(By::LosesKeys) {
        // so that a member notices while the exercise lasts
        text += "ask-every = 2\n";
    }
    let plan = |text: &mut String, at: u64, action: &str| {
        let _ = write!(text, "[[group.plan]]\nat = {at}\naction = \"{action}\"\n");
    };
    if party == Party::Manager {
        for member in (1..=case.members).map(Party::Member) {
            let (user, id) = (naf::user(case, member)?, member.layer2_id());
            let _ = write!(text, "[[group.member]]\nidentity = \"{user}\"\nid = \"{id:06x}\"\n");
        }
        plan(&mut text, timeline.distribute, "distribute");
        if case.scenario.incident.has_thief() {
            plan(&mut text, timeline.rekey, "exclude");
            let _ = writeln!(text, "member = \"{}\"", naf::user(case, Party::Member(case.members))?);
        } else {
            plan(&mut text, timeline.rekey, "distribute");
        }
    } else if case.scenario.solution == Solution::WhiteList {
        plan(&mut text, timeline.distribute + 500, "join");
    }
    Ok(text)
}

/// Members as a party lists them: who may call, and to whom a manager sends.
fn members(case: &GroupCase<'_>, party: Party) -> Vec<Party> {
    let all = (1..=case.members).map(Party::Member);
    match (party, case.scenario.attack.map(|attack| attack.by)) {
        // Nobody else takes part in the call of a stranger.
        (Party::Mallory, Some(By::Stranger)) => vec![Party::Mallory],
        (_, Some(By::Impostor)) => all.chain([Party::Mallory]).collect(),
        _ => all.collect(),
    }
}
