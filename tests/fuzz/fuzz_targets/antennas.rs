#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    (sidelink_fuzz::stream::ANTENNAS.run)(data);
});
