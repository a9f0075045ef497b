import Foundation
package import Jobs
import LongVA

/// Which share of the prompt a method attended in each layer, over all answers of an evaluation.
package struct LayerRatios: Sendable, Equatable {
    package struct Layer: Sendable, Equatable {
        package var mean: Double
        /// Quartiles over the answers.
        package var low: Double
        package var high: Double
    }

    package var method: String
    package var frames: Int
    package var answers: Int
    package var layers: [Layer]

    /// - Parameter answers: of one method
    /// - Returns: `nil` where no answer has shares of all layers: a method that chooses pairs, not tokens
    package init?(method: String, frames: Int, answers: [EvaluationAnswer]) {
        let rows = answers.compactMap { answer -> [Double]? in
            guard case .success(let found) = answer.outcome, let json = found.extraJSON,
                let figures = try? JSONDecoder().decode(
                    LayerFigures.self, from: Data(json.utf8))
            else { return nil }
            let ratios = figures.keptRatio.compactMap { $0 }
            return ratios.count == figures.keptRatio.count && !ratios.isEmpty ? ratios : nil
        }
        // One model: answers with other numbers of layers are not of this evaluation.
        guard let count = rows.first?.count else { return nil }
        let same = rows.filter { $0.count == count }
        self.method = method
        self.frames = frames
        self.answers = same.count
        layers = (0..<count).map { layer in
            let values = same.map { $0[layer] }.sorted()
            return Layer(
                mean: values.reduce(0, +) / Double(values.count),
                low: PairedStatistics.quantile(0.25, of: values),
                high: PairedStatistics.quantile(0.75, of: values))
        }
    }

    /// Whether any layer attended less than the whole prompt.
    package var isSparse: Bool { layers.contains { $0.mean < 1 } }
}
