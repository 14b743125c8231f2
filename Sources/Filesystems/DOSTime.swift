/// A date and time as FAT and exFAT store them: 1980 to 2107, in units of two seconds and hundredths beside.
package struct DOSTime: Hashable, Sendable {
  /// Bits 0–4 the day from 1, 5–8 the month from 1, 9–15 the years since 1980.
  package var date: UInt16
  /// Bits 0–4 the seconds halved, 5–10 the minute, 11–15 the hour.
  package var time: UInt16
  /// Hundredths of a second to add, 0 ..< 200.
  package var hundredths: UInt8

  package init(date: UInt16, time: UInt16 = 0, hundredths: UInt8 = 0) {
    self.date = date
    self.time = time
    self.hundredths = hundredths
  }

  /// Whether a date is there at all; zero stands for none.
  package var isSet: Bool { date != 0 }

  /// The moment when the clock shows `utcOffset` minutes more than UTC; month and day 0 count as 1, as in Linux.
  package func timestamp(utcOffset: Int = 0) -> Timestamp {
    let month = min(max(Int64(date >> 5 & 15), 1), 12)
    let days = Self.days(year: 1980 + Int64(date >> 9), month: month, day: max(Int64(date & 31), 1))
    let clock = Int64(time >> 11) * 3600 + Int64(time >> 5 & 63) * 60 + Int64(time & 31) * 2
    let fine = min(UInt32(hundredths), 199)
    let seconds = days * 86400 + clock + Int64(fine / 100) - Int64(utcOffset) * 60
    return Timestamp(seconds: seconds, nanoseconds: fine % 100 * 10_000_000)
  }

  /// The time to store for a moment, on a clock that shows `utcOffset` minutes more than UTC; what cannot be stored
  /// becomes the first or last moment that can.
  package init(_ moment: Timestamp, utcOffset: Int = 0) {
    let first = Self.days(year: 1980, month: 1, day: 1) * 86400
    let last = Self.days(year: 2108, month: 1, day: 1) * 86400 - 1
    let local = moment.seconds.addingReportingOverflow(Int64(utcOffset) * 60).partialValue
    let seconds = min(max(local, first), last)
    let (year, month, day) = Self.civil(seconds / 86400)
    let clock = seconds % 86400
    date = UInt16((year - 1980) << 9 | month << 5 | day)
    time = UInt16((clock / 3600) << 11 | (clock / 60 % 60) << 5 | clock % 60 / 2)
    hundredths = UInt8(clock % 2 * 100 + (seconds == local ? Int64(moment.nanoseconds / 10_000_000) : 0))
  }

  /// Days from 1970-01-01 to a date of the Gregorian calendar, years counted from March.
  private static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
    let shifted = month <= 2 ? year - 1 : year
    let dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
    return shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + dayOfYear - 719_468
  }

  /// The date that lies `days`, 0 or more, after 1970-01-01.
  private static func civil(_ days: Int64) -> (year: Int64, month: Int64, day: Int64) {
    let shifted = days + 719_468
    let era = shifted / 146_097
    let dayOfEra = shifted % 146_097
    let year = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * year + year / 4 - year / 100)
    let part = (5 * dayOfYear + 2) / 153
    let month = part < 10 ? part + 3 : part - 9
    return (era * 400 + year + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * part + 2) / 5 + 1)
  }
}
