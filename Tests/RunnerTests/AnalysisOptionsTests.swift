import LongVA
import SparsePrefill
import Testing
import VideoFrames

@testable import Runner

@Suite struct AnalysisOptionsTests {
    @Test func `defaults are those of the design and are stored in full`() throws {
        let options = try AnalysisOptions(AnalysisRequest(), on: .cpu)
        #expect(
            options.json == """
                {"dense_below":0,"dtype":"float32","ffn":"all","frames":64,"kv":"discard",\
                "max_new_tokens":64,"method":"zipvl","premerge":"none","probes_random":64,\
                "probes_recent":64,"resize":"pillow","rows":"zero","sampling":"exact","seed":0,\
                "select_bucket":1,"tau":0.975}
                """)
    }

    @Test func `method full stores nothing that it does not use`() throws {
        var request = AnalysisRequest()
        request.method = .full
        #expect(
            try AnalysisOptions(request, on: .cpu).json == """
                {"dtype":"float32","ffn":"all","frames":64,"kv":"full","max_new_tokens":64,\
                "method":"full","premerge":"none","resize":"pillow","sampling":"exact","seed":0}
                """)
    }

    @Test func `on CUDA the element type and the bucket become what CUDA uses`() throws {
        let options = try AnalysisOptions(AnalysisRequest(), on: .cuda)
        #expect(options.dtype == .bfloat16)
        #expect(options.prefill.selectBucket == 256)
    }

    @Test func `the stored text gives the same options back`() throws {
        var request = AnalysisRequest()
        request.frames = 17
        request.resize = .swscale
        request.dtype = .bfloat16
        request.maxNewTokens = 5
        request.seed = .max
        request.tau = 0.1 + 0.2
        request.probes = ProbeCounts(recent: 3, random: 0)
        request.kv = .full
        request.denseBelow = 12
        request.selectBucket = 8
        let options = try AnalysisOptions(request, on: .cpu)
        let read = try AnalysisOptions(json: options.json)
        #expect(read == options)
        #expect(read.prefill.seed == .max)
        #expect(read.prefill.tau == 0.1 + 0.2)
    }

    @Test(arguments: ["tau", "probes", "dense_below", "select_bucket", "kv"])
    func `a setting that full ignores is refused by its flag's name`(_ name: String) throws {
        let key = try #require(AnalysisRequest.Key(rawValue: name))
        let values = ["tau": "0.9", "probes": "1,1", "kv": "discard"]
        var request = AnalysisRequest()
        request.method = .full
        try request.set(key, to: values[name] ?? "4")
        let error = #expect(throws: AnalysisError.self) {
            try AnalysisOptions(request, on: .cpu)
        }
        #expect(error?.description.contains(key.flag) == true)
    }

    @Test(arguments: [
        (AnalysisRequest.Key.tau, "0"), (.tau, "1.01"), (.tau, "nan"), (.frames, "0"),
        (.maxNewTokens, "0"), (.probes, "0,4"), (.denseBelow, "-1"), (.selectBucket, "0"),
    ])
    func `a value out of range is refused`(_ key: AnalysisRequest.Key, _ value: String) throws {
        var request = AnalysisRequest()
        try request.set(key, to: value)
        #expect(throws: AnalysisError.self) { try AnalysisOptions(request, on: .cpu) }
    }

    @Test(arguments: [
        (AnalysisRequest.Key.frames, "many"), (.method, "magic"), (.kv, "some"), (.tau, "high"),
        (.probes, "64"), (.seed, "-1"), (.dtype, "float16"), (.sampling, "random"),
    ])
    func `a text of the wrong kind is refused, with what was found`(
        _ key: AnalysisRequest.Key, _ value: String
    ) throws {
        var request = AnalysisRequest()
        let error = #expect(throws: AnalysisError.self) { try request.set(key, to: value) }
        #expect(error?.description.contains("`\(value)`") == true)
    }

    @Test func `what a person named wins over the job file`() throws {
        var flags = AnalysisRequest()
        flags.frames = 8
        var file = AnalysisRequest()
        file.frames = 32
        file.tau = 0.9
        let merged = flags.filled(from: file)
        #expect(merged.frames == 8)
        #expect(merged.tau == 0.9)
    }

    @Test func `options of another version are refused, not guessed`() {
        #expect(throws: AnalysisError.self) { try AnalysisOptions(json: "{}") }
        #expect(throws: AnalysisError.self) {
            try AnalysisOptions(
                json: """
                    {"dtype":"float32","ffn":"kept","frames":64,"kv":"full","max_new_tokens":64,\
                    "method":"full","premerge":"none","resize":"pillow","sampling":"exact","seed":0}
                    """)
        }
    }
}
