//! `sidelink keys new-kms` and `new-identity`: a key management server in the key store, and keys of identities.

use super::StoreArgs;
use crate::config::ConfigError;
use crate::readable::seconds_and_date;
use crate::terminal;
use clap::Args;
use sidelink_security::counter::UtcTime;
use sidelink_store::{self as keystore, IdentityEntry, IdentityKeys, IdentityKind, KeyStore, Keys, KmsEntry};
use std::fmt::Write as _;
use std::num::NonZeroU32;

/// Arguments of `sidelink keys new-kms`.
#[derive(Debug, Args)]
pub(super) struct NewKms {
    /// Name of the server.
    name: String,
    #[command(flatten)]
    store: StoreArgs,
    /// Its identifier, which goes into the keys of its users; the default is the name.
    #[arg(long, value_name = "URI")]
    uri: Option<String>,
    /// Length of a key period in seconds; the default is 30 days.
    #[arg(long, default_value_t = 2_592_000, value_name = "SECONDS")]
    period: u32,
    /// Start of period 0, in seconds after the first of 1900.
    #[arg(long, default_value_t = 0, value_name = "SECONDS")]
    offset: u32,
    /// Identities are telephone numbers and periods are months, as in RFC 6509.
    #[arg(long, conflicts_with_all = ["period", "offset"])]
    months: bool,
}

/// Arguments of `sidelink keys new-identity`.
#[derive(Debug, Args)]
pub(super) struct NewIdentity {
    /// The identity: a URI, such as sip:alice@example.org.
    uri: String,
    #[command(flatten)]
    store: StoreArgs,
    /// Server that makes the keys, of `keys new-kms`; not needed if there is one.
    #[arg(long, value_name = "NAME")]
    kms: Option<String>,
    /// Name of the entry; the default is the URI.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// UE that has the identity. An identity without a UE stays in this store.
    #[arg(long, value_name = "UE")]
    ue: Option<String>,
    /// Whose name it is.
    #[arg(long, value_enum, default_value = "user")]
    kind: IdentityKind,
    /// Second for whose period keys are made (UTC in seconds); the default is now.
    #[arg(long, value_name = "SECONDS")]
    at: Option<u32>,
}

fn add(store: &KeyStore, name: &str, keys: &Keys) -> Result<(), ConfigError> {
    if store.keys()?.names().any(|known| known == name) {
        let remedy = "revoke it or take another name";
        return Err(ConfigError::new("an entry of this name exists", name.to_owned(), remedy));
    }
    Ok(store.put(keys)?)
}

pub(super) fn new_kms(args: &NewKms) -> anyhow::Result<()> {
    let length = match (args.months, NonZeroU32::new(args.period)) {
        (true, _) => None,
        (false, Some(length)) => Some(length),
        (false, None) => {
            return Err(ConfigError::usage("--period 0 is no period", "--months for months").into());
        }
    };
    let store = KeyStore::open_or_create(&args.store.store)?;
    let uri = args.uri.as_ref().unwrap_or(&args.name);
    let kms = KmsEntry::new(&args.name, uri, length, args.offset)?;
    let line = format!(
        "key management server {:?}: whoever has this store reads and signs as all of its users\n",
        kms.name
    );
    add(&store, &args.name, &Keys { kms: vec![kms], ..Keys::default() })?;
    terminal::print(&line)?;
    Ok(())
}

pub(super) fn new_identity(args: &NewIdentity) -> anyhow::Result<()> {
    let store = KeyStore::open(&args.store.store)?;
    let all = store.keys()?;
    let kms = server(&all, args)?;
    let now = UtcTime::from_millis(u64::from(args.at.unwrap_or_else(keystore::utc_now)) * 1000);
    let name = args.name.clone().unwrap_or_else(|| args.uri.clone());
    let known = all.identity.iter().find(|known| known.name == name);
    if known.is_some_and(|known| known.uri != args.uri || known.kms != kms.name) {
        let what = "another identity, or another server's, has this name";
        return Err(ConfigError::new(what, name, "give it another --name").into());
    }
    let fresh = || IdentityEntry {
        name: name.clone(),
        uri: args.uri.clone(),
        kind: args.kind,
        kms: kms.name.clone(),
        ue: args.ue.clone(),
        revoked: false,
        keys: Vec::new(),
    };
    let mut identity = known.cloned().unwrap_or_else(fresh);
    identity.ue = args.ue.clone().or(identity.ue);
    let given = kms.periods().given_at(now);
    if given.is_empty() {
        return Err(ConfigError::usage("no key period is at this time", "check --at, and --offset").into());
    }
    let second = u32::try_from(now.millis() / 1000).unwrap_or(u32::MAX);
    let mut text = String::new();
    for period in &given {
        let keys = kms.issue(&args.uri, period)?;
        identity.credential(kms, &keys)?;
        writeln!(text, "{name}: {}", valid(&keys))?;
        identity.take(keys, second);
    }
    let keys = Keys { kms: vec![kms.clone()], identity: vec![identity], ..Keys::default() };
    store.put(&keys)?;
    terminal::print(&text)?;
    Ok(())
}

/// The server that makes the keys: the one that is named, or the only one.
fn server<'a>(all: &'a Keys, args: &NewIdentity) -> Result<&'a KmsEntry, ConfigError> {
    let mut makers = all.kms.iter().filter(|kms| kms.is_master());
    let found = match &args.kms {
        Some(name) => makers.find(|kms| kms.name == *name),
        None => makers.next().filter(|_| makers.next().is_none()),
    };
    found.ok_or_else(|| {
        let what = match &args.kms {
            Some(name) => format!("no key management server {name:?} makes keys here"),
            None => "not one key management server makes keys here".to_owned(),
        };
        let place = args.store.store.display().to_string();
        ConfigError::new(what, place, "make one with `sidelink keys new-kms`, and name it with --kms")
    })
}

fn valid(keys: &IdentityKeys) -> String {
    let (from, until) = (seconds_and_date(keys.valid_from.into()), seconds_and_date(keys.valid_until.into()));
    format!("keys of period {}, used from {from} until {until}", keys.period)
}

/// Writes a line for each server and each identity.
pub(super) fn list(keys: &Keys, now: u32, text: &mut String) -> std::fmt::Result {
    for kms in &keys.kms {
        let periods = match kms.period_length {
            Some(length) => format!("periods of {length} s"),
            None => "months".to_owned(),
        };
        let makes = if kms.is_master() { ", makes keys here" } else { "" };
        writeln!(text, "kms        {:<20} {} {periods}{makes}", kms.name, kms.uri)?;
    }
    for identity in &keys.identity {
        let live = identity.keys.iter().filter(|keys| now < keys.valid_until).max_by_key(|keys| keys.period);
        let state = match (identity.revoked, live) {
            (true, _) => "revoked".to_owned(),
            (false, None) => "expired".to_owned(),
            (false, Some(keys)) => {
                let until = seconds_and_date(keys.valid_until.into());
                format!("period {}, valid until {until}", keys.period)
            }
        };
        writeln!(text, "identity   {:<20} {} {state}", identity.name, identity.uri)?;
    }
    Ok(())
}

/// Takes the secrets out, and says which they were.
pub(super) fn hide(keys: &mut Keys, hidden: &mut Vec<String>) {
    let mut hide = |secret: &mut Option<keystore::Secret>, what: String| {
        if secret.take().is_some() {
            hidden.push(format!("# {what}: hidden, --secret shows it\n"));
        }
    };
    for kms in &mut keys.kms {
        hide(&mut kms.master, format!("master of {}", kms.name));
        hide(&mut kms.ksak, format!("ksak of {}", kms.name));
    }
    for identity in &mut keys.identity {
        for keys in &mut identity.keys {
            hide(&mut keys.ssk, format!("ssk of period {}", keys.period));
            hide(&mut keys.rsk, format!("rsk of period {}", keys.period));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of a laboratory without a network: keys are made, listed and handed out, and no listing shows a secret.
    #[test]
    fn a_laboratory_makes_lists_and_hands_out_identities() {
        let folder = std::env::temp_dir().join(format!("sidelink-identities-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("lab.keys");
        let store = || StoreArgs { store: path.clone() };
        let kms = NewKms {
            name: "lab".into(),
            store: store(),
            uri: Some("kms.lab".into()),
            period: 3600,
            offset: 0,
            months: false,
        };
        new_kms(&kms).unwrap();
        assert!(new_kms(&kms).unwrap_err().to_string().contains("exists"));
        let identity = |uri: &str, ue: &str, at| NewIdentity {
            uri: uri.into(),
            store: store(),
            kms: None,
            name: Some(ue.into()),
            ue: Some(ue.into()),
            kind: IdentityKind::User,
            at: Some(at),
        };
        // Near the end of an hour the next one's keys come too.
        new_identity(&identity("sip:alice@lab", "alice", 3_600_000_000 - 60)).unwrap();
        new_identity(&identity("sip:bob@lab", "bob", 3_600_000_000 + 60)).unwrap();
        let error = new_identity(&identity("sip:eve@lab", "bob", 3_600_000_000)).unwrap_err().to_string();
        assert!(error.contains("another identity"), "{error}");
        let error = new_identity(&NewIdentity { kms: Some("other".into()), ..identity("sip:c@lab", "c", 0) });
        assert!(error.unwrap_err().to_string().contains("no key management server \"other\""));

        let mut keys = keystore::read(&path).unwrap();
        let periods: Vec<_> = keys.identity.iter().map(|identity| identity.keys.len()).collect();
        assert_eq!(periods, [2, 1]);
        let mut text = String::new();
        list(&keys, 3_600_000_000, &mut text).unwrap();
        assert!(text.contains("kms.lab periods of 3600 s, makes keys here"), "{text}");
        assert!(text.contains("sip:alice@lab period 1613608"), "{text}");
        let alice = keys.for_ue("alice");
        let credential = alice.identity[0].credential(&alice.kms[0], &alice.identity[0].keys[0]).unwrap();
        assert_eq!(credential.uri, "sip:alice@lab");

        let mut hidden = Vec::new();
        let secrets = keys.to_toml().unwrap();
        hide(&mut keys, &mut hidden);
        assert_eq!(hidden.len(), 2 + 2 * 3);
        let shown = keys.to_toml().unwrap();
        for line in secrets
            .lines()
            .filter(|line| ["ssk", "rsk", "master", "ksak"].iter().any(|s| line.starts_with(s)))
        {
            assert!(!shown.contains(line), "{}", &line[..8]);
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
