import Foundation
package import Jobs

/// One answered job as a report needs it: a row of the view `results`, and what the video is.
package struct ReportAnswer: Sendable {
    package var jobID: JobID
    package var batch: String
    package var customID: String?
    package var video: String
    /// Tells videos apart whatever their paths: `videos.content_id`, or the path where that is not known.
    package var contentID: String
    package var question: String
    package var answer: String
    package var choice: String?
    package var expected: String?
    package var correct: Bool?
    package var model: String
    /// "zipvl:tau=0.9, 64 frames"
    package var method: String
    package var optionsJSON: String
    package var framesUsed: Double?
    package var keptTokenRatioMean: Double?
    package var attnFLOPsDense, attnFLOPsUsed, llmFLOPsDense, llmFLOPsUsed: Double
    package var attnFLOPsSavedPctPaper: Double?
    package var kvBytesDense, kvBytesUsed: Double
    package var peakHostMiB, peakDeviceMiB: Double?
    package var decodeMS, visionMS, prefillMS, generateMS: Double?
    package var totalMS: Double
    package var warnings: [String]
    package var attemptsMade: Int

    package static func answers(
        _ rows: [ResultRow], videos: [JobID: VideoRecord]
    ) -> [ReportAnswer] {
        // Thousands of answers have a handful of options.
        var labels: [String: String] = [:]
        return rows.map { row in
            var video: VideoRecord?
            if case .integer(let job) = row["job_id"] { video = videos[job] }
            var answer = ReportAnswer(row, video: video)
            let label =
                labels[answer.optionsJSON] ?? methodLabel(answer.optionsJSON) ?? answer.method
            labels[answer.optionsJSON] = label
            answer.method = label
            return answer
        }
    }

    /// - Returns: `nil` for options that this version does not know
    private static func methodLabel(_ optionsJSON: String) -> String? {
        (try? AnalysisOptions(json: optionsJSON)).map {
            "\($0.methodLabel), \($0.frames) frames"
        }
    }

    /// Columns that are missing or of another type count as unknown, never as an error.
    package init(_ row: ResultRow, video record: VideoRecord?) {
        let values = Dictionary(
            row.columns.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
        func text(_ column: String) -> String? {
            switch values[column] {
            case .text(let text): text
            case .integer(let number): "\(number)"
            case .real(let number): "\(number)"
            case .null, nil: nil
            }
        }
        func number(_ column: String) -> Double? {
            switch values[column] {
            case .integer(let number): Double(number)
            case .real(let number): number.isFinite ? number : nil
            case .text, .null, nil: nil
            }
        }
        func integer(_ column: String) -> Int64 {
            if case .integer(let number) = values[column] { number } else { 0 }
        }
        jobID = integer("job_id")
        batch = text("batch") ?? ""
        customID = text("custom_id")
        video = text("video") ?? ""
        contentID = record?.contentID ?? video
        question = text("question") ?? ""
        answer = text("answer") ?? ""
        choice = text("choice")
        expected = text("expected")
        correct = number("correct").map { $0 != 0 }
        model = text("model") ?? ""
        optionsJSON = text("options_json") ?? "{}"
        method = text("method") ?? ""
        framesUsed = number("frames_used")
        keptTokenRatioMean = number("kept_token_ratio_mean")
        attnFLOPsDense = number("attn_flops_dense") ?? 0
        attnFLOPsUsed = number("attn_flops_used") ?? 0
        attnFLOPsSavedPctPaper = number("attn_flops_saved_pct_paper")
        llmFLOPsDense = number("llm_flops_dense") ?? 0
        llmFLOPsUsed = number("llm_flops_used") ?? 0
        kvBytesDense = number("kv_cache_bytes_dense") ?? 0
        kvBytesUsed = number("kv_cache_bytes_used") ?? 0
        peakHostMiB = number("peak_host_mib")
        peakDeviceMiB = number("peak_device_mib")
        decodeMS = number("decode_video_ms")
        visionMS = number("vision_ms")
        prefillMS = number("prefill_ms")
        generateMS = number("generate_ms")
        totalMS = number("total_ms") ?? 0
        warnings = Self.warnings(text("warnings"))
        attemptsMade = Int(integer("attempts_made"))
    }

    private static func warnings(_ text: String?) -> [String] {
        guard let text, !text.isEmpty else { return [] }
        if let list = try? JSONDecoder().decode([String].self, from: Data(text.utf8)) {
            return list
        }
        return [text]
    }

    /// Percent; `nil` where there was nothing to save.
    package var attnSavedPct: Double? { Self.saved(attnFLOPsUsed, of: attnFLOPsDense) }
    package var llmSavedPct: Double? { Self.saved(llmFLOPsUsed, of: llmFLOPsDense) }
    package var kvSavedPct: Double? { Self.saved(kvBytesUsed, of: kvBytesDense) }

    static func saved(_ used: Double, of dense: Double) -> Double? {
        dense > 0 ? 100 * (1 - used / dense) : nil
    }

    /// What a comparison pairs answers by.
    struct Key: Hashable {
        var contentID: String
        var question: String
    }

    var key: Key { Key(contentID: contentID, question: question) }
}
