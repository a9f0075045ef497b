#!/usr/bin/env bash
# The tests of the sampler and 1000 damaged files under ThreadSanitizer and AddressSanitizer (with its leak check). Some
# ten minutes.
#   jobs/sanitize.sh [thread] [address]
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
swift=${SWIFT:-swift}
kinds=("$@")
[ ${#kinds[@]} -gt 0 ] || kinds=(thread address)
# Small enough to be read by an instrumented program.
variant=130x98/97/17
corpus=$root/.cache/edge-videos-130x98-97-17

# A package of the sampler alone: the whole one takes several times as long to build.
make_package() {
    local folder=$1 target
    mkdir -p "$folder/Sources" "$folder/Tests"
    for target in Sources/{CFFmpeg,VideoFrames,zipvl-bench-io} Tests/{EdgeVideos,VideoFramesTests} .cache; do
        ln -sfn "$root/$target" "$folder/$target"
    done
    cat >"$folder/Package.swift" <<'MANIFEST'
// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]
let package = Package(
    name: "sampler",
    dependencies: [.package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")],
    targets: [
        .systemLibrary(
            name: "CFFmpeg", pkgConfig: "libavformat libavcodec libswscale libavutil"),
        .target(name: "VideoFrames", dependencies: ["CFFmpeg"], swiftSettings: settings),
        .executableTarget(
            name: "zipvl-bench-io",
            dependencies: [
                "VideoFrames", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings),
        .testTarget(
            name: "VideoFramesTests",
            dependencies: [
                "CFFmpeg", "VideoFrames", "zipvl-bench-io",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            exclude: ["Fixtures"], swiftSettings: settings),
    ]
)
MANIFEST
}

# The standard library's Mutex is a futex within an uninstrumented library: ThreadSanitizer sees no lock and calls what
# it guards a race. In a copy of the sources one made of a pthread mutex, which it knows, stands in for it.
put_mutex() {
    local target
    for target in Sources/VideoFrames Tests/VideoFramesTests; do
        rm -rf "${1:?}/$target"
        cp -a "$root/$target" "$1/$target"
        grep -rl 'import Synchronization' "$1/$target" | xargs sed -i 's/import Synchronization/import KnownMutex/'
    done
    mkdir -p "$1/Sources/KnownMutex"
    cat >"$1/Sources/KnownMutex/Mutex.swift" <<'SWIFT'
import Glibc

public struct Mutex<Value: ~Copyable>: ~Copyable, @unchecked Sendable {
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let value = UnsafeMutablePointer<Value>.allocate(capacity: 1)

    public init(_ initial: consuming sending Value) {
        pthread_mutex_init(lock, nil)
        value.initialize(to: initial)
    }

    deinit {
        value.deinitialize(count: 1)
        value.deallocate()
        pthread_mutex_destroy(lock)
        lock.deallocate()
    }

    public borrowing func withLock<Result: ~Copyable, Failure: Error>(
        _ body: (inout sending Value) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        return try body(&value.pointee)
    }
}
SWIFT
    sed -i -e 's/dependencies: \["CFFmpeg"\]/dependencies: ["CFFmpeg", "KnownMutex"]/' \
        -e 's/"CFFmpeg", "VideoFrames", "zipvl-bench-io",/"KnownMutex", &/' \
        -e 's/^    targets: \[/&\n        .target(name: "KnownMutex"),/' "$1/Package.swift"
}

# Times and sizes of an instrumented program say nothing; one test sends a child the signal that the sanitizer takes.
skipped='within 50 ms|LeakTests|FuzzTests|that is too long gives|A child that crashes costs'

run_sanitizer() {
    local kind=$1 folder=$root/.build-sanitize-$1 log
    log=$folder/log
    make_package "$folder"
    [ "$kind" != thread ] || put_mutex "$folder"
    cd "$folder"
    # What the test library and Foundation keep: a process's weak reference, the buffer of an empty file.
    printf 'leak:%s\n' libXCTest.so Foundation7Process readBytesFromFile >suppressions
    export LSAN_OPTIONS="suppressions=$folder/suppressions print_suppressions=0"
    $swift build --build-tests --sanitize="$kind"
    # Judged by what they print.
    {
        $swift test --skip-build --sanitize="$kind" --skip "$skipped" || true
        .build/debug/zipvl-bench-io fuzz "$corpus" --count 1000 --seed 3 --budget-ms 30000 --keep "$folder/kept" ||
            true
    } 2>&1 | tee "$log" | grep -E '✘|Test run with|"count"|SUMMARY: ' || true
    cd "$root"
    if grep -qE '(ERROR|WARNING): (Address|Leak|Thread)Sanitizer|✘ Test run' "$log" ||
        ! grep -qE '✔ Test run' "$log" || ! grep -qE '"crashes":0.*"hangs":0' "$log"; then
        echo "$kind sanitizer: not clean, see $log"
        return 1
    fi
    echo "$kind sanitizer: clean"
}

# Makes the small corpus where it is missing.
[ -d "$corpus" ] || python3 Tests/EdgeVideos/make_edge_videos.py "$corpus" --size "${variant%%/*}" --frames 97 --gop 17

result=0
for kind in "${kinds[@]}"; do
    case $kind in
    thread | address) run_sanitizer "$kind" || result=1 ;;
    *) echo "expected thread or address, found $kind"; exit 2 ;;
    esac
done
exit $result
