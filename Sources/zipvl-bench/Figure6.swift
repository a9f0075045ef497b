import ArgumentParser
import FoundationEssentials
import Plotting

/// ZipVL's Figure 6 on this machine: latency and peak memory of the prefill against the prompt's length, for full
/// attention, MInference and ZipVL, as a table and a picture.
struct Figure6: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "figure6",
        abstract: "Prefill latency and peak memory against length: a table and a plot.")

    @OptionGroup var sizes: DecoderOptions
    @OptionGroup var machine: BenchMachine

    @Option(help: "Prompt lengths in tokens, separated by commas.")
    var tokens: String = "9256,18472,36864,73728,131072"

    @Option(help: "Methods of `prefill`, separated by commas.")
    var methods: String = "full,minference,zipvl"

    @Option(help: "Share of the tokens that zipvl keeps, by planted columns.")
    var plantRatio: Double = 0.421

    @Option(help: "as-is, fp8, separated by commas.")
    var weights: String = "as-is"

    @Option(help: "Measured runs, after one to warm up.")
    var runs: Int = 3

    @Option(help: "File for the table.")
    var table: String = "figure6.md"

    @Option(help: "File for the plot.")
    var plot: String = "figure6.svg"

    /// What is read of `prefill`'s lines.
    struct Line: Decodable {
        let benchmark: String
        let method: String?
        let weights: String?
        let tokens: Int
        let device_name: String?
        let torch: String?
        let shape: String?
        let prefill_ms_median: Double?
        let peak_memory_mib: Int?
        let kept_token_ratio_mean: Double?

        var name: String {
            (method ?? "") + (weights.map { $0 == "as-is" ? "" : " \($0)" } ?? "")
        }
    }

    func run() throws {
        var arguments =
            ["prefill"] + sizes.arguments + [
                "--tokens", tokens, "--methods", methods, "--weights", weights,
                "--plant-ratio", "\(plantRatio)", "--runs", "\(runs)", "--memory", "--no-check",
                "--device", machine.device, "--seed", "\(machine.seed)",
            ]
        if let torch = machine.torch { arguments += ["--torch", torch] }
        let lines = try OwnProcess.lines(arguments).map {
            try JSONDecoder().decode(Line.self, from: $0)
        }.filter { $0.benchmark == "prefill" }
        try Data(Self.table(lines).utf8).write(to: URL(fileURLWithPath: table))
        try Data(Self.figure(lines).svg.utf8).write(to: URL(fileURLWithPath: plot))
        print(Self.table(lines), terminator: "")
    }

    private static func names(_ lines: [Line]) -> [String] {
        lines.reduce(into: []) { if !$0.contains($1.name) { $0.append($1.name) } }
    }

    /// Markdown: a row for each length, and for each method milliseconds, times as fast as full, and peak.
    static func table(_ lines: [Line]) -> String {
        let names = names(lines)
        let lengths = lines.reduce(into: [Int]()) {
            if !$0.contains($1.tokens) { $0.append($1.tokens) }
        }
        var rows = [
            "| tokens |" + names.map { " \($0): ms | times as fast | peak GiB |" }.joined(),
            "|---:|" + names.map { _ in "---:|---:|---:|" }.joined(),
        ]
        for length in lengths {
            func line(_ name: String) -> Line? {
                lines.first { $0.tokens == length && $0.name == name }
            }
            let full = line("full")?.prefill_ms_median
            let cells = names.map { name -> String in
                guard let line = line(name), let time = line.prefill_ms_median else {
                    return " – | – | – |"
                }
                let ratio = full.map { decimal($0 / time, 2) } ?? "–"
                let peak = line.peak_memory_mib.map { decimal(Double($0) / 1024, 1) } ?? "–"
                return " \(decimal(time, 1)) | \(ratio) | \(peak) |"
            }
            rows.append("| \(length) |" + cells.joined())
        }
        return rows.joined(separator: "\n") + "\n"
    }

    static func figure(_ lines: [Line]) -> LineFigure {
        func series(_ value: (Line) -> Double?) -> [LineFigure.Series] {
            names(lines).map { name in
                LineFigure.Series(
                    name: name,
                    points: lines.filter { $0.name == name }.compactMap { line in
                        value(line).map { .init(x: Double(line.tokens) / 1000, y: $0) }
                    })
            }
        }
        let first = lines.first
        let kept = lines.first { $0.method == "zipvl" }?.kept_token_ratio_mean
        let caption = [
            first?.shape, first?.device_name, first?.torch.map { "PyTorch \($0)" },
            kept.map { "zipvl keeps \(decimal($0, 3)) of the tokens" },
        ].compactMap { $0 }.joined(separator: ", ")
        return LineFigure(
            title: "Prefill against length", caption: caption,
            panels: [
                .init(
                    xTitle: "thousand tokens", yTitle: "seconds",
                    series: series { $0.prefill_ms_median.map { $0 / 1000 } }),
                .init(
                    xTitle: "thousand tokens", yTitle: "peak memory, GiB",
                    series: series { $0.peak_memory_mib.map { Double($0) / 1024 } }),
            ])
    }

    /// A number with so many decimals.
    private static func decimal(_ value: Double, _ places: Int) -> String {
        let scale = (0..<places).reduce(1.0) { power, _ in power * 10 }
        let whole = Int((abs(value) * scale).rounded())
        let digits = String(whole % Int(scale))
        let fraction = String(repeating: "0", count: places - digits.count) + digits
        return (value < 0 ? "-" : "") + "\(whole / Int(scale)).\(fraction)"
    }
}
