import Foundation
import Jobs
import Testing
import Yams

@testable import zipvl_batch

/// What `launch` prints, read by the programs that it is for.
@Suite struct LaunchTests {
    private static let server = "postgresql://night@db.example/queue?sslmode=require"

    /// Runs a program; `nil` when it is not installed.
    private static func check(_ program: String, _ arguments: [String]) throws -> (Int32, String)? {
        guard
            let path = ["/usr/bin/", "/bin/"].map({ $0 + program })
                .first(where: { FileManager.default.isExecutableFile(atPath: $0) })
        else { return nil }
        let process = Process()
        // Signals that a thread of this process blocks are blocked in what it starts: a shell would
        // wait for its child for ever.
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments =
            [
                "python3", "-c",
                """
                import os, signal, sys
                signal.pthread_sigmask(signal.SIG_SETMASK, [])
                os.execv(sys.argv[1], sys.argv[1:])
                """, path,
            ] + arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let data = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: data, as: UTF8.self))
    }

    private static func options(_ script: String) -> [String] {
        script.split(separator: "\n").filter { $0.hasPrefix("#SBATCH ") }
            .map { String($0.dropFirst(8)) }
    }

    @Test(arguments: [1, 8], [0, 1, 4])
    func `a Slurm script is a shell script that becomes the worker`(
        _ workers: Int, _ gpus: Int
    ) throws {
        let fixture = try CommandFixture()
        defer { fixture.remove() }
        let ending = try fixture.run([
            "--queue", Self.server, "launch", "slurm", "--workers", "\(workers)",
            "--gpus-per-worker", "\(gpus)", "--time", "30h", "--grace", "5m", "--partition",
            "night",
            "--", "--halt", "soon,fail=10%",
        ])
        #expect(ending.code == 0, "\(ending.errors)")
        let path = try fixture.write(ending.output, "job.sbatch")
        let (code, said) = try #require(try Self.check("bash", ["-n", path]))
        #expect(code == 0, "\(said)")
        let options = Self.options(ending.output)
        #expect(options.contains("--time=1-06:00:00"))
        #expect(options.contains("--partition=night"))
        #expect(options.contains("--requeue"))
        // The grace and a minute before the end.
        #expect(options.contains("--signal=B:TERM@360"))
        #expect(options.contains("--array=0-7") == (workers == 8))
        #expect(options.contains("--gres=gpu:\(gpus)") == (gpus > 0))
        let last = ending.output.split(separator: "\n").last ?? ""
        #expect(last.hasPrefix("exec ") && last.contains(" work --drain "))
        #expect(last.contains("--grace 300s"))
        #expect(last.hasSuffix(" --halt 'soon,fail=10%'"))
        #expect(last.contains(["--device cpu", "--device cuda:0", "", "", "--gpus all"][gpus]))
        #expect(ending.output.contains("export ZIPVL_QUEUE='\(Self.server)'"))
    }

    @Test func `words that a shell would read otherwise arrive as they are`() throws {
        let fixture = try CommandFixture()
        defer { fixture.remove() }
        let words = ["a b", "it's", "$HOME", "`id`", "\"x\"", "", "%n", "a;b", "*", "é", "--x=1"]
        let script = "printf '%s\\n' " + Quoting.shell(words)
        let (code, said) = try #require(try Self.check("bash", ["-c", script]))
        #expect(code == 0)
        #expect(
            said.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(
                String.init) == words)
    }

    @Test func `passwords are in no script`() throws {
        for (url, expected) in [
            ("postgresql://u:p@h/d", "postgresql://u@h/d"),
            ("postgresql://u:p@h/d?password=x&a=b", "postgresql://u@h/d?a=b"),
            ("postgresql://h/d?password=x", "postgresql://h/d"),
            ("postgresql://u:p?p@h/d", "postgresql://u@h/d"),
            ("postgresql://u:a%40b@h:5/d", "postgresql://u@h:5/d"),
            ("postgresql://h:5/d", "postgresql://h:5/d"),
            ("postgresql://u@h/d?options=-c%20x", "postgresql://u@h/d?options=-c%20x"),
        ] {
            #expect(QueueLocation.withoutPassword(url) == expected)
            var plan = LaunchPlan(queue: .postgres(url: url))
            plan.job = "/j.yaml"
            let texts =
                [SlurmScript.text(plan), KubernetesManifest.text(plan)]
                + SystemdUnits.files(plan).map(\.text)
            for text in texts { #expect(!text.contains("p@h") && !text.contains("password=x")) }
        }
    }

    @Test func `systemd takes the units`() throws {
        let fixture = try CommandFixture()
        defer { fixture.remove() }
        let ending = try fixture.run([
            "--queue", "queue 100%.db", "launch", "systemd", "--workers", "2", "--out", "units",
            "--job", "my jobs/nightly.yaml", "--at", "21:30", "--until", "05:45", "--model",
            "the $model", "--time", "8h",
        ])
        #expect(ending.code == 0, "\(ending.errors)")
        #expect(ending.output.contains("enable --now zipvl-batch@0.timer zipvl-batch@1.timer"))
        let folder = fixture.folder.path + "/units/"
        func text(_ name: String) throws -> String {
            try String(contentsOfFile: folder + name, encoding: .utf8)
        }
        let service = try text("zipvl-batch@.service")
        #expect(
            service.contains("Environment=\"ZIPVL_QUEUE=\(fixture.folder.path)/queue 100%%.db\""))
        #expect(service.contains("--device cuda:%i"))
        #expect(service.contains("--until 05:45"))
        #expect(service.contains("/the $$model\""))
        #expect(service.contains("SuccessExitStatus=3 5"))
        #expect(service.contains("RestartPreventExitStatus=2 76 78"))
        #expect(try text("zipvl-batch@.timer").contains("OnCalendar=*-*-* 21:30"))
        let names = ["zipvl-batch@.service", "zipvl-batch@.timer", "zipvl-batch-enqueue.service"]
        guard
            let (code, said) = try Self.check(
                "systemd-analyze", ["verify"] + names.map { folder + $0 })
        else { return print("systemd-analyze is not installed: the units were not verified") }
        // It looks at the machine's other units, too.
        let ours = said.split(separator: "\n").filter { $0.contains("zipvl-batch") }
        #expect(code == 0 && ours.isEmpty, "\(said)")
    }

    @Test func `a Kubernetes manifest has the fields of a Job whose pods are workers`() throws {
        let fixture = try CommandFixture()
        defer { fixture.remove() }
        let ending = try fixture.run([
            "--queue", Self.server, "launch", "kubernetes", "--workers", "3", "--time", "6h",
            "--image", "registry.example/zipvl-batch:1", "--grace", "4m", "--", "--halt",
            "now,fail=3",
        ])
        #expect(ending.code == 0, "\(ending.errors)")
        let root = try #require(try Yams.load(yaml: ending.output) as? [String: Any])
        func at(_ path: String, of root: Any) -> Any? {
            path.split(separator: ".").reduce(root as Any?) { value, key in
                if let index = Int(key) { return (value as? [Any])?[index] }
                return (value as? [String: Any])?[String(key)]
            }
        }
        #expect(root["apiVersion"] as? String == "batch/v1")
        #expect(root["kind"] as? String == "Job")
        #expect(at("spec.parallelism", of: root) as? Int == 3)
        #expect(at("spec.completions", of: root) == nil)
        #expect(at("spec.template.spec.restartPolicy", of: root) as? String == "Never")
        #expect(at("spec.template.spec.terminationGracePeriodSeconds", of: root) as? Int == 300)
        #expect(
            at("spec.podFailurePolicy.rules.0.onExitCodes.values", of: root) as? [Int] == [
                2, 76, 78,
            ])
        let container = try #require(at("spec.template.spec.containers.0", of: root))
        #expect(at("image", of: container) as? String == "registry.example/zipvl-batch:1")
        #expect(at("env.0.value", of: container) as? String == Self.server)
        let limits = try #require(at("resources.limits", of: container) as? [String: Any])
        #expect(limits["nvidia.com/gpu"] as? Int == 1)
        let script = try #require(at("args.0", of: container) as? String)
        #expect(script.contains("zipvl-batch work --drain --progress plain --device cuda:0"))
        #expect(script.contains("--max-time 21600s"))
        let (code, said) = try #require(try Self.check("sh", ["-n", "-c", script]))
        #expect(code == 0, "\(said)")
    }

    @Test(arguments: [(0, 0), (3, 0), (5, 0), (1, 1), (76, 76)])
    func `a pod's shell passes on what its worker ends with, and 3 and 5 are no failures`(
        _ code: Int32, _ expected: Int32
    ) throws {
        let script = KubernetesManifest.wrapper(["sh", "-c", "exit \(code)"])
        #expect(try Self.check("sh", ["-c", script])?.0 == expected)
    }

    @Test func `a pod's shell passes SIGTERM on and waits for its worker`() throws {
        let worker = "trap 'sleep 0.2; exit 5' TERM; while :; do sleep 0.05; done"
        let script =
            KubernetesManifest.wrapper(["sh", "-c", worker])
            .replacing(
                "wait \"$child\"\ncode=$?\nwhile",
                with: "sleep 0.3; kill -TERM $$\nwait \"$child\"\ncode=$?\nwhile")
        #expect(script.contains("kill -TERM $$"))
        #expect(try Self.check("sh", ["-c", script])?.0 == 0)
    }

    @Test func `a file for several machines is refused, and the message names PostgreSQL`() throws {
        let fixture = try CommandFixture()
        defer { fixture.remove() }
        for arguments in [["slurm", "--workers", "2"], ["kubernetes"]] {
            let ending = try fixture.run(["--queue", "night.db", "launch"] + arguments)
            #expect(ending.code == 2)
            #expect(ending.errors.contains("night.db") && ending.errors.contains("postgresql://"))
            #expect(ending.output.isEmpty)
        }
        #expect(try fixture.run(["--queue", "night.db", "launch", "slurm"]).code == 0)
    }
}
