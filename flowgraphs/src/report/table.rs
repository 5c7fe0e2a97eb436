//! One line an event, for people.

use super::Counts;
use crate::readable::{hex_and_text, text};
use crate::receive::Outcome;
use crate::terminal::{Ink, paint};
use sidelink_phy::receive::receiver::{ControlInformation, Event};
use sidelink_phy::receive::stream::Alignment;
use sidelink_wire::hex;
use std::io::{self, Write};

/// Number of octets of a payload that are shown.
const SHOWN: usize = 16;

pub(super) fn header(out: &mut dyn Write, file: Option<&str>, colours: bool) -> io::Result<()> {
    if let Some(file) = file {
        writeln!(out, "{}", paint(colours, Ink::Bold, file))?;
    }
    let line =
        format!("{:>8}  {:<7} {:>7} {:>6} {:>8}  what", "subframe", "channel", "SNR dB", "EVM %", "CFO Hz");
    writeln!(out, "{}", paint(colours, Ink::Bold, &line))
}

pub(super) fn event(out: &mut dyn Write, event: &Event<'_>, colours: bool) -> io::Result<()> {
    if let Event::Discontinuity { subframe, since, shift } = event {
        let (count, verb) = (shift.unsigned_abs(), if *shift < 0 { "lost" } else { "inserted" });
        let text = format!("{count} samples were {verb}, or whole subframes more, after sample {since}");
        return writeln!(out, "{subframe:>8}  {}", paint(colours, Ink::Red, &text));
    }
    let (channel, ink, what) = match event {
        Event::Slss { id, .. } => ("SLSS", Ink::Dim, format!("N_ID^SL {id}")),
        Event::Mib { bits, time, .. } => ("PSBCH", Ink::Cyan, mib(bits, *time)),
        Event::Sci { prb, information, undelivered, .. } => {
            let why = undelivered.map_or(String::new(), |why| format!("; no block: {why}"));
            ("PSCCH", Ink::Yellow, format!("PRB {prb} {}{why}", control(information)))
        }
        Event::SlSch(b) => {
            let place = format!(
                "PRB {}+{} MCS {} rv {}",
                b.grant.prbs.start,
                b.grant.prbs.len,
                b.grant.mcs,
                rvs(b.rv)
            );
            let again = if b.repeat { " again" } else { "" };
            let octets = hex_and_text(b.block, SHOWN);
            ("SL-SCH", Ink::Green, format!("{place}{again}, {} octets: {octets}", b.block.len()))
        }
        Event::SlDch { rv, prb_start, message, repeat, .. } => {
            let again = if *repeat { " again" } else { "" };
            ("SL-DCH", Ink::Green, format!("PRB {prb_start}+2 rv {}{again}: {}", rvs(rv), discovery(message)))
        }
        _ => return Ok(()),
    };
    let (snr, evm, cfo) = match event {
        Event::Slss { cfo, snr, .. } => (*snr, None, *cfo),
        Event::Mib { measurement: m, evm_percent: e, .. }
        | Event::Sci { measurement: m, evm_percent: e, .. }
        | Event::SlDch { measurement: m, evm_percent: e, .. } => (m.snr(), Some(*e), m.cfo),
        Event::SlSch(b) => (b.measurement.snr(), Some(b.evm_percent), b.measurement.cfo),
        _ => return Ok(()),
    };
    let evm = evm.map_or(String::new(), |e| format!("{e:.1}"));
    let channel = paint(colours, ink, &format!("{channel:<7}"));
    let (snr, cfo) = (snr.0, cfo.0);
    let each = antennas(event);
    writeln!(out, "{:>8}  {channel} {snr:>7.1} {evm:>6} {cfo:>8.0}  {what}{each}", event.subframe())
}

/// Formats the signal to noise ratio at each antenna, if there are several.
fn antennas(event: &Event<'_>) -> String {
    let Some(measured) = event.measurement().map(|m| m.antennas).filter(|m| m.count() > 1) else {
        return String::new();
    };
    let each = (0..measured.count()).map(|antenna| match measured.ratio(antenna) {
        ratio if ratio > 0.0 => format!("{:.1}", 10.0 * ratio.log10()),
        _ => "-".to_owned(),
    });
    format!("; antennas {} dB", each.collect::<Vec<_>>().join(", "))
}

pub(super) fn summary(
    out: &mut dyn Write,
    counts: &Counts,
    outcome: &Outcome,
    assumed: &[String],
    colours: bool,
) -> io::Result<()> {
    for warning in &outcome.warnings {
        writeln!(out, "{}", paint(colours, Ink::Yellow, warning))?;
    }
    for a in assumed {
        writeln!(out, "{}", paint(colours, Ink::Dim, &format!("assumed: {a}")))?;
    }
    let timing = match outcome.alignment {
        Some(Alignment::Slss(d)) => format!("timing from SLSS of N_ID^SL {}", d.id),
        Some(Alignment::CyclicPrefix { .. }) => "timing from cyclic prefixes (no SLSS)".to_owned(),
        _ => "no timing found: subframes taken to begin with the first sample".to_owned(),
    };
    writeln!(out, "{timing}; subframe 0 at sample {}", outcome.first_sample)?;
    let antennas = outcome.quality.snr();
    if !antennas.is_empty() {
        let each =
            antennas.iter().map(|snr| snr.map_or("nothing".to_owned(), |snr| format!("{:.1} dB", snr.0)));
        let each = each.collect::<Vec<_>>().join(", ");
        writeln!(out, "{} antennas, mean SNR of what was decoded: {each}", antennas.len())?;
    }
    if outcome.damaged > 0 {
        let text = format!("{} damaged samples were replaced by 0", outcome.damaged);
        writeln!(out, "{}", paint(colours, Ink::Red, &text))?;
    }
    let work = outcome.work.as_secs_f64();
    writeln!(
        out,
        "{} SLSS, {} MIBs, {} SCIs, {} SL-SCH blocks, {} discovery messages\n{} subframes: {:.3} s of air in {:.3} s ({:.1}x)",
        counts.slss,
        counts.psbch,
        counts.sci,
        counts.sl_sch,
        counts.sl_dch,
        outcome.subframes,
        outcome.air,
        work,
        if work > 0.0 { outcome.air / work } else { 0.0 },
    )?;
    if counts.is_empty() {
        let hint =
            "nothing was heard: check --rate, --prb, --tm and --cp, and look at it with `sidelink inspect`";
        writeln!(out, "{}", paint(colours, Ink::Yellow, hint))?;
    }
    Ok(())
}

fn mib(bits: &[u8], time: Option<sidelink_phy::units::DfnSubframe>) -> String {
    let at = time.map_or("DFN ?".to_owned(), |t| format!("DFN {}.{}", t.dfn(), t.subframe()));
    let rest = sidelink_ue::mapping::parse_mib_sl(bits).map_or(String::new(), |m| {
        let coverage = if m.in_coverage { "in coverage" } else { "out of coverage" };
        format!(", {} PRB, {coverage}", m.bandwidth.prbs())
    });
    format!("MIB-SL {} {at}{rest}", hex::of_bits(bits))
}

fn control(information: &ControlInformation) -> String {
    match information {
        ControlInformation::Format0(s) => format!(
            "SCI 0: group {}, MCS {}, I_TRP {}, RB assignment {}{}",
            s.group_destination,
            s.mcs,
            s.trp,
            s.rb_assignment,
            if s.hopping { ", hopping" } else { "" }
        ),
        ControlInformation::Format1(Some(s)) => format!(
            "SCI 1: priority {}, MCS {}, reservation {}, gap {}{}",
            s.priority + 1,
            s.mcs,
            s.reservation_ms().map_or("?".to_owned(), |ms| format!("{ms} ms")),
            s.time_gap,
            if s.retransmission { ", retransmission" } else { "" }
        ),
        ControlInformation::Format1(None) => "SCI 1".to_owned(),
    }
}

fn rvs(rv: &[u8]) -> String {
    rv.iter().map(u8::to_string).collect::<Vec<_>>().join("+")
}

/// Formats the message in hexadecimal digits, and beside it its text, or the text of its code (octets 2 to 24).
fn discovery(message: &[u8]) -> String {
    let text = text(message).filter(|_| message.first().is_some_and(u8::is_ascii_lowercase));
    let code = || message.get(1..24).and_then(crate::readable::text);
    let code = text.or_else(code).map_or(String::new(), |text| format!(" {text}"));
    format!("{}{code}", hex::of_bytes(message))
}
