//! Public keys of signed discovery: the UE's own are registered, those that it follows come into the key store.
//!
//! ```text
//! kept.rs   entries of the key store, and the file with the list of revoked keys
//! ```
//!
//! A key that is revoked leaves the store and the UE at once; while the list of revoked keys is too old, or a key is doubted,
//! the store keeps it and the UE does not use it.

mod kept;

use super::places::beside;
use super::{News, Note, now};
use crate::config::ConfigError;
use crate::config::network_toml::{NetworkConfig, PublicKeysConfig};
use kept::{Kept, ListFile};
use sidelink_network::prose_function::RequestId;
use sidelink_network::public_keys::client::{
    EndCause, HeldKey, Input, NoAnswer, Output, OwnId, SuspendCause, Warning,
};
use sidelink_network::public_keys::{KeyName, PublicKey, PublicKeysClient};
use sidelink_security::discovery::signature::{Hint, Purpose, SigningKey};
use sidelink_services::client::{ClientError, UeClient};
use sidelink_store::{Discovery, Keys, SharedStore, random};

/// What a lost answer means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lost {
    /// The end: nobody asks again.
    Fails,
    /// The machine asks again.
    IsAskedAgain,
}

/// A key of the UE's own.
struct Own {
    name: KeyName,
    key: SigningKey,
}

/// The UE's end of the server of public keys, with its connections.
pub(super) struct PublicKeys {
    machine: PublicKeysClient,
    own: Vec<Own>,
    kept: Kept,
    file: ListFile,
    /// The trouble that the operator knows of.
    trouble: Option<String>,
    /// Names without a key, and why, as the operator knows.
    missing: Vec<KeyName>,
}

impl PublicKeys {
    /// Reads what the UE's file says, and what was kept; none where it says nothing of public keys.
    pub(super) fn wanted(
        network: &NetworkConfig,
        ue: &str,
        store: &SharedStore,
    ) -> anyhow::Result<Option<Self>> {
        let Some(config) = &network.public_keys else { return Ok(None) };
        let pc3 = network.pc3(&network.usim()?)?;
        let keys = store.keys()?;
        let mut machine = PublicKeysClient::new(config.client(pc3.ue, pc3.rpauid)?);
        let (kept, file) = (Kept::new(ue, config.rotation), ListFile::new(beside(&network.usim, ".revoked")));
        let mut names = Vec::new();
        for name in &config.follow {
            names.push(PublicKeysConfig::name(name)?);
        }
        machine.handle_input(Input::Restore { now: now(), keys: kept.of_store(&keys), list: file.load() });
        for name in names {
            machine.handle_input(Input::Follow { now: now(), name });
        }
        let mut own = Vec::new();
        for registered in &config.register {
            let name = PublicKeysConfig::name(&registered.name)?;
            let key = private_key(&keys, &registered.entry)?;
            let public = PublicKey::of(key.verifying_key());
            machine.handle_input(Input::Announce { now: now(), name: name.clone(), key: public });
            own.push(Own { name, key });
        }
        Ok(Some(Self { machine, own, kept, file, trouble: None, missing: Vec::new() }))
    }

    /// Asks for everything once.
    pub(super) fn fetch(&mut self, client: &mut UeClient, store: &SharedStore) -> anyhow::Result<Vec<News>> {
        let mut news = Vec::new();
        self.settle(client, store, Lost::Fails, &mut news).map(|()| news)
    }

    /// Does what is due.
    pub(super) fn go_on(&mut self, client: &mut UeClient, store: &SharedStore) -> Vec<News> {
        let mut news = Vec::new();
        self.machine.handle_input(Input::Tick { now: now() });
        if let Err(why) = self.settle(client, store, Lost::IsAskedAgain, &mut news) {
            self.note_trouble(Some(why.to_string()), &mut news);
        }
        news
    }

    /// Asks for the key of a hint that was heard, unless it was asked for lately.
    pub(super) fn want(&mut self, hint: Hint) {
        self.machine.handle_input(Input::UnknownHint { now: now(), hint });
    }

    fn settle(
        &mut self,
        client: &mut UeClient,
        store: &SharedStore,
        lost: Lost,
        news: &mut Vec<News>,
    ) -> anyhow::Result<()> {
        loop {
            match self.machine.poll_output() {
                Output::Request { request, body } => self.ask(client, request, &body, lost, news)?,
                Output::Sign { id, text } => self.sign(id, &text)?,
                Output::Registered { id, .. } => {
                    let name = self.own[usize::from(id.0)].name.to_string();
                    news.push(News::Note(Note::Registered { name }));
                }
                Output::OwnEnded { id, why } => {
                    let name = format!("the own key of {}", self.own[usize::from(id.0)].name);
                    news.push(News::Note(Note::Refused { name, why: why.to_string() }));
                }
                Output::Key(held) => {
                    self.missing.retain(|name| *name != held.name);
                    let entry = self.kept.entry(&held);
                    put(store, entry.clone())?;
                    news.push(News::Discovery { old: vec![entry.name.clone()], new: vec![entry] });
                }
                Output::Gone { key, why } => self.gone(&key, why, store, news)?,
                Output::Suspended(SuspendCause::Doubted(held)) => {
                    news.push(News::Discovery { old: vec![self.kept.name(&held)], new: Vec::new() });
                }
                Output::Suspended(SuspendCause::ListTooOld) => {
                    let old = self.kept.names(&store.keys()?);
                    news.push(News::Discovery { old, new: Vec::new() });
                    let why =
                        "the list of revoked keys is a day old: no key counts until there is a newer one";
                    news.push(News::Note(Note::Trouble(why.to_owned())));
                }
                Output::Resumed => {
                    let new: Vec<Discovery> = self.machine.keys().map(|held| self.kept.entry(held)).collect();
                    let old = new.iter().map(|entry| entry.name.clone()).collect();
                    news.push(News::Discovery { old, new });
                }
                Output::List(list) => self.file.store(&list)?,
                Output::Absent(name) => {
                    if !self.missing.contains(&name) {
                        self.missing.push(name.clone());
                        let why = "the network has no public key of it for this UE".to_owned();
                        news.push(News::Note(Note::Refused { name: name.to_string(), why }));
                    }
                }
                // PC3 compares clocks.
                Output::Clock(_) => {}
                Output::Warning(warning) => match lost {
                    Lost::Fails => anyhow::bail!(said(&warning)),
                    Lost::IsAskedAgain => self.note_trouble(Some(said(&warning)), news),
                },
                Output::Timeout(_) => return Ok(()),
            }
        }
    }

    fn sign(&mut self, id: OwnId, text: &[u8]) -> anyhow::Result<()> {
        let mut nonce = [0; 32];
        nonce.copy_from_slice(random(32)?.as_bytes());
        let signature = self.own[usize::from(id.0)].key.sign(Purpose::Registration, text, nonce);
        let signature = signature.as_octets();
        self.machine.handle_input(Input::Signed { now: now(), id, signature });
        Ok(())
    }

    /// A key counts no more: the store forgets that it is to be followed, and so does the UE.
    fn gone(
        &mut self,
        held: &HeldKey,
        why: EndCause,
        store: &SharedStore,
        news: &mut Vec<News>,
    ) -> anyhow::Result<()> {
        let mut entry = self.kept.entry(held);
        entry.revoke();
        let name = entry.name.clone();
        put(store, entry)?;
        news.push(News::Discovery { old: vec![name.clone()], new: Vec::new() });
        news.push(News::Note(Note::Refused { name, why: why.to_string() }));
        Ok(())
    }

    /// Sends a request. A UE that fetches once asks once: what the network refuses for now is said.
    fn ask(
        &mut self,
        client: &mut UeClient,
        request: RequestId,
        body: &str,
        lost: Lost,
        news: &mut Vec<News>,
    ) -> anyhow::Result<()> {
        let (why, trouble) = match client.send_public_keys(body) {
            Ok(Some(body)) => {
                self.machine.handle_input(Input::Response { now: now(), request, body: &body });
                self.note_trouble(None, news);
                return Ok(());
            }
            Err(ClientError::Refused { status, .. }) if status == http::StatusCode::FORBIDDEN => {
                (NoAnswer::Forbidden, None)
            }
            Err(why) if lost == Lost::Fails => return Err(why.into()),
            Err(ClientError::Refused { retry_after: Some(wait), .. }) => {
                let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                let why = format!("public keys: the server is asked again in {} s", wait.as_secs());
                (NoAnswer::Wait(millis), Some(why))
            }
            Ok(None) => (NoAnswer::Lost, Some("public keys: the server said nothing".to_owned())),
            Err(why) => (NoAnswer::Lost, Some(format!("public keys: {why}"))),
        };
        self.machine.handle_input(Input::NoAnswer { now: now(), request, why });
        self.note_trouble(trouble, news);
        Ok(())
    }

    /// Says a trouble once, and its end.
    fn note_trouble(&mut self, trouble: Option<String>, news: &mut Vec<News>) {
        let note = match (&self.trouble, &trouble) {
            (Some(_), None) => Some(Note::Works),
            (known, Some(why)) if known.as_ref() != Some(why) => Some(Note::Trouble(why.clone())),
            _ => None,
        };
        news.extend(note.map(News::Note));
        self.trouble = trouble;
    }
}

/// The private key of an entry.
fn private_key(keys: &Keys, entry: &str) -> anyhow::Result<SigningKey> {
    let found = keys.discovery.iter().find(|found| found.name == entry && !found.revoked);
    let secret = found.and_then(|found| found.signed.as_ref()?.signing_key.as_ref());
    let Some(secret) = secret else {
        let what = format!("the key store has no private key of {entry:?}");
        let remedy = "make one: sidelink keys new-discovery -s STORE NAME --protection signed --announcer UE";
        return Err(ConfigError::new(what, "[[network.public-keys.register]]", remedy).into());
    };
    Ok(SigningKey::from_octets(secret.as_bytes())?)
}

fn put(store: &SharedStore, entry: Discovery) -> anyhow::Result<()> {
    Ok(store.open().put(&Keys { discovery: vec![entry], ..Keys::default() })?)
}

/// What an operator reads of a warning.
fn said(warning: &Warning) -> String {
    match warning {
        Warning::ListWentBack { has, came } => format!(
            "public keys: the list of revoked keys went back from {} to {}: the answer is not taken; was the server put back?",
            has.0, came.0
        ),
        Warning::FetchRefused(cause) => format!("public keys: the network refuses: {cause}"),
        Warning::Malformed(_) => "public keys: the answer of the server is not understood".to_owned(),
        Warning::TooMany(name) => format!("public keys: there is no room for {name}"),
    }
}
