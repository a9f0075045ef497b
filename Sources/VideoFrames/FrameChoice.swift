/// Which frames a sampling asks for, and which it decodes for them.
struct FrameChoice {
    /// Ranks asked for, one a row, ascending.
    var requested: [Int]
    /// Ranks to decode, one a row, ascending. They differ from `requested` only in the `keyframe` mode.
    var shown: [Int]
}

extension OpenVideo {
    /// Chooses the frames of `count` rows.
    func choose(_ count: Int, _ mode: SamplingMode) throws(VideoError) -> FrameChoice {
        let uniform = try locate { FrameSampler.uniformIndices(total: $0, count: count) }
        return FrameChoice(requested: uniform, shown: uniform)
    }
}
