import Glibc

/// Finds places for labels beside the points that they name, so that they cover one another and what is
/// drawn as little as can be: each label in turn takes its cheapest place, and again when all have one.
package struct LabelLayout {
    package struct Label {
        /// Places that the label may stand beside; the first is preferred by a little.
        package var anchors: [PlotPoint]
        package var width: Double
        package var height: Double
        /// Pixels from the anchor that may be taken at most.
        package var reach: Double

        package init(anchors: [PlotPoint], width: Double, height: Double, reach: Double) {
            self.anchors = anchors
            self.width = width
            self.height = height
            self.reach = reach
        }
    }

    package struct Placed: Equatable {
        package var area: PlotRect
        package var anchor: PlotPoint
        package var distance: Double
    }

    package struct Obstacle {
        package var area: PlotRect
        /// What a covered square pixel costs. A pixel of distance costs 1.
        package var weight: Double

        package init(area: PlotRect, weight: Double) {
            self.area = area
            self.weight = weight
        }
    }

    /// Labels stay inside.
    package var bounds: PlotRect
    package var obstacles: [Obstacle] = []

    package init(bounds: PlotRect) { self.bounds = bounds }

    private static let labelWeight = 12.0
    private static let outside = 1e6
    private static let passes = 4

    /// Small squares along a line, as obstacles.
    package mutating func avoid(
        _ from: PlotPoint, _ to: PlotPoint, width: Double, weight: Double
    ) {
        let (dx, dy) = (to.x - from.x, to.y - from.y)
        let count = max(1, Int((max(abs(dx), abs(dy)) / width).rounded(.up)))
        for step in 0...count {
            let share = Double(step) / Double(count)
            let centre = PlotPoint(x: from.x + share * dx, y: from.y + share * dy)
            obstacles.append(
                Obstacle(
                    area: PlotRect(centre: centre, width: width, height: width), weight: weight))
        }
    }

    /// - Returns: in the order of `labels`; the same for the same labels
    package func place(_ labels: [Label]) -> [Placed] {
        let candidates = labels.map(candidates)
        var chosen: [Placed?] = Array(repeating: nil, count: labels.count)
        for _ in 0..<Self.passes {
            var isChanged = false
            for index in labels.indices {
                let others = chosen.indices.compactMap { $0 == index ? nil : chosen[$0]?.area }
                let best = candidates[index].min {
                    cost($0.placed.area, others) + $0.cost < cost($1.placed.area, others) + $1.cost
                }
                isChanged = isChanged || chosen[index] != best?.placed
                chosen[index] = best?.placed
            }
            if !isChanged { break }
        }
        return chosen.compactMap { $0 }
    }

    private struct Candidate {
        var placed: Placed
        /// What does not depend on the other labels.
        var cost: Double
    }

    private func candidates(of label: Label) -> [Candidate] {
        var found: [Candidate] = []
        for (rank, anchor) in label.anchors.enumerated() {
            for distance in stride(from: 7.0, through: max(7, label.reach), by: 6) {
                for turn in 0..<16 {
                    let angle = Double(turn) * .pi / 8
                    let centre = PlotPoint(
                        x: anchor.x + cos(angle) * (label.width / 2 + distance),
                        y: anchor.y + sin(angle) * (label.height / 2 + distance))
                    let area = PlotRect(centre: centre, width: label.width, height: label.height)
                    var cost = distance * 3 + Double(rank) * 2
                    if !bounds.contains(area) { cost += Self.outside }
                    for obstacle in obstacles {
                        cost += obstacle.weight * area.overlap(obstacle.area)
                    }
                    found.append(
                        Candidate(
                            placed: Placed(area: area, anchor: anchor, distance: distance),
                            cost: cost))
                }
            }
        }
        return found
    }

    private func cost(_ area: PlotRect, _ others: [PlotRect]) -> Double {
        others.reduce(0) { $0 + Self.labelWeight * area.overlap($1) }
    }

    /// Heights as near to the wanted ones as `distance` between neighbours lets them be, in their order.
    package static func apart(
        _ wanted: [Double], by distance: Double, within area: PlotRect
    ) -> [Double] {
        let order = wanted.indices.sorted { (wanted[$0], $0) < (wanted[$1], $1) }
        var places = wanted
        // Downwards, then from the bottom upwards where that ran out of the panel.
        for (above, below) in zip(order, order.dropFirst()) {
            places[below] = max(places[below], places[above] + distance)
        }
        var limit = area.bottom
        for index in order.reversed() {
            places[index] = min(places[index], limit)
            limit = places[index] - distance
        }
        return places
    }
}
