import ArgumentParser
import Runner

/// Which tokens are attended, and what happens to the others.
struct TokenChoiceFlags: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "zipvl: share of the attention that is kept (default: 0.975).", valueName: "t"))
    var tau: String?

    @Option(
        help: ArgumentHelp(
            "zipvl: tau counted on raw scores, or along the ranking (default: raw).",
            valueName: "raw|corrected"))
    var pRule: String?

    @Option(
        help: ArgumentHelp(
            "zipvl: tokens by their scores, or as many at random (default: scores).",
            valueName: "scores|random"))
    var select: String?

    @Option(
        help: ArgumentHelp(
            "fixed: share of the tokens that is kept (default: 0.421).", valueName: "r"))
    var ratio: String?

    @Option(
        help: ArgumentHelp(
            "qk-sparse: share of queries and keys that a head keeps (default: 0.73).",
            valueName: "r"))
    var qkRatio: String?

    @Option(
        help: ArgumentHelp(
            "zipvl, fixed, qk-sparse: what scores are divided by (default: exact).",
            valueName: "exact|zipcache"))
    var norm: String?

    @Option(
        help: ArgumentHelp(
            "zipvl, fixed, qk-sparse: probe rows (default: 64,64).", valueName: "recent,random"))
    var probes: String?

    @Option(
        help: ArgumentHelp(
            "zipvl, fixed, qk-sparse: where probe rows come from (default: random).",
            valueName: "random|stratified|question"))
    var probeRule: String?

    @Option(
        help: ArgumentHelp(
            "zipvl, fixed: unselected rows get nothing, or attend to the kept keys (default: zero).",
            valueName: "zero|keys"))
    var rows: String?

    @Option(
        help: ArgumentHelp(
            "zipvl, fixed: tokens that the feed-forward layer runs on (default: all).",
            valueName: "all|kept"))
    var ffn: String?

    @Option(
        help: ArgumentHelp(
            "zipvl, fixed: a visual token unselected in n layers running leaves; 0 is never (default: 0; 3 with --ffn kept).",
            valueName: "n"))
    var retireAfter: String?

    @Option(
        help: ArgumentHelp(
            "zipvl, fixed: kept counts are rounded up to a multiple (default: 1; 256 on CUDA).",
            valueName: "n"))
    var selectBucket: String?

    @Option(
        help: ArgumentHelp(
            "zipvl, fixed: shorter prompts run dense (default: 0).", valueName: "tokens"))
    var denseBelow: String?

    @Option(
        help: ArgumentHelp(
            "zipvl, fixed, qk-sparse, minference: layers that run dense, counted from 0 (default: none).",
            valueName: "layer,..."))
    var denseLayers: String?

    var named: [AnalysisRequest.Key: String?] {
        [
            .tau: tau, .thresholdRule: pRule, .select: select, .ratio: ratio, .qkRatio: qkRatio,
            .norm: norm, .probes: probes, .probeRule: probeRule, .rows: rows, .ffn: ffn,
            .retireAfter: retireAfter, .selectBucket: selectBucket, .denseBelow: denseBelow,
            .denseLayers: denseLayers,
        ]
    }
}

struct OtherMethodFlags: ParsableArguments {
    @Option(
        help: ArgumentHelp("fastv: layers that see all tokens (default: 2).", valueName: "k"))
    var fastvLayer: String?

    @Option(
        help: ArgumentHelp(
            "fastv: share of the visual tokens that leaves (default: 0.5).", valueName: "r"))
    var fastvDrop: String?

    @Option(
        help: ArgumentHelp(
            "minference: patterns of the heads (default: 1000 columns, 6096 diagonals).",
            valueName: "file.json"))
    var minferenceConfig: String?

    @Option(
        help: ArgumentHelp(
            "hired: share of each frame's tokens that is kept (default: 0.2).", valueName: "r"))
    var hiredBudget: String?

    var named: [AnalysisRequest.Key: String?] {
        [
            .fastvLayer: fastvLayer, .fastvDrop: fastvDrop, .minference: minferenceConfig,
            .hiredBudget: hiredBudget,
        ]
    }
}

/// What goes with every method.
struct CacheFlags: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "What stays in the KV cache; discard and mixed with zipvl and fixed (default: discard with these, else full).",
            valueName: "full|discard|mixed|zipcache"))
    var kv: String?

    @Option(
        help: ArgumentHelp(
            "kv zipcache: share of the entries in 4 bit (default: 0.6).", valueName: "r"))
    var zipcacheSalient: String?

    @Option(
        help: ArgumentHelp(
            "kv mixed, zipcache: first and last layers that stay in 16 bit (default: 2).",
            valueName: "n"))
    var kvGuard: String?

    @Option(
        help: ArgumentHelp(
            "evs drops visual tokens that repeat the frame before (default: none).",
            valueName: "none|evs"))
    var premerge: String?

    @Option(
        help: ArgumentHelp(
            "premerge evs: share of the visual tokens that is dropped (default: 0.5).",
            valueName: "r"))
    var premergeRate: String?

    var named: [AnalysisRequest.Key: String?] {
        [
            .kv: kv, .zipcacheSalient: zipcacheSalient, .kvGuard: kvGuard, .premerge: premerge,
            .premergeRate: premergeRate,
        ]
    }
}
