//! `[[group]]` of `ue.toml`: groups without protection, and groups whose keys come over the air.

use super::ConfigError;
use serde::Deserialize;
use sidelink_network::group_naf::message::MOST_MEMBERS;
use sidelink_network::identity::Impi;
use sidelink_network::key_delivery::ServiceId;
use sidelink_network::naf_groups::{Invitee, Part};
use sidelink_prose::group_keys::{Callers, Identity, Member, StandardGroup};
use sidelink_prose::group_owner as owner;
use sidelink_prose::long_message::Way;
use sidelink_security::group::GroupConfig as Algorithms;
use sidelink_store::{Cipher, Hex};
use sidelink_ue::{GroupAction, Managed};
use sidelink_wire::ids::Layer2Id;

/// `[[group]]`: a group that is not in the key store.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GroupConfig {
    /// Name of the group.
    pub name: String,
    /// ProSe Layer-2 group ID, six hexadecimal digits.
    pub id: Hex,
    /// Where its keys come from.
    #[serde(default)]
    pub solution: GroupSolution,
    /// How a group by identities comes to be.
    #[serde(default)]
    pub kind: GroupKind,
    /// Identity of the group, as a URI, as which its manager signs: `identity`.
    #[serde(default)]
    pub identity: Option<String>,
    /// What this UE is in the group.
    #[serde(default)]
    pub role: GroupRole,
    /// At a member: the owner of the group.
    #[serde(default)]
    pub owner: Option<GroupMember>,
    /// Its members: at a manager or owner all of them, at a member those who may call. Without any, whoever has the key
    /// may call.
    #[serde(default)]
    pub member: Vec<GroupMember>,
    /// Ciphering algorithm.
    #[serde(default = "aes")]
    pub cipher: Cipher,
    /// Integrity algorithm of our own MAC-I; without one it is as in the standard.
    #[serde(default)]
    pub mac: Option<Cipher>,
    /// Seconds for which a key that this UE makes is used.
    #[serde(default = "day")]
    pub period: u32,
    /// Seconds from the making of a key to its use.
    #[serde(default)]
    pub activate_after: u32,
    /// Milliseconds between two messages of a distribution: what one of them takes on the air. Without it two SC periods.
    #[serde(default)]
    pub spacing: Option<u64>,
    /// Seconds after which a member asks the NAF whether its key is the present one.
    #[serde(default = "minute")]
    pub ask_every: u32,
    /// Requests at fixed times.
    #[serde(default)]
    pub plan: Vec<GroupPlan>,
}

/// Where the keys of a group come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupSolution {
    /// It has none: its data are unprotected.
    #[default]
    None,
    /// From its manager, by identity-based keys (MIKEY-SAKKE).
    Identity,
    /// From the PKMF, by the network: `[network]`, or an exercise.
    Pgk,
    /// From its owner, a UE that admits members by their certificates.
    Owner,
    /// From a NAF, which its owner lets invite members over PC5.
    Invitation,
    /// From a NAF, which its owner gives a list of the members.
    WhiteList,
}

/// How a group by identities comes to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupKind {
    /// It is provisioned: its manager has the keys of the group's identity.
    #[default]
    Standard,
    /// A UE makes it, over a protected link with each member; `manager` is its maker.
    AdHoc,
}

/// What a UE is in a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupRole {
    /// It gets keys.
    #[default]
    Member,
    /// It makes and distributes keys: it holds the keys of the group's identity.
    Manager,
    /// It admits members, and gives them keys; or has a NAF do so.
    Owner,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GroupMember {
    /// Its identity, as a URI.
    pub identity: String,
    /// Its Layer-2 ID, six hexadecimal digits.
    pub id: Hex,
}

/// A request for a group at a fixed time.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GroupPlan {
    /// Milliseconds after the start.
    pub at: u64,
    /// The request.
    pub action: PlannedAction,
    /// The member that it is about.
    #[serde(default)]
    pub member: Option<String>,
}

/// A request for a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlannedAction {
    /// A new key for all members.
    Distribute,
    /// A new key for all members but one.
    Exclude,
    /// Start a call.
    StartCall,
    /// End the call.
    EndCall,
    /// Join the group of an owner, or ask a NAF for the key.
    Join,
    /// Leave the group of an owner or of a NAF.
    Leave,
}

const fn aes() -> Cipher {
    Cipher::Aes
}

const fn minute() -> u32 {
    60
}

const fn day() -> u32 {
    86_400
}

impl GroupConfig {
    fn place(&self) -> String {
        format!("[[group]] {:?}", self.name)
    }

    /// Returns its layer-2 ID.
    ///
    /// # Errors
    /// It has not six hexadecimal digits.
    pub(super) fn layer2_id(&self) -> Result<Layer2Id, ConfigError> {
        layer2_id(&self.id, &self.place())
    }

    /// Returns its algorithms.
    ///
    /// # Errors
    /// As [`Self::layer2_id`].
    pub(super) fn algorithms(&self) -> Result<Algorithms, ConfigError> {
        Ok(Algorithms {
            group_id: self.layer2_id()?.octets(),
            eea: self.cipher.into(),
            mac: self.mac.map(Into::into),
        })
    }

    /// Whether a UE makes this group, over protected links.
    pub(crate) fn is_ad_hoc(&self) -> bool {
        self.solution == GroupSolution::Identity && self.kind == GroupKind::AdHoc
    }

    /// Whether a NAF gives its keys.
    pub(super) const fn is_of_naf(&self) -> bool {
        matches!(self.solution, GroupSolution::Invitation | GroupSolution::WhiteList)
    }

    fn named(&self) -> Result<&String, ConfigError> {
        self.identity.as_ref().ok_or_else(|| {
            let remedy = "say identity = \"sip:GROUP@example.org\", as the key store names the group";
            ConfigError::new("a group by identities without an identity", self.place(), remedy)
        })
    }

    /// Returns the group as the machine of group keys by identities knows it; `None` for one that a UE makes.
    ///
    /// # Errors
    /// It has no identity, or a wrong layer-2 ID.
    pub(super) fn standard(&self) -> Result<Option<StandardGroup>, ConfigError> {
        if self.is_ad_hoc() {
            return Ok(None);
        }
        let identity = self.named()?;
        let callers = match self.member.is_empty() {
            true => Callers::WithGmk,
            false => Callers::Listed(self.member.iter().map(|m| Identity::user(&m.identity)).collect()),
        };
        Ok(Some(StandardGroup { layer2: self.layer2_id()?, identity: Identity::user(identity), callers }))
    }

    /// Returns what its manager distributes; `None` where this UE does not manage it.
    ///
    /// # Errors
    /// A manager without members, or a wrong layer-2 ID.
    pub(super) fn managed(&self) -> Result<Option<Managed>, ConfigError> {
        if self.role != GroupRole::Manager {
            return Ok(None);
        }
        if self.member.is_empty() {
            let remedy = "add [[group.member]] identity = \"..\", id = \"......\" for each";
            return Err(ConfigError::new("a manager of a group without members", self.place(), remedy));
        }
        let member = |member: &GroupMember| {
            let place = format!("{}, member {:?}", self.place(), member.identity);
            Ok(Member { identity: Identity::user(&member.identity), layer2: layer2_id(&member.id, &place)? })
        };
        let members = self.member.iter().map(member).collect::<Result<_, ConfigError>>()?;
        let (lead, period) = (self.activate_after, self.period);
        let name = self.is_ad_hoc().then(|| self.named()).transpose()?;
        let ad_hoc = name.map(|name| Identity::user(name));
        Ok(Some(Managed { group: self.layer2_id()?, ad_hoc, members, lead, period }))
    }

    /// Returns the rules of group owner mode for a UE of this name.
    ///
    /// # Errors
    /// A wrong layer-2 ID.
    pub(super) fn owner_rules(
        &self,
        name: &str,
        (source, sc_period): (Layer2Id, u64),
    ) -> Result<owner::Config, ConfigError> {
        let mut rules = owner::Config::new(self.algorithms()?, Identity::user(name), source, sc_period);
        if !self.member.is_empty() {
            let listed = self.member.iter().map(|member| Identity::user(&member.identity));
            rules.admitted = owner::Admitted::Listed(listed.collect());
        }
        rules.key_lifetime = 1000 * u64::from(self.period);
        Ok(rules)
    }

    /// Returns what a UE is in a group of a NAF.
    ///
    /// # Errors
    /// An owner without members or with one twice, a member that is no user, a role or a request that these groups do not
    /// have, or a wrong layer-2 ID.
    pub(super) fn naf_part(&self) -> Result<(ServiceId, Part), ConfigError> {
        let wrong = |what: String, remedy: &str| ConfigError::new(what, self.place(), remedy);
        let call =
            |plan: &&GroupPlan| matches!(plan.action, PlannedAction::StartCall | PlannedAction::EndCall);
        if self.plan.iter().any(|plan| call(&plan)) {
            let remedy = "leave it out: whoever has the key of a NAF's group talks under it";
            return Err(wrong("a call in a group that has none".to_owned(), remedy));
        }
        let is_invitation = self.solution == GroupSolution::Invitation;
        let id = ServiceId(self.layer2_id()?.octets());
        match self.role {
            GroupRole::Manager => {
                let remedy = "say role = \"owner\", or \"member\"";
                return Err(wrong("a manager of a group of a NAF".to_owned(), remedy));
            }
            GroupRole::Member => return Ok((id, if is_invitation { Part::Invited } else { Part::Listed })),
            GroupRole::Owner => {}
        }
        if self.member.is_empty() {
            let remedy = "add [[group.member]] identity = \"..\", the IMPI, id = \"......\" for each";
            return Err(wrong("an owner of a group without members".to_owned(), remedy));
        }
        if self.member.len() > MOST_MEMBERS {
            let what = format!("{} members", self.member.len());
            return Err(wrong(what, "a group of a NAF has at most 2000: make several groups"));
        }
        let mut invitees: Vec<Invitee> = Vec::new();
        for member in &self.member {
            let place = format!("{}, member {:?}", self.place(), member.identity);
            let user = Impi::new(&member.identity).map_err(|error| {
                let remedy = "say its IMPI, such as 001010000000001@ims.mnc001.mcc001.3gppnetwork.org";
                ConfigError::new(error.to_string(), &place, remedy)
            })?;
            let layer2 = layer2_id(&member.id, &place)?;
            if invitees.iter().any(|known| known.user == user || known.layer2 == layer2) {
                return Err(ConfigError::new("a member twice", place, "remove one, or correct its id"));
            }
            invitees.push(Invitee { user, layer2 });
        }
        Ok((
            id,
            match is_invitation {
                true => Part::Inviter(invitees),
                false => Part::Lister(invitees.into_iter().map(|invitee| invitee.user).collect()),
            },
        ))
    }

    /// Returns layer-2 identity and identity of the owner, at a member.
    ///
    /// # Errors
    /// There is none, or a wrong layer-2 ID.
    pub(super) fn owner(&self) -> Result<(Layer2Id, Identity), ConfigError> {
        let Some(owner) = &self.owner else {
            let remedy = "say owner = { identity = \"NAME\", id = \"......\" }, or role = \"owner\"";
            return Err(ConfigError::new("a member of a group without its owner", self.place(), remedy));
        };
        let place = format!("{}, owner", self.place());
        Ok((layer2_id(&owner.id, &place)?, Identity::user(&owner.identity)))
    }

    /// Returns the planned requests, with their times in milliseconds.
    ///
    /// # Errors
    /// A request that lacks its member, or has one too many.
    pub(super) fn actions(&self) -> Result<Vec<(u64, GroupAction)>, ConfigError> {
        let action = |plan: &GroupPlan| {
            let place = format!("{}, plan at {}", self.place(), plan.at);
            let action = match (plan.action, &plan.member) {
                (PlannedAction::Exclude, Some(member)) => GroupAction::Exclude(member.clone()),
                (PlannedAction::Exclude, None) => {
                    let remedy = "say member = \"..\", the identity of the one who is left out";
                    return Err(ConfigError::new("exclude without a member", place, remedy));
                }
                (_, Some(_)) => {
                    let remedy = "leave member out: only exclude has one";
                    return Err(ConfigError::new("a request that is about no member", place, remedy));
                }
                (PlannedAction::Distribute, None) => GroupAction::Distribute,
                (PlannedAction::StartCall, None) => GroupAction::StartCall,
                (PlannedAction::EndCall, None) => GroupAction::EndCall,
                (PlannedAction::Join, None) => GroupAction::Join,
                (PlannedAction::Leave, None) => GroupAction::Leave,
            };
            Ok((plan.at, action))
        };
        self.plan.iter().map(action).collect()
    }
}

/// Reads a layer-2 ID.
///
/// # Errors
/// It has not six hexadecimal digits.
pub(super) fn layer2_id(hex: &Hex, place: &str) -> Result<Layer2Id, ConfigError> {
    let octets: [u8; 3] = hex.0.as_slice().try_into().map_err(|_| {
        ConfigError::new(format!("{} octets", hex.0.len()), place, "a Layer-2 ID has six hexadecimal digits")
    })?;
    Ok(Layer2Id::from_octets(octets))
}

/// `[long-messages]`: how messages travel that are longer than a transport block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct LongMessages {
    /// `whole`, `repeated` or `coded`.
    pub way: LongMessageWay,
    /// Repeated: times that a message is sent.
    pub times: u8,
    /// Coded: fragments beyond those that are needed.
    pub parity: u8,
    /// Coded: octets of a fragment; without it as many as a transport block holds.
    pub fragment: Option<u16>,
}

impl Default for LongMessages {
    fn default() -> Self {
        Self { way: LongMessageWay::Whole, times: 2, parity: 2, fragment: None }
    }
}

/// How a long message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum LongMessageWay {
    /// Once, cut into blocks: all of them have to arrive.
    Whole,
    /// Several times.
    Repeated,
    /// In fragments of one block each, of which any K are enough.
    Coded,
}

impl LongMessageWay {
    /// Its name on the command line and in files.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Repeated => "repeated",
            Self::Coded => "coded",
        }
    }
}

impl LongMessages {
    /// Returns the way, where a transport block has room for a PDCP PDU of `block` octets.
    ///
    /// # Errors
    /// No copies, no octets, or a block that is too short for a fragment.
    pub(crate) fn way(&self, block: usize) -> Result<Way, ConfigError> {
        let wrong = |what: &str, remedy: &str| ConfigError::new(what, "[long-messages]", remedy);
        match (self.way, self.fragment) {
            (LongMessageWay::Whole, _) => Ok(Way::Whole),
            (LongMessageWay::Repeated, _) if self.times == 0 => {
                Err(wrong("times = 0: nothing would be sent", "say times = 2 or more"))
            }
            (LongMessageWay::Repeated, _) => Ok(Way::Repeated { times: self.times }),
            (LongMessageWay::Coded, Some(0)) => {
                Err(wrong("fragments of no octets", "say fragment = 60, or leave it out"))
            }
            (LongMessageWay::Coded, Some(fragment)) => Ok(Way::Coded { fragment, parity: self.parity }),
            (LongMessageWay::Coded, None) => Way::coded(block, 0, self.parity).ok_or_else(|| {
                wrong("a transport block has no room for a fragment", "raise mcs or prbs of [communication]")
            }),
        }
    }
}
