import ArgumentParser
import Foundation
import Jobs
import Runner

struct LaunchCommand: AsyncParsableCommand {
    enum Scheduler: String, ExpressibleByArgument, CaseIterable { case slurm, kubernetes, systemd }

    static let configuration = CommandConfiguration(
        commandName: "launch",
        abstract: "Print a script, manifest or units that start workers; nothing is started.",
        discussion: """
            The scheduler gives machines and GPUs; which job comes next is the queue's business. Arguments \
            after -- go to every worker's `work`: launch slurm --workers 8 -- --halt soon,fail=10%
            """)

    @OptionGroup(title: "Global options") var global: GlobalOptions

    @Argument(help: "slurm, kubernetes or systemd.")
    var scheduler: Scheduler

    @Argument(
        parsing: .postTerminator,
        help: ArgumentHelp("Further arguments of `work`.", valueName: "argument"))
    var arguments: [String] = []

    @Option(help: ArgumentHelp("Workers to start.", valueName: "n"))
    var workers = 1

    @Option(help: ArgumentHelp("GPUs of each worker; 0 runs on the CPU.", valueName: "n"))
    var gpusPerWorker = 1

    @Option(help: ArgumentHelp("How long a worker may run, such as 6h.", valueName: "time"))
    var time: DurationArgument?

    @Option(
        help: ArgumentHelp(
            "How long the job in hand may go on when the time is up (default: 4m).",
            valueName: "time"))
    var grace: DurationArgument?

    @Option(
        help: ArgumentHelp(
            "Nothing is claimed after this time of day (systemd: 06:00).", valueName: "HH:MM"))
    var until: String?

    @Option(help: ArgumentHelp("systemd: when it starts every day.", valueName: "HH:MM"))
    var at: String?

    @Option(help: ArgumentHelp("systemd: job file that is enqueued first.", valueName: "file.yaml"))
    var job: String?

    @Option(help: ArgumentHelp("Workers claim only jobs of this model.", valueName: "dir"))
    var model: String?

    @Option(help: ArgumentHelp("Name of the job or the units.", valueName: "name"))
    var name = "zipvl-batch"

    @Option(
        help: ArgumentHelp(
            "This program there (default: this one; zipvl-batch in a container).", valueName: "file"
        ))
    var executable: String?

    @Option(help: ArgumentHelp("Kubernetes: image of the container.", valueName: "image"))
    var image: String?

    @Option(help: ArgumentHelp("Slurm: partition.", valueName: "name"))
    var partition: String?

    @Option(help: ArgumentHelp("Slurm: account.", valueName: "name"))
    var account: String?

    @Option(
        help: ArgumentHelp("Write the files into this folder instead.", valueName: "dir"))
    var out: String?

    func validate() throws {
        guard (1...1000).contains(workers) else {
            throw ValidationError("--workers \(workers): expected 1 to 1000")
        }
        guard (0...64).contains(gpusPerWorker) else {
            throw ValidationError("--gpus-per-worker \(gpusPerWorker): expected 0 to 64")
        }
        for (flag, text) in [("--until", until), ("--at", at)] {
            if let text, !Self.isTimeOfDay(text) {
                throw ValidationError("\(flag) \(text): expected HH:MM")
            }
        }
        let letters = "abcdefghijklmnopqrstuvwxyz0123456789-"
        guard !name.isEmpty, name.count <= 50, name.allSatisfy(letters.contains),
            !name.hasPrefix("-"), !name.hasSuffix("-")
        else {
            throw ValidationError(
                "--name \(name): expected small letters, digits and hyphens between them")
        }
        for (flag, word) in [("--partition", partition), ("--account", account)] {
            if let word, word.isEmpty || word.contains(where: { $0.isWhitespace }) {
                throw ValidationError("\(flag) \(word): expected one word")
            }
        }
        try checkScheduler()
    }

    /// Flags that only another scheduler knows.
    private func checkScheduler() throws {
        let others: [(String, Bool, Scheduler)] = [
            ("--at", at != nil, .systemd), ("--job", job != nil, .systemd),
            ("--image", image != nil, .kubernetes), ("--partition", partition != nil, .slurm),
            ("--account", account != nil, .slurm),
        ]
        if let (flag, _, owner) = others.first(where: { $0.1 && $0.2 != scheduler }) {
            throw ValidationError("\(flag) has no effect with \(scheduler): it is for \(owner)")
        }
        if scheduler == .systemd, gpusPerWorker > 1 {
            throw ValidationError(
                "--gpus-per-worker \(gpusPerWorker): units have one GPU each; one worker uses one GPU"
            )
        }
        guard case .sqlite(let path) = try? global.location else { return }
        let reason: String? =
            switch scheduler {
            case .kubernetes: "pods run on any machine"
            case .slurm: workers > 1 ? "\(workers) tasks may run on several machines" : nil
            case .systemd: nil
            }
        if let reason {
            throw ValidationError(
                "--queue \(path): \(reason), and an SQLite file is for the processes of one; name a "
                    + "server with --queue postgresql://USER@HOST/DATABASE (move --from \(path) --to "
                    + "postgresql://… takes the jobs there)")
        }
    }

    private static func isTimeOfDay(_ text: String) -> Bool {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ $0.count == 2 }), let hour = Int(parts[0]),
            let minute = Int(parts[1])
        else { return false }
        return (0..<24).contains(hour) && (0..<60).contains(minute)
    }

    func run() async throws {
        let plan = try plan()
        let texts =
            [plan.queueText, plan.executable, plan.image, plan.folder, plan.model, plan.job]
            .compactMap(\.self) + plan.arguments
        if let text = texts.first(where: Printable.needsEscapes) {
            throw ValidationError("\(Printable.line(text)): holds a control character")
        }
        var files: [LaunchPlan.File]
        switch scheduler {
        case .slurm: files = [.init(name: "\(name).sbatch", text: SlurmScript.text(plan))]
        case .kubernetes: files = [.init(name: "\(name).yaml", text: KubernetesManifest.text(plan))]
        case .systemd: files = SystemdUnits.files(plan)
        }
        if let out { return try write(files, to: out, plan) }
        if files.count == 1 { return print(files[0].text, terminator: "") }
        print(SystemdUnits.advice(plan))
        for file in files { print("\n# \(file.name)\n\(file.text)", terminator: "") }
    }

    private func write(_ files: [LaunchPlan.File], to folder: String, _ plan: LaunchPlan) throws {
        for file in files {
            let path = folder + "/" + file.name
            do {
                try FileManager.default.createDirectory(
                    atPath: folder, withIntermediateDirectories: true)
                try Data(file.text.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
            } catch {
                throw OutputError(description: "\(path): cannot be written: \(error)")
            }
            global.say("\(path) written")
        }
        if scheduler == .systemd { global.say(SystemdUnits.advice(plan)) }
    }

    private func plan() throws -> LaunchPlan {
        func absolute(_ path: String) -> String {
            URL(fileURLWithPath: path).standardizedFileURL.path
        }
        var location = try global.location
        if case .sqlite(let path) = location { location = .sqlite(path: absolute(path)) }
        var plan = LaunchPlan(queue: location)
        plan.workers = workers
        plan.gpusPerWorker = gpusPerWorker
        plan.time = time?.duration
        if let grace { plan.grace = grace.duration }
        plan.until = until ?? (scheduler == .systemd ? "06:00" : nil)
        if let at { plan.at = at }
        plan.job = job.map(absolute)
        plan.model = model.map { $0 == "embedded" ? $0 : absolute($0) }
        plan.name = name
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
        plan.executable =
            executable ?? (scheduler == .kubernetes ? nil : own) ?? "zipvl-batch"
        if let image { plan.image = image }
        plan.partition = partition
        plan.account = account
        plan.arguments = arguments
        return plan
    }
}
