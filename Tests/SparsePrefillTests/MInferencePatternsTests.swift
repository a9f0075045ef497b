import Foundation
import SparsePrefill
import TestSupport
import Testing

@Suite struct MInferencePatternsTests {
    private func patterns(_ json: String) throws -> MInferencePatterns {
        try MInferencePatterns(json: Data(json.utf8), path: "best.json")
    }

    @Test func thePublishedFormatIsRead() throws {
        let read = try patterns(
            """
            [{"0": ["vertical_and_slash", 1000, 6096, 0.76], "11": ["stream_llm", 100, 800, 336],
              "2": ["block_sparse", 100, 800, 1]}, {}, {"1": ["vertical_and_slash", 30, 800]}]
            """)
        #expect(read[0, 0] == .verticalAndSlash(vertical: 1000, slash: 6096))
        #expect(read[0, 11] == .streaming(initial: 100, local: 800))
        #expect(read[0, 2] == .blockSparse(blocks: 100))
        #expect(read[2, 1] == .verticalAndSlash(vertical: 30, slash: 800))
    }

    @Test func headsWithoutAnEntryHaveTheDefault() throws {
        let standard = MInferencePattern.verticalAndSlash(vertical: 1000, slash: 6096)
        let read = try patterns(#"[{"0": ["stream_llm", 1, 1, 1]}]"#)
        #expect(read[0, 1] == standard && read[7, 0] == standard)
        #expect(MInferencePatterns()[0, 0] == standard)
    }

    @Test func encodingIsCanonicalAndReadsBack() throws {
        let read = try patterns(
            #"[{"10": ["stream_llm", 1, 2, 0.5], "9": ["block_sparse", 7]}, {}]"#)
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let data = try encoder.encode(read)
        #expect(
            String(decoding: data, as: UTF8.self)
                == #"[{"10":["stream_llm",1,2,1],"9":["block_sparse",7,0,1]},{}]"#)
        #expect(try JSONDecoder().decode(MInferencePatterns.self, from: data) == read)
        #expect(try patterns(read.json { Double($0 + $1) }) == read)
        #expect(try encoder.encode(MInferencePatterns()) == Data("[]".utf8))
    }

    /// Scores say how a pattern was found; two files that differ in them ask for the same work.
    @Test func scoresDoNotMakePatternsDiffer() throws {
        #expect(
            try patterns(#"[{"0": ["stream_llm", 1, 2, 0.5]}]"#)
                == patterns(#"[{"0": ["stream_llm", 1, 2, 0.75]}]"#))
    }

    @Test(arguments: [
        (#"{"0": 1}"#, ["list"]),
        ("[1]", ["layer 0", "object", "found 1"]),
        (#"[{}, {"x": []}]"#, ["layer 1", "\"x\""]),
        (#"[{"03": ["stream_llm", 1, 1, 1]}]"#, ["layer 0", "\"03\""]),
        (#"[{"3": 5}]"#, ["layer 0, head 3", "expected a list", "found 5"]),
        (#"[{"3": ["flex", 1, 1, 1]}]"#, ["head 3", "vertical_and_slash", "\"flex\""]),
        (#"[{"3": ["stream_llm", 1]}]"#, ["head 3", "sizes", "[\"stream_llm\", 1]"]),
        (#"[{"3": ["stream_llm", 1.5, 1, 1]}]"#, ["head 3", "1.5"]),
        (#"[{"3": ["stream_llm", -1, 1, 1]}]"#, ["head 3", "-1"]),
        (#"[{"3": ["stream_llm", 1, 1e300, 1]}]"#, ["head 3", "sizes"]),
        (#"[{"3": ["stream_llm", 1, [2], 1]}]"#, ["head 3", "[2]"]),
        (#"[{"3": ["vertical_and_slash", 0, 0, 1]}]"#, ["head 3", "above 0"]),
        (#"[{"3": ["block_sparse", 0, 5, 1]}]"#, ["head 3", "above 0"]),
        ("[{", ["is not JSON"]),
    ])
    func errorsNameTheFileThePlaceAndWhatWasFound(_ json: String, _ parts: [String]) throws {
        let error = try #require(throws: MInferencePatternsError.self) { try patterns(json) }
        for part in ["best.json"] + parts {
            #expect("\(error)".contains(part), "\(error) does not say \(part)")
        }
    }

    @Test func aMissingFileIsNamed() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("none.json")
        let error = try #require(throws: MInferencePatternsError.self) {
            try MInferencePatterns(contentsOf: path)
        }
        #expect("\(error)".contains(path))
    }

    @Test func patternsOfAnotherModelAreRecognised() throws {
        let read = try patterns(#"[{"3": ["stream_llm", 1, 1, 1]}, {}]"#)
        #expect(read.problem(layerCount: 2, heads: 4) == nil)
        #expect(read.problem(layerCount: 3, heads: 4) == nil)
        #expect(read.problem(layerCount: 1, heads: 4)?.contains("2 layers") == true)
        #expect(read.problem(layerCount: 2, heads: 3)?.contains("head 3") == true)
    }
}
