import Jobs

/// What `launch` is to start, for whichever scheduler.
struct LaunchPlan: Sendable, Equatable {
    var workers = 1
    /// 0 runs on the CPU.
    var gpusPerWorker = 1
    /// How long an allocation lasts; `nil`: no limit of its own.
    var time: Duration?
    /// How long a job in hand may go on after a signal.
    var grace: Duration = .seconds(240)
    var queue: QueueLocation
    /// Local time after which nothing is claimed, `06:00`.
    var until: String?
    /// Local time at which it starts every day, `22:00`; systemd only.
    var at = "22:00"
    var name = "zipvl-batch"
    var executable = "zipvl-batch"
    var folder: String?
    var model: String?
    /// Job file that is enqueued first; systemd only.
    var job: String?
    /// Kubernetes only.
    var image = "zipvl-batch"
    var partition: String?
    var account: String?
    /// Further arguments of `work`.
    var arguments: [String] = []

    init(queue: QueueLocation) { self.queue = queue }

    /// One file of several that belong together.
    struct File: Equatable {
        var name: String
        var text: String
    }

    /// `work` with its arguments, without the program's name.
    ///
    /// - Parameter device: `nil` for all GPUs that the scheduler gave
    func workArguments(device: String?) -> [String] {
        var words = ["work", "--drain", "--progress", "plain"]
        words += device.map { ["--device", $0] } ?? ["--gpus", "all"]
        if let until { words += ["--until", until] }
        if let model { words += ["--model", model] }
        return words + ["--grace", "\(grace.components.seconds)s"] + arguments
    }

    /// The URL without its password, or the path: what is written into a script that others can read.
    var queueText: String {
        switch queue {
        case .sqlite(let path): path
        case .postgres(let url): QueueLocation.withoutPassword(url)
        }
    }

    var hasPassword: Bool {
        if case .postgres(let url) = queue {
            QueueLocation.withoutPassword(url) != url
        } else {
            false
        }
    }
}

/// Words for programs that split them again.
enum Quoting {
    /// For a POSIX shell.
    static func shell(_ word: String) -> String {
        let plain = word.utf8.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                || "-_./:=,@+".utf8.contains(byte)
        }
        if plain, !word.isEmpty { return word }
        return "'" + word.replacing("'", with: "'\\''") + "'"
    }

    static func shell(_ words: [String]) -> String {
        words.map(shell).joined(separator: " ")
    }

    /// For `ExecStart=` and `Environment=` of systemd.
    static func systemd(_ word: String, isCommand: Bool = false) -> String {
        var text = ""
        var needsQuotes = word.isEmpty
        for scalar in word.unicodeScalars {
            switch scalar {
            case "%": text += "%%"
            case "$" where isCommand: text += "$$"
            case "\"", "\\":
                text += "\\" + String(scalar)
                needsQuotes = true
            case " ", "\t", "'", ";":
                text.unicodeScalars.append(scalar)
                needsQuotes = true
            default: text.unicodeScalars.append(scalar)
            }
        }
        return needsQuotes ? "\"\(text)\"" : text
    }

    /// A scalar of YAML, which takes JSON's strings.
    static func yaml(_ text: String) -> String { JSONLine.string(text) }
}

extension Duration {
    /// `1-02:03:04` or `08:00:00`, as Slurm reads it.
    var slurmTime: String {
        let seconds = components.seconds
        func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let time =
            "\(two(seconds % 86400 / 3600)):\(two(seconds % 3600 / 60)):\(two(seconds % 60))"
        return seconds >= 86400 ? "\(seconds / 86400)-\(time)" : time
    }
}
