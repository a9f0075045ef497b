import Foundation

extension MemoryQueue {
    package func results(_ selection: JobSelection, limit: Int?) async throws -> [ResultRow] {
        read { tables, _ in
            let rows = tables.selected(selection).compactMap(tables.result)
            return Array(rows.prefix(limit.map { max($0, 0) } ?? .max))
        }
    }
}

extension MemoryTables {
    /// The row of the view `results`.
    fileprivate func result(of job: MemoryJob) -> ResultRow? {
        guard let stored = answers[job.id], let config = configs[job.config],
            let worker = attempts[stored.attempt].flatMap({ workers[$0.worker] })
        else { return nil }
        let answer = stored.answer
        let options = OptionValues(config.optionsJSON)
        let mebibyte = 1_048_576.0
        return ResultRow(columns: [
            ("job_id", .integer(job.id)), ("batch", .init(batches[job.batch]?.spec.name)),
            ("custom_id", .init(job.item.customID)), ("video", .init(videos[job.video]?.path)),
            ("question", .text(job.item.question)), ("answer", .text(answer.answer)),
            ("choice", .init(answer.choice)), ("expected", .init(job.item.expected)),
            ("correct", .init(answer.correct.map { $0 ? 1 : 0 })),
            ("model", .text(config.model)), ("method", options["method"]),
            ("tau", options["tau"]), ("ffn", options["ffn"]), ("kv", options["kv"]),
            ("premerge", options["premerge"]), ("frames_used", .init(answer.framesUsed)),
            ("visual_tokens", .init(answer.visualTokens)),
            ("prompt_tokens", .init(answer.promptTokens)),
            ("output_tokens", .init(answer.outputTokens)),
            ("kept_token_ratio_mean", .init(answer.keptTokenRatioMean)),
            ("attn_flops_dense", .real(answer.attnFLOPsDense)),
            ("attn_flops_used", .real(answer.attnFLOPsUsed)),
            (
                "attn_flops_saved_pct",
                .init(saved(answer.attnFLOPsUsed, of: answer.attnFLOPsDense))
            ),
            ("attn_flops_saved_pct_paper", .init(answer.attnFLOPsSavedPctPaper)),
            ("llm_flops_dense", .real(answer.llmFLOPsDense)),
            ("llm_flops_used", .real(answer.llmFLOPsUsed)),
            ("kv_cache_bytes_dense", .integer(answer.kvCacheBytesDense)),
            ("kv_cache_bytes_used", .integer(answer.kvCacheBytesUsed)),
            (
                "kv_cache_saved_pct",
                .init(saved(Double(answer.kvCacheBytesUsed), of: Double(answer.kvCacheBytesDense)))
            ),
            ("peak_host_mib", .real(Double(answer.peakHostBytes) / mebibyte)),
            ("peak_device_mib", .init(answer.peakDeviceBytes.map { Double($0) / mebibyte })),
            ("decode_video_ms", .init(answer.decodeVideoMS)),
            ("vision_ms", .init(answer.visionMS)), ("prefill_ms", .init(answer.prefillMS)),
            ("generate_ms", .init(answer.generateMS)), ("total_ms", .real(answer.totalMS)),
            (
                "warnings",
                answer.warnings.isEmpty ? .null : .text(answer.warnings.joined(separator: "; "))
            ),
            ("finished_at", .init(job.finishedAt.map(MemoryTime.text))),
            ("host", .text(worker.info.host)), ("device", .text(worker.info.device)),
            ("attempts_made", .init(job.attemptsMade)), ("options_json", .text(config.optionsJSON)),
            ("sampling", options["sampling"]),
            ("substituted_frames", .init(JSONText.encode(answer.substitutedFrames))),
        ])
    }
}

/// Percent.
private func saved(_ used: Double, of dense: Double) -> Double? {
    dense > 0 ? 100 * (1 - used / dense) : nil
}

extension ResultRow.Value {
    fileprivate init(_ text: String?) { self = text.map(Self.text) ?? .null }
    fileprivate init(_ number: Int?) { self = number.map { .integer(Int64($0)) } ?? .null }
    fileprivate init(_ number: Double?) { self = number.map(Self.real) ?? .null }
}

/// Options of a config by name.
private struct OptionValues {
    private enum Option: Decodable {
        case known(ResultRow.Value)

        init(from decoder: any Decoder) throws {
            let value = try decoder.singleValueContainer()
            if value.decodeNil() {
                self = .known(.null)
            } else if let flag = try? value.decode(Bool.self) {
                self = .known(.integer(flag ? 1 : 0))
            } else if let number = try? value.decode(Int64.self) {
                self = .known(.integer(number))
            } else if let number = try? value.decode(Double.self) {
                self = .known(.real(number))
            } else {
                self = .known((try? value.decode(String.self)).map(ResultRow.Value.text) ?? .null)
            }
        }
    }

    private var options: [String: Option]

    init(_ json: String) {
        let decoder = JSONDecoder()
        options = (try? decoder.decode([String: Option].self, from: Data(json.utf8))) ?? [:]
    }

    subscript(name: String) -> ResultRow.Value {
        guard case .known(let value)? = options[name] else { return .null }
        return value
    }
}
