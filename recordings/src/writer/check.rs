//! Which recordings can be written.

use std::path::Path;

use crate::raw::name::{format_of_name, hints_of_name};
use crate::{Container, Error, MAX_CHANNELS};

use super::WriterOptions;

/// Checks the options of a recording.
///
/// # Errors
/// [`Error::Argument`] for the first that cannot be written.
pub(super) fn check(path: &Path, container: Container, options: &WriterOptions) -> Result<(), Error> {
    let argument = |what, problem| Err(Error::Argument { what, problem });
    // SigMF 1.2.6: above 0, at most 10^12.
    if !(options.rate > 0.0 && options.rate <= 1e12) {
        return argument("rate", format!("must be above 0 and at most 1e12, and is {}", options.rate));
    }
    if options.frequency.is_some_and(|frequency| frequency.is_nan() || frequency.abs() > 1e12) {
        return argument("frequency", "must be at most 1e12 hertz".to_owned());
    }
    if !(options.scale.is_finite() && options.scale != 0.0) {
        return argument("scale", format!("must be a number other than 0, and is {}", options.scale));
    }
    if !options.format.is_writable() {
        return argument("format", format!("{} is not written: choose cf32 or ci16", options.format));
    }
    if !(1..=MAX_CHANNELS).contains(&options.channels) {
        let problem = format!("must be 1 to {MAX_CHANNELS}, and is {}", options.channels);
        return argument("channels", problem);
    }
    let named = format_of_name(path);
    if container == Container::Raw && named != Some(options.format) {
        let problem =
            format!("{} is to be written, and the name {} says otherwise", options.format, path.display());
        return argument("format", problem);
    }
    let (said, channels) = (hints_of_name(path).channels.unwrap_or(1), options.channels);
    if container == Container::Raw && said != channels {
        let are = if channels == 1 { "one is".to_owned() } else { format!("{channels} are") };
        let remedy = match (channels, said) {
            (1, said) => format!("leave _{said}ch out of it"),
            (_, 1) => format!("write _{channels}ch into it"),
            _ => format!("write _{channels}ch in its place"),
        };
        let problem = format!(
            "{are} to be written, and the name {} says {said}: {remedy}, or name a SigMF recording",
            path.display()
        );
        return argument("channels", problem);
    }
    if container == Container::SigmfArchive {
        let stem = path.file_stem().map_or(0, |stem| stem.to_string_lossy().len());
        if !(1..=80).contains(&stem) {
            return argument("name", format!("{}: an archive's name has from 1 to 80 bytes", path.display()));
        }
    }
    Ok(())
}
