//! Flags, a file and SigMF put together.

use super::RadioConfig;
use sidelink_radio::number::Number;
use std::cell::RefCell;
use std::fmt::Display;

/// A configuration and who said it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    /// What was said.
    pub config: RadioConfig,
    /// The file; empty for flags.
    pub by: String,
}

/// Flags go before the file of `--config`, and both before what SigMF says. Where the operator and SigMF differ, a note names
/// both sides.
pub fn combine(flags: RadioConfig, file: Option<Said>, sigmf: Option<Said>) -> (RadioConfig, Vec<String>) {
    let file = file.unwrap_or_default();
    let sigmf = sigmf.unwrap_or_default();
    // A field's value with the words for whoever said it.
    fn ours<T: Clone>(flag: Option<T>, file: Option<T>, name: &str, by: &str) -> Option<(T, String)> {
        let file = file.map(|v| (v, format!("{name} in {by}")));
        flag.map(|v| (v, format!("--{name}"))).or(file)
    }
    let notes = RefCell::new(Vec::new());
    struct Theirs<'a> {
        name: &'static str,
        by: &'a str,
        notes: &'a RefCell<Vec<String>>,
    }
    fn prefer<T: Clone>(
        ours: Option<(T, String)>,
        value: Option<T>,
        theirs: Theirs<'_>,
        same: impl Fn(&T, &T) -> bool,
        show: impl Fn(&T) -> String,
    ) -> Option<T> {
        if let (Some((a, said)), Some(b)) = (&ours, &value)
            && !same(a, b)
        {
            let Theirs { name, by, notes } = theirs;
            notes.borrow_mut().push(format!("{said}{} goes before {name}{} of {by}", show(a), show(b)));
        }
        ours.map(|(a, _)| a).or(value)
    }
    let theirs = |name| Theirs { name, by: &sigmf.by, notes: &notes };
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
    let (f, s) = (file.config, sigmf.config.clone());
    let who = file.by.as_str();
    let config = RadioConfig {
        prb: prefer(ours(flags.prb, f.prb, "prb", who), s.prb, theirs("sidelink:prb"), PartialEq::eq, value),
        rate: prefer(ours(flags.rate, f.rate, "rate", who), s.rate, theirs("core:sample_rate"), near, value),
        frequency: prefer(
            ours(flags.frequency, f.frequency, "frequency", who),
            s.frequency,
            theirs("core:frequency"),
            near,
            value,
        ),
        tm: prefer(
            ours(flags.tm, f.tm, "tm", who),
            s.tm,
            theirs("sidelink:transmission_mode"),
            PartialEq::eq,
            value,
        ),
        cp: prefer(
            ours(flags.cp, f.cp, "cp", who),
            s.cp,
            theirs("sidelink:cyclic_prefix"),
            PartialEq::eq,
            value,
        ),
        sync: prefer(
            ours(flags.sync, f.sync, "sync", who),
            s.sync,
            theirs("sidelink:pools.sync"),
            PartialEq::eq,
            nothing,
        ),
        communication: prefer(
            ours(some(flags.communication), some(f.communication), "communication", who),
            some(s.communication),
            theirs("sidelink:pools.communication"),
            PartialEq::eq,
            nothing,
        )
        .unwrap_or_default(),
        discovery: prefer(
            ours(some(flags.discovery), some(f.discovery), "discovery", who),
            some(s.discovery),
            theirs("sidelink:pools.discovery"),
            PartialEq::eq,
            nothing,
        )
        .unwrap_or_default(),
        v2x: prefer(
            ours(flags.v2x, f.v2x, "v2x-pool", who),
            s.v2x,
            theirs("sidelink:pools.v2x"),
            PartialEq::eq,
            nothing,
        ),
        v2x_also: prefer(
            ours(some(flags.v2x_also), some(f.v2x_also), "v2x-also", who),
            some(s.v2x_also),
            theirs("sidelink:pools.v2x-also"),
            PartialEq::eq,
            nothing,
        )
        .unwrap_or_default(),
    };
    (config, notes.into_inner())
}
