//! Keys in the bodies of INFO: `application/dtmf-relay` (Cisco's, and everybody's since) and `application/dtmf`.

/// The key that an INFO carries; `None` for anything else, flash among it.
pub fn of_info(content_type: &str, body: &[u8]) -> Option<char> {
    let text = std::str::from_utf8(body).ok()?;
    let word = match content_type {
        "application/dtmf" => text.trim(),
        "application/dtmf-relay" => text.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            name.trim().eq_ignore_ascii_case("signal").then_some(value.trim())
        })?,
        _ => return None,
    };
    match word {
        "10" => Some('*'),
        "11" => Some('#'),
        _ => {
            let mut chars = word.chars();
            let key = chars.next()?.to_ascii_uppercase();
            (chars.next().is_none() && "0123456789*#ABCD".contains(key)).then_some(key)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_telephones_send() {
        let relay = |body: &str| of_info("application/dtmf-relay", body.as_bytes());
        assert_eq!(relay("Signal=5\r\nDuration=160\r\n"), Some('5'));
        assert_eq!(relay("Duration=250\nsignal= *\n"), Some('*'));
        assert_eq!((relay("Signal=10\r\n"), relay("Signal=11")), (Some('*'), Some('#')));
        assert_eq!(
            (relay("Signal=16\r\n"), relay("Signal=hf"), relay("Signal="), relay("5")),
            (None, None, None, None)
        );
        assert_eq!((of_info("application/dtmf", b"d\r\n"), of_info("application/dtmf", b"")), (Some('D'), None));
        assert_eq!(of_info("text/plain", b"5"), None);
    }

    proptest! {
        #[test]
        fn any_body(body in proptest::collection::vec(any::<u8>(), 0..60), relay in any::<bool>()) {
            let kind = if relay { "application/dtmf-relay" } else { "application/dtmf" };
            if let Some(key) = of_info(kind, &body) {
                prop_assert!("0123456789*#ABCD".contains(key));
            }
        }
    }
}
