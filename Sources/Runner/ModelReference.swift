import EmbeddedModel
import Foundation
package import Jobs
import LongVA

/// A model by name and by content.
package struct ModelReference: Sendable, Hashable {
    /// `embedded`, or the absolute path of a directory.
    package var name: String
    package var directory: String
    package var sha256: String

    package static let embeddedName = "embedded"

    /// Finds the model and fingerprints it, without loading weights.
    ///
    /// - Parameter name: `embedded`, a directory, or `nil` for the embedded model
    /// - Throws: `ModelError`, `WeightError` or `EmbeddedModelMissing`
    package init(_ name: String?) throws {
        let name = name ?? Self.embeddedName
        directory = try Self.directory(of: name)
        self.name = name == Self.embeddedName ? name : directory
        sha256 = try LongVAModel.fingerprint(directory: directory)
    }

    static func directory(of name: String) throws -> String {
        name == embeddedName
            ? try EmbeddedModel.directory()
            : URL(fileURLWithPath: name).standardizedFileURL.path
    }

    /// S, the side of the frames that a model takes, from its files without its weights.
    ///
    /// - Parameter name: as of `init`
    package static func imageSide(of name: String?) throws -> Int {
        try imageSide(ofDirectory: directory(of: name ?? embeddedName))
    }

    static func imageSide(ofDirectory directory: String) throws -> Int {
        try ModelDirectory(directory).layout.vision.imageSize
    }

    /// What a job stores: the options, the model, and the fingerprint of both.
    package func configuration(_ options: AnalysisOptions) -> ConfigRecord {
        let json = options.json
        return ConfigRecord(
            fingerprint: ContentIdentity.sha256(json + sha256), model: name, modelSHA256: sha256,
            optionsJSON: json)
    }
}
