import ArgumentParser

extension NameSpecification {
  /// An option that may be written with one dash or with two.
  static func either(_ name: String) -> NameSpecification {
    [.customLong(name), .customLong(name, withSingleDash: true)]
  }
}
