import Crypto
import Foundation
import Glibc
import Jobs
import Runner
import VideoFrames

/// Answers each job with the sha256 of its video and question, after a while.
///
/// Videos whose file names begin with a word of `Ailment` do harm instead, unless the question
/// begins with "good"; those that begin with "real" are really sampled.
struct StormEngine: JobEngine {
    enum Ailment: String {
        /// A fault in memory, as of a broken decoder.
        case segv
        /// An endless loop that hears of nothing, as a hung kernel.
        case loop
        /// An endless wait that ends when asked.
        case wait
        /// Takes all memory there is.
        case memory
    }

    let duration: Duration
    let log: StormLog
    let sampler: SamplerProcess
    let mayTakeMemory: Bool

    func prepare(_ claim: Claim) async throws -> String {
        if Self.word(claim) == "real" {
            let request = SamplingRequest(path: claim.video.path, frames: 4)
            _ = try await sampler.sample(request)
        }
        return "\(claim.video.contentID)|\(claim.question)"
    }

    private static func word(_ claim: Claim) -> String {
        let name = claim.video.path.split(separator: "/").last ?? ""
        return String(name.prefix { $0.isLetter })
    }

    func answer(
        _ claim: Claim, _ prepared: String,
        progress: @escaping @Sendable (String, Double) -> Void
    ) async throws -> Answer {
        log.note("begun", claim)
        if !claim.question.hasPrefix("good"), let ailment = Ailment(rawValue: Self.word(claim)) {
            try await suffer(ailment)
        }
        for step in 1...2 {
            do {
                try await Task.sleep(for: duration / 2)
            } catch {
                // At once, and whatever the queue then says.
                log.note("stopped", claim)
                throw error
            }
            progress("prefill", Double(step) / 2)
        }
        log.note("inferred", claim)
        let digest = SHA256.hash(data: Data(prepared.utf8))
        return Answer(
            answer: digest.map { String($0, radix: 16) }.joined(separator: "."), choice: nil,
            correct: nil, finishReason: .stop, framesUsed: 1, visualTokens: 1, promptTokens: 1,
            outputTokens: 1, attnFLOPsDense: 1, attnFLOPsUsed: 1, llmFLOPsDense: 1,
            llmFLOPsUsed: 1, kvCacheBytesDense: 1, kvCacheBytesUsed: 1, peakHostBytes: 1,
            totalMS: 50, warnings: [])
    }

    private func suffer(_ ailment: Ailment) async throws {
        switch ailment {
        case .segv:
            UnsafeMutablePointer<Int>(bitPattern: 16)?.pointee = 1
        case .loop:
            // On a thread of its own, as the engine's: nothing but that thread hangs.
            await withCheckedContinuation { (never: CheckedContinuation<Void, Never>) in
                let thread = Thread {
                    while true { usleep(100_000) }
                    never.resume()
                }
                thread.start()
            }
        case .wait: try await Task.sleep(for: .seconds(86_400))
        case .memory:
            guard mayTakeMemory else {
                throw Failure(
                    errorClass: .internal, code: "no_limit",
                    message: "--memory must limit what this may take")
            }
            var blocks: [[UInt8]] = []
            while true { blocks.append([UInt8](repeating: 1, count: 16 << 20)) }
        }
    }
}
