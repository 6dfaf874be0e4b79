//! Time that counts only while an office is open.
//!
//! Everything is reckoned in moments, not in readings of a clock on the wall: an hour that the zone leaves out or has
//! twice is worked as long as it lasts, and spans that overlap are worked once.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::{Calendar, Day, Hours};

/// The open hours of an office in its zone.
#[derive(Debug, Clone, Copy)]
pub struct Working<'a> {
    pub calendar: &'a Calendar,
    pub hours: &'a Hours,
    pub zone: &'a TimeZone,
}

impl Working<'_> {
    /// How long the office is open from `from` to `to`; nothing where `to` is the earlier.
    pub fn between(&self, from: Timestamp, to: Timestamp) -> SignedDuration {
        let open = self.open(from).take_while(|(begins, _)| *begins < to);
        let parts = open.map(|(begins, ends)| ends.min(to).duration_since(begins.max(from)));
        parts.filter(SignedDuration::is_positive).sum()
    }

    /// The first moment by which the office has been open for `span` since `from`: within its hours, or at their end.
    pub fn after(&self, from: Timestamp, span: SignedDuration) -> Timestamp {
        if !span.is_positive() {
            return from;
        }
        let mut left = span;
        for (begins, ends) in self.open(from) {
            let begins = begins.max(from);
            let part = ends.duration_since(begins);
            if part >= left {
                return begins.saturating_add(left).unwrap_or(Timestamp::MAX);
            }
            left -= part.max(SignedDuration::ZERO);
        }
        Timestamp::MAX
    }

    /// When the office closes on the `days`th working day after the one of `from`, which does not count
    /// (民法典 art. 201: the day on which a period begins is not part of it).
    pub fn close(&self, from: Timestamp, days: u32) -> Timestamp {
        let today = from.to_zoned_datetime(self.zone.clone()).date();
        let worked = dates(today).skip(1).filter(|date| self.calendar.day(*date) == Day::Workday);
        let last = worked.filter_map(|date| self.spans(date).map(|(_, ends)| ends).max());
        last.take(days.max(1) as usize).last().unwrap_or(Timestamp::MAX)
    }

    /// Every span in which it is open and that ends after `from`, in order; none overlaps another.
    fn open(&self, from: Timestamp) -> impl Iterator<Item = (Timestamp, Timestamp)> {
        let today = from.to_zoned_datetime(self.zone.clone()).date();
        // Yesterday's last span may reach into today.
        let all = dates(today.yesterday().unwrap_or(today)).flat_map(|date| {
            let mut spans: Vec<_> = self.spans(date).collect();
            spans.sort_unstable();
            spans
        });
        let mut reached = Timestamp::MIN;
        all.filter_map(move |(begins, ends)| {
            let begins = begins.max(reached);
            reached = reached.max(ends);
            (begins < ends && ends > from).then_some((begins, ends))
        })
    }

    /// The spans that begin on a day.
    fn spans(&self, date: Date) -> impl Iterator<Item = (Timestamp, Timestamp)> {
        self.hours.of(self.calendar.day(date)).iter().filter_map(move |span| {
            let last = if span.until <= span.from { date.tomorrow().ok()? } else { date };
            let moment = |date: Date, time| {
                Some(self.zone.to_ambiguous_zoned_datetime(date.to_datetime(time)).compatible().ok()?.timestamp())
            };
            Some((moment(date, span.from)?, moment(last, span.until)?))
        })
    }
}

fn dates(from: Date) -> impl Iterator<Item = Date> {
    std::iter::successors(Some(from), |date| date.tomorrow().ok())
}

#[cfg(test)]
mod tests;
