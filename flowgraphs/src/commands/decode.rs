//! `sidelink decode`: what is in a recording.

use crate::args::{Output, RadioArgs};
use clap::Args;
use std::path::PathBuf;

/// Arguments of `sidelink decode`.
#[derive(Debug, Args)]
pub struct DecodeArgs {
    /// Recordings: SigMF (.sigmf-meta, .sigmf-data, .sigmf) or raw samples.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// What the recording does not say itself.
    #[command(flatten)]
    pub radio: RadioArgs,
    /// Form of the output: table, json or json:FILE; several at once.
    #[arg(short = 'F', value_name = "FORM[:FILE]", default_value = "table")]
    pub output: Vec<Output>,
    /// Write what was decoded to a capture file for Wireshark (link type 252).
    #[arg(long, value_name = "FILE")]
    pub pcap: Option<PathBuf>,
}

/// Decode.
///
/// # Errors
/// A file that cannot be read, or a configuration that is wrong.
pub fn run(args: DecodeArgs) -> anyhow::Result<()> {
    for file in &args.files {
        crate::input::open(file, &args.radio)?;
    }
    anyhow::bail!("the receiver is not wired up yet")
}
