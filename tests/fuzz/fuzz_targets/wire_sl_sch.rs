#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    (sidelink_fuzz::wire::SL_SCH.run)(data);
});
