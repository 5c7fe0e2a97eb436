//! UTC and the time of a sidelink: begin of DFN periods.

/// Milliseconds from 1900-01-01 to 1970-01-01, T_ref of TS 36.331 §5.10.13 (from memory) against the Unix epoch.
pub const T_REF_MS: i64 = 2_208_988_800_000;

/// Returns the first moment from `utc_ns` on at which a DFN period begins (subframe 0 of DFN 0), nanoseconds of UTC.
pub fn next_dfn_period(utc_ns: i64) -> i64 {
    let period = i64::from(sidelink_phy::units::SUBFRAMES_PER_DFN_PERIOD);
    let ms = utc_ns.div_euclid(1_000_000) + i64::from(utc_ns.rem_euclid(1_000_000) > 0);
    let into = (ms + T_REF_MS).rem_euclid(period);
    (ms + (period - into) % period) * 1_000_000
}
