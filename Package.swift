// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("ImmutableWeakCaptures"),
  .enableExperimentalFeature("Lifetimes"),
]
let relaxed = Array(strict.dropFirst())

let system: Target.Dependency = .product(name: "SystemPackage", package: "swift-system")
let deques: Target.Dependency = .product(name: "DequeModule", package: "swift-collections")
let toml: Target.Dependency = .product(name: "TOMLKit", package: "TOMLKit")
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

/// A C library from a Debian package, with its headers as a Swift module.
func library(_ name: String, pkgConfig: String? = nil, debian package: String) -> Target {
  .systemLibrary(name: name, pkgConfig: pkgConfig, providers: [.apt([package])])
}

let package = Package(
  name: "qflash",
  products: [
    .executable(name: "qflash", targets: ["qflash"]),
    .executable(name: "restore", targets: ["restore"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
    .package(url: "https://github.com/apple/swift-collections", exact: "1.6.0"),
    .package(url: "https://github.com/apple/swift-system", exact: "1.8.1"),
    .package(url: "https://github.com/LebJe/TOMLKit", exact: "0.6.0"),
  ],
  targets: [
    library("CZlib", pkgConfig: "zlib", debian: "zlib1g-dev"),
    library("CZstd", pkgConfig: "libzstd", debian: "libzstd-dev"),
    library("CLZ4", pkgConfig: "liblz4", debian: "liblz4-dev"),
    library("CLZMA", pkgConfig: "liblzma", debian: "liblzma-dev"),
    library("CBZip2", debian: "libbz2-dev"),
    library("CDeflate", pkgConfig: "libdeflate", debian: "libdeflate-dev"),
    library("CISAL", pkgConfig: "libisal", debian: "libisal-dev"),
    library("CXXHash", pkgConfig: "libxxhash", debian: "libxxhash-dev"),
    library("CCrypto", pkgConfig: "libcrypto", debian: "libssl-dev"),
    .target(name: "CLinux"),

    .target(name: "Threads", dependencies: ["CLinux", deques], swiftSettings: strict),
    .target(name: "Bytes", dependencies: ["CDeflate", "CXXHash"], swiftSettings: strict),
    .target(name: "BlockIO", dependencies: ["Bytes", "Threads", "CLinux", system], swiftSettings: strict),
    .target(
      name: "Codecs",
      dependencies: [
        "BlockIO", "Bytes", "Threads", "CZlib", "CZstd", "CLZ4", "CLZMA", "CBZip2", "CISAL", "CXXHash", deques, system,
      ],
      swiftSettings: strict),
    .target(
      name: "Images",
      dependencies: ["BlockIO", "Bytes", "Codecs", "Threads", "CLinux", "CDeflate", "CZlib", "CZstd", system],
      swiftSettings: strict),
    .target(name: "Partitions", dependencies: ["BlockIO", "Bytes"], swiftSettings: strict),
    .target(name: "Filesystems", dependencies: ["BlockIO", "Bytes", "Threads"], swiftSettings: strict),
    .target(
      name: "Clonezilla",
      dependencies: ["Images", "Partitions", "BlockIO", "Bytes", "Threads", "CCrypto", system],
      swiftSettings: strict),
    .target(name: "FAT", dependencies: ["Filesystems", "BlockIO", "Bytes"], swiftSettings: strict),
    .target(name: "ExFAT", dependencies: ["Filesystems", "BlockIO", "Bytes"], swiftSettings: strict),
    .target(name: "Ext", dependencies: ["Filesystems", "BlockIO", "Bytes"], swiftSettings: strict),
    .target(
      name: "Browsing",
      dependencies: [
        "Filesystems", "Ext", "FAT", "ExFAT", "Partitions", "BlockIO", "Bytes", "CLinux", system,
      ], swiftSettings: strict),
    .target(name: "Flow", dependencies: ["BlockIO", "Bytes", "Threads", "CLinux", system], swiftSettings: strict),
    .target(
      name: "Patching",
      dependencies: [
        "Browsing", "Partitions", "Filesystems", "BlockIO", "Bytes", "Threads", "CLinux", toml, system,
      ], swiftSettings: strict),
    .target(
      name: "Flashing",
      dependencies: [
        "Clonezilla", "Images", "Codecs", "Partitions", "Filesystems", "Browsing", "Patching", "Flow", "BlockIO",
        "Bytes", "Threads", "CLinux", system,
      ],
      swiftSettings: strict),
    .target(name: "Terminal", dependencies: ["Bytes", "CLinux", "Threads"], swiftSettings: strict),
    .target(
      name: "CommandOptions",
      dependencies: [
        "Flashing", "Browsing", "Patching", "Filesystems", "Images", "Flow", "BlockIO", "Bytes", "CLinux", "Terminal",
        arguments, system,
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "qflash",
      dependencies: [
        "CommandOptions", "Flashing", "Browsing", "Patching", "Filesystems", "Flow", "BlockIO", "Bytes", "Terminal",
        "Threads", arguments, system,
      ],
      exclude: ["qflash.1"], swiftSettings: strict),
    .executableTarget(
      name: "restore",
      dependencies: ["CommandOptions", "Flashing", "Flow", "Images", "Patching", "Terminal", "Threads", arguments],
      exclude: ["restore.1"], swiftSettings: strict),
    .executableTarget(
      name: "bench",
      dependencies: [
        "Flow", "Images", "Codecs", "BlockIO", "Bytes", "Threads", "CDeflate", "CXXHash", "CZlib", "CZstd", arguments,
        system,
      ],
      swiftSettings: strict),

    .target(
      name: "Support", dependencies: ["BlockIO", "Bytes", "Filesystems", "Threads", system], path: "Tests/Support",
      swiftSettings: relaxed),
    .testTarget(name: "CLITests", dependencies: ["Support", "qflash", "restore"], swiftSettings: relaxed),
    .testTarget(
      name: "PartcloneTests", dependencies: ["Images", "BlockIO", "Bytes", "Threads", "Flow", "Support", system],
      swiftSettings: relaxed),
    .testTarget(
      name: "BlockIOTests", dependencies: ["BlockIO", "Bytes", "Threads", "Support", system], swiftSettings: relaxed),
    .testTarget(
      name: "BackupTests", dependencies: ["Images", "BlockIO", "Bytes", "Support", system], swiftSettings: relaxed),
    .testTarget(
      name: "ClonezillaTests",
      dependencies: ["Clonezilla", "Images", "Partitions", "BlockIO", "Bytes", "Support", system],
      swiftSettings: relaxed),
    .testTarget(
      name: "BrowsingTests",
      dependencies: ["Browsing", "Filesystems", "Partitions", "BlockIO", "Bytes", "Support", system],
      swiftSettings: relaxed),
    .testTarget(
      name: "PatchingTests",
      dependencies: ["Patching", "Browsing", "Filesystems", "BlockIO", "Bytes", "Flow", "Support", system],
      swiftSettings: relaxed),
    .testTarget(name: "ThreadsTests", dependencies: ["Threads"], swiftSettings: relaxed),
    .testTarget(name: "BytesTests", dependencies: ["Bytes"], swiftSettings: relaxed),
    .testTarget(
      name: "PartitionsTests", dependencies: ["Partitions", "BlockIO", "Bytes", "Support", system],
      swiftSettings: relaxed),
    .testTarget(
      name: "ExtTests", dependencies: ["Ext", "Filesystems", "BlockIO", "Bytes", "Support", system],
      swiftSettings: relaxed),
    .testTarget(
      name: "ImagesTests", dependencies: ["Images", "BlockIO", "Bytes", "Threads", "CLinux", system, "Support"],
      swiftSettings: relaxed),
    .testTarget(
      name: "CodecsTests", dependencies: ["Codecs", "BlockIO", "Bytes", "Threads", system], swiftSettings: relaxed),
    .testTarget(
      name: "ExFATTests", dependencies: ["ExFAT", "Filesystems", "BlockIO", "Bytes", "Support", system],
      swiftSettings: relaxed),
    .testTarget(
      name: "FATTests", dependencies: ["FAT", "Filesystems", "BlockIO", "Bytes", "Support", system],
      swiftSettings: relaxed),
    .testTarget(
      name: "FlowTests", dependencies: ["Flow", "BlockIO", "Bytes", "Threads", "Support", system],
      swiftSettings: relaxed),
  ]
)
