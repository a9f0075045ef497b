import Foundation
import Testing

@testable import Jobs

/// The back ends that must obey the rules of the queue, one and all.
enum BackendUnderTest: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case memory = "memory"
    case sqliteWAL = "SQLite with a write-ahead log"

    var testDescription: String { rawValue }

    /// Those that can run here.
    static let all: [BackendUnderTest] = allCases

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

    func open() async throws -> QueueUnderTest {
        switch self {
        case .memory: try QueueUnderTest.memory()
        case .sqliteWAL: try QueueUnderTest.sqlite()
        }
    }
}
