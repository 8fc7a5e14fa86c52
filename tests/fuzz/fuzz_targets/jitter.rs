#![no_main]
libfuzzer_sys::fuzz_target!(init: callbox_fuzz::begin(), |data: &[u8]| callbox_fuzz::jitter::run(data));
