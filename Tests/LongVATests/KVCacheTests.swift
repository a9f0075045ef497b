import Foundation
import SparsePrefill
import TestSupport
import Testing
import Torch

@testable import LongVA

/// Decoding over a quantised cache against decoding over the exact one.
@Suite struct KVCacheTests {
    /// Mean over 20 tokens of |logits - exact logits| / |exact logits|, where logits that have nothing
    /// to do with each other are 1.4 apart. With queries a tenth or less of the tiny checkpoints'
    /// the largest measured is 0.088 (`tied-choices`, ZipCache at 60 %); all in four bits 0.041.
    private static let bound: Float = 0.12
    /// The checkpoints as they are have random weights and attention that jumps from token to token
    /// at a breath: all in four bits measures up to 0.47, the settings below up to 0.66.
    private static let boundOfRandomWeights: Float = 0.9

    private func configuration(
        _ kv: KVRetention, method: PrefillMethod = .zipvl, guardLayers: Int = 0
    ) -> PrefillConfiguration {
        var configuration = PrefillConfiguration(method: method, tau: 0.9, kv: kv)
        configuration.kvGuard = guardLayers
        return configuration
    }

    /// A checkpoint whose attention is as smooth as a trained model's.
    private func smooth(
        _ name: String, _ dtype: ModelOptions.DTypeChoice = .float32
    ) throws -> LongVAModel {
        let altered = try AlteredModel(name)
        try altered.rewriteWeights { name, tensor in
            guard name.contains("q_proj") else { return (name, tensor) }
            return (name, try tensor.converted(to: .float32) * 0.1)
        }
        return try LongVAModel(ModelOptions(directory: altered.path, dtype: dtype))
    }

    @Test(arguments: ReferenceCase.all, [KVRetention.mixed, .zipcache])
    func logitsStayWithinTheBound(_ reference: ReferenceCase, _ kv: KVRetention) throws {
        for (model, bound) in [
            (try smooth(reference.name), Self.bound),
            (try smooth(reference.name, .bfloat16), Self.bound),
            (try reference.model(), Self.boundOfRandomWeights),
        ] {
            let reading = KVCacheCase(model, fed: 20)
            let full = try reading.run(configuration(.full))
            let quantized = try reading.run(configuration(kv))
            let error = try quantized.error(against: full)
            #expect(error < bound)
            #expect(error > 0)
            // Against four and two bits, with grids for few and short heads.
            let sixteenBits = full.bytes[0] * 2 / Int64(model.dtype.byteCount)
            #expect(Double(quantized.bytes[0]) * 2.5 < Double(sixteenBits))
            print("\(reference.name) \(kv) \(model.dtype): \(error), \(quantized.bytes[0]) bytes")
        }
    }

    /// The prompt's entries, quantised one layer at a time beside the cache (by what
    /// Fixtures/kv_oracle.py confirms) with a bias rotated by hand, in a cache that changes nothing.
    @Test(arguments: ["mha-single-file", "gqa3-sharded", "gqa7-extras"])
    func theCacheReadsWhatWasQuantisedFromItsPrompt(_ name: String) throws {
        let model = try smooth(name)
        let decoder = model.decoder
        let reading = KVCacheCase(model, fed: 8)
        let quantized = try reading.run(configuration(.mixed))

        let layerCount = decoder.configuration.layerCount
        let plain = KVCachePlan(configuration(.full), layerCount: layerCount)
        var exact = KVCache(room: 8, plan: plain)
        let reports = try reading.prefill(configuration(.mixed), &exact)
        var expected = KVCache(room: 8, plan: plain)
        let positions = Array(reading.prompt.indices)
        for (index, layer) in decoder.layers.enumerated() {
            guard case .plain(let entries) = exact.layers[index] else { continue }
            let (keys, values) = try entries.entries()
            let bias = try rotatedBias(decoder, layer, positions)
            var stored = CompressedKV(dtype: .float32)
            try stored.append(
                keys: keys - bias, values: values,
                salient: [try #require(reports[index].kept)])
            let read = try stored.expanded()
            try expected.fill(
                keys: read.keys + bias, values: read.values, positions: positions, salient: nil,
                keyBias: nil, rotary: decoder.rotary)
        }
        #expect(expected.layers.count == layerCount)
        let logits = try reading.fed.enumerated().map { step, token in
            try decoder.decode(token, position: positions.count + step, cache: &expected)
        }
        // A code may go to its neighbour where the two rotations are rounded differently.
        #expect(try quantized.error(against: KVCacheCase.Run(logits: logits)) < 2e-3)
    }

    /// R(position) b in double precision, float32 [1, Hkv, n, d].
    private func rotatedBias(
        _ decoder: Qwen2Model, _ layer: Qwen2DecoderLayer, _ positions: [Int]
    ) throws -> Tensor {
        let c = decoder.configuration
        let bias: [Float] = try #require(layer.keyBias).values()
        let half = c.headWidth / 2
        var rotated: [Float] = []
        for head in 0..<c.keyValueHeads {
            for position in positions {
                let angles = (0..<half).map {
                    Double(position) * pow(c.ropeTheta, -2 * Double($0) / Double(c.headWidth))
                }
                let low = (0..<half).map { Double(bias[head * c.headWidth + $0]) }
                let high = (0..<half).map { Double(bias[head * c.headWidth + half + $0]) }
                for i in 0..<half {
                    rotated.append(Float(low[i] * cos(angles[i]) - high[i] * sin(angles[i])))
                }
                for i in 0..<half {
                    rotated.append(Float(high[i] * cos(angles[i]) + low[i] * sin(angles[i])))
                }
            }
        }
        return try Tensor(
            rotated, shape: [1, c.keyValueHeads, positions.count, c.headWidth])
    }

    @Test func aGuardOverAllLayersChangesNothing() throws {
        let reading = KVCacheCase(try ReferenceCase(name: "gqa3-sharded").model())
        let full = try reading.run(configuration(.full))
        for kv in [KVRetention.mixed, .zipcache] {
            let guarded = try reading.run(configuration(kv, guardLayers: 2))
            #expect(try guarded.error(against: full) == 0)
            #expect(guarded.bytes == full.bytes)
        }
        // Four layers, two KV heads of eight channels, 260 entries in float32.
        #expect(full.bytes[0] == 4 * 2 * 2 * 8 * 260 * 4)
        #expect(full.bytes[8] == 4 * 2 * 2 * 8 * 268 * 4)
        #expect(full.peak == full.bytes[8])
    }

    /// Every hundred generated tokens leave the buffer: mixed by the threshold (zipvl) and by the
    /// ratio (fixed), zipcache by its share of every head.
    @Test(
        arguments: ["mha-single-file", "gqa3-sharded"],
        [(.zipvl, .mixed), (.fixed, .mixed), (.full, .zipcache)]
            as [(PrefillMethod, KVRetention)])
    func fullBuffersAreQuantised(
        _ name: String, _ choice: (method: PrefillMethod, kv: KVRetention)
    ) throws {
        let reading = KVCacheCase(try smooth(name), fed: 230)
        let quantized = try reading.run(configuration(choice.kv, method: choice.method))
        let full = try reading.run(configuration(.full, method: choice.method))
        #expect(try quantized.error(against: full) < Self.bound)

        let bytes = quantized.bytes
        let token = full.bytes[1] - full.bytes[0]
        for step in 1...230 where !step.isMultiple(of: 100) {
            #expect(bytes[step] - bytes[step - 1] == token)
        }
        for step in [100, 200] {
            // float32 against at most four bits, with grids for the hundred alone.
            let block = bytes[step] - bytes[step - 100]
            #expect(block > 0 && block * 4 < 100 * token)
        }
        #expect(quantized.peak >= bytes.max() ?? 0)
        #expect(quantized.peak < full.peak)
    }

    /// Plants a key bias of norm 600 that turns with every position. Queries are small, as in Qwen2,
    /// or nothing but the bias would decide what is attended.
    private func biased(_ name: String, layer: Int) throws -> LongVAModel {
        let altered = try AlteredModel(name)
        let width = try altered.open().layout.configuration.headWidth
        try altered.rewriteWeights { name, tensor in
            if name.contains("q_proj") {
                return (name, try tensor.converted(to: .float32) * 0.03)
            }
            guard name == "model.layers.\(layer).self_attn.k_proj.bias" else {
                return (name, tensor)
            }
            var bias: [Float] = try tensor.converted(to: .float32).values()
            let turning = bias.indices.filter { $0 % width == 0 || $0 % width == width / 2 }
            for channel in turning { bias[channel] = 600 / Float(turning.count).squareRoot() }
            return (name, try Tensor(bias))
        }
        return try altered.load()
    }

    @Test(arguments: ["mha-single-file", "patch14-short"], [KVRetention.mixed, .zipcache])
    func withAHugeKeyBiasItsRemovalKeepsTheBound(_ name: String, _ kv: KVRetention) throws {
        let reading = KVCacheCase(try biased(name, layer: 1), fed: 20)
        let full = try reading.run(configuration(.full))
        let removed = try reading.run(configuration(kv)).error(against: full)
        let left = try reading.run(configuration(kv)) { $0.removesKeyBias = false }
            .error(against: full)
        print("\(name) \(kv): bias removed \(removed), left in \(left)")
        #expect(removed < Self.bound)
        #expect(left > Self.bound)
    }

    @Test(arguments: ["mha-single-file", "patch14-short"], [KVRetention.mixed, .zipcache])
    func withAHugeKeyBiasInTheFirstLayerTheGuardKeepsTheBound(
        _ name: String, _ kv: KVRetention
    ) throws {
        let reading = KVCacheCase(try biased(name, layer: 0), fed: 20)
        let full = try reading.run(configuration(.full))
        func error(guardLayers: Int) throws -> Float {
            try reading.run(configuration(kv, guardLayers: guardLayers)) {
                $0.removesKeyBias = false
            }.error(against: full)
        }
        let (guarded, unguarded) = (try error(guardLayers: 1), try error(guardLayers: 0))
        print("\(name) \(kv): first layer in 16 bits \(guarded), quantised \(unguarded)")
        #expect(guarded < Self.bound)
        #expect(unguarded > Self.bound)
    }
}
