//! Flags, a file and SigMF put together.

use super::{ConfigError, RadioConfig};
use crate::number::Number;
use std::fmt::Display;

/// A configuration and who said it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    /// What was said.
    pub config: RadioConfig,
    /// The file; empty for flags.
    pub by: String,
}

/// Flags go before the file of `--config`; what SigMF says must not contradict either.
///
/// # Errors
/// A contradiction, naming both sides.
pub fn combine(
    flags: RadioConfig,
    file: Option<Said>,
    sigmf: Option<Said>,
) -> Result<RadioConfig, ConfigError> {
    let file = file.unwrap_or_default();
    let sigmf = sigmf.unwrap_or_default();
    // A field's value with the words for whoever said it.
    fn ours<T: Clone>(flag: Option<T>, file: Option<T>, name: &str, by: &str) -> Option<(T, String)> {
        let file = file.map(|v| (v, format!("{name} in {by}")));
        flag.map(|v| (v, format!("--{name}"))).or(file)
    }
    fn agree<T: Clone>(
        ours: Option<(T, String)>,
        theirs: Option<T>,
        theirs_name: &str,
        by: &str,
        same: impl Fn(&T, &T) -> bool,
        show: impl Fn(&T) -> String,
    ) -> Result<Option<T>, ConfigError> {
        match (ours, theirs) {
            (Some((a, said)), Some(b)) if !same(&a, &b) => Err(ConfigError::new(
                format!("{said}{} contradicts {theirs_name}{}", show(&a), show(&b)),
                by,
                format!("leave out {said}, or mend the metadata"),
            )),
            (Some((a, _)), _) => Ok(Some(a)),
            (None, b) => Ok(b),
        }
    }
    fn value<T: Display>(v: &T) -> String {
        format!(" {v}")
    }
    fn nothing<T>(_: &T) -> String {
        String::new()
    }
    let near = |a: &Number, b: &Number| (a.0 - b.0).abs() < 0.5;
    fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
        (!list.is_empty()).then_some(list)
    }
    let (f, s, by) = (file.config, sigmf.config, sigmf.by.as_str());
    let who = file.by.as_str();
    Ok(RadioConfig {
        prb: agree(ours(flags.prb, f.prb, "prb", who), s.prb, "sidelink:prb", by, PartialEq::eq, value)?,
        rate: agree(ours(flags.rate, f.rate, "rate", who), s.rate, "core:sample_rate", by, near, value)?,
        frequency: agree(
            ours(flags.frequency, f.frequency, "frequency", who),
            s.frequency,
            "core:frequency",
            by,
            near,
            value,
        )?,
        tm: agree(
            ours(flags.tm, f.tm, "tm", who),
            s.tm,
            "sidelink:transmission_mode",
            by,
            PartialEq::eq,
            value,
        )?,
        cp: agree(ours(flags.cp, f.cp, "cp", who), s.cp, "sidelink:cyclic_prefix", by, PartialEq::eq, value)?,
        sync: agree(
            ours(flags.sync, f.sync, "sync", who),
            s.sync,
            "sidelink:pools.sync",
            by,
            PartialEq::eq,
            nothing,
        )?,
        communication: agree(
            ours(some(flags.communication), some(f.communication), "communication", who),
            some(s.communication),
            "sidelink:pools.communication",
            by,
            PartialEq::eq,
            nothing,
        )?
        .unwrap_or_default(),
        discovery: agree(
            ours(some(flags.discovery), some(f.discovery), "discovery", who),
            some(s.discovery),
            "sidelink:pools.discovery",
            by,
            PartialEq::eq,
            nothing,
        )?
        .unwrap_or_default(),
        v2x: agree(
            ours(flags.v2x, f.v2x, "v2x-pool", who),
            s.v2x,
            "sidelink:pools.v2x",
            by,
            PartialEq::eq,
            nothing,
        )?,
        v2x_also: agree(
            ours(some(flags.v2x_also), some(f.v2x_also), "v2x-also", who),
            some(s.v2x_also),
            "sidelink:pools.v2x-also",
            by,
            PartialEq::eq,
            nothing,
        )?
        .unwrap_or_default(),
    })
}
