import Foundation
import Testing

@testable import Jobs

/// The back ends that must obey the rules of the queue, one and all.
enum BackendUnderTest: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case memory = "memory"
    case sqliteWAL = "SQLite with a write-ahead log"
    case sqliteRollback = "SQLite with a rollback journal"
    case postgres = "PostgreSQL"

    var testDescription: String { rawValue }

    /// Those that can run here.
    static let all: [BackendUnderTest] = allCases.filter { backend in
        guard backend == .postgres, let reason = QueueUnderTest.postgresIsMissing else {
            return true
        }
        print("The rules are not tested on PostgreSQL: \(reason)")
        return false
    }

    /// Those that keep evaluations. The one in memory does not.
    static let stores = all.filter { $0 != .memory }

    /// Those whose rows can be moved.
    static let transferable = all.filter { $0 != .memory }

    /// Runs `body` on an empty queue of its own.
    func run(_ body: (QueueUnderTest) async throws -> Void) async throws {
        let test = try await open()
        do {
            try await body(test)
        } catch {
            try? await test.close()
            throw error
        }
        try await test.close()
    }

    func runStore(_ body: (any EvaluationStore) async throws -> Void) async throws {
        try await run { try await body(#require($0.queue as? any EvaluationStore)) }
    }

    private func open() async throws -> QueueUnderTest {
        switch self {
        case .memory: try QueueUnderTest.memory()
        case .sqliteWAL: try QueueUnderTest.sqlite()
        case .sqliteRollback: try QueueUnderTest.sqlite { $0.journal = .rollback }
        case .postgres: try QueueUnderTest.postgres()
        }
    }
}
