package import BlockIO
import Browsing
import Filesystems
import Flow
import Patching

/// An image file that cannot be opened or read.
package struct SourceUnreadable: Error, Sendable, CustomStringConvertible {
  package let error: IOError
  package init(_ error: IOError) { self.error = error }
  package var description: String { "the image cannot be read: \(error)" }
}

/// Exit statuses, one for each class of failure (the numbers of sysexits.h).
package enum ExitStatus: Int32, Sendable, CaseIterable {
  case success = 0
  /// The command line cannot be understood.
  case usage = 64
  /// The image is damaged, unsupported or refused.
  case image = 65
  /// The image file cannot be opened or read.
  case source = 66
  /// A bug in this program.
  case bug = 70
  /// The target must not be written, or cannot be opened.
  case target = 73
  /// Reading or writing the target failed.
  case io = 74
  /// The target does not hold what was written.
  case verification = 76
  /// The user stopped the job.
  case interrupted = 130

  /// The status for a job's error.
  package init(for error: any Error) {
    switch error {
    case let error as PatchFailure: self.init(patching: error.cause)
    case is RequestError, is VolumeUndecided, is PatchSyntaxError: self = .usage
    case is HostUnreadable: self = .source
    case is SourceUnreadable, is FileError: self = .source
    case is ImageError, is StreamLengthError, is DamagedImage: self = .image
    case is TargetRefusal, is TargetTooSmall, is DestinationRefusal: self = .target
    case is VerificationFailure, is PatchMismatch: self = .verification
    case is Interrupted, is Stopped: self = .interrupted
    case let error as DestinationError: self = error.isAtOpening ? .target : .io
    case let error as IOError: self = error.operation == "open" ? .target : .io
    default: self = .bug
    }
  }

  /// The status for what went wrong with a patch: a wish that the volume cannot fulfil is a refusal of the target.
  private init(patching error: any Error) {
    self = error is FileError ? .target : error is IOError ? .io : ExitStatus(for: error)
  }
}
