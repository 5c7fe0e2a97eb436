#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    (sidelink_fuzz::coding::CONTROL_LLRS.run)(data);
});
