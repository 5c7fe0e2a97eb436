//! Where the KDs of a case come from: what each of its UEs gets for that, and what stands behind it.

use crate::attacks::methods::{InClear, Omitting};
use crate::experiments::cases::{AttackCase, By, KdSource, Scenario};
use crate::experiments::credentials::{Issue, certify, issue, subscribe, with_method};
use crate::experiments::metrics::NetworkSpent;
use crate::experiments::operators::{Operators, Shared};
use crate::experiments::signalling::{Proxy, Signalling};
use crate::experiments::tickets::{Reach, SharedServer};
use sidelink_radio::Anchor;
use sidelink_ue::Ue;
use std::collections::BTreeMap;

/// The names of UE_1 and UE_2.
const NAMES: [&str; 2] = ["mary", "john"];

/// Milliseconds after which keys that expire are taken no more: the link is up by then, and not re-keyed yet.
const EXPIRES: u64 = 2000;

/// The networks of a case.
pub(crate) enum Networks {
    /// None.
    None,
    /// Two operators that agree.
    Operators(Shared),
    /// A server of tickets.
    Tickets(SharedServer),
    /// Networks that carry crypto attributes.
    Signalling(Signalling),
}

impl Networks {
    /// Makes those of a case.
    ///
    /// # Errors
    /// A name of a function that is none.
    pub(crate) fn of(scenario: &Scenario, seed: u64) -> anyhow::Result<Self> {
        let proxy = match scenario.attack {
            Some(AttackCase { by: By::Proxy(proxy), .. }) => proxy,
            _ => Proxy::Reads,
        };
        Ok(match scenario.kd {
            KdSource::Networks(material) => Self::Operators(Shared::new(Operators::new(material, seed)?)),
            KdSource::Tickets => Self::Tickets(SharedServer::new(seed)?),
            KdSource::Attributes => Self::Signalling(Signalling::new(proxy)),
            KdSource::Shared | KdSource::Certificates | KdSource::Identities(_) | KdSource::InClear(_) => {
                Self::None
            }
        })
    }

    /// Gives a UE (0 or 1) what its links need.
    ///
    /// # Errors
    /// A UE without links, or credentials that their own reader refuses.
    pub(crate) fn equip(
        &self,
        ue: &mut Ue,
        number: usize,
        scenario: &Scenario,
        anchor: Anchor,
    ) -> anyhow::Result<()> {
        let (name, by) = (NAMES[number], scenario.attack.map(|attack| attack.by));
        match (self, scenario.kd) {
            (Self::Operators(operators), _) => subscribe(ue, name, operators),
            (Self::Tickets(server), _) => {
                // Whoever stands in the place of UE_2 has a key of its own alone.
                let subscriber = if number == 1 && by == Some(By::Impostor) { "peter" } else { name };
                let reach = if by == Some(By::Cut(number)) { Reach::Away } else { Reach::There };
                server.equip(ue, subscriber, reach)
            }
            (Self::Signalling(networks), _) => networks.equip(ue, number),
            (Self::None, KdSource::Certificates) => certify(ue, name, anchor),
            (Self::None, KdSource::Identities(_)) if number == 1 && by == Some(By::Omit) => {
                with_method(ue, Box::new(Omitting))
            }
            (Self::None, KdSource::Identities(variant)) => {
                let expires = (by == Some(By::Expire)).then_some(EXPIRES);
                issue(ue, name, anchor, Issue { expires, ..Issue::common(variant) })
            }
            (Self::None, KdSource::InClear(spelling)) => with_method(ue, Box::new(InClear(spelling))),
            (Self::None, _) => Ok(()),
        }
    }

    /// What it took beside the air.
    pub(crate) fn metered(&self) -> Option<NetworkSpent> {
        match self {
            Self::None => None,
            Self::Operators(operators) => Some(operators.metered()),
            Self::Tickets(server) => Some(server.metered()),
            Self::Signalling(networks) => Some(networks.metered()),
        }
    }

    /// What was seen there.
    pub(crate) fn findings(&self) -> BTreeMap<String, u64> {
        match self {
            Self::Tickets(server) => server.findings(),
            Self::None | Self::Operators(_) | Self::Signalling(_) => BTreeMap::new(),
        }
    }
}
