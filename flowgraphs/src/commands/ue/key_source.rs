//! Where a UE's keys come from: given, its store, or the network beside its store.

use crate::config::ConfigError;
use crate::config::network_toml::Refresh;
#[cfg(feature = "services")]
use crate::config::ue_toml::Given;
use crate::config::ue_toml::{RadioFacts, UeConfig};
#[cfg(feature = "services")]
use crate::network_leg::{NetworkLeg, News, eap, live, relay_keys};
use crate::report::address_book::AddressBook;
use crate::report::events::{Reporter, Writer};
use sidelink_store::{KeyStore, Keys};
use sidelink_ue::{Application, NoStore, Observer, Ue};

/// Where a UE's keys come from.
pub(super) enum KeySource<'a> {
    /// The caller.
    Given(&'a Keys),
    /// Nowhere: the UE has no protection.
    None,
    /// Its key store.
    Store(Box<KeyStore>),
    /// The network, by way of its key store.
    #[cfg(feature = "services")]
    Network(Box<NetworkLeg>, Vec<News>),
}

/// The network thread of a UE that runs. It ends when this is dropped.
#[cfg(feature = "services")]
pub(super) type NetworkThread = live::Live;

/// No network thread: it takes a build with services.
#[cfg(not(feature = "services"))]
pub(super) enum NetworkThread {}

/// A UE, and what keeps its keys fresh.
pub(super) struct Built {
    pub(super) ue: Ue,
    /// Gives the UE its new keys.
    pub(super) updates: Option<Box<dyn Observer<Ue>>>,
    pub(super) network: Option<NetworkThread>,
}

impl Built {
    const fn without_network(ue: Ue) -> Self {
        Self { ue, updates: None, network: None }
    }
}

impl<'a> KeySource<'a> {
    /// Opens the store, and asks the network if the file says so. A network that does not answer is a note.
    ///
    /// # Errors
    /// The file or the store.
    pub(super) fn open(
        config: &UeConfig,
        keys: Option<&'a Keys>,
        real_time: bool,
        place: &str,
    ) -> anyhow::Result<Self> {
        if let Some(keys) = keys {
            return Ok(Self::Given(keys));
        }
        let refreshes = config.network.as_ref().is_some_and(|network| network.refresh == Refresh::Automatic);
        if refreshes && real_time {
            return Self::of_network(config, place);
        }
        if refreshes {
            tracing::warn!(
                "{}: in lock-step the air has a time of its own: the keys are those of the store",
                config.name
            );
        }
        Ok(Self::of_store(config)?)
    }

    fn of_store(config: &UeConfig) -> Result<Self, ConfigError> {
        Ok(match &config.keys {
            Some(path) => Self::Store(Box::new(KeyStore::open(path)?)),
            None => Self::None,
        })
    }

    #[cfg(feature = "services")]
    fn of_network(config: &UeConfig, place: &str) -> anyhow::Result<Self> {
        let mut leg = NetworkLeg::open(config, place)?;
        let news = leg.begin();
        Ok(Self::Network(Box::new(leg), news))
    }

    #[cfg(not(feature = "services"))]
    fn of_network(config: &UeConfig, _place: &str) -> anyhow::Result<Self> {
        tracing::warn!(
            "{}: this build has no network services: the keys are those of the store, and are not renewed",
            config.name
        );
        Ok(Self::of_store(config)?)
    }

    /// Builds the UE, whose events `reporter` reports by way of `writer`.
    ///
    /// # Errors
    /// The fault and its place; what the network said before is written then.
    pub(super) fn build_under(
        self,
        writer: Writer,
        config: &UeConfig,
        facts: RadioFacts,
        reporter: Reporter,
    ) -> anyhow::Result<(Built, Writer)> {
        match self.build(config, facts, reporter) {
            Ok(built) => Ok((built, writer)),
            Err(why) => {
                writer.finish()?;
                Err(why)
            }
        }
    }

    fn build(self, config: &UeConfig, facts: RadioFacts, reporter: Reporter) -> anyhow::Result<Built> {
        let notes = reporter.another(&config.name);
        let named = |keys: &Keys| reporter.with_names(AddressBook::new(config, keys));
        let reported = |reporter: Reporter| -> Vec<Box<dyn Application>> { vec![Box::new(reporter)] };
        let mut ue = match self {
            Self::Given(keys) => config.build_with(keys, NoStore::default(), facts, reported(named(keys)))?,
            Self::None => {
                let keys = Keys::default();
                config.build_with(&keys, NoStore::default(), facts, reported(named(&keys)))?
            }
            Self::Store(store) => {
                let keys = store.keys()?;
                let ue = config.build_with(&keys, *store, facts, reported(named(&keys)))?;
                #[cfg(feature = "services")]
                let ue = with_own_relay_keys(config, ue)?;
                ue
            }
            #[cfg(feature = "services")]
            Self::Network(leg, news) => {
                let mut built = with_network(config, facts, named, (*leg, news))?;
                authenticate_by_eap(config, &mut built.ue, &notes)?;
                return Ok(built);
            }
        };
        authenticate_by_eap(config, &mut ue, &notes)?;
        Ok(Built::without_network(ue))
    }
}

/// Gives the links of a UE their ends of EAP.
#[cfg(feature = "services")]
fn authenticate_by_eap(config: &UeConfig, ue: &mut Ue, notes: &Reporter) -> anyhow::Result<()> {
    eap::equip(config, ue, &|| {
        let notes = notes.another(&config.name);
        Box::new(move |utc, note| notes.note(utc, note))
    })
}

/// No ends of EAP: they take a build with services.
#[cfg(not(feature = "services"))]
fn authenticate_by_eap(config: &UeConfig, _ue: &mut Ue, _notes: &Reporter) -> anyhow::Result<()> {
    match config.eap {
        None => Ok(()),
        Some(_) => {
            let remedy = "build with --features services";
            Err(ConfigError::new("this build has no network services", "[eap]", remedy).into())
        }
    }
}

/// Gives a remote UE that asks nobody the PRUKs that it has.
#[cfg(feature = "services")]
fn with_own_relay_keys(config: &UeConfig, mut ue: Ue) -> anyhow::Result<Ue> {
    if let (Some(end), Some(links)) = (relay_keys::without_network(config)?, ue.stack().links()) {
        end.equip(links);
    }
    Ok(ue)
}

#[cfg(feature = "services")]
fn with_network(
    config: &UeConfig,
    facts: RadioFacts,
    named: impl FnOnce(&Keys) -> Reporter,
    (mut leg, news): (NetworkLeg, Vec<News>),
) -> anyhow::Result<Built> {
    let store = leg.store();
    let keys = store.keys()?;
    let reporter = named(&keys);
    for news in &news {
        if let News::Note(note) = news {
            reporter.note_now(note);
        }
    }
    let known = keys.for_ue(&config.name);
    if known.group.is_empty() && known.discovery.is_empty() && config.layer2_id.is_none() {
        let what = "the network gave no keys, and the key store has none of this UE".to_owned();
        let remedy = "see the lines above; or give the UE a layer2-id, and it waits for the network";
        return Err(ConfigError::new(what, config.name.clone(), remedy).into());
    }
    let naf = config.network.as_ref().map(|network| leg.naf_access(network)).transpose()?.flatten();
    let notes = reporter.another(&config.name);
    let (network, ends) = live::Live::start(leg, config.clone(), notes)?;
    let applications: Vec<Box<dyn Application>> = vec![Box::new(reporter), Box::new(ends.listening)];
    let given = Given { naf, ..Given::default() };
    let mut ue = config.build_given(&keys, store, facts, applications, given)?;
    if let (Some(questions), Some(links)) = (ends.questions, ue.stack().links()) {
        links.ask_over(Box::new(questions));
    }
    if let (Some(end), Some(links)) = (ends.relay_keys, ue.stack().links()) {
        end.equip(links);
    }
    Ok(Built { ue, updates: Some(Box::new(ends.updates)), network: Some(network) })
}
