import Foundation

/// Paths in a job file: relative to its folder, with `{today}`, `{yesterday}` and `{env:NAME}`.
struct JobFilePaths {
    let folder: URL
    let environment: [String: String]
    let now: Date

    init(file: String, environment: [String: String], now: Date) {
        folder = URL(fileURLWithPath: file).deletingLastPathComponent()
        self.environment = environment
        self.now = now
    }

    func expand(_ field: JobFileField) throws(JobFileError) -> String {
        var rest = try field.text()[...]
        var path = ""
        while let open = rest.firstIndex(of: "{") {
            path += rest[..<open]
            guard let close = rest[open...].firstIndex(of: "}") else {
                throw field.error("`\(rest[open...])` has no closing brace")
            }
            let name = String(rest[rest.index(after: open)..<close])
            guard let value = value(of: name) else {
                throw field.error(
                    "`{\(name)}` is not known here; known: {today}, {yesterday}, and {env:NAME} of a "
                        + "variable that is set")
            }
            path += value
            rest = rest[rest.index(after: close)...]
        }
        return absolute(path + rest)
    }

    /// A model is named `embedded` or by its directory.
    func model(_ text: String) -> String { text == "embedded" ? text : absolute(text) }

    func absolute(_ path: String) -> String {
        URL(fileURLWithPath: path, relativeTo: folder).standardizedFileURL.path
    }

    private func value(of name: String) -> String? {
        switch name {
        case "today": Self.day(now)
        case "yesterday":
            Calendar.current.date(byAdding: .day, value: -1, to: now).map(Self.day)
        default: name.hasPrefix("env:") ? environment[String(name.dropFirst(4))] : nil
        }
    }

    /// 2026-01-31
    private static func day(_ date: Date) -> String {
        let parts = Calendar.current.dateComponents([.year, .month, .day], from: date)
        func padded(_ number: Int?, _ width: Int) -> String {
            let digits = String(number ?? 0)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        return padded(parts.year, 4) + "-" + padded(parts.month, 2) + "-" + padded(parts.day, 2)
    }
}
