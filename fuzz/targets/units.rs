//! Any text as a quantity: an error, or a value that is written and read back as the same.
#![no_main]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use helix_spec::{
    Bandwidth, Bytes, BytesPerSecond, FlopsPerSecond, RequestsPerSecond, SimTime, TokensPerSecond, UnitError,
};
use libfuzzer_sys::fuzz_target;

fn there_and_back<T: FromStr<Err = UnitError> + Display + Debug + PartialEq>(text: &str) {
    match text.parse::<T>() {
        Ok(value) => assert_eq!(value.to_string().parse::<T>().as_ref(), Ok(&value)),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fuzz_target!(|text: &str| {
    there_and_back::<Bytes>(text);
    there_and_back::<Bandwidth>(text);
    there_and_back::<BytesPerSecond>(text);
    there_and_back::<FlopsPerSecond>(text);
    there_and_back::<SimTime>(text);
    if let Ok(rate) = text.parse::<RequestsPerSecond>() {
        assert!(rate.get() > 0.0 && rate.get().is_finite());
    }
    if let Ok(number) = text.parse::<f64>() {
        if let Some(time) = SimTime::from_seconds(number) {
            assert!(time.seconds() >= 0.0);
        }
        assert_eq!(TokensPerSecond::new(number).is_some(), number.is_finite() && number >= 0.0);
        let _ = Bandwidth::from_bytes_per_second(number);
    }
});
