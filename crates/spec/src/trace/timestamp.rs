//! Time stamps of the Azure traces: `2023-11-16 18:17:03.9799600`, in 2024 with `+00:00` behind.

/// Picoseconds since the beginning of the year 0, or `None` if the text is no such time stamp.
///
/// The fraction may have up to twelve digits: a picosecond.
pub(super) fn parse(text: &str) -> Option<u128> {
    let text = text.strip_suffix("+00:00").or_else(|| text.strip_suffix('Z')).unwrap_or(text);
    let (date, time) = text.split_once([' ', 'T'])?;
    let (year, rest) = number(date, 4, '-')?;
    let (month, day) = number(rest, 2, '-')?;
    let day = last_number(day)?;
    let (hour, rest) = number(time, 2, ':')?;
    let (minute, rest) = number(rest, 2, ':')?;
    let (second, fraction) = rest.split_once('.').unwrap_or((rest, "0"));
    let second = last_number(second)?;
    let valid = (1..=12).contains(&month)
        && (1..=days_in_month(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !valid || fraction.len() > 12 || !digits(fraction) {
        return None;
    }
    let scale = 10_u64.pow(12 - u32::try_from(fraction.len()).ok()?);
    let picoseconds = fraction.parse::<u64>().ok()? * scale;
    let seconds = ((days_before(year, month) + day - 1) * 24 + hour) * 3600 + minute * 60 + second;
    Some(u128::from(seconds) * 1_000_000_000_000 + u128::from(picoseconds))
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A number of exactly `width` digits and what follows the separator behind it.
fn number(text: &str, width: usize, separator: char) -> Option<(u64, &str)> {
    let (number, rest) = text.split_once(separator)?;
    (number.len() == width && digits(number)).then(|| number.parse().ok())?.map(|number| (number, rest))
}

fn last_number(text: &str) -> Option<u64> {
    (text.len() == 2 && digits(text)).then(|| text.parse().ok())?
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in_month(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from the beginning of the year 0 (a leap year) to the first of a month.
fn days_before(year: u64, month: u64) -> u64 {
    let leap_years = year.div_ceil(4) - year.div_ceil(100) + year.div_ceil(400);
    year * 365 + leap_years + (1..month).map(|month| days_in_month(year, month)).sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> u64 {
        u64::try_from(parse(text).unwrap() / 1_000_000_000_000).unwrap()
    }

    /// Against the Unix time of known instants (`date -u +%s`).
    #[test]
    fn instants_are_as_far_apart_as_the_calendar_says() {
        let epoch = seconds("1970-01-01 00:00:00");
        assert_eq!(seconds("2023-11-16 18:17:03.9799600") - epoch, 1_700_158_623);
        assert_eq!(seconds("2024-05-10T00:00:00.009930+00:00") - epoch, 1_715_299_200);
        assert_eq!(seconds("2000-03-01 00:00:00Z") - epoch, 951_868_800);
        assert_eq!(seconds("2000-02-29 23:59:59") - epoch, 951_868_799);
        assert_eq!(seconds("2100-03-01 00:00:00") - epoch, 4_107_542_400);
        assert_eq!(seconds("2101-01-01 00:00:00") - epoch, 4_133_980_800);
        assert_eq!(
            parse("2023-11-16 18:17:04").unwrap() - parse("2023-11-16 18:17:03.9799600").unwrap(),
            20_040_000_000
        );
    }

    #[test]
    fn what_is_no_time_stamp_is_none() {
        for bad in [
            "",
            "2023",
            "2023-11-16",
            "2023-11-16 18:17",
            "2023-13-01 00:00:00",
            "2023-02-29 00:00:00",
            "2023-00-01 00:00:00",
            "2023-01-00 00:00:00",
            "2023-01-01 24:00:00",
            "2023-01-01 00:60:00",
            "2023-01-01 00:00:60",
            "2023-01-01 00:00:00.",
            "2023-01-01 00:00:00.1234567890123",
            "2023-01-01 00:00:00.-1",
            "+023-01-01 00:00:00",
            "2023-01-01 00:00:+1",
            "99999-01-01 00:00:00",
            "2023-01-01 00:00:00+02:00",
            "2023-01-01 00:00:0٣",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
