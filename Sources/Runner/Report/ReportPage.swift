import Foundation

/// A report as one file that needs nothing else: style, script, figures and pictures are in it.
package enum ReportPage {
    /// The same content gives the same text.
    package static func text(_ content: ReportContent) -> String {
        let summary = ReportSummary(statuses: content.statuses, answers: content.answers)
        let videos = VideoPictures(content)
        let sections = [
            ReportSection("failures", "Failures", FailureSection.body(content)),
            ReportSection("methods", "Methods", MethodSection.body(content)),
            ReportSection("comparison", "Comparison", ComparisonSection.body(content)),
            ReportSection(
                "distributions", "Distributions", DistributionSection.body(content)),
            ReportSection("workers", "Workers", WorkerSection.body(content)),
            ReportSection("answers", "Answers", AnswerSection.body(content, videos)),
        ].filter { !$0.body.isEmpty }
        let page: HTML = """
            <html xmlns="http://www.w3.org/1999/xhtml" lang="en">
            <head>
            <meta charset="utf-8" />
            <meta http-equiv="Content-Security-Policy" content="\(ReportScript.policy)" />
            <meta name="viewport" content="width=device-width, initial-scale=1" />
            <title>\(content.title)</title>
            <style>\(HTML(stringLiteral: ReportStyle.sheet))\(videos.sheet)</style>
            </head>
            <body>
            <main>
            \(SummarySection.header(content, summary))
            <nav>\(sections.map(\.link))</nav>
            \(SummarySection.body(content, summary))
            \(sections.map(\.html))
            \(footer(content))
            </main>
            <script>\(HTML(stringLiteral: ReportScript.text))</script>
            </body>
            </html>

            """
        return "<!DOCTYPE html>\n" + page.markup
    }

    private static func footer(_ content: ReportContent) -> HTML {
        """
        <footer>
        <p>Attention FLOPs: 4 d<sub>h</sub> a visible pair of query and key and query head, 2 \
        d<sub>h</sub> a probe pair; “dense” is the same job with all visual tokens and full attention. KV \
        cache: the largest number of valid bytes during a job; dense is all tokens of all layers. Times are \
        those of one job from its frames to its answer. Intervals are of 95 %.</p>
        <p>Made by zipvl-batch \(content.version).</p>
        </footer>
        """
    }
}

/// A part of the page with a heading, and the link that leads to it.
struct ReportSection {
    var id: String
    var title: String
    var body: HTML

    init(_ id: String, _ title: String, _ body: HTML) {
        (self.id, self.title, self.body) = (id, title, body)
    }

    var link: HTML { "<a href=\"#\(id)-section\">\(title)</a> " }

    var html: HTML {
        """
        <section id="\(id)-section">
        <h2>\(title)</h2>
        \(body)
        </section>

        """
    }
}
