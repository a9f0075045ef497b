import EmbeddedModel
import Foundation
import Testing

@Suite struct EmbeddedModelTests {
    @Test("the model stands beside the test binary, with every file its hashes name")
    func besideTheExecutable() throws {
        let directory = try EmbeddedModel.directory()
        let sums = try String(contentsOfFile: directory + "/SHA256SUMS", encoding: .utf8)
        let names = sums.split(separator: "\n").compactMap { $0.split(separator: " ").last }
        #expect(names.count == 8)
        for name in names {
            #expect(FileManager.default.isReadableFile(atPath: "\(directory)/\(name)"))
        }
    }

    @Test("an installed program finds the model under share")
    func underShare() throws {
        let root = try scratchFolder()
        defer { try? FileManager.default.removeItem(atPath: root) }
        let model = root + "/share/zipvl-batch/model"
        try makeModel(at: model)
        let found = try EmbeddedModel.directory(
            executable: root + "/bin/zipvl-batch", override: nil)
        #expect(standardized(found) == model)
    }

    @Test("the folder that ZIPVL_MODEL names is used when the program brings none")
    func override() throws {
        let root = try scratchFolder()
        defer { try? FileManager.default.removeItem(atPath: root) }
        try makeModel(at: root + "/elsewhere")
        let found = try EmbeddedModel.directory(
            executable: root + "/bin/zipvl-batch", override: root + "/elsewhere")
        #expect(found == root + "/elsewhere")
    }

    @Test("a missing model is an error that names every place looked at")
    func missing() throws {
        let error = #expect(throws: EmbeddedModelMissing.self) {
            try EmbeddedModel.directory(
                executable: "/nowhere/bin/zipvl-batch", override: "/nowhere/m")
        }
        let message = try #require(error).description
        #expect(message.contains("/nowhere/bin/zipvl-batch_EmbeddedModel.resources/model\n"))
        #expect(message.contains("/nowhere/bin/../share/zipvl-batch/model\n"))
        #expect(message.contains("/nowhere/m\n"))
    }

    private func scratchFolder() throws -> String {
        let path = NSTemporaryDirectory() + "embedded-model-" + UUID().uuidString
        try FileManager.default.createDirectory(
            atPath: path + "/bin", withIntermediateDirectories: true)
        return path
    }

    private func makeModel(at path: String) throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        try Data("{}".utf8).write(to: URL(fileURLWithPath: path + "/config.json"))
    }

    private func standardized(_ path: String) -> String {
        URL(fileURLWithPath: path).standardizedFileURL.path
    }
}
