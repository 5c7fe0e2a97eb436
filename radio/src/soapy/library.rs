//! SoapySDR's C functions as safe Rust: the only unsafe code of the SoapySDR radio.
//!
//! The crate `soapysdr` hides the flags of a reception (whether it carries a time) and repeats END_BURST on every part
//! of a burst; therefore this module uses its bindings instead. Everything that the library hands out is copied and
//! freed here. The library catches the exceptions of drivers; their text is in [`Fault`].

use crate::Sample;
use sidelink_phy::units::Antennas;
use soapysdr_sys::*;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::sync::{Arc, Once};
use std::time::Duration;

/// A failure of the library or of a driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// A SOAPY_SDR error code, or another negative number.
    pub(super) code: i32,
    pub(super) words: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.words)
    }
}

/// Codes of a stream.
pub(super) mod code {
    pub(in super::super) const TIMEOUT: i32 = soapysdr_sys::SOAPY_SDR_TIMEOUT;
    pub(in super::super) const OVERFLOW: i32 = soapysdr_sys::SOAPY_SDR_OVERFLOW;
    pub(in super::super) const NOT_SUPPORTED: i32 = soapysdr_sys::SOAPY_SDR_NOT_SUPPORTED;
    pub(in super::super) const TIME_ERROR: i32 = soapysdr_sys::SOAPY_SDR_TIME_ERROR;
    pub(in super::super) const UNDERFLOW: i32 = soapysdr_sys::SOAPY_SDR_UNDERFLOW;
}

/// Transmission or reception.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Transmit,
    Receive,
}

impl Direction {
    pub(super) const BOTH: [Self; 2] = [Self::Receive, Self::Transmit];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Transmit => "transmit",
            Self::Receive => "receive",
        }
    }

    fn raw(self) -> c_int {
        match self {
            Self::Transmit => SOAPY_SDR_TX as c_int,
            Self::Receive => SOAPY_SDR_RX as c_int,
        }
    }
}

/// Key and value pairs.
pub(super) type Words = Vec<(String, String)>;

/// Range from the least to the most, both included.
pub(super) type Span = (f64, f64);

/// An open device, closed by the last of its owners.
#[derive(Clone)]
pub(super) struct Device(Arc<Handle>);

struct Handle(*mut SoapySDRDevice);

// SAFETY: SoapySDR's Device.hpp requires of drivers that calls on a device may come from any thread; streams, which may
// not, are reached through `Stream` alone.
#[allow(unsafe_code)]
unsafe impl Send for Handle {}
// SAFETY: as above.
#[allow(unsafe_code)]
unsafe impl Sync for Handle {}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the pointer came from SoapySDRDevice_make and is given back once: this is the last owner.
        #[allow(unsafe_code)]
        unsafe {
            SoapySDRDevice_unmake(self.0);
        }
    }
}

/// Returns the devices that match `args`.
pub(super) fn enumerate(args: &str) -> Result<Vec<Words>, Fault> {
    log_through_tracing();
    let args = text(args)?;
    let mut length = 0;
    // SAFETY: `args` is a C string that outlives the call; the list holds `length` elements, which are copied before the
    // library frees them.
    #[allow(unsafe_code)]
    unsafe {
        let list = SoapySDRDevice_enumerateStrArgs(args.as_ptr(), &mut length);
        if list.is_null() {
            return match last_fault() {
                Some(fault) => Err(fault),
                None => Ok(Vec::new()),
            };
        }
        let found = (0..length).map(|i| words(&*list.add(i))).collect();
        SoapySDRKwargsList_clear(list, length);
        Ok(found)
    }
}

/// Returns the paths of the modules that the library has loaded or would load.
pub(super) fn modules() -> Vec<String> {
    let mut length = 0;
    // SAFETY: the list holds `length` C strings, copied before they are freed.
    #[allow(unsafe_code)]
    unsafe {
        let list = SoapySDR_listModules(&mut length);
        strings(list, length)
    }
}

impl Device {
    /// Opens the device of `args`.
    pub(super) fn open(args: &str) -> Result<Self, Fault> {
        log_through_tracing();
        let args = text(args)?;
        // SAFETY: `args` is a C string that outlives the call.
        #[allow(unsafe_code)]
        let device = unsafe { SoapySDRDevice_makeStrArgs(args.as_ptr()) };
        if device.is_null() {
            return Err(last_fault().unwrap_or_else(|| fault(-1, "no such device")));
        }
        Ok(Self(Arc::new(Handle(device))))
    }

    fn raw(&self) -> *mut SoapySDRDevice {
        self.0.0
    }

    pub(super) fn driver(&self) -> String {
        // SAFETY: the device is open while `self` lives; the string is the caller's and is freed.
        #[allow(unsafe_code)]
        unsafe {
            owned(SoapySDRDevice_getDriverKey(self.raw()))
        }
    }

    pub(super) fn hardware(&self) -> String {
        // SAFETY: as in `driver`.
        #[allow(unsafe_code)]
        unsafe {
            owned(SoapySDRDevice_getHardwareKey(self.raw()))
        }
    }

    pub(super) fn hardware_info(&self) -> Words {
        // SAFETY: the device is open; the words are the caller's: copied, then freed.
        #[allow(unsafe_code)]
        unsafe {
            let mut raw = SoapySDRDevice_getHardwareInfo(self.raw());
            let info = words(&raw);
            SoapySDRKwargs_clear(&mut raw);
            info
        }
    }

    pub(super) fn channels(&self, direction: Direction) -> usize {
        // SAFETY: the device is open.
        #[allow(unsafe_code)]
        unsafe {
            SoapySDRDevice_getNumChannels(self.raw(), direction.raw())
        }
    }

    pub(super) fn full_duplex(&self, direction: Direction) -> bool {
        // SAFETY: the device is open; every driver answers for channel 0, or the library does.
        #[allow(unsafe_code)]
        unsafe {
            SoapySDRDevice_getFullDuplex(self.raw(), direction.raw(), 0)
        }
    }

    pub(super) fn formats(&self, direction: Direction) -> Vec<String> {
        self.list(|device, length| {
            // SAFETY: the device is open, `length` is a place for the length.
            #[allow(unsafe_code)]
            unsafe {
                SoapySDRDevice_getStreamFormats(device, direction.raw(), 0, length)
            }
        })
    }

    pub(super) fn antennas(&self, direction: Direction) -> Vec<String> {
        self.list(|device, length| {
            // SAFETY: the device is open, `length` is a place for the length.
            #[allow(unsafe_code)]
            unsafe {
                SoapySDRDevice_listAntennas(device, direction.raw(), 0, length)
            }
        })
    }

    pub(super) fn set_antenna(&self, direction: Direction, channel: usize, name: &str) -> Result<(), Fault> {
        let name = text(name)?;
        // SAFETY: the device is open, `name` is a C string that outlives the call.
        #[allow(unsafe_code)]
        check(unsafe { SoapySDRDevice_setAntenna(self.raw(), direction.raw(), channel, name.as_ptr()) })
    }

    pub(super) fn gains(&self, direction: Direction) -> Vec<String> {
        self.list(|device, length| {
            // SAFETY: the device is open, `length` is a place for the length.
            #[allow(unsafe_code)]
            unsafe {
                SoapySDRDevice_listGains(device, direction.raw(), 0, length)
            }
        })
    }

    /// Returns the gain range of an element in dB; without an element, that of all together.
    pub(super) fn gain_range(&self, direction: Direction, element: Option<&str>) -> Result<Span, Fault> {
        let name = element.map(text).transpose()?;
        // SAFETY: the device is open, the name a C string that outlives the call.
        #[allow(unsafe_code)]
        let range = unsafe {
            match &name {
                Some(name) => {
                    SoapySDRDevice_getGainElementRange(self.raw(), direction.raw(), 0, name.as_ptr())
                }
                None => SoapySDRDevice_getGainRange(self.raw(), direction.raw(), 0),
            }
        };
        Ok((range.minimum, range.maximum))
    }

    /// Sets the gain of an element in dB, or of all of them together.
    pub(super) fn set_gain(
        &self,
        direction: Direction,
        channel: usize,
        element: Option<&str>,
        gain: f64,
    ) -> Result<(), Fault> {
        let name = element.map(text).transpose()?;
        // SAFETY: the device is open, the name a C string that outlives the call.
        #[allow(unsafe_code)]
        check(unsafe {
            match &name {
                Some(name) => {
                    SoapySDRDevice_setGainElement(self.raw(), direction.raw(), channel, name.as_ptr(), gain)
                }
                None => SoapySDRDevice_setGain(self.raw(), direction.raw(), channel, gain),
            }
        })
    }

    pub(super) fn has_automatic_gain(&self, direction: Direction) -> bool {
        // SAFETY: the device is open.
        #[allow(unsafe_code)]
        unsafe {
            SoapySDRDevice_hasGainMode(self.raw(), direction.raw(), 0)
        }
    }

    pub(super) fn set_automatic_gain(
        &self,
        direction: Direction,
        channel: usize,
        automatic: bool,
    ) -> Result<(), Fault> {
        // SAFETY: the device is open.
        #[allow(unsafe_code)]
        check(unsafe { SoapySDRDevice_setGainMode(self.raw(), direction.raw(), channel, automatic) })
    }

    pub(super) fn frequencies(&self, direction: Direction) -> Vec<Span> {
        self.spans(|device, length| {
            // SAFETY: the device is open, `length` is a place for the length.
            #[allow(unsafe_code)]
            unsafe {
                SoapySDRDevice_getFrequencyRange(device, direction.raw(), 0, length)
            }
        })
    }

    pub(super) fn frequency(&self, direction: Direction, channel: usize) -> f64 {
        // SAFETY: the device is open.
        #[allow(unsafe_code)]
        unsafe {
            SoapySDRDevice_getFrequency(self.raw(), direction.raw(), channel)
        }
    }

    pub(super) fn set_frequency(
        &self,
        direction: Direction,
        channel: usize,
        frequency: f64,
    ) -> Result<(), Fault> {
        // SAFETY: the device is open; no words (null) are what the library takes for none.
        #[allow(unsafe_code)]
        check(unsafe {
            let none = SoapySDRKwargs { size: 0, keys: std::ptr::null_mut(), vals: std::ptr::null_mut() };
            SoapySDRDevice_setFrequency(self.raw(), direction.raw(), channel, frequency, &none)
        })
    }

    pub(super) fn rates(&self, direction: Direction) -> Vec<Span> {
        self.spans(|device, length| {
            // SAFETY: the device is open, `length` is a place for the length.
            #[allow(unsafe_code)]
            unsafe {
                SoapySDRDevice_getSampleRateRange(device, direction.raw(), 0, length)
            }
        })
    }

    pub(super) fn rate(&self, direction: Direction, channel: usize) -> f64 {
        // SAFETY: the device is open.
        #[allow(unsafe_code)]
        unsafe {
            SoapySDRDevice_getSampleRate(self.raw(), direction.raw(), channel)
        }
    }

    pub(super) fn set_rate(&self, direction: Direction, channel: usize, rate: f64) -> Result<(), Fault> {
        // SAFETY: the device is open.
        #[allow(unsafe_code)]
        check(unsafe { SoapySDRDevice_setSampleRate(self.raw(), direction.raw(), channel, rate) })
    }

    pub(super) fn clock_sources(&self) -> Vec<String> {
        self.list(|device, length| {
            // SAFETY: the device is open, `length` is a place for the length.
            #[allow(unsafe_code)]
            unsafe {
                SoapySDRDevice_listClockSources(device, length)
            }
        })
    }

    pub(super) fn set_clock_source(&self, source: &str) -> Result<(), Fault> {
        let source = text(source)?;
        // SAFETY: the device is open, `source` is a C string that outlives the call.
        #[allow(unsafe_code)]
        check(unsafe { SoapySDRDevice_setClockSource(self.raw(), source.as_ptr()) })
    }

    pub(super) fn time_sources(&self) -> Vec<String> {
        self.list(|device, length| {
            // SAFETY: the device is open, `length` is a place for the length.
            #[allow(unsafe_code)]
            unsafe {
                SoapySDRDevice_listTimeSources(device, length)
            }
        })
    }

    pub(super) fn set_time_source(&self, source: &str) -> Result<(), Fault> {
        let source = text(source)?;
        // SAFETY: the device is open, `source` is a C string that outlives the call.
        #[allow(unsafe_code)]
        check(unsafe { SoapySDRDevice_setTimeSource(self.raw(), source.as_ptr()) })
    }

    pub(super) fn has_hardware_time(&self) -> bool {
        // SAFETY: the device is open, the name is a C string.
        #[allow(unsafe_code)]
        unsafe {
            SoapySDRDevice_hasHardwareTime(self.raw(), c"".as_ptr())
        }
    }

    /// Returns the time of the device's clock, nanoseconds.
    pub(super) fn hardware_time(&self) -> i64 {
        // SAFETY: the device is open, the name is a C string.
        #[allow(unsafe_code)]
        unsafe {
            SoapySDRDevice_getHardwareTime(self.raw(), c"".as_ptr())
        }
    }

    /// Sets the device's clock at the next pulse a second.
    pub(super) fn set_time_at_next_pulse(&self, time_ns: i64) -> Result<(), Fault> {
        // SAFETY: the device is open, the name is a C string.
        #[allow(unsafe_code)]
        check(unsafe { SoapySDRDevice_setHardwareTime(self.raw(), time_ns, c"PPS".as_ptr()) })
    }

    pub(super) fn sensors(&self) -> Vec<String> {
        self.list(|device, length| {
            // SAFETY: the device is open, `length` is a place for the length.
            #[allow(unsafe_code)]
            unsafe {
                SoapySDRDevice_listSensors(device, length)
            }
        })
    }

    pub(super) fn sensor(&self, key: &str) -> Result<String, Fault> {
        let key = text(key)?;
        // SAFETY: the device is open, `key` is a C string; the answer is the caller's and is freed.
        #[allow(unsafe_code)]
        let value = unsafe { owned(SoapySDRDevice_readSensor(self.raw(), key.as_ptr())) };
        match last_fault() {
            Some(fault) if value.is_empty() => Err(fault),
            _ => Ok(value),
        }
    }

    /// Opens one stream of these channels in complex floats, with stream arguments.
    pub(super) fn stream(
        &self,
        direction: Direction,
        channels: &[usize],
        words: &str,
    ) -> Result<Stream, Fault> {
        let words = text(words)?;
        // SAFETY: the device is open; format, channels and words outlive the call; the words are ours and are freed.
        #[allow(unsafe_code)]
        let raw = unsafe {
            let format = SOAPY_SDR_CF32.as_ptr().cast::<c_char>();
            let mut words = SoapySDRKwargs_fromString(words.as_ptr());
            let (list, count) = (channels.as_ptr(), channels.len());
            let raw = SoapySDRDevice_setupStream(self.raw(), direction.raw(), format, list, count, &words);
            SoapySDRKwargs_clear(&mut words);
            raw
        };
        if raw.is_null() {
            return Err(last_fault().unwrap_or_else(|| fault(-1, "the device gives no stream of CF32")));
        }
        Ok(Stream { device: self.clone(), raw, channels: channels.len(), active: false })
    }

    fn list(&self, call: impl Fn(*const SoapySDRDevice, *mut usize) -> *mut *mut c_char) -> Vec<String> {
        let mut length = 0;
        let list = call(self.raw(), &mut length);
        // SAFETY: `call` is one of the library's lists of `length` strings, which are the caller's.
        #[allow(unsafe_code)]
        unsafe {
            strings(list, length)
        }
    }

    fn spans(&self, call: impl Fn(*const SoapySDRDevice, *mut usize) -> *mut SoapySDRRange) -> Vec<Span> {
        let mut length = 0;
        let list = call(self.raw(), &mut length);
        if list.is_null() {
            return Vec::new();
        }
        // SAFETY: `call` is one of the library's lists of `length` ranges, which are the caller's; copied, then freed.
        #[allow(unsafe_code)]
        unsafe {
            let spans = (0..length).map(|i| ((*list.add(i)).minimum, (*list.add(i)).maximum)).collect();
            SoapySDR_free(list.cast::<c_void>());
            spans
        }
    }
}

/// A stream, to be used by one thread at a time.
pub(super) struct Stream {
    device: Device,
    raw: *mut SoapySDRStream,
    channels: usize,
    active: bool,
}

// SAFETY: a stream may be used by one thread at a time, whichever: all its functions take `&mut self`.
#[allow(unsafe_code)]
unsafe impl Send for Stream {}

/// Result of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) count: usize,
    /// Device time of the first of them in nanoseconds, if the device reported it.
    pub(super) time_ns: Option<i64>,
}

/// Status of a stream: an error code or 0, and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) code: i32,
    pub(super) time_ns: Option<i64>,
}

impl Stream {
    pub(super) fn mtu(&self) -> usize {
        // SAFETY: device and stream are open while `self` lives.
        #[allow(unsafe_code)]
        unsafe {
            SoapySDRDevice_getStreamMTU(self.device.raw(), self.raw)
        }
    }

    pub(super) fn activate(&mut self) -> Result<(), Fault> {
        // SAFETY: device and stream are open.
        #[allow(unsafe_code)]
        check(unsafe { SoapySDRDevice_activateStream(self.device.raw(), self.raw, 0, 0, 0) })?;
        self.active = true;
        Ok(())
    }

    pub(super) fn deactivate(&mut self) {
        if std::mem::take(&mut self.active) {
            // SAFETY: device and stream are open.
            #[allow(unsafe_code)]
            unsafe {
                SoapySDRDevice_deactivateStream(self.device.raw(), self.raw, 0, 0);
            }
        }
    }

    /// Reads samples to the start of each buffer: one a channel, as many samples as the shortest has room for.
    pub(super) fn read(&mut self, into: &mut [&mut [Sample]], patience: Duration) -> Result<Read, Fault> {
        let length = into.iter().map(|into| into.len()).min().unwrap_or(0);
        if into.len() != self.channels || into.len() > Antennas::MAX {
            return Err(fault(-1, "a buffer is needed for each channel of the stream"));
        }
        let mut buffers = [std::ptr::null_mut(); Antennas::MAX];
        for (buffer, into) in buffers.iter_mut().zip(into) {
            *buffer = into.as_mut_ptr().cast::<c_void>();
        }
        let (mut flags, mut time_ns) = (0, 0);
        // SAFETY: as many buffers as the stream has channels, each with room for `length` complex floats (CF32 is Sample's
        // layout), which the library writes before it returns.
        #[allow(unsafe_code)]
        let count = unsafe {
            SoapySDRDevice_readStream(
                self.device.raw(),
                self.raw,
                buffers.as_ptr(),
                length,
                &mut flags,
                &mut time_ns,
                microseconds(patience),
            )
        };
        let count = check_count(count)?.min(length);
        Ok(Read { count, time_ns: (flags & SOAPY_SDR_HAS_TIME as c_int != 0).then_some(time_ns) })
    }

    /// Writes samples; returns the number that the device took.
    pub(super) fn write(
        &mut self,
        samples: &[Sample],
        time_ns: Option<i64>,
        end_burst: bool,
        patience: Duration,
    ) -> Result<usize, Fault> {
        let buffers = [samples.as_ptr().cast::<c_void>()];
        let mut flags = if time_ns.is_some() { SOAPY_SDR_HAS_TIME as c_int } else { 0 };
        if end_burst {
            flags |= SOAPY_SDR_END_BURST as c_int;
        }
        // SAFETY: one channel: one buffer of `samples.len()` complex floats that outlives the call.
        #[allow(unsafe_code)]
        let count = unsafe {
            SoapySDRDevice_writeStream(
                self.device.raw(),
                self.raw,
                buffers.as_ptr(),
                samples.len(),
                &mut flags,
                time_ns.unwrap_or(0),
                microseconds(patience),
            )
        };
        Ok(check_count(count)?.min(samples.len()))
    }

    /// Returns the next status, `None` when there is none in time.
    pub(super) fn status(&mut self, patience: Duration) -> Option<Status> {
        let (mut mask, mut flags, mut time_ns) = (0, 0, 0);
        // SAFETY: device and stream are open, the places for answers outlive the call.
        #[allow(unsafe_code)]
        let code = unsafe {
            SoapySDRDevice_readStreamStatus(
                self.device.raw(),
                self.raw,
                &mut mask,
                &mut flags,
                &mut time_ns,
                microseconds(patience),
            )
        };
        let time_ns = (flags & SOAPY_SDR_HAS_TIME as c_int != 0).then_some(time_ns);
        (code != code::TIMEOUT).then_some(Status { code, time_ns })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.deactivate();
        // SAFETY: the stream is closed once, before its device.
        #[allow(unsafe_code)]
        unsafe {
            SoapySDRDevice_closeStream(self.device.raw(), self.raw);
        }
    }
}

fn microseconds(time: Duration) -> std::ffi::c_long {
    time.as_micros().min(10_000_000) as std::ffi::c_long
}

fn fault(code: i32, words: &str) -> Fault {
    Fault { code, words: words.to_owned() }
}

fn check(code: c_int) -> Result<(), Fault> {
    if code < 0 { Err(described(code)) } else { Ok(()) }
}

fn check_count(count: c_int) -> Result<usize, Fault> {
    usize::try_from(count).map_err(|_| described(count))
}

/// Returns a code with the text of the exception, or with the library's text for the code.
fn described(code: c_int) -> Fault {
    // SAFETY: the library gives a constant string.
    #[allow(unsafe_code)]
    let name = unsafe { borrowed(SoapySDR_errToStr(code)) };
    last_fault().map_or_else(|| fault(code, &name), |last| fault(code, &last.words))
}

/// Returns the exception of this thread's last call.
fn last_fault() -> Option<Fault> {
    // SAFETY: both are of this thread; the string is copied at once.
    #[allow(unsafe_code)]
    let (code, words) = unsafe { (SoapySDRDevice_lastStatus(), borrowed(SoapySDRDevice_lastError())) };
    (code != 0 && !words.is_empty()).then_some(Fault { code, words })
}

fn text(text: &str) -> Result<CString, Fault> {
    CString::new(text).map_err(|_| fault(-1, "a zero byte within a text"))
}

/// # Safety
/// Null, or a C string.
#[allow(unsafe_code)]
unsafe fn borrowed(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// # Safety
/// Null, or a C string that the library has handed over.
#[allow(unsafe_code)]
unsafe fn owned(text: *mut c_char) -> String {
    // SAFETY: the caller's promise; freed after it was copied, and null may be freed.
    unsafe {
        let copy = borrowed(text);
        SoapySDR_free(text.cast::<c_void>());
        copy
    }
}

/// # Safety
/// Null, or a list of `length` C strings that the library has handed over.
#[allow(unsafe_code)]
unsafe fn strings(mut list: *mut *mut c_char, length: usize) -> Vec<String> {
    if list.is_null() {
        return Vec::new();
    }
    // SAFETY: the caller's promise; freed after it was copied.
    unsafe {
        let copy = (0..length).map(|i| borrowed(*list.add(i))).collect();
        SoapySDRStrings_clear(&mut list, length);
        copy
    }
}

/// # Safety
/// Words as the library makes them: `size` keys and as many values.
#[allow(unsafe_code)]
unsafe fn words(raw: &SoapySDRKwargs) -> Words {
    // SAFETY: the caller's promise.
    unsafe { (0..raw.size).map(|i| (borrowed(*raw.keys.add(i)), borrowed(*raw.vals.add(i)))).collect() }
}

/// Redirects the log of the library and its drivers to `tracing`, once.
fn log_through_tracing() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handler is a function, there for ever; any thread may call it.
        #[allow(unsafe_code)]
        unsafe {
            SoapySDR_registerLogHandler(Some(log));
        }
    });
}

#[allow(unsafe_code)]
unsafe extern "C" fn log(level: SoapySDRLogLevel, message: *const c_char) {
    // SAFETY: the library hands over a C string for the time of the call.
    let message = unsafe { borrowed(message) };
    let message = message.trim_end();
    match level {
        // letters for overflow, underflow, late: they come as events
        SOAPY_SDR_SSI | SOAPY_SDR_TRACE => tracing::trace!("{message}"),
        SOAPY_SDR_FATAL | SOAPY_SDR_CRITICAL | SOAPY_SDR_ERROR => tracing::error!("SoapySDR: {message}"),
        SOAPY_SDR_WARNING => tracing::warn!("SoapySDR: {message}"),
        SOAPY_SDR_NOTICE | SOAPY_SDR_INFO => tracing::info!("SoapySDR: {message}"),
        _ => tracing::debug!("SoapySDR: {message}"),
    }
}
