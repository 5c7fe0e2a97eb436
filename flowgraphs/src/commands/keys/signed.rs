//! Keys of signed announcements.

use crate::config::ConfigError;
use clap::Args;
use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_store::{self as keystore, Discovery, Keys, RotationName, SchemeName, SignedEntry};

#[derive(Debug, Args)]
pub(super) struct SignedArgs {
    /// Signature (signed).
    #[arg(long, value_enum, default_value = "ed25519")]
    scheme: SchemeName,
    /// Which part is sent when (signed).
    #[arg(long, value_enum, default_value = "coded")]
    rotation: RotationName,
    /// Entry of the identity that signs (signed, with a --scheme of ECCSI).
    #[arg(long, value_name = "NAME")]
    signer: Option<String>,
    /// Conceal the code from all but the monitors (signed).
    #[arg(long)]
    conceal: bool,
}

/// Makes the keys of an entry. One of an identity ends with the identity's key.
pub(super) fn draw(entry: &mut Discovery, args: &SignedArgs, keys: &Keys) -> Result<(), ConfigError> {
    let now = UtcTime::from_counter(UtcCounter::new(keystore::utc_now()));
    let signer = args.signer.as_deref();
    let (mut signed, until) = SignedEntry::fresh(args.scheme, args.rotation, (keys, signer), now)?;
    if args.conceal {
        signed.conceal()?;
    }
    entry.valid_until = until.map_or(entry.valid_until, |until| until.min(entry.valid_until));
    entry.signed = Some(signed);
    Ok(())
}
