// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
    // Code that builds against FFmpeg 5.1 must also build against 6 and 7, which deprecate some of it.
    .treatWarning("DeprecatedDeclaration", as: .warning),
]


let package = Package(
    name: "zipvl-batch",
    targets: [
        .target(name: "CTorch", linkerSettings: [.linkedLibrary("dl")]),

        // The model's side: tensors, prefill methods, LongVA.
        .target(name: "Torch", dependencies: ["CTorch"], swiftSettings: settings),
        .target(name: "SparsePrefill", dependencies: ["Torch"], swiftSettings: settings),
        .target(
            name: "EmbeddedModel", exclude: ["README.md", "training"],
            resources: [.copy("model")], swiftSettings: settings),

        // Tests.
        .target(
            name: "TestSupport", dependencies: ["Torch"], path: "Tests/TestSupport",
            swiftSettings: settings),
        .testTarget(
            name: "TorchTests", dependencies: ["TestSupport", "Torch"], swiftSettings: settings),
        .testTarget(
            name: "EmbeddedModelTests", dependencies: ["EmbeddedModel"], swiftSettings: settings),
        .testTarget(
            name: "SparsePrefillTests", dependencies: ["SparsePrefill", "TestSupport", "Torch"],
            swiftSettings: settings),
    ]
)
