//! Functions that `module.cpp` calls: the only unsafe code of this crate. Numbers of samples, codes of SoapySDR, no
//! exceptions.

#![allow(unsafe_code)]
// Exported by name, not by path.
#![allow(unreachable_pub)]

use crate::device::{Device, Trouble};
use num_complex::Complex32 as Sample;
use sidelink_radio::Antennas;
use sidelink_radio::air::Air;
use std::ffi::{CStr, c_char, c_int};
use std::time::Duration;

/// Returns the code of SoapySDR/Errors.h.
fn code(trouble: Trouble) -> c_int {
    match trouble {
        Trouble::Timeout => -1,
        Trouble::Gone => -2,
        Trouble::Overflow => -4,
        Trouble::Time => -6,
        Trouble::Underflow => -7,
    }
}

/// # Safety
/// A C string.
unsafe fn text<'a>(text: *const c_char) -> std::borrow::Cow<'a, str> {
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(text) }.to_string_lossy()
}

/// Copies text into `into`, cut to `size` octets with the zero at the end.
///
/// # Safety
/// `into` has room for `size` octets, `size` is not 0.
unsafe fn say(words: &str, into: *mut c_char, size: usize) {
    let length = words.len().min(size - 1);
    // SAFETY: at most `size` octets are written, by the caller's promise there is room.
    unsafe {
        std::ptr::copy_nonoverlapping(words.as_ptr().cast::<c_char>(), into, length);
        *into.add(length) = 0;
    }
}

fn patience(microseconds: i64) -> Duration {
    Duration::from_micros(u64::try_from(microseconds).unwrap_or(0))
}

/// Returns samples a second and carrier in Hz of a medium that exists; 0 if there is none.
///
/// # Safety
/// `medium` is a C string, `rate` and `frequency` are places for numbers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sidelink_virtualair_medium(
    medium: *const c_char,
    rate: *mut f64,
    frequency: *mut f64,
) -> c_int {
    // SAFETY: the caller's promise.
    let air = Air::open(&unsafe { text(medium) });
    let found = air.map(|air| (air.config().rate.0, air.config().frequency.0));
    // SAFETY: the caller's promise.
    unsafe { (*rate, *frequency) = found.as_ref().copied().unwrap_or((0.0, 0.0)) };
    c_int::from(found.is_ok())
}

/// Makes a device with these arguments.
///
/// # Safety
/// `words` is a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sidelink_virtualair_new(words: *const c_char) -> *mut Device {
    // SAFETY: the caller's promise.
    Box::into_raw(Box::new(Device::new(&unsafe { text(words) })))
}

/// Frees a device.
///
/// # Safety
/// It came from [`sidelink_virtualair_new`] and is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sidelink_virtualair_free(device: *mut Device) {
    // SAFETY: the caller's promise.
    drop(unsafe { Box::from_raw(device) });
}

/// Attaches and starts. Returns 0, or -2 with a message in `error`.
///
/// # Safety
/// `device` is one, `error` has room for `size` octets, more than 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sidelink_virtualair_start(
    device: *const Device,
    rate: f64,
    frequency: f64,
    receiving: bool,
    error: *mut c_char,
    size: usize,
) -> c_int {
    // SAFETY: the caller's promise; a device is shared between threads by references only.
    match unsafe { &*device }.start(rate, frequency, receiving) {
        Ok(()) => 0,
        Err(e) => {
            // SAFETY: the caller's promise.
            unsafe { say(&e.to_string(), error, size) };
            code(Trouble::Gone)
        }
    }
}

/// Stops receiving, and leaves with `all`.
///
/// # Safety
/// `device` is one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sidelink_virtualair_stop(device: *const Device, receiving: bool, all: bool) {
    // SAFETY: the caller's promise.
    unsafe { &*device }.stop(receiving, all);
}

/// Returns the sample that is on the air now.
///
/// # Safety
/// `device` is one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sidelink_virtualair_now(device: *const Device) -> i64 {
    // SAFETY: the caller's promise.
    unsafe { &*device }.now()
}

/// Returns UTC at sample 0 in nanoseconds; 0 if it is unknown.
///
/// # Safety
/// `device` is one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sidelink_virtualair_utc(device: *const Device) -> i64 {
    // SAFETY: the caller's promise.
    unsafe { &*device }.utc_ns().unwrap_or(0)
}

/// Returns the number of receive antennas, 1 to 4.
///
/// # Safety
/// `device` is one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sidelink_virtualair_antennas(device: *const Device) -> usize {
    // SAFETY: the caller's promise.
    unsafe { &*device }.antennas().count()
}

/// Receives with the first `antennas`. Returns the number of samples of each, with the number of the first in `first`; or a
/// code.
///
/// # Safety
/// `device` is one, `into` has `antennas` places, each with room for `count` complex floats and none twice, `first` is a
/// place for a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sidelink_virtualair_read(
    device: *const Device,
    into: *const *mut f32,
    antennas: usize,
    count: usize,
    timeout_us: i64,
    first: *mut i64,
) -> c_int {
    let count = count.min(c_int::MAX as usize);
    let antennas = antennas.min(Antennas::MAX);
    let mut slices: [&mut [Sample]; Antennas::MAX] = Default::default();
    for (antenna, slice) in slices[..antennas].iter_mut().enumerate() {
        // SAFETY: the caller's promise; two floats are one sample, whose layout is that of an array of two.
        *slice = unsafe { std::slice::from_raw_parts_mut((*into.add(antenna)).cast::<Sample>(), count) };
    }
    // SAFETY: the caller's promise.
    match unsafe { &*device }.read(&mut slices[..antennas], patience(timeout_us)) {
        Ok((number, count)) => {
            // SAFETY: the caller's promise.
            unsafe { *first = number as i64 };
            count as c_int
        }
        Err(trouble) => code(trouble),
    }
}

/// Sends. Returns the number of samples that were taken, or a code. `first` below 0: behind the last ones, or soon.
///
/// # Safety
/// `device` is one, `samples` holds `count` complex floats.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sidelink_virtualair_write(
    device: *const Device,
    samples: *const f32,
    count: usize,
    timed: bool,
    first: i64,
    ends: bool,
    timeout_us: i64,
) -> c_int {
    let count = count.min(c_int::MAX as usize);
    // SAFETY: the caller's promise; two floats are one sample.
    let samples = unsafe { std::slice::from_raw_parts(samples.cast::<Sample>(), count) };
    // Before sample 0 is in the past.
    let at = timed.then_some(u64::try_from(first).unwrap_or(0));
    // SAFETY: the caller's promise.
    match unsafe { &*device }.write(samples, at, ends, patience(timeout_us)) {
        Ok(count) => count as c_int,
        Err(trouble) => code(trouble),
    }
}

/// Returns a status: a code, or 0 for a burst that was sent; -1 if there is none. `sample` below 0: of no sample.
///
/// # Safety
/// `device` is one, `sample` is a place for a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sidelink_virtualair_status(
    device: *const Device,
    timeout_us: i64,
    sample: *mut i64,
) -> c_int {
    // SAFETY: the caller's promise.
    let status = unsafe { &*device }.status(patience(timeout_us));
    let Some(status) = status else { return code(Trouble::Timeout) };
    // SAFETY: the caller's promise.
    unsafe { *sample = status.sample.map_or(-1, |s| s as i64) };
    status.trouble.map_or(0, code)
}

/// Returns the reason why the port is gone.
///
/// # Safety
/// `device` is one, `words` has room for `size` octets, more than 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sidelink_virtualair_last_words(
    device: *const Device,
    words: *mut c_char,
    size: usize,
) {
    // SAFETY: the caller's promise.
    unsafe { say(&(*device).last_words(), words, size) };
}
