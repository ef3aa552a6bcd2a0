//! Numbers for people: as many digits as mean something.

/// With three digits at least and a thousands separator: `34.6`, `1,290`, `0.0123`.
pub fn short(value: f64) -> String {
    let magnitude = value.abs();
    if !value.is_finite() {
        return "-".to_owned();
    }
    let digits = match magnitude {
        m if m >= 100.0 || m == 0.0 => 0,
        m if m >= 10.0 => 1,
        m if m >= 1.0 => 2,
        m if m >= 0.1 => 3,
        _ => 4,
    };
    let text = format!("{value:.digits$}");
    match text.split_once('.') {
        Some((whole, rest)) => format!("{}.{rest}", grouped(whole)),
        None => grouped(&text),
    }
}

/// A whole number with a separator between thousands.
pub fn count(value: u64) -> String {
    grouped(&value.to_string())
}

fn grouped(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    let mut text = String::from(sign);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_and_separators() {
        let cases = [(34.58, "34.6"), (1290.4, "1,290"), (1.1183, "1.12"), (0.0123, "0.0123"), (0.0, "0")];
        for (value, text) in cases {
            assert_eq!(short(value), text);
        }
        assert_eq!(short(-1234.5), "-1,234");
        assert_eq!(short(f64::NAN), "-");
        assert_eq!(count(1_000_000), "1,000,000");
        assert_eq!(count(7), "7");
    }
}
