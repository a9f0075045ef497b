import ArgumentParser
import Jobs
import Runner

struct MetricsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "metrics", abstract: "Print the queue's figures in Prometheus' text format.",
        discussion: "work --metrics-file keeps a file of them for the node exporter.")

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func run() async throws {
        let metrics = try await global.readQueue().metrics()
        print(PrometheusText.render(metrics), terminator: "")
    }
}
