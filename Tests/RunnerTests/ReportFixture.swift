import Foundation
import Jobs
import Testing

@testable import Runner

#if canImport(FoundationXML)
    import FoundationXML
#endif

/// Texts that people or files may hold and that must stay texts.
enum Hostile {
    static let texts = [
        #"</script><script>alert(1)</script>"#, #"</style><img src=x onerror=alert(1)>"#,
        #""><svg onload='alert(1)'>"#, "]]> <!-- <![CDATA[ -->", "&lt;b&gt; &#60; &amp;amp;",
        "\u{202E}backwards\u{2066} \u{2069}\u{2069} and on",
        "bell \u{7} escape \u{1B}[31m",
        "\u{85} \u{9B}31m \u{2028} \u{FEFF} \u{FFFE} \u{10FFFF}", "line\nline\ttab\r\nline",
        "'; DROP TABLE jobs; -- %n %s $(reboot) `reboot` \\",
        "ما هذا؟ 日本語 🧑‍🚒 e\u{301}\u{301}\u{301}",
        "javascript:alert(1)", String(repeating: "long ", count: 6000),
    ]
}

/// A batch as a night may leave it: right, wrong and open answers, failures of several kinds, hostile texts
/// in every place that takes text.
struct ReportFixture {
    let queue: QueueFixture

    init() async throws {
        queue = try QueueFixture()
        let configs = [
            #"{"method":"zipvl","tau":0.975,"note":"<&\"'>"}"#, #"{"method":"full"}"#,
        ].enumerated().map { index, options in
            ConfigRecord(
                fingerprint: "f\(index)", model: "/models/<longva> & co", modelSHA256: "m",
                optionsJSON: options)
        }
        var jobs: [NewJob] = []
        for (index, text) in Hostile.texts.enumerated() {
            jobs.append(
                Self.job(
                    video: index / 2, config: configs[0], question: text, id: text,
                    expected: index % 3 == 2 ? nil : text))
        }
        for index in 0..<20 {
            jobs.append(
                Self.job(
                    video: index / 2, config: configs[1], question: "question \(index)", id: nil,
                    expected: "a"))
        }
        _ = try await queue.queue.enqueue(
            BatchSpec(name: Self.batch, source: "-", specJSON: "{}"), jobs)
        let baseline = jobs.prefix(Hostile.texts.count).map { job in
            var job = job
            job.config = configs[1]
            return job
        }
        _ = try await queue.queue.enqueue(
            BatchSpec(name: "baseline", source: "-", specJSON: "{}"), baseline)
        try await work()
    }

    /// Itself hostile, for the shell and for the page.
    static let batch = "night's <b>\"batch\"</b> & $(co)"

    private static func job(
        video: Int, config: ConfigRecord, question: String, id: String?, expected: String?
    ) -> NewJob {
        let name = Hostile.texts[video % Hostile.texts.count].prefix(60)
        return NewJob(
            video: VideoRecord(
                contentID: "sha256:\(video)", path: "/videos/\(name)", sizeBytes: 1,
                mtimeNanoseconds: 1),
            config: config, question: question, expected: expected, customID: id, maxAttempts: 1)
    }

    private func work() async throws {
        let worker = try await queue.queue.register(
            WorkerInfo(host: "h<o>st", bootID: "b", pid: 7, device: "cpu&gpu", version: "v"))
        var number = 0
        while let claim = try await queue.queue.claim(
            worker, filter: ClaimFilter(), lease: .seconds(60))
        {
            number += 1
            _ = try await queue.queue.start(claim.attempt)
            if number % 7 == 0 {
                let text = Hostile.texts[number % Hostile.texts.count]
                _ = try await queue.queue.fail(
                    claim.attempt,
                    Failure(
                        errorClass: number % 2 == 0 ? .resource : .internal,
                        code: number % 3 == 0 ? "<oom>" : "out_of_memory", message: text,
                        stage: "pre<fill"), retryAt: nil)
            } else {
                _ = try await queue.queue.complete(claim.attempt, Self.answer(number, claim))
            }
        }
    }

    private static func answer(_ number: Int, _ claim: Claim) -> Answer {
        let share = Double(number % 10) / 10
        return Answer(
            answer: claim.question, choice: number % 2 == 0 ? "<B>" : nil,
            correct: claim.expected.map { _ in number % 3 != 0 }, finishReason: .stop,
            framesUsed: 8, visualTokens: 100, promptTokens: 120, outputTokens: 5,
            keptTokenRatioMean: share, attnFLOPsDense: 1e12, attnFLOPsUsed: 1e12 * share,
            llmFLOPsDense: 3e12, llmFLOPsUsed: 2e12, kvCacheBytesDense: 1 << 20,
            kvCacheBytesUsed: Int64(number) << 12, peakHostBytes: Int64(number) << 20,
            peakDeviceBytes: number % 2 == 0 ? Int64(number) << 22 : nil, decodeVideoMS: 10,
            visionMS: 20, prefillMS: 30.5 + Double(number), generateMS: 40,
            totalMS: 100 + 13 * Double(number),
            warnings: number % 5 == 0 ? [claim.question, "plain"] : [])
    }

    func content(
        batch: String? = Self.batch, baseline: String? = nil
    ) async throws -> ReportContent {
        try await ReportContent(
            of: queue.queue, batch: batch, baseline: baseline, version: "1.0 <test>",
            madeAt: Date(timeIntervalSince1970: 1_800_000_000))
    }

    func remove() { queue.remove() }
}

/// What a strict parser reads in a page: names, texts and attributes of its elements.
final class ParsedPage: NSObject, XMLParserDelegate {
    private(set) var elements: [(name: String, attributes: [String: String])] = []
    /// Texts of elements that have no element in them, by their name.
    private(set) var leaves: [String: [String]] = [:]
    private(set) var text = ""
    private var open: [(name: String, text: String)] = []

    init(_ page: String) throws {
        super.init()
        let parser = XMLParser(data: Data(page.utf8))
        parser.delegate = self
        let isWellFormed = parser.parse()
        try #require(
            isWellFormed,
            "line \(parser.lineNumber), column \(parser.columnNumber): \(String(describing: parser.parserError))"
        )
    }

    func names(_ name: String) -> Int { elements.count { $0.name == name } }

    func parser(
        _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
        qualifiedName: String?, attributes: [String: String]
    ) {
        elements.append((name, attributes))
        open.append((name, ""))
    }

    func parser(_ parser: XMLParser, foundCharacters string: String) {
        text += string
        for place in open.indices { open[place].text += string }
    }

    func parser(
        _ parser: XMLParser, didEndElement name: String, namespaceURI: String?,
        qualifiedName: String?
    ) {
        guard let last = open.popLast() else { return }
        leaves[name, default: []].append(last.text)
    }
}
