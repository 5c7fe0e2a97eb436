#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    (sidelink_fuzz::files::SIGMF_META.run)(data);
});
