import Foundation

/// Files committed with the tests, found from this source file.
package enum Fixtures {
    package static let directory: String = {
        let here = URL(fileURLWithPath: #filePath)
        return here.deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Fixtures").path
    }()

    package static let packageRoot: String =
        URL(fileURLWithPath: directory).deletingLastPathComponent().deletingLastPathComponent().path

    package static func path(_ name: String) -> String { directory + "/" + name }
}
