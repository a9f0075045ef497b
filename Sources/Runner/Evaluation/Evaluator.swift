package import Jobs

/// Answers the items of a list by several methods and stores each answer as it is there. What the store has
/// already is not answered again.
package struct Evaluator<Engine: EvaluationEngine>: Sendable {
    private let engine: Engine
    private let store: any EvaluationStore
    private let items: [EvaluationItem]
    /// How many of them, from the first, are answered.
    private let asked: Int
    private let methods: [EvaluationPlan.Method]
    private let observe: @Sendable (EvaluationEvent) -> Void

    /// - Parameter limit: only the first so many items are answered; all are stored, so that a later run
    ///   without a limit goes on.
    package init(
        engine: Engine, store: any EvaluationStore, items: [EvaluationItem], plan: EvaluationPlan,
        limit: Int? = nil, observe: @escaping @Sendable (EvaluationEvent) -> Void = { _ in }
    ) {
        self.engine = engine
        self.store = store
        self.items = items
        asked = min(items.count, limit ?? items.count)
        methods = plan.methods
        self.observe = observe
    }

    /// How a run ended, and where its answers are.
    package struct Ending: Sendable {
        package var evaluation: OpenEvaluation
        /// The signal that stopped it before its end.
        package var stoppedBy: Int32?
        /// The second signal gave up the video in hand.
        package var isForced: Bool
    }

    /// Runs to the end, or until asked to stop: after the video in hand, or asked twice, as soon as the
    /// engine lets go of the answer in hand, which is given up.
    ///
    /// - Throws: `QueueError` of the store, and what keeps the engine from loading
    package func run(
        _ spec: EvaluationSpec, fresh: Bool, stop: StopSignal
    ) async throws -> Ending {
        // A model that does not load must not cost the answers of an earlier run.
        if fresh, let first = methods.first { try await engine.load(first.options) }
        let open = try await store.openEvaluation(
            spec, items, methods.map(\.record), fresh: fresh && !stop.isRequested)
        let units = units(open)
        observe(
            .opened(
                answered: open.answered.reduce(0) { $0 + $1.count { $0 < asked } },
                total: asked * methods.count))
        guard let first = units.first else {
            return Ending(evaluation: open, stoppedBy: nil, isForced: false)
        }
        let work = Task {
            try await engine.load(methods[first.sampling].options)
            try await answer(units, open, stop)
        }
        let watch = Task { if await stop.second.wait() != nil { work.cancel() } }
        defer { watch.cancel() }
        do {
            try await withTaskCancellationHandler {
                try await work.value
            } onCancel: {
                work.cancel()
            }
        } catch is CancellationError where stop.isForced {
            return Ending(evaluation: open, stoppedBy: stop.first.value, isForced: true)
        }
        return Ending(evaluation: open, stoppedBy: stop.first.value, isForced: false)
    }

    /// What is sampled and encoded once: a video at a number of frames, with all that is open about it.
    private struct Unit: Sendable {
        var video: String
        /// A method with the sampling options.
        var sampling: Int
        var open: [(item: Int, method: Int)]
    }

    /// In the order in which the videos first appear.
    private func units(_ evaluation: OpenEvaluation) -> [Unit] {
        var order: [String] = []
        var byVideo: [String: [Int]] = [:]
        for (index, item) in items.prefix(asked).enumerated() {
            if byVideo[item.video] == nil { order.append(item.video) }
            byVideo[item.video, default: []].append(index)
        }
        var counts: [Int] = []
        for method in methods where !counts.contains(method.frames) { counts.append(method.frames) }
        var units: [Unit] = []
        for video in order {
            for frames in counts {
                let same = methods.indices.filter { methods[$0].frames == frames }
                let open = (byVideo[video] ?? []).flatMap { item in
                    // Each method comes first in turn, so that none always has the cold caches.
                    same.indices.map { same[($0 + item) % same.count] }
                        .filter { !evaluation.answered[$0].contains(item) }
                        .map { (item: item, method: $0) }
                }
                if let first = open.first {
                    units.append(Unit(video: video, sampling: first.method, open: open))
                }
            }
        }
        return units
    }

    private func answer(
        _ units: [Unit], _ evaluation: OpenEvaluation, _ stop: StopSignal
    ) async throws {
        var sampling = sample(units[0])
        defer { sampling.cancel() }
        for (index, unit) in units.enumerated() {
            if stop.isRequested { return }
            let sampled = await withTaskCancellationHandler {
                await sampling.result
            } onCancel: { [sampling] in
                sampling.cancel()
            }
            try Task.checkCancellation()
            // The next video is decoded while the model works.
            if index + 1 < units.count { sampling = sample(units[index + 1]) }
            observe(
                .began(
                    video: unit.video, frames: methods[unit.sampling].frames,
                    answers: unit.open.count, unit: index, units: units.count))
            switch sampled {
            case .success(let frames): try await answer(unit, frames, evaluation)
            case .failure(let error):
                try await fail(unit, unit.open.indices, error, stage: "decode", evaluation)
            }
        }
    }

    private func sample(_ unit: Unit) -> Task<Engine.Frames, any Error> {
        let options = methods[unit.sampling].options
        return Task { try await engine.frames(of: unit.video, options) }
    }

    private func answer(
        _ unit: Unit, _ frames: Engine.Frames, _ evaluation: OpenEvaluation
    ) async throws {
        let questions = unit.open.map { place in
            EvaluationQuestion(item: items[place.item], options: methods[place.method].options)
        }
        let (results, giver) = AsyncStream<(Int, Result<Answer, any Error>)>.makeStream()
        let answering = Task { [engine] in
            defer { giver.finish() }
            try await engine.answer(questions, frames) { giver.yield(($0, $1)) }
        }
        var done = Set<Int>()
        let end = try await withTaskCancellationHandler {
            do {
                for await (index, result) in results {
                    done.insert(index)
                    try await store(result, unit, index, evaluation)
                }
            } catch {
                answering.cancel()
                _ = await answering.result
                throw error
            }
            return await answering.result
        } onCancel: {
            answering.cancel()
        }
        try Task.checkCancellation()
        if case .failure(let error) = end {
            let open = unit.open.indices.filter { !done.contains($0) }
            try await fail(unit, open, error, stage: "encode", evaluation)
        }
    }

    private func store(
        _ result: Result<Answer, any Error>, _ unit: Unit, _ index: Int,
        _ evaluation: OpenEvaluation
    ) async throws {
        let place = unit.open[index]
        switch result {
        case .success(var answer):
            let item = items[place.item]
            let verdict = Scoring.judge(
                answer.answer, choices: item.choices, expected: item.expected)
            (answer.choice, answer.correct) = (verdict.choice, verdict.correct)
            try await store.recordEvaluation([
                EvaluationAnswer(
                    method: evaluation.methods[place.method], item: place.item,
                    outcome: .success(answer))
            ])
            observe(.answered(correct: verdict.correct ?? false))
        case .failure(let error):
            try await fail(unit, [index], error, stage: "prefill", evaluation)
        }
    }

    /// Records why there are no answers; an interruption is none of the items' fault.
    private func fail(
        _ unit: Unit, _ indices: some Sequence<Int>, _ error: any Error, stage: String,
        _ evaluation: OpenEvaluation
    ) async throws {
        if error is CancellationError { throw error }
        let failure = JobFailure(error, stage: stage).failure
        let answers = indices.map { index in
            EvaluationAnswer(
                method: evaluation.methods[unit.open[index].method], item: unit.open[index].item,
                outcome: .failure(failure))
        }
        guard !answers.isEmpty else { return }
        try await store.recordEvaluation(answers)
        observe(.failed(count: answers.count, message: failure.message))
    }
}

/// What happens during an evaluation.
package enum EvaluationEvent: Sendable {
    case opened(answered: Int, total: Int)
    case began(video: String, frames: Int, answers: Int, unit: Int, units: Int)
    case answered(correct: Bool)
    case failed(count: Int, message: String)
}
