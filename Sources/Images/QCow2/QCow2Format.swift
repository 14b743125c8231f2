import BlockIO
import Bytes

extension ImageFormat {
  /// qcow2, versions 2 and 3 (qemu docs/interop/qcow2.txt).
  package static let qcow2 = ImageFormat(
    name: "qcow2", isStreamable: false,
    probe: { head in head.byteCount >= 8 && head.bigEndian(at: 0, as: UInt32.self) == 0x5146_49fb },
    open: { input in throw ImageError(.unsupported, format: "qcow2", file: input.name, "not written yet") })
}
