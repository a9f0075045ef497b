import Jobs
import LongVA
import SparsePrefill
import Testing

@testable import Runner

@Suite struct EvaluationPlanTests {
    private func plan(
        _ specs: [String], _ outside: [AnalysisRequest.Key: String] = [:], _ frames: [Int] = [8]
    ) throws -> EvaluationPlan {
        try EvaluationPlan(specs: specs, outside: outside, frames: frames, on: .cpu)
    }

    @Test func `full always runs, and without methods zipvl beside it`() throws {
        #expect(try plan([]).methods.map(\.label) == ["full", "zipvl"])
        #expect(try plan(["zipvl:tau=0.9"]).methods.map(\.label) == ["full", "zipvl:tau=0.9"])
        #expect(try plan(["zipvl", "full"]).methods.map(\.label) == ["zipvl", "full"])
    }

    @Test func `a spec's options are the flags', numbers with a comma included`() throws {
        let method = try plan(["zipvl:tau=0.9,probes=32,16,seed=3"]).methods[1]
        #expect(method.options.prefill.tau == 0.9)
        #expect(method.options.prefill.probesRecent == 32)
        #expect(method.options.prefill.probesRandom == 16)
        #expect(method.options.prefill.seed == 3)
        #expect(method.options.frames == 8)
    }

    @Test func `outside options go to the methods that take them, a spec's own go before`() throws {
        let methods = try plan(
            ["zipvl", "zipvl:tau=0.9"], [.tau: "0.5", .maxNewTokens: "4", .dtype: "bfloat16"]
        ).methods
        #expect(methods.map(\.options.prefill.tau) == [0.975, 0.5, 0.9])
        #expect(methods.map(\.options.maxNewTokens) == [4, 4, 4])
        #expect(methods.allSatisfy { $0.options.dtype == .bfloat16 })
    }

    @Test func `what is stored names the outside flags that a method takes, the table does not`()
        throws
    {
        let plan = try plan(
            ["zipvl:tau=0.9", "fixed"],
            [
                .tau: "0.5", .ratio: "0.3", .probes: "8,8", .seed: "3", .dtype: "bfloat16",
                .model: "/m", .kv: "zipcache",
            ])
        #expect(plan.methods.map(\.label) == ["full", "zipvl:tau=0.9", "fixed"])
        #expect(
            plan.methods.map(\.record.label) == [
                "full:dtype=bfloat16,seed=3,kv=zipcache",
                "zipvl:tau=0.9,dtype=bfloat16,seed=3,probes=8,8,kv=zipcache",
                "fixed:dtype=bfloat16,seed=3,probes=8,8,ratio=0.3,kv=zipcache",
            ])
        #expect(try self.plan(["zipvl:tau=0.9"]).methods[1].record.label == "zipvl:tau=0.9")
    }

    @Test func `spaces around the marks do not count, those inside a path do`() throws {
        #expect(
            MethodSpec.label(" zipvl : tau = 0.9, probes = 8 , 8 ") == "zipvl:tau=0.9,probes=8,8")
        let spec = try MethodSpec("minference: minference-config = /a dir/my heads.json")
        #expect(spec.label == "minference:minference-config=/a dir/my heads.json")
        // The file is not there, and not looked for.
        #expect(spec.settings.last?.text == "/a dir/my heads.json")
    }

    @Test func `every method runs at every number of frames`() throws {
        let methods = try plan(["zipvl"], [:], [8, 16, 8]).methods
        #expect(
            methods.map { "\($0.label) \($0.frames)" } == [
                "full 8", "zipvl 8", "full 16", "zipvl 16",
            ])
    }

    @Test(arguments: [
        (["fullest"], "fullest: --method: expected one of"),
        (["zipvl:tau=2"], "zipvl:tau=2: tau must be in (0, 1]"),
        (["zipvl:tauu=0.5"], "no option `tauu`"), (["zipvl:method=full"], "no option `method`"),
        (["zipvl:frames=3"], "--frames; give it outside the method"), (["full:tau=0.5"], "--tau"),
        (["zipvl:tau=0.5,tau=0.6"], "given twice"), (["zipvl:tau"], "expected name=value"),
        (["zipvl", "zipvl:tau=0.975"], "is the same as zipvl"),
        (["zipvl:max_new_tokens=3"], "no option `max_new_tokens`"),
    ])
    func `what makes no sense is refused`(specs: [String], message: String) throws {
        let error = #expect(throws: AnalysisError.self) { try plan(specs) }
        #expect(try #require(error).description.contains(message), "\(error?.description ?? "")")
    }

    @Test func `an outside option that no method takes is refused`() throws {
        #expect(throws: AnalysisError.self) { try plan(["full"], [.tau: "0.5"]) }
        for specs in [[], ["full"], ["fixed"]] {
            let error = #expect(throws: AnalysisError.self) { try plan(specs, [.tau: "7"]) }
            #expect(try #require(error).description.hasPrefix("tau must be in (0, 1]"))
        }
    }
}
