/// Which frames a sampling asks for, and which it decodes for them.
struct FrameChoice {
    /// Ranks asked for, one a row, ascending.
    var requested: [Int]
    /// Ranks to decode, one a row, ascending. They differ from `requested` only in the `keyframe` mode.
    var shown: [Int]
    /// What everybody who sees the frames must know.
    var warnings: [String] = []
}

extension OpenVideo {
    /// Chooses the frames of `count` rows.
    func choose(_ count: Int, _ mode: SamplingMode) throws(VideoError) -> FrameChoice {
        switch mode {
        case .exact:
            let uniform = try chooseByIndex(count)
            return FrameChoice(requested: uniform, shown: uniform)
        case .time:
            let shown = try chooseByTime(count)
            return FrameChoice(requested: shown, shown: shown)
        case .keyframe:
            return try chooseKeyFrames(count)
        }
    }

    func chooseByIndex(_ count: Int) throws(VideoError) -> [Int] {
        try locate { FrameSampler.uniformIndices(total: $0, count: count) }
    }
}
