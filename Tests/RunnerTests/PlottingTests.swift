import Foundation
import FoundationXML
import Jobs
import Plotting
import Testing

@testable import Runner

@Suite struct PlottingTests {
    @Test(arguments: [
        (100.0, 5, 20.0), (40, 5, 10), (31, 6, 10), (7, 7, 1), (0.3, 5, 0.1), (1, 8, 0.2),
        (12_000, 4, 5000),
    ])
    func `steps are 1, 2 or 5 times a power of ten`(span: Double, count: Int, step: Double) {
        #expect(abs(PlotScale.step(over: span, atMost: count) / step - 1) < 1e-12)
    }

    @Test func `ticks lie within the axis, both ends included`() {
        let scale = PlotScale(values: 60...100, start: 300, end: 0)
        #expect(scale.ticks(atMost: 4) == [60, 70, 80, 90, 100])
        #expect(scale.pixel(60) == 300 && scale.pixel(100) == 0 && scale.pixel(90) == 75)
        #expect(PlotScale(values: 3...9.5, start: 0, end: 1).ticks(atMost: 4) == [4, 6, 8])
    }

    // MARK: Labels

    private static let bounds = PlotRect(x: 0, y: 0, width: 400, height: 300)

    private static func label(_ x: Double, _ y: Double) -> LabelLayout.Label {
        .init(anchors: [PlotPoint(x: x, y: y)], width: 80, height: 14, reach: 60)
    }

    @Test func `labels of a crowd stay apart, clear of the marks, and inside`() {
        let places = stride(from: 0.0, to: 6, by: 1).map { step in
            PlotPoint(x: 190 + 6 * step, y: 150 + 3 * step)
        }
        var layout = LabelLayout(bounds: Self.bounds)
        for place in places {
            let area = PlotRect(centre: place, width: 10, height: 10)
            layout.obstacles.append(.init(area: area, weight: 100))
        }
        let placed = layout.place(places.map { Self.label($0.x, $0.y) })
        #expect(placed.count == places.count)
        for (index, spot) in placed.enumerated() {
            #expect(Self.bounds.contains(spot.area))
            #expect(placed[..<index].allSatisfy { $0.area.overlap(spot.area) == 0 })
            #expect(layout.obstacles.allSatisfy { $0.area.overlap(spot.area) == 0 })
        }
    }

    @Test func `a label in a corner turns inwards, and a lone one stays near`() {
        let placed = LabelLayout(bounds: Self.bounds)
            .place([Self.label(396, 4), Self.label(200, 150)])
        #expect(placed.allSatisfy { Self.bounds.contains($0.area) })
        #expect(placed[1].distance == 7)
    }

    @Test func `names at the ends of lines keep their order and their distance`() {
        let area = PlotRect(x: 0, y: 0, width: 10, height: 100)
        let wanted = [96.0, 20, 97, 95, 22]
        let places = LabelLayout.apart(wanted, by: 15, within: area)
        let order = wanted.indices.sorted { wanted[$0] < wanted[$1] }
        for (above, below) in zip(order, order.dropFirst()) {
            #expect(places[below] - places[above] >= 15)
        }
        #expect(places.allSatisfy { $0 <= 100 })
        #expect(LabelLayout.apart([10, 50], by: 15, within: area) == [10, 50])
    }

    // MARK: Files

    /// Elements of a well-formed file: name, attributes.
    private final class Elements: NSObject, XMLParserDelegate {
        var all: [(name: String, attributes: [String: String])] = []
        var text = ""

        static func of(_ svg: String) -> Elements? {
            let found = Elements()
            let parser = XMLParser(data: Data(svg.utf8))
            parser.delegate = found
            return parser.parse() ? found : nil
        }

        func parser(
            _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
            qualifiedName: String?, attributes: [String: String]
        ) {
            all.append((name, attributes))
        }

        func parser(_ parser: XMLParser, foundCharacters string: String) { text += string }
    }

    @Test func `a figure is well-formed whatever methods and models are called`() throws {
        let svg = try TradeoffFigure(
            TradeoffSeriesTests.summary([
                TradeoffSeriesTests.method("full", attention: 100, decoder: 100),
                TradeoffSeriesTests.method("a <b> & \"c\"\u{1}"),
            ]), model: "m & <n>"
        ).svg
        let elements = try #require(Elements.of(svg))
        #expect(elements.text.contains("a <b> & \"c\" "))
        #expect(elements.text.contains("model m & <n>"))
        #expect(elements.all[0].name == "svg")
    }

    @Test func `marks stand at their cost and accuracy, bars from end to end`() throws {
        let svg = try TradeoffFigure(
            TradeoffSeriesTests.summary([
                TradeoffSeriesTests.method("full", accuracy: 0.95, attention: 100, decoder: 100),
                TradeoffSeriesTests.method("fixed", accuracy: 0.85, attention: 50, decoder: 25),
            ]), model: "m"
        ).svg
        let circles = try #require(Elements.of(svg)).all.filter { $0.name == "circle" }
        let places = try circles.map { circle in
            PlotPoint(
                x: try #require(circle.attributes["cx"].flatMap(Double.init)),
                y: try #require(circle.attributes["cy"].flatMap(Double.init)))
        }
        // In each panel the baseline, then the method. Axes start at 0 and end at 104.
        try #require(places.count == 4)
        let (left, width) = (44.0, 836.0)
        for (panel, cost) in [(0, 50.0), (1, 25)] {
            let (full, fixed) = (places[2 * panel], places[2 * panel + 1])
            #expect(abs(full.x - (left + width * 100 / 104)) < 0.01)
            #expect(abs(fixed.x - (left + width * cost / 104)) < 0.01)
            #expect(full.y < fixed.y)
            // The bar: 0.05 down, 0.04 up, beside 0.1 between the two accuracies.
            let point = (fixed.y - full.y) / 10
            let bar = try #require(Elements.of(svg)).all.first {
                $0.name == "line" && $0.attributes["x1"] == SVGDrawing.number(fixed.x)
                    && $0.attributes["x2"] == SVGDrawing.number(fixed.x)
                    && abs((Double($0.attributes["y1"] ?? "") ?? 0) - (fixed.y + 5 * point)) < 0.05
            }
            let top = try #require(bar?.attributes["y2"].flatMap(Double.init))
            #expect(abs(top - (fixed.y - 4 * point)) < 0.05)
        }
    }

    @Test func `two numbers of frames make a figure twice as high`() throws {
        func height(_ frames: [Int]) throws -> Double {
            let svg = try TradeoffFigure(
                TradeoffSeriesTests.summary(
                    frames.map { TradeoffSeriesTests.method("full", frames: $0) }), model: "m"
            ).svg
            let root = try #require(Elements.of(svg)?.all.first)
            return try #require(root.attributes["height"].flatMap(Double.init))
        }
        #expect(try height([64, 128]) == 2 * height([64]))
    }

    // MARK: Layers

    private static func answer(_ item: Int, _ ratios: String) -> EvaluationAnswer {
        let json = """
            {"kept_ratio":\(ratios),"mass_kept":[null,null],"probes_used":[0,0],"kept_hash":[null,null]}
            """
        return EvaluationAnswer(
            method: EvaluationMethodID(1), item: item,
            outcome: .success(
                Answer(
                    answer: "red", finishReason: .stop, framesUsed: 2, visualTokens: 8,
                    promptTokens: 20, outputTokens: 1, attnFLOPsDense: 1, attnFLOPsUsed: 1,
                    llmFLOPsDense: 1, llmFLOPsUsed: 1, kvCacheBytesDense: 1, kvCacheBytesUsed: 1,
                    peakHostBytes: 1, totalMS: 1, warnings: [], extraJSON: json)))
    }

    @Test func `mean and quartiles are by layer`() throws {
        let rows = ["[0.2,1]", "[0.4,1]", "[0.6,1]", "[1,1]"]
        let ratios = try #require(
            LayerRatios(
                method: "zipvl", frames: 64,
                answers: rows.enumerated().map { Self.answer($0, $1) }))
        #expect(ratios.answers == 4 && ratios.layers.count == 2 && ratios.isSparse)
        // numpy.mean, numpy.quantile of 0.2, 0.4, 0.6, 1.0
        #expect(abs(ratios.layers[0].mean - 0.55) < 1e-12)
        #expect(abs(ratios.layers[0].low - 0.35) < 1e-12)
        #expect(abs(ratios.layers[0].high - 0.7) < 1e-12)
        #expect(ratios.layers[1] == .init(mean: 1, low: 1, high: 1))
    }

    @Test func `methods that choose pairs, or keep all, have no line`() throws {
        #expect(
            LayerRatios(
                method: "minference", frames: 2, answers: [Self.answer(0, "[null,null]")]) == nil)
        let full = try #require(
            LayerRatios(method: "full", frames: 2, answers: [Self.answer(0, "[1,1]")]))
        let some = try #require(
            LayerRatios(method: "zipvl", frames: 2, answers: [Self.answer(0, "[0.5,0.25]")]))
        let elements = try #require(Elements.of(LayerFigure([full, some], model: "m").svg))
        #expect(elements.all.count { $0.name == "polyline" } == 1)
        #expect(elements.text.contains("zipvl") && !elements.text.contains("full"))
        let none = try #require(Elements.of(LayerFigure([full], model: "m").svg))
        #expect(none.text.contains("No method"))
    }
}
