import Testing

extension Reliability {
    /// The power goes: of what was not synced, anything may be missing.
    @Suite(.serialized) struct PowerLossTests {
        @Test(
            .enabled(if: CompiledShim.compiler != nil, "\(CompiledShim.needsCompiler)"),
            .timeLimit(.minutes(60)))
        func `what was acknowledged before a power cut is there after it`() async throws {
            let seed = UInt64.random(in: 0 ... .max)
            let storm = try PowerLossStorm(seed: seed)
            for _ in 0..<Reliability.bound(10, full: 500) { try await storm.run(cuts: 3) }
            let findings = storm.findings
            print("power loss: \(findings), seed \(seed)")
            #expect(findings.faults == [])
            #expect(findings.lost == 0)
            #expect(findings.acknowledged > findings.images, "the workers came to nothing")
            #expect(findings.finished > 0)
        }

        /// Without `synchronous = FULL` the same storm must lose answers, else it proves nothing.
        @Test(
            .enabled(if: CompiledShim.compiler != nil, "\(CompiledShim.needsCompiler)"),
            .timeLimit(.minutes(10)))
        func `with synchronous NORMAL acknowledged answers are lost`() async throws {
            let storm = try PowerLossStorm(
                seed: .random(in: 0 ... .max), environment: ["ZIPVL_POWER_SYNCHRONOUS": "NORMAL"])
            for round in 0..<Reliability.bound(12, full: 20) {
                try await storm.run(cuts: 3)
                if !Reliability.isFull, round > 0, storm.findings.lost > 0 { break }
            }
            print("power loss with synchronous NORMAL: \(storm.findings)")
            #expect(storm.findings.lost > 0)
        }
    }
}
