extension JobSelection {
    /// A condition on `jobs j JOIN batches b` and its arguments, numbered from `first`; `true` for the
    /// empty selection.
    func postgresCondition(
        from first: Int = 1
    ) -> (sql: String, arguments: PostgresSession.Arguments) {
        var parts: [String] = []
        var arguments: PostgresSession.Arguments = []
        func bind(_ value: any PostgresValue, _ type: String) -> String {
            arguments.append(value)
            return "$\(first + arguments.count - 1)::\(type)"
        }
        if !ids.isEmpty {
            let ranges = ids.map { range in
                "j.job_id BETWEEN \(bind(range.lowerBound, "bigint")) "
                    + "AND \(bind(range.upperBound, "bigint"))"
            }
            parts.append("(" + ranges.joined(separator: " OR ") + ")")
        }
        if let batch { parts.append("b.name = \(bind(batch, "text"))") }
        if !states.isEmpty {
            parts.append("j.state = ANY (\(bind(states.map(\.rawValue), "text[]")))")
        }
        if !errorClasses.isEmpty {
            let classes = bind(errorClasses.map(\.rawValue), "text[]")
            parts.append("j.error_class = ANY (\(classes))")
        }
        if let customID { parts.append("j.custom_id = \(bind(customID, "text"))") }
        if let modelSHA256 {
            parts.append(
                "j.config_id IN (SELECT config_id FROM configs "
                    + "WHERE model_sha256 = \(bind(modelSHA256, "text")))")
        }
        if let endedSince {
            parts.append("j.finished_at_ms >= \(bind(endedSince.milliseconds, "bigint"))")
        }
        return (parts.isEmpty ? "true" : parts.joined(separator: " AND "), arguments)
    }
}
