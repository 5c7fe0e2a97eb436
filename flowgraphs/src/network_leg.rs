//! The network leg of a UE: codes, filters, keys and checked matches from the ProSe Function, PGKs from the PKMF.
//!
//! ```text
//! eap.rs    the ends of EAP of a remote UE and of a relay
//! codes.rs   PC3: what is wanted, allotted, renewed, ended, reported
//! groups.rs  PC8 and MIKEY: PGKs, PSDKs of relays
//! identities.rs keys of identities
//! naf.rs    the way of groups to the NAF that gives their keys
//! tickets.rs the way of links to the server of tickets
//! relay_keys.rs PRUKs of a remote UE, KDs of a relay   relay_keys/
//! public_keys.rs public keys of signed discovery   public_keys/
//! places.rs  files beside the USIM
//! match_reports.rs the same in a thread beside a monitor
//! live.rs    the same in a thread beside a UE that runs
//! questions.rs what the links of that UE ask, in threads of their own
//! ```
//!
//! Everything goes into the key store first. A network that is away costs nothing before the time of what was allotted
//! ends: the UE goes on with what it has, and the network is asked again.

mod codes;
pub(crate) mod eap;
mod groups;
mod identities;
pub(crate) mod live;
pub(crate) mod match_reports;
mod naf;
mod places;
mod public_keys;
mod questions;
pub(crate) mod relay_keys;
mod tickets;

use crate::config::ConfigError;
use crate::config::network_toml::{NetworkConfig, TlsVersion};
use crate::config::ue_toml::UeConfig;
use crate::naf_groups::NafAccess;
use crate::relay_keys::relay::RequestId;
use codes::Codes;
use groups::Groups;
use identities::Identities;
use naf::Naf;
use places::beside;
use public_keys::PublicKeys;
use questions::Desk;
use relay_keys::{PrukNews, RelayKeysEnd, RelayKeysLeg};
use sidelink_network::configuration::{Trust, Version};
use sidelink_network::pc3::{ApplicationId, Cause, Metadata};
use sidelink_network::pc3_client::{Heard, Name};
use sidelink_prose::direct_link::TicketAccess;
use sidelink_security::counter::UtcTime;
use sidelink_security::discovery::signature::Hint;
use sidelink_services::client::{ClientConfig, ConfigurationFile, PkmfWay, SqnFile, TicketClient, UeClient};
use sidelink_services::tls::{PskSuite, TlsMode};
use sidelink_store::{Discovery, KeyStore, SharedStore};
use sidelink_ue::provision::GroupNews;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tickets::Tickets;
use zeroize::Zeroizing;

/// Time of one request, with its connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// The network leg of one UE.
pub(crate) struct NetworkLeg {
    store: SharedStore,
    client: UeClient,
    codes: Codes,
    groups: Option<Groups>,
    identities: Option<Identities>,
    tickets: Option<Tickets>,
    naf: Option<Naf>,
    relay_keys: Option<RelayKeysLeg>,
    public_keys: Option<PublicKeys>,
    configuration: Option<Operators>,
}

/// The configuration that the operator gives: where it is kept, its seal, and whom it may come from.
struct Operators {
    file: PathBuf,
    network: NetworkConfig,
}

/// What came from the network. The key store has it already.
pub(crate) enum News {
    /// Entries of discovery, in the place of those called `old`.
    Discovery {
        /// Names of the entries that count no more.
        old: Vec<String>,
        /// The new ones.
        new: Vec<Discovery>,
    },
    /// A group and its PGKs.
    Group(GroupNews),
    /// Keys of an identity for a period.
    Identity {
        /// Its entry in the key store.
        name: String,
        /// The period.
        period: u32,
        /// First second at which they are no longer used.
        valid_until: u32,
    },
    /// The key under which links ask for tickets, in the place of the one before.
    TicketKey(TicketAccess),
    /// A PRUK of this UE, in its file.
    Pruk(PrukNews),
    /// The operator's configuration, with this version, is in its file.
    Configuration(Version),
    /// For the operator.
    Note(Note),
}

/// What an operator reads of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    /// The ProSe Function checked a message that was heard: it is of this application or user.
    Verified {
        /// The code that was heard.
        code: [u8; 23],
        /// Its name.
        name: String,
    },
    /// The ProSe Function refused a message that was heard.
    NotVerified {
        /// The code that was heard.
        code: [u8; 23],
        /// Why.
        why: Cause,
    },
    /// Something wanted is refused or taken back.
    Refused {
        /// What.
        name: String,
        /// Why.
        why: String,
    },
    /// A public key of this UE is registered, or goes on.
    Registered {
        /// Under which name.
        name: String,
    },
    /// The name of this UE's PRUK.
    Pruk {
        /// PRUK ID, hexadecimal digits.
        id: String,
    },
    /// A relay was granted the key of a remote UE.
    Serves {
        /// Who that is, as the PKMF says.
        who: String,
    },
    /// The network does not answer, or not as it should; what the UE has goes on until its time ends.
    Trouble(String),
    /// The network answers again.
    Works,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verified { name, .. } => write!(f, "the ProSe Function verifies {name}"),
            Self::NotVerified { code, why } => {
                write!(f, "the ProSe Function refuses the code {}..: {why}", shown(code))
            }
            Self::Refused { name, why } => write!(f, "{name}: {why}"),
            Self::Registered { name } => write!(f, "the public key of {name} is registered"),
            Self::Pruk { id } => write!(f, "the PRUK of this UE is {id}"),
            Self::Serves { who } => write!(f, "the PKMF grants the key of a link: {who}"),
            Self::Trouble(why) => write!(f, "network: {why}"),
            Self::Works => f.write_str("the network answers again"),
        }
    }
}

/// The first octets of a code.
pub(crate) fn shown(code: &[u8; 23]) -> String {
    code.iter().take(8).map(|octet| format!("{octet:02x}")).collect()
}

impl NetworkLeg {
    /// Opens the key store and everything that the UE's file asks for. Nothing is asked yet.
    ///
    /// # Errors
    /// The file, the USIM or the key store.
    pub(crate) fn open(config: &UeConfig, place: &str) -> anyhow::Result<Self> {
        let Some(network) = &config.network else {
            return Err(ConfigError::new(
                "there is no [network]",
                place,
                "`sidelink network example` shows one",
            )
            .into());
        };
        let Some(keys) = &config.keys else {
            return Err(ConfigError::new("there is no key store", place, "add keys = \"FILE\"").into());
        };
        let codes = Codes::new(network, &config.name)?;
        let has_keys = !network.group.is_empty() || !network.relay.is_empty();
        let groups = has_keys.then(|| Groups::new(network, &config.name)).transpose()?;
        let identities =
            (!network.identity.is_empty()).then(|| Identities::new(network, &config.name)).transpose()?;
        let tickets = Tickets::wanted(config, network)?;
        let store = SharedStore::new(KeyStore::open_or_create(keys)?);
        let configuration =
            network.configuration.clone().map(|file| Operators { file, network: network.clone() });
        let client = client(network)?;
        let naf = Naf::wanted(config, network, &client)?;
        let relay_keys = RelayKeysLeg::wanted(config, network, client.usim_file())?;
        let public_keys = PublicKeys::wanted(network, &config.name, &store)?;
        Ok(Self {
            store,
            client,
            codes,
            groups,
            identities,
            tickets,
            naf,
            relay_keys,
            public_keys,
            configuration,
        })
    }

    /// Asks for everything once, and waits for it.
    ///
    /// # Errors
    /// The network, or the key store. What came before is in the store.
    pub(crate) fn fetch(&mut self) -> anyhow::Result<Vec<News>> {
        let mut news = self.codes.fetch(&mut self.client, &self.store)?;
        news.extend(self.fetch_configuration()?);
        if let Some(groups) = &mut self.groups {
            news.extend(groups.fetch(&mut self.client, &self.store)?);
        }
        if let Some(identities) = &mut self.identities {
            news.extend(identities.fetch(&mut self.client, &self.store)?);
        }
        if let Some(relay_keys) = &mut self.relay_keys {
            news.extend(relay_keys.fetch(&mut self.client)?);
        }
        if let Some(public_keys) = &mut self.public_keys {
            news.extend(public_keys.fetch(&mut self.client, &self.store)?);
        }
        Ok(news)
    }

    /// Asks for everything once, for a UE that goes on without what does not come: the notes say what that is.
    pub(crate) fn begin(&mut self) -> Vec<News> {
        let mut news = self.codes.go_on(&mut self.client, &self.store);
        news.extend(match self.fetch_configuration() {
            Ok(news) => news,
            // What was fetched before counts until it ends.
            Err(why) => Some(News::Note(Note::Trouble(format!("configuration: {why}")))),
        });
        if let Some(groups) = &mut self.groups {
            news.extend(groups.begin(&mut self.client, &self.store));
        }
        news.extend(self.identities());
        news.extend(self.relay_keys());
        news.extend(self.public_keys());
        news
    }

    /// Public keys that are to be registered, or fetched.
    fn public_keys(&mut self) -> Vec<News> {
        let Some(keys) = &mut self.public_keys else { return Vec::new() };
        keys.go_on(&mut self.client, &self.store)
    }

    /// A PRUK of a remote UE, the key of a relay for the PKMF: where they are due.
    fn relay_keys(&mut self) -> Vec<News> {
        self.relay_keys.as_mut().map_or_else(Vec::new, |keys| keys.go_on(&mut self.client))
    }

    /// Keys of identities that are due. Those that the store has go on until their period ends.
    fn identities(&mut self) -> Vec<News> {
        let Some(identities) = &mut self.identities else { return Vec::new() };
        match identities.go_on(&mut self.client, &self.store) {
            Ok(news) => news,
            Err(why) => vec![News::Note(Note::Trouble(format!("keys of identities: {why}")))],
        }
    }

    /// TS 24.333 §5; TR 33.833 §6.1.1.
    fn fetch_configuration(&mut self) -> anyhow::Result<Option<News>> {
        let Some(Operators { file, network }) = &self.configuration else { return Ok(None) };
        let [_, prose_function] = network.names(&network.usim()?)?;
        let trust = Trust { operators: vec![prose_function] };
        let file = ConfigurationFile::new(file);
        let version = self.client.fetch_configuration(&file, network.sealing_key()?, trust)?;
        Ok(Some(News::Configuration(version)))
    }

    /// Does what is due, and waits for datagrams for at most `longest`.
    pub(crate) fn go_on(&mut self, longest: Duration) -> Vec<News> {
        let mut news = self.codes.go_on(&mut self.client, &self.store);
        news.extend(self.identities());
        if let Some(tickets) = &mut self.tickets {
            news.extend(tickets.go_on(&mut self.client));
        }
        if let Some(naf) = &mut self.naf {
            news.extend(naf.go_on(&mut self.client));
        }
        news.extend(self.relay_keys());
        news.extend(self.public_keys());
        match &mut self.groups {
            Some(groups) => news.extend(groups.go_on(&mut self.client, &self.store, longest)),
            None => std::thread::sleep(longest),
        }
        news
    }

    /// Returns what the UE needs to be in groups of a NAF; none where it is in none.
    ///
    /// # Errors
    /// Bootstrapping: without its key there is nothing to say to a NAF.
    pub(crate) fn naf_access(&mut self, network: &NetworkConfig) -> anyhow::Result<Option<NafAccess>> {
        self.naf.as_mut().map_or(Ok(None), |naf| naf.access(&mut self.client, network))
    }

    /// Whether links of the UE take tickets.
    pub(crate) const fn has_tickets(&self) -> bool {
        self.tickets.is_some()
    }

    /// Takes the way to the server of tickets under a new key.
    pub(crate) fn take_ticket_way(&mut self) -> Option<TicketClient> {
        self.tickets.as_mut()?.take_way()
    }

    /// Asks the server of tickets. A note says why there is no answer.
    pub(crate) fn ask_ticket(&mut self, question: &[u8]) -> Result<Zeroizing<Vec<u8>>, Note> {
        let Some(tickets) = &self.tickets else {
            return Err(Note::Trouble("this UE has no server of tickets".to_owned()));
        };
        tickets.ask(&mut self.client, question)
    }

    /// Whether links of the UE ask the PKMF.
    fn asks_pkmf(&self) -> bool {
        self.relay_keys.as_ref().is_some_and(RelayKeysLeg::asks)
    }

    /// Gives the UE its end for keys of relays, if it has any.
    fn take_relay_keys(&mut self, desk: Desk<RequestId>) -> std::io::Result<Option<RelayKeysEnd>> {
        self.relay_keys.as_mut().map_or(Ok(None), |keys| keys.take_end(desk))
    }

    /// Takes the way to the PKMF under a new key.
    fn take_pkmf_way(&mut self) -> Option<PkmfWay> {
        self.relay_keys.as_mut()?.take_way()
    }

    /// Asks the PKMF for a relay. A note says why there is no answer.
    fn ask_pkmf(&mut self, document: &[u8]) -> Result<Zeroizing<Vec<u8>>, Note> {
        let Some(keys) = &self.relay_keys else {
            return Err(Note::Trouble("this UE asks no PKMF for relays".to_owned()));
        };
        keys.ask(&mut self.client, document)
    }

    /// Reports a message whose MIC the network checks, unless it was reported lately.
    pub(crate) fn hear(&mut self, heard: Heard) {
        self.codes.hear(heard);
    }

    /// Asks for the public key of a hint, unless it was asked for lately.
    pub(crate) fn want_key(&mut self, hint: Hint) {
        if let Some(keys) = &mut self.public_keys {
            keys.want(hint);
        }
    }

    /// Returns the key store, for the UE.
    pub(crate) fn store(&self) -> SharedStore {
        self.store.clone()
    }
}

/// Returns the file with the state of a USIM.
fn usim_file(network: &NetworkConfig) -> SqnFile {
    SqnFile::new(beside(&network.usim, ".sqn"))
}

/// Returns the UE's end of Ub and TLS. The state of its USIM is a file beside it.
fn client(network: &NetworkConfig) -> anyhow::Result<UeClient> {
    let usim = network.usim()?;
    let [bsf, naf] = network.names(&usim)?;
    let config = ClientConfig {
        impi: usim.imsi.impi(usim.mnc_digits)?,
        bsf,
        bsf_address: network.bsf,
        naf,
        naf_address: network.prose_function,
        tls: match network.tls {
            TlsVersion::V12 => TlsMode::Tls12(PskSuite::DheAes128Gcm),
            TlsVersion::V13 => TlsMode::Tls13,
        },
        patience: PATIENCE,
    };
    Ok(UeClient::new(config, usim.keys, usim_file(network))?)
}

/// Returns the text of a name that the ProSe Function gave.
fn named(name: &Name) -> String {
    let application = |id: &ApplicationId, metadata: &Option<Metadata>| match metadata {
        Some(metadata) => format!("{id} ({metadata})"),
        None => id.to_string(),
    };
    match name {
        Name::Application { id, metadata } => application(id, metadata),
        Name::User(rpauid) => rpauid.to_string(),
    }
}

/// Returns the time of this computer.
pub(crate) fn now() -> UtcTime {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UtcTime::from_millis(u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}
