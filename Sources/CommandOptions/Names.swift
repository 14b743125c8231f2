package import ArgumentParser

extension NameSpecification {
  /// An option that may be written with one dash or with two.
  package static func either(_ name: String) -> NameSpecification {
    [.customLong(name), .customLong(name, withSingleDash: true)]
  }
}
