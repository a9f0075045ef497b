import TestSupport
import Testing
import Torch

@testable import SparsePrefill

/// The quantised cache of one layer against an independent implementation in numpy
/// (Fixtures/kv_oracle.py).
@Suite struct KVCompressionTests {
    @Test(arguments: KVCase.all)
    func codesAndGridsAreTheOracles(_ reference: KVCase) throws {
        let block = try #require(reference.compressed().blocks.first)
        #expect(try block.count == reference.salient().count)
        for (part, entries) in block.enumerated() {
            for (bits, group) in [(4, entries.groups.salient), (2, entries.groups.others)] {
                for (name, stored) in [("keys", group?.keys), ("values", group?.values)] {
                    let prefix = "\(part).\(name).\(bits)"
                    guard let stored else {
                        #expect(try !reference.has("\(prefix).codes"))
                        continue
                    }
                    #expect(
                        try stored.codes.bytes.values(as: UInt8.self)
                            == reference.tensor("\(prefix).codes").values(), "\(prefix)")
                    for (parameter, tensor) in [("zero", stored.zero), ("step", stored.step)] {
                        #expect(
                            try tensor.converted(to: .float32).values(as: Float.self)
                                == reference.tensor("\(prefix).\(parameter)").values(),
                            "\(prefix).\(parameter)")
                    }
                }
            }
            #expect(
                try entries.channelScale.converted(to: .float32).values(as: Float.self)
                    == reference.tensor("\(part).c").values())
        }
    }

    @Test(arguments: KVCase.all)
    func storedBytesAreTheOracles(_ reference: KVCase) throws {
        #expect(
            try [Int(reference.compressed().byteCount)] == reference.tensor("bytes").values())
    }

    @Test(arguments: KVCase.all)
    func whatIsReadBackIsTheOraclesInTheOriginalOrder(_ reference: KVCase) throws {
        let expanded = try reference.compressed().expanded()
        try expectClose(expanded.keys, reference.whole("keys.back"), relative: 1e-6, "keys")
        try expectClose(expanded.values, reference.whole("values.back"), relative: 1e-6, "values")
    }

    /// Half of the stored step (times the channel's scale for values), float32 arithmetic apart.
    @Test(arguments: KVCase.all)
    func everyEntryComesBackWithinHalfAStep(_ reference: KVCase) throws {
        let expanded = try reference.compressed().expanded()
        for (name, actual) in [("keys", expanded.keys), ("values", expanded.values)] {
            let actual: [Float] = try actual.values()
            let exact: [Float] = try reference.tensor("input.\(name)").values()
            let bound: [Float] = try reference.whole("\(name).bound").values()
            for index in exact.indices {
                let allowed = bound[index] * 1.00001 + abs(exact[index]) * 1e-6
                #expect(
                    abs(actual[index] - exact[index]) <= allowed,
                    "\(name) \(index): \(actual[index]) for \(exact[index])")
            }
        }
    }

    @Test func entriesAreReadInTheRunsElementType() throws {
        let reference = KVCase(name: "together")
        let (keys, values) = try reference.compressed(.bfloat16).expanded()
        #expect(try keys.dtype() == .bfloat16)
        #expect(try values.dtype() == .bfloat16)
        let exact = try reference.compressed().expanded()
        // bfloat16 keeps eight bits.
        try expectClose(keys, exact.keys, relative: 0x1p-8, "keys")
        try expectClose(values, exact.values, relative: 0x1p-8, "values")
    }

    @Test func aFurtherBlockIsQuantisedByItself() throws {
        let reference = KVCase(name: "together")
        var cache = try reference.compressed()
        let first = try cache.expanded()
        let (length, bytes) = (cache.length, cache.byteCount)
        // Were the grids shared, values a hundred times as large would spoil the first block.
        let keys = try reference.tensor("input.keys").unsqueezed(0) * 100
        let values = try reference.tensor("input.values").unsqueezed(0) * 100
        try cache.append(keys: keys, values: values, salient: [[0, 36]])
        #expect(cache.length == 2 * length)
        #expect(cache.byteCount > bytes)
        let both = try cache.expanded()
        #expect(
            try both.keys.narrowed(2, from: 0, count: length).values(as: Float.self)
                == first.keys.values())
        #expect(
            try both.values.narrowed(2, from: 0, count: length).values(as: Float.self)
                == first.values.values())
        var alone = CompressedKV(dtype: .float32)
        try alone.append(keys: keys, values: values, salient: [[0, 36]])
        let second = try alone.expanded()
        #expect(
            try both.keys.narrowed(2, from: length, count: length).values(as: Float.self)
                == second.keys.values())
        #expect(
            try both.values.narrowed(2, from: length, count: length).values(as: Float.self)
                == second.values.values())

        try cache.append(
            keys: keys.narrowed(2, from: 0, count: 0),
            values: values.narrowed(2, from: 0, count: 0), salient: [[]])
        #expect(cache.length == 2 * length)
    }

    @Test func keysAreReadWithTheirOffset() throws {
        let reference = KVCase(name: "each-head")
        let keys = try reference.tensor("input.keys").unsqueezed(0)
        let plain = try reference.compressed().expanded()
        let shifted = try reference.compressed().expanded(keyOffset: keys)
        try expectClose(shifted.keys, plain.keys + keys, relative: 1e-7, "keys")
        #expect(try shifted.values.values(as: Float.self) == plain.values.values())
    }
}
