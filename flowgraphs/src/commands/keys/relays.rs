//! `sidelink keys new-relay`: PSDKs for the discovery of relays.

use super::{StoreArgs, Validity};
use crate::config::ConfigError;
use crate::readable::seconds_and_date;
use crate::terminal;
use clap::Args;
use sidelink_store::{self as keystore, Discovery, Hex, KeyStore, Keys, Protection};
use sidelink_wire::pc5_discovery::MessageType;

/// Bits of the octet that says which keys are used.
const DUSK: u8 = 0x80;
const DUIK: u8 = 0x40;
const DUCK: u8 = 0x20;

#[derive(Debug, Args)]
pub(super) struct NewRelay {
    /// Name of the entry.
    name: String,
    #[command(flatten)]
    store: StoreArgs,
    /// Relay Service Code, 6 hexadecimal digits.
    #[arg(long, value_name = "HEX")]
    service: Hex,
    /// Relay or remote UE that gets the key; may be repeated.
    #[arg(long, value_name = "UE", required = true)]
    ue: Vec<String>,
    /// Key Type ID, 6 hexadecimal digits; the default is the Relay Service Code.
    #[arg(long, value_name = "HEX")]
    key_type_id: Option<Hex>,
    /// PSDK ID, 2 hexadecimal digits; the default is the next one of the Key Type.
    #[arg(long, value_name = "HEX")]
    psdk_id: Option<Hex>,
    /// Do not scramble: whoever listens can follow a relay.
    #[arg(long)]
    no_scrambling: bool,
    /// Encrypt the bits of the body that are 1 here, 46 hexadecimal digits, beside scrambling.
    #[arg(long, value_name = "HEX")]
    duck_mask: Option<Hex>,
    #[command(flatten)]
    validity: Validity,
}

/// Makes a PSDK.
///
/// # Errors
/// The fault of the store or the entry, and the remedy.
pub(super) fn new_relay(args: &NewRelay) -> anyhow::Result<()> {
    let store = KeyStore::open_or_create(&args.store.store)?;
    let keys = store.keys()?;
    if keys.names().any(|known| *known == args.name) {
        let remedy = "take another name: PSDKs of one service follow each other under names of their own";
        return Err(ConfigError::new("an entry of this name exists", args.name.clone(), remedy).into());
    }
    let [a, b, c] = args.service.0[..] else {
        let what = format!("--service has {} octets", args.service.0.len());
        return Err(ConfigError::usage(what, "a Relay Service Code has six hexadecimal digits").into());
    };
    let until = args.validity.range().1;
    let key_type = args.key_type_id.clone().unwrap_or_else(|| args.service.clone());
    let mut entry = Discovery::new(&args.name, Protection::PublicSafety, until);
    let mut code = vec![0; 23];
    code[..3].copy_from_slice(&[a, b, c]);
    entry.code = Some(Hex(code));
    entry.message_type = Some(Hex(vec![MessageType::RelayAnnouncement.octet()]));
    entry.code_mask = Some(Hex([vec![0xff; 3], vec![0; 20]].concat()));
    entry.monitors.clone_from(&args.ue);
    entry.psdk = Some(keystore::random(32)?);
    entry.psdk_id = Some(match &args.psdk_id {
        Some(id) => id.clone(),
        None => next_id(&keys, &key_type)?,
    });
    let used = if args.no_scrambling { DUIK } else { DUSK | DUIK };
    let ciphered = if args.duck_mask.is_some() { DUCK } else { 0 };
    entry.protection_profile = Some(Hex(vec![used | ciphered]));
    entry.duck_mask.clone_from(&args.duck_mask);
    entry.key_type_id = Some(key_type.clone());
    same_end(&keys, &entry)?;
    let id = entry.psdk_id.as_ref().map_or_else(String::new, |id| sidelink_wire::hex::of_bytes(&id.0));
    store.put(&Keys { discovery: vec![entry], ..Keys::default() })?;
    terminal::print(&format!(
        "new PSDK {id} of Key Type {} for {}: {:?}, valid until {}\n",
        sidelink_wire::hex::of_bytes(&key_type.0),
        args.ue.join(", "),
        args.name,
        seconds_and_date(until.into())
    ))?;
    Ok(())
}

/// Returns the next PSDK ID of a Key Type: 0 stands for none.
// TS 33.303 §6.6.3.2 (1)
fn next_id(keys: &Keys, key_type: &Hex) -> Result<Hex, ConfigError> {
    let of_type = keys.discovery.iter().filter(|entry| entry.key_type_id.as_ref() == Some(key_type));
    let used: Vec<u8> = of_type.filter_map(|entry| entry.psdk_id.as_ref()?.0.first().copied()).collect();
    let free = (1..=u8::MAX).find(|id| !used.contains(id));
    let what = "all 255 PSDK IDs of this Key Type are used";
    let remedy = "take another --key-type-id, or another store";
    free.map(|id| Hex(vec![id])).ok_or_else(|| ConfigError::usage(what, remedy))
}

/// Checks that no other PSDK of the Key Type ends with this one.
fn same_end(keys: &Keys, entry: &Discovery) -> Result<(), ConfigError> {
    let same = keys.discovery.iter().find(|known| {
        known.key_type_id == entry.key_type_id && known.valid_until == entry.valid_until && !known.revoked
    });
    match same {
        Some(known) => Err(ConfigError::new(
            format!("it would end with {:?}, another PSDK of the Key Type", known.name),
            entry.name.clone(),
            "give it other --days: UEs take the one that ends first",
        )),
        None => Ok(()),
    }
}
