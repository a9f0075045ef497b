import Foundation
import QueueTestSupport
import Testing

@testable import Jobs

extension Reliability {
    /// A call that may take a quarter of an hour, whose link is cut.
    @Suite(.serialized, .enabled(if: PostgresServer.isAvailable, "\(PostgresServer.reason)"))
    struct CutEnqueueTests {
        @Test(
            .enabled(if: Reliability.isFull, "takes half a minute: ZIPVL_SOAK=1"),
            .timeLimit(.minutes(10)))
        func `an enqueue whose link is cut ends long before its limit and leaves nothing behind`()
            async throws
        {
            guard let network = try NetworkNamespaces() else {
                return Reliability.skip("cut enqueue", "network namespaces need root and iproute2")
            }
            let server = try await network.server()
            defer { try? server.stop("immediate") }
            let location = server.url(database: "postgres")
            let queue = try QueueLocation(location).open()
            let folder = try TestFolder()
            // Somebody else enqueues, and takes long: an advisory lock of class `zipvl`, 1.
            let holder = try Child(
                "/usr/bin/env",
                [
                    "psql", location, "-c",
                    """
                    BEGIN; SELECT pg_advisory_xact_lock(\(PostgresSchema.lockClass), 1);
                    SELECT pg_sleep(100)
                    """,
                ], output: folder.file("holder"))
            defer { holder.signal(SIGKILL) }
            func locks(granted: Bool) throws -> String {
                try psql(
                    location,
                    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' "
                        + "AND objid = 1 AND granted = \(granted)")
            }
            try await eventually("somebody else enqueues") { try locks(granted: true) == "1" }
            let url = "postgresql://postgres@\(network.address)/postgres"
            let words =
                try NetworkNamespaces.prefix(network.far)
                + [builtProgram("storm-worker"), "fill", url, "cut", "100"]
            let enqueue = try Child(
                words[0], Array(words.dropFirst()), output: folder.file("enqueue"))
            try await eventually("the enqueue waits for the server") {
                try locks(granted: false) == "1"
            }
            network.cut()
            let cut = ContinuousClock.now
            let ending = try await enqueue.ended(within: .seconds(90))
            print("an enqueue ended with \(ending) \(ContinuousClock.now - cut) after the cut")
            #expect(ending != .code(0))
            #expect(ContinuousClock.now - cut < .seconds(60))
            network.mend()
            try psql(
                location,
                "SELECT pg_terminate_backend(pid) FROM pg_locks "
                    + "WHERE locktype = 'advisory' AND objid = 1 AND granted")
            try await eventually("the server has let go of it") {
                try locks(granted: false) == "0" && locks(granted: true) == "0"
            }
            #expect(try await queue.remaining(JobSelection()) == 0)
        }
    }
}
