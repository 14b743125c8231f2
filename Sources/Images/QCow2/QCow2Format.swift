import BlockIO
import Bytes

extension ImageFormat {
  /// qcow2, versions 2 and 3, with all files below it (qemu docs/interop/qcow2.txt).
  package static let qcow2 = ImageFormat(
    name: "qcow2", isStreamable: false,
    probe: { head in head.byteCount >= 8 && head.bigEndian(at: 0, as: UInt32.self) == 0x5146_49fb },
    open: { input in
      guard case .file(let file) = input.bytes else {
        throw ImageError(
          .unsupported, format: "qcow2", file: input.name,
          "the image needs random access and comes as a stream; store it as a file first")
      }
      return try openQCow2(input, file)
    })
}

/// Opens the chain whose topmost file is `file`.
private func openQCow2(_ input: ImageInput, _ file: any BlockSource) throws -> Image {
  let opening = try ChainOpening(input, top: file)
  // Tables of a long chain share what a short one's may use.
  let cacheSize = min(2 << 20, max(256 << 10, (8 << 20) / opening.links.count))
  let layers = opening.links.map { link -> BackingChain.Layer in
    guard let metadata = link.metadata, let root = link.root else { return .raw(RawLayer(file: link.file)) }
    return .qcow2(
      QCow2Layer(
        metadata, root: root, file: link.file, data: link.data, name: link.label, cacheSize: cacheSize))
  }
  var (internals, allocation): (Record, (@Sendable () throws -> Record)?) = (Record(), nil)
  if let metadata = opening.links.first?.metadata { internals = QCow2Facts.internals(metadata) }
  if case .qcow2(let layer)? = layers.first { allocation = { try QCow2Facts.allocation(layer) } }
  let chain = BackingChain(layers)
  return Image(
    format: "qcow2", content: .disk(chain), facts: QCow2Facts.facts(opening.links),
    internals: internals, warnings: opening.warnings, files: opening.files, allocation: allocation,
    decodingUnit: chain.largestCluster)
}
