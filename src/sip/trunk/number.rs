//! Telephone numbers as one trunk writes them, to one form and back.
//!
//! Carriers write a caller as `+8613800001111`, `008613800001111`, `013800001111` or `13800001111`. Inside there is one
//! form, the one that people of the city read: mobile numbers bare, numbers of the fixed network with 0 and area code,
//! other countries with `+`. Short numbers (110, 12345) and names stay as they are. The plan is China's (country code
//! 86, prefixes 0 and 00).

const COUNTRY: &str = "86";
/// Numbers without an area code have this many digits.
const LOCAL: std::ops::RangeInclusive<usize> = 7..=8;

/// How a trunk wants numbers that we send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// `13800001111`, `01012345678`, `00` for abroad.
    #[default]
    National,
    /// As national, but numbers of the trunk's own area without its code.
    Local,
    /// `+8613800001111` (E.164).
    Plus,
    /// `008613800001111`.
    International,
}

impl Form {
    pub fn read(text: &str) -> Option<Form> {
        match text {
            "national" => Some(Form::National),
            "local" => Some(Form::Local),
            "plus" => Some(Form::Plus),
            "00" => Some(Form::International),
            _ => None,
        }
    }
}

/// The rules of one trunk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    /// The area code, with its 0, of numbers that come without one.
    pub area: Option<String>,
    pub out: Form,
}

impl Rules {
    /// A number from the trunk, in the inner form.
    pub fn inward(&self, written: &str) -> String {
        let bare: String = written.chars().filter(|c| !"-.() ".contains(*c)).collect();
        let (abroad, digits) = match (bare.strip_prefix('+'), bare.strip_prefix("00")) {
            (Some(rest), _) | (None, Some(rest)) => (true, rest),
            (None, None) => (false, bare.as_str()),
        };
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return written.to_owned(); // a name, or a service code with * and #
        }
        if abroad {
            return match digits.strip_prefix(COUNTRY) {
                Some(national) => inland(national.trim_start_matches('0')),
                None => format!("+{digits}"),
            };
        }
        // Some switches leave the + out; only a whole mobile number behind it is beyond doubt.
        if let Some(mobile) = digits.strip_prefix(COUNTRY).filter(|rest| is_mobile(rest)) {
            return mobile.to_owned();
        }
        // A mobile number of another city is dialled with 0.
        if let Some(mobile) = digits.strip_prefix('0').filter(|rest| is_mobile(rest)) {
            return mobile.to_owned();
        }
        match &self.area {
            Some(area) if is_local(digits) => format!("{area}{digits}"),
            _ => digits.to_owned(),
        }
    }

    /// A number in the inner form, as the trunk wants it.
    pub fn outward(&self, inner: &str) -> String {
        let is_number = inner.strip_prefix('+').unwrap_or(inner).bytes().all(|b| b.is_ascii_digit());
        let abroad = inner.strip_prefix('+').filter(|_| is_number);
        let home = if is_mobile(inner) { Some(inner) } else { inner.strip_prefix('0').filter(|_| is_number) };
        match (self.out, abroad, home) {
            (Form::Plus, _, Some(home)) => format!("+{COUNTRY}{home}"),
            (Form::International, _, Some(home)) => format!("00{COUNTRY}{home}"),
            (Form::Plus, ..) => inner.to_owned(),
            (_, Some(abroad), _) => format!("00{abroad}"),
            (Form::Local, ..) => {
                let area = self.area.as_deref().unwrap_or("\0");
                inner.strip_prefix(area).filter(|rest| is_local(rest)).unwrap_or(inner).to_owned()
            }
            _ => inner.to_owned(),
        }
    }
}

/// What stands behind the country code: mobile numbers stay bare, the fixed network gets its 0 back.
fn inland(national: &str) -> String {
    let short = national.len() <= 6 && national.starts_with(['1', '9']); // 110, 12345, 96310
    if short || is_mobile(national) { national.to_owned() } else { format!("0{national}") }
}

/// A subscriber's number; those of an area never begin with 0, 1 or 9, so it is told from service numbers.
fn is_local(digits: &str) -> bool {
    LOCAL.contains(&digits.len()) && digits.starts_with(|c| ('2'..='8').contains(&c))
}

fn is_mobile(digits: &str) -> bool {
    let bytes = digits.as_bytes();
    bytes.len() == 11 && bytes[0] == b'1' && (b'3'..=b'9').contains(&bytes[1]) && bytes.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rules(out: Form) -> Rules {
        Rules { area: Some("010".into()), out }
    }

    #[test]
    fn one_form_for_what_carriers_write() {
        let inward = |text: &str| rules(Form::National).inward(text);
        for form in
            ["13800001111", "+8613800001111", "008613800001111", "8613800001111", "013800001111", "+86-138-0000-1111"]
        {
            assert_eq!(inward(form), "13800001111", "{form}");
        }
        for form in
            ["01065551234", "65551234", "+861065551234", "00861065551234", "(010) 6555-1234", "+86 010 65551234"]
        {
            assert_eq!(inward(form), "01065551234", "{form}");
        }
        for (form, same) in [
            ("12345", "12345"),
            ("+8612345", "12345"),
            ("110", "110"),
            ("95588", "95588"),
            ("alice", "alice"),
            ("", ""),
        ] {
            assert_eq!(inward(form), same);
        }
        assert_eq!((inward("+4930123456"), inward("004930123456")), ("+4930123456".into(), "+4930123456".into()));
        assert_eq!(Rules::default().inward("65551234"), "65551234", "no area is known");
    }

    #[test]
    fn and_back_as_each_wants_it() {
        for (form, mobile, fixed, other, short) in [
            (Form::National, "13800001111", "01065551234", "004930123456", "110"),
            (Form::Local, "13800001111", "65551234", "004930123456", "110"),
            (Form::Plus, "+8613800001111", "+861065551234", "+4930123456", "110"),
            (Form::International, "008613800001111", "00861065551234", "004930123456", "110"),
        ] {
            let out = |text: &str| rules(form).outward(text);
            assert_eq!((out("13800001111"), out("01065551234")), (mobile.into(), fixed.into()), "{form:?}");
            assert_eq!((out("+4930123456"), out("110")), (other.into(), short.into()), "{form:?}");
            assert_eq!(out("alice"), "alice");
        }
    }

    /// Found by the property below: what stands behind the area code is no number of the area, and came back as abroad.
    #[test]
    fn only_an_areas_numbers_lose_its_code() {
        let rules = rules(Form::Local);
        assert_eq!(
            (rules.outward("0100000000"), rules.outward("01065551234")),
            ("0100000000".into(), "65551234".into())
        );
    }

    proptest! {
        /// Whatever a carrier writes, the inner form is one that stays, and every form of it comes back to it.
        #[test]
        fn forms_come_back(text in "(\\+|00|0|86|\\+86)?[1-9][0-9]{6,11}") {
            for out in [Form::National, Form::Local, Form::Plus, Form::International] {
                let rules = rules(out);
                let inner = rules.inward(&text);
                let again = rules.inward(&rules.outward(&inner));
                prop_assert_eq!(&again, &inner, "{:?}: {} went out as {}", out, &text, rules.outward(&inner));
            }
        }

        #[test]
        fn any_text(text in "\\PC{0,40}") {
            let rules = rules(Form::Local);
            rules.outward(&rules.inward(&text));
        }
    }
}
