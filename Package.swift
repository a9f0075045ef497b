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

let argumentParser = Target.Dependency.product(
    name: "ArgumentParser", package: "swift-argument-parser")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

let package = Package(
    name: "zipvl-batch",
    products: [
        .executable(name: "zipvl-batch", targets: ["zipvl-batch"]),
        .executable(name: "zipvl-bench", targets: ["zipvl-bench"]),
        .executable(name: "zipvl-bench-io", targets: ["zipvl-bench-io"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        // C: FFmpeg's and PostgreSQL's headers and libtorch's stable C ABI.
        .systemLibrary(
            name: "CFFmpeg", pkgConfig: "libavformat libavcodec libswscale libavutil",
            providers: [
                .apt(["libavformat-dev", "libavcodec-dev", "libswscale-dev", "libavutil-dev"])
            ]),
        .systemLibrary(
            name: "CPostgres", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .target(name: "CTorch", linkerSettings: [.linkedLibrary("dl")]),

        // The model's side: tensors, prefill methods, LongVA.
        .target(
            name: "Torch", dependencies: ["CTorch"],
            resources: [
                .embedInCode("Kernels/common.cuh"),
                .embedInCode("Kernels/decode_attention.cu"),
                .embedInCode("Kernels/elementwise.cu"),
                .embedInCode("Kernels/gather.cu"),
                .embedInCode("Kernels/kv_attention.cu"),
                .embedInCode("Kernels/kv_pack.cu"),
                .embedInCode("Kernels/matvec.cu"),
                .embedInCode("Kernels/norms.cu"),
                .embedInCode("Kernels/patch_outputs.cu"),
                .embedInCode("Kernels/patches.cu"),
                .embedInCode("Kernels/probe.cu"),
                .embedInCode("Kernels/rope.cu"),
                .embedInCode("Kernels/sparse_attention.cu"),
                .embedInCode("Kernels/sparse_estimate.cu"),
                .embedInCode("Kernels/select.cu"),
                .embedInCode("Kernels/sampling.cu"),
            ],
            swiftSettings: settings),
        .target(name: "SparsePrefill", dependencies: ["Torch"], swiftSettings: settings),
        .target(
            name: "LongVA", dependencies: ["SparsePrefill", "Torch", crypto],
            swiftSettings: settings),
        .target(
            name: "EmbeddedModel", exclude: ["README.md", "training"],
            resources: [.copy("model")], swiftSettings: settings),

        // Figures as SVG.
        .target(name: "Plotting", swiftSettings: settings),

        // Video and queue.
        .target(name: "VideoFrames", dependencies: ["CFFmpeg"], swiftSettings: settings),
        .target(
            name: "Schema", path: "schema",
            resources: [
                .embedInCode("sqlite_v001.sql"), .embedInCode("sqlite_v002.sql"),
                .embedInCode("sqlite_v003.sql"), .embedInCode("sqlite_v004.sql"),
                .embedInCode("postgres_v004.sql"),
            ],
            swiftSettings: settings),
        .target(
            name: "Jobs", dependencies: ["CPostgres", "Schema", crypto, grdb, yams],
            swiftSettings: settings),

        // The one place that joins them, and the command line.
        .target(
            name: "Runner",
            dependencies: [
                "EmbeddedModel", "Jobs", "LongVA", "Plotting", "SparsePrefill", "Torch",
                "VideoFrames", crypto,
            ],
            swiftSettings: settings),
        .executableTarget(
            name: "zipvl-batch",
            dependencies: [
                "EmbeddedModel", "Jobs", "LongVA", "Runner", "SparsePrefill", "Torch",
                "VideoFrames", argumentParser,
            ],
            swiftSettings: settings),
        .executableTarget(
            name: "zipvl-bench",
            dependencies: [
                "EmbeddedModel", "LongVA", "Plotting", "SparsePrefill", "Torch", argumentParser,
            ],
            exclude: ["compare_transformers.py", "make_checkpoint.py"], swiftSettings: settings),
        .executableTarget(
            name: "zipvl-bench-io",
            dependencies: ["Jobs", "Schema", "VideoFrames", argumentParser],
            exclude: [
                "make_speed_videos.sh", "peer_readers.py", "peer_truth.py", "peers.py",
                "peers-requirements.txt", "peers-results.md",
            ],
            swiftSettings: settings),

        // Tests.
        // C++: the CUDA kernels compiled for the CPU.
        .target(name: "KernelEmulation", path: "Tests/KernelEmulation"),
        .target(
            name: "TestSupport", dependencies: ["KernelEmulation", "Torch"],
            path: "Tests/TestSupport", swiftSettings: settings),
        .target(
            name: "QueueTestSupport", dependencies: ["CPostgres"], path: "Tests/QueueTestSupport",
            swiftSettings: settings),
        .testTarget(
            name: "TorchTests", dependencies: ["TestSupport", "Torch"], swiftSettings: settings),
        .testTarget(
            name: "EmbeddedModelTests", dependencies: ["EmbeddedModel"], swiftSettings: settings),
        .testTarget(
            name: "SparsePrefillTests", dependencies: ["SparsePrefill", "TestSupport", "Torch"],
            swiftSettings: settings),
        .testTarget(
            name: "LongVATests",
            dependencies: ["LongVA", "SparsePrefill", "TestSupport", "Torch", "zipvl-bench"],
            swiftSettings: settings),
        .testTarget(
            name: "VideoFramesTests",
            dependencies: ["CFFmpeg", "VideoFrames", "zipvl-bench-io", argumentParser],
            exclude: ["Fixtures", "make_resize_fixtures.py"], swiftSettings: settings),
        .executableTarget(
            name: "storm-worker", dependencies: ["Jobs", "Runner", "VideoFrames", crypto],
            path: "Tests/StormWorker", swiftSettings: settings),
        .testTarget(
            name: "JobsTests",
            dependencies: ["Jobs", "QueueTestSupport", "Schema", "storm-worker", grdb],
            swiftSettings: settings),
        .testTarget(
            name: "RunnerTests",
            dependencies: [
                "Jobs", "LongVA", "Plotting", "Runner", "SparsePrefill", "Torch", "VideoFrames",
                "storm-worker", crypto, grdb,
            ],
            swiftSettings: settings),
        .testTarget(
            name: "ReliabilityTests",
            dependencies: [
                "Jobs", "QueueTestSupport", "Schema", "storm-worker", "zipvl-batch", crypto, grdb,
            ],
            exclude: ["README.md", "shims", "slurm"], swiftSettings: settings),
        .testTarget(
            name: "CommandTests",
            dependencies: ["Jobs", "QueueTestSupport", "TestSupport", "zipvl-batch", grdb, yams],
            swiftSettings: settings),
    ]
)
