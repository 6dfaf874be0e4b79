//! One value as it is read: missing, there, or unreadable; with its default and its limits.

use std::ops::Range;
use std::time::Duration;

use super::fault::{Faults, Place, Written};

/// What stood under a key: nothing, a value, or something unreadable (already a fault).
pub struct Value<T> {
    found: Option<Result<Written<T>, Place>>,
    table: Place,
    path: String,
    faults: Faults,
}

impl<T> Value<T> {
    pub(super) fn new(
        found: Option<Result<Written<T>, Place>>,
        table: Place,
        path: String,
        faults: Faults,
    ) -> Value<T> {
        Value { found, table, path, faults }
    }

    /// The value with its place, or nothing.
    pub fn written(self) -> Option<Written<T>> {
        self.found.and_then(Result::ok)
    }

    pub fn get(self) -> Option<T> {
        self.written().map(|w| w.value)
    }

    pub fn or_else(self, default: impl FnOnce() -> T) -> T {
        self.get().unwrap_or_else(default)
    }

    /// Keeps the value only where `check` gives `Ok`; `Err` says what is wrong and what to do.
    pub fn check<U>(self, check: impl FnOnce(&T) -> Result<U, (String, String)>) -> Value<U> {
        let found = self.found.map(|found| {
            found.and_then(|w| match check(&w.value) {
                Ok(value) => Ok(Written { value, place: w.place, key: w.key }),
                Err((what, remedy)) => {
                    self.faults.at(&w.place, &self.path, what, remedy);
                    Err(w.place)
                }
            })
        });
        Value { found, table: self.table, path: self.path, faults: self.faults }
    }

    /// A missing key is a fault; `remedy` says what to write.
    fn missing(&self, remedy: &str) {
        if self.found.is_none() {
            self.faults.at(&self.table, &self.path, "missing", format!("write {remedy}"));
        }
    }
}

impl<T: Default> Value<T> {
    /// A missing key is a fault, and the type's empty value stands in.
    pub fn need(self, remedy: &str) -> T {
        self.missing(remedy);
        self.get().unwrap_or_default()
    }

    /// As [`Value::need`], with the place.
    pub fn need_written(self, remedy: &str) -> Written<T> {
        self.missing(remedy);
        let (place, key) = (self.table.clone(), self.path.clone());
        self.written().unwrap_or_else(|| Written { value: T::default(), place, key })
    }
}

impl Value<String> {
    pub fn or(self, default: &str) -> String {
        self.get().unwrap_or_else(|| default.to_owned())
    }
}

impl Value<bool> {
    pub fn or(self, default: bool) -> bool {
        self.get().unwrap_or(default)
    }
}

impl<T: PartialOrd + Copy> Value<T> {
    /// The value where it is from `least` to `most`; outside it is a fault.
    fn within(self, least: T, most: T, shown: impl Fn(&T) -> String, ends: [String; 2]) -> Option<T> {
        self.check(|value| {
            if (least..=most).contains(value) {
                Ok(*value)
            } else {
                let [least, most] = &ends;
                Err((format!("{} is out of range", shown(value)), format!("write {least} to {most}")))
            }
        })
        .get()
    }
}

impl Value<i64> {
    /// The number, or `default`; outside `allowed` it is a fault.
    pub fn or(self, default: i64, allowed: Range<i64>) -> i64 {
        let (least, most) = (allowed.start, allowed.end);
        self.within(least, most, i64::to_string, [least, most].map(|n| n.to_string())).unwrap_or(default)
    }
}

impl Value<f64> {
    /// The number, or `default`; outside `allowed` it is a fault.
    pub fn or(self, default: f64, allowed: Range<f64>) -> f64 {
        let (least, most) = (allowed.start, allowed.end);
        self.within(least, most, f64::to_string, [least, most].map(|n| n.to_string())).unwrap_or(default)
    }
}

impl Value<Duration> {
    /// The span, or `default`; outside `allowed` (both ends written as in the file) it is a fault.
    pub fn or(self, default: &str, allowed: Range<&str>) -> Duration {
        let known = |text| duration(text).expect("limits are written by us");
        let (least, most) = (known(allowed.start), known(allowed.end));
        let ends = [allowed.start, allowed.end].map(|text| format!("\"{text}\""));
        self.within(least, most, |span| format!("{span:?}"), ends).unwrap_or_else(|| known(default))
    }
}

/// Reads `"1.5s"`; units ms, s, m, h, d. `None` for anything else and for more than ten years.
pub fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let split = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86400.0,
        _ => return None,
    };
    let number: f64 = number.trim().parse().ok()?;
    let span = number * seconds;
    (0.0..=315_576_000.0).contains(&span).then(|| Duration::from_secs_f64(span))
}
