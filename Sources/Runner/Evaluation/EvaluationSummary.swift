package import Jobs

/// The table of an evaluation: what each method got right and saved, beside a baseline.
package struct EvaluationSummary: Sendable {
    package typealias Interval = PairedStatistics.Interval

    /// One method at one number of frames. Shares are 0 to 1, percentages and points 0 to 100.
    package struct Method: Sendable, Codable {
        package var method: String
        package var frames: Int
        package var isBaseline: Bool
        /// Items with an answer, and items that failed.
        package var answered: Int
        package var failed: Int
        package var correct: Int
        package var accuracy: Double?
        /// Wilson, 95 %.
        package var accuracyInterval: Interval?

        /// Items that the baseline answered, too: what the next five compare.
        package var pairs: Int
        /// Accuracy less the baseline's.
        package var differencePoints: Double?
        /// Bootstrap over items, 95 %.
        package var differenceInterval: Interval?
        package var pValue: Double?
        /// Share of pairs with the same answer, right or wrong.
        package var agreement: Double?
        /// Median over pairs. A time: differs between runs.
        package var prefillRatio: Double?

        // Named as the columns of the view `evaluation_results`.
        package var keptTokenRatioMean: Double?
        /// Of what all answers together would cost dense.
        package var attnFlopsSavedPct: Double?
        /// Mean over answers of the papers' figure.
        package var attnFlopsSavedPctPaper: Double?
        package var llmFlopsSavedPct: Double?
        package var kvCacheSavedPct: Double?
        /// What the answers were computed with, outside flags included.
        package var optionsJson: String
    }

    /// Accuracy of one method at one number of frames within a group.
    package struct Group: Sendable, Codable {
        package var group: String
        package var method: String
        package var frames: Int
        package var answered: Int
        package var correct: Int
        package var accuracy: Double?
        package var accuracyInterval: Interval?
    }

    /// In the order of the plan.
    package var methods: [Method]
    /// By group, then in the order of the plan; empty when no item has a group.
    package var groups: [Group]
    package var baseline: String

    /// - Parameters:
    ///   - answers: of all methods, by the plan's index
    ///   - baseline: a label of the plan
    package init(
        items: [EvaluationItem], plan: EvaluationPlan, answers: [[EvaluationAnswer]],
        baseline: String
    ) {
        self.baseline = baseline
        let columns = answers.map { Column($0, count: items.count) }
        methods = plan.methods.indices.map { index in
            let method = plan.methods[index]
            let reference = plan.methods.firstIndex {
                $0.label == baseline && $0.frames == method.frames
            }
            return Self.method(method, columns[index], reference.map { columns[$0] }, items)
        }
        for index in methods.indices {
            methods[index].isBaseline = plan.methods[index].label == baseline
        }
        groups = Self.groups(items).flatMap { group, members in
            plan.methods.indices.map { index in
                let judged = members.compactMap { columns[index].answers[$0]?.correct }
                let correct = judged.filter { $0 }.count
                return Group(
                    group: group, method: plan.methods[index].label,
                    frames: plan.methods[index].frames, answered: judged.count, correct: correct,
                    accuracy: share(correct, judged.count),
                    accuracyInterval: PairedStatistics.wilson(
                        successes: correct, trials: judged.count))
            }
        }
    }

    /// Answers of one method, by item.
    private struct Column {
        var answers: [Answer?]
        var failed = 0

        init(_ all: [EvaluationAnswer], count: Int) {
            answers = Array(repeating: nil, count: count)
            for answer in all where answers.indices.contains(answer.item) {
                switch answer.outcome {
                case .success(let found): answers[answer.item] = found
                case .failure: failed += 1
                }
            }
        }
    }

    private static func method(
        _ method: EvaluationPlan.Method, _ column: Column, _ reference: Column?,
        _ items: [EvaluationItem]
    ) -> Method {
        let given = column.answers.compactMap { $0 }
        let correct = given.filter { $0.correct == true }.count
        func saved(_ used: (Answer) -> Double, _ dense: (Answer) -> Double) -> Double? {
            ratio(given.map(used), given.map(dense)).map { 100 * (1 - $0) }
        }
        var row = Method(
            method: method.label, frames: method.frames, isBaseline: false, answered: given.count,
            failed: column.failed, correct: correct, accuracy: share(correct, given.count),
            accuracyInterval: PairedStatistics.wilson(successes: correct, trials: given.count),
            pairs: 0, keptTokenRatioMean: mean(given.compactMap(\.keptTokenRatioMean)),
            attnFlopsSavedPct: saved(\.attnFLOPsUsed, \.attnFLOPsDense),
            attnFlopsSavedPctPaper: mean(given.compactMap(\.attnFLOPsSavedPctPaper)),
            llmFlopsSavedPct: saved(\.llmFLOPsUsed, \.llmFLOPsDense),
            kvCacheSavedPct: saved(
                { Double($0.kvCacheBytesUsed) }, { Double($0.kvCacheBytesDense) }),
            optionsJson: method.options.json)
        if let reference { row.compare(column.answers, reference.answers, items) }
        return row
    }

    /// Items by group, in the order in which the groups first appear.
    private static func groups(_ items: [EvaluationItem]) -> [(String, [Int])] {
        guard items.contains(where: { $0.group != nil }) else { return [] }
        var order: [String] = []
        var members: [String: [Int]] = [:]
        for (index, item) in items.enumerated() {
            let group = item.group ?? "(none)"
            if members[group] == nil { order.append(group) }
            members[group, default: []].append(index)
        }
        return order.map { ($0, members[$0] ?? []) }
    }
}

extension EvaluationSummary.Method {
    fileprivate mutating func compare(
        _ answers: [Answer?], _ reference: [Answer?], _ items: [EvaluationItem]
    ) {
        var (gained, lost, agreeing) = (0, 0, 0)
        var times: [Double] = []
        for (index, both) in zip(answers, reference).enumerated() {
            guard let mine = both.0, let other = both.1 else { continue }
            pairs += 1
            let (isRight, wasRight) = (mine.correct == true, other.correct == true)
            if isRight && !wasRight { gained += 1 }
            if !isRight && wasRight { lost += 1 }
            if Self.agree(mine, other, items[index]) { agreeing += 1 }
            if let time = mine.prefillMS, let base = other.prefillMS, base > 0 {
                times.append(time / base)
            }
        }
        guard pairs > 0 else { return }
        let points = 100.0
        differencePoints = points * Double(gained - lost) / Double(pairs)
        differenceInterval = PairedStatistics.bootstrap(gained: gained, lost: lost, pairs: pairs)
            .map { .init(low: points * $0.low, high: points * $0.high) }
        pValue = PairedStatistics.mcNemar(gained: gained, lost: lost)
        agreement = share(agreeing, pairs)
        prefillRatio = PairedStatistics.median(times)
    }

    /// The same option, or for open questions the same words.
    private static func agree(_ a: Answer, _ b: Answer, _ item: EvaluationItem) -> Bool {
        if item.choices != nil, a.choice != nil || b.choice != nil { return a.choice == b.choice }
        return Scoring.words(a.answer) == Scoring.words(b.answer)
    }
}

private func share(_ part: Int, _ whole: Int) -> Double? {
    whole > 0 ? Double(part) / Double(whole) : nil
}

private func mean(_ values: [Double]) -> Double? {
    values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
}

private func ratio(_ parts: [Double], _ wholes: [Double]) -> Double? {
    let whole = wholes.reduce(0, +)
    return whole > 0 ? parts.reduce(0, +) / whole : nil
}
