import Jobs
import Runner

/// The settings that one call enqueues under: one, or one for each method that a job file lists.
struct Configurations {
    var model: ModelReference
    var options: [AnalysisOptions] = []

    /// - Parameter flags: go before the file's settings, a method before the file's methods
    /// - Throws: `AnalysisError`, `JobFileError` when there is a file, and what `ModelReference` throws
    init(
        _ flags: AnalysisRequest, _ file: JobFile?, on device: AnalysisOptions.DeviceKind
    ) throws {
        let isOneMethod = flags.texts[.method] != nil
        let requests =
            try file?.requests(eachMethod: !isOneMethod) ?? [(AnalysisRequest(), nil)]
        for (request, line) in requests {
            do {
                options.append(try AnalysisOptions(flags.filled(from: request), on: device))
            } catch {
                throw file.map { JobFileError($0.path, line, "\(error)") } ?? error
            }
        }
        model = try ModelReference(flags.filled(from: requests[0].request).model)
    }

    var records: [ConfigRecord] { options.map(model.configuration) }
}

/// What a batch remembers of how it was asked for.
struct BatchDescription: Encodable {
    var options: [String]
    var model: String
    var questions: [String]

    init(_ configurations: Configurations, _ questions: [String]) {
        options = configurations.options.map(\.json)
        model = configurations.model.name
        self.questions = questions
    }
}

extension JobFile {
    /// The settings under `analysis:`, once for each method, with the method's line.
    fileprivate func requests(
        eachMethod: Bool
    ) throws -> [(request: AnalysisRequest, line: Int?)] {
        var shared = AnalysisRequest()
        for setting in analysis {
            if ["cache_size", "decode_threads", "hwaccel"].contains(setting.key) {
                throw JobFileError(
                    path, setting.line,
                    "`\(setting.key)` changes no answer and belongs to the worker: "
                        + "work --\(setting.key.replacing("_", with: "-"))")
            }
            guard let key = AnalysisRequest.Key(rawValue: setting.key) else {
                let known = AnalysisRequest.Key.allCases.map(\.rawValue) + ["methods"]
                throw JobFileError(
                    path, setting.line,
                    "unknown key `\(setting.key)` in `analysis`; known: "
                        + known.joined(separator: ", "))
            }
            do { try shared.set(key, to: setting.value) } catch {
                throw JobFileError(path, setting.line, "\(error)")
            }
        }
        guard eachMethod, !methods.isEmpty else { return [(shared, nil)] }
        return try methods.map { method in
            do {
                var own = AnalysisRequest()
                for setting in try MethodSpec(method.value).settings {
                    try own.set(
                        setting.key,
                        to: setting.key == .minference ? absolute(setting.text) : setting.text)
                }
                return (own.filled(from: shared), method.line)
            } catch {
                throw JobFileError(path, method.line, "\(error)")
            }
        }
    }
}
