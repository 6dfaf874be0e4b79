//! Ticket numbers: `2611240000718` is spoken over a telephone and keyed back, so it is digits only.
//!
//! `YYMMDD`, the serial of that day, one check digit. The serial has five digits; a day with more than 99,999 tickets
//! goes on with six (Beijing's busiest day had over 450,000 calls). The check digit is Damm's (H. M. Damm, "Total
//! anti-symmetrische Quasigruppen", 2004): unlike ISO 7064 MOD 11,10 it catches **every** swap of neighbours, as well as
//! every single wrong digit, with the ten digits alone.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;

/// A totally anti-symmetric quasigroup of order 10, zeros on the diagonal: the check digit brings the walk back to 0.
const DAMM: [[u8; 10]; 10] = [
    [0, 3, 1, 7, 5, 9, 8, 6, 4, 2],
    [7, 0, 9, 2, 1, 5, 4, 8, 6, 3],
    [4, 2, 0, 6, 8, 7, 1, 3, 5, 9],
    [1, 7, 5, 0, 9, 8, 3, 4, 2, 6],
    [6, 1, 2, 3, 0, 4, 5, 9, 7, 8],
    [3, 6, 7, 4, 2, 0, 9, 5, 8, 1],
    [5, 8, 6, 9, 7, 2, 0, 1, 3, 4],
    [8, 9, 4, 5, 3, 6, 2, 0, 1, 7],
    [9, 4, 3, 8, 6, 1, 7, 2, 0, 5],
    [2, 5, 8, 1, 4, 3, 6, 7, 9, 0],
];

/// The last serial of a day.
const LAST: u32 = 999_999;

/// One ticket's number. Orders by day, then serial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Number {
    /// Years since 2000.
    year: u8,
    month: u8,
    day: u8,
    serial: u32,
}

/// A day's numbers are used up, or the date cannot be written in two digits of year.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no ticket number {serial} on {day}: a day has 1 to {LAST}, in the years 2000 to 2099")]
pub struct DayFull {
    day: Date,
    serial: u32,
}

/// The text is not a ticket number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotANumber {
    #[error("a ticket number has 12 or 13 digits and nothing else")]
    Shape,
    #[error("not a ticket number: the check digit does not fit, so a digit is wrong or two are swapped")]
    Check,
    #[error("not a ticket number: its first six digits are no date")]
    Date,
}

impl Number {
    /// The `serial`-th ticket (from 1) of `day`.
    pub fn new(day: Date, serial: u32) -> Result<Number, DayFull> {
        let year = u8::try_from(day.year() - 2000).ok().filter(|y| *y < 100);
        match year {
            Some(year) if (1..=LAST).contains(&serial) => {
                Ok(Number { year, month: day.month() as u8, day: day.day() as u8, serial })
            }
            _ => Err(DayFull { day, serial }),
        }
    }

    /// The day on which it was given.
    pub fn day(self) -> Date {
        Date::new(2000 + i16::from(self.year), self.month as i8, self.day as i8).expect("checked when it was made")
    }

    pub fn serial(self) -> u32 {
        self.serial
    }

    /// A whole number that sorts as the ticket number does: `YYMMDDssssss`, without the check digit. For stores.
    pub fn key(self) -> i64 {
        let day = (i64::from(self.year) * 100 + i64::from(self.month)) * 100 + i64::from(self.day);
        day * 1_000_000 + i64::from(self.serial)
    }

    /// What [`Number::key`] came from.
    pub fn from_key(key: i64) -> Option<Number> {
        let day = key.div_euclid(1_000_000);
        let part = |n: i64| i8::try_from(n % 100).ok();
        let date = Date::new(i16::try_from(2000 + day / 10_000).ok()?, part(day / 100)?, part(day)?).ok()?;
        Number::new(date, u32::try_from(key.rem_euclid(1_000_000)).ok()?).ok()
    }
}

/// Walks the quasigroup; a number with its check digit comes back to 0.
fn damm(digits: impl Iterator<Item = u8>) -> u8 {
    digits.fold(0, |at, digit| DAMM[usize::from(at)][usize::from(digit)])
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = format!("{:02}{:02}{:02}{:05}", self.year, self.month, self.day, self.serial);
        let check = damm(body.bytes().map(|b| b - b'0'));
        write!(f, "{body}{check}")
    }
}

impl FromStr for Number {
    type Err = NotANumber;

    fn from_str(text: &str) -> Result<Number, NotANumber> {
        let bytes = text.as_bytes();
        if !matches!(bytes.len(), 12 | 13) || !bytes.iter().all(u8::is_ascii_digit) {
            return Err(NotANumber::Shape);
        }
        if damm(bytes.iter().map(|b| b - b'0')) != 0 {
            return Err(NotANumber::Check);
        }
        let value = |range: std::ops::Range<usize>| bytes[range].iter().fold(0u32, |n, b| n * 10 + u32::from(b - b'0'));
        let serial = value(6..bytes.len() - 1);
        // One way to write each number: six digits of serial only where five do not do.
        if serial == 0 || (bytes.len() == 13) != (serial > 99_999) {
            return Err(NotANumber::Shape);
        }
        let day = Date::new(2000 + value(0..2) as i16, value(2..4) as i8, value(4..6) as i8);
        day.ok().and_then(|day| Number::new(day, serial).ok()).ok_or(NotANumber::Date)
    }
}

impl serde::Serialize for Number {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Number {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Number, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_number() -> impl Strategy<Value = Number> {
        let serial = prop_oneof![1u32..=LAST, 1u32..=99_999, 99_998u32..=100_001];
        (0i16..100, 1i8..=12, 1i8..=31, serial).prop_filter_map("no such date", |(year, month, day, serial)| {
            Number::new(Date::new(2000 + year, month, day).ok()?, serial).ok()
        })
    }

    /// The whole table, so every number: whatever came before, one wrong digit or two swapped neighbours lead to
    /// another place, and different places never meet again under the same digits.
    #[test]
    fn the_table_catches_every_wrong_digit_and_every_swap() {
        for at in 0..10 {
            for x in 0..10 {
                for y in (0..10).filter(|y| *y != x) {
                    assert_ne!(DAMM[at][x], DAMM[at][y], "wrong digit {x} for {y} at {at}");
                    assert_ne!(DAMM[x][at], DAMM[y][at], "places {x} and {y} meet under {at}");
                    let swapped = DAMM[usize::from(DAMM[at][y])][x];
                    assert_ne!(DAMM[usize::from(DAMM[at][x])][y], swapped, "swap of {x} {y} at {at}");
                }
            }
            assert_eq!(DAMM[at][at], 0, "the check digit is the place itself");
        }
    }

    #[test]
    fn six_digits_of_serial_only_where_five_do_not_do() {
        let day = jiff::civil::date(2026, 11, 24);
        let text = |serial| Number::new(day, serial).expect("in range").to_string();
        assert_eq!((text(99_999).len(), text(100_000).len()), (12, 13));
        assert!(text(71).starts_with("26112400071"));
        let longer = "2611240000710".chars().take(12).collect::<String>();
        let check = damm(longer.bytes().map(|b| b - b'0'));
        assert_eq!(format!("{longer}{check}").parse::<Number>(), Err(NotANumber::Shape));
        assert!(Number::new(day, 0).is_err() && Number::new(day, LAST + 1).is_err());
        assert!(Number::new(jiff::civil::date(2100, 1, 1), 1).is_err());
    }

    proptest! {
        #[test]
        fn text_and_back(number in any_number()) {
            prop_assert_eq!(number.to_string().parse(), Ok(number));
            prop_assert_eq!(Number::new(number.day(), number.serial()), Ok(number));
            prop_assert_eq!(Number::from_key(number.key()), Some(number));
        }

        #[test]
        fn one_wrong_digit_is_refused(number in any_number(), place in 0usize..13, by in 1u8..10) {
            let mut digits = number.to_string().into_bytes();
            let place = place % digits.len();
            digits[place] = b'0' + (digits[place] - b'0' + by) % 10;
            prop_assert!(String::from_utf8(digits).expect("digits").parse::<Number>().is_err());
        }

        #[test]
        fn swapped_neighbours_are_refused(number in any_number(), place in 0usize..12) {
            let mut digits = number.to_string().into_bytes();
            let place = place % (digits.len() - 1);
            prop_assume!(digits[place] != digits[place + 1]);
            digits.swap(place, place + 1);
            prop_assert!(String::from_utf8(digits).expect("digits").parse::<Number>().is_err());
        }

        #[test]
        fn any_text_is_refused_or_read(text in "\\PC{0,16}|[0-9]{11,14}") {
            if let Ok(number) = text.parse::<Number>() {
                prop_assert_eq!(number.to_string(), text);
            }
        }

        #[test]
        fn orders_by_day_then_serial(a in any_number(), b in any_number()) {
            prop_assert_eq!(a.cmp(&b), (a.day(), a.serial()).cmp(&(b.day(), b.serial())));
            prop_assert_eq!(a.cmp(&b), a.key().cmp(&b.key()));
        }

        #[test]
        fn any_key_is_refused_or_read(key: i64) {
            prop_assert!(Number::from_key(key).is_none_or(|number| number.key() == key));
        }
    }
}
