//! Keys of identities of a UE: what its file must say, and what it takes while it runs.

use super::{RADIO, RadioFacts, UeConfig};
use crate::config::ue_toml::Draws;
use sidelink_radio::Anchor;
use sidelink_security::counter::UtcTime;
use sidelink_security::key_period::{KeyPeriod, OVERLAP};
use sidelink_store::{IdentityEntry, IdentityKind, Keys, KmsEntry};
use sidelink_ue::{Event, GroupAction, LinkAction, NoStore, Ue};
use std::num::NonZeroU32;

/// Length of a period in seconds.
const LENGTH: u32 = 2_592_000;

/// A second in the middle of a period.
const NOW: u64 = 1_800_000_000_000;

/// A laboratory's key management server, and its present period.
pub(crate) struct Laboratory {
    kms: KmsEntry,
    period: KeyPeriod,
}

impl Laboratory {
    pub(crate) fn new() -> Self {
        let kms = KmsEntry::new("lab", "kms.example.org", NonZeroU32::new(LENGTH), 0).unwrap();
        let period = kms.periods().at(UtcTime::from_millis(NOW)).unwrap();
        Self { kms, period }
    }

    /// A key store of Alice, who manages the patrol, with the keys of `periods` periods from the present one on.
    pub(crate) fn keys(&self, periods: u32) -> Keys {
        let entry = |uri: &str, kind| {
            let mut entry = IdentityEntry {
                name: uri.to_owned(),
                uri: uri.to_owned(),
                kind,
                kms: "lab".to_owned(),
                ue: Some("alice".to_owned()),
                revoked: false,
                keys: Vec::new(),
            };
            for number in self.period.number..self.period.number + periods {
                let period = self.kms.periods().numbered(number).unwrap();
                entry.take(self.kms.issue(uri, &period).unwrap(), (NOW / 1000) as u32);
            }
            entry
        };
        let identity = vec![
            entry("ProSe:alice", IdentityKind::User),
            entry("sip:patrol@example.org", IdentityKind::Group),
        ];
        Keys { kms: vec![self.kms.public()], identity, ..Keys::default() }
    }
}

/// Alice, who manages a group and may have a link with Bob.
pub(crate) fn alice() -> UeConfig {
    let text = format!(
        "name = \"alice\"\nlayer2-id = \"0000a1\"\n{RADIO}[identity]\n[[link]]\npeer = \"bob\"\nid = \"0000b2\"\n\
         [[group]]\nname = \"patrol\"\nid = \"0001a2\"\nsolution = \"identity\"\nrole = \"manager\"\n\
         identity = \"sip:patrol@example.org\"\n[[group.member]]\nidentity = \"ProSe:bob\"\nid = \"0000b2\"\n"
    );
    UeConfig::from_toml(&text, "alice").unwrap()
}

fn build(config: &UeConfig, keys: &Keys) -> Result<Ue, crate::config::ConfigError> {
    let anchor = Anchor { utc_ns: (NOW * 1_000_000) as i64, uncertainty_ns: 0 };
    let facts = RadioFacts { anchor, real_time: false, draws: Draws::Seeded };
    config.build_with(keys, NoStore::default(), facts, Vec::new())
}

/// What came of a distribution and of a link at a time, in words.
fn tried(ue: &mut Ue, t: u64, millis: u64) -> [String; 2] {
    let mut events = Vec::new();
    let mut tell = |event: Event<'_>| events.push(format!("{event:?}"));
    let stack = ue.stack();
    stack.begin(t, UtcTime::from_millis(millis), &mut tell);
    stack.act_on_group("patrol", &GroupAction::Distribute, &mut tell).unwrap();
    stack.links().unwrap().act("bob", LinkAction::Connect).unwrap();
    stack.begin(t + 1, UtcTime::from_millis(millis + 1), &mut tell);
    let outcome = |good: &str, bad: &str| {
        let told = events.iter().any(|event| event.contains(bad));
        if told { bad.to_owned() } else { good.to_owned() }
    };
    [outcome("distributed", "NotManager"), outcome("asked", "CannotAuthenticate")]
}

#[test]
fn a_ue_that_runs_takes_the_keys_of_the_next_period() {
    let (laboratory, config) = (Laboratory::new(), alice());
    let good = ["distributed".to_owned(), "asked".to_owned()];
    // Links go on with the keys of a period for a while after it.
    let next = laboratory.period.until.millis() + OVERLAP + 3_600_000;
    // With those of the present period alone.
    let mut ue = build(&config, &laboratory.keys(1)).unwrap();
    assert_eq!(tried(&mut ue, 1, NOW), good);
    let mut ue = build(&config, &laboratory.keys(1)).unwrap();
    assert_eq!(tried(&mut ue, 1, next), ["NotManager", "CannotAuthenticate"]);
    ue.stack().renew_identities(config.identity_news(&laboratory.keys(2)).unwrap());
    assert_eq!(tried(&mut ue, 100, next + 100), good);
    // What the store had at the start is used when its time comes.
    let mut ue = build(&config, &laboratory.keys(2)).unwrap();
    assert_eq!(tried(&mut ue, 1, next), good);
}

#[test]
fn a_store_without_the_identity_renews_nothing() {
    let laboratory = Laboratory::new();
    let mut keys = laboratory.keys(1);
    keys.identity.clear();
    assert!(alice().identity_news(&keys).is_err());
    // A UE that uses no identity wants none.
    let plain = UeConfig::from_toml(&format!("name = \"alice\"\n{RADIO}"), "alice").unwrap();
    let news = plain.identity_news(&keys).unwrap();
    assert!(news.links.is_none() && news.groups.is_none());
}

#[test]
fn an_ad_hoc_group_needs_an_identity_that_links_prove_and_somebody_who_may_make_it() {
    let keys = Laboratory::new().keys(1);
    let group = "[[group]]\nname = \"g\"\nid = \"0000b1\"\nsolution = \"identity\"\nkind = \"ad-hoc\"\n";
    let head = |name: &str| format!("name = \"{name}\"\nlayer2-id = \"0000a1\"\n{RADIO}");
    let told = |text: &str| {
        let config = UeConfig::from_toml(text, "test").unwrap();
        build(&config, &keys).err().map_or_else(|| "built".to_owned(), |error| error.to_string())
    };
    let makers = |makers: &str| format!("[identity]\nad-hoc-makers = [{makers}]\n");
    assert!(told(&format!("{}{group}", head("alice"))).contains("an ad-hoc group of nobody"));
    assert_eq!(told(&format!("{}{group}{}", head("alice"), makers("\"ProSe:bob\""))), "built");
    // Of a UE whose identity is not the one that its links prove.
    let mut carol = keys.clone();
    carol.identity[0].ue = Some("carol".to_owned());
    let config = UeConfig::from_toml(&format!("{}{group}", head("carol")), "test").unwrap();
    let error = build(&config, &carol).err().unwrap().to_string();
    assert!(error.contains("have keys made for ProSe:carol"), "{error}");
    // A maker without a name for its group, or without members.
    let maker = format!("{}{group}role = \"manager\"\n", head("alice"));
    assert!(told(&maker).contains("without members"));
    let member = "[[group.member]]\nidentity = \"ProSe:bob\"\nid = \"0000b2\"\n";
    assert!(told(&format!("{maker}{member}")).contains("without an identity"));
}
