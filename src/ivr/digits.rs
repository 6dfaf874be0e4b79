//! Rows of digits that citizens key: which of them can be right.
//!
//! Owns no number's meaning beyond its shape and check digit. Whether such a ticket or person exists is not asked.

use jiff::civil::Date;

use crate::ticket;

/// What a row of digits has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rule {
    /// Any digits.
    #[default]
    Any,
    /// One of our ticket numbers ([`ticket::Number`]).
    Ticket,
    /// A citizen's identity number: 18 places by GB 11643-1999, the last one may be X, keyed as `*`.
    Identity,
}

impl Rule {
    /// The words in the file.
    pub const WORDS: [(&'static str, Rule); 3] =
        [("any", Rule::Any), ("ticket", Rule::Ticket), ("identity", Rule::Identity)];

    /// How many digits such a number has, where the rule says so.
    pub fn lengths(self) -> Option<(usize, usize)> {
        match self {
            Rule::Any => None,
            Rule::Ticket => Some((12, 13)),
            Rule::Identity => Some((18, 18)),
        }
    }

    /// Whether the key is a digit of such a number.
    pub fn takes(self, key: char) -> bool {
        key.is_ascii_digit() || key == '*' && self == Rule::Identity
    }

    /// The number that was meant, if it can be right.
    pub fn read(self, keyed: &str) -> Option<String> {
        match self {
            Rule::Any => keyed.bytes().all(|b| b.is_ascii_digit()).then(|| keyed.to_owned()),
            Rule::Ticket => keyed.parse::<ticket::Number>().ok().map(|number| number.to_string()),
            Rule::Identity => identity(keyed),
        }
    }
}

/// The weights of the first seventeen places (GB 11643-1999, 4.1; ISO 7064 MOD 11-2).
const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
/// The check character for each remainder.
const CHECKS: &[u8; 11] = b"10X98765432";

/// Region, birthday, serial, check character.
fn identity(keyed: &str) -> Option<String> {
    let mut places = keyed.as_bytes().to_vec();
    if places.len() != 18 || !places[..17].iter().all(u8::is_ascii_digit) {
        return None;
    }
    if matches!(places[17], b'*' | b'x') {
        places[17] = b'X';
    }
    let sum: u32 = places.iter().zip(WEIGHTS).map(|(place, weight)| u32::from(place - b'0') * weight).sum();
    if CHECKS[sum as usize % 11] != places[17] {
        return None;
    }
    let text = String::from_utf8(places).expect("digits and X are ASCII");
    let born = |range: std::ops::Range<usize>| text[range].parse::<i16>().ok();
    Date::new(born(6..10)?, i8::try_from(born(10..12)?).ok()?, i8::try_from(born(12..14)?).ok()?).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The check character as the standard reckons it: the sum of (a_i * W_i) over all eighteen is 1 modulo 11, with
    /// W_i = 2^(i-1) mod 11 counted from the right. Reckoned another way than above.
    fn with_check(first: &str) -> String {
        let sum: u32 =
            first.bytes().rev().enumerate().map(|(i, b)| u32::from(b - b'0') * (2u32.pow(i as u32 + 1) % 11)).sum();
        let check = (12 - sum % 11) % 11;
        if check == 10 { format!("{first}X") } else { format!("{first}{check}") }
    }

    #[test]
    fn the_examples_of_the_standard() {
        // GB 11643-1999, annex A.
        assert_eq!(Rule::Identity.read("11010519491231002*").as_deref(), Some("11010519491231002X"));
        assert_eq!(Rule::Identity.read("440524188001010014").as_deref(), Some("440524188001010014"));
    }

    #[test]
    fn what_is_no_identity_number() {
        for bad in ["", "*", "11010519491231002", "110105194912310021", "1101051949123100*X", "44052418800101001*"] {
            assert_eq!(Rule::Identity.read(bad), None, "{bad}");
        }
        // A right check digit on the 31st of February.
        assert_eq!(Rule::Identity.read(&with_check("11010519490231002").replace('X', "*")), None);
        assert_eq!(Rule::Identity.read("１１０１０５１９４９１２３１００２X"), None);
    }

    #[test]
    fn ticket_numbers_have_their_own_check_digit() {
        let number = ticket::Number::new(Date::constant(2026, 11, 24), 71).expect("a number").to_string();
        assert_eq!(Rule::Ticket.read(&number), Some(number.clone()));
        let (head, last) = number.split_at(number.len() - 1);
        let other = (last.parse::<u32>().expect("a digit") + 1) % 10;
        assert_eq!(Rule::Ticket.read(&format!("{head}{other}")), None);
        assert_eq!(Rule::Any.read("007").as_deref(), Some("007"));
    }

    proptest! {
        #[test]
        fn one_wrong_digit_or_a_swap_is_noticed(
            serial in 0u32..1000, day in 0i32..30_000, at in 0usize..17, digit in 0u8..10, swap in 0usize..16
        ) {
            let born = Date::constant(1920, 1, 1).checked_add(jiff::Span::new().days(day)).expect("a day");
            let first = format!("110105{:04}{:02}{:02}{serial:03}", born.year(), born.month(), born.day());
            let right = with_check(&first);
            prop_assert_eq!(Rule::Identity.read(&right.replace('X', "*")), Some(right.clone()));
            let mut wrong = right.clone().into_bytes();
            wrong[at] = b'0' + digit;
            let wrong = String::from_utf8(wrong).expect("ASCII");
            prop_assert_eq!(Rule::Identity.read(&wrong).is_some(), wrong == right);
            let mut swapped = right.clone().into_bytes();
            swapped.swap(swap, swap + 1);
            let swapped = String::from_utf8(swapped).expect("ASCII");
            prop_assert_eq!(Rule::Identity.read(&swapped).is_some(), swapped == right);
        }

        #[test]
        fn any_keys_are_read_or_refused(keyed in "\\PC{0,20}") {
            for (_, rule) in Rule::WORDS {
                if let Some(read) = rule.read(&keyed) {
                    prop_assert!(read.len() <= keyed.len());
                }
            }
        }
    }
}
