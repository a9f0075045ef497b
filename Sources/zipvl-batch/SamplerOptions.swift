import ArgumentParser
import Runner
import VideoFrames

/// With what videos are decoded here.
struct DecodingOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Parts of a video that are decoded at a time (default: 0, one on each core and at most 8). Several workers on one machine should take 1.",
            valueName: "n"))
    var decodeThreads: Int?

    @Option(
        help: ArgumentHelp(
            "What decodes: the processor; a GPU if there is one; a GPU, with a warning for each file that it cannot decode (default: none).",
            valueName: "decoder"))
    var hwaccel: HardwareDecoding?

    func validate() throws {
        if let decodeThreads, !(0...1024).contains(decodeThreads) {
            throw ValidationError("--decode-threads \(decodeThreads): expected 0 to 1024")
        }
    }

    var choice: DecodingChoice {
        DecodingChoice(threads: decodeThreads ?? 0, hardware: hwaccel ?? .none)
    }
}

/// How videos become frames here: no answer depends on it.
struct SamplerOptions: ParsableArguments {
    @OptionGroup var decoding: DecodingOptions

    @Option(
        help: ArgumentHelp(
            "Most that kept frames may take on the disk, the least recently used going first (default: 4).",
            valueName: "GiB"))
    var cacheSize: Double?

    func validate() throws {
        guard let cacheSize else { return }
        guard cacheSize > 0, cacheSize <= 0x1p20 else {
            throw ValidationError(
                "--cache-size \(cacheSize): expected more than 0 GiB, at most \(1 << 20)")
        }
    }

    /// Refuses a size of what is off.
    func check(noCache: Bool) throws {
        if noCache, cacheSize != nil {
            throw ValidationError("--cache-size has no effect with --no-cache; leave it out")
        }
    }

    /// - Returns: `nil` where no frames are to be kept
    func cache(isOff: Bool) -> FrameCache? {
        let limit = cacheSize.map { Int64($0 * 0x1p30) }
        return SamplerLaunch.cache(isOff: isOff, limit: limit ?? FrameCache.standardLimit)
    }
}

extension HardwareDecoding: ExpressibleByArgument {}
extension SamplingMode: ExpressibleByArgument {}
