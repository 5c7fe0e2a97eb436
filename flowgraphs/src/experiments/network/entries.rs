//! What the ProSe Function allots, as entries of a key store.

use sidelink_network::key_delivery::{KeyName, ServiceId};
use sidelink_network::pc3::Bits;
use sidelink_network::pc3::filters::MatchingFilter;
use sidelink_network::pc3_client::{Allotment, Filter, Heard, Query, Target};
use sidelink_network::pc8::Code;
use sidelink_network::pkmf_client::{PkmfClient, Terms, Wanted};
use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::discovery::Announcement;
use sidelink_security::discovery::public_safety::PublicSafetyKey;
use sidelink_security::discovery::restricted::Material;
use sidelink_store::{
    Discovery, Group, Hex, Member, MicCheckName, PgkEntry, Protection, Right, Secret, Sending,
};
use sidelink_wire::pc5_discovery::MessageType;

/// Makes entries of an allotment to the UE `ue`; `name` is for people.
pub(crate) fn entries(ue: &str, name: &str, allotment: &Allotment, until: UtcTime) -> Vec<Discovery> {
    match allotment {
        Allotment::Announce { code, key } => {
            let mut entry = announced(ue, name, Protection::Open, until);
            entry.code = Some(Hex(code.0.to_vec()));
            entry.key = key.as_ref().map(|key| Secret::new(key.as_bytes().to_vec()));
            vec![entry]
        }
        Allotment::Monitor(filters) => {
            let each = filters.iter().flat_map(|filter| {
                filter.masks.iter().map(move |mask| (filter.code.0.to_vec(), mask.0.to_vec()))
            });
            each.map(|(code, mask)| monitored(ue, name, Protection::Open, (code, mask), until)).collect()
        }
        Allotment::AnnounceRestricted { code, material } => {
            let mut entry = announced(ue, name, Protection::Restricted, until);
            entry.code = Some(Hex(code.on_air().to_vec()));
            if let Some(material) = material {
                keys(&mut entry, material);
            }
            vec![entry]
        }
        Allotment::MonitorRestricted(filters) => {
            filters.iter().flat_map(|filter| restricted(ue, name, filter)).collect()
        }
        Allotment::Answer { code, sends, queries, receives } => {
            let mut made = Vec::new();
            for bits in queries.iter().flat_map(bits) {
                let number = made.len() / 2;
                let mut question =
                    monitored(ue, &numbered(name, number, ASKED), Protection::Restricted, bits, until);
                question.message_type = Some(Hex(vec![MessageType::RestrictedQuery.octet()]));
                keys(&mut question, receives);
                let mut answer = announced(ue, &numbered(name, number, ""), Protection::Restricted, until);
                answered(&mut answer, &question);
                answer.code = Some(Hex(code.on_air().to_vec()));
                keys(&mut answer, sends);
                made.extend([question, answer]);
            }
            made
        }
        Allotment::Ask(queries) => queries.iter().flat_map(|query| asked(ue, name, query)).collect(),
    }
}

/// What the name of the entry of a question has behind the name of its answer.
const ASKED: &str = ", asked";

/// Returns the names of entries that are made of one thing: each has its own.
fn numbered(name: &str, number: usize, what: &str) -> String {
    match number {
        0 => format!("{name}{what}"),
        _ => format!("{name}{what} {}", number + 1),
    }
}

/// Makes the entries of a question to one user, and of its answers.
fn asked(ue: &str, name: &str, query: &Query) -> Vec<Discovery> {
    let name = query.rpauid.as_ref().map_or(name, |rpauid| rpauid.as_str());
    let until = query.answers.until;
    let mut made = Vec::new();
    for bits in query.answers.filters.iter().flat_map(bits) {
        let number = made.len() / 2;
        let mut question = announced(ue, &numbered(name, number, ASKED), Protection::Restricted, until);
        question.message_type = Some(Hex(vec![MessageType::RestrictedQuery.octet()]));
        question.code = Some(Hex(query.code.on_air().to_vec()));
        keys(&mut question, &query.sends);
        let mut answer = monitored(ue, &numbered(name, number, ""), Protection::Restricted, bits, until);
        answered(&mut answer, &question);
        answer.mic_check = query.answers.reports.then_some(MicCheckName::ProseFunction);
        keys(&mut answer, &query.answers.material);
        made.extend([question, answer]);
    }
    made
}

fn answered(answer: &mut Discovery, question: &Discovery) {
    answer.message_type = Some(Hex(vec![MessageType::RestrictedResponse.octet()]));
    answer.question = Some(question.name.clone());
}

/// Code and each mask of a filter, 184 bits.
fn bits(filter: &MatchingFilter) -> Vec<(Vec<u8>, Vec<u8>)> {
    filter.masks().iter().map(|mask| (whole(filter.code()), whole(mask))).collect()
}

/// Makes of a message whose MIC the network checks what a match report is about.
pub(crate) fn heard_of(announcement: &Announcement) -> Heard {
    Heard {
        target: Target::of_message_type(announcement.message_type),
        code: announcement.code,
        message_type: announcement.message_type,
        mic: announcement.mic,
        counter: announcement.counter,
    }
}

/// Makes an entry of a group whose keys the PKMF gave to the UE `ue`; `None` where nothing was granted.
pub(crate) fn group_of(keys: &PkmfClient, name: &str, ue: &str, group: ServiceId) -> Option<Group> {
    let Terms::Group { member, algorithm } = keys.terms(Wanted::Group(group))? else { return None };
    let id = Hex(member.0.to_vec());
    let pgk = keys.group_keys(group).into_iter().map(|key| PgkEntry {
        id: key.pgk_id,
        key: Some(Secret::new(key.pgk.as_bytes().to_vec())),
        valid_from: key.valid_from.value(),
        expiry: key.expiry.value(),
        sending: vec![Sending { id: id.clone(), right: Right::Here, since: None, next: None }],
    });
    Some(Group {
        name: name.to_owned(),
        group_id: Hex(group.0.to_vec()),
        cipher: algorithm.algorithm().into(),
        mac: None,
        member: vec![Member { ue: ue.to_owned(), id: id.clone() }],
        pgk: pgk.collect(),
    })
}

/// Makes the entries of a relay service whose PSDKs the PKMF gave to the UE `ue`: one of each that has not ended.
#[cfg_attr(not(feature = "services"), allow(dead_code, reason = "the network leg takes it"))]
pub(crate) fn psdks_of(keys: &PkmfClient, name: &str, ue: &str, service: Code, now: u32) -> Vec<Discovery> {
    let psdks = keys.discovery_keys(Wanted::Relay(service), UtcCounter::new(now)).into_iter();
    let entry = |(key_name, key): (KeyName, PublicSafetyKey)| {
        let id = key_name.id.get();
        let until = key.expiry.value();
        let mut entry = Discovery::new(&format!("{name}-{id}"), Protection::PublicSafety, until);
        entry.monitors = vec![ue.to_owned()];
        entry.message_type = Some(Hex(vec![MessageType::RelayAnnouncement.octet()]));
        entry.code = Some(Hex([&service.0[..], &[0; 20]].concat()));
        entry.code_mask = Some(Hex([vec![0xff; 3], vec![0; 20]].concat()));
        entry.key_type_id = Some(Hex(key_name.service.0.to_vec()));
        entry.psdk_id = Some(Hex(vec![id]));
        entry.psdk = Some(Secret::new(key.psdk.as_bytes().to_vec()));
        let used = [(key.scramble, 0x80), (key.integrity, 0x40), (key.confidentiality.is_some(), 0x20)];
        let profile = used.iter().filter(|(is_used, _)| *is_used).fold(0, |octet, (_, bit)| octet | bit);
        entry.protection_profile = Some(Hex(vec![profile]));
        entry.duck_mask = key.confidentiality.map(|mask| Hex(mask.to_vec()));
        entry
    };
    psdks.map(entry).collect()
}

fn announced(ue: &str, name: &str, protection: Protection, until: UtcTime) -> Discovery {
    let mut entry = Discovery::new(name, protection, seconds(until));
    entry.announcer = Some(ue.to_owned());
    entry
}

fn monitored(
    ue: &str,
    name: &str,
    protection: Protection,
    (code, mask): (Vec<u8>, Vec<u8>),
    until: UtcTime,
) -> Discovery {
    let mut entry = Discovery::new(name, protection, seconds(until));
    entry.monitors = vec![ue.to_owned()];
    (entry.code, entry.code_mask) = (Some(Hex(code)), Some(Hex(mask)));
    entry
}

fn restricted(ue: &str, name: &str, filter: &Filter) -> Vec<Discovery> {
    let name = filter.rpauid.as_ref().map_or(name, |rpauid| rpauid.as_str());
    let entry = |bits| {
        let mut entry = monitored(ue, name, Protection::Restricted, bits, filter.until);
        entry.mic_check = filter.reports.then_some(MicCheckName::ProseFunction);
        keys(&mut entry, &filter.material);
        entry
    };
    filter.filters.iter().flat_map(bits).map(entry).collect()
}

/// Returns 184 bits: those beyond the filter are 0, and do not matter under its mask.
fn whole(bits: &Bits) -> Vec<u8> {
    let mut whole = bits.octets().to_vec();
    whole.resize(23, 0);
    whole
}

fn keys(entry: &mut Discovery, material: &Material) {
    let secret = |octets: &[u8]| Secret::new(octets.to_vec());
    entry.dusk = material.dusk.as_ref().map(|key| secret(key.as_bytes()));
    entry.duik = material.duik.as_ref().map(|key| secret(key.as_bytes()));
    entry.duck = material.duck.as_ref().map(|(key, _)| secret(key.as_bytes()));
    entry.duck_mask = material.duck.as_ref().map(|(_, mask)| Hex(mask.to_vec()));
}

/// UTC in seconds, as a key store has it.
fn seconds(time: UtcTime) -> u32 {
    u32::try_from(time.millis() / 1000).unwrap_or(u32::MAX)
}
