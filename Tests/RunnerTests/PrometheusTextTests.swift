import Foundation
import Glibc
import Jobs
import Synchronization
import Testing

@testable import Runner

@Suite(.timeLimit(.minutes(10))) struct PrometheusTextTests {
    struct Sample: Equatable {
        var name: String
        var labels: [String: String]
        var value: Double
    }

    struct Broken: Error, CustomStringConvertible {
        var description: String
    }

    /// Reads the text by the grammar of the exposition format, version 0.0.4, as strictly as promtool: HELP
    /// and TYPE before a family's samples, each family in one piece, no sample twice, names and labels of
    /// their alphabets, only the three escapes, a histogram with cumulative buckets up to +Inf, counters that
    /// end in `_total`.
    static func parse(_ text: String) throws -> (samples: [Sample], types: [String: String]) {
        guard text.hasSuffix("\n") else { throw Broken(description: "no end of line") }
        var samples: [Sample] = []
        var types: [String: String] = [:]
        var helped: Set<String> = []
        var ended: Set<String> = []
        var current = ""
        for line in text.dropLast().split(separator: "\n", omittingEmptySubsequences: false) {
            func broken(_ what: String) -> Broken { Broken(description: "\(what): \(line)") }
            if let match = line.wholeMatch(of: /# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) ([^\\]*)/) {
                let name = String(match.1)
                guard helped.insert(name).inserted else { throw broken("HELP twice") }
                if !current.isEmpty { ended.insert(current) }
                current = name
            } else if let match = line.wholeMatch(
                of: /# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram)/)
            {
                let name = String(match.1)
                guard name == current, types[name] == nil else { throw broken("TYPE out of place") }
                types[name] = String(match.2)
                if match.2 == "counter", !name.hasSuffix("_total") { throw broken("no _total") }
            } else {
                let sample = try self.sample(line)
                guard let type = types[current], !ended.contains(current) else {
                    throw broken("sample without TYPE")
                }
                let suffixes = type == "histogram" ? ["_bucket", "_sum", "_count"] : [""]
                guard suffixes.contains(where: { current + $0 == sample.name }) else {
                    throw broken("sample of another family than \(current)")
                }
                let isNew = !samples.contains {
                    $0.name == sample.name && $0.labels == sample.labels
                }
                guard isNew else { throw broken("twice") }
                samples.append(sample)
            }
        }
        for (name, type) in types where type == "histogram" {
            let buckets = samples.filter { $0.name == name + "_bucket" }
            let count = samples.first { $0.name == name + "_count" }?.value
            guard buckets.last?.labels["le"] == "+Inf", buckets.last?.value == count,
                zip(buckets, buckets.dropFirst()).allSatisfy({ $0.value <= $1.value }),
                samples.contains(where: { $0.name == name + "_sum" })
            else { throw Broken(description: "\(name) is no histogram") }
        }
        return (samples, types)
    }

    private static func sample(_ line: Substring) throws -> Sample {
        func broken(_ what: String) -> Broken { Broken(description: "\(what): \(line)") }
        guard let start = line.prefixMatch(of: /[a-zA-Z_:][a-zA-Z0-9_:]*/) else {
            throw broken("no name")
        }
        var rest = line[start.range.upperBound...]
        var labels: [String: String] = [:]
        if rest.first == "{" {
            rest = rest.dropFirst()
            while rest.first != "}" {
                guard
                    let match = rest.prefixMatch(
                        of: /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"(,?)/)
                else { throw broken("no label") }
                let value = String(match.2).replacing(/\\(.)/) { escape in
                    escape.1 == "n" ? "\n" : String(escape.1)
                }
                guard labels.updateValue(value, forKey: String(match.1)) == nil else {
                    throw broken("label twice")
                }
                rest = rest[match.range.upperBound...]
                guard match.3 == "," || rest.first == "}" else { throw broken("no comma") }
            }
            rest = rest.dropFirst()
        }
        guard rest.first == " ",
            let value = Double(rest.dropFirst().replacing("Inf", with: "infinity"))
        else { throw broken("no value, or a time stamp") }
        return Sample(name: String(start.0), labels: labels, value: value)
    }

    private static var metrics: QueueMetrics {
        var metrics = QueueMetrics()
        metrics.jobs = [
            .init(queue: "default", state: .queued, count: 7),
            .init(queue: "b\\a\"c\nd", state: .failed, count: 2),
        ]
        metrics.attempts = ["succeeded": 5, "lease_lost": 1, "failed": 2]
        metrics.rescued = 3
        metrics.durationBuckets[0] = 2
        metrics.durationBuckets[4] = 1
        metrics.durationBuckets[11] = 2
        metrics.durationSumSeconds = 8123.25
        metrics.attnFLOPsDense = 1.5e18
        metrics.attnFLOPsUsed = 6e17
        metrics.peakDeviceBytes = 12_345_678_901
        metrics.oldestQueuedSeconds = 12.5
        metrics.lastSuccess = Date(timeIntervalSince1970: 1_790_000_000)
        metrics.workersUp = 2
        metrics.logBytes = 4096
        return metrics
    }

    @Test func `the text is the exposition format and says what the queue says`() throws {
        let worker = PrometheusText.Worker(
            name: "host-1", device: "cuda:0", isUp: true, busySeconds: 0.25)
        let text = PrometheusText.render(Self.metrics, worker: worker)
        let (samples, types) = try Self.parse(text)
        func value(_ name: String, _ labels: [String: String] = [:]) -> Double? {
            samples.first { $0.name == "zipvl_batch_" + name && $0.labels == labels }?.value
        }
        #expect(value("jobs", ["state": "queued", "queue": "default"]) == 7)
        #expect(value("jobs", ["state": "failed", "queue": "b\\a\"c\nd"]) == 2)
        #expect(value("jobs", ["state": "held", "queue": "default"]) == 0)
        #expect(value("attempts_total", ["outcome": "succeeded"]) == 5)
        #expect(value("lease_lost_total") == 1)
        #expect(value("rescued_total") == 3)
        #expect(value("job_duration_seconds_bucket", ["le": "1"]) == 2)
        #expect(value("job_duration_seconds_bucket", ["le": "30"]) == 3)
        #expect(value("job_duration_seconds_bucket", ["le": "3600"]) == 3)
        #expect(value("job_duration_seconds_bucket", ["le": "+Inf"]) == 5)
        #expect(value("job_duration_seconds_sum") == 8123.25)
        #expect(value("attention_flops_dense_total") == 1.5e18)
        #expect(value("attention_flops_used_total") == 6e17)
        #expect(value("peak_device_bytes") == 12_345_678_901)
        #expect(value("oldest_queued_seconds") == 12.5)
        #expect(value("last_success_timestamp_seconds") == 1_790_000_000)
        #expect(value("wal_bytes") == 4096)
        let labels = ["worker": "host-1", "device": "cuda:0"]
        #expect(value("worker_up", labels) == 1)
        #expect(value("db_busy_seconds_total", labels) == 0.25)
        #expect(types["zipvl_batch_job_duration_seconds"] == "histogram")
    }

    @Test func `an empty queue has a text, too, and what is not known is left out`() throws {
        let (samples, _) = try Self.parse(PrometheusText.render(QueueMetrics()))
        let names = Set(samples.map(\.name))
        #expect(names.contains("zipvl_batch_jobs"))
        for name in ["peak_device_bytes", "wal_bytes", "last_success_timestamp_seconds"] {
            #expect(!names.contains("zipvl_batch_" + name))
        }
    }

    @Test(arguments: [
        "zipvl_x 1", "# TYPE a gauge\na 1", "# HELP a b\n# TYPE a gauge\na 1\na 2\n",
        "# HELP a b\n# TYPE a gauge\na{l=\"x\\t\"} 1\n", "# HELP a b\n# TYPE a gauge\na 1 2\n",
        "# HELP a b\n# TYPE a counter\na 1\n", "# HELP a b\n# TYPE a gauge\na{l=\"x} 1\n",
    ])
    func `the test's parser refuses what is none`(_ text: String) {
        #expect(throws: Broken.self) { _ = try Self.parse(text) }
    }

    @Test func `promtool agrees, where there is one`() throws {
        let path = ["/usr/bin/promtool", "/usr/local/bin/promtool"].first {
            FileManager.default.isExecutableFile(atPath: $0)
        }
        guard let path else {
            print("promtool is not installed: the grammar is checked by this suite's parser only")
            return
        }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = ["check", "metrics"]
        let pipe = Pipe()
        process.standardInput = pipe
        try process.run()
        let worker = PrometheusText.Worker(
            name: "h", device: "cpu", isUp: true, busySeconds: 0)
        try pipe.fileHandleForWriting.write(
            contentsOf: Data(PrometheusText.render(Self.metrics, worker: worker).utf8))
        try pipe.fileHandleForWriting.close()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
    }

    @Test
    func `a worker writes the file whole, readable for all, and says at the end that it is down`()
        async throws
    {
        let fixture = try QueueFixture()
        defer { fixture.remove() }
        try await fixture.enqueue(3)
        let path = fixture.folder.path + "/zipvl.prom"
        var options = RunnerOptions.quick
        options.metricsFile = path
        let during = Mutex<[String]>([])
        let engine = StubEngine(answer: { _, input in
            while !FileManager.default.fileExists(atPath: path) {
                try await Task.sleep(for: .milliseconds(1))
            }
            let text = try String(contentsOfFile: path, encoding: .utf8)
            during.withLock { $0.append(text) }
            return input
        })
        let old = umask(0o077)
        defer { umask(old) }
        _ = try await runner(fixture.queue, engine, options).run()
        for text in during.withLock({ $0 }) {
            let (samples, _) = try Self.parse(text)
            #expect(samples.contains { $0.name == "zipvl_batch_worker_up" && $0.value == 1 })
        }
        let (samples, _) = try Self.parse(try String(contentsOfFile: path, encoding: .utf8))
        #expect(samples.contains { $0.name == "zipvl_batch_worker_up" && $0.value == 0 })
        let done = samples.first {
            $0.name == "zipvl_batch_jobs" && $0.labels["state"] == "succeeded"
        }
        #expect(done?.value == 3)
        var facts = stat()
        #expect(stat(path, &facts) == 0 && facts.st_mode & 0o777 == 0o644)
        let names = try FileManager.default.contentsOfDirectory(atPath: fixture.folder.path)
        #expect(!names.contains { $0.hasSuffix(".tmp") })
    }
}
