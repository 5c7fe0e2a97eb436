//! `sidelink keys`: make, show, hand out and revoke keys.

pub(in crate::commands) mod certificates;
mod chains;
mod codes;
#[cfg(feature = "services")]
mod fetch;
mod identities;
mod list_number;
mod relays;
mod signed;

use crate::config::ConfigError;
use crate::outputs::{Existing, Outputs, Place};
use crate::readable::seconds_and_date;
use crate::terminal;
use clap::{Args, Subcommand};
use sidelink_store::{
    self as keystore, Cipher, Discovery, Group, Hex, KeyStore, Keys, Member, PgkEntry, Protection, Secret,
    VariantName,
};
use std::fmt::Write;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Seconds of a day.
const DAY: u32 = 86_400;

/// Arguments of `sidelink keys`.
#[derive(Debug, Args)]
pub struct KeysArgs {
    /// The action.
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Args)]
struct StoreArgs {
    /// Key store.
    #[arg(short, long, value_name = "FILE")]
    store: PathBuf,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make a group for one-to-many communication with a fresh PGK, or add a PGK to an existing group.
    NewGroup(NewGroup),
    /// Make fresh keys for one discovery code or identity.
    NewDiscovery(NewDiscovery),
    /// Make a list of changing identifiers in a file of its own, up to four million of them, and entries to announce some.
    NewCodes(codes::NewCodes),
    /// Make a fresh PSDK for the discovery of relays of one service, or add one that follows.
    NewRelay(relays::NewRelay),
    /// Make a key management server of identity-based keys in the store, without a network.
    NewKms(identities::NewKms),
    /// Make keys of an identity for the present key period, and near its end for the next one.
    NewIdentity(identities::NewIdentity),
    /// Make an issuer of certificates for one-to-one links: its key and its own certificate.
    NewIssuer(certificates::NewIssuer),
    /// Make a key and a certificate for a UE.
    Certify(certificates::Certify),
    /// Make a revocation list.
    RevokeCertificates(certificates::RevokeCertificates),
    /// Fetch codes, filters and keys from the ProSe Function, as the UE's file asks for (a build with --features services).
    #[cfg(feature = "services")]
    Fetch(fetch::FetchArgs),
    /// Fetch codes, filters and keys from the ProSe Function: takes a build with --features services.
    #[cfg(not(feature = "services"))]
    Fetch(super::network::MissingArgs),
    /// Import the entries of a TOML file or another store; the rights to send move out of the file.
    Import(Import),
    /// List the entries of the store, one per line, without secrets.
    List(StoreArgs),
    /// Show one entry.
    Show(Show),
    /// Write the entries for one UE as TOML, with secrets; its right to send to groups moves into the file. Without a
    /// UE: a backup of everything, which gives no right to send.
    Export(Export),
    /// Revoke an entry, or a UE in all entries: the UEs that remain authorised get fresh keys.
    Revoke(Revoke),
    /// Clear the latest time that `sidelink ue` used, after a clock was ahead: it accepts no earlier time.
    ResetClock(StoreArgs),
}

#[derive(Debug, Args)]
struct NewGroup {
    /// Name of the group.
    name: String,
    #[command(flatten)]
    store: StoreArgs,
    /// ProSe Layer-2 group ID, 6 hexadecimal digits; needed for a new group.
    #[arg(long, value_name = "HEX")]
    group_id: Option<Hex>,
    /// Ciphering algorithm.
    #[arg(long, value_enum, default_value = "aes")]
    cipher: Cipher,
    /// Algorithm of our own MAC-I after the data; the standard has none.
    #[arg(long, value_enum)]
    mac: Option<Cipher>,
    /// Member: name of the UE and its Layer-2 ID (Group Member Identity); may be repeated.
    #[arg(long, value_name = "UE=HEX")]
    member: Vec<Member>,
    #[command(flatten)]
    validity: Validity,
}

#[derive(Debug, Args)]
struct Validity {
    /// Days from now for which the keys are valid.
    #[arg(long, default_value_t = 30, value_name = "DAYS")]
    days: u32,
    /// First second of validity (UTC in seconds); the default is now.
    #[arg(long, value_name = "SECONDS")]
    from: Option<u32>,
}

impl Validity {
    fn range(&self) -> (u32, u32) {
        let from = self.from.unwrap_or_else(keystore::utc_now);
        (from, from.saturating_add(self.days.saturating_mul(DAY)))
    }
}

#[derive(Debug, Args)]
struct NewDiscovery {
    /// Name of the entry.
    name: String,
    #[command(flatten)]
    store: StoreArgs,
    /// Protection of the messages.
    #[arg(long, value_enum)]
    protection: Protection,
    /// Code or content, 46 hexadecimal digits; the default is random.
    #[arg(long, value_name = "HEX")]
    code: Option<Hex>,
    /// Message type octet, if it is not the usual one, 2 hexadecimal digits.
    #[arg(long, value_name = "HEX")]
    message_type: Option<Hex>,
    /// Relay service code or discovery group ID (public-safety), 6 hexadecimal digits: the code begins with it.
    #[arg(long, value_name = "HEX")]
    identity: Option<Hex>,
    /// Key Type ID (public-safety), 6 hexadecimal digits: services and groups of one PSDK have the same one; the
    /// default is --identity.
    #[arg(long, value_name = "HEX", conflicts_with = "own_keys")]
    key_type_id: Option<Hex>,
    /// Our own, not TS 33.303: keys that are useless for another identity under the same PSDK (public-safety).
    #[arg(long, requires = "identity")]
    own_keys: bool,
    /// Encrypt the bits of the code that are 1 here (restricted, public-safety), 46 hexadecimal digits.
    #[arg(long, value_name = "HEX")]
    duck_mask: Option<Hex>,
    /// One-way function (rotating).
    #[arg(long, value_enum, default_value = "keyed")]
    variant: VariantName,
    /// Bits of the code (rotating).
    #[arg(long, value_name = "BITS")]
    code_bits: Option<u16>,
    /// Bits of the nonce (rotating); 0 sends none.
    #[arg(long, default_value_t = 0, value_name = "BITS")]
    nonce_bits: u16,
    /// Rotation period in milliseconds (rotating), or length of a slot (delayed-key, chain).
    #[arg(long, default_value_t = 1000, value_name = "MS")]
    period_ms: u64,
    /// Accept --code-bits below 64: a frame of an outsider is accepted with a probability of 2^-BITS for each followed
    /// identity.
    #[arg(long)]
    short_code: bool,
    #[command(flatten)]
    chains: chains::ChainArgs,
    #[command(flatten)]
    signed: signed::SignedArgs,
    /// UE that announces the entry. An entry without a UE stays in this store.
    #[arg(long, value_name = "UE")]
    announcer: Option<String>,
    /// UE that may monitor the entry; may be repeated.
    #[arg(long, value_name = "UE")]
    monitor: Vec<String>,
    #[command(flatten)]
    validity: Validity,
}

#[derive(Debug, Args)]
struct Import {
    /// File to import, mode 0600.
    file: PathBuf,
    #[command(flatten)]
    store: StoreArgs,
    /// Replace entries of the same name.
    #[arg(long)]
    replace: bool,
}

#[derive(Debug, Args)]
struct Show {
    /// Name of the entry.
    name: String,
    #[command(flatten)]
    store: StoreArgs,
    /// Also show the secrets.
    #[arg(long)]
    secret: bool,
}

#[derive(Debug, Args)]
struct Export {
    #[command(flatten)]
    store: StoreArgs,
    /// UE whose entries are written; the default is everything.
    #[arg(long = "for", value_name = "UE")]
    ue: Option<String>,
    /// Write to this new file (mode 0600), to a pipe, or to standard output (-, the default).
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Revoke {
    /// Name of the entry.
    #[arg(required_unless_present = "ue")]
    name: Option<String>,
    #[command(flatten)]
    store: StoreArgs,
    /// UE to revoke in all entries.
    #[arg(long, value_name = "UE", conflicts_with = "name")]
    ue: Option<String>,
}

/// Runs the action.
///
/// # Errors
/// The fault of the store or the entry, and the remedy.
pub fn run(args: KeysArgs) -> anyhow::Result<()> {
    match args.what {
        What::NewGroup(args) => new_group(args),
        What::NewDiscovery(args) => new_discovery(args),
        What::NewCodes(args) => codes::new_codes(&args),
        What::NewRelay(args) => relays::new_relay(&args),
        What::NewKms(args) => identities::new_kms(&args),
        What::NewIdentity(args) => identities::new_identity(&args),
        What::NewIssuer(args) => certificates::new_issuer(&args),
        What::Certify(args) => certificates::certify(&args),
        What::RevokeCertificates(args) => certificates::revoke(&args),
        #[cfg(feature = "services")]
        What::Fetch(args) => fetch::fetch(&args),
        #[cfg(not(feature = "services"))]
        What::Fetch(_) => Err(super::network::without()),
        What::Import(args) => import(&args),
        What::List(args) => list(&args),
        What::Show(args) => show(&args),
        What::Export(args) => export(&args),
        What::Revoke(args) => revoke(&args),
        What::ResetClock(args) => Ok(KeyStore::open(&args.store)?.reset_clock()?),
    }
}

fn new_group(args: NewGroup) -> anyhow::Result<()> {
    if args.group_id.is_none() && !args.store.store.exists() {
        return Err(
            ConfigError::usage("a new group needs its --group-id", "such as --group-id 0001a2").into()
        );
    }
    let mut store = KeyStore::open_or_create(&args.store.store)?;
    store.settle_for_new_rights()?;
    let known = store.keys()?.group.into_iter().find(|group| group.name == args.name);
    let is_new = known.is_none();
    let mut group = match (known, args.group_id) {
        (Some(group), None) => group,
        (Some(group), Some(id)) if id == group.group_id => group,
        (Some(_), Some(_)) => {
            return Err(ConfigError::usage(
                "the group exists with another --group-id",
                "give it another name",
            )
            .into());
        }
        (None, Some(group_id)) => Group {
            name: args.name.clone(),
            group_id,
            cipher: args.cipher,
            mac: args.mac,
            member: Vec::new(),
            pgk: Vec::new(),
        },
        (None, None) => {
            return Err(
                ConfigError::usage("a new group needs its --group-id", "such as --group-id 0001a2").into()
            );
        }
    };
    for member in args.member {
        group.member.retain(|known| known.ue != member.ue);
        group.member.push(member);
    }
    let (from, until) = args.validity.range();
    let id = group.new_pgk(from, until)?;
    store.put(&Keys { group: vec![group], ..Keys::default() })?;
    let what = if is_new { "new group" } else { "group" };
    let (from, until) = (seconds_and_date(from.into()), seconds_and_date(until.into()));
    terminal::print(&format!("{what} {:?}: PGK {id}, valid from {from}\nuntil {until}\n", args.name))?;
    Ok(())
}

fn new_discovery(args: NewDiscovery) -> anyhow::Result<()> {
    let store = KeyStore::open_or_create(&args.store.store)?;
    let keys = store.keys()?;
    if keys.names().any(|known| *known == args.name) {
        return Err(ConfigError::new(
            "an entry of this name exists",
            args.name,
            "revoke it or take another name",
        )
        .into());
    }
    let mut entry = Discovery::new(&args.name, args.protection, args.validity.range().1);
    entry.announcer.clone_from(&args.announcer);
    entry.monitors.clone_from(&args.monitor);
    entry.message_type.clone_from(&args.message_type);
    draw_secrets(&mut entry, &args, &keys)?;
    entry.duck_mask = args.duck_mask;
    let line = format!(
        "new {} key {:?}, valid until {}\n",
        entry.protection.as_str(),
        entry.name,
        seconds_and_date(entry.valid_until.into())
    );
    store.put(&Keys { discovery: vec![entry], ..Keys::default() })?;
    terminal::print(&line)?;
    Ok(())
}

/// Draws the code of an entry and the keys of its protection.
fn draw_secrets(entry: &mut Discovery, args: &NewDiscovery, keys: &Keys) -> Result<(), ConfigError> {
    if !matches!(args.protection, Protection::Rotating | Protection::Chain) {
        entry.code = Some(match &args.code {
            Some(code) => code.clone(),
            None => random_code(entry, args.identity.as_ref())?,
        });
    }
    match args.protection {
        Protection::None => {}
        Protection::Open => entry.key = Some(keystore::random(16)?),
        Protection::Restricted => {
            entry.dusk = Some(keystore::random(32)?);
            entry.duik = Some(keystore::random(32)?);
            if args.duck_mask.is_some() {
                entry.duck = Some(keystore::random(32)?);
            }
        }
        Protection::PublicSafety => {
            entry.psdk = Some(keystore::random(32)?);
            match args.own_keys {
                true => entry.identity.clone_from(&args.identity),
                false => entry.key_type_id = args.key_type_id.clone().or_else(|| args.identity.clone()),
            }
        }
        Protection::Rotating => {
            entry.prose_id = Some(keystore::random(20)?);
            entry.application_key = Some(keystore::random(32)?);
            entry.variant = Some(args.variant);
            entry.code_bits = args.code_bits;
            entry.short_code = args.short_code;
            entry.nonce_bits = Some(args.nonce_bits);
            entry.period_ms = Some(args.period_ms);
        }
        Protection::DelayedKey | Protection::Chain | Protection::Pointer => {
            chains::draw(entry, &args.chains, args.period_ms)?;
        }
        Protection::Signed => signed::draw(entry, &args.signed, keys)?,
        Protection::PreShared => {
            entry.secret = Some(keystore::random(32)?);
            entry.answer_secret = Some(keystore::random(32)?);
        }
    }
    Ok(())
}

/// Draws a new code, in the fields of the entry's message type. A relay's or group's code begins with its identity.
fn random_code(entry: &Discovery, identity: Option<&Hex>) -> Result<Hex, ConfigError> {
    if entry.protection == Protection::DelayedKey {
        return Ok(Hex(keystore::random(13)?.as_bytes().to_vec()));
    }
    let mut code = [0; 23];
    // Every second draw has a reserved composition, where there is one.
    for _ in 0..64 {
        code.copy_from_slice(keystore::random(23)?.as_bytes());
        if let Some([a, b, c]) = identity.map(|identity| identity.0.as_slice()) {
            code[..3].copy_from_slice(&[*a, *b, *c]);
        }
        if let Some((_, fields)) = keystore::content(entry.message_type()?, &code) {
            return Ok(Hex(fields.to_vec()));
        }
    }
    Ok(Hex(code.to_vec()))
}

fn import(args: &Import) -> anyhow::Result<()> {
    let mut store = KeyStore::open_or_create(&args.store.store)?;
    let (new, refused) = store.take_over(&args.file, args.replace)?;
    if let Some(why) = &refused {
        tracing::warn!("{why}");
    } else if !new.group.is_empty() && !new.has_rights() {
        tracing::warn!(
            "no right to send came along: the store receives for these groups, and sends under new PGKs only"
        );
    }
    let (groups, discovery, identities) = (new.group.len(), new.discovery.len(), new.identity.len());
    terminal::print(&format!("{groups} groups, {discovery} discovery keys, {identities} identities\n"))?;
    Ok(())
}

fn list(args: &StoreArgs) -> anyhow::Result<()> {
    let keys = keystore::read(&args.store)?;
    let now = keystore::utc_now();
    let mut text = String::new();
    for group in &keys.group {
        let live = group
            .pgk
            .iter()
            .filter(|pgk| pgk.key.is_some() && pgk.valid_from <= now && now < pgk.expiry)
            .count();
        writeln!(
            text,
            "group      {:<20} {} {} members, {live} of {} PGKs valid",
            group.name,
            sidelink_wire::hex::of_bytes(&group.group_id.0),
            group.member.len(),
            group.pgk.len()
        )?;
    }
    for entry in &keys.discovery {
        let state = match (entry.revoked, now < entry.valid_until) {
            (true, _) => "revoked".to_owned(),
            (false, true) => format!("valid until {}", seconds_and_date(entry.valid_until.into())),
            (false, false) => "expired".to_owned(),
        };
        let own = entry.own_keys().map_or_else(String::new, |own| format!(" ({own})"));
        writeln!(text, "discovery  {:<20} {:<13} {state}{own}", entry.name, entry.protection.as_str())?;
    }
    identities::list(&keys, now, &mut text)?;
    terminal::print(&text)?;
    Ok(())
}

fn show(args: &Show) -> anyhow::Result<()> {
    let mut keys = keystore::read(&args.store.store)?;
    keys.group.retain(|group| group.name == args.name);
    keys.discovery.retain(|entry| entry.name == args.name);
    keys.kms.retain(|kms| kms.name == args.name);
    keys.identity.retain(|identity| identity.name == args.name);
    if keys.is_empty() {
        return Err(unknown(&args.name, &args.store).into());
    }
    if args.secret {
        terminal::print(&keys.to_toml()?)?;
        return Ok(());
    }
    // The secrets are removed, and their names shown.
    let mut hidden = Vec::new();
    for PgkEntry { id, key, .. } in keys.group.iter_mut().flat_map(|group| &mut group.pgk) {
        if key.take().is_some() {
            hidden.push(format!("# pgk {id}: hidden, --secret shows it\n"));
        }
    }
    let mut hide = |(name, secret): (&str, &mut Option<Secret>)| {
        if let Some(secret) = secret.take() {
            let octets = secret.as_bytes().len();
            hidden.push(format!("# {name}: {octets} octets hidden, --secret shows them\n"));
        }
    };
    for entry in &mut keys.discovery {
        entry.secrets().into_iter().for_each(&mut hide);
        entry.table_secrets().into_iter().for_each(&mut hide);
    }
    identities::hide(&mut keys, &mut hidden);
    terminal::print(&format!("{}{}", keys.to_toml()?.as_str(), hidden.concat()))?;
    Ok(())
}

fn export(args: &Export) -> anyhow::Result<()> {
    let mut outputs = Outputs::new(Existing::Keep);
    outputs.reads([&args.store.store]);
    let place = match &args.output {
        Some(path) => outputs.claim_fresh("-o", path)?,
        None => Place::Standard,
    };
    let mut keys = keystore::read(&args.store.store)?;
    if let Some(ue) = &args.ue {
        let nobodys = keys.discovery.iter().filter(|entry| entry.names_nobody() && !entry.revoked);
        let nobodys: Vec<_> = nobodys.map(|entry| entry.name.clone()).collect();
        keys = keys.for_ue(ue);
        if keys.is_empty() {
            let place = args.store.store.display().to_string();
            let remedy = "name it by `new-group --member`, `new-discovery --monitor` or `new-identity --ue`";
            return Err(ConfigError::new(format!("nothing is for the UE {ue:?}"), place, remedy).into());
        }
        if !nobodys.is_empty() {
            tracing::warn!(
                "left out, as they name no UE: {}; `new-discovery --announcer UE --monitor UE` makes one that does",
                nobodys.join(", ")
            );
        }
        if let Place::File(path) = &place
            && keystore::is_store(&args.store.store)?
        {
            return export_rights(&args.store.store, ue, path);
        }
        if !keys.group.is_empty() {
            tracing::warn!(
                "the right to send does not go along: it moves from a key store into a file, by -o FILE"
            );
        }
    }
    let text: Zeroizing<String> = keys.receive_only().to_toml()?;
    if let Place::File(path) = &place {
        return Ok(keystore::write_private(path, &text)?);
    }
    let mut out = place.live()?;
    out.write_all(text.as_bytes())?;
    Ok(out.finish()?)
}

/// Moves the rights of `ue` to send into its file. The file is created empty before they are removed from the store.
fn export_rights(store: &Path, ue: &str, path: &Path) -> anyhow::Result<()> {
    let mut store = KeyStore::open(store)?;
    let mut file = keystore::create_private(path)?;
    let handed = store.hand_out(ue).inspect_err(|_| {
        let _ = std::fs::remove_file(path);
    })?;
    for why in &handed.missing {
        tracing::warn!("{why}");
    }
    Ok(keystore::write_handed(path, &mut file, &handed.keys.to_toml()?)?)
}

fn revoke(args: &Revoke) -> anyhow::Result<()> {
    let mut store = KeyStore::open(&args.store.store)?;
    if args.ue.is_some() {
        store.settle_for_new_rights()?;
    }
    let mut keys = store.keys()?;
    let changed = match (&args.name, &args.ue) {
        (Some(name), _) if keystore::revoke(&mut keys, name) => vec![name.clone()],
        (Some(name), _) => return Err(unknown(name, &args.store).into()),
        (None, Some(ue)) => keystore::revoke_ue(&mut keys, ue, keystore::utc_now())?,
        (None, None) => Vec::new(),
    };
    keys.group.retain(|group| changed.contains(&group.name));
    keys.discovery.retain(|entry| changed.contains(&entry.name));
    keys.identity.retain(|identity| changed.contains(&identity.name));
    store.put(&keys)?;
    terminal::print(&format!(
        "changed: {}\n",
        if changed.is_empty() { "nothing".to_owned() } else { changed.join(", ") }
    ))?;
    Ok(())
}

fn unknown(name: &str, store: &StoreArgs) -> ConfigError {
    let place = store.store.display().to_string();
    ConfigError::new(format!("no entry is called {name:?}"), place, "`sidelink keys list` names them")
}
