//! Flags, a file and SigMF put together.

use super::RadioConfig;
use sidelink_radio::number::Number;
use std::fmt::Display;
use std::mem::take;

/// A configuration with its source.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    /// The configuration.
    pub config: RadioConfig,
    /// Name of the file; empty for flags.
    pub by: String,
}

/// Combines the sources: flags override the file of `--config`, and both override SigMF. A note for each difference
/// between the operator and SigMF names both sides.
pub fn combine(flags: RadioConfig, file: Option<Said>, sigmf: Option<Said>) -> (RadioConfig, Vec<String>) {
    let (file, sigmf) = (file.unwrap_or_default(), sigmf.unwrap_or_default());
    let mut sides = Sides { flags, file, sigmf, notes: Vec::new() };
    let near = |a: &Number, b: &Number| (a.0 - b.0).abs() < 0.5;
    let config = RadioConfig {
        prb: sides.value(("prb", "sidelink:prb"), |c| c.prb, PartialEq::eq),
        rate: sides.value(("rate", "core:sample_rate"), |c| c.rate, near),
        frequency: sides.value(("frequency", "core:frequency"), |c| c.frequency, near),
        tm: sides.value(("tm", "sidelink:transmission_mode"), |c| c.tm, PartialEq::eq),
        cp: sides.value(("cp", "sidelink:cyclic_prefix"), |c| c.cp, PartialEq::eq),
        sync: sides.table(("sync", "sidelink:pools.sync"), |c| c.sync.take()),
        communication: sides
            .list(("communication", "sidelink:pools.communication"), |c| take(&mut c.communication)),
        discovery: sides.list(("discovery", "sidelink:pools.discovery"), |c| take(&mut c.discovery)),
        v2x: sides.table(("v2x-pool", "sidelink:pools.v2x"), |c| c.v2x.take()),
        v2x_also: sides.list(("v2x-also", "sidelink:pools.v2x-also"), |c| take(&mut c.v2x_also)),
    };
    (config, sides.notes)
}

/// The sources of the radio configuration, combined field by field.
struct Sides {
    flags: RadioConfig,
    file: Said,
    sigmf: Said,
    /// Notes on differences between the operator and SigMF.
    notes: Vec<String>,
}

/// Names of a field: the operator's, and SigMF's.
type Names = (&'static str, &'static str);

impl Sides {
    /// Combines a field with one value, which notes show.
    fn value<T: Display>(
        &mut self,
        names: Names,
        read: impl Fn(&RadioConfig) -> Option<T>,
        same: impl Fn(&T, &T) -> bool,
    ) -> Option<T> {
        self.prefer(names, |config| read(config), same, |value| format!(" {value}"))
    }

    /// Combines a table, which is too long for notes.
    fn table<T: PartialEq>(
        &mut self,
        names: Names,
        read: impl Fn(&mut RadioConfig) -> Option<T>,
    ) -> Option<T> {
        self.prefer(names, read, PartialEq::eq, |_| String::new())
    }

    /// Combines a list of tables, where an empty one has no effect.
    fn list<T: PartialEq>(&mut self, names: Names, read: impl Fn(&mut RadioConfig) -> Vec<T>) -> Vec<T> {
        let some = |config: &mut RadioConfig| Some(read(config)).filter(|list| !list.is_empty());
        self.table(names, some).unwrap_or_default()
    }

    /// Returns the field that `read` finds in the first source that has it.
    fn prefer<T>(
        &mut self,
        (name, in_sigmf): Names,
        read: impl Fn(&mut RadioConfig) -> Option<T>,
        same: impl Fn(&T, &T) -> bool,
        show: impl Fn(&T) -> String,
    ) -> Option<T> {
        let Self { flags, file, sigmf, notes } = self;
        let in_file = read(&mut file.config).map(|value| (value, format!("{name} in {}", file.by)));
        let ours = read(flags).map(|value| (value, format!("--{name}"))).or(in_file);
        let theirs = read(&mut sigmf.config);
        if let (Some((a, said)), Some(b)) = (&ours, &theirs)
            && !same(a, b)
        {
            notes.push(format!("{said}{} goes before {in_sigmf}{} of {}", show(a), show(b), sigmf.by));
        }
        ours.map(|(a, _)| a).or(theirs)
    }
}
