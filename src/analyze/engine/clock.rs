//! Times of day in logs, which tell neither their zone nor, mostly, their year.

use crate::model::Around;

/// A time as a log writes it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Stamp {
    /// Month and day, where it tells.
    pub(super) date: Option<(u32, u32)>,
    /// Seconds since midnight.
    pub(super) second: u32,
}

/// Seconds of a day.
const DAY: i64 = 86_400;

impl Stamp {
    /// A time from hours, minutes, seconds, and a date, if they make sense.
    pub(super) fn new(date: Option<(u32, u32)>, hour: u32, minute: u32, second: u32) -> Option<Self> {
        let makes_sense = hour < 24 && minute < 60 && second < 61;
        let date_does = date.is_none_or(|(month, day)| (1..=12).contains(&month) && (1..=31).contains(&day));
        (makes_sense && date_does).then_some(Self { date, second: hour * 3600 + minute * 60 + second })
    }

    /// Of seconds of Unix time, in a zone that is so many seconds ahead of UTC.
    pub(super) fn of_unix(seconds: i64, ahead: i64) -> Self {
        let local = seconds + ahead;
        let (days, second) = (local.div_euclid(DAY), local.rem_euclid(DAY));
        // Howard Hinnant's `civil_from_days`: days since 1970 as months and days of the Gregorian calendar.
        let from_march = days + 719_468;
        let of_era = from_march.rem_euclid(146_097);
        let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        Self { date: Some((month as u32, day as u32)), second: second as u32 }
    }

    /// Whether it lies in a span of local time, with some seconds of grace.
    pub(super) fn is_in(self, (begin, end): (Stamp, Stamp), grace: i64) -> bool {
        let at = |stamp: Stamp| {
            let (month, day) = stamp.date.filter(|_| self.date.is_some()).unwrap_or((1, 1));
            // Months of 31 days keep the order; spans are short.
            i64::from(month * 31 + day) * DAY + i64::from(stamp.second)
        };
        let (begin, mut end, mut this) = (at(begin), at(end), at(self));
        if end < begin {
            // Past midnight, without dates.
            end += DAY;
            this += if this < begin - grace { DAY } else { 0 };
        }
        (begin - grace..=end + grace).contains(&this)
    }
}

/// A span of the trace in local time, where the trace tells its clock.
pub(super) fn window(around: &Around, begin_ns: i64, end_ns: i64) -> Option<(Stamp, Stamp)> {
    let (offset_ns, ahead) = (around.unix_offset_ns?, i64::from(around.utc_offset_s.unwrap_or(0)));
    let local = |ns: i64| Stamp::of_unix(ns.saturating_add(offset_ns).div_euclid(1_000_000_000), ahead);
    Some((local(begin_ns), local(end_ns)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unix_time_is_a_date_and_a_time_of_day() {
        let stamp = Stamp::of_unix(1_796_068_862, 0);
        assert_eq!((stamp.date, stamp.second), (Some((11, 30)), 20 * 3600 + 62));
        assert_eq!(Stamp::of_unix(1_796_068_862, 4 * 3600).date, Some((12, 1)));
        assert_eq!(Stamp::of_unix(951_782_400, 0).date, Some((2, 29)));
    }

    #[test]
    fn a_span_may_go_past_midnight() {
        let at = |hour, minute| Stamp::new(None, hour, minute, 0).unwrap();
        assert!(at(23, 59).is_in((at(23, 58), at(0, 2)), 0) && at(0, 1).is_in((at(23, 58), at(0, 2)), 0));
        assert!(!at(12, 0).is_in((at(23, 58), at(0, 2)), 60));
        assert!(Stamp::new(Some((11, 30)), 24, 0, 0).is_none());
    }
}
