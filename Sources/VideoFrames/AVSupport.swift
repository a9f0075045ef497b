internal import CFFmpeg

/// libav's constants and texts in Swift's terms.
enum AV {
    static let noPTS = zvl_no_pts()
    static let endOfFile = zvl_error_eof()
    static let again = zvl_error_again()
    static let interrupted = zvl_error_exit()
    static let noMemory = zvl_error_no_memory()

    static func text(_ code: Int32) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { buffer in
            guard let base = buffer.baseAddress, av_strerror(code, base, 128) == 0 else {
                return "error \(code)"
            }
            return String(cString: base)
        }
    }

    static func string(_ pointer: UnsafePointer<CChar>?) -> String? {
        pointer.map { String(cString: $0) }
    }

    /// libav writes its own log to standard error: what matters comes back as error codes and warnings.
    /// Decoders with a counter have their messages counted.
    static func silence() { zvl_count_messages() }
}
