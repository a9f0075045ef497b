import LongVA
import SparsePrefill
package import VideoFrames

/// A value that people write as text and that a job stores as JSON.
protocol SettingValue: StoredValue {
    init?(text: String)
    /// What a text must be: "a number".
    static var expectation: String { get }
}

/// A value of a job's options. Equal values have equal JSON, whatever wrote it.
protocol StoredValue: Decodable {
    var json: String { get }
}

extension SettingValue where Self: LosslessStringConvertible {
    init?(text: String) { self.init(text) }
    // Swift prints the shortest digits that give the same number back.
    var json: String { description }
}

extension Int: SettingValue {
    static var expectation: String { "a whole number" }
}

extension Bool: SettingValue {
    static var expectation: String { "true or false" }
}

extension UInt64: SettingValue {
    static var expectation: String { "a whole number that is not negative" }
}

extension Double: SettingValue {
    static var expectation: String { "a number" }
}

/// Layers, such as `0,1`.
extension [Int]: StoredValue, SettingValue {
    init?(text: String) {
        var numbers: Set<Int> = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let number = Int(part.filter { $0 != " " }) else { return nil }
            numbers.insert(number)
        }
        self = numbers.sorted()
    }

    static var expectation: String { "whole numbers such as 0,1" }
    var json: String { "[" + map { "\($0)" }.joined(separator: ",") + "]" }
}

/// Names, which need no escapes.
extension SettingValue where Self: RawRepresentable<String> & CaseIterable {
    init?(text: String) { self.init(rawValue: text) }

    static var expectation: String {
        "one of " + allCases.map(\.rawValue).joined(separator: ", ")
    }

    var json: String { "\"\(rawValue)\"" }
}

extension SamplingMode: CaseIterable, SettingValue {
    package static let allCases: [SamplingMode] = [.exact, .time, .keyframe]
}

extension SamplingMode {
    /// The mode for people, who must not take key frames for the frames of the name.
    package var title: String { self == .keyframe ? "keyframe (inexact)" : rawValue }
}

extension HardwareDecoding: CaseIterable {
    package static let allCases: [HardwareDecoding] = [.none, .auto, .cuda]
}

extension ResizeFilter: CaseIterable, SettingValue {
    package static let allCases: [ResizeFilter] = [.pillow, .swscale]
}

extension ModelOptions.DTypeChoice: SettingValue {}
extension ModelOptions.WeightFormat: SettingValue {}
extension PrefillMethod: SettingValue {}
extension ScoreNormalization: SettingValue {}
extension ThresholdRule: SettingValue {}
extension ProbeRule: SettingValue {}
extension TokenChoice: SettingValue {}
extension RowRule: SettingValue {}
extension FeedForwardRule: SettingValue {}
extension KVRetention: SettingValue {}
extension Premerge: SettingValue {}

/// Stored whole, so that a job means the same after its file changed.
extension MInferencePatterns?: StoredValue {
    var json: String { self?.json().filter { !$0.isWhitespace } ?? "null" }
}
