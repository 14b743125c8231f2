extension FixedWidthInteger {
  /// The largest multiple of `unit` not above this value; `unit` must be positive.
  @inlinable @inline(__always)
  package func roundedDown(to unit: Self) -> Self { self - self % unit }

  /// The smallest multiple of `unit` not below this value, or nil where it does not fit the type.
  @inlinable @inline(__always)
  package func roundedUp(to unit: Self) -> Self? {
    let rest = self % unit
    guard rest != 0 else { return self }
    let (sum, overflow) = addingReportingOverflow(unit - rest)
    return overflow ? nil : sum
  }

  /// The sum, or nil where it does not fit the type.
  @inlinable @inline(__always)
  package func adding(_ other: Self) -> Self? {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? nil : sum
  }

  /// The product, or nil where it does not fit the type.
  @inlinable @inline(__always)
  package func multiplied(by other: Self) -> Self? {
    let (product, overflow) = multipliedReportingOverflow(by: other)
    return overflow ? nil : product
  }
}

extension UInt64 {
  /// The value as `0x…`, the way offsets are shown.
  package var hex: String { "0x" + String(self, radix: 16) }
}

/// A size in bytes as a person reads it: `1.5 GiB (1610612736 bytes)`, or `512 bytes`.
package func describeSize(_ bytes: UInt64) -> String {
  guard bytes >= 1024 else { return "\(bytes) bytes" }
  return "\(shortSize(bytes)) (\(bytes) bytes)"
}

/// A size in bytes rounded to three digits: `1.5 GiB`.
package func shortSize(_ bytes: UInt64) -> String {
  let units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
  var unit = 0
  var scaled = bytes
  var rest: UInt64 = 0
  while scaled >= 1024 {
    rest = scaled % 1024
    scaled /= 1024
    unit += 1
  }
  guard unit > 0, scaled < 100, rest * 10 / 1024 > 0 else { return "\(scaled) \(units[unit])" }
  return "\(scaled).\(rest * 10 / 1024) \(units[unit])"
}
