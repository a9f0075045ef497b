import GRDB

extension JobSelection {
    /// A condition on `jobs j JOIN batches b` and its arguments; `1` for the empty selection.
    var condition: (sql: String, arguments: StatementArguments) {
        var parts: [String] = []
        var arguments = StatementArguments()
        if !ids.isEmpty {
            parts.append(
                "("
                    + ids.map { _ in "j.job_id BETWEEN ? AND ?" }.joined(separator: " OR ") + ")")
            for range in ids { arguments += [range.lowerBound, range.upperBound] }
        }
        if let batch {
            parts.append("b.name = ?")
            arguments += [batch]
        }
        if !states.isEmpty {
            parts.append("j.state IN (\(states.map { _ in "?" }.joined(separator: ", ")))")
            arguments += StatementArguments(states.map(\.rawValue))
        }
        if !errorClasses.isEmpty {
            let marks = errorClasses.map { _ in "?" }.joined(separator: ", ")
            parts.append("j.error_class IN (\(marks))")
            arguments += StatementArguments(errorClasses.map(\.rawValue))
        }
        if let customID {
            parts.append("j.custom_id = ?")
            arguments += [customID]
        }
        if let modelSHA256 {
            parts.append("j.config_id IN (SELECT config_id FROM configs WHERE model_sha256 = ?)")
            arguments += [modelSHA256]
        }
        if let endedSince {
            parts.append("j.finished_at_ms >= ?")
            arguments += [endedSince.milliseconds]
        }
        return (parts.isEmpty ? "1" : parts.joined(separator: " AND "), arguments)
    }

    /// Whether a person named this very job, not a range or filter that covers it.
    func names(_ job: JobID) -> Bool { ids.contains(job...job) }
}
