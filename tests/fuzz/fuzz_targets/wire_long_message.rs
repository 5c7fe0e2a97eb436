#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    (sidelink_fuzz::wire::LONG_MESSAGE.run)(data);
});
