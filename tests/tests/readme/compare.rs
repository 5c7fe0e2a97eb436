//! Whether a program printed what a document shows: words and whole numbers exactly; times, dates and what was measured apart.

use libtest_mimic::Failed;

/// A line that stands for any lines.
const LINES: &str = "...";

/// What stands for anything in a line.
const ANYTHING: &str = "..";

/// Channels that a row of the table begins with, behind its subframe.
const CHANNELS: [&str; 5] = ["SLSS", "PSBCH", "PSCCH", "SL-SCH", "SL-DCH"];

/// By how much a carrier offset may differ, Hz: single symbols are off by more than this only when they are not decoded.
const OFFSET_HZ: f64 = 80.0;

/// Finds the lines of `shown` in `printed`, in order.
///
/// # Errors
/// The first line that is not there, and what is there instead.
pub(crate) fn compare(shown: &str, printed: &str) -> Result<(), String> {
    let printed: Vec<&str> = printed.lines().filter(|line| !line.trim().is_empty()).collect();
    let shown: Vec<&str> = shown.lines().filter(|line| !line.trim().is_empty()).collect();
    let (mut at, mut anywhere) = (0, false);
    for line in &shown {
        if line.trim() == LINES {
            anywhere = true;
            continue;
        }
        let rest = &printed[at..];
        let reach = if anywhere { rest.len() } else { 1 };
        let Some(found) = rest.iter().take(reach).position(|printed| same(line, printed)) else {
            let all = printed.join("\n");
            return Err(format!("shown, but not printed where it is shown:\n{line}\nprinted was:\n{all}"));
        };
        at += found + 1;
        anywhere = false;
    }
    if at < printed.len() && !anywhere {
        return Err(format!(
            "printed after all that is shown (write {LINES} to leave it out):\n{}",
            printed[at..].join("\n")
        ));
    }
    Ok(())
}

/// Whether a printed line is as shown.
fn same(shown: &str, printed: &str) -> bool {
    let shown: Vec<_> = shown.split_whitespace().collect();
    let printed: Vec<_> = printed.split_whitespace().collect();
    if let ([subframe, channel, measured @ ..], [_, printed_channel, other @ ..]) = (&shown[..], &printed[..])
        && CHANNELS.contains(channel)
        && channel == printed_channel
    {
        // levels and the carrier offset: whole numbers there are Hz
        let count = measured.iter().zip(other).take_while(|(a, b)| offset(a, b)).count().min(3);
        return word(subframe, printed[0], false) && words(&measured[count..], &other[count..]);
    }
    words(&shown, &printed)
}

/// Whether both are numbers, equal or measured, or carrier offsets close to each other.
fn offset(shown: &str, printed: &str) -> bool {
    match (shown.parse::<f64>(), printed.parse::<f64>()) {
        (Ok(a), Ok(b)) if shown.contains('.') => near(a, b),
        (Ok(a), Ok(b)) => (a - b).abs() <= OFFSET_HZ,
        _ => false,
    }
}

fn words(shown: &[&str], printed: &[&str]) -> bool {
    match (shown, printed) {
        ([], []) => true,
        ([ANYTHING], _) => true,
        ([ANYTHING, rest @ ..], _) => (0..=printed.len()).any(|skip| words(rest, &printed[skip..])),
        ([a, rest @ ..], [b, others @ ..]) => {
            let seconds = rest.first().is_some_and(|unit| unit.starts_with('s') && unit.len() <= 2);
            word(a, b, seconds) && words(rest, others)
        }
        _ => false,
    }
}

/// A word, or a number with what surrounds it. `seconds`: the unit that follows it is that of a duration.
fn word(shown: &str, printed: &str, seconds: bool) -> bool {
    if shown == printed || is_time(shown) && is_time(printed) {
        return true;
    }
    if let Some((head, tail)) = shown.split_once(ANYTHING) {
        return printed.len() >= head.len() + tail.len()
            && printed.starts_with(head)
            && printed.ends_with(tail);
    }
    let (Some(a), Some(b)) = (number(shown), number(printed)) else { return false };
    a.around == b.around
        && (seconds
            || a.around.1.starts_with('x')
            || a.is_measured && b.is_measured && near(a.value, b.value))
}

/// Measured values that another processor rounds otherwise, or that a live air gives.
fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= f64::max(1.0, 0.15 * a.abs())
}

struct Number<'a> {
    value: f64,
    /// It has decimals: a level, an error, a time.
    is_measured: bool,
    /// What stands before and behind it.
    around: (&'a str, &'a str),
}

fn number(word: &str) -> Option<Number<'_>> {
    let is_part = |c: char| c.is_ascii_digit() || c == '.' || c == '-';
    let start = word.find(is_part)?;
    let end = word.rfind(|c: char| c.is_ascii_digit())? + 1;
    let value = word.get(start..end)?.parse().ok()?;
    Some(Number {
        value,
        is_measured: word[start..end].contains('.'),
        around: (&word[..start], &word[end..]),
    })
}

/// A time of day, a date, or seconds since 1970.
fn is_time(word: &str) -> bool {
    let word = word.trim_matches(|c: char| !c.is_ascii_digit());
    let shape: String = word.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let shape = shape.split('.').next().unwrap_or_default();
    matches!(shape, "00:00:00" | "0000-00-00" | "0000-00-00T00:00:00" | "0000000000")
}

/// The comparison itself: what it must find, and what it must not.
pub(crate) fn what_differs_is_found() -> Result<(), Failed> {
    let table = "subframe  channel  SNR dB  what\n 3  PSCCH  23.1 9.5 440 PRB 0 SCI 1: priority 3\n 7  SL-SCH  19.8 8.1 -12 PRB 2+8, 121 octets";
    let good = [
        table.to_owned(),
        table.replace("23.1", "23.9"),
        table.replace("440", "447"),
        "...\n 7 SL-SCH 19.8 8.0 -10 PRB 2+8, 121 octets".to_owned(),
        "subframe .. what\n...".to_owned(),
    ];
    for shown in &good {
        compare(shown, table)?;
    }
    let bad = [
        table.replace("PSCCH", "PSSCH"),
        table.replace("PRB 0", "PRB 1"),
        table.replace("121", "122"),
        table.replace("23.1", "33.1"),
        table.replace("priority 3", "priority 2"),
        "subframe  channel  SNR dB  what".to_owned(),
        " 7 SL-SCH 19.8 8.1 -12 PRB 2+8, 121 octets".to_owned(),
        table.replace("440", "940"),
        table.replace(" 7  SL", " 8  SL"),
        table.replace("2+8", "2+9"),
        format!("{table}\nmore"),
    ];
    for shown in &bad {
        if compare(shown, table).is_ok() {
            return Err(format!("not found to differ:\n{shown}").into());
        }
    }
    for (shown, printed) in [
        ("01:41:44.643 bob discovered", "02:00:01.001 bob discovered"),
        (
            "valid until 1798507516 (2026-12-29 01:25:16 UTC)",
            "valid until 1798507999 (2026-12-29 01:33:19 UTC)",
        ),
        ("0.320 s of air in 0.054 s (5.9x)", "0.320 s of air in 0.9 s (0.4x)"),
        ("KD .., KD-sess ..", "KD f9d536d4, KD-sess 784d, Aes"),
    ] {
        compare(shown, printed)?;
    }
    Ok(())
}
