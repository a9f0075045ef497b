import Foundation
import Jobs
import LongVA
import SparsePrefill
import Testing
import VideoFrames

@testable import Runner

@Suite struct AnalysisOptionsTests {
    typealias Key = AnalysisRequest.Key

    private static func request(_ texts: [Key: String]) throws(AnalysisError) -> AnalysisRequest {
        var request = AnalysisRequest()
        for (key, text) in texts { try request.set(key, to: text) }
        return request
    }

    private static func options(_ texts: [Key: String]) throws(AnalysisError) -> AnalysisOptions {
        try AnalysisOptions(try request(texts), on: .cpu)
    }

    @Test func `defaults are those of the design and are stored in full`() throws {
        #expect(
            try Self.options([:]).json == """
                {"dense_below":0,"dense_layers":[],"dtype":"float32","ffn":"all","frames":64,\
                "kv":"discard","max_new_tokens":64,"method":"zipvl","norm":"exact","p_rule":"raw",\
                "premerge":"none","probe_rule":"random","probes_random":64,"probes_recent":64,\
                "resize":"pillow","retire_after":0,"rows":"zero","sampling":"exact","seed":0,\
                "select":"scores","select_bucket":1,"tau":0.975}
                """)
    }

    @Test(arguments: [
        (PrefillMethod.full, ""),
        (
            .fixed,
            "dense_below dense_layers norm probe_rule probes_random probes_recent ratio "
                + "retire_after rows select_bucket"
        ),
        (.fastv, "fastv_drop fastv_layer"), (.minference, "dense_layers minference_config"),
        (.qkSparse, "dense_layers norm probe_rule probes_random probes_recent qk_ratio"),
        (.hired, "hired_budget"),
    ])
    func `a method stores what it uses and no more`(
        _ method: PrefillMethod, _ names: String
    ) throws {
        let json = try Self.options([.method: method.rawValue]).json
        let object = try #require(
            try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
        let common = [
            "dtype", "ffn", "frames", "kv", "max_new_tokens", "method", "premerge", "resize",
            "sampling", "seed",
        ]
        #expect(
            object.keys.sorted() == (common + names.split(separator: " ").map(String.init)).sorted()
        )
        #expect(object["kv"] as? String == (method == .fixed ? "discard" : "full"))
        #expect(object["ffn"] as? String == "all")
    }

    @Test func `on CUDA the element type and the bucket become what CUDA uses`() throws {
        let options = try AnalysisOptions(AnalysisRequest(), on: .cuda)
        #expect(options.dtype == .bfloat16)
        #expect(options.prefill.selectBucket == 256)
        let fastv = try AnalysisOptions(try Self.request([.method: "fastv"]), on: .cuda)
        #expect(fastv.prefill == PrefillConfiguration(method: .fastv))
    }

    @Test func `tokens that skip the feed-forward layer retire after three layers, unless named`()
        throws
    {
        #expect(try Self.options([.ffn: "kept"]).prefill.retireAfter == 3)
        #expect(try Self.options([.ffn: "kept", .retireAfter: "0"]).prefill.retireAfter == 0)
        #expect(try Self.options([.retireAfter: "5"]).prefill.retireAfter == 5)
        #expect(try Self.options([.ffn: "all"]).prefill.retireAfter == 0)
    }

    @Test func `every parameter has a setting of its name`() {
        let known = Key.allCases.compactMap(\.parameter)
        #expect(known.count == PrefillConfiguration.Parameter.allCases.count)
        for key in Key.allCases {
            #expect(key.parameter.map { "--" + $0.rawValue == key.flag } ?? true)
        }
    }

    /// A value other than the default that is right wherever the parameter is used.
    private static let values: [Key: String] = [
        .tau: "0.9", .thresholdRule: "corrected", .select: "random", .norm: "zipcache",
        .probes: "3,0", .probeRule: "question", .ratio: "0.3", .qkRatio: "0.5",
        .selectBucket: "8", .rows: "keys", .ffn: "kept", .retireAfter: "2", .denseBelow: "12",
        .denseLayers: "3,0", .fastvLayer: "4", .fastvDrop: "0.75", .hiredBudget: "0.1",
        .premergeRate: "0.25", .zipcacheSalient: "0.7", .kvGuard: "0",
    ]

    @Test(arguments: PrefillConfiguration.Parameter.allCases, PrefillMethod.allCases)
    func `a flag is taken or refused by its name and the method's`(
        _ parameter: PrefillConfiguration.Parameter, _ method: PrefillMethod
    ) throws {
        let patterns = try PatternFile()
        defer { patterns.remove() }
        let key = try #require(Key.allCases.first { $0.parameter == parameter })
        let value = try #require(key == .minference ? patterns.path : Self.values[key])
        var base = PrefillConfiguration(method: method)
        let common: [Key: String] = [.method: method.rawValue, key: value]
        switch Result(catching: { () throws(AnalysisError) in try Self.options(common) }) {
        case .success(let options):
            #expect(parameter.isUsed(by: base))
            #expect(options.prefill != base)
            #expect(try AnalysisOptions(json: options.json) == options)
        case .failure(let error):
            #expect(!parameter.isUsed(by: base))
            #expect(error.description.hasPrefix("\(key.flag) has no effect with --"))
            let chooser = [.kvGuard: "kv", .zipcacheSalient: "kv", .premergeRate: "premerge"][
                parameter]
            if chooser == nil {
                #expect(error.description.contains("--method \(method.rawValue);"))
            }
        }
        // What does not hang on the method is taken with what it hangs on.
        let beside: [Key: String] =
            switch parameter {
            case .kvGuard, .zipcacheSalient: [.kv: "zipcache"]
            case .premergeRate: [.premerge: "evs"]
            default: [:]
            }
        guard !beside.isEmpty else { return }
        let options = try Self.options(common.merging(beside) { $1 })
        base = options.prefill
        #expect(parameter.isUsed(by: base))
    }

    @Test(arguments: PrefillMethod.allCases, KVRetention.allCases)
    func `a cache that needs chosen tokens is refused where none are chosen`(
        _ method: PrefillMethod, _ kv: KVRetention
    ) {
        let isPossible =
            kv == .full || kv == .zipcache || method == .zipvl || method == .fixed
        let result = Result { try Self.options([.method: method.rawValue, .kv: kv.rawValue]) }
        #expect((try? result.get().prefill.kv) == (isPossible ? kv : nil))
    }

    @Test(arguments: 0..<300)
    func `the stored text gives the same options back, whatever was chosen`(_ seed: Int) throws {
        let patterns = try PatternFile()
        defer { patterns.remove() }
        var draw = Draw(state: UInt64(seed))
        var texts: [Key: String] = [
            .method: draw.one(of: PrefillMethod.allCases.map(\.rawValue)),
            .premerge: draw.one(of: ["none", "evs"]), .seed: "\(draw.next())",
            .frames: "\(draw.next() % 500 + 1)", .resize: draw.one(of: ["pillow", "swscale"]),
            .dtype: draw.one(of: ["auto", "float32", "bfloat16"]),
            .maxNewTokens: "\(draw.next() % 99 + 1)",
            .sampling: draw.one(of: ["exact", "time", "keyframe"]),
        ]
        let chooses = ["zipvl", "fixed"].contains(texts[.method])
        texts[.kv] = draw.one(of: chooses ? KVRetention.allCases : [.full, .zipcache]).rawValue
        func share() -> String { "\(Double(draw.next() >> 11) / 0x1p53 * 0.99 + 1e-6)" }
        for key in Key.allCases {
            guard let parameter = key.parameter, draw.next() % 2 == 0 else { continue }
            let so = try Self.options(texts).prefill
            guard parameter.isUsed(by: so) else { continue }
            switch key {
            case .minference: texts[key] = patterns.path
            case .tau, .ratio, .qkRatio, .fastvDrop, .hiredBudget, .premergeRate, .zipcacheSalient:
                texts[key] = share()
            case .probes: texts[key] = "\(draw.next() % 99 + 1),\(draw.next() % 99)"
            case .denseLayers: texts[key] = "\(draw.next() % 30),\(draw.next() % 30)"
            case .rows: texts[key] = draw.one(of: RowRule.allCases).rawValue
            case .ffn where texts[.rows] != "keys":
                texts[key] = draw.one(of: FeedForwardRule.allCases).rawValue
            default: texts[key] = Self.values[key].flatMap { key == .ffn ? nil : $0 }
            }
        }
        let options = try Self.options(texts)
        let read = try AnalysisOptions(json: options.json)
        #expect(read == options)
        #expect(read.json == options.json)
        // The same settings in another order and other words are the same job.
        texts[.denseLayers] = texts[.denseLayers]?.split(separator: ",").reversed().joined(
            separator: ", ")
        #expect(try Self.options(texts).json == options.json)
    }

    @Test(
        arguments: [
            ([:], "zipvl"), ([.method: "fastv", .frames: "8", .seed: "4"], "fastv"),
            ([.rows: "keys", .tau: "0.96"], "zipvl:tau=0.96,rows=keys"),
            ([.probes: "64,0", .kv: "mixed"], "zipvl:probes-random=0,kv=mixed"),
            ([.ffn: "kept"], "zipvl:ffn=kept,retire-after=3"),
            ([.method: "full", .premerge: "evs"], "full:premerge=evs"),
        ] as [([Key: String], String)])
    func `a label names what is unusual in a method`(
        _ texts: [Key: String], _ label: String
    ) throws {
        #expect(try Self.options(texts).methodLabel == label)
    }

    @Test func `the cache changes no stored text but where it is off`() throws {
        let plain = try Self.options([:])
        #expect(try Self.options([.noCache: "false"]).json == plain.json)
        let off = try Self.options([.noCache: "true"])
        #expect(off.json != plain.json)
        #expect(off.methodLabel == plain.methodLabel)
        #expect(try AnalysisOptions(json: off.json) == off)
        #expect(try !AnalysisOptions(json: plain.json).noCache)
        #expect(throws: AnalysisError.self) { try MethodSpec("zipvl:no-cache=true") }
    }

    @Test func `the format of the weights is another job, and as-is the one that always was`()
        throws
    {
        let plain = try Self.options([:])
        #expect(!plain.json.contains("weights"))
        #expect(try Self.options([.weights: "as-is"]).json == plain.json)
        let fp8 = try Self.options([.weights: "fp8"])
        #expect(fp8.weights == .fp8)
        #expect(fp8.json.contains("\"weights\":\"fp8\""))
        #expect(fp8.methodLabel == "zipvl:weights=fp8")
        #expect(try AnalysisOptions(json: fp8.json) == fp8)
        #expect(try AnalysisOptions(json: plain.json).weights == .asIs)
        let model = try ModelReference(nil)
        #expect(
            model.configuration(fp8).fingerprint != model.configuration(plain).fingerprint)
        let error = #expect(throws: AnalysisError.self) { try Self.options([.weights: "int4"]) }
        #expect(error?.description == "--weights: expected one of as-is, fp8, found `int4`")
        // Methods of one evaluation may differ in it, to see what it costs.
        let plan = try EvaluationPlan(
            specs: ["full:weights=fp8"], outside: [:], frames: [4], on: .cpu)
        #expect(plan.methods.map(\.options.weights) == [.asIs, .fp8])
        #expect(plan.methods.map(\.label) == ["full", "full:weights=fp8"])
    }

    @Test func `an explicit bucket stands on every device`() throws {
        for device in [AnalysisOptions.DeviceKind.cpu, .cuda] {
            let options = try AnalysisOptions(
                try Self.request([.selectBucket: "32"]), on: device)
            #expect(options.prefill.selectBucket == 32)
        }
        #expect(try AnalysisOptions(AnalysisRequest(), on: .cpu).prefill.selectBucket == 1)
    }

    @Test func `each sampling mode is another job, and says so`() throws {
        let model = try ModelReference(nil)
        var found = Set<String>()
        for mode in ["exact", "time", "keyframe"] {
            let options = try Self.options([.sampling: mode])
            #expect(options.sampling.rawValue == mode)
            #expect(options.json.contains("\"sampling\":\"\(mode)\""))
            found.insert(model.configuration(options).fingerprint)
        }
        #expect(found.count == 3)
        #expect(SamplingMode.allCases.map(\.title) == ["exact", "time", "keyframe (inexact)"])
        // All methods of an evaluation answer on the same frames.
        #expect(throws: AnalysisError.self) { try MethodSpec("zipvl:sampling=time") }
    }

    @Test(arguments: ["hwaccel", "decode_threads", "decode-threads", "cache_size"])
    func `what changes no answer is no setting of a job`(_ name: String) {
        #expect(Key(rawValue: name) == nil)
        let json = AnalysisOptions().json
        #expect(!json.contains("hwaccel") && !json.contains("threads"))
    }

    @Test func `a number keeps all its digits`() throws {
        let options = try Self.options([.seed: "\(UInt64.max)", .tau: "\(0.1 + 0.2)"])
        let read = try AnalysisOptions(json: options.json)
        #expect(read.prefill.seed == .max)
        #expect(read.prefill.tau == 0.1 + 0.2)
    }

    @Test(arguments: [
        (Key.tau, "0"), (.tau, "1.01"), (.tau, "nan"), (.frames, "0"), (.maxNewTokens, "0"),
        (.probes, "0,4"), (.denseBelow, "-1"), (.selectBucket, "0"), (.retireAfter, "-1"),
        (.denseLayers, "-1"),
    ])
    func `a value out of range is refused`(_ key: Key, _ value: String) throws {
        let request = try Self.request([key: value])
        #expect(throws: AnalysisError.self) { try AnalysisOptions(request, on: .cpu) }
    }

    @Test(arguments: [
        (Key.frames, "many"), (.method, "magic"), (.kv, "some"), (.tau, "high"), (.probes, "64"),
        (.seed, "-1"), (.dtype, "float16"), (.sampling, "random"), (.thresholdRule, "exact"),
        (.denseLayers, "0,"), (.rows, "none"), (.premerge, "vsm"), (.fastvLayer, "2.5"),
        (.noCache, "off"),
    ])
    func `a text of the wrong kind is refused with the flag, what was expected and what was found`(
        _ key: Key, _ value: String
    ) throws {
        let error = #expect(throws: AnalysisError.self) { try Self.request([key: value]) }
        #expect(error?.description.hasPrefix("\(key.flag): expected ") == true)
        #expect(error?.description.contains("`\(value)`") == true)
    }

    @Test func `a file of patterns that is not there is named`() {
        let error = #expect(throws: AnalysisError.self) {
            try Self.request([.minference: "/no/such.json"])
        }
        #expect(error?.description.contains("/no/such.json") == true)
    }

    @Test func `patterns stay what they were when their file changes`() throws {
        let file = try PatternFile()
        defer { file.remove() }
        let options = try Self.options([.method: "minference", .minference: file.path])
        try Data("[]".utf8).write(to: file.url)
        let read = try AnalysisOptions(json: options.json)
        #expect(read.prefill.minference?[0, 1] == .verticalAndSlash(vertical: 30, slash: 800))
        #expect(!options.json.contains(file.path))
    }

    @Test func `what a person named wins over the job file`() throws {
        let flags = try Self.request([.frames: "8"])
        let merged = flags.filled(from: try Self.request([.frames: "32", .tau: "0.9"]))
        #expect(merged.frames == 8)
        #expect(try AnalysisOptions(merged, on: .cpu).prefill.tau == 0.9)
    }

    @Test func `jobs of the first version are read as they were meant`() throws {
        let old = try AnalysisOptions(
            json: """
                {"dense_below":12,"dtype":"bfloat16","ffn":"all","frames":32,"kv":"full",\
                "max_new_tokens":5,"method":"zipvl","premerge":"none","probes_random":0,\
                "probes_recent":3,"resize":"swscale","rows":"zero","sampling":"exact","seed":7,\
                "select_bucket":8,"tau":1.0}
                """)
        var same = try Self.options([
            .denseBelow: "12", .dtype: "bfloat16", .frames: "32", .kv: "full", .maxNewTokens: "5",
            .probes: "3,0", .resize: "swscale", .seed: "7", .selectBucket: "8", .tau: "1",
        ])
        #expect(old == same)
        let full = """
            {"dtype":"float32","ffn":"all","frames":64,"kv":"full","max_new_tokens":64,\
            "method":"full","premerge":"none","resize":"pillow","sampling":"exact","seed":0}
            """
        same = try Self.options([.method: "full"])
        #expect(try AnalysisOptions(json: full) == same)
        // An answer from then stands for the same question asked now.
        #expect(same.json == full)
    }

    @Test(arguments: [
        ("\"ffn\":\"all\"", "\"ffn\":\"kept\""), ("\"ffn\":\"all\"", "\"ffn\":\"some\""),
        ("\"seed\":0", "\"seed\":0,\"tau\":0.9"), ("\"seed\":0", "\"seed\":0,\"weights\":\"int4\""),
        ("\"seed\":0", "\"speed\":0"), ("\"float32\"", "\"auto\""),
        ("\"frames\":64", "\"frames\":0"),
        ("\"kv\":\"full\"", "\"kv\":\"mixed\""), ("{", ""),
    ])
    func `options of another version are refused, not guessed`(_ old: String, _ new: String) throws
    {
        let json = try Self.options([.method: "full"]).json
        let changed = json.replacing(old, with: new)
        try #require(changed != json)
        #expect(throws: AnalysisError.self) { try AnalysisOptions(json: changed) }
    }
}

/// Patterns for one layer of two heads.
private struct PatternFile {
    let url = FileManager.default.temporaryDirectory.appending(path: "heads-\(UUID()).json")
    var path: String { url.path }

    init() throws {
        try Data(
            """
            [{"0": ["vertical_and_slash", 1000, 6096, 1], "1": ["vertical_and_slash", 30, 800, 0.9]}]
            """.utf8
        ).write(to: url)
    }

    func remove() { try? FileManager.default.removeItem(at: url) }
}

/// Numbers that are the same in every run.
private struct Draw {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    mutating func one<Item>(of items: [Item]) -> Item { items[Int(next() % UInt64(items.count))] }
}
