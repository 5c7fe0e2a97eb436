//! UTC by a pulse a second: the device's clock is set to the second that the pulse begins.
//!
//! The number of the second comes from the device's GNSS receiver if it has one, otherwise from this computer's clock,
//! which has to be right to a third of a second only.

use super::library::Device;
use crate::{Anchor, RadioError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Error of the device's clock after a pulse has set it: pulses of GNSS receivers are within 0.1 us, cables and clock
/// domains add as much. From memory of such devices' data sheets.
const UNCERTAINTY_NS: u64 = 1000;

/// Longest wait for a receiver to lock.
const LOCK: Duration = Duration::from_secs(60);

/// Largest difference between the device's clock and this computer's after the pulse.
const AGREEMENT_NS: i64 = 400_000_000;

/// Sensors that report the lock to the reference and to the satellites.
const LOCKS: [&str; 2] = ["ref_locked", "gps_locked"];

/// The sensor with the second of UTC.
const GPS_TIME: &str = "gps_time";

/// Returns the anchor of a clock that was set, at its time `base_ns`.
pub(super) fn anchor(base_ns: i64) -> Anchor {
    Anchor { utc_ns: base_ns, uncertainty_ns: UNCERTAINTY_NS }
}

/// Sets the clock of `device` to UTC at a pulse of `source`. Calls `drain` while it waits.
pub(super) fn set_utc(device: &Device, source: &str, drain: &mut dyn FnMut()) -> Result<(), RadioError> {
    wait_for_lock(device, source, drain)?;
    let (second, began) = second(device, drain)?;
    device.set_time_at_next_pulse((second + 1) * 1_000_000_000).map_err(|e| {
        RadioError::unusable(
            format!("time_source={source}: the device's clock cannot be set: {e}"),
            "leave time_source out",
        )
    })?;
    // well after the pulse
    wait(Duration::from_millis(1200).saturating_sub(began.elapsed()), drain);
    let expected = second * 1_000_000_000 + i64::try_from(began.elapsed().as_nanos()).unwrap_or(i64::MAX);
    let off = device.hardware_time().saturating_sub(expected);
    if off.abs() > AGREEMENT_NS {
        return Err(RadioError::unusable(
            format!(
                "time_source={source}: the device's clock is {:.3} s off after it was set: no pulse came",
                off as f64 * 1e-9
            ),
            "connect the pulse (PPS), or leave time_source out",
        ));
    }
    Ok(())
}

/// Returns a second of UTC, and the moment at which it began.
fn second(device: &Device, drain: &mut dyn FnMut()) -> Result<(i64, Instant), RadioError> {
    if !device.sensors().iter().any(|s| s == GPS_TIME) {
        // well between two pulses
        let until_next = 1_000_000_000 - utc_ns().rem_euclid(1_000_000_000);
        wait(Duration::from_nanos(until_next as u64) + Duration::from_millis(300), drain);
        let now = utc_ns();
        let into = Duration::from_nanos(now.rem_euclid(1_000_000_000) as u64);
        let began = Instant::now();
        return Ok((now.div_euclid(1_000_000_000), began.checked_sub(into).unwrap_or(began)));
    }
    let read = || {
        let text = device.sensor(GPS_TIME).map_err(|e| e.to_string())?;
        text.trim().parse::<f64>().map(|s| s as i64).map_err(|_| format!("{text:?} is no time"))
    };
    let told = |e: String| {
        RadioError::unusable(
            format!("the device's sensor {GPS_TIME}: {e}"),
            "wait until its receiver has a fix, or leave time_source out",
        )
    };
    let first = read().map_err(told)?;
    let deadline = Instant::now() + Duration::from_secs(3);
    while Instant::now() < deadline {
        let now = read().map_err(told)?;
        if now != first {
            return Ok((now, Instant::now()));
        }
        wait(Duration::from_millis(10), drain);
    }
    Err(told("it stands still".to_owned()))
}

fn wait_for_lock(device: &Device, source: &str, drain: &mut dyn FnMut()) -> Result<(), RadioError> {
    let sensors = device.sensors();
    let satellites = source.contains("gps") || source.contains("gnss");
    for lock in LOCKS.iter().filter(|l| sensors.iter().any(|s| s == *l)) {
        if *lock == "gps_locked" && !satellites {
            continue;
        }
        let deadline = Instant::now() + LOCK;
        while !device.sensor(lock).is_ok_and(|v| matches!(v.trim(), "true" | "1")) {
            if Instant::now() > deadline {
                return Err(RadioError::unusable(
                    format!("time_source={source}: the sensor {lock} is not true after {} s", LOCK.as_secs()),
                    "connect the reference or the antenna, wait until it has locked, or leave time_source out",
                ));
            }
            wait(Duration::from_millis(200), drain);
        }
    }
    Ok(())
}

fn wait(time: Duration, drain: &mut dyn FnMut()) {
    let deadline = Instant::now() + time;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        std::thread::sleep(left.min(Duration::from_millis(5)));
        if left > Duration::from_millis(30) {
            drain();
        }
    }
}

fn utc_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
